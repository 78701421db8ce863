//! `boxes record`: the scene, recorded.

use std::process::ExitCode;

use boxes::{Boxes, Engine};
use cdt_door::record::{Program, RunStart};
use demo_boxes::scene;

struct Scene;

#[derive(Debug, clap::Args)]
struct Args {
    /// The version of the physics engine.
    #[arg(long, value_enum, default_value_t = Engine::Reference)]
    engine: Engine,
}

impl Program for Scene {
    const NAME: &'static str = "boxes";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TICK_RATE: f64 = scene::TICK_RATE as f64;
    type Args = Args;
    type Machine = Boxes;

    fn machine(args: &Args, _: &RunStart) -> Result<Boxes, String> {
        Ok(Boxes::new(args.engine))
    }
}

fn main() -> ExitCode {
    cdt_door::record::main::<Scene>()
}
