//! The scene of the demo as a [`cdt_schema::Machine`]: sixty boxes that fall, in either version of rapier2d. The worked example of
//! docs/machine.md, and no part of the lab.
//!
//! The engine can be serialised, but not so that it goes on bit for bit: its hash maps come back in another order. So a snapshot is what led
//! here, how many ticks and which values were written between them, and restoring plays it again.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::{array, fmt};

use cdt_schema::{
    EntityKind, Field, FieldTarget, Generation, KindId, Layout, LayoutSpec, Machine, RowError, Scalar, ScalarType,
    Slot, Step, StepLayout, TickBuilder, Uid, Values,
};
use clap::ValueEnum;
use demo_boxes::scene;
use demo_boxes::world::{Frame, candidate, reference};

/// Fields of a box, in the order of [`Frame::boxes`].
const FIELDS: [&str; 6] = ["x", "y", "angle", "vx", "vy", "spin"];

/// Which version of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// rapier2d 0.20.0.
    Reference,
    /// rapier2d 0.23.0.
    Candidate,
}

enum World {
    Reference(Box<reference::World>),
    Candidate(Box<candidate::World>),
}

impl World {
    fn new(engine: Engine) -> World {
        match engine {
            Engine::Reference => World::Reference(Box::new(reference::World::new())),
            Engine::Candidate => World::Candidate(Box::new(candidate::World::new())),
        }
    }

    fn step(&mut self) {
        match self {
            World::Reference(world) => world.step(),
            World::Candidate(world) => world.step(),
        }
    }

    fn frame(&self) -> Frame {
        match self {
            World::Reference(world) => world.frame(),
            World::Candidate(world) => world.frame(),
        }
    }

    fn place(&mut self, slot: usize, values: [f32; 6]) {
        match self {
            World::Reference(world) => world.place(slot, values),
            World::Candidate(world) => world.place(slot, values),
        }
    }
}

/// A value that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Write {
    /// How many ticks there were before.
    ticks: u32,
    slot: u32,
    field: u32,
    bits: u32,
}

/// The scene as a machine.
pub struct Boxes {
    engine: Engine,
    layout: Arc<Layout>,
    world: World,
    ticks: u32,
    writes: Vec<Write>,
}

impl fmt::Debug for Boxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Boxes { engine, ticks, writes, .. } = self;
        let mut shown = f.debug_struct("Boxes");
        shown.field("engine", engine).field("ticks", ticks).field("writes", writes).finish_non_exhaustive()
    }
}

/// Why the machine cannot do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxesError(String);

impl fmt::Display for BoxesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BoxesError {}

fn layout() -> Layout {
    let field = |name: &str, scalar_type| Field { name: name.to_owned(), scalar_type };
    let fields = FIELDS.iter().map(|name| field(name, ScalarType::F32)).collect();
    let spec = LayoutSpec {
        step: Some(StepLayout::default()),
        state: Some(vec![field("contacts", ScalarType::U32), field("kinetic_energy", ScalarType::F32)]),
        entities: Some(vec![EntityKind { name: "box".to_owned(), fields }]),
        ..LayoutSpec::default()
    };
    Layout::new(spec).expect("the scene's layout is sound")
}

impl Boxes {
    /// The scene before its first tick.
    pub fn new(engine: Engine) -> Boxes {
        Boxes { engine, layout: Arc::new(layout()), world: World::new(engine), ticks: 0, writes: Vec::new() }
    }

    fn advance(&mut self) {
        self.world.step();
        self.ticks += 1;
    }

    fn write(&mut self, slot: u32, field: u32, bits: u32) {
        let mut values = self.world.frame().boxes[slot as usize];
        values[field as usize] = f32::from_bits(bits);
        self.world.place(slot as usize, values);
        self.writes.push(Write { ticks: self.ticks, slot, field, bits });
    }

    /// Plays from the beginning.
    fn replay(&mut self, ticks: u32, writes: &[Write]) {
        (self.world, self.ticks) = (World::new(self.engine), 0);
        self.writes.clear();
        let mut writes = writes.iter().peekable();
        loop {
            while let Some(write) = writes.next_if(|write| write.ticks == self.ticks) {
                self.write(write.slot, write.field, write.bits);
            }
            if self.ticks == ticks {
                return;
            }
            self.advance();
        }
    }
}

impl Machine for Boxes {
    type Error = BoxesError;

    fn layout(&self) -> Arc<Layout> {
        self.layout.clone()
    }

    /// Nobody plays, so nothing of the step matters.
    fn step(&mut self, _: &Step) -> Result<(), BoxesError> {
        self.advance();
        Ok(())
    }

    fn observe(&self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        let frame = self.world.frame();
        tick.state(&[Scalar::U32(frame.contacts), Scalar::F32(frame.kinetic_energy)])?;
        // Field after field, as a trace has them.
        let slots: Vec<u32> = (0..scene::BOXES).collect();
        let fields: [Vec<f32>; FIELDS.len()] =
            array::from_fn(|field| frame.boxes.iter().map(|values| values[field]).collect());
        tick.entities(KindId(0), &slots, &vec![0; slots.len()], &fields.each_ref().map(|values| Values::F32(values)))
    }

    fn snapshot(&self) -> Vec<u8> {
        let writes = self.writes.iter().flat_map(|write| [write.ticks, write.slot, write.field, write.bits]);
        [self.ticks].into_iter().chain(writes).flat_map(u32::to_le_bytes).collect()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), BoxesError> {
        let refuse = || BoxesError("this is no snapshot of the scene".to_owned());
        let (lanes, []) = snapshot.as_chunks::<4>() else { return Err(refuse()) };
        let numbers: Vec<u32> = lanes.iter().map(|lane| u32::from_le_bytes(*lane)).collect();
        let (&ticks, rest) = numbers.split_first().ok_or_else(refuse)?;
        let (writes, []) = rest.as_chunks::<4>() else { return Err(refuse()) };
        let writes: Vec<Write> =
            writes.iter().map(|&[ticks, slot, field, bits]| Write { ticks, slot, field, bits }).collect();
        let is_sound = |write: &Write| {
            write.ticks <= ticks
                && write.slot < scene::BOXES
                && write.field < 6
                && f32::from_bits(write.bits).is_finite()
        };
        if !writes.is_sorted_by_key(|write| write.ticks) || !writes.iter().all(is_sound) {
            return Err(refuse());
        }
        self.replay(ticks, &writes);
        Ok(())
    }

    fn write_field(&mut self, target: FieldTarget, value: Scalar) -> Result<(), BoxesError> {
        match (target, value) {
            (
                FieldTarget::Entity(Uid { kind: KindId(0), slot: Slot(slot), generation: Generation(0) }, field),
                Scalar::F32(value),
            ) if slot < scene::BOXES && field < FIELDS.len() && value.is_finite() => {
                self.write(slot, u32::try_from(field).expect("there are six"), value.to_bits());
                Ok(())
            }
            _ => Err(BoxesError(format!(
                "{target:?} is no field of a box that takes {value:?}; state follows from the boxes"
            ))),
        }
    }
}
