//! How much of a trace a window holds, and which fields never change in it: from the totals of segments and blocks that lie
//! within the window, from the rows where it cuts a block.

use cdt_projections::Window;
use cdt_schema::{Channel, ChannelSet, Column, Layout, Rows, TableId, Tick};
use cdt_trace::{Change, Source, Totals, Trace, Watch};

use crate::Error;
use crate::ticks::TickSet;

/// What the asked channels hold in the ticks of a window; of the other channels nothing is said.
pub(crate) fn of<S: Source>(trace: &Trace<S>, window: Window, channels: ChannelSet) -> Result<Totals, Error> {
    let layout: &Layout = trace.layout();
    let mut totals = Totals::none(layout);
    for segment in 0..trace.segments() {
        let blocks = trace.blocks_of(segment);
        let entries = &trace.index().blocks[blocks.clone()];
        let span = (entries[0].first_tick, entries[entries.len() - 1].last_tick);
        match part_of(span, window) {
            Part::All => totals.add(layout, trace.totals(segment)),
            Part::None => {}
            Part::Some => {
                for (block, summary) in blocks.zip(trace.summaries(segment)?) {
                    let entry = &trace.index().blocks[block];
                    match part_of((entry.first_tick, entry.last_tick), window) {
                        Part::All => totals.add(layout, &summary.totals),
                        Part::Some => {
                            totals.add(layout, &of_part(&trace.block(block, channels)?, &summary.totals, window));
                        }
                        Part::None => {}
                    }
                }
            }
        }
    }
    Ok(totals)
}

/// What the asked channels hold in some ticks. Blocks are decoded, because their summaries tell of all of their ticks.
/// Nothing is said of diagnostics.
pub(crate) fn of_some<S: Source>(
    trace: &Trace<S>,
    ticks: &TickSet,
    channels: ChannelSet,
    watch: &dyn Watch,
) -> Result<Totals, Error> {
    let mut totals = Totals::none(trace.layout());
    let mut first: Vec<Option<Vec<Vec<u8>>>> = vec![None; trace.layout().tables().len()];
    for (block, entry) in trace.index().blocks.iter().enumerate() {
        if watch.cancelled() {
            return Err(Error::cancelled());
        }
        if !ticks.touch(entry.first_tick, entry.last_tick) {
            continue;
        }
        let rows = trace.block(block, channels)?;
        for tick in (0..rows.ticks().len()).filter(|&tick| ticks.contains(rows.ticks()[tick])) {
            add_tick(&mut totals, &rows, tick, &mut first);
        }
    }
    Ok(totals)
}

/// Adds a tick. A field has changed when a value differs from that of its table's `first` row.
fn add_tick(totals: &mut Totals, rows: &Rows, tick: usize, first: &mut [Option<Vec<Vec<u8>>>]) {
    let mut changed = totals.changed.iter_mut();
    for (table, schema) in rows.layout().tables().iter().enumerate() {
        let changes: Vec<&mut Change> = changed.by_ref().take(schema.columns.len()).collect();
        if !rows.loaded().contains(schema.channel) {
            continue;
        }
        let id = TableId(table);
        let columns = &rows.table(id).columns;
        let counted = rows.behavioural_rows(id, rows.range(id, tick));
        totals.rows[table] += counted.len() as u64;
        let Some(&row) = counted.first() else { continue };
        let origin = first[table].get_or_insert_with(|| columns.iter().map(|column| bytes(column, row)).collect());
        for ((change, values), origin) in changes.into_iter().zip(columns).zip(origin) {
            change.within |= counted.iter().any(|&row| bytes(values, row) != *origin);
        }
    }
    if rows.loaded().contains(Channel::Step) && rows.has_input(tick) {
        totals.ticks_with_input += 1;
    }
}

/// What the part of a block that lies within a window holds. Where that part begins with the block, the block's totals
/// tell whether its first values differ from those before.
fn of_part(rows: &Rows, whole: &Totals, window: Window) -> Totals {
    let mut totals = Totals::none(rows.layout());
    let inside: Vec<usize> = (0..rows.ticks().len()).filter(|&tick| window.contains(rows.ticks()[tick])).collect();
    let (Some(&first), Some(&last)) = (inside.first(), inside.last()) else { return totals };
    let mut changed = totals.changed.iter_mut().zip(&whole.changed);
    for (table, schema) in rows.layout().tables().iter().enumerate() {
        let changes: Vec<(&mut Change, &Change)> = changed.by_ref().take(schema.columns.len()).collect();
        if !rows.loaded().contains(schema.channel) {
            continue;
        }
        let id = TableId(table);
        let range = rows.behavioural_rows(id, rows.range(id, first).start..rows.range(id, last).end);
        for ((change, whole), values) in changes.into_iter().zip(&rows.table(id).columns) {
            let entered = first == 0 && !range.is_empty() && whole.entered;
            *change = Change { within: varies(values, &range), entered };
        }
        totals.rows[table] = range.len() as u64;
    }
    if rows.loaded().contains(Channel::Step) {
        totals.ticks_with_input = inside.iter().filter(|&&tick| rows.has_input(tick)).count() as u64;
    }
    totals
}

enum Part {
    All,
    Some,
    None,
}

fn part_of((first, last): (Tick, Tick), window: Window) -> Part {
    match (window.contains(first), window.contains(last)) {
        (true, true) => Part::All,
        (false, false) if window.start <= first || window.start > last => Part::None,
        _ => Part::Some,
    }
}

fn varies(column: &Column, rows: &[usize]) -> bool {
    rows.iter().any(|&row| !column.same(row, column, rows[0]))
}

/// A cell's content.
fn bytes(column: &Column, row: usize) -> Vec<u8> {
    match column {
        Column::Bytes(_) => column.bytes(row).to_vec(),
        _ => column.bits(row).to_le_bytes().to_vec(),
    }
}
