//! Digests of behaviour: what two runs must share to be the same.
//!
//! The canonical encoding is little-endian. A channel of one tick is, for each of its tables in the layout's order, the
//! row count as u32 and then every behavioural column, row after row. Two channels differ from that: of `events` only
//! the guest's rows count, and their causes are numbered among themselves; `memory` is the digest of every page in
//! order, changed or not. A channel's digest is xxh3-64 of these bytes; a tick's digest is xxh3-64 over the declared
//! channels in causal order, each as its number (u8) and its digest (u64).

use std::fmt;
use std::hash::Hasher;
use std::ops::Range;

use twox_hash::XxHash3_64;

use crate::rows::lane32;
use crate::table::columns::{events, memory};
use crate::{
    Channel, Column, ColumnType, Layout, Origin, Role, Rows, TableId, TableKind, TableSchema, Tick, vectorized,
};

/// 64-bit hash of behavioural content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The digests of one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickDigests {
    /// Over all declared channels.
    pub tick: Digest,
    /// Of each channel by its number; zero where the channel is not declared.
    pub channels: [Digest; Channel::ALL.len()],
    /// Of what each channel carries beside behaviour, by its number; zero where it never carries anything.
    pub diagnostics: [Digest; Channel::ALL.len()],
}

/// Computes the digests of successive ticks. Holds the digest of every page of memory between ticks.
#[derive(Clone, Debug)]
pub struct TickDigester {
    pages: Vec<u64>,
    /// Of each table, by role.
    scalars: Vec<[Option<Scalars>; 2]>,
    canonical: Canonical,
}

/// What a role digests of a table without byte strings.
#[derive(Clone, Debug)]
struct Scalars {
    /// Numbers of columns, and how many bytes of each lane count.
    columns: Vec<(usize, usize)>,
    /// Canonical bytes of a row.
    width: usize,
}

impl Scalars {
    fn of(schema: &TableSchema, role: Role) -> Option<Scalars> {
        let mut scalars = Scalars { columns: Vec::new(), width: 0 };
        for (number, column) in schema.columns.iter().enumerate().filter(|(_, column)| column.role == role) {
            let ColumnType::Scalar(scalar_type) = column.column_type else { return None };
            scalars.columns.push((number, scalar_type.width()));
            scalars.width += scalar_type.width();
        }
        Some(scalars)
    }

    /// Writes the columns of some rows, which fill `out`.
    #[inline(always)]
    fn put(&self, columns: &[Column], rows: &Range<usize>, mut out: &mut [u8]) {
        for &(number, width) in &self.columns {
            let (lanes, rest) = out.split_at_mut(rows.len() * width);
            put_lanes(&columns[number], width, rows.clone(), lanes);
            out = rest;
        }
    }
}

/// Writes the lowest `width` bytes of each lane of some rows, which fill `out`.
#[inline(always)]
fn put_lanes(column: &Column, width: usize, rows: Range<usize>, out: &mut [u8]) {
    match column {
        Column::W8(lanes) => out.copy_from_slice(&lanes[rows]),
        Column::W32(lanes) if width == 2 => {
            let halves = out.as_chunks_mut().0.iter_mut().zip(&lanes[rows]);
            halves.for_each(|(bytes, lane)| *bytes = *lane.to_le_bytes().first_chunk::<2>().expect("of four"));
        }
        // Where a lane stands in memory as it does here, all of them are copied at once.
        Column::W32(lanes) if cfg!(target_endian = "little") => out.copy_from_slice(bytemuck::cast_slice(&lanes[rows])),
        Column::W64(lanes) if cfg!(target_endian = "little") => out.copy_from_slice(bytemuck::cast_slice(&lanes[rows])),
        Column::W32(lanes) => {
            let all = out.as_chunks_mut().0.iter_mut().zip(&lanes[rows]);
            all.for_each(|(bytes, lane)| *bytes = lane.to_le_bytes());
        }
        Column::W64(lanes) => {
            let all = out.as_chunks_mut().0.iter_mut().zip(&lanes[rows]);
            all.for_each(|(bytes, lane)| *bytes = lane.to_le_bytes());
        }
        Column::Bytes(_) => unreachable!("the column holds scalars"),
    }
}

/// Canonical bytes of one channel of one tick. The buffer only grows: emptying and filling it for every column would cost
/// more than what is written to it.
#[derive(Clone, Debug, Default)]
struct Canonical {
    buffer: Vec<u8>,
    used: usize,
}

impl Canonical {
    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.used]
    }

    /// The next `len` bytes, to be written.
    #[inline]
    fn room(&mut self, len: usize) -> &mut [u8] {
        let start = self.used;
        self.used += len;
        if self.buffer.len() < self.used {
            self.buffer.resize(self.used.next_power_of_two(), 0);
        }
        &mut self.buffer[start..self.used]
    }

    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.room(N).copy_from_slice(&bytes);
    }

    /// Each scalar at its type's width LE, each byte string after its length as u32 LE.
    #[inline]
    fn column(&mut self, column: &Column, column_type: ColumnType, rows: Range<usize>) {
        match column {
            Column::Bytes(ragged) => {
                for row in rows {
                    let bytes = ragged.get(row);
                    self.put(u32::try_from(bytes.len()).expect("rows are far below 4 GiB").to_le_bytes());
                    self.room(bytes.len()).copy_from_slice(bytes);
                }
            }
            _ => {
                let ColumnType::Scalar(scalar_type) = column_type else { unreachable!("the column holds scalars") };
                let width = scalar_type.width();
                put_lanes(column, width, rows.clone(), self.room(rows.len() * width));
            }
        }
    }
}

impl TickDigester {
    /// A digester that has seen no tick.
    pub fn new(layout: &Layout) -> TickDigester {
        let of = |schema: &TableSchema| [Role::Behavioural, Role::Diagnostic].map(|role| Scalars::of(schema, role));
        TickDigester {
            pages: vec![0; layout.memory().pages as usize],
            scalars: layout.tables().iter().map(of).collect(),
            canonical: Canonical::default(),
        }
    }

    /// The digests of one tick, by its index in `rows`. Ticks must come in order from one that carries all of memory.
    ///
    /// # Panics
    /// If a declared channel is not loaded in `rows`.
    pub fn digest(&mut self, rows: &Rows, tick: usize) -> TickDigests {
        let mut digests = TickDigests::default();
        let mut whole = [0u8; Channel::ALL.len() * 9];
        let mut used = 0;
        for channel in rows.layout().channels().iter() {
            let digest = self.channel(rows, channel, tick);
            digests.channels[channel as usize] = digest;
            if channel.has_diagnostics() {
                digests.diagnostics[channel as usize] = self.diagnostics(rows, channel, tick);
            }
            whole[used] = channel as u8;
            whole[used + 1..used + 9].copy_from_slice(&digest.0.to_le_bytes());
            used += 9;
        }
        digests.tick = Digest(XxHash3_64::oneshot(&whole[..used]));
        digests
    }

    /// The digest of one channel of one tick.
    pub fn channel(&mut self, rows: &Rows, channel: Channel, tick: usize) -> Digest {
        self.canonical.used = 0;
        for (id, schema) in rows.layout().tables_of(channel) {
            let range = rows.range(id, tick);
            match schema.kind {
                TableKind::Events => self.guest_events(rows, id, range),
                TableKind::Memory => self.memory(rows, id, range),
                _ => self.rows(rows, id, range, Role::Behavioural),
            }
        }
        Digest(XxHash3_64::oneshot(self.canonical.bytes()))
    }

    /// The digest of what a channel carries in one tick beside behaviour. It has the tick's number in it, so that the
    /// digests of many ticks can be added up in any grouping and still tell where each belongs.
    pub fn diagnostics(&mut self, rows: &Rows, channel: Channel, tick: usize) -> Digest {
        self.canonical.used = 0;
        self.canonical.put(rows.ticks()[tick].0.to_le_bytes());
        for (id, schema) in rows.layout().tables_of(channel) {
            let range = rows.range(id, tick);
            match schema.kind {
                TableKind::Events => self.other_events(rows, id, range),
                _ => self.rows(rows, id, range, Role::Diagnostic),
            }
        }
        Digest(XxHash3_64::oneshot(self.canonical.bytes()))
    }

    fn rows(&mut self, rows: &Rows, id: TableId, range: Range<usize>, role: Role) {
        let count = u32::try_from(range.len()).expect("a block's rows stay below 2^32");
        self.canonical.put(count.to_le_bytes());
        if let Some(scalars) = &self.scalars[id.0][role as usize] {
            let out = self.canonical.room(range.len() * scalars.width);
            return vectorized!(scalars.put(&rows.table(id).columns, &range, out));
        }
        let schema = &rows.layout().tables()[id.0];
        for (column, declared) in rows.table(id).columns.iter().zip(&schema.columns) {
            if declared.role == role {
                self.canonical.column(column, declared.column_type, range.clone());
            }
        }
    }

    fn guest_events(&mut self, rows: &Rows, id: TableId, range: Range<usize>) {
        let table = rows.table(id);
        let is_guest = |row: usize| table.columns[events::ORIGIN].bits(row) == Origin::Guest as u64;
        let mut ordinals: Vec<u32> = Vec::with_capacity(range.len());
        let mut guests = 0u32;
        for row in range {
            if !is_guest(row) {
                ordinals.push(0);
                continue;
            }
            guests += 1;
            ordinals.push(guests);
            for (index, (column, declared)) in
                table.columns.iter().zip(&rows.layout().tables()[id.0].columns).enumerate()
            {
                if index == events::CAUSE {
                    let cause = lane32(column.bits(row)) as usize;
                    let ordinal = if cause == 0 { 0 } else { ordinals[cause - 1] };
                    self.canonical.put(ordinal.to_le_bytes());
                } else {
                    self.canonical.column(column, declared.column_type, row..row + 1);
                }
            }
        }
        self.canonical.put(guests.to_le_bytes());
    }

    /// Events of the host and of debuggers, as they are told.
    fn other_events(&mut self, rows: &Rows, id: TableId, range: Range<usize>) {
        let table = rows.table(id);
        let others = range.filter(|&row| table.columns[events::ORIGIN].bits(row) != Origin::Guest as u64);
        let mut count = 0u32;
        for row in others {
            count += 1;
            for (column, declared) in table.columns.iter().zip(&rows.layout().tables()[id.0].columns) {
                self.canonical.column(column, declared.column_type, row..row + 1);
            }
        }
        self.canonical.put(count.to_le_bytes());
    }

    fn memory(&mut self, rows: &Rows, id: TableId, range: Range<usize>) {
        let columns = &rows.table(id).columns;
        for row in range {
            let page = lane32(columns[memory::PAGE].bits(row)) as usize;
            self.pages[page] = XxHash3_64::oneshot(columns[memory::CONTENT].bytes(row));
        }
        self.pages.iter().for_each(|page| self.canonical.put(page.to_le_bytes()));
    }
}

/// Digest over a sequence of digests.
#[derive(Clone, Default)]
pub struct DigestSequence {
    hasher: XxHash3_64,
    /// What the hasher has not seen yet: it takes many bytes at once faster than a few at a time.
    pending: Vec<u8>,
}

/// Bytes that are hashed at once.
const PENDING: usize = 1024;

impl DigestSequence {
    /// Adds the next one.
    pub fn push(&mut self, digest: Digest) {
        self.bytes(&digest.0.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PENDING {
            self.hasher.write(&self.pending);
            self.pending.clear();
        }
    }

    /// The digest of what was added: xxh3-64 of the digests, each as u64 LE.
    pub fn finish(&self) -> Digest {
        let mut hasher = self.hasher.clone();
        hasher.write(&self.pending);
        Digest(hasher.finish())
    }

    /// Forgets what was added.
    pub fn clear(&mut self) {
        self.hasher = XxHash3_64::new();
        self.pending.clear();
    }
}

impl fmt::Debug for DigestSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DigestSequence").field(&self.finish()).finish()
    }
}

/// Digest of a whole run: the layout, and every tick's number and digest. Two traces with one content digest carry the
/// same behaviour, whatever their blocks and encodings.
#[derive(Clone, Debug)]
pub struct ContentDigest(DigestSequence);

impl ContentDigest {
    /// Of a run with no ticks yet.
    pub fn new(layout: &Layout) -> ContentDigest {
        let mut sequence = DigestSequence::default();
        sequence.push(layout.digest());
        ContentDigest(sequence)
    }

    /// Adds a tick: its number as u32 LE, its digest as u64 LE.
    pub fn push(&mut self, tick: Tick, digest: Digest) {
        self.0.bytes(&tick.0.to_le_bytes());
        self.0.push(digest);
    }

    /// The digest of what was added.
    pub fn finish(&self) -> Digest {
        self.0.finish()
    }
}
