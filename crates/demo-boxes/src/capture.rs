//! The rows of the capture, as docs/capture.md has them (there a u64 is a string), and the writing of a whole session. It
//! knows no engine.

use std::env::consts::{ARCH, OS};
use std::io::{self, Write};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{scene, world::Frame};

const SESSION: &str = "falling-boxes";
const RUN: &str = "boxes";
const KIND: &str = "box";
const LAYOUT: &str = concat!(
    r#"{"step":{"commands":[]},"#,
    r#""state":[{"name":"contacts","type":"u32"},{"name":"kinetic_energy","type":"f32"}],"#,
    r#""entities":[{"kind":"box","fields":[{"name":"x","type":"f32"},{"name":"y","type":"f32"},"#,
    r#"{"name":"angle","type":"f32"},{"name":"vx","type":"f32"},{"name":"vy","type":"f32"},"#,
    r#"{"name":"spin","type":"f32"}]}]}"#,
);

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Row<'a> {
    SessionStart {
        capture_version: u32,
        session_id: &'a str,
        producer: Producer<'a>,
        program: Program<'a>,
        layout: &'a RawValue,
    },
    RunStart {
        run_id: &'a str,
        seed: Option<&'a str>,
        seed_source: &'a str,
        mode: u32,
        players: u8,
        tick_rate: u32,
        reason: &'a str,
    },
    Tick(Tick),
    RunEnd {
        run_id: &'a str,
        ticks: u32,
        reason: &'a str,
    },
    SessionEnd {
        session_id: &'a str,
        ticks: &'a str,
    },
}

#[derive(Serialize)]
struct Producer<'a> {
    name: &'a str,
    version: &'a str,
    platform: &'a str,
    arch: &'a str,
}

#[derive(Serialize)]
struct Program<'a> {
    name: &'a str,
    build: &'a str,
    hash: Option<&'a str>,
}

#[derive(Serialize)]
struct Tick {
    run_id: &'static str,
    tick: u32,
    elapsed: String,
    step: Step,
    state: (u32, f32),
    entities: Vec<Entity>,
}

/// Nobody plays and nothing is asked for.
#[derive(Serialize)]
struct Step {
    dt: f32,
    mode: u32,
    players: [(); 0],
    commands: [(); 0],
}

#[derive(Serialize)]
struct Entity {
    kind: &'static str,
    slot: u32,
    generation: u32,
    fields: [f32; 6],
}

/// Writes the capture of one run of rapier2d `build`, a tick for each frame.
///
/// # Errors
///
/// When `out` cannot be written, or when a frame holds a number that JSON cannot.
pub fn write(out: &mut impl Write, build: &str, frames: impl Iterator<Item = Frame>) -> io::Result<()> {
    let producer = Producer { name: "demo-boxes", version: env!("CARGO_PKG_VERSION"), platform: OS, arch: ARCH };
    let program = Program { name: "rapier2d", build, hash: None };
    let layout = serde_json::from_str(LAYOUT)?;
    line(out, &Row::SessionStart { capture_version: 1, session_id: SESSION, producer, program, layout })?;
    let (seed_source, reason) = ("none: the scene is fixed", "scripted");
    let (run_id, tick_rate) = (RUN, scene::TICK_RATE);
    line(out, &Row::RunStart { run_id, seed: None, seed_source, mode: 0, players: 0, tick_rate, reason })?;
    let mut ticks = 0;
    for frame in frames {
        line(out, &Row::Tick(tick(ticks, frame)?))?;
        ticks += 1;
    }
    line(out, &Row::RunEnd { run_id, ticks, reason: "complete" })?;
    line(out, &Row::SessionEnd { session_id: SESSION, ticks: &ticks.to_string() })
}

/// The row of tick `tick`: `elapsed` is when it began, the channels are what it left.
fn tick(tick: u32, frame: Frame) -> io::Result<Tick> {
    // serde_json writes what is not finite as null, which the contract refuses far from its cause.
    if !frame.boxes.iter().flatten().chain([&frame.kinetic_energy]).all(|value| value.is_finite()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("tick {tick} has a number that is not finite")));
    }
    let entity = |(slot, fields)| Entity { kind: KIND, slot, generation: 0, fields };
    Ok(Tick {
        run_id: RUN,
        tick,
        elapsed: (u64::from(tick) * 1_000_000 / u64::from(scene::TICK_RATE)).to_string(),
        step: Step { dt: scene::DT, mode: 0, players: [], commands: [] },
        state: (frame.contacts, frame.kinetic_energy),
        entities: (0..).zip(frame.boxes).map(entity).collect(),
    })
}

fn line(out: &mut impl Write, row: &Row<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, row)?;
    out.write_all(b"\n")
}
