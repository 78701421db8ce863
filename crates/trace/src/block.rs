//! A block: the rows of consecutive ticks, each channel encoded apart, each column by the encoding that suits it.
//!
//! The rows of an entity table stand entity after entity, so that a value is predicted from the same entity's last
//! ticks; slot and generation stand once per run of ticks.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use cdt_schema::columns::entities;
use cdt_schema::{
    Arity, Channel, ChannelSet, Column, ColumnType, Layout, Ragged, Rows, ScalarType, Table, TableId, TableKind,
    TableSchema, Tick,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::codec::{self, ColumnEncoding, Lane};
use crate::frame::Cursor;
use crate::index::tick_runs_of;
use crate::records::{self, ArchivedBlockRecord, BlockRecord, ChannelFrameRecord, ColumnFrameRecord, TickRunRecord};
use crate::section::{Tag, read_head};
use crate::{BlockEntry, Encoding, Error};

/// Most ticks of a block.
pub(crate) const MAX_TICKS: usize = 65_536;
/// Most bytes that the rows of a block occupy when decoded, so that a small file cannot ask for a large memory. It holds
/// what a writer may gather: less than [`MAX_BLOCK_BYTES`] and then a tick of 24 MiB, or a tick of 24 MiB and all pages
/// of memory (16 MiB, and 8 bytes for each).
const MAX_RAW: usize = 48 << 20;
/// Bytes of rows at which a block ends even if the options allow more.
pub(crate) const MAX_BLOCK_BYTES: usize = 22 << 20;
/// Set in a column frame's encoding when its bytes are compressed: their length before that (u32), then a zstd frame.
const COMPRESSED: u8 = 0x80;
/// zstd level of archive blocks; higher ones gain little on packed columns.
const ZSTD_LEVEL: i32 = 3;

/// Ticks of one entity without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EntityRun {
    slot: u32,
    generation: u32,
    start: u32,
    len: u32,
}

/// Encodes rows as head and tail of a block section.
pub(crate) fn encode_block(rows: &Rows, encoding: Encoding) -> (BlockRecord, Vec<u8>) {
    assert!((1..=MAX_TICKS).contains(&rows.ticks().len()), "a block has 1 to {MAX_TICKS} ticks");
    let layout = rows.layout();
    let mut encoder = BlockEncoder { encoding, tail: Vec::new(), columns: Vec::new() };
    let mut channels = Vec::new();
    for channel in layout.channels().iter() {
        let start = encoder.tail.len();
        for (id, schema) in layout.tables_of(channel) {
            encoder.table(rows.table(id), schema);
        }
        let bytes = &encoder.tail[start..];
        channels.push(ChannelFrameRecord { len: len32(bytes.len()), checksum: xxh3_64(bytes) });
    }
    let count = |index| len32(rows.table(TableId(index)).rows());
    let record = BlockRecord {
        tick_runs: tick_runs_of(rows.ticks())
            .map(|run| TickRunRecord { first: run.first.0, count: run.count })
            .collect(),
        rows: (0..layout.tables().len()).map(count).collect(),
        channels,
        columns: encoder.columns,
    };
    (record, encoder.tail)
}

fn len32(len: usize) -> u32 {
    u32::try_from(len).expect("a block is far below 4 GiB")
}

struct BlockEncoder {
    encoding: Encoding,
    tail: Vec<u8>,
    columns: Vec<ColumnFrameRecord>,
}

impl BlockEncoder {
    fn table(&mut self, table: &Table, schema: &TableSchema) {
        let whole = [len32(table.rows())];
        match (schema.kind, schema.arity) {
            (TableKind::Entities(_), _) => return self.entities(table),
            (_, Arity::Many) => {
                let starts = std::iter::once(&0).chain(&table.ends);
                let counts: Vec<u32> = table.ends.iter().zip(starts).map(|(end, start)| end - start).collect();
                self.lanes(&counts, &[len32(counts.len())]);
            }
            (_, Arity::Fixed(_)) => {}
        }
        for (column, declared) in table.columns.iter().zip(&schema.columns) {
            match column {
                Column::W8(lanes) => self.lanes(lanes, &whole),
                Column::W32(lanes) => self.lanes(lanes, &whole),
                Column::W64(lanes) => self.lanes(lanes, &whole),
                Column::Bytes(ragged) => self.ragged(ragged, declared.column_type),
            }
        }
    }

    fn entities(&mut self, table: &Table) {
        let runs = entity_runs(table);
        let (ends, order) = entity_order(&runs, table.ends.len());
        assert_eq!(ends, table.ends, "runs cover exactly the rows");
        self.tail.extend_from_slice(&len32(runs.len()).to_le_bytes());
        for part in [
            |run: &EntityRun| run.slot,
            |run: &EntityRun| run.generation,
            |run: &EntityRun| run.start,
            |run: &EntityRun| run.len,
        ] {
            let lanes: Vec<u32> = runs.iter().map(part).collect();
            self.lanes(&lanes, &[len32(lanes.len())]);
        }
        let lens: Vec<u32> = runs.iter().map(|run| run.len).collect();
        for column in &table.columns[entities::FIRST_FIELD..] {
            match column {
                Column::W8(lanes) => self.lanes(&gather(lanes, &order), &lens),
                Column::W32(lanes) => self.lanes(&gather(lanes, &order), &lens),
                Column::W64(lanes) => self.lanes(&gather(lanes, &order), &lens),
                Column::Bytes(_) => unreachable!("entities have scalar fields only"),
            }
        }
    }

    fn ragged(&mut self, ragged: &Ragged, column_type: ColumnType) {
        let starts = std::iter::once(&0).chain(&ragged.ends);
        let lens: Vec<u32> = ragged.ends.iter().zip(starts).map(|(end, start)| end - start).collect();
        self.lanes(&lens, &[len32(lens.len())]);
        if column_type == ColumnType::Values {
            let lanes: Vec<u64> = ragged.data.as_chunks::<8>().0.iter().map(|lane| u64::from_le_bytes(*lane)).collect();
            self.lanes(&lanes, &[len32(lanes.len())]);
        } else {
            self.lanes(&ragged.data, &[len32(ragged.data.len())]);
        }
    }

    fn lanes<L: Lane>(&mut self, lanes: &[L], runs: &[u32]) {
        let start = self.tail.len();
        let mut encoding = codec::encode(lanes, runs, &mut self.tail) as u8;
        if self.encoding == Encoding::Archive {
            let raw = self.tail.split_off(start);
            let packed = zstd::bulk::compress(&raw, ZSTD_LEVEL).expect("compressing in memory does not fail");
            if packed.len() + 4 < raw.len() {
                encoding |= COMPRESSED;
                self.tail.extend_from_slice(&len32(raw.len()).to_le_bytes());
                self.tail.extend_from_slice(&packed);
            } else {
                self.tail.extend_from_slice(&raw);
            }
        }
        self.columns.push(ColumnFrameRecord { encoding, len: len32(self.tail.len() - start) });
    }
}

/// The runs of a table's rows, by slot, generation and start.
fn entity_runs(table: &Table) -> Vec<EntityRun> {
    let lane = |column: usize, row: usize| u32::try_from(table.columns[column].bits(row)).expect("32-bit lanes");
    let mut runs: Vec<EntityRun> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut row = 0;
    for (tick, &end) in (0u32..).zip(&table.ends) {
        let mut past = open.iter().copied().peekable();
        let mut now = Vec::with_capacity(open.len());
        while row < end as usize {
            let (slot, generation) = (lane(entities::SLOT, row), lane(entities::GENERATION, row));
            while past.next_if(|&run| runs[run].slot < slot).is_some() {}
            let same = past.next_if(|&run| runs[run].slot == slot).filter(|&run| runs[run].generation == generation);
            match same {
                Some(run) => {
                    runs[run].len += 1;
                    now.push(run);
                }
                None => {
                    now.push(runs.len());
                    runs.push(EntityRun { slot, generation, start: tick, len: 1 });
                }
            }
            row += 1;
        }
        open = now;
    }
    runs.sort_unstable();
    runs
}

/// For runs by slot: where each tick's rows end, and for each value in the order of runs the row that it belongs to.
fn entity_order(runs: &[EntityRun], ticks: usize) -> (Vec<u32>, Vec<u32>) {
    let mut ends = vec![0u32; ticks];
    for run in runs {
        ends[run.start as usize..][..run.len as usize].iter_mut().for_each(|count| *count += 1);
    }
    let mut next = Vec::with_capacity(ticks);
    let mut total = 0;
    for end in &mut ends {
        next.push(total);
        total += *end;
        *end = total;
    }
    let mut order = Vec::with_capacity(total as usize);
    for run in runs {
        for next in &mut next[run.start as usize..][..run.len as usize] {
            order.push(*next);
            *next += 1;
        }
    }
    (ends, order)
}

fn gather<L: Copy>(lanes: &[L], order: &[u32]) -> Vec<L> {
    order.iter().map(|&row| lanes[row as usize]).collect()
}

fn scatter<L: Copy + Default>(lanes: &[L], order: &[u32]) -> Vec<L> {
    let mut out = vec![L::default(); lanes.len()];
    order.iter().zip(lanes).for_each(|(&row, &lane)| out[row as usize] = lane);
    out
}

/// A block's head, checked against its entry in the index: what its tail holds and where.
#[derive(Debug)]
pub(crate) struct BlockHead {
    offset: u64,
    ticks: Vec<Tick>,
    rows: Vec<u32>,
    /// Bytes that the block's byte strings may occupy besides what the rows need.
    spare: usize,
    /// By channel: where its bytes stand in the file, and their checksum.
    frames: BTreeMap<Channel, (Range<u64>, u64)>,
    /// By table: encoding and length of each column frame.
    columns: Vec<Vec<(u8, u32)>>,
}

impl BlockHead {
    /// Reads the head of a block from the bytes of its section up to its tail.
    pub(crate) fn read(layout: &Layout, entry: &BlockEntry, bytes: &[u8]) -> Result<BlockHead, Error> {
        let damaged = |rule: String| Error::damaged(entry.offset, rule);
        let (header, head) = read_head(Tag::Block, entry.offset, bytes, entry.end())?;
        if header.head(entry.offset).end != entry.tail_start() || header.tail(entry.offset).end != entry.end() {
            return Err(damaged("the block's lengths are not those that the index gives".to_owned()));
        }
        let record = records::access::<ArchivedBlockRecord>(head).map_err(damaged)?;
        let ticks = read_ticks(record, entry).map_err(damaged)?;
        let rows: Vec<u32> = record.rows.iter().map(|count| count.to_native()).collect();
        let spare = check_rows(layout, &ticks, &rows).map_err(damaged)?;
        let declared: Vec<Channel> = layout.channels().iter().collect();
        if record.channels.len() != declared.len() {
            return Err(damaged(format!("{} channels are declared, not {}", declared.len(), record.channels.len())));
        }
        let mut frames = BTreeMap::new();
        let mut at = entry.tail_start();
        for (channel, frame) in declared.into_iter().zip(record.channels.iter()) {
            let end = at + u64::from(frame.len.to_native());
            frames.insert(channel, (at..end, frame.checksum.to_native()));
            at = end;
        }
        if at != entry.end() {
            return Err(damaged("the channels' lengths do not sum to the block's".to_owned()));
        }
        let columns = read_columns(layout, record).map_err(damaged)?;
        Ok(BlockHead { offset: entry.offset, ticks, rows, spare, frames, columns })
    }

    /// Where the bytes of a declared channel stand in the file.
    pub(crate) fn frame(&self, channel: Channel) -> Range<u64> {
        self.frames[&channel].0.clone()
    }
}

fn read_ticks(record: &ArchivedBlockRecord, entry: &BlockEntry) -> Result<Vec<Tick>, String> {
    let mut ticks = Vec::with_capacity((entry.ticks as usize).min(MAX_TICKS));
    for run in record.tick_runs.iter() {
        let (first, count) = (run.first.to_native(), run.count.to_native());
        if count == 0
            || first.checked_add(count - 1).is_none()
            || ticks.last().is_some_and(|last: &Tick| last.0 >= first)
        {
            return Err(format!("a run of {count} ticks from {first} does not follow the ones before"));
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
        let width = |column_type| match column_type {
            ColumnType::Scalar(ScalarType::U16) | ColumnType::Values | ColumnType::Page => 4,
            ColumnType::Scalar(ty) => ty.width() as u64,
        };
        raw += u64::from(count) * schema.columns.iter().map(|column| width(column.column_type)).sum::<u64>();
        raw += ticks.len() as u64 * 4;
    }
    let left = usize::try_from(raw).ok().and_then(|raw| MAX_RAW.checked_sub(raw));
    left.ok_or_else(|| format!("the block's rows would occupy {raw} bytes; at most {MAX_RAW} are expected"))
}

/// How many column frames a table has in a block.
fn frame_count(schema: &TableSchema) -> usize {
    let bytes = schema.columns.iter().filter(|c| !matches!(c.column_type, ColumnType::Scalar(_))).count();
    match (schema.kind, schema.arity) {
        (TableKind::Entities(_), _) => schema.columns.len() + 2,
        (_, Arity::Many) => schema.columns.len() + bytes + 1,
        (_, Arity::Fixed(_)) => schema.columns.len() + bytes,
    }
}

fn read_columns(layout: &Layout, record: &ArchivedBlockRecord) -> Result<Vec<Vec<(u8, u32)>>, String> {
    let expected: usize = layout.tables().iter().map(frame_count).sum();
    if record.columns.len() != expected {
        return Err(format!("{expected} column frames are expected, not {}", record.columns.len()));
    }
    let mut frames = record.columns.iter().map(|frame| (frame.encoding, frame.len.to_native()));
    Ok(layout.tables().iter().map(|schema| frames.by_ref().take(frame_count(schema)).collect()).collect())
}

/// Decodes the rows of some channels of a block.
///
/// `entry` is the block's entry in the index, `read` gives the bytes at a range of the file: first those of the head,
/// then those of the asked channels, each in one piece.
///
/// # Errors
/// What `read` gives, or where and how the bytes break the format.
pub fn decode_block(
    layout: &Arc<Layout>,
    entry: &BlockEntry,
    channels: ChannelSet,
    mut read: impl FnMut(Range<u64>) -> Result<Vec<u8>, Error>,
) -> Result<Rows, Error> {
    let head = BlockHead::read(layout, entry, &read(entry.offset..entry.tail_start())?)?;
    let mut tables = Vec::with_capacity(layout.tables().len());
    tables.resize_with(layout.tables().len(), Table::default);
    let mut loaded = ChannelSet::EMPTY;
    let mut spare = head.spare;
    for channel in layout.channels().iter().filter(|&channel| channels.contains(channel)) {
        loaded.insert(channel);
        let range = head.frame(channel);
        let damaged = |rule: String| Error::damaged(range.start, format!("channel {channel}: {rule}"));
        let bytes = read(range.clone())?;
        if xxh3_64(&bytes) != head.frames[&channel].1 {
            return Err(damaged("the checksum does not match".to_owned()));
        }
        let mut cursor = Cursor::new(&bytes);
        for (id, schema) in layout.tables_of(channel) {
            let decoder = TableDecoder { head: &head, id, schema };
            tables[id.0] =
                decoder.table(&mut cursor, &mut spare).map_err(|rule| damaged(format!("{}: {rule}", schema.name)))?;
        }
        cursor.finish().map_err(damaged)?;
    }
    let offset = head.offset;
    Rows::from_decoded(layout.clone(), head.ticks, tables, loaded).map_err(|error| Error::damaged(offset, error))
}

struct TableDecoder<'a> {
    head: &'a BlockHead,
    id: TableId,
    schema: &'a TableSchema,
}

impl TableDecoder<'_> {
    fn table(&self, cursor: &mut Cursor<'_>, spare: &mut usize) -> Result<Table, String> {
        let rows = self.head.rows[self.id.0];
        let mut frames = self.head.columns[self.id.0].iter().copied();
        let ticks = self.head.ticks.len();
        let ends = match (self.schema.kind, self.schema.arity) {
            (TableKind::Entities(_), _) => return self.entities(cursor, &mut frames),
            (_, Arity::Fixed(each)) => (1..=len32(ticks)).map(|tick| tick * each).collect(),
            (_, Arity::Many) => cumulate(&lanes::<u32>(cursor, &mut frames, ticks, &[len32(ticks)])?, rows)?,
        };
        let mut columns = Vec::with_capacity(self.schema.columns.len());
        for declared in &self.schema.columns {
            columns.push(match declared.column_type {
                ColumnType::Scalar(ty) => scalar_column(cursor, &mut frames, ty, rows as usize, &[rows], None)?,
                column_type => ragged_column(cursor, &mut frames, column_type, rows, spare)?,
            });
        }
        Ok(Table { ends, columns })
    }

    fn entities(&self, cursor: &mut Cursor<'_>, frames: &mut impl Iterator<Item = (u8, u32)>) -> Result<Table, String> {
        let rows = self.head.rows[self.id.0] as usize;
        let ticks = self.head.ticks.len();
        let runs = read_runs(cursor, frames, rows, ticks)?;
        let (ends, order) = entity_order(&runs, ticks);
        let lens: Vec<u32> = runs.iter().map(|run| run.len).collect();
        let spread = |part: fn(&EntityRun) -> u32| {
            let lanes: Vec<u32> =
                runs.iter().flat_map(|run| std::iter::repeat_n(part(run), run.len as usize)).collect();
            Column::W32(scatter(&lanes, &order))
        };
        let mut columns = vec![spread(|run| run.slot), spread(|run| run.generation)];
        for declared in &self.schema.columns[entities::FIRST_FIELD..] {
            let ColumnType::Scalar(ty) = declared.column_type else { unreachable!("entities have scalar fields only") };
            columns.push(scalar_column(cursor, frames, ty, rows, &lens, Some(&order))?);
        }
        Ok(Table { ends, columns })
    }
}

/// Reads the runs of an entity table, which must be in order, apart from each other, within the block and as many rows
/// as the head says.
fn read_runs(
    cursor: &mut Cursor<'_>,
    frames: &mut impl Iterator<Item = (u8, u32)>,
    rows: usize,
    ticks: usize,
) -> Result<Vec<EntityRun>, String> {
    // The number of runs stands in the frame of slots; no run is shorter than a row, so there are at most `rows`.
    let (first, slots) = runs_lanes(cursor, frames, rows)?;
    let rest: Result<Vec<Vec<u32>>, String> =
        (0..3).map(|_| lanes::<u32>(cursor, frames, first, &[len32(first)])).collect();
    let rest = rest?;
    let mut runs: Vec<EntityRun> = Vec::with_capacity(slots.len());
    let mut total = 0usize;
    for (index, &slot) in slots.iter().enumerate() {
        let run = EntityRun { slot, generation: rest[0][index], start: rest[1][index], len: rest[2][index] };
        let end = run.start as usize + run.len as usize;
        if run.len == 0 || end > ticks {
            return Err(format!("a run of {} ticks from {} does not fit a block of {ticks}", run.len, run.start));
        }
        if let Some(last) = runs.last().filter(|last| last.slot >= slot) {
            let apart = last.slot == slot && last.start + last.len <= run.start && last.generation <= run.generation;
            if !apart {
                return Err(format!("the runs of slot {slot} are out of order or overlap"));
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

/// The frame of slots, which is preceded by the number of runs (u32).
fn runs_lanes(
    cursor: &mut Cursor<'_>,
    frames: &mut impl Iterator<Item = (u8, u32)>,
    rows: usize,
) -> Result<(usize, Vec<u32>), String> {
    let count = u32::from_le_bytes(cursor.take(4)?.try_into().expect("4 bytes")) as usize;
    if count > rows {
        return Err(format!("{count} runs cannot have {rows} rows"));
    }
    Ok((count, lanes(cursor, frames, count, &[len32(count)])?))
}

fn cumulate(counts: &[u32], total: u32) -> Result<Vec<u32>, String> {
    let mut ends = Vec::with_capacity(counts.len());
    let mut end = 0u32;
    for &count in counts {
        end = end.checked_add(count).filter(|&end| end <= total).ok_or("there are more rows than the head says")?;
        ends.push(end);
    }
    if end == total { Ok(ends) } else { Err(format!("there are {end} rows, but the head says {total}")) }
}

fn scalar_column(
    cursor: &mut Cursor<'_>,
    frames: &mut impl Iterator<Item = (u8, u32)>,
    scalar_type: ScalarType,
    rows: usize,
    runs: &[u32],
    order: Option<&[u32]>,
) -> Result<Column, String> {
    fn ordered<L: Copy + Default>(lanes: Vec<L>, order: Option<&[u32]>) -> Vec<L> {
        match order {
            Some(order) => scatter(&lanes, order),
            None => lanes,
        }
    }
    Ok(match scalar_type.width() {
        1 => Column::W8(ordered(lanes(cursor, frames, rows, runs)?, order)),
        2 | 4 => Column::W32(ordered(lanes(cursor, frames, rows, runs)?, order)),
        _ => Column::W64(ordered(lanes(cursor, frames, rows, runs)?, order)),
    })
}

fn ragged_column(
    cursor: &mut Cursor<'_>,
    frames: &mut impl Iterator<Item = (u8, u32)>,
    column_type: ColumnType,
    rows: u32,
    spare: &mut usize,
) -> Result<Column, String> {
    let lens: Vec<u32> = lanes(cursor, frames, rows as usize, &[rows])?;
    let total = lens.iter().try_fold(0u32, |sum, &len| sum.checked_add(len));
    let total = total.filter(|&total| total as usize <= *spare).ok_or_else(|| {
        format!("the byte strings leave no room for the block's other rows; all together have at most {MAX_RAW} bytes")
    })?;
    *spare -= total as usize;
    let ends = cumulate(&lens, total)?;
    let data = if column_type == ColumnType::Values {
        if total % 8 != 0 {
            return Err(format!("values have 8 bytes each, but there are {total} bytes"));
        }
        let lanes: Vec<u64> = lanes(cursor, frames, total as usize / 8, &[total / 8])?;
        lanes.into_iter().flat_map(u64::to_le_bytes).collect()
    } else {
        lanes(cursor, frames, total as usize, &[total])?
    };
    Ok(Column::Bytes(Ragged { ends, data }))
}

/// Decodes the next column frame.
fn lanes<L: Lane>(
    cursor: &mut Cursor<'_>,
    frames: &mut impl Iterator<Item = (u8, u32)>,
    count: usize,
    runs: &[u32],
) -> Result<Vec<L>, String> {
    let (number, len) = frames.next().ok_or("a column frame is missing")?;
    let bytes = cursor.take(len as usize)?;
    let encoding = ColumnEncoding::from_number(number & !COMPRESSED)
        .ok_or_else(|| format!("column encoding {number} is not known"))?;
    if number & COMPRESSED == 0 {
        return codec::decode(encoding, bytes, count, runs);
    }
    let mut cursor = Cursor::new(bytes);
    let raw_len = u32::from_le_bytes(cursor.take(4)?.try_into().expect("4 bytes")) as usize;
    let plain = count * (L::BITS as usize / 8);
    if raw_len > plain {
        return Err(format!("a compressed column unpacks to at most {plain} bytes, not {raw_len}"));
    }
    let raw = zstd::bulk::decompress(&bytes[4..], raw_len).map_err(|error| format!("zstd: {error}"))?;
    if raw.len() != raw_len {
        return Err(format!("a compressed column unpacked to {} bytes, not {raw_len}", raw.len()));
    }
    codec::decode(encoding, &raw, count, runs)
}
