//! Where the steps of a run come from. A movie or a script is any iterator of steps; here are the two that need no program of their own.

use cdt_schema::{Channel, Input, Rows, Step};
use cdt_trace::{BlockDecoder, Source, Trace};

use crate::Error;

/// The steps of a run that was recorded: its step channel, tick by tick.
pub struct TraceSteps {
    trace: Trace,
    decoder: BlockDecoder,
    /// Of the block that the last step was of, and which of its ticks is the next.
    rows: Option<Rows>,
    next: usize,
    block: usize,
    left: usize,
}

impl std::fmt::Debug for TraceSteps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceSteps")
            .field("trace", &self.trace.name())
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl TraceSteps {
    /// The steps of a trace.
    ///
    /// # Errors
    /// It has no step channel, does not begin at tick 0, or lacks a tick: nobody knows what drove what is not there.
    pub fn new(trace: Trace) -> Result<TraceSteps, Error> {
        check_contiguous(&trace)?;
        if !trace.layout().channels().contains(Channel::Step) {
            let name = trace.name().display();
            return Err(Error::unsuitable(format!(
                "{name}: it has no step channel, so nobody knows what drove its ticks"
            )));
        }
        let left = usize::try_from(trace.index().ticks()).unwrap_or(usize::MAX);
        let decoder = BlockDecoder::new();
        Ok(TraceSteps { trace, decoder, rows: None, next: 0, block: 0, left })
    }

    fn step(&mut self) -> Result<Option<Step>, cdt_trace::Error> {
        loop {
            if let Some(rows) = self.rows.as_ref().filter(|rows| self.next < rows.ticks().len()) {
                let step = rows.step(self.next);
                self.next += 1;
                return Ok(step);
            }
            if self.block == self.trace.index().blocks.len() {
                return Ok(None);
            }
            let channels = [Channel::Step].into_iter().collect();
            self.rows = Some(self.trace.block_by(&mut self.decoder, self.block, channels)?);
            (self.block, self.next) = (self.block + 1, 0);
        }
    }
}

impl Iterator for TraceSteps {
    type Item = Result<Step, cdt_trace::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose()?;
        self.left = self.left.saturating_sub(1);
        Some(step)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// Steps without any input, at an even rate, without end.
#[derive(Clone, Debug)]
pub struct EvenSteps {
    dt: f32,
    tick_rate: f64,
    mode: u32,
    players: u8,
    tick: u32,
}

impl EvenSteps {
    /// Steps of so many players that rest.
    ///
    /// # Panics
    /// If the rate, in ticks a second, is not above 0.
    #[expect(clippy::cast_possible_truncation, reason = "seconds a tick are told in f32")]
    pub fn new(tick_rate: f64, mode: u32, players: u8) -> EvenSteps {
        assert!(tick_rate > 0.0, "a tick rate is above 0");
        EvenSteps { dt: (1.0 / tick_rate) as f32, tick_rate, mode, players, tick: 0 }
    }
}

impl Iterator for EvenSteps {
    type Item = Step;

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "2^32 ticks a second long are 2^52 microseconds"
    )]
    fn next(&mut self) -> Option<Step> {
        let elapsed = (f64::from(self.tick) * 1e6 / self.tick_rate) as u64;
        self.tick = self.tick.checked_add(1)?;
        let inputs = vec![Input::default(); usize::from(self.players)];
        Some(Step { dt: self.dt, elapsed, mode: self.mode, inputs, commands: Vec::new() })
    }
}

/// Makes sure that a trace begins at tick 0 and lacks none.
pub(crate) fn check_contiguous<S: Source>(trace: &Trace<S>) -> Result<(), Error> {
    let index = trace.index();
    match index.tick_range() {
        Some((first, last)) if first.0 != 0 || u64::from(last.0) + 1 != index.ticks() => {
            let ticks = index.ticks();
            Err(Error::unsuitable(format!(
                "{}: all ticks from 0 on are expected; it has {ticks} of ticks {first} to {last}",
                trace.name().display()
            )))
        }
        _ => Ok(()),
    }
}
