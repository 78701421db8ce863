//! What `record` says of a program that stops, that is not deterministic, or that parts, and with which exit code. This test is such a
//! program itself (so it has no harness): it runs itself with a `record` command, and compares what comes of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cdt_door::record::{Program, RunStart, main as record};
use cdt_schema::{
    Field, FieldTarget, Layout, LayoutSpec, Machine, RowError, Scalar, ScalarType, Step, StepLayout, TickBuilder,
};

/// Counts its ticks.
struct Counter {
    ticks: u32,
    /// Ticks of all machines when this one had its last.
    all: u32,
    args: Args,
}

#[derive(Clone, Debug, clap::Args)]
struct Args {
    /// Stop at this tick.
    #[arg(long, default_value_t = u32::MAX)]
    stops: u32,
    /// Count one too many from this tick on.
    #[arg(long, default_value_t = u32::MAX)]
    off: u32,
    /// Count what all machines of the process do.
    #[arg(long)]
    drifts: bool,
}

/// Ticks of all machines.
static ALL: AtomicU32 = AtomicU32::new(0);

#[derive(Debug)]
struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no more paper")
    }
}

impl std::error::Error for Stopped {}

impl Machine for Counter {
    type Error = Stopped;

    fn layout(&self) -> Arc<Layout> {
        let count = Field { name: "count".to_owned(), scalar_type: ScalarType::U32 };
        let spec = LayoutSpec { step: Some(StepLayout::default()), state: Some(vec![count]), ..LayoutSpec::default() };
        Arc::new(Layout::new(spec).unwrap())
    }

    fn step(&mut self, _: &Step) -> Result<(), Stopped> {
        if self.ticks == self.args.stops {
            return Err(Stopped);
        }
        self.ticks += 1;
        self.all = ALL.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(())
    }

    fn observe(&self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        let count = if self.args.drifts { self.all } else { self.ticks };
        tick.state(&[Scalar::U32(count + u32::from(self.ticks > self.args.off))])
    }

    fn snapshot(&self) -> Vec<u8> {
        self.ticks.to_le_bytes().to_vec()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Stopped> {
        self.ticks = u32::from_le_bytes(snapshot.try_into().map_err(|_| Stopped)?);
        Ok(())
    }

    fn write_field(&mut self, _: FieldTarget, _: Scalar) -> Result<(), Stopped> {
        Err(Stopped)
    }
}

struct Faulty;

impl Program for Faulty {
    const NAME: &'static str = "faulty";
    const VERSION: &'static str = "1";
    const TICK_RATE: f64 = 60.0;
    type Args = Args;
    type Machine = Counter;

    fn machine(args: &Args, _: &RunStart) -> Result<Counter, String> {
        Ok(Counter { ticks: 0, all: 0, args: args.clone() })
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("record") {
        return record::<Faulty>();
    }
    let folder = tempfile::TempDir::new().unwrap();
    let against = "--inputs ref.cdt --against ref.cdt";
    let diverged = |tick: u32| format!("DIVERGED for good at tick {tick}: state.count");
    for (line, code, says) in [
        ("-o ref.cdt --ticks 100 --verify".to_owned(), 0, "ref.cdt: 100 ticks".to_owned()),
        ("-o a.cdt --ticks 100 --verify --drifts".to_owned(), 1, "does not do the same twice: at tick 0".to_owned()),
        ("-o b.cdt --ticks 100 --stops 7".to_owned(), 3, "stopped at tick 7: there is no more paper".to_owned()),
        (format!("-o c.cdt {against}"), 0, "in 100 ticks it has not parted for good from ref.cdt".to_owned()),
        (format!("-o d.cdt {against} --off 20"), 1, diverged(20)),
        (format!("-o e.cdt {against} --off 20 --sustain 5"), 1, "e.cdt: 25 ticks".to_owned()),
        (format!("-o f.cdt {against} --off 97"), 1, diverged(97)),
        (format!("-o g.cdt {against} --ticks 0"), 3, "nothing was compared".to_owned()),
        ("-o ref.cdt --ticks 100".to_owned(), 2, "--force".to_owned()),
    ] {
        let this = std::env::current_exe().unwrap();
        let words = line.split_whitespace();
        let output = Command::new(this).arg("record").args(words).current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {text}");
        assert!(text.contains(&says), "{line}: {text}");
    }
    assert!(!folder.path().join("a.cdt").exists(), "what is not deterministic leaves nothing");
    ExitCode::SUCCESS
}
