//! Where the rows of entities stand in a block, and which entities stand side by side for some ticks, so that their values can
//! be decoded side by side as well.

/// Ticks of one entity without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntityRun {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl EntityRun {
    fn end(&self) -> u32 {
        self.start + self.len
    }
}

/// Runs that are decoded side by side.
pub(crate) const SIDE_BY_SIDE: usize = 4;
/// Values of a run that are told apart from its others: from these on it goes on from its own past.
pub(crate) const EARLY: u32 = 3;
/// No strip.
const NONE: u32 = u32::MAX;

/// Where the rows of entity runs stand: tick after tick, in the order of slots.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Where each tick's rows end.
    pub(crate) ends: Vec<u32>,
    /// For each value in the order of runs, the row that it belongs to.
    pub(crate) order: Vec<u32>,
    /// The runs' lengths.
    pub(crate) lens: Vec<u32>,
    /// All values but the early ones of each run; those of a run in the order of ticks.
    pub(crate) strips: Vec<Strip>,
    /// For some ticks, from which on the same runs go on until the next of them: where those runs begin in `live`.
    changes: Vec<(u32, u32)>,
    live: Vec<u32>,
    next: Vec<u32>,
}

/// Some ticks of runs whose rows stand next to each other in each of those ticks, or of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strip {
    /// The runs; of one run alone, that one again and again.
    pub(crate) runs: [u32; SIDE_BY_SIDE],
    /// Where each run's values of these ticks begin in the order of runs.
    pub(crate) from: [u32; SIDE_BY_SIDE],
    /// The same among the values that are not early.
    pub(crate) rest: [u32; SIDE_BY_SIDE],
    /// How many.
    pub(crate) ticks: u32,
}

impl Strip {
    /// Whether it is of several runs.
    pub(crate) fn is_wide(&self) -> bool {
        self.runs[0] != self.runs[1]
    }
}

impl Places {
    /// Of runs by slot in a block of that many ticks.
    pub(crate) fn fill(&mut self, runs: &[EntityRun], ticks: u32) {
        self.ends.clear();
        self.ends.resize(ticks as usize, 0);
        for run in runs {
            self.ends[run.start as usize..run.end() as usize].iter_mut().for_each(|count| *count += 1);
        }
        self.next.clear();
        let mut total = 0;
        for end in &mut self.ends {
            self.next.push(total);
            total += *end;
            *end = total;
        }
        self.order.clear();
        self.order.reserve(total as usize);
        for run in runs {
            let ticks = &mut self.next[run.start as usize..run.end() as usize];
            self.order.extend_from_slice(ticks);
            ticks.iter_mut().for_each(|next| *next += 1);
        }
        self.lens.clear();
        self.lens.extend(runs.iter().map(|run| run.len));
    }

    /// Finds out which of the runs that it was filled with stand side by side.
    pub(crate) fn lay(&mut self, runs: &[EntityRun], ticks: u32) {
        self.strips.clear();
        self.changes.clear();
        self.live.clear();
        let starts = ByTick::new(ticks, runs.iter().map(|run| run.start));
        let ends = ByTick::new(ticks, runs.iter().map(EntityRun::end));
        let mut laying = Laying::new(runs, &mut self.strips);
        let mut live: Vec<u32> = Vec::new();
        for tick in 0..ticks {
            let mut has_ended = false;
            for run in ends.at(tick) {
                laying.end_run(run, tick);
                has_ended = true;
            }
            if has_ended {
                live.retain(|&run| runs[run as usize].end() > tick);
            }
            let before = live.len();
            live.extend(starts.at(tick));
            let has_started = live.len() > before;
            if before > 0 && has_started {
                live.sort_unstable();
            }
            let mut has_rest = false;
            for run in tick.checked_sub(EARLY).into_iter().flat_map(|start| starts.at(start)) {
                if runs[run as usize].len > EARLY {
                    laying.begin_rest(run);
                    has_rest = true;
                }
            }
            if has_ended || has_started || self.changes.is_empty() {
                self.changes.push((tick, count(&self.live)));
                self.live.extend_from_slice(&live);
            }
            if has_ended || has_started || has_rest {
                laying.go_on(tick, &live);
            }
        }
        laying.end(ticks);
    }

    /// Puts what each run says of itself, which is the same in all of its rows, in place of what `out` holds.
    pub(crate) fn spread(&self, of: impl Fn(u32) -> u32, out: &mut Vec<u32>) {
        out.clear();
        out.reserve(self.order.len());
        let ends = self.changes.iter().skip(1).copied().chain([(count(&self.ends), count(&self.live))]);
        for (&(tick, from), (until, end)) in self.changes.iter().zip(ends) {
            let start = out.len();
            out.extend(self.live[from as usize..end as usize].iter().map(|&run| of(run)));
            let first = start..out.len();
            (tick + 1..until).for_each(|_| out.extend_from_within(first.clone()));
        }
    }
}

#[cfg(test)]
impl Places {
    /// Of runs of these lengths that do not all begin at once.
    pub(crate) fn of_lens(lens: &[u32]) -> Places {
        let run = |(slot, &len)| EntityRun { slot, generation: 0, start: slot % 3, len };
        let runs: Vec<EntityRun> = (0..).zip(lens).map(run).collect();
        let ticks = lens.iter().max().map_or(0, |longest| longest + 2);
        let mut places = Places::default();
        places.fill(&runs, ticks);
        places.lay(&runs, ticks);
        places
    }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("a block has fewer rows")
}

/// Runs by a tick of each.
struct ByTick {
    /// The first run of each tick, and for each run the next one of its tick.
    first: Vec<u32>,
    next: Vec<u32>,
}

impl ByTick {
    fn new(ticks: u32, of: impl DoubleEndedIterator<Item = u32> + ExactSizeIterator) -> ByTick {
        let (mut first, mut next) = (vec![NONE; ticks as usize + 1], vec![NONE; of.len()]);
        for (run, tick) in (0..count(&next)).rev().zip(of.rev()) {
            next[run as usize] = std::mem::replace(&mut first[tick as usize], run);
        }
        ByTick { first, next }
    }

    /// Those of a tick, ascending.
    fn at(&self, tick: u32) -> impl Iterator<Item = u32> {
        let is_run = |run: u32| (run != NONE).then_some(run);
        std::iter::successors(is_run(self.first[tick as usize]), move |&run| is_run(self.next[run as usize]))
    }
}

/// What is known while strips are laid from tick to tick.
struct Laying<'a> {
    runs: &'a [EntityRun],
    /// Where each run's values begin in the order of runs, and its values that are not early among those of all runs.
    first: Vec<u32>,
    rest: Vec<u32>,
    /// Of each run what it is in.
    place: Vec<Place>,
    open: Vec<Open>,
    strips: &'a mut Vec<Strip>,
}

/// What a run is in at a tick.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Its values are early, or it is not there.
    Early,
    /// No strip.
    Loose,
    /// A strip of its own.
    Alone(u32),
    /// A strip with others.
    Beside(u32),
}

/// A strip that goes on.
#[derive(Clone, Copy)]
struct Open {
    runs: [u32; SIDE_BY_SIDE],
    begun: u32,
}

impl<'a> Laying<'a> {
    fn new(runs: &'a [EntityRun], strips: &'a mut Vec<Strip>) -> Laying<'a> {
        let (mut first, mut rest) = (Vec::with_capacity(runs.len()), Vec::with_capacity(runs.len()));
        let (mut values, mut others) = (0, 0);
        for run in runs {
            first.push(values);
            rest.push(others);
            values += run.len;
            others += run.len.saturating_sub(EARLY);
        }
        Laying { runs, first, rest, place: vec![Place::Early; runs.len()], open: Vec::new(), strips }
    }

    /// From now on the values of a run are not early any more.
    fn begin_rest(&mut self, run: u32) {
        self.place[run as usize] = Place::Loose;
    }

    /// From now on a run is not there any more.
    fn end_run(&mut self, run: u32, tick: u32) {
        if let Place::Alone(strip) | Place::Beside(strip) = self.place[run as usize] {
            self.close(strip, tick);
        }
        self.place[run as usize] = Place::Early;
    }

    /// Ends the strips that are parted at a tick, in which these runs are live, and begins new ones.
    fn go_on(&mut self, tick: u32, live: &[u32]) {
        let mut at = 0;
        while let Some(&run) = live.get(at) {
            let Place::Beside(strip) = self.place[run as usize] else {
                at += 1;
                continue;
            };
            if live[at..].starts_with(&self.open[strip as usize].runs) {
                at += SIDE_BY_SIDE;
            } else {
                self.close(strip, tick);
            }
        }
        let mut beside = 0;
        for (at, &run) in live.iter().enumerate() {
            beside = if let Place::Loose | Place::Alone(_) = self.place[run as usize] { beside + 1 } else { 0 };
            if let (SIDE_BY_SIDE, Some(&runs)) = (beside, live[..=at].last_chunk()) {
                for run in runs {
                    if let Place::Alone(strip) = self.place[run as usize] {
                        self.close(strip, tick);
                    }
                }
                self.begin(runs, tick, Place::Beside);
                beside = 0;
            }
        }
        for &run in live {
            if self.place[run as usize] == Place::Loose {
                self.begin([run; SIDE_BY_SIDE], tick, Place::Alone);
            }
        }
    }

    fn begin(&mut self, runs: [u32; SIDE_BY_SIDE], tick: u32, place: fn(u32) -> Place) {
        let strip = count(&self.open);
        runs.into_iter().for_each(|run| self.place[run as usize] = place(strip));
        self.open.push(Open { runs, begun: tick });
    }

    fn close(&mut self, strip: u32, tick: u32) {
        let Open { runs, begun } = self.open.swap_remove(strip as usize);
        runs.into_iter().for_each(|run| self.place[run as usize] = Place::Loose);
        if let Some(&Open { runs, .. }) = self.open.get(strip as usize) {
            for run in runs {
                let (Place::Alone(moved) | Place::Beside(moved)) = &mut self.place[run as usize] else {
                    unreachable!("it is in a strip")
                };
                *moved = strip;
            }
        }
        let passed = |run: u32| begun - self.runs[run as usize].start;
        let from = runs.map(|run| self.first[run as usize] + passed(run));
        let rest = runs.map(|run| self.rest[run as usize] + passed(run) - EARLY);
        self.strips.push(Strip { runs, from, rest, ticks: tick - begun });
    }

    fn end(mut self, ticks: u32) {
        while let Some(last) = count(&self.open).checked_sub(1) {
            self.close(last, ticks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(runs: &[EntityRun], ticks: u32) -> Places {
        let mut places = Places::default();
        places.fill(runs, ticks);
        places.lay(runs, ticks);
        places
    }

    /// Runs of these slots, starts and lengths.
    fn runs(of: &[(u32, u32, u32)]) -> Vec<EntityRun> {
        let run = |(generation, &(slot, start, len))| EntityRun { slot, generation, start, len };
        (0..).zip(of).map(run).collect()
    }

    /// Strips have every value but the early ones once, those of a run in order, and stand side by side where they say so.
    fn check(runs: &[EntityRun], ticks: u32) -> Places {
        let places = laid(runs, ticks);
        let mut done: Vec<u32> = runs.iter().map(|run| run.len.min(EARLY)).collect();
        let mut strips = Vec::new();
        let laying = Laying::new(runs, &mut strips);
        for strip in &places.strips {
            let lanes = if strip.is_wide() { SIDE_BY_SIDE } else { 1 };
            for (lane, &run) in strip.runs[..lanes].iter().enumerate() {
                let run = run as usize;
                assert_eq!(strip.from[lane], laying.first[run] + done[run]);
                assert_eq!(strip.rest[lane], laying.rest[run] + done[run] - EARLY);
                done[run] += strip.ticks;
                for tick in 0..strip.ticks {
                    let row = |lane: usize| places.order[(strip.from[lane] + tick) as usize];
                    assert_eq!(row(lane), row(0) + u32::try_from(lane).unwrap());
                }
            }
        }
        assert_eq!(done, places.lens);
        for part in [|run: &EntityRun| run.slot, |run: &EntityRun| run.generation] {
            let mut spread = Vec::new();
            places.spread(|run| part(&runs[run as usize]), &mut spread);
            let mut expected = vec![NONE; places.order.len()];
            let mut order = places.order.iter();
            for run in runs {
                order.by_ref().take(run.len as usize).for_each(|&row| expected[row as usize] = part(run));
            }
            assert_eq!(spread, expected);
        }
        places
    }

    #[test]
    fn what_stands_side_by_side_is_in_one_strip() {
        let places = check(&runs(&[(0, 0, 20), (1, 0, 20), (2, 0, 20), (5, 0, 20), (6, 0, 20)]), 20);
        let of = |strip: &Strip| (strip.is_wide(), strip.runs[0], strip.ticks);
        assert_eq!(places.strips.iter().map(of).collect::<Vec<_>>(), [(false, 4, 17), (true, 0, 17)]);
        // One that comes between them parts them from the moment that it is there, and joins them later.
        let places = check(&runs(&[(0, 0, 20), (1, 0, 20), (2, 5, 15), (5, 0, 20), (6, 0, 20)]), 20);
        let of = |strip: &Strip| (strip.is_wide(), strip.runs, strip.ticks);
        let wide: Vec<_> = places.strips.iter().map(of).filter(|(is_wide, ..)| *is_wide).collect();
        assert_eq!(wide, [(true, [0, 1, 3, 4], 2), (true, [0, 1, 2, 3], 12)]);
    }

    #[test]
    fn every_value_is_in_one_strip_whatever_comes_and_goes() {
        check(&[], 0);
        check(&[], 5);
        check(&runs(&[(0, 0, 1), (1, 2, 2), (2, 1, 3), (3, 0, 4)]), 5);
        let number = |index: u64, below: u32| {
            u32::try_from(xxhash_rust::xxh3::xxh3_64(&index.to_le_bytes()) % u64::from(below)).unwrap()
        };
        for seed in 0..200 {
            let ticks = 1 + number(seed, 90);
            let (mut all, mut draws) = (Vec::new(), seed * 1_000_000);
            let mut draw = |below: u32| {
                draws += 1;
                number(draws, below)
            };
            for slot in 0..draw(40) {
                let mut tick = draw(ticks);
                let mut generation = 0;
                while tick < ticks {
                    let len = 1 + draw(ticks - tick);
                    all.push(EntityRun { slot, generation, start: tick, len });
                    tick += len + draw(9);
                    generation += 1;
                }
            }
            check(&all, ticks);
        }
    }
}
