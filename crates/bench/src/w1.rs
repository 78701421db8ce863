//! W1: the arena game of `testkit`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch};
use cdt_schema::columns::{entities, rng, step};
use cdt_schema::{Input, KindId, Layout, RowError, Rows, TableKind, TickBuilder};
use cdt_testkit::{W1 as Game, W1_FIELDS, W1Draw, W1Entity, W1Tick, w1_layout};

use crate::arrow::{batch, floats, u32s, u64s};
use crate::workload::{Workload, lanes32, lanes64};

/// Place of hp among an entity's floats.
const HP: usize = 5;

/// The arena game.
pub struct W1;

impl Workload for W1 {
    type Tick = W1Tick;

    const TITLE: &'static str =
        "W1, an arena game: 2 players, 24 scalars, 8 counters, 11 draws, 57 entities of 10 fields";
    const COUNTED: [&'static str; 2] = [W1_FIELDS[HP], W1_FIELDS[8]];
    const QUERY: &'static str =
        "SELECT kind, count(*) AS rows, min(hp) AS least, avg(x) AS mean FROM entities.creature GROUP BY kind";

    fn run() -> impl Iterator<Item = W1Tick> {
        let mut game = Game::new();
        std::iter::repeat_with(move || game.next_tick())
    }

    fn raw_bytes(tick: &W1Tick) -> usize {
        tick.raw_bytes()
    }

    fn layout(declared: bool) -> Layout {
        w1_layout(declared)
    }

    fn fill(tick: &W1Tick, builder: &mut TickBuilder<'_>) -> Result<(), RowError> {
        tick.fill(builder)
    }

    fn read(rows: &Rows, index: usize, into: &mut W1Tick) {
        let table = |kind| rows.layout().table(kind).expect("the workload declares it");
        let steps = table(TableKind::Step);
        into.elapsed = lanes64(rows, steps, step::ELAPSED)[index];
        let inputs = table(TableKind::Inputs);
        for (input, row) in into.inputs.iter_mut().zip(rows.range(inputs, index)) {
            let axis = |column| f32::from_bits(lanes32(rows, inputs, column)[row]);
            let buttons = lanes32(rows, inputs, 0)[row];
            *input = Input { buttons, move_x: axis(1), move_y: axis(2), aim_x: axis(3), aim_y: axis(4) };
        }
        let state = table(TableKind::State);
        for (column, value) in into.floats.iter_mut().enumerate() {
            *value = f32::from_bits(lanes32(rows, state, column)[index]);
        }
        for (column, value) in into.ints.iter_mut().enumerate() {
            *value = lanes32(rows, state, 16 + column)[index].cast_signed();
        }
        let checkpoint = table(TableKind::Checkpoint);
        for (column, counter) in into.counters.iter_mut().enumerate() {
            *counter = lanes64(rows, checkpoint, column)[index];
        }
        read_draws(rows, rows.range(table(TableKind::Rng), index), into);
        read_entities(rows, rows.range(table(TableKind::Entities(KindId(0))), index), into);
    }

    fn batches(ticks: &[W1Tick], first: u32) -> Vec<RecordBatch> {
        vec![tick_batch(ticks, first), draw_batch(ticks, first), entity_batch(ticks, first)]
    }

    fn pack(tick: &W1Tick, out: &mut Vec<u8>) {
        let mut u32s = |value: u32| out.extend_from_slice(&value.to_le_bytes());
        u32s(u32::try_from(tick.draws.len()).expect("few"));
        u32s(u32::try_from(tick.entities.len()).expect("few"));
        u32s((1.0f32 / 60.0).to_bits());
        u32s(0);
        for input in &tick.inputs {
            u32s(input.buttons);
            [input.move_x, input.move_y, input.aim_x, input.aim_y].iter().for_each(|axis| u32s(axis.to_bits()));
        }
        tick.floats.iter().for_each(|value| u32s(value.to_bits()));
        tick.ints.iter().for_each(|value| u32s(value.cast_unsigned()));
        for draw in &tick.draws {
            [draw.value, draw.before, 0, draw.after, 0, draw.caller].iter().for_each(|&value| u32s(value));
        }
        for entity in &tick.entities {
            u32s(entity.slot);
            u32s(entity.generation);
            entity.floats.iter().for_each(|value| u32s(value.to_bits()));
            u32s(entity.kind);
            u32s(entity.flags);
        }
        out.extend_from_slice(&tick.elapsed.to_le_bytes());
        tick.counters.iter().for_each(|counter| out.extend_from_slice(&counter.to_le_bytes()));
    }

    fn unpack(bytes: &[u8], into: &mut W1Tick) {
        let mut words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        let mut next = || words.next().expect("our own message");
        let (draws, creatures) = (next(), next());
        let _step = (next(), next());
        for input in &mut into.inputs {
            let buttons = next();
            let mut axis = || f32::from_bits(next());
            *input = Input { buttons, move_x: axis(), move_y: axis(), aim_x: axis(), aim_y: axis() };
        }
        into.floats.iter_mut().for_each(|value| *value = f32::from_bits(next()));
        into.ints.iter_mut().for_each(|value| *value = next().cast_signed());
        into.draws.clear();
        into.draws.extend((0..draws).map(|_| {
            let (value, before, _, after, _, caller) = (next(), next(), next(), next(), next(), next());
            W1Draw { value, before, after, caller }
        }));
        into.entities.clear();
        into.entities.extend((0..creatures).map(|_| {
            let (slot, generation) = (next(), next());
            let floats = std::array::from_fn(|_| f32::from_bits(next()));
            W1Entity { slot, generation, floats, kind: next(), flags: next() }
        }));
        let mut wide = || u64::from(next()) | u64::from(next()) << 32;
        into.elapsed = wide();
        into.counters.iter_mut().for_each(|counter| *counter = wide());
    }

    fn counts(hp: u32, kind: u32) -> bool {
        // Without a branch, so that several are looked at at once.
        W1::may_count(hp) & (kind == 2)
    }

    fn may_count(lowest: u32) -> bool {
        f32::from_bits(lowest) < 10.0
    }

    fn count(tick: &W1Tick) -> usize {
        tick.entities.iter().filter(|entity| W1::counts(entity.floats[HP].to_bits(), entity.kind)).count()
    }

    fn fork(tick: &mut W1Tick) {
        if let Some(entity) = tick.entities.first_mut() {
            entity.floats[HP] += 0.5;
        }
    }

    fn difference(a: &W1Tick, b: &W1Tick) -> Option<String> {
        let pair = |(a, b): (&W1Entity, &W1Entity)| {
            let field = (0..W1_FIELDS.len() - 2).find(|&field| a.floats[field] != b.floats[field])?;
            Some(format!("creature {}.{}: {} {}", a.slot, W1_FIELDS[field], a.floats[field], b.floats[field]))
        };
        a.entities.iter().zip(&b.entities).find_map(pair)
    }

    fn capture(ticks: &[W1Tick]) -> Vec<u8> {
        crate::capture::write(ticks)
    }
}

fn read_draws(rows: &Rows, range: Range<usize>, into: &mut W1Tick) {
    let table = rows.layout().table(TableKind::Rng).expect("the workload declares it");
    let [values, callers] = [rng::VALUE, rng::CALLER].map(|column| &lanes32(rows, table, column)[range.clone()]);
    let [befores, afters] = [rng::BEFORE, rng::AFTER].map(|column| &lanes64(rows, table, column)[range.clone()]);
    let narrow = |state: u64| u32::try_from(state).expect("the generator has 32 bits");
    into.draws.clear();
    into.draws.extend((0..values.len()).map(|row| W1Draw {
        value: values[row],
        before: narrow(befores[row]),
        after: narrow(afters[row]),
        caller: callers[row],
    }));
}

fn read_entities(rows: &Rows, range: Range<usize>, into: &mut W1Tick) {
    let table = rows.layout().table(TableKind::Entities(KindId(0))).expect("the workload declares it");
    let lanes = |column| &lanes32(rows, table, column)[range.clone()];
    let (slots, generations) = (lanes(entities::SLOT), lanes(entities::GENERATION));
    let fields: [&[u32]; W1_FIELDS.len()] = std::array::from_fn(|field| lanes(entities::FIRST_FIELD + field));
    into.entities.clear();
    into.entities.extend((0..slots.len()).map(|row| W1Entity {
        slot: slots[row],
        generation: generations[row],
        floats: std::array::from_fn(|field| f32::from_bits(fields[field][row])),
        kind: fields[8][row],
        flags: fields[9][row],
    }));
}

fn numbers(ticks: &[W1Tick], first: u32) -> impl Iterator<Item = (u32, &W1Tick)> + Clone {
    (first..).zip(ticks)
}

fn tick_batch(ticks: &[W1Tick], first: u32) -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("tick".to_owned(), u32s(numbers(ticks, first).map(|(tick, _)| tick))),
        ("dt".to_owned(), floats(ticks.iter().map(|_| 1.0 / 60.0))),
        ("elapsed".to_owned(), u64s(ticks.iter().map(|tick| tick.elapsed))),
        ("mode".to_owned(), u32s(ticks.iter().map(|_| 0))),
    ];
    for player in 0..2 {
        let input = move |tick: &W1Tick| tick.inputs[player];
        columns.push((format!("buttons{player}"), u32s(ticks.iter().map(|tick| input(tick).buttons))));
        columns.push((format!("move_x{player}"), floats(ticks.iter().map(|tick| input(tick).move_x))));
        columns.push((format!("move_y{player}"), floats(ticks.iter().map(|tick| input(tick).move_y))));
        columns.push((format!("aim_x{player}"), floats(ticks.iter().map(|tick| input(tick).aim_x))));
        columns.push((format!("aim_y{player}"), floats(ticks.iter().map(|tick| input(tick).aim_y))));
    }
    for index in 0..16 {
        columns.push((format!("f{index}"), floats(ticks.iter().map(|tick| tick.floats[index]))));
    }
    for index in 0..8 {
        let values = Int32Array::from_iter_values(ticks.iter().map(|tick| tick.ints[index]));
        columns.push((format!("i{index}"), Arc::new(values)));
        columns.push((format!("c{index}"), u64s(ticks.iter().map(|tick| tick.counters[index]))));
    }
    batch(columns)
}

fn draw_batch(ticks: &[W1Tick], first: u32) -> RecordBatch {
    let all = || numbers(ticks, first).flat_map(|(tick, row)| row.draws.iter().map(move |draw| (tick, draw)));
    batch(vec![
        ("tick".to_owned(), u32s(all().map(|(tick, _)| tick))),
        ("value".to_owned(), u32s(all().map(|(_, draw)| draw.value))),
        ("before".to_owned(), u64s(all().map(|(_, draw)| draw.before.into()))),
        ("after".to_owned(), u64s(all().map(|(_, draw)| draw.after.into()))),
        ("caller".to_owned(), u32s(all().map(|(_, draw)| draw.caller))),
    ])
}

fn entity_batch(ticks: &[W1Tick], first: u32) -> RecordBatch {
    let all = || numbers(ticks, first).flat_map(|(tick, row)| row.entities.iter().map(move |entity| (tick, entity)));
    let mut columns = vec![
        ("tick".to_owned(), u32s(all().map(|(tick, _)| tick))),
        ("slot".to_owned(), u32s(all().map(|(_, entity)| entity.slot))),
        ("generation".to_owned(), u32s(all().map(|(_, entity)| entity.generation))),
    ];
    for (index, name) in W1_FIELDS.iter().enumerate().take(8) {
        columns.push(((*name).to_owned(), floats(all().map(move |(_, entity)| entity.floats[index]))));
    }
    columns.push(("kind".to_owned(), u32s(all().map(|(_, entity)| entity.kind))));
    columns.push(("flags".to_owned(), u32s(all().map(|(_, entity)| entity.flags))));
    batch(columns)
}
