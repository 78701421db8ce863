//! What is known of a block, or of a segment, without decoding it, and how it is made from the rows.

use cdt_schema::{Channel, Column, Digest, DigestSequence, Layout, Rows, TableId, TableKind, TableSchema, TickDigests};

use crate::block::MAX_RAW;

/// What is known of a block without decoding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockSummary {
    /// Over the channel's tick digests, for each declared channel in causal order.
    pub channel_digests: Vec<Digest>,
    /// What its ticks hold.
    pub totals: Totals,
}

/// What some consecutive ticks of a trace hold: of a block, of a segment, of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Rows of each table that are behaviour: all, but of events the guest's alone.
    pub rows: Vec<u64>,
    /// Ticks with any input or command.
    pub ticks_with_input: u64,
    /// For each column of each table.
    pub changed: Vec<Change>,
    /// For each declared channel that has diagnostics, in causal order: the sum, modulo 2^64, of its ticks' digests of those.
    /// It is the same for the same ticks, however they are cut into blocks.
    pub diagnostics: Vec<Digest>,
}

/// Whether the values of a column change, over the rows that are behaviour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// A value differs from the one before it, which is of these ticks too.
    pub within: bool,
    /// The first value differs from the last one before these ticks.
    pub entered: bool,
}

impl Change {
    pub(crate) fn to_bits(self) -> u8 {
        u8::from(self.within) | u8::from(self.entered) << 1
    }

    pub(crate) fn from_bits(bits: u8) -> Change {
        Change { within: bits & 1 != 0, entered: bits & 2 != 0 }
    }
}

impl Totals {
    /// Of no tick.
    pub fn none(layout: &Layout) -> Totals {
        let columns = layout.tables().iter().map(|table| table.columns.len()).sum();
        Totals {
            rows: vec![0; layout.tables().len()],
            ticks_with_input: 0,
            changed: vec![Change::default(); columns],
            diagnostics: vec![Digest(0); diagnostic_channels(layout).count()],
        }
    }

    /// Begins anew, with no tick.
    pub(crate) fn clear(&mut self) {
        self.rows.fill(0);
        self.ticks_with_input = 0;
        self.changed.fill(Change::default());
        self.diagnostics.fill(Digest(0));
    }

    /// Checks that so many ticks in so many blocks can hold as much: what is stored is summed up later, and no sum may run
    /// over.
    pub(crate) fn check(&self, layout: &Layout, blocks: usize, ticks: u64) -> Result<(), String> {
        // A row without columns still takes a place in its tick.
        let bytes = |(schema, &rows): (&TableSchema, &u64)| u128::from(rows) * schema.row_bytes.max(1) as u128;
        let bytes: u128 = layout.tables().iter().zip(&self.rows).map(bytes).sum();
        let most = blocks as u128 * MAX_RAW as u128;
        if bytes > most {
            return Err(format!("the totals tell of rows of {bytes} bytes; {blocks} blocks have at most {most}"));
        }
        if self.ticks_with_input > ticks {
            return Err(format!("the totals tell of {} ticks with input, of at most {ticks}", self.ticks_with_input));
        }
        Ok(())
    }

    /// Adds the ticks that follow these.
    pub fn add(&mut self, layout: &Layout, next: &Totals) {
        let mut changed = self.changed.iter_mut().zip(&next.changed);
        for (table, schema) in layout.tables().iter().enumerate() {
            let (before, added) = (self.rows[table], next.rows[table]);
            for (change, next) in changed.by_ref().take(schema.columns.len()) {
                // The first rows of all bring what is before them.
                if before == 0 && added > 0 {
                    change.entered = next.entered;
                }
                change.within |= next.within || before > 0 && next.entered;
            }
            self.rows[table] += added;
        }
        self.ticks_with_input += next.ticks_with_input;
        for (sum, next) in self.diagnostics.iter_mut().zip(&next.diagnostics) {
            sum.0 = sum.0.wrapping_add(next.0);
        }
    }
}

/// The channels that [`Totals::diagnostics`] tells of.
pub fn diagnostic_channels(layout: &Layout) -> impl Iterator<Item = Channel> {
    layout.channels().iter().filter(|channel| channel.has_diagnostics())
}

/// Makes the summaries of successive blocks.
#[derive(Debug)]
pub struct Summarizer {
    /// Over the tick digests of each declared channel.
    channels: Vec<DigestSequence>,
    /// The sums of the current block's diagnostics.
    diagnostics: Vec<Digest>,
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
        let diagnostics = Totals::none(layout).diagnostics;
        Summarizer { channels, diagnostics, last: vec![None; columns] }
    }

    /// Forgets what was before: the next block does not follow the last one that was given.
    pub fn interrupt(&mut self) {
        self.channels.iter_mut().for_each(DigestSequence::clear);
        self.diagnostics.fill(Digest(0));
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
        for (sum, channel) in self.diagnostics.iter_mut().zip(diagnostic_channels(layout)) {
            sum.0 = sum.0.wrapping_add(digests.diagnostics[channel as usize].0);
        }
    }

    /// Ends the block whose rows these are.
    pub fn block(&mut self, rows: &Rows) -> BlockSummary {
        let layout = rows.layout();
        let ticks_with_input = (0..rows.ticks().len()).filter(|&tick| rows.has_input(tick)).count();
        let channel_digests = self.channels.iter().map(DigestSequence::finish).collect();
        self.channels.iter_mut().for_each(DigestSequence::clear);
        let mut totals = Totals {
            rows: Vec::with_capacity(layout.tables().len()),
            ticks_with_input: ticks_with_input as u64,
            changed: Vec::with_capacity(self.last.len()),
            diagnostics: self.diagnostics.clone(),
        };
        self.diagnostics.fill(Digest(0));
        let mut last = self.last.iter_mut();
        for index in 0..layout.tables().len() {
            let table = rows.table(TableId(index));
            let is_event = layout.tables()[index].kind == TableKind::Events;
            let guests = if is_event { rows.behavioural_rows(TableId(index), 0..table.rows()) } else { Vec::new() };
            let count = if is_event { guests.len() } else { table.rows() };
            totals.rows.push(count as u64);
            for column in &table.columns {
                let last = last.next().expect("one for each column");
                let (within, ends) = if is_event {
                    let within = guests.iter().any(|&row| !column.same(row, column, guests[0]));
                    (within, guests.first().copied().zip(guests.last().copied()))
                } else {
                    (column.varies(0..count), count.checked_sub(1).map(|last| (0, last)))
                };
                totals.changed.push(Change { within, entered: entered(column, ends, last) });
            }
        }
        BlockSummary { channel_digests, totals }
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
