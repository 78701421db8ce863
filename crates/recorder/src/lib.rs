//! Drives a [`Machine`] from a source of steps and writes what it does as a trace. It compares digests with a reference while it
//! records, and runs the machine a second time beside itself, when asked to. It does not know which machine it drives, and gives no
//! verdict: that is the analysis' work.

mod against;
mod error;
mod steps;
mod twin;

use std::fmt;

use cdt_schema::{Channel, Machine, RowError, Step, Tick};
use cdt_trace::{Finished, TraceWriter, Watch};

pub use against::Against;
pub use error::{Error, ErrorKind};
pub use steps::{EvenSteps, TraceSteps};
use twin::Twin;

/// Ticks between two looks at how far the work is.
const TELLS: u32 = 256;

/// Makes a machine, or says why there is none.
pub type Make<'a, M> = &'a mut dyn FnMut() -> Result<M, String>;

/// What is asked of a recording beside the trace.
pub struct Options<'a, M> {
    /// A reference to compare with, tick by tick: recording ends where the two have parted for good.
    pub against: Option<Against>,
    /// Makes another machine in the state that the first one begins in. It is run beside the first and has to do the same;
    /// from time to time it is replaced by a further one, restored from a snapshot of the first.
    pub verify: Option<Make<'a, M>>,
}

/// Nothing of it.
impl<M> Default for Options<'_, M> {
    fn default() -> Self {
        Options { against: None, verify: None }
    }
}

impl<M> fmt::Debug for Options<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { against, verify } = self;
        f.debug_struct("Options").field("against", against).field("verify", &verify.is_some()).finish()
    }
}

/// Why a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// There are no more steps.
    Complete,
    /// The machine stopped for good, and says why.
    Stopped(String),
    /// It differs from the reference since this tick, and has for as long as was asked for, or to the end of one of the two.
    Parted(Tick),
}

/// A recording that is complete on disk and has not got its name yet.
#[derive(Debug)]
pub struct Recorded {
    /// How many ticks it has.
    pub ticks: u32,
    /// Why there are no more.
    pub end: End,
    /// How many ticks were compared with a reference.
    pub compared: u32,
    /// The trace.
    pub trace: Finished,
}

/// Steps `machine` through `steps`, from tick 0, and writes every tick. Memory is bounded by a block, whatever the number of ticks.
///
/// `writer` is a trace of the machine's layout, and what [`Options::verify`] makes has the same. What the machine observes is checked there; a step is reported by the recorder, if the
/// layout declares its channel.
///
/// # Errors
/// The layouts differ; the steps cannot be read; a tick breaks a rule of the layout; the machine does not do the same twice
/// ([`ErrorKind::NotDeterministic`]); the trace cannot be written; the work was cancelled. Nothing is left behind.
pub fn record<M: Machine>(
    machine: &mut M,
    steps: impl Iterator<Item = Result<Step, cdt_trace::Error>>,
    mut writer: TraceWriter,
    options: Options<'_, M>,
    watch: &dyn Watch,
) -> Result<Recorded, Error> {
    let layout = machine.layout();
    if !writer.layout().differences(&layout).is_empty() {
        return Err(Error::unsuitable("the trace is to be of another layout than the machine's".to_owned()));
    }
    let reports_step = layout.channels().contains(Channel::Step);
    let mut twin = options.verify.map(|make| Twin::new(make, &layout, reports_step)).transpose()?;
    let mut against = options.against;
    if let Some(against) = &against {
        against.check_layout(&layout)?;
    }
    let total = steps.size_hint().1.map(|total| total as u64);
    let mut end = End::Complete;
    let mut ticks = 0;
    for step in steps {
        if ticks % TELLS == 0 {
            watch.progress(ticks.into(), total);
        }
        if watch.cancelled() {
            return Err(Error::cancelled());
        }
        let (step, tick) = (step?, Tick(ticks));
        let stepped = machine.step(&step).map_err(|stop| stop.to_string());
        if let Some(twin) = &mut twin {
            twin.step(&step, tick, stepped.as_ref().err())?;
        }
        if let Err(why) = stepped {
            end = End::Stopped(why);
            break;
        }
        let written = writer.append::<Failed>(tick, |rows| {
            if reports_step {
                rows.step(&step)?;
            }
            Ok(machine.observe(rows)?)
        });
        written.map_err(|failed| failed.at(tick))?;
        let digest = writer.last_digest().expect("a tick was added");
        ticks += 1;
        if let Some(twin) = &mut twin {
            twin.check(machine, &step, tick, digest)?;
        }
        if let Some(against) = &mut against
            && let Some(parted) = against.tick(tick, digest)?
        {
            end = End::Parted(parted);
            break;
        }
    }
    if let (End::Complete, Some(since)) = (&end, against.as_ref().and_then(Against::since)) {
        end = End::Parted(since);
    }
    let compared = against.as_ref().map_or(0, Against::compared);
    let reason = match &end {
        End::Complete => "complete".to_owned(),
        End::Stopped(why) => format!("stopped: {why}"),
        End::Parted(tick) => format!("parted from the reference at tick {tick}"),
    };
    Ok(Recorded { ticks, end, compared, trace: writer.complete(&reason)? })
}

/// Why a tick was not written.
enum Failed {
    Row(RowError),
    Trace(cdt_trace::Error),
}

impl Failed {
    fn at(self, tick: Tick) -> Error {
        match self {
            Failed::Row(error) => Error::row(tick, &error),
            Failed::Trace(error) => error.into(),
        }
    }
}

impl From<RowError> for Failed {
    fn from(error: RowError) -> Failed {
        Failed::Row(error)
    }
}

impl From<cdt_trace::Error> for Failed {
    fn from(error: cdt_trace::Error) -> Failed {
        Failed::Trace(error)
    }
}
