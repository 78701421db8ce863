//! Which ticks of two traces are compared with each other, and where their digests differ.

use std::ops::Range;

use cdt_projections::Window;
use cdt_schema::Tick;
use cdt_trace::{SegmentDigests, Source, TickRun, Trace, Watch};

use crate::Error;

/// Ticks of the same digests between two looks at the stop flag.
const TICKS_PER_LOOK: u32 = 65_536;
/// Ticks whose rows are compared between two looks at the stop flag.
const ROWS_PER_LOOK: u64 = 256;
/// Bytes of digests that are compared at once.
const CHUNK: usize = 4096;

/// Consecutive ticks of both traces that stand for each other, or of the one trace that has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The first of the reference's.
    pub(crate) reference: Option<Tick>,
    /// The first of the candidate's.
    pub(crate) candidate: Option<Tick>,
    /// How many; at least one.
    pub(crate) count: u32,
}

impl Stretch {
    fn at(&self, offset: u32, position: u64) -> PairedTick {
        let tick = |first: Option<Tick>| first.map(|first| Tick(first.0 + offset));
        PairedTick { position, reference: tick(self.reference), candidate: tick(self.candidate) }
    }
}

/// One moment of two runs: a tick of both, or of the one that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PairedTick {
    /// How many moments are compared before it.
    pub(crate) position: u64,
    pub(crate) reference: Option<Tick>,
    pub(crate) candidate: Option<Tick>,
}

impl PairedTick {
    /// The number that reports call it by: the reference's, or the candidate's where the reference has no such tick.
    pub(crate) fn tick(&self) -> Tick {
        self.reference.or(self.candidate).expect("a moment is of at least one trace")
    }
}

/// Everything that is compared, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairing {
    stretches: Vec<Stretch>,
    /// For each stretch, how many moments are before it.
    positions: Vec<u64>,
    total: u64,
}

impl Pairing {
    pub(crate) fn new(stretches: Vec<Stretch>) -> Pairing {
        let mut pairing = Pairing::default();
        for stretch in stretches {
            pairing.positions.push(pairing.total);
            pairing.total += u64::from(stretch.count);
            pairing.stretches.push(stretch);
        }
        pairing
    }

    /// The ticks within a window that either has, by their numbers.
    pub(crate) fn by_number(reference: &[TickRun], candidate: &[TickRun], window: Window) -> Pairing {
        let (mut a, mut b) = (Runs::new(reference, window), Runs::new(candidate, window));
        let mut stretches = Vec::new();
        while let Some(first) = [a.next, b.next].into_iter().flatten().map(|(first, _)| first).min() {
            let left = a.next.filter(|(start, _)| *start == first);
            let right = b.next.filter(|(start, _)| *start == first);
            // Up to where either ends, or the one that is not here yet begins.
            let until = |run: Option<(Tick, Tick)>| {
                run.map(|(start, last)| if start == first { u64::from(last.0) + 1 } else { u64::from(start.0) })
            };
            let end = [until(a.next), until(b.next)].into_iter().flatten().min().expect("one of them begins here");
            let count = u32::try_from(end - u64::from(first.0)).unwrap_or(u32::MAX);
            stretches.push(Stretch { reference: left.map(|_| first), candidate: right.map(|_| first), count });
            if left.is_some() {
                a.advance(count);
            }
            if right.is_some() {
                b.advance(count);
            }
        }
        Pairing::new(stretches)
    }

    /// How many moments there are.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The first and the last tick, as reports call them.
    pub(crate) fn span(&self) -> Option<(Tick, Tick)> {
        Some((self.at(0)?.tick(), self.at(self.total.checked_sub(1)?)?.tick()))
    }

    /// How many ticks both have.
    pub(crate) fn common(&self) -> u64 {
        let both = |stretch: &&Stretch| stretch.reference.is_some() && stretch.candidate.is_some();
        self.stretches.iter().filter(both).map(|stretch| u64::from(stretch.count)).sum()
    }

    /// The moment at a position.
    pub(crate) fn at(&self, position: u64) -> Option<PairedTick> {
        let index = self.positions.partition_point(|&first| first <= position).checked_sub(1)?;
        let offset = u32::try_from(position - self.positions[index]).ok()?;
        let stretch = self.stretches[index];
        (offset < stretch.count).then(|| stretch.at(offset, position))
    }

    /// The moment that reports call by a number.
    pub(crate) fn find(&self, tick: Tick) -> Option<PairedTick> {
        let of = |first: Option<Tick>, stretch: &Stretch| {
            first.and_then(|first| tick.0.checked_sub(first.0)).filter(|&offset| offset < stretch.count)
        };
        let by_reference = self.stretches.iter().zip(&self.positions).find_map(|(stretch, &position)| {
            of(stretch.reference, stretch).map(|offset| stretch.at(offset, position + u64::from(offset)))
        });
        by_reference.or_else(|| {
            self.stretches.iter().zip(&self.positions).filter(|(stretch, _)| stretch.reference.is_none()).find_map(
                |(stretch, &position)| {
                    of(stretch.candidate, stretch).map(|offset| stretch.at(offset, position + u64::from(offset)))
                },
            )
        })
    }

    /// The moments at which both have a tick, in runs: the candidate's first and last tick, and the first's position.
    pub(crate) fn shared(&self) -> impl Iterator<Item = (Tick, Tick, u64)> {
        let stretches = self.stretches.iter().zip(&self.positions);
        let both = stretches.filter(|(stretch, _)| stretch.reference.is_some());
        both.filter_map(|(stretch, &position)| {
            let first = stretch.candidate?;
            Some((first, Tick(first.0 + (stretch.count - 1)), position))
        })
    }

    /// The ticks of one trace that are compared with ticks of the other.
    pub(crate) fn ticks_of(&self, side: impl Fn(&Stretch) -> Option<Tick>) -> TickSet {
        let mut runs: Vec<(Tick, Tick)> = Vec::new();
        for stretch in self.stretches.iter().filter(|s| s.reference.is_some() && s.candidate.is_some()) {
            let first = side(stretch).expect("both have it");
            let last = Tick(first.0 + (stretch.count - 1));
            match runs.last_mut() {
                Some(before) if before.1.next() == Some(first) => before.1 = last,
                _ => runs.push((first, last)),
            }
        }
        TickSet { runs }
    }
}

/// The runs of a trace's ticks within a window.
struct Runs<'a> {
    rest: std::slice::Iter<'a, TickRun>,
    window: Window,
    /// First and last tick of what is left of the current one.
    next: Option<(Tick, Tick)>,
}

impl<'a> Runs<'a> {
    fn new(runs: &'a [TickRun], window: Window) -> Runs<'a> {
        let mut runs = Runs { rest: runs.iter(), window, next: None };
        runs.load();
        runs
    }

    fn load(&mut self) {
        let Window { start, end } = self.window;
        let last_of_window = end.map_or(Some(u32::MAX), |end| end.0.checked_sub(1));
        self.next = self.rest.find_map(|run| {
            let (first, last) = (run.first.max(start), run.last().min(Tick(last_of_window?)));
            (first <= last).then_some((first, last))
        });
    }

    fn advance(&mut self, count: u32) {
        let (first, last) = self.next.expect("there is a run to advance in");
        match first.0.checked_add(count).map(Tick).filter(|first| *first <= last) {
            Some(first) => self.next = Some((first, last)),
            None => self.load(),
        }
    }
}

/// Some ticks of a trace.
#[derive(Debug)]
pub(crate) struct TickSet {
    /// Ascending; first and last tick of each run.
    runs: Vec<(Tick, Tick)>,
}

impl TickSet {
    /// Those within a window.
    pub(crate) fn within(trace: &[TickRun], window: Window) -> TickSet {
        let mut runs = Runs::new(trace, window);
        let next = || {
            let run = runs.next?;
            runs.load();
            Some(run)
        };
        TickSet { runs: std::iter::from_fn(next).collect() }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.runs.iter().map(|(first, last)| u64::from(last.0 - first.0) + 1).sum()
    }

    /// The first and the last of them.
    pub(crate) fn range(&self) -> Option<(Tick, Tick)> {
        Some((self.runs.first()?.0, self.runs.last()?.1))
    }

    /// The window from the first to the last of them.
    pub(crate) fn window(&self) -> Option<Window> {
        self.range().map(|(start, last)| Window { start, end: last.next() })
    }

    /// Whether any of them is within these bounds, both included.
    pub(crate) fn touch(&self, first: Tick, last: Tick) -> bool {
        let at = self.runs.partition_point(|(_, end)| *end < first);
        self.runs.get(at).is_some_and(|(start, _)| *start <= last)
    }

    pub(crate) fn contains(&self, tick: Tick) -> bool {
        self.touch(tick, tick)
    }
}

/// The tick digests of one trace, as they stand in its file.
struct Digests<'a, S> {
    trace: &'a Trace<S>,
    /// The ordinals of each run's ticks: how many ticks of the trace are before them.
    runs: Vec<Range<u64>>,
    /// The ordinals of each segment's ticks.
    segments: Vec<Range<u64>>,
    /// The segment whose digests are read, and they.
    loaded: Option<(usize, SegmentDigests<'a, S>)>,
}

impl<'a, S: Source> Digests<'a, S> {
    fn new(trace: &'a Trace<S>) -> Digests<'a, S> {
        let runs = ranges(trace.index().tick_runs.iter().map(|run| u64::from(run.count)));
        let segments = ranges((0..trace.segments()).map(|segment| trace.segment_ticks(segment)));
        Digests { trace, runs, segments, loaded: None }
    }

    /// The segment that has a tick, and which of the segment's ticks it is.
    fn place(&self, tick: Tick) -> (usize, u64) {
        let runs = &self.trace.index().tick_runs;
        let run = runs.partition_point(|run| run.last() < tick);
        let ordinal = self.runs[run].start + u64::from(tick.0 - runs[run].first.0);
        let segment = self.segments.partition_point(|ticks| ticks.end <= ordinal);
        (segment, ordinal - self.segments[segment].start)
    }

    /// Of the segment that begins at a place, how many ticks it has, and the checksum of their digests.
    fn segment(&self, (segment, at): (usize, u64)) -> Option<(u64, u64)> {
        (at == 0).then(|| (self.trace.segment_ticks(segment), self.trace.digests_checksum(segment)))
    }

    /// The digests from a place on, some of those of its segment, 8 bytes each. What they say holds once they are checked.
    fn starting_at(&mut self, (segment, at): (usize, u64)) -> Result<&[u8], Error> {
        if self.loaded.as_ref().is_none_or(|(loaded, _)| *loaded != segment) {
            self.check()?;
            self.loaded = Some((segment, self.trace.segment_digests(segment)));
        }
        let (_, digests) = self.loaded.as_mut().expect("loaded above");
        Ok(digests.starting_at(at)?)
    }

    /// Sees whether all that was given of the segment that is read is as it was written.
    fn check(&mut self) -> Result<(), Error> {
        self.loaded.as_mut().map_or(Ok(()), |(_, digests)| Ok(digests.check()?))
    }
}

/// Ranges of such lengths, each beginning where the one before ends.
fn ranges(lengths: impl Iterator<Item = u64>) -> Vec<Range<u64>> {
    let mut total = 0;
    let range = |length| {
        total += length;
        total - length..total
    };
    lengths.map(range).collect()
}

/// Finds the moments at which two traces may differ: all that one lacks, and those whose digests are not the same.
pub(crate) struct Suspects<'a, R, C> {
    pairing: &'a Pairing,
    left: Digests<'a, R>,
    right: Digests<'a, C>,
    /// Whether equal digests mean equal ticks: both are over the same layout.
    digests_compare: bool,
    stretch: usize,
    /// Moments of the current stretch that are done.
    offset: u32,
    looked: u64,
}

impl<'a, R: Source, C: Source> Suspects<'a, R, C> {
    pub(crate) fn new(
        reference: &'a Trace<R>,
        candidate: &'a Trace<C>,
        pairing: &'a Pairing,
        digests_compare: bool,
    ) -> Self {
        let (left, right) = (Digests::new(reference), Digests::new(candidate));
        Suspects { pairing, left, right, digests_compare, stretch: 0, offset: 0, looked: 0 }
    }

    /// The next of them.
    pub(crate) fn next(&mut self, watch: &dyn Watch) -> Result<Option<PairedTick>, Error> {
        loop {
            let Some(&stretch) = self.pairing.stretches.get(self.stretch) else {
                self.check()?;
                return Ok(None);
            };
            let position = self.pairing.positions[self.stretch] + u64::from(self.offset);
            if position >= self.looked {
                watch.progress(position, Some(self.pairing.total));
                if watch.cancelled() {
                    return Err(Error::cancelled());
                }
                self.looked = position + u64::from(TICKS_PER_LOOK);
            }
            if self.offset == stretch.count {
                (self.stretch, self.offset) = (self.stretch + 1, 0);
                continue;
            }
            let here = stretch.at(self.offset, position);
            if let (Some(a), Some(b), true) = (here.reference, here.candidate, self.digests_compare) {
                let (a, b) = (self.left.place(a), self.right.place(b));
                if let Some(ticks) = self.same_segments(a, b, stretch.count - self.offset) {
                    self.offset += ticks;
                    continue;
                }
                let same =
                    same_digests(self.left.starting_at(a)?, self.right.starting_at(b)?, stretch.count - self.offset);
                self.offset += same.0;
                if same.1 {
                    continue;
                }
            }
            let position = self.pairing.positions[self.stretch] + u64::from(self.offset);
            let here = stretch.at(self.offset, position);
            self.offset += 1;
            // Rows take longer than digests do.
            self.looked = self.looked.min(position + ROWS_PER_LOOK);
            self.check()?;
            return Ok(Some(here));
        }
    }

    /// How many ticks the segments have that begin at two places, if all of them are among the next `most` and their digests are the
    /// same: then these need not be read.
    fn same_segments(&self, left: (usize, u64), right: (usize, u64), most: u32) -> Option<u32> {
        let (left, right) = (self.left.segment(left)?, self.right.segment(right)?);
        u32::try_from(left.0).ok().filter(|&ticks| left == right && ticks <= most)
    }

    /// Sees whether the digests that all this follows from are as they were written.
    fn check(&mut self) -> Result<(), Error> {
        self.left.check()?;
        self.right.check()
    }
}

/// How many of the first `most` digests of both are the same, and whether that is as far as these bytes go.
fn same_digests(left: &[u8], right: &[u8], most: u32) -> (u32, bool) {
    let len = left.len().min(right.len()).min(most.min(TICKS_PER_LOOK) as usize * 8);
    let (left, right) = (&left[..len], &right[..len]);
    let mut chunks = left.chunks(CHUNK).zip(right.chunks(CHUNK));
    let equal = chunks.position(|(a, b)| a != b).map_or(len, |chunk| chunk * CHUNK);
    let (a, b) = (left[equal..].as_chunks::<8>().0, right[equal..].as_chunks::<8>().0);
    let more = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let same = equal / 8 + more;
    (u32::try_from(same).expect("at most a stretch"), same == len / 8)
}
