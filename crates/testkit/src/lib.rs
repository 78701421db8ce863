//! Fixtures for the lab's tests: layouts, generated runs, planted faults. A dev-dependency only.

mod plain;
mod scene;
pub mod surgery;
mod w1;

pub use plain::{Creature, PlainTick, plain_layout, write_plain};
pub use scene::{Scene, full_layout, write_full, write_lossy};
pub use w1::{W1, W1_FIELDS, W1_TICKS, W1Draw, W1Entity, W1Tick, w1_layout, write_w1};

use cdt_schema::{TableId, TableKind};
use cdt_trace::{Error, Meta, Producer, Program, Run, Source, Trace};

/// Provenance that is the same for every fixture.
pub fn meta() -> Meta {
    let text = str::to_owned;
    Meta {
        session: text("session"),
        producer: Producer { name: text("testkit"), version: text("1"), platform: text("any"), arch: text("any") },
        program: Program { name: text("fixture"), build: Some(text("1")), hash: None },
        run: Run {
            id: text("run"),
            seed: Some(7),
            seed_source: text("fixed"),
            mode: 0,
            tick_rate: Some(60.0),
            reason: text("test"),
        },
    }
}

/// All that a segment tells of between which values fields are: of each block, each kind, each field.
///
/// # Errors
/// It cannot be read or is damaged.
pub fn all_ranges<S: Source>(trace: &Trace<S>, segment: usize) -> Result<Vec<Option<(u64, u64)>>, Error> {
    let ranges = trace.ranges(segment)?;
    let mut all = Vec::new();
    for block in 0..trace.blocks_of(segment).len() {
        for (schema, table) in trace.layout().tables().iter().zip((0..).map(TableId)) {
            if matches!(schema.kind, TableKind::Entities(_)) {
                for field in 0..schema.columns.len() - schema.key_columns() {
                    all.push(ranges.field(block, table, field)?);
                }
            }
        }
    }
    Ok(all)
}

/// A small generator of numbers, the same everywhere: SplitMix64.
#[derive(Clone, Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.draw() % u64::from(limit)).expect("below a u32")
    }
}
