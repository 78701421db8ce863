//! Between which values the fields of entities are in each block of a segment: who looks for some values passes over the blocks that
//! cannot have them.

use std::cmp::Ordering;
use std::ops::Range;

use cdt_schema::columns::entities;
use cdt_schema::{ColumnType, Layout, Rows, ScalarType, Table, TableId, TableKind, TableSchema};

/// Bytes of a stored range: the lanes of the lowest and of the highest value.
pub(crate) const RANGE: usize = 16;
/// The range of no value. Of no type is its low end below or at its high one.
const EMPTY: [u64; 2] = [1, 0];

/// What is stored of a table of entities with these rows: for each field the bits of its lowest and of its highest value; `None`
/// without rows.
pub fn field_ranges(table: &Table, schema: &TableSchema) -> impl Iterator<Item = Option<(u64, u64)>> {
    let fields = table.columns.iter().zip(&schema.columns).skip(entities::FIRST_FIELD);
    fields.map(|(column, declared)| column.range(scalar(declared.column_type)))
}

fn scalar(column_type: ColumnType) -> ScalarType {
    match column_type {
        ColumnType::Scalar(scalar_type) => scalar_type,
        _ => unreachable!("entities have scalar fields only"),
    }
}

/// How many fields a table has of which ranges are stored.
fn fields_of(schema: &TableSchema) -> usize {
    if matches!(schema.kind, TableKind::Entities(_)) { schema.columns.len() - entities::FIRST_FIELD } else { 0 }
}

/// How many ranges are stored of a block.
pub(crate) fn ranges_of_block(layout: &Layout) -> usize {
    layout.tables().iter().map(fields_of).sum()
}

/// Appends the ranges of a block with these rows as they are stored.
pub(crate) fn put(rows: &Rows, out: &mut Vec<u8>) {
    for (id, schema) in rows.layout().tables().iter().enumerate().filter(|(_, schema)| fields_of(schema) > 0) {
        for range in field_ranges(rows.table(TableId(id)), schema) {
            let ends = range.map_or(EMPTY, |(low, high)| [low, high]);
            out.extend_from_slice(ends.map(u64::to_le_bytes).as_flattened());
        }
    }
}

/// Where the ranges of each table's fields stand among those of a block.
#[derive(Debug)]
pub(crate) struct RangesOfBlock {
    /// How many are before those of each table.
    before: Vec<usize>,
    all: usize,
}

impl RangesOfBlock {
    pub(crate) fn new(layout: &Layout) -> RangesOfBlock {
        let mut all = 0;
        let before = layout.tables().iter().map(|schema| {
            let before = all;
            all += fields_of(schema);
            before
        });
        RangesOfBlock { before: before.collect(), all }
    }

    /// Where that of a table's field stands among the bytes of the ranges of blocks.
    pub(crate) fn place(&self, layout: &Layout, block: usize, table: TableId, field: usize) -> Range<usize> {
        assert!(field < fields_of(&layout.tables()[table.0]), "ranges are of the fields of entities");
        let at = (block * self.all + self.before[table.0] + field) * RANGE;
        at..at + RANGE
    }
}

/// A stored range of a table's field, or the rule that it breaks.
pub(crate) fn read_range(
    bytes: &[u8],
    layout: &Layout,
    table: TableId,
    field: usize,
) -> Result<Option<(u64, u64)>, String> {
    let schema = &layout.tables()[table.0];
    let declared = &schema.columns[entities::FIRST_FIELD + field];
    let ty = scalar(declared.column_type);
    let (ends, _) = bytes.as_chunks::<8>();
    let (low, high) = (u64::from_le_bytes(ends[0]), u64::from_le_bytes(ends[1]));
    if [low, high] == EMPTY {
        return Ok(None);
    }
    if ty.admits(low) && ty.admits(high) && ty.order(low, high) != Ordering::Greater {
        return Ok(Some((low, high)));
    }
    Err(format!("{low:#x} to {high:#x} is no range of {}.{}, a {ty}", schema.name, declared.name))
}
