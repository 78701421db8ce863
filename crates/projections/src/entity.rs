//! The lives of an entity slot: who lived there, from when to when, with which values.

use cdt_schema::columns::entities;
use cdt_schema::{Channel, Generation, KindId, Layout, Slot, TableKind, Tick};
use cdt_trace::{Error, Source, Trace, Watch};

use crate::{Value, Window, cell};

/// Every life of a slot within a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lives {
    /// Name of the entity kind.
    pub kind: String,
    /// The slot.
    pub slot: Slot,
    /// Names of the kind's fields.
    pub fields: Vec<String>,
    /// By generation.
    pub lives: Vec<Life>,
}

/// One life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Which of the slot's tenants.
    pub generation: Generation,
    /// The values of its fields at each of its ticks.
    pub ticks: Vec<(Tick, Vec<Value>)>,
}

/// The lives of a slot, or the one life of `generation`, within a window.
///
/// # Errors
/// A block cannot be read or is damaged.
pub fn entity<S: Source>(
    trace: &Trace<S>,
    kind: KindId,
    slot: Slot,
    generation: Option<Generation>,
    window: Window,
    watch: &dyn Watch,
) -> Result<Lives, Error> {
    let layout: &Layout = trace.layout();
    let declared = &layout.entity_kinds()[usize::from(kind.0)];
    let mut lives = Lives {
        kind: declared.name.clone(),
        slot,
        fields: declared.fields.iter().map(|field| field.name.clone()).collect(),
        lives: Vec::new(),
    };
    let table = layout.table(TableKind::Entities(kind)).expect("the kind is declared");
    let blocks = &trace.index().blocks;
    for (index, block) in blocks.iter().enumerate() {
        watch.progress(index as u64, Some(blocks.len() as u64));
        if watch.cancelled() {
            break;
        }
        if block.last_tick < window.start || window.end.is_some_and(|end| block.first_tick >= end) {
            continue;
        }
        let rows = trace.block(index, [Channel::Entities].into_iter().collect())?;
        let slots = &rows.table(table).columns[entities::SLOT];
        for (position, &tick) in rows.ticks().iter().enumerate().filter(|(_, tick)| window.contains(**tick)) {
            let found = rows.range(table, position).find(|&row| slots.bits(row) == u64::from(slot.0));
            let Some((row, uid)) = found.and_then(|row| Some((row, rows.uid(table, row)?))) else { continue };
            if generation.is_some_and(|generation| generation != uid.generation) {
                continue;
            }
            if lives.lives.last().is_none_or(|life| life.generation != uid.generation) {
                lives.lives.push(Life { generation: uid.generation, ticks: Vec::new() });
            }
            let columns = entities::FIRST_FIELD..entities::FIRST_FIELD + lives.fields.len();
            let values = columns.map(|column| cell(&rows, table, column, row)).collect();
            lives.lives.last_mut().expect("pushed above").ticks.push((tick, values));
        }
    }
    Ok(lives)
}
