//! How much of a trace a window holds, and which fields never change in it: from the block summaries where a block lies
//! within the window, from the rows where it does not.

use cdt_projections::Window;
use cdt_schema::{Channel, ChannelSet, Column, Layout, Rows, TableId};
use cdt_trace::{BlockEntry, BlockSummary, Source, Trace, Watch};

use crate::Error;
use crate::ticks::CommonTicks;

/// What a window of a trace holds.
#[derive(Debug)]
pub(crate) struct Coverage {
    /// Rows by table.
    pub(crate) rows: Vec<u64>,
    /// By table and column, whether a value differs from the one before it within the window.
    pub(crate) changed: Vec<Vec<bool>>,
    /// Ticks with any input or command.
    pub(crate) ticks_with_input: u64,
}

impl Coverage {
    /// Of the asked channels in the ticks of a window; of the other channels nothing is said.
    pub(crate) fn of<S: Source>(trace: &Trace<S>, window: Window, channels: ChannelSet) -> Result<Coverage, Error> {
        let layout: &Layout = trace.layout();
        let mut coverage = Coverage::empty(layout);
        let mut block = 0;
        for segment in 0..trace.segments() {
            for summary in trace.summaries(segment)? {
                let entry = &trace.index().blocks[block];
                match part_of(entry, window) {
                    Part::All => coverage.add_summary(layout, &summary),
                    Part::Some => coverage.add_rows(&trace.block(block, channels)?, &summary, window),
                    Part::None => {}
                }
                block += 1;
            }
        }
        Ok(coverage)
    }

    /// Of the asked channels in some ticks. Blocks are decoded, because their summaries tell of all of their ticks.
    pub(crate) fn of_some<S: Source>(
        trace: &Trace<S>,
        ticks: &CommonTicks,
        channels: ChannelSet,
        watch: &dyn Watch,
    ) -> Result<Coverage, Error> {
        let mut coverage = Coverage::empty(trace.layout());
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
                coverage.add_tick(&rows, tick, &mut first);
            }
        }
        Ok(coverage)
    }

    /// Adds a tick. A field has changed when a value differs from that of its table's `first` row.
    fn add_tick(&mut self, rows: &Rows, tick: usize, first: &mut [Option<Vec<Vec<u8>>>]) {
        for (table, schema) in rows.layout().tables().iter().enumerate() {
            if !rows.loaded().contains(schema.channel) {
                continue;
            }
            let id = TableId(table);
            let columns = &rows.table(id).columns;
            let counted = rows.behavioural_rows(id, rows.range(id, tick));
            self.rows[table] += counted.len() as u64;
            for row in counted {
                let origin =
                    first[table].get_or_insert_with(|| columns.iter().map(|column| bytes(column, row)).collect());
                for (column, values) in columns.iter().enumerate() {
                    self.changed[table][column] |= bytes(values, row) != origin[column];
                }
            }
        }
        if rows.loaded().contains(Channel::Step) && rows.has_input(tick) {
            self.ticks_with_input += 1;
        }
    }

    fn empty(layout: &Layout) -> Coverage {
        Coverage {
            rows: vec![0; layout.tables().len()],
            changed: layout.tables().iter().map(|table| vec![false; table.columns.len()]).collect(),
            ticks_with_input: 0,
        }
    }

    fn add_summary(&mut self, layout: &Layout, summary: &BlockSummary) {
        let mut flags = summary.changed.iter();
        for (table, schema) in layout.tables().iter().enumerate() {
            for column in 0..schema.columns.len() {
                let (within, entered) = *flags.next().expect("one for each column");
                // What differs from before the block tells of the window only if the window had rows before.
                self.changed[table][column] |= within || entered && self.rows[table] > 0;
            }
            self.rows[table] += u64::from(summary.rows[table]);
        }
        self.ticks_with_input += u64::from(summary.ticks_with_input);
    }

    /// Adds the part of a block that lies within the window. Where that part begins with the block, the summary tells
    /// whether its first values differ from those before.
    fn add_rows(&mut self, rows: &Rows, summary: &BlockSummary, window: Window) {
        let inside: Vec<usize> = (0..rows.ticks().len()).filter(|&tick| window.contains(rows.ticks()[tick])).collect();
        let (Some(&first), Some(&last)) = (inside.first(), inside.last()) else { return };
        let mut flags = summary.changed.iter();
        for (table, schema) in rows.layout().tables().iter().enumerate() {
            let entered: Vec<bool> = flags.by_ref().take(schema.columns.len()).map(|(_, entered)| *entered).collect();
            if !rows.loaded().contains(schema.channel) {
                continue;
            }
            let id = TableId(table);
            let range = rows.behavioural_rows(id, rows.range(id, first).start..rows.range(id, last).end);
            for (column, values) in rows.table(id).columns.iter().enumerate() {
                let follows = first == 0 && self.rows[table] > 0 && !range.is_empty();
                self.changed[table][column] |= varies(values, &range) || follows && entered[column];
            }
            self.rows[table] += range.len() as u64;
        }
        if rows.loaded().contains(Channel::Step) {
            self.ticks_with_input += inside.iter().filter(|&&tick| rows.has_input(tick)).count() as u64;
        }
    }
}

enum Part {
    All,
    Some,
    None,
}

fn part_of(entry: &BlockEntry, window: Window) -> Part {
    match (window.contains(entry.first_tick), window.contains(entry.last_tick)) {
        (true, true) => Part::All,
        (false, false) if window.start <= entry.first_tick || window.start > entry.last_tick => Part::None,
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
