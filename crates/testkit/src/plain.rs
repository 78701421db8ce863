//! A plain run of moving creatures, in which a test plants faults.

use std::sync::Arc;

use cdt_schema::{
    EntityKind, Field, Generation, KindId, Layout, LayoutSpec, RowError, Scalar, ScalarType, Slot, Tick, Uid,
};
use cdt_trace::{Encoder, Options};

use crate::meta;

/// One creature of a plain tick.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the whole story")]
pub struct Creature {
    pub slot: u32,
    pub generation: u32,
    pub x: f32,
    pub y: f32,
    pub hp: i32,
}

/// What a plain tick carries.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the whole story")]
pub struct PlainTick {
    pub score: u32,
    pub energy: f32,
    pub creatures: Vec<Creature>,
}

/// state: score u32, energy f32; entities creature: x f32, y f32, hp i32.
pub fn plain_layout() -> Layout {
    let field = |name: &str, scalar_type| Field { name: name.to_owned(), scalar_type };
    let fields = vec![field("x", ScalarType::F32), field("y", ScalarType::F32), field("hp", ScalarType::I32)];
    let spec = LayoutSpec {
        state: Some(vec![field("score", ScalarType::U32), field("energy", ScalarType::F32)]),
        entities: Some(vec![EntityKind { name: "creature".to_owned(), fields }]),
        ..LayoutSpec::default()
    };
    Layout::new(spec).expect("the fixture's layout is sound")
}

/// A tick of the plain run: twelve creatures on their ways, of which every slot gets a new tenant every 97 ticks.
#[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
fn plain_tick(tick: u32) -> PlainTick {
    let creature = |slot: u32| {
        let age = (tick + slot * 8) as f32;
        let generation = (tick + slot * 8) / 97;
        let hp = 100 - i32::try_from((tick + slot * 8) % 97).expect("small");
        Creature { slot, generation, x: age * 0.25, y: (age * 0.01).mul_add(age * 0.01, 1.0), hp }
    };
    PlainTick { score: tick / 10, energy: 1000.0 - tick as f32 * 0.125, creatures: (0..12).map(creature).collect() }
}

/// The bytes of a finished trace of ticks 0 to `ticks`, each after `fault` has had its way with it.
///
/// # Panics
/// If what `fault` made of a tick breaks a rule of the layout.
pub fn write_plain(ticks: u32, options: Options, mut fault: impl FnMut(u32, &mut PlainTick)) -> Vec<u8> {
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), options);
    for number in 0..ticks {
        let mut plain = plain_tick(number);
        fault(number, &mut plain);
        encoder
            .append(Tick(number), |tick| -> Result<(), RowError> {
                tick.state(&[Scalar::U32(plain.score), Scalar::F32(plain.energy)])?;
                for creature in &plain.creatures {
                    let (slot, generation) = (Slot(creature.slot), Generation(creature.generation));
                    let values = [Scalar::F32(creature.x), Scalar::F32(creature.y), Scalar::I32(creature.hp)];
                    tick.entity(Uid { kind: KindId(0), slot, generation }, &values)?;
                }
                Ok(())
            })
            .expect("the fixture obeys its layout");
    }
    encoder.finish("complete").0
}
