//! Paths: how a report names a value. `state.score`, `step.players[1].buttons`, `rng[3].value`,
//! `entities.creature[slot=7,gen=2].hp`.

use std::fmt;

use crate::{Layout, TableId, TableKind, Uid};

/// Names one value, row or table of a tick.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(String);

impl Path {
    /// A whole table: `entities.creature`, `rng`.
    pub fn table(layout: &Layout, table: TableId) -> Path {
        Path(match layout.tables()[table.0].kind {
            TableKind::Inputs => "step.players".to_owned(),
            TableKind::Commands => "step.commands".to_owned(),
            _ => layout.tables()[table.0].name.clone(),
        })
    }

    /// A row of an ordered table or of the inputs, by its position in the tick. Players count from 0; the rows of
    /// ordered channels have a seq, which counts from 1.
    pub fn row(layout: &Layout, table: TableId, position: usize) -> Path {
        let base = Path::table(layout, table).0;
        Path(match layout.tables()[table.0].kind {
            TableKind::Step | TableKind::State | TableKind::Checkpoint => base,
            TableKind::Inputs => format!("{base}[{position}]"),
            _ => format!("{base}[{}]", position + 1),
        })
    }

    /// One entity.
    pub fn entity(layout: &Layout, uid: Uid) -> Path {
        let name = &layout.entity_kinds()[usize::from(uid.kind.0)].name;
        Path(format!("entities.{name}[slot={},gen={}]", uid.slot, uid.generation))
    }

    /// Bytes of memory, by their addresses; `end` is exclusive.
    pub fn memory(start: usize, end: usize) -> Path {
        Path(format!("memory[{start:#x}..{end:#x}]"))
    }

    /// A member of what this path names.
    #[must_use]
    pub fn field(&self, name: &str) -> Path {
        Path(format!("{}.{name}", self.0))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
