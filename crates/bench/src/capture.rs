//! W1 as a capture, in the rows of docs/capture.md.

use std::io::Write;

use cdt_testkit::{W1_FIELDS, W1Draw, W1Entity, W1Tick};
use serde::{Serialize, Serializer};

/// A u64, which travels as a string.
struct Text(u64);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A declared value.
#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    F32(f32),
    I32(i32),
    U32(u32),
}

#[derive(Serialize)]
struct Tick {
    event: &'static str,
    run_id: &'static str,
    tick: u32,
    elapsed: Text,
    step: Step,
    rng: Vec<Draw>,
    state: Vec<Value>,
    entities: Vec<Entity>,
    checkpoint: Checkpoint,
}

#[derive(Serialize)]
struct Step {
    dt: f32,
    mode: u32,
    players: Vec<Input>,
    commands: [(); 0],
}

#[derive(Serialize)]
struct Input {
    buttons: u32,
    move_x: f32,
    move_y: f32,
    aim_x: f32,
    aim_y: f32,
}

#[derive(Serialize)]
struct Draw {
    stream: &'static str,
    seq: u32,
    value: u32,
    before: Text,
    after: Text,
    caller: u32,
}

#[derive(Serialize)]
struct Entity {
    kind: &'static str,
    slot: u32,
    generation: u32,
    fields: Vec<Value>,
}

#[derive(Serialize)]
struct Checkpoint {
    digests: [(); 0],
    rng_state: Option<()>,
    entity_counts: Option<()>,
    fuel: Option<()>,
    counters: [Text; 8],
}

fn row(number: u32, tick: &W1Tick) -> Tick {
    let input = |input: &cdt_schema::Input| Input {
        buttons: input.buttons,
        move_x: input.move_x,
        move_y: input.move_y,
        aim_x: input.aim_x,
        aim_y: input.aim_y,
    };
    let draw = |(seq, draw): (u32, &W1Draw)| Draw {
        stream: "main",
        seq,
        value: draw.value,
        before: Text(draw.before.into()),
        after: Text(draw.after.into()),
        caller: draw.caller,
    };
    let entity = |entity: &W1Entity| Entity {
        kind: "creature",
        slot: entity.slot,
        generation: entity.generation,
        fields: entity.floats.map(Value::F32).into_iter().chain([entity.kind, entity.flags].map(Value::U32)).collect(),
    };
    let step = Step { dt: 1.0 / 60.0, mode: 0, players: tick.inputs.iter().map(input).collect(), commands: [] };
    Tick {
        event: "tick",
        run_id: "arena",
        tick: number,
        elapsed: Text(tick.elapsed),
        step,
        rng: (1..).zip(&tick.draws).map(draw).collect(),
        state: tick.floats.map(Value::F32).into_iter().chain(tick.ints.map(Value::I32)).collect(),
        entities: tick.entities.iter().map(entity).collect(),
        checkpoint: Checkpoint {
            digests: [],
            rng_state: None,
            entity_counts: None,
            fuel: None,
            counters: tick.counters.map(Text),
        },
    }
}

/// The layout, of which the entities' fields are told by [`W1_FIELDS`].
fn layout() -> String {
    let fields = |names: &mut dyn Iterator<Item = (String, &str)>| -> String {
        let field = |(name, ty)| format!(r#"{{"name":"{name}","type":"{ty}"}}"#);
        names.map(field).collect::<Vec<_>>().join(",")
    };
    let state = fields(&mut (0..16).map(|i| (format!("f{i}"), "f32")).chain((0..8).map(|i| (format!("i{i}"), "i32"))));
    let ty = |index| if index < 8 { "f32" } else { "u32" };
    let creature = fields(&mut W1_FIELDS.iter().enumerate().map(|(index, name)| ((*name).to_owned(), ty(index))));
    let counters: Vec<String> = (0..8).map(|i| format!("\"c{i}\"")).collect();
    format!(
        r#"{{"step":{{"commands":[]}},"rng":[{{"name":"main","algorithm":"msvc_lcg"}}],"state":[{state}],"entities":[{{"kind":"creature","fields":[{creature}]}}],"checkpoint":{{"digests":[],"rng_state":false,"entity_counts":false,"fuel":false,"counters":[{}]}}}}"#,
        counters.join(",")
    )
}

/// The whole session.
pub fn write(ticks: &[W1Tick]) -> Vec<u8> {
    let mut out = Vec::new();
    let start = r#"{"event":"session_start","capture_version":1,"session_id":"w1","producer":{"name":"bench","version":"1","platform":"any","arch":"any"},"program":{"name":"arena","build":null,"hash":null},"layout":"#;
    let run = r#"{"event":"run_start","run_id":"arena","seed":null,"seed_source":"fixed","mode":0,"players":2,"tick_rate":60,"reason":"bench"}"#;
    writeln!(out, "{start}{}}}\n{run}", layout()).expect("memory takes it");
    for (number, tick) in (0..).zip(ticks) {
        serde_json::to_writer(&mut out, &row(number, tick)).expect("memory takes it");
        out.push(b'\n');
    }
    let count = ticks.len();
    writeln!(out, r#"{{"event":"run_end","run_id":"arena","ticks":{count},"reason":"complete"}}"#)
        .expect("memory takes it");
    writeln!(out, r#"{{"event":"session_end","session_id":"w1","ticks":"{count}"}}"#).expect("memory takes it");
    out
}
