//! Where the rows of entities stand in a block, and how far behind each of them the same entity's last rows are.

use std::cell::OnceCell;

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

/// Values of a run that are told apart from its others: from these on it goes on from its own past.
pub(crate) const EARLY: u32 = 3;
/// No run.
const NONE: u32 = u32::MAX;

/// Where the rows of entity runs stand: tick after tick, in the order of slots.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// By slot, generation and start.
    pub(crate) runs: Vec<EntityRun>,
    /// Where each tick's rows end.
    pub(crate) ends: Vec<u32>,
    /// The early rows, ascending.
    pub(crate) early: Vec<Early>,
    /// All other rows, ascending.
    pub(crate) stretches: Vec<Stretch>,
    /// Which value is where when they stand run after run: all values, and those that are not early.
    run_after_run: [OnceCell<Vec<u32>>; 2],
}

/// The row of one of the early values of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Early {
    pub(crate) row: u32,
    /// Where the value stands among those that are early: the first ones of all runs, then the second, then the third ones.
    pub(crate) index: u32,
    /// The run's number.
    pub(crate) run: u32,
}

/// Successive rows of a tick, each as far behind the same entity's last rows; and the same for some ticks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The first row.
    pub(crate) row: u32,
    /// Rows of each tick.
    pub(crate) len: u32,
    /// How many ticks; if more than one, the rows are all that they have.
    pub(crate) ticks: u32,
    /// How many rows back each row's entity is one, two and three ticks ago. No row of the same tick.
    pub(crate) back: [u32; EARLY as usize],
}

impl Stretch {
    /// The first row of each tick.
    pub(crate) fn first_rows(&self) -> impl Iterator<Item = usize> {
        (self.row as usize..).step_by(self.len as usize).take(self.ticks as usize)
    }
}

impl Places {
    /// Takes runs in their order, in a block of that many ticks, and finds out where their rows stand.
    pub(crate) fn fill(&mut self, runs: Vec<EntityRun>, ticks: u32) {
        self.runs = runs;
        self.ends.clear();
        self.early.clear();
        self.stretches.clear();
        self.run_after_run = Default::default();
        let runs = &self.runs;
        let starts = ByTick::new(ticks, runs.iter().map(|run| run.start));
        let ends = ByTick::new(ticks, runs.iter().map(EntityRun::end));
        let early = early_indices(runs);
        // The runs of a tick, and those of the one before it.
        let (mut live, mut before): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut pieces = Pieces::default();
        let mut rows = 0;
        for tick in 0..ticks {
            let changes = ends.any_at(tick) || starts.any_at(tick);
            if !changes
                && let ([piece], Some(last)) = (&mut pieces.now[..], self.stretches.last_mut())
                && piece.is_settled()
            {
                // As in the tick before.
                piece.row = rows;
                last.ticks += 1;
                rows += piece.len;
                self.ends.push(rows);
                continue;
            }
            if changes {
                std::mem::swap(&mut live, &mut before);
                pieces.change(&before, ends.at(tick), starts.at(tick), &mut live);
            }
            pieces.go_on(rows);
            let mut at = 0;
            for piece in &pieces.now {
                let runs = &live[at..at + piece.len as usize];
                at += runs.len();
                if piece.age < EARLY {
                    let index = |run: u32| early[run as usize][piece.age as usize];
                    let early = |(&run, row)| Early { row, index: index(run), run };
                    self.early.extend(runs.iter().zip(piece.row..).map(early));
                } else {
                    push_stretch(&mut self.stretches, piece);
                }
            }
            rows += count(&live);
            self.ends.push(rows);
        }
    }

    /// How many residuals stand before those of rows that are not among the first ones. All early ones do.
    pub(crate) fn residuals_of(&self, rows: usize) -> usize {
        let early = self.early.partition_point(|early| (early.row as usize) < rows);
        self.early.len() + rows - early
    }

    /// For each value run after run: which one it is in the order of rows. Both without those that are early, or with them.
    pub(crate) fn run_after_run(&self, with_early: bool) -> &[u32] {
        let skipped = if with_early { 0 } else { EARLY };
        self.run_after_run[usize::from(with_early)].get_or_init(|| self.find_run_after_run(skipped))
    }

    fn find_run_after_run(&self, skipped: u32) -> Vec<u32> {
        let of = |run: &EntityRun| (run.start + skipped).min(run.end()) as usize..run.end() as usize;
        let mut next = vec![0u32; self.ends.len() + 1];
        // How the number of such values changes from tick to tick, then how many a tick has, then where they begin.
        for run in self.runs.iter().map(of) {
            next[run.start] = next[run.start].wrapping_add(1);
            next[run.end] = next[run.end].wrapping_sub(1);
        }
        let (mut each, mut total) = (0u32, 0);
        for next in &mut next {
            each = each.wrapping_add(*next);
            *next = total;
            total += each;
        }
        let mut order = Vec::with_capacity(total as usize);
        for run in self.runs.iter().map(of) {
            order.extend_from_slice(&next[run.clone()]);
            next[run].iter_mut().for_each(|next| *next += 1);
        }
        order
    }

    /// Puts what each run says of itself into all of its rows, of as many as `out` has.
    pub(crate) fn spread<T: Copy>(&self, of_runs: &[T], out: &mut [T]) {
        for &Early { row, run, .. } in &self.early {
            let Some(out) = out.get_mut(row as usize) else { break };
            *out = of_runs[run as usize];
        }
        let rows = out.len();
        for stretch in &self.stretches {
            let (mut row, len) = (stretch.row as usize, stretch.len as usize);
            let end = (row + stretch.ticks as usize * len).min(rows);
            // One tick is as the last one was, and several are as many as there are already.
            let from = row - stretch.back[0] as usize;
            while row < end {
                let copied = if stretch.ticks == 1 { len } else { (row - from).min(end - row) };
                out.copy_within(from..from + copied, row);
                row += copied;
            }
        }
    }
}

/// The runs of a tick in their order, cut into pieces whose rows are equally far behind their last ones.
#[derive(Default)]
struct Pieces {
    now: Vec<Piece>,
    /// While the next tick's are made of them, those of the last tick, of which the first ones are used up.
    last: Vec<Piece>,
    used: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Piece {
    /// The first row, of the tick before until the piece went on.
    row: u32,
    len: u32,
    /// Ticks that the runs were there before, at most [`EARLY`].
    age: u32,
    /// How many rows each is behind that of the tick before, that one behind the one before it, and once more.
    steps: [u32; EARLY as usize],
}

impl Piece {
    /// Of a run that begins. Its first row is not behind any.
    const NEW: Piece = Piece { row: NONE, len: 1, age: 0, steps: [0; EARLY as usize] };

    /// Whether it stays as it is while it is all that there is and nothing comes or goes. The last stretch is its own then.
    fn is_settled(&self) -> bool {
        self.age == EARLY && self.steps == [self.len; EARLY as usize]
    }
}

impl Pieces {
    /// From the runs of a tick to those of the next, of which some are gone and some have come. However many they are, what stays is
    /// looked at once.
    fn change(
        &mut self,
        before: &[u32],
        gone: impl Iterator<Item = u32>,
        come: impl Iterator<Item = u32>,
        live: &mut Vec<u32>,
    ) {
        std::mem::swap(&mut self.now, &mut self.last);
        self.now.clear();
        self.used = 0;
        live.clear();
        let (mut gone, mut come, mut stay) = (gone.peekable(), come.peekable(), before);
        loop {
            let is_gone = gone.peek().is_some_and(|gone| come.peek().is_none_or(|come| gone < come));
            let Some(run) = (if is_gone { gone.next() } else { come.next() }) else { break };
            let (sooner, later) = stay.split_at(stay.partition_point(|&other| other < run));
            live.extend_from_slice(sooner);
            self.keep(count(sooner));
            stay = later;
            if is_gone {
                stay = &stay[1..];
                self.use_up(1);
            } else {
                live.push(run);
                self.put();
            }
        }
        live.extend_from_slice(stay);
        self.keep(count(stay));
    }

    /// The next runs are in the next tick too.
    fn keep(&mut self, mut runs: u32) {
        while runs > 0 {
            let piece = self.last[self.used];
            let len = piece.len.min(runs);
            self.now.push(Piece { len, ..piece });
            self.use_up(len);
            runs -= len;
        }
    }

    /// A run that was not there before.
    fn put(&mut self) {
        match self.now.last_mut() {
            Some(last) if last.row == NONE => last.len += 1,
            _ => self.now.push(Piece::NEW),
        }
    }

    /// So many runs of the next piece are told of.
    fn use_up(&mut self, runs: u32) {
        let piece = &mut self.last[self.used];
        piece.len -= runs;
        piece.row += runs;
        self.used += usize::from(piece.len == 0);
    }

    /// Goes on to a tick whose rows begin there, and joins what is equally far behind.
    fn go_on(&mut self, mut row: u32) {
        let mut joined: usize = 0;
        for at in 0..self.now.len() {
            let Piece { row: last, len, age, steps } = self.now[at];
            let [one, two, _] = steps;
            let is_new = last == NONE;
            let piece = Piece {
                row,
                len,
                age: if is_new { 0 } else { (age + 1).min(EARLY) },
                steps: if is_new { steps } else { [row - last, one, two] },
            };
            row += len;
            match joined.checked_sub(1).map(|last| &mut self.now[last]) {
                Some(last) if (last.age, last.steps) == (piece.age, piece.steps) => last.len += len,
                _ => {
                    self.now[joined] = piece;
                    joined += 1;
                }
            }
        }
        self.now.truncate(joined);
    }
}

/// Adds a piece to stretches.
fn push_stretch(stretches: &mut Vec<Stretch>, piece: &Piece) {
    let Piece { row, len, steps: [one, two, three], .. } = *piece;
    let back = [one, one + two, one + two + three];
    match stretches.last_mut() {
        Some(last) if (last.len, last.back) == (len, back) && last.row + last.ticks * len == row && one == len => {
            last.ticks += 1;
        }
        _ => stretches.push(Stretch { row, len, ticks: 1, back }),
    }
}

/// For each run, where its early values stand among those of all.
fn early_indices(runs: &[EntityRun]) -> Vec<[u32; EARLY as usize]> {
    let mut next = [0; EARLY as usize];
    for run in runs {
        next[1] += 1;
        next[2] += u32::from(run.len > 1);
    }
    next[2] += next[1];
    let of = |run: &EntityRun| {
        let indices = next;
        next.iter_mut().zip(0..run.len).for_each(|(next, _)| *next += 1);
        indices
    };
    runs.iter().map(of).collect()
}

#[cfg(test)]
impl Places {
    /// Of runs of these lengths that do not all begin at once.
    pub(crate) fn of_lens(lens: &[u32]) -> Places {
        let run = |(slot, &len)| EntityRun { slot, generation: 0, start: slot % 3, len };
        let runs: Vec<EntityRun> = (0..).zip(lens).map(run).collect();
        let mut places = Places::default();
        places.fill(runs, lens.iter().max().map_or(0, |longest| longest + 2));
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

    fn any_at(&self, tick: u32) -> bool {
        self.first[tick as usize] != NONE
    }

    /// Those of a tick, ascending.
    fn at(&self, tick: u32) -> impl Iterator<Item = u32> {
        let is_run = |run: u32| (run != NONE).then_some(run);
        std::iter::successors(is_run(self.first[tick as usize]), move |&run| is_run(self.next[run as usize]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(runs: &[EntityRun], ticks: u32) -> Places {
        let mut places = Places::default();
        places.fill(runs.to_vec(), ticks);
        places
    }

    /// Runs of these slots, starts and lengths.
    fn runs(of: &[(u32, u32, u32)]) -> Vec<EntityRun> {
        let run = |(generation, &(slot, start, len))| EntityRun { slot, generation, start, len };
        (0..).zip(of).map(run).collect()
    }

    /// Checks places against what the rows of each tick are, told one by one.
    fn check(runs: &[EntityRun], ticks: u32) -> Places {
        let places = filled(runs, ticks);
        // Run and age of each row.
        let mut rows: Vec<(usize, u32)> = Vec::new();
        for tick in 0..ticks {
            let covers = |(_, run): &(usize, &EntityRun)| (run.start..run.end()).contains(&tick);
            rows.extend(runs.iter().enumerate().filter(covers).map(|(index, run)| (index, tick - run.start)));
            assert_eq!(places.ends[tick as usize] as usize, rows.len());
        }
        let (early, rest): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&row| rows[row].1 < EARLY);
        assert!(places.early.iter().map(|early| early.row as usize).eq(early.iter().copied()));
        let mut by_age = early.clone();
        by_age.sort_by_key(|&row| (rows[row].1, rows[row].0));
        places.early.iter().for_each(|early| assert_eq!(by_age[early.index as usize], early.row as usize));
        let mut told = Vec::new();
        for stretch in &places.stretches {
            for row in stretch.row..stretch.row + stretch.ticks * stretch.len {
                let (run, age) = rows[row as usize];
                for (back, ago) in stretch.back.into_iter().zip(1..) {
                    assert_eq!(rows[(row - back) as usize], (run, age - ago));
                    assert!(back >= stretch.len, "a row that is told in the same breath");
                }
                told.push(row as usize);
            }
        }
        assert_eq!(told, rest);
        for (with_early, expected) in [(true, (0..rows.len()).collect()), (false, rest)] {
            let mut run_after_run: Vec<usize> = (0..expected.len()).collect();
            run_after_run.sort_by_key(|&at| rows[expected[at]]);
            assert!(places.run_after_run(with_early).iter().map(|&at| at as usize).eq(run_after_run));
        }
        for part in [|run: &EntityRun| run.slot, |run: &EntityRun| run.generation] {
            let of_runs: Vec<u32> = runs.iter().map(part).collect();
            for ticks in [ticks / 2, ticks] {
                let end = ticks.checked_sub(1).map_or(0, |last| places.ends[last as usize] as usize);
                let mut spread = vec![77; end];
                places.spread(&of_runs, &mut spread);
                assert!(spread.iter().copied().eq(rows[..end].iter().map(|&(run, _)| of_runs[run])));
            }
        }
        places
    }

    #[test]
    fn what_stays_is_one_stretch() {
        let places = check(&runs(&[(0, 0, 20), (1, 0, 20), (5, 0, 20)]), 20);
        assert_eq!(places.stretches, [Stretch { row: 9, len: 3, ticks: 17, back: [3, 6, 9] }]);
        // What comes parts the rows before it from those behind it, until three ticks are as the last.
        let places = check(&runs(&[(0, 0, 20), (1, 5, 15), (5, 0, 20)]), 20);
        let of = |stretch: &Stretch| (stretch.len, stretch.ticks);
        let expected = [(2, 2), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (3, 12)];
        assert_eq!(places.stretches.iter().map(of).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_row_is_told_once_whatever_comes_and_goes() {
        check(&[], 0);
        check(&[], 5);
        check(&runs(&[(0, 0, 1), (1, 2, 2), (2, 1, 3), (3, 0, 4)]), 5);
        let number = |index: u64, below: u32| {
            u32::try_from(twox_hash::XxHash3_64::oneshot(&index.to_le_bytes()) % u64::from(below)).unwrap()
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
