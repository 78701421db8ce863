//! `arena record`: the same command that anybody's machine gets, and a choice of mistakes.

use std::process::ExitCode;

use arena::game::TICK_RATE;
use arena::{Arena, Deviation};
use cdt_door::record::{Program, RunStart};

/// The game of capture/original, written again.
struct Rewrite;

#[derive(Debug, clap::Args)]
struct Args {
    /// The mistake to make.
    #[arg(long, value_enum, value_name = "NAME")]
    deviation: Option<Deviation>,
}

impl Program for Rewrite {
    const NAME: &'static str = "arena";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TICK_RATE: f64 = TICK_RATE as f64;
    type Args = Args;
    type Machine = Arena;

    fn machine(args: &Args, run: &RunStart) -> Result<Arena, String> {
        let seed = run.seed.and_then(|seed| u32::try_from(seed).ok());
        let seed = seed.ok_or("a seed of 32 bits is needed: that of the inputs' run, or --seed")?;
        Arena::new(seed, run.players, args.deviation).map_err(|error| error.to_string())
    }
}

fn main() -> ExitCode {
    cdt_door::record::main::<Rewrite>()
}
