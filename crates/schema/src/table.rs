//! The tables that follow from a layout: each channel is one or more tables of typed columns, and encoding, digests,
//! comparison and projections all work on those.

use crate::layout::{Field, LayoutSpec};
use crate::{Channel, KindId, ScalarType};

/// Index into [`crate::Layout::tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub usize);

/// Which table of which channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// One row a tick: dt, elapsed, mode.
    Step,
    /// One row for every player and tick.
    Inputs,
    /// Ordered commands.
    Commands,
    /// Ordered draws.
    Rng,
    /// Ordered syscalls.
    Calls,
    /// One row a tick: the declared scalars.
    State,
    /// The live entities of one kind, slots ascending.
    Entities(KindId),
    /// One row a tick.
    Checkpoint,
    /// Ordered samples.
    Timing,
    /// Ordered events.
    Events,
    /// Changed pages, ascending.
    Memory,
}

impl TableKind {
    /// The channel that has such tables.
    pub fn channel(self) -> Channel {
        match self {
            TableKind::Step | TableKind::Inputs | TableKind::Commands => Channel::Step,
            TableKind::Rng => Channel::Rng,
            TableKind::Calls => Channel::Calls,
            TableKind::State => Channel::State,
            TableKind::Entities(_) => Channel::Entities,
            TableKind::Checkpoint => Channel::Checkpoint,
            TableKind::Timing => Channel::Timing,
            TableKind::Events => Channel::Events,
            TableKind::Memory => Channel::Memory,
        }
    }
}

/// How many rows a tick has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Always this many.
    Fixed(u32),
    /// Any number.
    Many,
}

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// One scalar a row.
    Scalar(ScalarType),
    /// A list of declared values a row, 8 bytes LE of bits each; the row's kind says how many and of which types.
    Values,
    /// One page of memory a row.
    Page,
}

impl ColumnType {
    /// Bytes of a row's lane in memory; of a byte string, of where it ends.
    fn lane_bytes(self) -> usize {
        match self {
            ColumnType::Scalar(ScalarType::U16) | ColumnType::Values | ColumnType::Page => 4,
            ColumnType::Scalar(scalar_type) => scalar_type.width(),
        }
    }

    fn is_string(self) -> bool {
        matches!(self, ColumnType::Values | ColumnType::Page)
    }
}

/// Whether a column takes part in digests and verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It does.
    Behavioural,
    /// It is evidence only: a difference is a diagnostic.
    Diagnostic,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Name within the table.
    pub name: String,
    /// Type of its values.
    pub column_type: ColumnType,
    /// Whether it is behaviour.
    pub role: Role,
}

/// One table of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSchema {
    /// The channel it belongs to.
    pub channel: Channel,
    /// Which table of the channel.
    pub kind: TableKind,
    /// Name in paths and queries: `state`, `entities.creature`, …
    pub name: String,
    /// Rows a tick.
    pub arity: Arity,
    /// Its columns.
    pub columns: Vec<ColumnSchema>,
    /// Bytes that a row occupies in memory, less the content of its byte strings.
    pub row_bytes: usize,
    /// Whether any of its columns has byte strings.
    pub has_strings: bool,
}

impl TableSchema {
    /// Index of the column of that name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Whether each column can be decoded and checked without the others: where no column says what another means.
    pub fn columns_stand_alone(&self) -> bool {
        use TableKind::{Checkpoint, Entities, Inputs, State, Step};
        matches!(self.kind, Step | Inputs | State | Entities(_) | Checkpoint)
    }

    /// How many leading columns identify a row rather than describe it: slot and generation of an entity.
    pub fn key_columns(&self) -> usize {
        if matches!(self.kind, TableKind::Entities(_)) { 2 } else { 0 }
    }
}

/// Column numbers of the tables whose columns the schema itself defines.
#[expect(missing_docs, reason = "the names are the columns' names")]
pub mod columns {
    pub mod step {
        pub const DT: usize = 0;
        pub const ELAPSED: usize = 1;
        pub const MODE: usize = 2;
    }
    pub mod inputs {
        pub const BUTTONS: usize = 0;
        pub const MOVE_X: usize = 1;
        pub const MOVE_Y: usize = 2;
        pub const AIM_X: usize = 3;
        pub const AIM_Y: usize = 4;
    }
    pub mod commands {
        pub const PLAYER: usize = 0;
        pub const KIND: usize = 1;
        pub const ARGS: usize = 2;
    }
    pub mod rng {
        pub const STREAM: usize = 0;
        pub const VALUE: usize = 1;
        pub const BEFORE: usize = 2;
        pub const AFTER: usize = 3;
        pub const CALLER: usize = 4;
    }
    pub mod calls {
        pub const SYSCALL: usize = 0;
        pub const STAGE: usize = 1;
        pub const ARGS: usize = 2;
        pub const RESULT: usize = 3;
        pub const DECISION: usize = 4;
    }
    pub mod entities {
        pub const SLOT: usize = 0;
        pub const GENERATION: usize = 1;
        pub const FIRST_FIELD: usize = 2;
    }
    pub mod timing {
        pub const STAGE: usize = 0;
        pub const FUEL: usize = 1;
        pub const WALL_NS: usize = 2;
    }
    pub mod events {
        pub const KIND: usize = 0;
        pub const ORIGIN: usize = 1;
        pub const HAS_SUBJECT: usize = 2;
        pub const SUBJECT_KIND: usize = 3;
        pub const SUBJECT_SLOT: usize = 4;
        pub const SUBJECT_GENERATION: usize = 5;
        pub const VALUES: usize = 6;
        pub const CAUSE: usize = 7;
    }
    pub mod memory {
        pub const PAGE: usize = 0;
        pub const CONTENT: usize = 1;
    }
}

fn column(name: &str, column_type: ColumnType, role: Role) -> ColumnSchema {
    ColumnSchema { name: name.to_owned(), column_type, role }
}

fn scalar(name: &str, scalar_type: ScalarType) -> ColumnSchema {
    column(name, ColumnType::Scalar(scalar_type), Role::Behavioural)
}

fn diagnostic(name: &str, scalar_type: ScalarType) -> ColumnSchema {
    column(name, ColumnType::Scalar(scalar_type), Role::Diagnostic)
}

fn values(name: &str) -> ColumnSchema {
    column(name, ColumnType::Values, Role::Behavioural)
}

fn declared(fields: &[Field]) -> impl Iterator<Item = ColumnSchema> {
    fields.iter().map(|field| scalar(&field.name, field.scalar_type))
}

/// The tables of a checked layout, in causal order.
pub(crate) fn tables_of(spec: &LayoutSpec) -> Vec<TableSchema> {
    use ScalarType::{Bool, F32, U8, U16, U32, U64};
    let mut tables = Vec::new();
    let mut add = |kind: TableKind, name: &str, arity, columns: Vec<ColumnSchema>| {
        let row_bytes = columns.iter().map(|column| column.column_type.lane_bytes()).sum();
        let has_strings = columns.iter().any(|column| column.column_type.is_string());
        let channel = kind.channel();
        tables.push(TableSchema { channel, kind, name: name.to_owned(), arity, columns, row_bytes, has_strings });
    };
    if spec.step.is_some() {
        let step = vec![scalar("dt", F32), scalar("elapsed", U64), scalar("mode", U32)];
        add(TableKind::Step, "step", Arity::Fixed(1), step);
        let axes = ["move_x", "move_y", "aim_x", "aim_y"].map(|name| scalar(name, F32));
        let inputs = [scalar("buttons", U32)].into_iter().chain(axes).collect();
        add(TableKind::Inputs, "inputs", Arity::Fixed(u32::from(spec.players)), inputs);
        let commands = vec![scalar("player", U8), scalar("kind", U16), values("args")];
        add(TableKind::Commands, "commands", Arity::Many, commands);
    }
    if spec.rng.is_some() {
        let states = [scalar("before", U64), scalar("after", U64)];
        let mut columns = vec![scalar("stream", U8), scalar("value", U32)];
        columns.extend(states);
        columns.push(diagnostic("caller", U32));
        add(TableKind::Rng, "rng", Arity::Many, columns);
    }
    if spec.calls.is_some() {
        let ids = [scalar("syscall", U32), scalar("stage", U16)];
        let columns = ids.into_iter().chain([values("args"), values("result"), scalar("decision", U8)]).collect();
        add(TableKind::Calls, "calls", Arity::Many, columns);
    }
    if let Some(fields) = &spec.state {
        add(TableKind::State, "state", Arity::Fixed(1), declared(fields).collect());
    }
    for (kind, index) in spec.entities.iter().flatten().zip(0u16..) {
        let key = [scalar("slot", U32), scalar("generation", U32)];
        let columns = key.into_iter().chain(declared(&kind.fields)).collect();
        let name = format!("entities.{}", kind.name);
        add(TableKind::Entities(KindId(index)), &name, Arity::Many, columns);
    }
    if spec.checkpoint.is_some() {
        add(TableKind::Checkpoint, "checkpoint", Arity::Fixed(1), checkpoint_columns(spec));
    }
    if spec.timing {
        let columns = vec![scalar("stage", U16), scalar("fuel", U64), diagnostic("wall_ns", U64)];
        add(TableKind::Timing, "timing", Arity::Many, columns);
    }
    if spec.events.is_some() {
        let mut columns = vec![scalar("kind", U16), scalar("origin", U8), scalar("has_subject", Bool)];
        columns.extend([scalar("subject_kind", U16), scalar("subject_slot", U32), scalar("subject_generation", U32)]);
        columns.extend([values("values"), scalar("cause", U32)]);
        add(TableKind::Events, "events", Arity::Many, columns);
    }
    if spec.memory.is_some() {
        let columns = vec![scalar("page", U32), column("content", ColumnType::Page, Role::Behavioural)];
        add(TableKind::Memory, "memory", Arity::Many, columns);
    }
    tables
}

fn checkpoint_columns(spec: &LayoutSpec) -> Vec<ColumnSchema> {
    let Some(checkpoint) = &spec.checkpoint else { return Vec::new() };
    let mut columns = Vec::new();
    let digests = [
        (checkpoint.state_digest, "state_digest"),
        (checkpoint.frame_digest, "frame_digest"),
        (checkpoint.audio_digest, "audio_digest"),
    ];
    columns.extend(digests.iter().filter(|(present, _)| *present).map(|(_, name)| scalar(name, ScalarType::U64)));
    if checkpoint.rng_state {
        let streams = spec.rng.iter().flatten();
        columns.extend(streams.map(|s| scalar(&format!("rng_state.{}", s.name), ScalarType::U64)));
    }
    if checkpoint.entity_counts {
        let kinds = spec.entities.iter().flatten();
        columns.extend(kinds.map(|k| scalar(&format!("entity_counts.{}", k.name), ScalarType::U32)));
    }
    if checkpoint.fuel {
        columns.push(scalar("fuel", ScalarType::U64));
    }
    columns.extend(checkpoint.counters.iter().map(|name| scalar(&format!("counters.{name}"), ScalarType::U64)));
    columns
}
