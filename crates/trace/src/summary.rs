//! What is known of a block without decoding it, and how it is made from the block's rows.

use cdt_schema::{Column, Digest, DigestSequence, Layout, Rows, TableId, TableKind, TickDigests};

/// What is known of a block without decoding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockSummary {
    /// Over the channel's tick digests, for each declared channel in causal order.
    pub channel_digests: Vec<Digest>,
    /// Rows of each table that are behaviour: all, but of events the guest's alone.
    pub rows: Vec<u32>,
    /// Ticks with any input or command.
    pub ticks_with_input: u32,
    /// For each column of each table, whether a value of those rows differs from the one before it: within the block, and
    /// at its start.
    pub changed: Vec<(bool, bool)>,
}

/// Makes the summaries of successive blocks.
#[derive(Debug)]
pub struct Summarizer {
    /// Over the tick digests of each declared channel.
    channels: Vec<DigestSequence>,
    /// The last behavioural row's value in every column of every table before this block.
    last: Vec<Option<LastValue>>,
}

/// A column's value, to be compared with the next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum LastValue {
    /// A block that could not be read may have had one.
    Unknown,
    Bits(u64),
    Bytes(Vec<u8>),
}

impl Summarizer {
    /// No block seen yet.
    pub fn new(layout: &Layout) -> Summarizer {
        let columns = layout.tables().iter().map(|table| table.columns.len()).sum();
        let channels = layout.channels().iter().map(|_| DigestSequence::default()).collect();
        Summarizer { channels, last: vec![None; columns] }
    }

    /// Forgets what was before: the next block does not follow the last one that was given.
    pub fn interrupt(&mut self) {
        self.channels.iter_mut().for_each(DigestSequence::clear);
        self.last.iter_mut().for_each(|last| *last = Some(LastValue::Unknown));
    }

    /// For each column of each table, whether it is known what was before the current block, so that its summary can tell
    /// whether the block's first value differs from that.
    pub fn knows_what_was_before(&self) -> Vec<bool> {
        self.last.iter().map(|last| *last != Some(LastValue::Unknown)).collect()
    }

    /// Takes the digests of the current block's next tick.
    pub fn tick(&mut self, layout: &Layout, digests: &TickDigests) {
        for (sequence, channel) in self.channels.iter_mut().zip(layout.channels().iter()) {
            sequence.push(digests.channels[channel as usize]);
        }
    }

    /// Ends the block whose rows these are.
    pub fn block(&mut self, rows: &Rows) -> BlockSummary {
        let layout = rows.layout();
        let ticks_with_input = (0..rows.ticks().len()).filter(|&tick| rows.has_input(tick)).count();
        let mut summary = BlockSummary {
            channel_digests: self.channels.iter().map(DigestSequence::finish).collect(),
            rows: Vec::with_capacity(layout.tables().len()),
            ticks_with_input: u32::try_from(ticks_with_input).expect("at most 65,536"),
            changed: Vec::with_capacity(self.last.len()),
        };
        self.channels.iter_mut().for_each(DigestSequence::clear);
        let mut last = self.last.iter_mut();
        for index in 0..layout.tables().len() {
            let table = rows.table(TableId(index));
            let is_event = layout.tables()[index].kind == TableKind::Events;
            let guests = if is_event { rows.behavioural_rows(TableId(index), 0..table.rows()) } else { Vec::new() };
            let count = if is_event { guests.len() } else { table.rows() };
            summary.rows.push(u32::try_from(count).expect("a block's rows stay below 2^32"));
            for column in &table.columns {
                let last = last.next().expect("one for each column");
                summary.changed.push(if is_event {
                    let within = guests.iter().any(|&row| !column.same(row, column, guests[0]));
                    (within, entered(column, guests.first().copied().zip(guests.last().copied()), last))
                } else {
                    let ends = count.checked_sub(1).map(|last| (0, last));
                    (column.varies(0..count), entered(column, ends, last))
                });
            }
        }
        summary
    }
}

/// Whether the first of a block's rows has another value than `last`, which becomes that of the last of them.
fn entered(column: &Column, ends: Option<(usize, usize)>, last: &mut Option<LastValue>) -> bool {
    let Some((first_row, last_row)) = ends else { return false };
    let entered = last.as_ref().is_some_and(|last| *last != value(column, first_row));
    *last = Some(value(column, last_row));
    entered
}

fn value(column: &Column, row: usize) -> LastValue {
    match column {
        Column::Bytes(ragged) => LastValue::Bytes(ragged.get(row).to_vec()),
        _ => LastValue::Bits(column.bits(row)),
    }
}
