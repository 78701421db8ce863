//! Walking two traces tick by tick, on their digests alone.

use cdt_projections::Window;
use cdt_schema::{Digest, Tick};
use cdt_trace::{Source, TickRun, Trace};

use crate::Error;

/// The ticks of one trace within a window, with their digests.
pub(crate) struct TickStream<'a, S> {
    trace: &'a Trace<S>,
    window: Window,
    segment: usize,
    digests: std::vec::IntoIter<Digest>,
    runs: std::slice::Iter<'a, TickRun>,
    run: Option<TickRun>,
}

impl<'a, S: Source> TickStream<'a, S> {
    pub(crate) fn new(trace: &'a Trace<S>, window: Window) -> TickStream<'a, S> {
        let mut runs = trace.index().tick_runs.iter();
        let run = runs.next().copied();
        TickStream { trace, window, segment: 0, digests: Vec::new().into_iter(), runs, run }
    }

    /// The next tick of the window.
    pub(crate) fn next(&mut self) -> Result<Option<(Tick, Digest)>, Error> {
        loop {
            let Some(run) = &mut self.run else { return Ok(None) };
            let tick = run.first;
            if run.count == 1 {
                self.run = self.runs.next().copied();
            } else {
                *run = TickRun { first: Tick(tick.0 + 1), count: run.count - 1 };
            }
            let digest = match self.digests.next() {
                Some(digest) => digest,
                None => {
                    self.digests = self.trace.digests(self.segment)?.into_iter();
                    self.segment += 1;
                    self.digests.next().expect("a segment has ticks, as many as the runs say")
                }
            };
            if self.window.end.is_some_and(|end| tick >= end) {
                return Ok(None);
            }
            if tick >= self.window.start {
                return Ok(Some((tick, digest)));
            }
        }
    }
}

/// A tick that at least one of two traces has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PairedTick {
    pub(crate) tick: Tick,
    /// The tick before it that at least one of the two has.
    pub(crate) previous: Option<Tick>,
    pub(crate) reference: Option<Digest>,
    pub(crate) candidate: Option<Digest>,
}

/// The ticks of two traces within a window, by their numbers.
pub(crate) struct PairedTicks<'a, R, C> {
    reference: TickStream<'a, R>,
    candidate: TickStream<'a, C>,
    next_reference: Option<(Tick, Digest)>,
    next_candidate: Option<(Tick, Digest)>,
    previous: Option<Tick>,
}

impl<'a, R: Source, C: Source> PairedTicks<'a, R, C> {
    pub(crate) fn new(reference: &'a Trace<R>, candidate: &'a Trace<C>, window: Window) -> Result<Self, Error> {
        let mut reference = TickStream::new(reference, window);
        let mut candidate = TickStream::new(candidate, window);
        let (next_reference, next_candidate) = (reference.next()?, candidate.next()?);
        Ok(PairedTicks { reference, candidate, next_reference, next_candidate, previous: None })
    }

    pub(crate) fn next(&mut self) -> Result<Option<PairedTick>, Error> {
        let tick = match (self.next_reference, self.next_candidate) {
            (None, None) => return Ok(None),
            (Some((tick, _)), None) | (None, Some((tick, _))) => tick,
            (Some((a, _)), Some((b, _))) => a.min(b),
        };
        let mut paired = PairedTick { tick, previous: self.previous, reference: None, candidate: None };
        if let Some((_, digest)) = self.next_reference.filter(|(next, _)| *next == tick) {
            paired.reference = Some(digest);
            self.next_reference = self.reference.next()?;
        }
        if let Some((_, digest)) = self.next_candidate.filter(|(next, _)| *next == tick) {
            paired.candidate = Some(digest);
            self.next_candidate = self.candidate.next()?;
        }
        self.previous = Some(tick);
        Ok(Some(paired))
    }
}

/// The ticks within a window that both of two traces have.
#[derive(Debug)]
pub(crate) struct CommonTicks {
    /// Ascending; first and last tick of each run.
    runs: Vec<(Tick, Tick)>,
}

impl CommonTicks {
    pub(crate) fn of(reference: &[TickRun], candidate: &[TickRun], window: Window) -> CommonTicks {
        let mut runs = Vec::new();
        let (mut a, mut b) = (reference.iter().peekable(), candidate.iter().peekable());
        let last_of_window = match window.end.map(|end| end.0.checked_sub(1)) {
            None => Tick(u32::MAX),
            Some(Some(last)) => Tick(last),
            Some(None) => return CommonTicks { runs },
        };
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            let first = x.first.max(y.first).max(window.start);
            let last = x.last().min(y.last()).min(last_of_window);
            if first <= last {
                runs.push((first, last));
            }
            if x.last() <= y.last() {
                a.next()
            } else {
                b.next()
            };
        }
        CommonTicks { runs }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.runs.iter().map(|(first, last)| u64::from(last.0 - first.0) + 1).sum()
    }

    /// The first and the last of them.
    pub(crate) fn range(&self) -> Option<(Tick, Tick)> {
        Some((self.runs.first()?.0, self.runs.last()?.1))
    }

    /// Whether any of them is within these bounds, both included.
    pub(crate) fn touch(&self, first: Tick, last: Tick) -> bool {
        let at = self.runs.partition_point(|(_, end)| *end < first);
        self.runs.get(at).is_some_and(|(start, _)| *start <= last)
    }

    pub(crate) fn contains(&self, tick: Tick) -> bool {
        let after = self.runs.partition_point(|(first, _)| *first <= tick);
        after > 0 && tick <= self.runs[after - 1].1
    }

    /// Whether they are all of a trace's ticks within the window.
    pub(crate) fn are_all(&self, trace: &[TickRun], window: Window) -> bool {
        self.count() == CommonTicks::of(trace, trace, window).count()
    }
}
