//! The lines about recording: what a machine pays for it, beside running alone in the same round.

use std::sync::Arc;
use std::time::Duration;

use arena::Arena;
use boxes::{Boxes, Engine};
use cdt_analysis::{DiffOptions, diff};
use cdt_recorder::{EvenSteps, Options, record};
use cdt_schema::{FieldTarget, Input, Layout, Machine, RowError, Scalar, Step, TickBuilder};
use cdt_testkit::meta;
use cdt_trace::{Trace, TraceWriter, Unwatched};
use tempfile::TempDir;

use crate::clock::{cpu, quantile};
use crate::table::Figure;

/// Microseconds of a tick from which on recording has to be cheap.
const LONG_TICK: f64 = 50.0;
const PLAYERS: u8 = 4;
const SEED: u32 = 21;
/// Games of which one takes about as long as one of those that take [`LONG_TICK`].
const SOME: u32 = 32;

/// A machine that has more to do in each tick than it reports: it is the first of several that play side by side.
struct Busy<M> {
    machine: M,
    others: Vec<M>,
}

impl<M: Machine> Machine for Busy<M> {
    type Error = M::Error;

    fn layout(&self) -> Arc<Layout> {
        self.machine.layout()
    }

    fn step(&mut self, step: &Step) -> Result<(), M::Error> {
        self.others.iter_mut().try_for_each(|other| other.step(step))?;
        self.machine.step(step)
    }

    fn observe(&self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        self.machine.observe(tick)
    }

    fn snapshot(&self) -> Vec<u8> {
        self.machine.snapshot()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), M::Error> {
        self.machine.restore(snapshot)
    }

    fn write_field(&mut self, target: FieldTarget, value: Scalar) -> Result<(), M::Error> {
        self.machine.write_field(target, value)
    }
}

/// Microseconds of CPU of a tick, best of the rounds, and rows of a tick.
struct Cost {
    alone: f64,
    recorded: f64,
    /// Of one alone and the next one recorded in the same round, the median: both meet the same neighbours on the machine.
    ratio: f64,
    rows: f64,
}

/// Microseconds of CPU of a tick of a machine that is not recorded, best of the rounds.
fn alone<M: Machine>(make: impl Fn() -> M, steps: &[Step], rounds: u32) -> f64 {
    let round = |_| {
        let mut machine = make();
        cpu(|| steps.iter().for_each(|step| machine.step(step).unwrap_or_else(|error| panic!("{error}")))).0
    };
    a_tick((0..rounds).map(round), steps)
}

/// Microseconds of a tick, of the best of some runs.
#[expect(clippy::cast_precision_loss, reason = "a mean")]
fn a_tick(runs: impl Iterator<Item = Duration>, steps: &[Step]) -> f64 {
    runs.min().map_or(f64::INFINITY, |best| best.as_secs_f64() * 1e6 / steps.len() as f64)
}

#[expect(clippy::cast_precision_loss, reason = "a mean")]
fn cost<M: Machine>(make: impl Fn() -> M, steps: &[Step], rounds: u32) -> Cost {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("recorded.cdt");
    let (mut without, mut with, mut ratios) = (f64::INFINITY, f64::INFINITY, Vec::new());
    for _ in 0..rounds {
        let before = alone(&make, steps, 1);
        let mut machine = make();
        let (options, given) = (cdt_trace::Options::LIVE, steps.to_vec());
        let run = || {
            let writer = TraceWriter::create(&path, true, &meta(), machine.layout(), options).expect("a file");
            record(&mut machine, given.into_iter().map(Ok), writer, Options::default(), &Unwatched)
                .expect("it can be recorded")
        };
        let (spent, done) = cpu(run);
        let spent = a_tick([spent].into_iter(), steps);
        (without, with) = (without.min(before), with.min(spent));
        ratios.push(spent / before);
        done.trace.publish().expect("the disk takes it");
    }
    let open = || Trace::open(&path).expect("our own trace");
    let report = diff(&open(), &open(), &DiffOptions::default(), &Unwatched).expect("our own trace");
    let rows = report.compared.rows as f64 / steps.len() as f64;
    ratios.sort_by(f64::total_cmp);
    Cost { alone: without, recorded: with, ratio: quantile(&ratios, 0.5).unwrap_or(f64::INFINITY), rows }
}

/// What four players press, now this and now that.
fn buttons(steps: impl Iterator<Item = Step>) -> Vec<Step> {
    let pressed = |tick: u32, player: u32| (tick / 9 * 7 + player * 5) & 0x3f;
    let press = |(tick, mut step): (u32, Step)| {
        step.inputs =
            (0..).map(|player| Input { buttons: pressed(tick, player), ..Input::default() }).take(4).collect();
        step
    };
    (0..).zip(steps).map(press).collect()
}

/// What recording costs, of runs of so many ticks.
#[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "a small number above 0")]
pub fn figures(ticks: u32, rounds: u32) -> Vec<Figure> {
    let ticks = ticks as usize;
    let steps = buttons(EvenSteps::new(60.0, 0, PLAYERS).take(ticks));
    let game = |seed| Arena::new(seed, PLAYERS, None).expect("four may play");
    let light = cost(|| game(SEED), &steps, rounds);
    let busy =
        |others: u32| Busy { machine: game(SEED), others: (1..=others).map(|other| game(SEED + other)).collect() };
    // Many games do not fit into the nearest cache, so that each takes longer.
    let some = alone(|| busy(SOME), &steps, rounds);
    let others = (LONG_TICK * f64::from(SOME) / some).ceil() as u32;
    let long = cost(|| busy(others), &steps, rounds);
    let rest: Vec<Step> = EvenSteps::new(60.0, 0, 0).take(ticks / 2).collect();
    let scene = cost(|| Boxes::new(Engine::Candidate), &rest, rounds);
    let own = light.recorded - light.alone;
    let told = |of: &Cost| format!("{:.1} -> {:.1} us", of.alone, of.recorded);
    vec![
        Figure::told("a tick of the arena, alone -> recorded", told(&light)),
        Figure::told("  the recorder's own cost of a tick", format!("{own:.2} us")),
        Figure::told("  of a row", format!("{:.0} ns", own * 1e3 / light.rows)),
        Figure::told("  as one of as many as take 50 us", told(&long)),
        Figure::at_most("    recorded for one alone", long.ratio, 1.10, "x"),
        Figure::told("a tick of the boxes, alone -> recorded", told(&scene)),
        Figure::at_most("    recorded for one alone", scene.ratio, 1.10, "x"),
    ]
}
