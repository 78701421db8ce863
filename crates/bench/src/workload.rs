//! What is written and read: ticks as a program holds them, and how each format takes them.

use arrow_array::RecordBatch;
use cdt_schema::{Layout, RowError, Rows, TableId, TickBuilder};

/// A workload: its ticks, and how they become rows, record batches, messages and a capture.
pub trait Workload {
    /// One tick, as the program that makes it holds it.
    type Tick: Clone + Default + PartialEq;

    /// Its name and what it is.
    const TITLE: &'static str;
    /// The two entity columns that a count looks at.
    const COUNTED: [&'static str; 2];
    /// A query that reads all entities.
    const QUERY: &'static str;

    /// The run, tick by tick, without an end.
    fn run() -> impl Iterator<Item = Self::Tick>;

    /// Bytes of a tick's rows, as a plain struct would hold them.
    fn raw_bytes(tick: &Self::Tick) -> usize;

    /// The layout; `declared` says whether an rng algorithm is, or is opaque.
    fn layout(declared: bool) -> Layout;

    /// Whether there is an algorithm to declare.
    fn has_rng() -> bool {
        Self::layout(true) != Self::layout(false)
    }

    /// Fills a tick of a trace.
    fn fill(tick: &Self::Tick, builder: &mut TickBuilder<'_>) -> Result<(), RowError>;

    /// Reads a tick of a trace, by its index in `rows`, into one whose buffers are used again.
    fn read(rows: &Rows, index: usize, into: &mut Self::Tick);

    /// The tables of a run of ticks, of which the first has this number; the last is that of the entities.
    fn batches(ticks: &[Self::Tick], first: u32) -> Vec<RecordBatch>;

    /// Appends a message of a tick's rows.
    fn pack(tick: &Self::Tick, out: &mut Vec<u8>);

    /// Reads what [`Workload::pack`] wrote into a tick whose buffers are used again.
    fn unpack(bytes: &[u8], into: &mut Self::Tick);

    /// Whether an entity with these bits in the counted columns is to be counted.
    fn counts(first: u32, second: u32) -> bool;

    /// Whether any entity is to be counted whose first counted column is this or above, so that others need not be read.
    fn may_count(lowest: u32) -> bool;

    /// How many of a tick's entities are to be counted.
    fn count(tick: &Self::Tick) -> usize;

    /// Changes one field of one entity, if there is one.
    fn fork(tick: &mut Self::Tick);

    /// Where two ticks differ, in the peers' words; `None` if they do not.
    fn difference(a: &Self::Tick, b: &Self::Tick) -> Option<String>;

    /// The whole session as a capture.
    fn capture(ticks: &[Self::Tick]) -> Vec<u8>;
}

/// The 32-bit lanes of a column.
pub fn lanes32(rows: &Rows, table: TableId, column: usize) -> &[u32] {
    match &rows.table(table).columns[column] {
        cdt_schema::Column::W32(lanes) => lanes,
        _ => panic!("the column has 32-bit lanes"),
    }
}

/// The 64-bit lanes of a column.
pub fn lanes64(rows: &Rows, table: TableId, column: usize) -> &[u64] {
    match &rows.table(table).columns[column] {
        cdt_schema::Column::W64(lanes) => lanes,
        _ => panic!("the column has 64-bit lanes"),
    }
}

/// A file to be written in memory: with room for twice the rows if all ticks are as the first, so that no writer pays for its
/// growth.
pub fn room<W: Workload>(ticks: &[W::Tick]) -> Vec<u8> {
    Vec::with_capacity(ticks.first().map_or(0, W::raw_bytes) * ticks.len() * 2)
}
