//! What a single row must obey whoever made it: values that their types admit, and numbers that the layout knows. The
//! writer ensures it row by row; here it is checked by column for rows that were read.

use crate::rows::lane32;
use crate::table::columns::{calls, commands, events, memory, rng, timing};
use crate::{Column, ColumnType, Field, Layout, Ragged, RowError, Rows, ScalarType, TableId, TableKind, vectorized};

/// Checks every row of the loaded channels.
pub(crate) fn check(rows: &Rows) -> Result<(), RowError> {
    rows.loaded()
        .iter()
        .flat_map(|channel| rows.layout().tables_of(channel))
        .try_for_each(|(id, _)| check_table(rows, id))
}

/// Checks every row of a table. Columns that were not read are empty and break no rule.
pub(crate) fn check_table(rows: &Rows, id: TableId) -> Result<(), RowError> {
    let schema = &rows.layout().tables()[id.0];
    for (column, declared) in rows.table(id).columns.iter().zip(&schema.columns) {
        if let ColumnType::Scalar(ty) = declared.column_type {
            check_column(column, ty)
                .map_err(|rule| RowError::new(format!("{}.{}", schema.name, declared.name), rule))?;
        }
    }
    check_numbers(rows, id, rows.layout()).map_err(|rule| RowError::new(&schema.name, rule))
}

const F32_SIGN: u32 = 1 << 31;
const F32_EXPONENT_ONE: u32 = 1 << 23;
const F64_SIGN: u64 = 1 << 63;
const F64_EXPONENT_ONE: u64 = 1 << 52;

fn check_column(column: &Column, scalar_type: ScalarType) -> Result<(), String> {
    // All at once first: looking for the one that is bad is slower, and there is hardly ever one.
    let all_good = vectorized!(all_are_admitted(column, scalar_type));
    let mut lanes = (0..column.len()).map(|row| column.bits(row));
    let bad = if all_good { None } else { lanes.find(|&bits| !scalar_type.admits(bits)) };
    match bad {
        Some(bits) => Err(format!("{bits:#x} is no value of type {scalar_type}")),
        None => Ok(()),
    }
}

#[inline(always)]
fn all_are_admitted(column: &Column, scalar_type: ScalarType) -> bool {
    match (column, scalar_type) {
        (Column::W8(lanes), ScalarType::Bool) => lanes.iter().fold(0, |all, lane| all | lane) <= 1,
        // What is not finite has an exponent of ones, which an addition carries into the sign's place.
        (Column::W32(lanes), ScalarType::F32) => {
            lanes.iter().fold(0, |all, &lane| all | ((lane & !F32_SIGN) + F32_EXPONENT_ONE)) & F32_SIGN == 0
        }
        (Column::W32(lanes), ScalarType::U16) => lanes.iter().fold(0, |all, lane| all | lane) <= u32::from(u16::MAX),
        (Column::W64(lanes), ScalarType::F64) => {
            lanes.iter().fold(0, |all, &lane| all | ((lane & !F64_SIGN) + F64_EXPONENT_ONE)) & F64_SIGN == 0
        }
        _ => true,
    }
}

/// Checks columns that hold indices into the layout's lists, and byte strings whose length the layout says.
fn check_numbers(rows: &Rows, id: TableId, layout: &Layout) -> Result<(), String> {
    let columns = &rows.table(id).columns;
    let below = |column: usize, limit: usize, what: &str| {
        let highest = match &columns[column] {
            Column::W8(lanes) => lanes.iter().max().map(|&lane| u64::from(lane)),
            Column::W32(lanes) => lanes.iter().max().map(|&lane| u64::from(lane)),
            Column::W64(lanes) => lanes.iter().max().copied(),
            Column::Bytes(_) => unreachable!("indices are scalars"),
        };
        match highest.filter(|&highest| highest >= limit as u64) {
            Some(bits) => Err(format!("{what} {bits} is not declared; the layout has {limit}")),
            None => Ok(()),
        }
    };
    match layout.tables()[id.0].kind {
        TableKind::Commands => {
            below(commands::PLAYER, usize::from(layout.spec().players), "player")?;
            below(commands::KIND, layout.command_kinds().len(), "command kind")?;
            check_values(columns, commands::KIND, commands::ARGS, |kind| &layout.command_kinds()[kind].args)
        }
        TableKind::Rng => below(rng::STREAM, layout.rng_streams().len(), "stream"),
        TableKind::Calls => {
            below(calls::SYSCALL, layout.syscalls().len(), "syscall")?;
            below(calls::STAGE, layout.spec().stages.len(), "stage")?;
            below(calls::DECISION, 2, "decision")?;
            check_values(columns, calls::SYSCALL, calls::ARGS, |kind| &layout.syscalls()[kind].args)?;
            check_results(columns, layout)
        }
        TableKind::Timing => below(timing::STAGE, layout.spec().stages.len(), "stage"),
        TableKind::Events => {
            below(events::KIND, layout.event_kinds().len(), "event kind")?;
            below(events::ORIGIN, 3, "origin")?;
            check_values(columns, events::KIND, events::VALUES, |kind| &layout.event_kinds()[kind].values)?;
            check_subjects(columns, layout)?;
            check_causes(rows, id)
        }
        TableKind::Memory => {
            below(memory::PAGE, layout.memory().pages as usize, "page")?;
            let size = layout.memory().page_size as usize;
            match (0..columns[memory::CONTENT].len()).find(|&row| columns[memory::CONTENT].bytes(row).len() != size) {
                Some(row) => Err(format!("row {row} is not a page of {size} bytes")),
                None => check_pages(rows, id, layout),
            }
        }
        TableKind::Step | TableKind::Inputs | TableKind::State | TableKind::Entities(_) | TableKind::Checkpoint => {
            Ok(())
        }
    }
}

fn ragged(column: &Column) -> &Ragged {
    let Column::Bytes(ragged) = column else { panic!("the column holds scalars") };
    ragged
}

/// Each row's value list has the members that its kind declares, and each is a value of its type.
fn check_values<'a>(
    columns: &[Column],
    kind: usize,
    values: usize,
    fields: impl Fn(usize) -> &'a Vec<Field>,
) -> Result<(), String> {
    let values = ragged(&columns[values]);
    for row in 0..values.ends.len() {
        let fields = fields(lane32(columns[kind].bits(row)) as usize);
        check_list(values.get(row), fields.iter().map(|field| field.scalar_type))
            .map_err(|rule| format!("row {row}: {rule}"))?;
    }
    Ok(())
}

fn check_list(bytes: &[u8], types: impl ExactSizeIterator<Item = ScalarType>) -> Result<(), String> {
    let lanes = bytes.as_chunks::<8>().0;
    if bytes.len() != types.len() * 8 {
        return Err(format!("{} values are declared, but {} bytes stand here", types.len(), bytes.len()));
    }
    for (lane, ty) in lanes.iter().zip(types) {
        let bits = u64::from_le_bytes(*lane);
        if !ty.admits(bits) {
            return Err(format!("{bits:#x} is no value of type {ty}"));
        }
    }
    Ok(())
}

fn check_results(columns: &[Column], layout: &Layout) -> Result<(), String> {
    let results = ragged(&columns[calls::RESULT]);
    for row in 0..results.ends.len() {
        let syscall = &layout.syscalls()[lane32(columns[calls::SYSCALL].bits(row)) as usize];
        let expected = syscall.result.filter(|_| columns[calls::DECISION].bits(row) == 0);
        check_list(results.get(row), expected.as_slice().iter().copied())
            .map_err(|rule| format!("row {row}: {rule}"))?;
    }
    Ok(())
}

/// A subject is an entity of a declared kind, or four zeros.
fn check_subjects(columns: &[Column], layout: &Layout) -> Result<(), String> {
    for row in 0..columns[events::HAS_SUBJECT].len() {
        let kind = columns[events::SUBJECT_KIND].bits(row);
        let known = if columns[events::HAS_SUBJECT].bits(row) == 1 {
            kind < layout.entity_kinds().len() as u64
        } else {
            let rest = [events::SUBJECT_SLOT, events::SUBJECT_GENERATION];
            kind == 0 && rest.iter().all(|&column| columns[column].bits(row) == 0)
        };
        if !known {
            return Err(format!("row {row} has a subject that is neither declared nor absent"));
        }
    }
    Ok(())
}

/// A cause is the seq of an earlier event of the same tick, or zero.
fn check_causes(rows: &Rows, id: TableId) -> Result<(), String> {
    for tick in 0..rows.ticks().len() {
        for (row, seq) in rows.range(id, tick).zip(1u64..) {
            let cause = rows.table(id).columns[events::CAUSE].bits(row);
            if cause >= seq {
                return Err(format!("row {row} is caused by event {cause}, which is not earlier in its tick"));
            }
        }
    }
    Ok(())
}

/// Pages ascend in a tick, and the first tick has them all, so that memory can be told from these rows alone.
fn check_pages(rows: &Rows, id: TableId, layout: &Layout) -> Result<(), String> {
    let page = |row: usize| rows.table(id).columns[memory::PAGE].bits(row);
    for tick in 0..rows.ticks().len() {
        let range = rows.range(id, tick);
        if let Some(row) = range.clone().skip(1).find(|&row| page(row - 1) >= page(row)) {
            return Err(format!("row {row} has page {} after page {}", page(row), page(row - 1)));
        }
        if tick == 0 && range.len() != layout.memory().pages as usize {
            return Err(format!("the first tick has {} pages of {}", range.len(), layout.memory().pages));
        }
    }
    Ok(())
}
