//! A block: the rows of consecutive ticks, each channel encoded apart, each column by the encoding that suits it.
//!
//! A value of an entity is predicted from the same entity's last ticks; slot and generation stand once per run of ticks.

use std::ops::Range;
use std::sync::Arc;

use cdt_schema::columns::{entities, rng};
use cdt_schema::{
    Arity, ChannelSet, Column, ColumnType, Layout, Ragged, RngStream, Rows, ScalarType, Table, TableId, TableKind,
    TableSchema, Tick,
};
use twox_hash::XxHash3_64;

use crate::codec::{self, Archiver, Choice, ColumnEncoding, Count, Lane, Scratch};
use crate::draws;
use crate::frame::Cursor;
use crate::index::tick_runs_of;
use crate::places::{EntityRun, Places};
use crate::records::{self, ArchivedBlockRecord, BlockRecord, ColumnFrameRecord, TickRunRecord};
use crate::section::{Tag, read_head};
use crate::{BlockEntry, Encoding, Error};

/// Most ticks of a block.
pub(crate) const MAX_TICKS: usize = 65_536;
/// Most bytes that the rows of a block occupy when decoded, so that a small file cannot ask for a large memory. It holds
/// what a writer may gather: less than [`MAX_BLOCK_BYTES`] and then a tick of 24 MiB, or a tick of 24 MiB and all pages
/// of memory (16 MiB, and 8 bytes for each).
pub(crate) const MAX_RAW: usize = 48 << 20;
/// Most bytes of a block's tail, so that a length is believed only as far as rows can need it. Of rows that are keys of
/// entities alone, each of another life, a run takes twice what the row does; nothing else takes more than a little above it.
pub(crate) const MAX_TAIL: u32 = 96 << 20;
/// Bytes of rows at which a block ends even if the options allow more.
pub(crate) const MAX_BLOCK_BYTES: usize = 22 << 20;

/// Encodes blocks one after another, with buffers that are reused.
#[derive(Debug)]
pub(crate) struct BlockWriter {
    /// One for each column frame of a block.
    choices: Vec<Choice>,
    archiver: Option<Archiver>,
    scratch: Scratch,
    places: Places,
    tail: Vec<u8>,
    columns: Vec<ColumnFrameRecord>,
}

impl BlockWriter {
    pub(crate) fn new(encoding: Encoding) -> BlockWriter {
        BlockWriter {
            choices: Vec::new(),
            archiver: (encoding == Encoding::Archive).then(Archiver::new),
            scratch: Scratch::default(),
            places: Places::default(),
            tail: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// Encodes rows as head and tail of a block section.
    pub(crate) fn encode(&mut self, rows: &Rows) -> (BlockRecord, &[u8]) {
        assert!((1..=MAX_TICKS).contains(&rows.ticks().len()), "a block has 1 to {MAX_TICKS} ticks");
        let layout = rows.layout();
        self.tail.clear();
        self.columns.clear();
        for (id, schema) in layout.tables().iter().enumerate() {
            self.table(rows.table(TableId(id)), schema, layout);
        }
        let count = |index| len32(rows.table(TableId(index)).rows());
        let record = BlockRecord {
            tick_runs: tick_runs_of(rows.ticks())
                .map(|run| TickRunRecord { first: run.first.0, count: run.count })
                .collect(),
            rows: (0..layout.tables().len()).map(count).collect(),
            columns: std::mem::take(&mut self.columns),
        };
        (record, &self.tail)
    }

    fn table(&mut self, table: &Table, schema: &TableSchema, layout: &Layout) {
        match (schema.kind, schema.arity) {
            (TableKind::Entities(_), _) => return self.entities(table),
            (_, Arity::Many) => {
                let starts = std::iter::once(&0).chain(&table.ends);
                let counts: Vec<u32> = table.ends.iter().zip(starts).map(|(end, start)| end - start).collect();
                self.lanes(&counts, None);
            }
            (_, Arity::Fixed(_)) => {}
        }
        if schema.kind == TableKind::Rng {
            return self.draws(table, layout.rng_streams());
        }
        for (column, declared) in table.columns.iter().zip(&schema.columns) {
            self.column(column, declared.column_type);
        }
    }

    fn column(&mut self, column: &Column, column_type: ColumnType) {
        match column {
            Column::W8(lanes) => self.lanes(lanes, None),
            Column::W32(lanes) => self.lanes(lanes, None),
            Column::W64(lanes) => self.lanes(lanes, None),
            Column::Bytes(ragged) => self.ragged(ragged, column_type),
        }
    }

    /// Draws as what their streams' algorithms do not predict.
    fn draws(&mut self, table: &Table, streams: &[RngStream]) {
        let surprise = draws::missed(table, streams);
        let slices: Vec<u8> = surprise.slices.iter().flat_map(|slice| slice.bytes()).collect();
        self.lanes(&slices, None);
        for (number, column) in table.columns.iter().enumerate() {
            match number {
                rng::VALUE => self.lanes(&surprise.values, None),
                rng::BEFORE => self.lanes(&surprise.befores, None),
                rng::AFTER => self.lanes(&surprise.afters, None),
                _ => self.column(column, ColumnType::Scalar(ScalarType::U32)),
            }
        }
    }

    fn entities(&mut self, table: &Table) {
        let runs = entity_runs(table, std::mem::take(&mut self.places.runs));
        let ticks = len32(table.ends.len());
        self.lanes(&[len32(runs.len())], None);
        for part in [
            |run: &EntityRun| run.slot,
            |run: &EntityRun| run.generation,
            |run: &EntityRun| run.start,
            |run: &EntityRun| run.len,
        ] {
            let lanes: Vec<u32> = runs.iter().map(part).collect();
            self.lanes(&lanes, None);
        }
        let mut places = std::mem::take(&mut self.places);
        places.fill(runs, ticks);
        debug_assert_eq!(places.ends, table.ends, "runs cover exactly the rows");
        for column in &table.columns[entities::FIRST_FIELD..] {
            match column {
                Column::W8(lanes) => self.lanes(lanes, Some(&places)),
                Column::W32(lanes) => self.lanes(lanes, Some(&places)),
                Column::W64(lanes) => self.lanes(lanes, Some(&places)),
                Column::Bytes(_) => unreachable!("entities have scalar fields only"),
            }
        }
        self.places = places;
    }

    fn ragged(&mut self, ragged: &Ragged, column_type: ColumnType) {
        let starts = std::iter::once(&0).chain(&ragged.ends);
        let lens: Vec<u32> = ragged.ends.iter().zip(starts).map(|(end, start)| end - start).collect();
        self.lanes(&lens, None);
        if column_type == ColumnType::Values {
            let lanes: Vec<u64> = ragged.data.as_chunks::<8>().0.iter().map(|lane| u64::from_le_bytes(*lane)).collect();
            self.lanes(&lanes, None);
        } else {
            self.lanes(&ragged.data, None);
        }
    }

    /// A column, of entity runs at these places or of one run.
    fn lanes<L: Lane>(&mut self, lanes: &[L], places: Option<&Places>) {
        let start = self.tail.len();
        let column = self.columns.len();
        if self.choices.len() == column {
            self.choices.push(Choice::default());
        }
        let (choice, archiver) = (&mut self.choices[column], self.archiver.as_mut());
        let encoding = codec::encode(lanes, places, choice, archiver, &mut self.scratch, &mut self.tail);
        let bytes = &self.tail[start..];
        let (encoding, len, checksum) = (encoding.number(), len32(bytes.len()), checksum(bytes));
        self.columns.push(ColumnFrameRecord { encoding, len, checksum });
    }
}

/// The checksum of a column frame.
fn checksum(bytes: &[u8]) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the low half")]
    let low = XxHash3_64::oneshot(bytes) as u32;
    low
}

fn len32(len: usize) -> u32 {
    u32::try_from(len).expect("a block is far below 4 GiB")
}

/// The runs of a table's rows, by slot, generation and start, in a vector that may have held others.
fn entity_runs(table: &Table, mut runs: Vec<EntityRun>) -> Vec<EntityRun> {
    let (Column::W32(slots), Column::W32(generations)) =
        (&table.columns[entities::SLOT], &table.columns[entities::GENERATION])
    else {
        unreachable!("slots and generations are 32-bit")
    };
    runs.clear();
    // Since when each row of the last tick is there, and each of this one's.
    let (mut starts, mut next): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut before = 0..0;
    // As if a tick without rows stood behind the last one.
    let ends = table.ends.iter().map(|&end| end as usize).chain([slots.len()]);
    for (tick, end) in (0u32..).zip(ends) {
        let rows = before.end..end;
        next.clear();
        let (mut last, mut row) = (before.start, rows.start);
        loop {
            let keys = |rows: Range<usize>| [&slots[rows.clone()], &generations[rows]];
            let same = common(keys(last..before.end), keys(row..rows.end));
            next.extend_from_slice(&starts[last - before.start..][..same]);
            (last, row) = (last + same, row + same);
            match (slots[last..before.end].first(), slots[row..rows.end].first()) {
                (None, None) => break,
                (Some(&gone), slot) if slot.is_none_or(|&slot| gone <= slot) => {
                    let start = starts[last - before.start];
                    runs.push(EntityRun { slot: gone, generation: generations[last], start, len: tick - start });
                    last += 1;
                }
                _ => {
                    next.push(tick);
                    row += 1;
                }
            }
        }
        std::mem::swap(&mut starts, &mut next);
        before = rows;
    }
    runs.sort_unstable();
    runs
}

/// How many keys, slots and generations each, two lists begin with that are the same. None far behind the first that differs is looked
/// at: who asks goes on behind it.
fn common(a: [&[u32]; 2], b: [&[u32]; 2]) -> usize {
    const AT_ONCE: usize = 16;
    let len = a[0].len().min(b[0].len());
    let chunk = |keys: &[u32], at: usize| keys[at..].first_chunk::<AT_ONCE>().copied();
    let mut same = 0;
    while same + AT_ONCE <= len && (0..2).all(|key| chunk(a[key], same) == chunk(b[key], same)) {
        same += AT_ONCE;
    }
    same + (same..len).take_while(|&at| a[0][at] == b[0][at] && a[1][at] == b[1][at]).count()
}

/// A block's head, checked against its entry in the index: what its tail holds and where.
#[derive(Debug)]
pub(crate) struct BlockHead {
    offset: u64,
    ticks: Vec<Tick>,
    rows: Vec<u32>,
    /// Bytes that the block's byte strings may occupy besides what the rows need.
    spare: usize,
    /// Of all tables, one after another.
    frames: Vec<Frame>,
    /// By table: where its bytes stand in the file, and which column frames are its.
    tables: Vec<(Range<u64>, Range<usize>)>,
}

/// A column frame, as the head tells of it.
#[derive(Clone, Copy, Debug)]
struct Frame {
    encoding: u8,
    len: u32,
    checksum: u32,
}

impl BlockHead {
    /// Reads the head of a block from the bytes of its section up to its tail.
    pub(crate) fn read(layout: &Layout, entry: &BlockEntry, bytes: &[u8]) -> Result<BlockHead, Error> {
        let damaged = |rule: String| Error::damaged(entry.offset, rule);
        let (header, head) = read_head(Tag::Block, entry.offset, bytes, entry.end())?;
        if header.tail(entry.offset).end != entry.end() {
            return Err(damaged("the block does not end where the index says".to_owned()));
        }
        let record = records::access::<ArchivedBlockRecord>(head).map_err(damaged)?;
        let ticks = read_ticks(record, entry).map_err(damaged)?;
        let rows: Vec<u32> = record.rows.iter().map(|count| count.to_native()).collect();
        let spare = check_rows(layout, &ticks, &rows).map_err(damaged)?;
        let frames = read_frames(layout, record).map_err(damaged)?;
        let (mut at, mut first) = (entry.tail_start(), 0);
        let table = |schema: &TableSchema| {
            let (start, its) = (at, first..first + frame_count(schema));
            first = its.end;
            at += frames[its.clone()].iter().map(|frame| u64::from(frame.len)).sum::<u64>();
            (start..at, its)
        };
        let tables = layout.tables().iter().map(table).collect();
        if at != entry.end() {
            return Err(damaged("the column frames' lengths do not sum to the block's".to_owned()));
        }
        Ok(BlockHead { offset: entry.offset, ticks, rows, spare, frames, tables })
    }
}

fn read_ticks(record: &ArchivedBlockRecord, entry: &BlockEntry) -> Result<Vec<Tick>, String> {
    let mut ticks = Vec::with_capacity((entry.ticks as usize).min(MAX_TICKS));
    for run in record.tick_runs.iter() {
        let (first, count) = (run.first.to_native(), run.count.to_native());
        // A run that began where the last one ends would be the same run.
        if count == 0
            || first.checked_add(count - 1).is_none()
            || ticks.last().is_some_and(|last: &Tick| last.0 >= first.saturating_sub(1))
        {
            return Err(format!("a run of {count} ticks from {first} does not stand apart behind the ones before"));
        }
        if ticks.len() + count as usize > MAX_TICKS {
            return Err(format!("a block has at most {MAX_TICKS} ticks"));
        }
        ticks.extend((first..=first + (count - 1)).map(Tick));
    }
    let agrees = ticks.first() == Some(&entry.first_tick) && ticks.last() == Some(&entry.last_tick);
    if !agrees || ticks.len() != entry.ticks as usize {
        return Err("the block's ticks are not those that the index gives".to_owned());
    }
    Ok(ticks)
}

/// Checks the row counts and gives how many bytes they leave to byte strings.
fn check_rows(layout: &Layout, ticks: &[Tick], rows: &[u32]) -> Result<usize, String> {
    if rows.len() != layout.tables().len() {
        return Err(format!("{} tables are declared, not {}", layout.tables().len(), rows.len()));
    }
    let mut raw = 0u64;
    for (schema, &count) in layout.tables().iter().zip(rows) {
        if let Arity::Fixed(each) = schema.arity
            && u64::from(count) != u64::from(each) * ticks.len() as u64
        {
            return Err(format!("{} has {each} rows a tick, but {count} in {} ticks", schema.name, ticks.len()));
        }
        raw += u64::from(count) * schema.row_bytes as u64;
        raw += ticks.len() as u64 * 4;
    }
    let left = usize::try_from(raw).ok().and_then(|raw| MAX_RAW.checked_sub(raw));
    left.ok_or_else(|| format!("the block's rows would occupy {raw} bytes; at most {MAX_RAW} are expected"))
}

/// How many column frames a table has in a block.
fn frame_count(schema: &TableSchema) -> usize {
    let bytes = schema.columns.iter().filter(|c| !matches!(c.column_type, ColumnType::Scalar(_))).count();
    match (schema.kind, schema.arity) {
        (TableKind::Entities(_), _) => schema.columns.len() + 3,
        (TableKind::Rng, _) => schema.columns.len() + 2,
        (_, Arity::Many) => schema.columns.len() + bytes + 1,
        (_, Arity::Fixed(_)) => schema.columns.len() + bytes,
    }
}

fn read_frames(layout: &Layout, record: &ArchivedBlockRecord) -> Result<Vec<Frame>, String> {
    let expected: usize = layout.tables().iter().map(frame_count).sum();
    if record.columns.len() != expected {
        return Err(format!("{expected} column frames are expected, not {}", record.columns.len()));
    }
    let frames = record.columns.iter().map(|frame| Frame {
        encoding: frame.encoding,
        len: frame.len.to_native(),
        checksum: frame.checksum.to_native(),
    });
    Ok(frames.collect())
}

/// What is asked of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// The rows of some channels, of the ticks from the first to the last of these.
    Channels(ChannelSet, [Tick; 2]),
    /// Some columns of one table, by their numbers; the others are left empty. Of a table whose columns do not stand alone all
    /// are decoded.
    Columns(TableId, &'a [usize]),
}

impl Asked<'_> {
    fn takes(&self, id: TableId, schema: &TableSchema) -> bool {
        match self {
            Asked::Channels(channels, _) => channels.contains(schema.channel),
            Asked::Columns(table, _) => *table == id,
        }
    }

    /// The columns of a table that is taken; `None` for all.
    fn columns(&self, schema: &TableSchema) -> Option<&[usize]> {
        match self {
            Asked::Columns(_, columns) if schema.columns_stand_alone() => Some(columns),
            _ => None,
        }
    }

    /// The rows that were decoded, of a block at this offset.
    fn rows(&self, layout: &Arc<Layout>, ticks: Vec<Tick>, mut tables: Vec<Table>, offset: u64) -> Result<Rows, Error> {
        let rows = match *self {
            Asked::Channels(channels, _) => {
                let loaded = layout.channels().iter().filter(|&channel| channels.contains(channel)).collect();
                Rows::from_decoded(layout.clone(), ticks, tables, loaded)
            }
            Asked::Columns(id, _) => {
                let table = std::mem::take(&mut tables[id.0]);
                Rows::from_decoded_table(layout.clone(), ticks, id, table)
            }
        };
        rows.map_err(|error| Error::damaged(offset, error))
    }
}

/// Where the bytes of blocks come from.
pub(crate) trait BlockBytes {
    /// The bytes at a range of the file, for which there is a buffer.
    fn at<'a>(&'a self, range: Range<u64>, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Error>;
}

/// Bytes of a block whose source does not lend them.
#[derive(Debug, Default)]
struct Bytes {
    /// Its head, or all of it.
    first: Vec<u8>,
    /// A table, or some of its columns that stand side by side.
    table: Vec<u8>,
    /// All of a table's columns that are asked for, one after another.
    gathered: Vec<u8>,
}

/// Decodes blocks one after another, with buffers that are reused.
#[derive(Debug, Default)]
pub struct BlockDecoder {
    buffers: Bytes,
    scratch: Scratch,
    places: Places,
    /// Tables that were given back, to be filled again, and their layout.
    spare: Option<(Arc<Layout>, Vec<Table>)>,
}

impl BlockDecoder {
    /// A decoder without buffers.
    pub fn new() -> BlockDecoder {
        BlockDecoder::default()
    }

    /// Takes back rows that are not needed any more, so that the next ones need no fresh memory.
    pub fn recycle(&mut self, rows: Rows) {
        self.spare = Some((rows.layout().clone(), rows.into_tables()));
    }

    /// Decodes what is asked of a block. `entry` is its entry in the index. Of `bytes` first those of the head are asked for, then
    /// those of each table in one piece, or of its columns that are asked for; if all channels are asked for, the whole block at once.
    ///
    /// # Errors
    /// What `bytes` gives, or where and how they break the format.
    pub(crate) fn decode(
        &mut self,
        layout: &Arc<Layout>,
        entry: &BlockEntry,
        asked: Asked<'_>,
        bytes: &impl BlockBytes,
    ) -> Result<Rows, Error> {
        let whole =
            matches!(asked, Asked::Channels(channels, _) if layout.channels().iter().all(|c| channels.contains(c)));
        let mut buffers = std::mem::take(&mut self.buffers);
        let end = if whole { entry.end() } else { entry.tail_start() };
        let first_bytes = bytes.at(entry.offset..end, &mut buffers.first)?;
        let at = |offset: u64| usize::try_from(offset - entry.offset).expect("a block is far below 4 GiB");
        let head_bytes = first_bytes.get(..at(entry.tail_start())).unwrap_or(first_bytes);
        let head = BlockHead::read(layout, entry, head_bytes)?;
        let ticks = match asked {
            Asked::Channels(_, [first, last]) => {
                head.ticks.partition_point(|&tick| tick < first)..head.ticks.partition_point(|&tick| tick <= last)
            }
            Asked::Columns(..) => 0..head.ticks.len(),
        };
        let spare = self.spare.take().filter(|(of, _)| of == layout);
        let mut tables = spare.map_or_else(Vec::new, |(_, tables)| tables);
        tables.resize_with(layout.tables().len(), Table::default);
        let mut spare = head.spare;
        for (table, (id, schema)) in tables.iter_mut().zip(layout.tables().iter().enumerate()) {
            if !asked.takes(TableId(id), schema) {
                *table = Table::default();
                continue;
            }
            let (range, its) = &head.tables[id];
            let frames = &head.frames[its.clone()];
            let wanted = asked.columns(schema);
            let table_bytes = match wanted {
                None if whole => &first_bytes[at(range.start)..at(range.end)],
                None => bytes.at(range.clone(), &mut buffers.table)?,
                Some(wanted) => {
                    let parts = ranges_of_columns(range.start, frames, schema, wanted);
                    gather(bytes, &parts, &mut buffers.table, &mut buffers.gathered)?
                }
            };
            let mut decoder = TableDecoder {
                head: &head,
                ticks: ticks.clone(),
                rows: head.rows[id],
                schema,
                wanted,
                frames: frames.iter(),
                scratch: &mut self.scratch,
                places: &mut self.places,
                spare: &mut spare,
            };
            decoder.table(&mut Cursor::new(table_bytes), table, layout).map_err(|rule| {
                Error::damaged(range.start, format!("channel {}: {}: {rule}", schema.channel, schema.name))
            })?;
        }
        self.buffers = buffers;
        asked.rows(layout, head.ticks[ticks].to_vec(), tables, head.offset)
    }
}

/// Where the frames of some columns of a table stand, with those that tell of all; what stands side by side is one range.
fn ranges_of_columns(mut at: u64, frames: &[Frame], schema: &TableSchema, wanted: &[usize]) -> Vec<Range<u64>> {
    // Of such tables each of the last frames is a column's that is no key.
    debug_assert!(schema.columns_stand_alone());
    let first = schema.key_columns();
    let before = frames.len() - (schema.columns.len() - first);
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for (number, frame) in frames.iter().enumerate() {
        let range = at..at + u64::from(frame.len);
        at = range.end;
        if number.checked_sub(before).is_some_and(|column| !wanted.contains(&(column + first))) {
            continue;
        }
        match ranges.last_mut().filter(|last| last.end == range.start) {
            Some(last) => last.end = range.end,
            None => ranges.push(range),
        }
    }
    ranges
}

/// The bytes at some ranges, one after another.
fn gather<'a>(
    bytes: &'a impl BlockBytes,
    ranges: &[Range<u64>],
    one: &'a mut Vec<u8>,
    all: &'a mut Vec<u8>,
) -> Result<&'a [u8], Error> {
    if let [range] = ranges {
        return bytes.at(range.clone(), one);
    }
    all.clear();
    for range in ranges {
        all.extend_from_slice(bytes.at(range.clone(), one)?);
    }
    Ok(all)
}

struct TableDecoder<'a> {
    head: &'a BlockHead,
    /// Of which of the block's ticks the rows are kept. Rows before them are decoded, for others follow from them.
    ticks: Range<usize>,
    /// How many rows the block has.
    rows: u32,
    schema: &'a TableSchema,
    /// The columns that are decoded; `None` for all.
    wanted: Option<&'a [usize]>,
    /// The column frames that are still to come.
    frames: std::slice::Iter<'a, Frame>,
    scratch: &'a mut Scratch,
    places: &'a mut Places,
    /// Bytes that the block's byte strings may still occupy.
    spare: &'a mut usize,
}

impl TableDecoder<'_> {
    /// Fills a table, whose buffers are of another block of the layout or new.
    fn table(&mut self, cursor: &mut Cursor<'_>, table: &mut Table, layout: &Layout) -> Result<(), String> {
        if table.columns.len() != self.schema.columns.len() {
            table.columns = self.schema.columns.iter().map(|declared| Column::new(declared.column_type)).collect();
        }
        table.ends.clear();
        match (self.schema.kind, self.schema.arity) {
            (TableKind::Entities(_), _) => return self.entities(cursor, table),
            (_, Arity::Fixed(each)) => table.ends.extend((1..=len32(self.ticks.end)).map(|tick| tick * each)),
            (_, Arity::Many) => {
                let mut counts = Vec::new();
                self.lanes::<u32>(cursor, Count::all(self.head.ticks.len()), None, &mut counts)?;
                cumulate(&counts, self.rows, &mut table.ends)?;
                table.ends.truncate(self.ticks.end);
            }
        }
        let rows = Count { all: self.rows as usize, first: table.rows() };
        let dropped = self.dropped(table);
        let mut slices = Vec::new();
        if self.schema.kind == TableKind::Rng {
            let mut bytes: Vec<u8> = Vec::new();
            self.lanes(cursor, Count::all(layout.rng_streams().len() * 2), None, &mut bytes)?;
            slices = draws::ValueSlice::read_all(&bytes)?;
        }
        for (number, (column, declared)) in table.columns.iter_mut().zip(&self.schema.columns).enumerate() {
            if !self.wants(number) {
                self.skip(column)?;
                continue;
            }
            match declared.column_type {
                // A draw follows from the one before.
                ColumnType::Scalar(_) if self.schema.kind == TableKind::Rng => {
                    self.column(cursor, rows, 0, None, column)?;
                }
                ColumnType::Scalar(_) => self.column(cursor, rows, dropped, None, column)?,
                column_type => {
                    self.ragged(cursor, column_type, rows, column)?;
                    column.drop_first(dropped);
                }
            }
        }
        if self.schema.kind == TableKind::Rng {
            draws::restore(table, layout.rng_streams(), &slices)?;
            table.columns.iter_mut().for_each(|column| column.drop_first(dropped));
        }
        self.drop_ends(table);
        Ok(())
    }

    /// How many of a table's first rows are not kept.
    fn dropped(&self, table: &Table) -> usize {
        self.ticks.start.checked_sub(1).map_or(0, |before| table.ends[before] as usize)
    }

    /// Drops the ticks that are not kept, whose rows are dropped already.
    fn drop_ends(&self, table: &mut Table) {
        let dropped = len32(self.dropped(table));
        table.ends.drain(..self.ticks.start);
        table.ends.iter_mut().for_each(|end| *end -= dropped);
    }

    fn entities(&mut self, cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), String> {
        let rows = self.rows as usize;
        let ticks = self.head.ticks.len();
        let runs = self.runs(cursor, rows, ticks)?;
        self.places.fill(runs, len32(ticks));
        table.ends.clone_from(&self.places.ends);
        table.ends.truncate(self.ticks.end);
        let rows = Count { all: rows, first: table.rows() };
        let dropped = self.dropped(table);
        self.drop_ends(table);
        let (keys, fields) = table.columns.split_at_mut(entities::FIRST_FIELD);
        let parts = [|run: &EntityRun| run.slot, |run: &EntityRun| run.generation];
        for (number, (column, part)) in keys.iter_mut().zip(parts).enumerate() {
            let Column::W32(lanes) = column else { unreachable!("slots and generations are 32-bit") };
            if self.wants(number) {
                let of_runs: Vec<u32> = self.places.runs.iter().map(part).collect();
                lanes.resize(rows.first, 0);
                self.places.spread(&of_runs, lanes);
                lanes.drain(..dropped);
            } else {
                lanes.clear();
            }
        }
        let places = std::mem::take(self.places);
        let decoded = fields.iter_mut().zip(entities::FIRST_FIELD..).try_for_each(|(column, number)| {
            if self.wants(number) {
                self.column(cursor, rows, dropped, Some(&places), column)
            } else {
                self.skip(column)
            }
        });
        *self.places = places;
        decoded
    }

    fn wants(&self, column: usize) -> bool {
        self.wanted.is_none_or(|wanted| wanted.contains(&column))
    }

    /// Steps over a column of scalars, which stays empty and whose frame was not read.
    fn skip(&mut self, column: &mut Column) -> Result<(), String> {
        column.clear();
        self.frames.next().map(drop).ok_or_else(|| "a column frame is missing".to_owned())
    }

    /// Reads the runs of an entity table, which must be in order, apart from each other, within the block and as many rows
    /// as the head says.
    fn runs(&mut self, cursor: &mut Cursor<'_>, rows: usize, ticks: usize) -> Result<Vec<EntityRun>, String> {
        let mut count: Vec<u32> = Vec::new();
        self.lanes(cursor, Count::all(1), None, &mut count)?;
        let count = count[0] as usize;
        // No run is shorter than a row.
        if count > rows {
            return Err(format!("{count} runs cannot have {rows} rows"));
        }
        let mut parts: [Vec<u32>; 4] = Default::default();
        for part in &mut parts {
            self.lanes(cursor, Count::all(count), None, part)?;
        }
        let [slots, generations, starts, lens] = parts;
        let mut runs: Vec<EntityRun> = Vec::with_capacity(count);
        let mut total = 0usize;
        for index in 0..count {
            let (slot, generation) = (slots[index], generations[index]);
            let run = EntityRun { slot, generation, start: starts[index], len: lens[index] };
            let end = run.start as usize + run.len as usize;
            if run.len == 0 || end > ticks {
                return Err(format!("a run of {} ticks from {} does not fit a block of {ticks}", run.len, run.start));
            }
            if let Some(last) = runs.last().filter(|last| last.slot >= slot) {
                let end = last.start + last.len;
                let apart = end < run.start || end == run.start && last.generation < generation;
                if last.slot != slot || last.generation > generation || !apart {
                    return Err(format!("the runs of slot {slot} are out of order, overlap, or are one"));
                }
            }
            total += run.len as usize;
            runs.push(run);
        }
        if total != rows {
            return Err(format!("the runs have {total} rows, but the head says {rows}"));
        }
        Ok(runs)
    }

    /// Decodes a column of scalars, and drops the first of those that were asked for.
    fn column(
        &mut self,
        cursor: &mut Cursor<'_>,
        count: Count,
        dropped: usize,
        places: Option<&Places>,
        column: &mut Column,
    ) -> Result<(), String> {
        match column {
            Column::W8(lanes) => self.last_lanes(cursor, count, dropped, places, lanes),
            Column::W32(lanes) => self.last_lanes(cursor, count, dropped, places, lanes),
            Column::W64(lanes) => self.last_lanes(cursor, count, dropped, places, lanes),
            Column::Bytes(_) => unreachable!("the column holds scalars"),
        }
    }

    /// Decodes the next column frame. If some lanes are dropped, the others are fetched from a buffer that all columns use, so that what
    /// is not kept occupies no fresh memory.
    fn last_lanes<L: Lane>(
        &mut self,
        cursor: &mut Cursor<'_>,
        count: Count,
        dropped: usize,
        places: Option<&Places>,
        out: &mut Vec<L>,
    ) -> Result<(), String> {
        if dropped == 0 {
            return self.lanes(cursor, count, places, out);
        }
        let mut all = std::mem::take(&mut L::buffers(self.scratch).all);
        self.lanes(cursor, count, places, &mut all)?;
        out.clear();
        out.extend_from_slice(&all[dropped..]);
        L::buffers(self.scratch).all = all;
        Ok(())
    }

    fn ragged(
        &mut self,
        cursor: &mut Cursor<'_>,
        column_type: ColumnType,
        rows: Count,
        column: &mut Column,
    ) -> Result<(), String> {
        let Column::Bytes(ragged) = column else { unreachable!("the column holds byte strings") };
        let mut lens: Vec<u32> = Vec::new();
        self.lanes(cursor, Count::all(rows.all), None, &mut lens)?;
        let total = lens.iter().try_fold(0u32, |sum, &len| sum.checked_add(len));
        let total = total.filter(|&total| total as usize <= *self.spare).ok_or_else(|| {
            format!(
                "the byte strings leave no room for the block's other rows; all together have at most {MAX_RAW} bytes"
            )
        })?;
        *self.spare -= total as usize;
        ragged.ends.clear();
        cumulate(&lens, total, &mut ragged.ends)?;
        ragged.ends.truncate(rows.first);
        let bytes = Count { all: total as usize, first: ragged.ends.last().map_or(0, |&end| end as usize) };
        if column_type == ColumnType::Values {
            if let Some(len) = lens.iter().find(|len| !len.is_multiple_of(8)) {
                return Err(format!("values have 8 bytes each, but there are {len} bytes"));
            }
            let mut lanes: Vec<u64> = Vec::new();
            self.lanes(cursor, Count { all: bytes.all / 8, first: bytes.first / 8 }, None, &mut lanes)?;
            ragged.data.clear();
            ragged.data.extend(lanes.into_iter().flat_map(u64::to_le_bytes));
            return Ok(());
        }
        self.lanes(cursor, bytes, None, &mut ragged.data)
    }

    /// Decodes the next column frame.
    fn lanes<L: Lane>(
        &mut self,
        cursor: &mut Cursor<'_>,
        count: Count,
        places: Option<&Places>,
        out: &mut Vec<L>,
    ) -> Result<(), String> {
        let frame = self.frames.next().ok_or("a column frame is missing")?;
        let bytes = cursor.take(frame.len as usize)?;
        if checksum(bytes) != frame.checksum {
            return Err("the checksum of a column does not match".to_owned());
        }
        let number = frame.encoding;
        let encoding =
            ColumnEncoding::from_number(number).ok_or_else(|| format!("column encoding {number} is not known"))?;
        codec::decode(encoding, bytes, count, places, self.scratch, out)
    }
}

/// Turns the rows of each tick into where they end.
fn cumulate(counts: &[u32], total: u32, ends: &mut Vec<u32>) -> Result<(), String> {
    let mut end = 0u32;
    for &count in counts {
        end = end.checked_add(count).filter(|&end| end <= total).ok_or("there are more rows than the head says")?;
        ends.push(end);
    }
    if end == total { Ok(()) } else { Err(format!("there are {end} rows, but the head says {total}")) }
}
