//! `record`: the command that drives anybody's machine and writes its trace. A program has it by saying how its machine is made:
//!
//! ```no_run
//! # use std::process::ExitCode;
//! # use cdt_door::record::{Program, RunStart};
//! # trait Simulation { type Machine: cdt_schema::Machine; fn new(seed: u64) -> Self::Machine; }
//! # fn program<Game: Simulation>() -> ExitCode {
//! struct Port<Game>(Game);
//!
//! impl<Game: Simulation> Program for Port<Game> {
//!     const NAME: &'static str = "my-game";
//!     const VERSION: &'static str = env!("CARGO_PKG_VERSION");
//!     const TICK_RATE: f64 = 60.0;
//!     type Args = cdt_door::record::NoArgs;
//!     type Machine = Game::Machine;
//!
//!     fn machine(_: &Self::Args, run: &RunStart) -> Result<Game::Machine, String> {
//!         Ok(Game::new(run.seed.unwrap_or(0)))
//!     }
//! }
//!
//! // fn main() -> ExitCode {
//! cdt_door::record::main::<Port<Game>>()
//! // }
//! # }
//! ```

use std::env::consts::{ARCH, OS};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cdt_analysis::{DiffOptions, diff};
use cdt_recorder::{Against, End, ErrorKind, EvenSteps, Recorded, TraceSteps, record};
use cdt_schema::{Machine, Step};
use cdt_trace::{Meta, NewFile, Options, Producer, Run, Trace, TraceWriter, Watch};
use clap::{Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::exit::{Exit, Failure};
use crate::terminal::{Color, Terminal};
use crate::text::{clean, counted, quoted};
use crate::verdict;
use crate::watch::{self, Bar};

/// A program that can be recorded.
pub trait Program {
    /// What it is called, in traces and on its command line.
    const NAME: &'static str;
    /// Which build of it this is.
    const VERSION: &'static str;
    /// Ticks a second of a run that takes its steps from no other.
    const TICK_RATE: f64;
    /// Its own arguments, beside those that every `record` has.
    type Args: ClapArgs;
    /// What is driven.
    type Machine: Machine;

    /// The machine at the beginning of a run.
    ///
    /// # Errors
    /// What is wrong with the arguments, or with the run.
    fn machine(args: &Self::Args, run: &RunStart) -> Result<Self::Machine, String>;
}

/// How a run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStart {
    /// What its randomness is seeded with, if that was told.
    pub seed: Option<u64>,
    /// What the program is asked to run: its own meaning.
    pub mode: u32,
    /// How many play.
    pub players: u8,
}

/// For a program without arguments of its own.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub struct NoArgs {}

#[derive(Debug, Parser)]
struct CommandLine<A: ClapArgs> {
    /// When to colour.
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true)]
    color: Color,
    #[command(subcommand)]
    command: Command<A>,
}

#[derive(Debug, Subcommand)]
enum Command<A: ClapArgs> {
    Record(Record<A>),
}

/// Drive the program and write what it does as a trace.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  record --inputs ref.cdt -o cand.cdt                       the same inputs, the same seed
  record --inputs ref.cdt -o cand.cdt --against ref.cdt     stop where the two have parted for good
  record --ticks 3000 -o run.cdt --verify                   without input; do it twice, compare

Exit codes:
  0  recorded
  1  it parted from the reference, or does not do the same twice
  2  could not try
  3  recorded, but the program stopped before its steps ended")]
#[command(group(clap::ArgGroup::new("steps").args(["inputs", "ticks"]).required(true).multiple(true)))]
struct Record<A: ClapArgs> {
    /// A trace whose steps drive the program, from the same seed.
    #[arg(long, value_name = "TRACE")]
    inputs: Option<PathBuf>,
    /// The trace to write.
    #[arg(short, long, value_name = "TRACE")]
    out: PathBuf,
    /// Replace a trace that stands there.
    #[arg(short, long)]
    force: bool,
    /// How many ticks; without it, as many as the inputs have.
    #[arg(long, value_name = "N")]
    ticks: Option<u32>,
    /// The seed, instead of that of the inputs' run.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many play, where no inputs tell; they press nothing.
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "inputs")]
    players: u8,
    /// What the program is asked to run, where no inputs tell.
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "inputs")]
    mode: u32,
    /// Compare with this trace while recording, and stop where the two have parted for good.
    #[arg(long, value_name = "TRACE")]
    against: Option<PathBuf>,
    /// Ticks that a difference must last to be for good.
    #[arg(long, value_name = "N", default_value_t = DiffOptions::default().sustain, value_parser = clap::value_parser!(u32).range(1..))]
    sustain: u32,
    /// Run the program twice, side by side, and from 64 ticks on from its own snapshots: it has to do the same.
    #[arg(long)]
    verify: bool,
    /// How to encode: live is quick to write and probe, archive is small.
    #[arg(long, value_enum, default_value_t = Encoding::Live)]
    encoding: Encoding,
    #[command(flatten)]
    own: A,
}

/// How a trace is encoded, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the help of each command tells")]
pub enum Encoding {
    Live,
    Archive,
}

impl Encoding {
    /// Size and encoding of blocks.
    pub fn options(self) -> Options {
        match self {
            Encoding::Live => Options::LIVE,
            Encoding::Archive => Options::ARCHIVE,
        }
    }
}

/// The whole of such a program: reads the arguments of the process, records, and gives the exit code.
pub fn main<P: Program>() -> ExitCode {
    let command = CommandLine::<P::Args>::command().name(P::NAME).version(P::VERSION);
    let typed = command.try_get_matches().and_then(|matches| CommandLine::<P::Args>::from_arg_matches(&matches));
    let args = match typed {
        Ok(args) => args,
        Err(error) => {
            let is_asked_for = !error.use_stderr();
            let is_told = error.print().is_ok();
            return if is_asked_for && is_told { Exit::Yes } else { Exit::CouldNot }.into();
        }
    };
    let terminal = Terminal::new(P::NAME, args.color);
    watch::catch_interrupts(P::NAME, Exit::CouldNot);
    let Command::Record(args) = args.command;
    match run::<P>(&args, &terminal) {
        Ok(exit) => exit,
        Err(failure) => {
            terminal.complain(&failure.to_string());
            Exit::CouldNot
        }
    }
    .into()
}

fn run<P: Program>(args: &Record<P::Args>, terminal: &Terminal) -> Result<Exit, Failure> {
    let inputs = args.inputs.as_deref().map(Trace::open).transpose()?;
    for read in args.inputs.iter().chain(&args.against) {
        NewFile::refuse_over(&args.out, read)?;
    }
    let against = args.against.as_deref().map(Trace::open).transpose()?;
    let against = against.map(|reference| Against::new(reference, args.sustain)).transpose()?;
    let (start, meta) = beginning::<P>(args, inputs.as_ref());
    let mut make = || P::machine(&args.own, &start);
    let mut machine = make().map_err(Failure)?;
    let verify: Option<cdt_recorder::Make<'_, P::Machine>> = if args.verify { Some(&mut make) } else { None };
    let options = cdt_recorder::Options { against, verify };
    let writer = TraceWriter::create(&args.out, args.force, &meta, machine.layout(), args.encoding.options())?;
    let steps = steps::<P>(args, inputs, &start)?;
    let bar = Bar::new("recording");
    match record(&mut machine, steps, writer, options, &bar) {
        Ok(recorded) => tell(args, recorded, &bar, terminal),
        Err(error) if error.kind() == ErrorKind::NotDeterministic => {
            drop(bar);
            terminal.complain(&format!("{error}; nothing was written"));
            Ok(Exit::No)
        }
        Err(error) => Err(error.into()),
    }
}

/// How the run begins, and what its trace says of itself.
fn beginning<P: Program>(args: &Record<impl ClapArgs>, inputs: Option<&Trace>) -> (RunStart, Meta) {
    let of = inputs.map(|inputs| &inputs.index().meta);
    let mut run = match of {
        Some(meta) => {
            Run { reason: format!("the steps of run {} of session {}", meta.run.id, meta.session), ..meta.run.clone() }
        }
        None => Run {
            id: P::NAME.to_owned(),
            seed: None,
            seed_source: "none".to_owned(),
            mode: args.mode,
            tick_rate: Some(P::TICK_RATE),
            reason: "no input".to_owned(),
        },
    };
    if args.seed.is_some() {
        (run.seed, run.seed_source) = (args.seed, "the command line".to_owned());
    }
    let players = inputs.map_or(args.players, |inputs| inputs.layout().spec().players);
    let start = RunStart { seed: run.seed, mode: run.mode, players };
    let producer = Producer {
        name: "cdt-recorder".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: OS.to_owned(),
        arch: ARCH.to_owned(),
    };
    let program = cdt_trace::Program { name: P::NAME.to_owned(), build: Some(P::VERSION.to_owned()), hash: None };
    (start, Meta { session: format!("{}-recording", P::NAME), producer, program, run })
}

type Steps = Box<dyn Iterator<Item = Result<Step, cdt_trace::Error>>>;

/// What drives the run.
fn steps<P: Program>(args: &Record<impl ClapArgs>, inputs: Option<Trace>, start: &RunStart) -> Result<Steps, Failure> {
    let steps: Steps = match inputs {
        Some(inputs) => Box::new(TraceSteps::new(inputs)?),
        None => Box::new(EvenSteps::new(P::TICK_RATE, start.mode, start.players).map(Ok)),
    };
    Ok(match args.ticks {
        Some(ticks) => Box::new(steps.take(usize::try_from(ticks).unwrap_or(usize::MAX))),
        None => steps,
    })
}

/// Gives the trace its name and says what came of it.
fn tell(args: &Record<impl ClapArgs>, recorded: Recorded, bar: &Bar, terminal: &Terminal) -> Result<Exit, Failure> {
    let Recorded { ticks, end, compared, trace } = recorded;
    let digest = trace.digest();
    bar.point_of_no_return();
    trace.publish()?;
    let name = args.out.display();
    let written = format!("{name}: {}, digest {digest}", counted(ticks.into(), "tick"));
    let line = |text: &str| clean(text).into_owned() + "\n";
    match (end, &args.against) {
        (End::Complete, None) => terminal.print(&line(&written))?,
        (End::Complete, Some(reference)) => {
            let reference = reference.display();
            if compared == 0 {
                terminal.print(&line(&written))?;
                terminal
                    .complain(&format!("nothing was compared: {reference} and the recording have no tick in common"));
                return Ok(Exit::CannotSay);
            }
            let compared = counted(compared.into(), "tick");
            terminal.print(&line(&format!("{written}; in {compared} it has not parted for good from {reference}")))?;
        }
        (End::Stopped(why), _) => {
            terminal.print(&line(&written))?;
            terminal.complain(&format!("the program stopped at tick {ticks}: {why}"));
            return Ok(Exit::CannotSay);
        }
        (End::Parted(_), Some(reference)) => {
            terminal.print(&(line(&written) + "\n"))?;
            let options = DiffOptions { sustain: args.sustain, ..DiffOptions::default() };
            let report = diff(&Trace::open(reference)?, &Trace::open(&args.out)?, &options, bar)?;
            let word = |path: &Path| quoted(&path.display().to_string());
            let next = format!("cdt focus {} {}", word(reference), word(&args.out));
            terminal.print(&verdict::page(&report, &next, terminal))?;
            return Ok(verdict::exit(report.verdict));
        }
        (End::Parted(tick), None) => unreachable!("parted at tick {tick} from no reference"),
    }
    Ok(Exit::Yes)
}
