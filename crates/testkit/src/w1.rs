//! Workload W1: an arena game at 60 Hz, as a stand-in for what people record. About 3.5 KB of rows a tick: two players, 24
//! state scalars, eight counters, about 11 draws, about 57 entities that come, turn, cool down, get hit and go.
//!
//! Everything is integer or plain f32 arithmetic, so that it is the same on every machine.

use std::sync::Arc;

use cdt_schema::{
    Checkpoint, CheckpointLayout, Draw, EntityKind, Field, Input, KindId, Layout, LayoutSpec, RngAlgorithm, RngStream,
    RowError, Scalar, ScalarType, Step, StepLayout, StreamId, Tick, TickBuilder, Values,
};
use cdt_trace::{Encoder, Options};

use crate::meta;

/// Ticks of the benchmarks' W1.
pub const W1_TICKS: u32 = 100_000;

const SLOTS: usize = 96;
const DT: f32 = 1.0 / 60.0;

/// The fields of W1's only entity kind, in order; all but the last two are f32, those are u32.
pub const W1_FIELDS: [&str; 10] = ["x", "y", "vx", "vy", "heading", "hp", "cooldown", "age", "kind", "flags"];

/// One draw of W1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the whole story")]
pub struct W1Draw {
    pub value: u32,
    pub before: u32,
    pub after: u32,
    pub caller: u32,
}

/// One entity of W1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the whole story")]
pub struct W1Entity {
    pub slot: u32,
    pub generation: u32,
    /// x, y, vx, vy, heading, hp, cooldown, age.
    pub floats: [f32; 8],
    pub kind: u32,
    pub flags: u32,
}

/// One tick of W1.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are the whole story")]
pub struct W1Tick {
    pub elapsed: u64,
    pub inputs: [Input; 2],
    pub draws: Vec<W1Draw>,
    pub floats: [f32; 16],
    pub ints: [i32; 8],
    pub entities: Vec<W1Entity>,
    pub counters: [u64; 8],
}

/// The layout of W1; `declared` says whether the rng algorithm is, or is opaque.
pub fn w1_layout(declared: bool) -> Layout {
    let field = |name: String, scalar_type| Field { name, scalar_type };
    let algorithm = if declared { RngAlgorithm::MsvcLcg } else { RngAlgorithm::Opaque };
    let mut state: Vec<Field> = (0..16).map(|i| field(format!("f{i}"), ScalarType::F32)).collect();
    state.extend((0..8).map(|i| field(format!("i{i}"), ScalarType::I32)));
    let ty = |index: usize| if index < 8 { ScalarType::F32 } else { ScalarType::U32 };
    let fields = W1_FIELDS.iter().enumerate().map(|(index, &name)| field(name.to_owned(), ty(index))).collect();
    let spec = LayoutSpec {
        players: 2,
        step: Some(StepLayout::default()),
        rng: Some(vec![RngStream { name: "main".to_owned(), algorithm }]),
        state: Some(state),
        entities: Some(vec![EntityKind { name: "creature".to_owned(), fields }]),
        checkpoint: Some(CheckpointLayout {
            counters: (0..8).map(|i| format!("c{i}")).collect(),
            ..CheckpointLayout::default()
        }),
        ..LayoutSpec::default()
    };
    Layout::new(spec).expect("the workload's layout is sound")
}

/// A creature as the game holds it.
#[derive(Clone, Debug, Default)]
struct Creature {
    alive: bool,
    generation: u32,
    x: f32,
    y: f32,
    vx: f32,
    vy: f32,
    heading: f32,
    /// Radians a tick.
    turn: f32,
    hp: f32,
    cooldown: f32,
    age: f32,
    life: f32,
    kind: u32,
    flags: u32,
}

/// Makes the ticks of W1, one after another.
#[derive(Clone, Debug)]
pub struct W1 {
    tick: u32,
    lcg: u32,
    draws: Vec<W1Draw>,
    slots: Vec<Creature>,
    buttons: [u32; 2],
    stick: [[f32; 4]; 2],
    floats: [[f32; 2]; 16],
    ints: [i32; 8],
    counters: [u64; 8],
}

impl Default for W1 {
    fn default() -> W1 {
        W1::new()
    }
}

impl W1 {
    /// The workload from its fixed seed.
    pub fn new() -> W1 {
        let mut w1 = W1 {
            tick: 0,
            lcg: 0x00c0_ffee,
            draws: Vec::new(),
            slots: vec![Creature::default(); SLOTS],
            buttons: [0; 2],
            stick: [[0.0; 4]; 2],
            floats: [[0.0; 2]; 16],
            ints: [0; 8],
            counters: [0; 8],
        };
        for slot in 0..57 {
            w1.spawn(slot, 1);
            w1.slots[slot].generation = 0;
        }
        w1
    }

    /// A number of 15 bits, drawn by a routine at `caller`.
    fn draw(&mut self, caller: u32) -> u32 {
        let before = self.lcg;
        self.lcg = before.wrapping_mul(214_013).wrapping_add(2_531_011);
        let value = self.lcg >> 16 & 0x7fff;
        self.draws.push(W1Draw { value, before, after: self.lcg, caller });
        value
    }

    /// A number from -1 to 1.
    #[expect(clippy::cast_precision_loss, reason = "15 bits")]
    fn signed(&mut self, caller: u32) -> f32 {
        self.draw(caller) as f32 / 16_383.5 - 1.0
    }

    fn spawn(&mut self, slot: usize, caller: u32) {
        let (x, y) = (self.signed(caller) * 512.0, self.signed(caller + 4) * 512.0);
        let kind = self.draw(caller + 8) % 5;
        let life = 4.0 + (self.signed(caller + 12) + 1.0) * 4.0;
        let old = &self.slots[slot];
        let speed = [40.0, 55.0, 72.0, 90.0, 20.0][kind as usize];
        self.slots[slot] = Creature {
            alive: true,
            generation: old.generation + 1,
            x,
            y,
            vx: speed,
            vy: 0.0,
            hp: 100.0,
            cooldown: 1.5,
            life,
            kind,
            ..Creature::default()
        };
    }

    /// The next tick.
    pub fn next_tick(&mut self) -> W1Tick {
        self.draws.clear();
        self.control();
        for slot in 0..SLOTS {
            if self.slots[slot].alive {
                self.creature(slot);
            }
        }
        if self.draw(0x0040_2000) % 1000 < 120 {
            let free = self.slots.iter().position(|creature| !creature.alive);
            if let Some(slot) = free {
                self.spawn(slot, 0x0040_2040);
            }
        }
        self.scalars();
        let tick = W1Tick {
            elapsed: u64::from(self.tick) * 16_667,
            inputs: [self.input(0), self.input(1)],
            draws: self.draws.clone(),
            floats: self.floats.map(|[value, _]| value),
            ints: self.ints,
            entities: self.entities(),
            counters: self.counters,
        };
        self.tick += 1;
        tick
    }

    fn control(&mut self) {
        for player in 0..2 {
            if self.draw(0x0040_1000).is_multiple_of(20) {
                self.buttons[player] = self.draw(0x0040_1008) & 0xf;
            }
            if self.draw(0x0040_1010).is_multiple_of(30) {
                let axis = self.draw(0x0040_1018) as usize % 4;
                self.stick[player][axis] = (self.signed(0x0040_1020) * 8.0).round() / 8.0;
            }
        }
    }

    fn input(&self, player: usize) -> Input {
        let [move_x, move_y, aim_x, aim_y] = self.stick[player];
        Input { buttons: self.buttons[player], move_x, move_y, aim_x, aim_y }
    }

    fn creature(&mut self, slot: usize) {
        let steer = (self.tick as usize + slot).is_multiple_of(15).then(|| self.signed(0x0040_3000));
        let struck = (self.tick as usize + slot * 7).is_multiple_of(40).then(|| self.draw(0x0040_3040));
        let creature = &mut self.slots[slot];
        if let Some(steer) = steer {
            creature.turn = steer * 0.05;
        }
        if let Some(struck) = struck.filter(|struck| struck % 4 == 0) {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let damage = (struck % 23) as f32;
            creature.hp -= damage;
            creature.flags ^= 1 << (struck % 6);
        }
        // A turn by a small angle: sine and cosine by their first terms, renormalised by one Newton step.
        let (sin, cos) = (creature.turn, 1.0 - creature.turn * creature.turn * 0.5);
        let (vx, vy) = (creature.vx * cos - creature.vy * sin, creature.vx * sin + creature.vy * cos);
        let speed = [40.0f32, 55.0, 72.0, 90.0, 20.0][creature.kind as usize];
        let scale = 1.5 - (vx * vx + vy * vy) / (speed * speed) * 0.5;
        (creature.vx, creature.vy) = (vx * scale, vy * scale);
        creature.heading += creature.turn;
        creature.x += creature.vx * DT;
        creature.y += creature.vy * DT;
        creature.age += DT;
        creature.cooldown -= DT;
        if creature.cooldown < 0.0 {
            creature.cooldown = 1.5;
        }
        creature.alive = creature.hp > 0.0 && creature.age < creature.life;
        self.counters[1] += u64::from(!creature.alive);
    }

    fn scalars(&mut self) {
        for index in 0..16 {
            if self.tick % 64 == u32::try_from(index * 4).expect("small") {
                self.floats[index][1] = self.signed(0x0040_4000) * 0.25;
            }
            let [value, slope] = self.floats[index];
            self.floats[index][0] = value * 0.999 + slope;
        }
        let index = self.tick as usize / 50 % 8;
        if self.tick.is_multiple_of(50) {
            self.ints[index] += i32::try_from(self.draw(0x0040_4040) % 9).expect("small") - 4;
        }
        self.counters[0] = u64::from(self.tick);
        self.counters[2] += self.draws.len() as u64;
        self.counters[3] = u64::from(self.tick / 60);
        self.counters[4] += u64::from(self.buttons[0] & 1);
        self.counters[5] += u64::from(self.tick.is_multiple_of(600));
    }

    fn entities(&self) -> Vec<W1Entity> {
        let entity = |(slot, creature): (usize, &Creature)| W1Entity {
            slot: u32::try_from(slot).expect("small"),
            generation: creature.generation,
            floats: [
                creature.x,
                creature.y,
                creature.vx,
                creature.vy,
                creature.heading,
                creature.hp,
                creature.cooldown,
                creature.age,
            ],
            kind: creature.kind,
            flags: creature.flags,
        };
        self.slots.iter().enumerate().filter(|(_, creature)| creature.alive).map(entity).collect()
    }
}

impl W1Tick {
    /// Fills a tick of a trace of the workload's layout.
    ///
    /// # Errors
    /// None, unless the layout is another one, or the tick was changed so that it breaks a rule.
    pub fn fill(&self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        let inputs = self.inputs.to_vec();
        tick.step(&Step { dt: DT, elapsed: self.elapsed, mode: 0, inputs, commands: Vec::new() })?;
        let drawn = |draw: &W1Draw| {
            let (before, after) = (u64::from(draw.before), u64::from(draw.after));
            Draw { stream: StreamId(0), value: draw.value, before, after, caller: draw.caller }
        };
        tick.draws(&self.draws.iter().map(drawn).collect::<Vec<Draw>>())?;
        let mut state = [Scalar::U32(0); 24];
        for (scalar, &value) in state.iter_mut().zip(&self.floats) {
            *scalar = Scalar::F32(value);
        }
        for (scalar, &value) in state[16..].iter_mut().zip(&self.ints) {
            *scalar = Scalar::I32(value);
        }
        tick.state(&state)?;
        let count = self.entities.len();
        let (mut keys, mut floats) = ([[0u32; SLOTS]; 4], [[0.0f32; SLOTS]; 8]);
        for (index, entity) in self.entities.iter().enumerate() {
            let key = [entity.slot, entity.generation, entity.kind, entity.flags];
            keys.iter_mut().zip(key).for_each(|(column, value)| column[index] = value);
            floats.iter_mut().zip(entity.floats).for_each(|(column, value)| column[index] = value);
        }
        let [slots, generations, kinds, flags] = keys.each_ref().map(|column| &column[..count]);
        let [a, b, c, d, e, f, g, h] = floats.each_ref().map(|column| Values::F32(&column[..count]));
        let fields = [a, b, c, d, e, f, g, h, Values::U32(kinds), Values::U32(flags)];
        tick.entities(KindId(0), slots, generations, &fields)?;
        tick.checkpoint(&Checkpoint { counters: &self.counters, ..Checkpoint::default() })
    }

    /// Bytes of the rows, as a plain struct would hold them.
    pub fn raw_bytes(&self) -> usize {
        20 + 2 * 20 + self.draws.len() * 29 + 24 * 4 + self.entities.len() * 52 + 8 * 8
    }
}

/// The bytes of a finished trace of W1's first ticks, each after `fault` has had its way with it; `declared` as for
/// [`w1_layout`].
///
/// # Panics
/// If what `fault` made of a tick breaks a rule of the layout.
pub fn write_w1(ticks: u32, declared: bool, options: Options, mut fault: impl FnMut(u32, &mut W1Tick)) -> Vec<u8> {
    let mut encoder = Encoder::new(&meta(), Arc::new(w1_layout(declared)), options);
    let mut w1 = W1::new();
    for number in 0..ticks {
        let mut row = w1.next_tick();
        fault(number, &mut row);
        encoder.append(Tick(number), |tick| row.fill(tick)).expect("the fixture obeys its layout");
    }
    encoder.finish("complete").0
}
