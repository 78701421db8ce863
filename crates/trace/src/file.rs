//! The thin layer that puts the sans-I/O core onto files.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use cdt_schema::{Channel, ChannelSet, Digest, Layout, RowError, Rows, TableId, Tick, TickBuilder};
use twox_hash::XxHash3_64;

use crate::block::{Asked, BlockBytes};
use crate::index::SegmentEntry;
use crate::new_file::Waiting;
use crate::ranges::{RangesOfBlock, read_range};
use crate::records::ArchivedSummariesRecord;
use crate::{
    BlockDecoder, BlockEntry, BlockSummary, Encoder, Error, ErrorKind, Loss, Meta, NewFile, Opening, Options, Totals,
    TraceIndex,
};

/// Writes a trace beside its final name and moves it there when it is complete. Dropped before that, it leaves nothing.
#[derive(Debug)]
pub struct TraceWriter {
    encoder: Encoder,
    file: NewFile,
}

/// A trace that is complete on disk and has not got its final name yet. It can be closed meanwhile.
#[derive(Debug)]
pub struct Finished {
    file: Waiting,
    digest: Digest,
}

impl TraceWriter {
    /// Begins the trace that will stand at `path`. Until it is finished it grows at `path` with `.partial` appended,
    /// which a second writer of the same trace finds taken.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when there is a file at `path` and `overwrite` is not set, or another writer (or what a
    /// killed one left) stands there; [`ErrorKind::Io`] when the file cannot be made.
    pub fn create(
        path: &Path,
        overwrite: bool,
        meta: &Meta,
        layout: Arc<Layout>,
        options: Options,
    ) -> Result<TraceWriter, Error> {
        let file = NewFile::create(path, "trace", overwrite)?;
        let mut writer = TraceWriter { encoder: Encoder::new(meta, layout, options), file };
        writer.write_out()?;
        Ok(writer)
    }

    /// Adds a tick, which `fill` fills with its rows.
    ///
    /// # Errors
    /// What `fill` gives, the rule that the tick breaks, or why the file could not be written.
    pub fn append<E: From<RowError> + From<Error>>(
        &mut self,
        tick: Tick,
        fill: impl FnOnce(&mut TickBuilder<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.encoder.append(tick, fill)?;
        Ok(self.write_out()?)
    }

    /// Adds a tick of a trace of the same layout, by its index in `rows`.
    ///
    /// # Errors
    /// The rule that the tick breaks, or why the file could not be written.
    ///
    /// # Panics
    /// If the layout is another one, or a channel is not loaded.
    pub fn append_rows(&mut self, rows: &Rows, index: usize) -> Result<(), Error> {
        self.encoder.append_rows(rows, index)?;
        self.write_out()
    }

    /// Writes an entry of the loss ledger.
    ///
    /// # Errors
    /// Why the file could not be written.
    pub fn record_loss(&mut self, loss: &Loss) -> Result<(), Error> {
        self.encoder.record_loss(loss);
        self.write_out()
    }

    /// The last tick that was added.
    pub fn last_tick(&self) -> Option<Tick> {
        self.encoder.last_tick()
    }

    /// What the trace's rows are.
    pub fn layout(&self) -> &Layout {
        self.encoder.layout()
    }

    /// The digest of the last tick that was added.
    pub fn last_digest(&self) -> Option<Digest> {
        self.encoder.last_digest()
    }

    /// Completes the file and gives it its final name.
    ///
    /// # Errors
    /// Why the file could not be written or named; nothing is left behind.
    pub fn finish(self, end_reason: &str) -> Result<Digest, Error> {
        let finished = self.complete(end_reason)?;
        let digest = finished.digest;
        finished.publish()?;
        Ok(digest)
    }

    /// Completes the file under its temporary name, so that several can be published together.
    ///
    /// # Errors
    /// Why the file could not be written; nothing is left behind.
    pub fn complete(mut self, end_reason: &str) -> Result<Finished, Error> {
        self.write_out()?;
        let (bytes, digest) = self.encoder.finish(end_reason);
        Finished::new(self.file, &bytes, digest)
    }

    /// Writes every block that is complete: a killed writer costs no more than the block in flight.
    fn write_out(&mut self) -> Result<(), Error> {
        if self.encoder.output().is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(self.encoder.output());
        self.encoder.clear_output();
        written.map_err(|error| Error::io(self.file.path(), "write the trace", &error))
    }
}

impl Finished {
    /// Of the file of a trace of that content digest, which lacks these last bytes.
    pub(crate) fn new(mut file: NewFile, bytes: &[u8], digest: Digest) -> Result<Finished, Error> {
        let written = file.write_all(bytes).and_then(|()| file.sync());
        written.map_err(|error| Error::io(file.path(), "write the trace", &error))?;
        Ok(Finished { file: Waiting::Open(file), digest })
    }

    /// Where the trace will stand.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The trace's content digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Closes the file until it gets its name, so that any number of them can wait. Meanwhile nothing holds it against a writer
    /// that is told to begin anew; that its place was taken is found out before it gets its name.
    ///
    /// # Errors
    /// The operating system's, or another writer took its place.
    pub fn close(self) -> Result<Finished, Error> {
        Ok(Finished { file: self.file.close()?, ..self })
    }

    /// Gives the trace its final name.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when a file has come to stand there meanwhile and was not to be overwritten;
    /// [`ErrorKind::Io`] otherwise. Nothing is left behind.
    pub fn publish(self) -> Result<(), Error> {
        self.file.publish()
    }

    /// Gives several traces their final names: all of them, or on an error none ([`NewFile::publish_all`]).
    ///
    /// # Errors
    /// As for [`Finished::publish`], for the first that fails.
    pub fn publish_all(traces: Vec<Finished>) -> Result<Vec<PathBuf>, Error> {
        Waiting::publish_all(traces.into_iter().map(|trace| trace.file).collect())
    }
}

/// Where the bytes of a trace come from.
pub trait Source {
    /// How many there are.
    ///
    /// # Errors
    /// Why it cannot be told.
    fn size(&self) -> io::Result<u64>;

    /// Puts those at a range, which lies within the length, into a buffer, in place of what it holds.
    ///
    /// # Errors
    /// Why they cannot be read; fewer bytes than asked for are an error.
    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()>;

    /// Those at a range where they are, of a source that has all of them in memory.
    fn lend(&self, _range: Range<u64>) -> Option<&[u8]> {
        None
    }
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        let len = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        // What the buffer holds is overwritten, so only what it grows by is filled first.
        into.resize(len, 0);
        read_exact_at(self, into, range.start)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[count..];
        offset += count as u64;
    }
    Ok(())
}

impl Source for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        into.extend_from_slice(self.lend(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn lend(&self, range: Range<u64>) -> Option<&[u8]> {
        self.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }
}

impl<S: Source> BlockBytes for Trace<S> {
    fn at<'a>(&'a self, range: Range<u64>, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
        lent_or_read(&self.source, range, buffer).map_err(|error| unreadable(&self.name, &error))
    }
}

/// The bytes at a range: those that a source lends, or what was read into the buffer.
fn lent_or_read<'a>(source: &'a impl Source, range: Range<u64>, buffer: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
    if let Some(bytes) = source.lend(range.clone()) {
        return Ok(bytes);
    }
    source.read(range, buffer)?;
    Ok(buffer)
}

/// The bytes at a range, for who keeps them.
fn lent_or_owned(source: &impl Source, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
    if let Some(bytes) = source.lend(range.clone()) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut bytes = Vec::new();
    source.read(range, &mut bytes)?;
    Ok(Cow::Owned(bytes))
}

/// An open, finished trace. Reads only what is asked about.
#[derive(Debug)]
pub struct Trace<S = File> {
    source: S,
    name: PathBuf,
    index: TraceIndex,
    /// How the file was when it was opened.
    stamp: Option<Stamp>,
}

/// Bytes of digests that are read at once.
const DIGESTS_AT_ONCE: u64 = 64 << 10;

/// The digests of a segment's ticks, 8 bytes LE each, read in pieces: fresh memory for all of them takes three times as long as they do.
/// They may be damaged until [`SegmentDigests::check`] says that they are not.
pub struct SegmentDigests<'a, S> {
    trace: &'a Trace<S>,
    segment: usize,
    /// Of the first `hashed` pieces.
    hasher: XxHash3_64,
    hashed: u64,
    /// The piece that is held, of a source that does not lend its bytes.
    held: Option<u64>,
    buffer: Vec<u8>,
    /// Checksums of the pieces that only the check has read, the last ones: what is read of them again must be the same.
    checked: Vec<u64>,
    is_sound: bool,
}

impl<S> fmt::Debug for SegmentDigests<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentDigests").field("segment", &self.segment).finish_non_exhaustive()
    }
}

impl<S: Source> SegmentDigests<'_, S> {
    /// Those from one of the segment's ticks on, of which the first is 0: one at least, and not always all.
    ///
    /// # Errors
    /// The digests cannot be read; [`ErrorKind::Changed`] if they are not what they were when they were checked.
    ///
    /// # Panics
    /// If the segment has no such tick, or those of a much later one were asked for before.
    pub fn starting_at(&mut self, tick: u64) -> Result<&[u8], Error> {
        assert!(tick < self.trace.segment_ticks(self.segment), "the segment has no tick {tick}");
        let number = tick * 8 / DIGESTS_AT_ONCE;
        for before in self.hashed..number {
            self.piece(before)?;
        }
        let at = usize::try_from(tick * 8 % DIGESTS_AT_ONCE).expect("a piece fits memory");
        Ok(&self.piece(number)?[at..])
    }

    /// Sees whether all digests of the segment are as they were written.
    ///
    /// # Errors
    /// They are not, or they cannot be read.
    pub fn check(&mut self) -> Result<(), Error> {
        if self.is_sound {
            return Ok(());
        }
        let trace = self.trace;
        let entry = &trace.index.segments[self.segment];
        let mut buffer = Vec::new();
        for number in self.hashed..(entry.digests.end - entry.digests.start).div_ceil(DIGESTS_AT_ONCE) {
            let bytes = trace.at(self.range(number), &mut buffer)?;
            self.hash(number, bytes);
            self.checked.push(XxHash3_64::oneshot(bytes));
        }
        entry.check_digests(self.hasher.finish()).map_err(|error| error.in_file(&trace.name))?;
        self.is_sound = true;
        Ok(())
    }

    fn range(&self, number: u64) -> Range<u64> {
        let Range { start, end } = self.trace.index.segments[self.segment].digests;
        start + number * DIGESTS_AT_ONCE..end.min(start + (number + 1) * DIGESTS_AT_ONCE)
    }

    /// One of the pieces. They are first read in their order.
    fn piece(&mut self, number: u64) -> Result<&[u8], Error> {
        let trace = self.trace;
        if let Some(bytes) = trace.source.lend(self.range(number)) {
            self.hash(number, bytes);
            return Ok(bytes);
        }
        if self.held != Some(number) {
            self.held = None;
            let mut buffer = std::mem::take(&mut self.buffer);
            trace.read(self.range(number), &mut buffer)?;
            if number < self.hashed {
                let from_end = usize::try_from(self.hashed - number).expect("a segment has few pieces");
                let before = self.checked.len().checked_sub(from_end).expect("ticks ascend");
                if self.checked[before] != XxHash3_64::oneshot(&buffer) {
                    return Err(written_to(&trace.name));
                }
            }
            self.hash(number, &buffer);
            (self.buffer, self.held) = (buffer, Some(number));
        }
        Ok(&self.buffer)
    }

    fn hash(&mut self, number: u64, bytes: &[u8]) {
        if number == self.hashed {
            self.hasher.write(bytes);
            self.hashed += 1;
        }
    }
}

/// The summaries of a segment's blocks, as they are stored.
#[derive(Debug)]
pub struct SegmentSummaries<'a, S> {
    trace: &'a Trace<S>,
    segment: usize,
    /// Checked by their checksum.
    bytes: Cow<'a, [u8]>,
}

impl<S> SegmentSummaries<'_, S> {
    /// The summary of one of the segment's blocks, of which the first is 0.
    ///
    /// # Errors
    /// The summaries are damaged.
    ///
    /// # Panics
    /// If the segment has no such block.
    pub fn block(&self, block: usize) -> Result<BlockSummary, Error> {
        self.read(|entry, layout, record| entry.summary(layout, record, block))
    }

    fn read<T>(
        &self,
        of: impl FnOnce(&SegmentEntry, &Layout, &ArchivedSummariesRecord) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let TraceIndex { layout, segments, .. } = &self.trace.index;
        let entry = &segments[self.segment];
        let record = entry.summaries(layout, &self.bytes);
        record.and_then(|record| of(entry, layout, record)).map_err(|error| error.in_file(&self.trace.name))
    }
}

/// Between which values the fields of entities are in the blocks of a segment, as it is stored.
#[derive(Debug)]
pub struct SegmentRanges<'a, S> {
    trace: &'a Trace<S>,
    segment: usize,
    /// Checked by their checksum.
    bytes: Cow<'a, [u8]>,
    of_block: RangesOfBlock,
}

impl<S> SegmentRanges<'_, S> {
    /// Of a field of a table of entities, which are counted without its keys, in one of the segment's blocks, of which the first is 0:
    /// the bits of its lowest and of its highest value, ordered as its type is (−0 is below +0). `None` where the block has no rows
    /// of the table.
    ///
    /// # Errors
    /// What is stored is no range of the field's type.
    ///
    /// # Panics
    /// If the segment has no such block, the table is none of entities, or has no such field.
    pub fn field(&self, block: usize, table: TableId, field: usize) -> Result<Option<(u64, u64)>, Error> {
        let TraceIndex { layout, segments, .. } = &self.trace.index;
        let place = self.of_block.place(layout, block, table, field);
        let range = read_range(&self.bytes[place.clone()], layout, table, field);
        let offset = segments[self.segment].ranges.start + place.start as u64;
        range.map_err(|rule| Error::damaged(offset, rule).in_file(&self.trace.name))
    }
}

/// What tells a file that was written to from one that was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    /// `None` where the file system keeps no such time.
    modified: Option<SystemTime>,
}

impl Trace<File> {
    /// Opens the trace at `path`.
    ///
    /// # Errors
    /// The file cannot be read, is not a finished trace of this version, or is damaged.
    pub fn open(path: &Path) -> Result<Trace<File>, Error> {
        let file = open_regular(path)?;
        let stamp = Stamp::of(&file, path)?;
        Ok(Trace { stamp: Some(stamp), ..Trace::from_source(file, path)? })
    }

    /// Whether the file is as it was when it was opened. A trace that takes another's name leaves what is open alone; one
    /// that is written over it does not, and what was read before and after may not belong together.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`] if it was written to.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        if self.stamp.is_some_and(|stamp| Stamp::of(&self.source, &self.name).ok() != Some(stamp)) {
            return Err(written_to(&self.name));
        }
        Ok(())
    }
}

fn written_to(name: &Path) -> Error {
    let rule = "the file was written to while it was read, so nothing can be said of it; try again when it rests";
    Error::new(ErrorKind::Changed, format!("{}: {rule}", name.display()))
}

impl Stamp {
    fn of(file: &File, name: &Path) -> Result<Stamp, Error> {
        let metadata = file.metadata().map_err(|error| Error::io(name, "tell the trace's length", &error))?;
        Ok(Stamp { len: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// Opens a file that has all bytes of a trace at hand: neither a folder nor a pipe, at which opening waits.
pub(crate) fn open_regular(path: &Path) -> Result<File, Error> {
    let refused = |error: &io::Error| Error::io(path, "open the trace", error);
    let metadata = std::fs::metadata(path).map_err(|error| refused(&error))?;
    let not = |rule: &str| Err(Error::new(ErrorKind::Io, format!("{}: this is {rule}", path.display())));
    match (metadata.is_file(), metadata.is_dir()) {
        (true, _) => File::open(path).map_err(|error| refused(&error)),
        (_, true) => not("a folder, not a trace"),
        _ => not("no regular file, so it cannot be a trace"),
    }
}

/// Why bytes could not be read that were there before.
pub(crate) fn unreadable(name: &Path, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let rule = "the file became shorter while it was read: somebody cut or replaced it; try again when it rests";
        return Error::new(ErrorKind::Changed, format!("{}: {rule}", name.display()));
    }
    Error::io(name, "read the trace", error)
}

impl<S: Source> Trace<S> {
    /// Opens a trace whose bytes come from `source`; errors call it `name`.
    ///
    /// # Errors
    /// As for [`Trace::open`].
    pub fn from_source(source: S, name: &Path) -> Result<Trace<S>, Error> {
        let len = source.size().map_err(|error| Error::io(name, "tell the trace's length", &error))?;
        let mut opening = Opening::new(len);
        let mut bytes = Vec::new();
        while let Some(range) = opening.want() {
            let found = lent_or_read(&source, range, &mut bytes).map_err(|error| unreadable(name, &error))?;
            opening.feed(found).map_err(|error| error.in_file(name))?;
        }
        Ok(Trace { source, name: name.to_owned(), index: opening.finish(), stamp: None })
    }

    /// Provenance, layout, loss, blocks and ticks.
    pub fn index(&self) -> &TraceIndex {
        &self.index
    }

    /// What the trace's rows are.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.index.layout
    }

    /// Where the bytes come from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// What errors call the trace.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Bytes of the file.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub fn stored_bytes(&self) -> Result<u64, Error> {
        self.source.size().map_err(|error| Error::io(&self.name, "tell the trace's length", &error))
    }

    /// The rows of some channels of a block, by its index in [`TraceIndex::blocks`].
    ///
    /// # Errors
    /// The block cannot be read or is damaged.
    pub fn block(&self, block: usize, channels: ChannelSet) -> Result<Rows, Error> {
        self.block_by(&mut BlockDecoder::new(), block, channels)
    }

    /// As [`Trace::block`], with the buffers of a decoder. Whoever reads many blocks keeps one and gives rows back to it.
    ///
    /// # Errors
    /// As for [`Trace::block`].
    pub fn block_by(&self, decoder: &mut BlockDecoder, block: usize, channels: ChannelSet) -> Result<Rows, Error> {
        let entry = &self.index.blocks[block];
        let asked = Asked::Channels(channels, [entry.first_tick, entry.last_tick]);
        self.checked(entry, decoder.decode(&self.index.layout, entry, asked, self))
    }

    /// The rows of some channels at a tick; `None` if the trace has no such tick. It is the last tick that they have: memory tells what
    /// changed in it, so with that channel the ticks of the block before it come along.
    ///
    /// # Errors
    /// As for [`Trace::block`].
    pub fn tick_by(&self, decoder: &mut BlockDecoder, tick: Tick, channels: ChannelSet) -> Result<Option<Rows>, Error> {
        let Some(block) = self.index.block_of(tick).filter(|_| self.index.has(tick)) else { return Ok(None) };
        let entry = &self.index.blocks[block];
        let with_memory = channels.contains(Channel::Memory) && self.index.layout.channels().contains(Channel::Memory);
        let first = if with_memory { entry.first_tick } else { tick };
        let asked = Asked::Channels(channels, [first, tick]);
        self.checked(entry, decoder.decode(&self.index.layout, entry, asked, self)).map(Some)
    }

    /// Some columns of one table of a block, by their numbers; its other columns are left empty. Of a table whose columns do
    /// not stand alone ([`cdt_schema::TableSchema::columns_stand_alone`]) all are read.
    ///
    /// # Errors
    /// As for [`Trace::block`].
    pub fn table_by(
        &self,
        decoder: &mut BlockDecoder,
        block: usize,
        table: TableId,
        columns: &[usize],
    ) -> Result<Rows, Error> {
        let entry = &self.index.blocks[block];
        let asked = Asked::Columns(table, columns);
        self.checked(entry, decoder.decode(&self.index.layout, entry, asked, self))
    }

    /// Rows whose ticks are those that the index gives the block.
    fn checked(&self, entry: &BlockEntry, rows: Result<Rows, Error>) -> Result<Rows, Error> {
        let rows = rows.and_then(|rows| {
            let rule = "the block's ticks are not those that the index gives";
            if self.index.has_exactly(rows.ticks()) { Ok(rows) } else { Err(Error::damaged(entry.offset, rule)) }
        });
        rows.map_err(|error| match error.kind() {
            ErrorKind::Io | ErrorKind::Changed => error,
            _ => error.in_file(&self.name),
        })
    }

    /// The digest of every tick of a segment. Segments follow one another and cover the trace; [`Trace::segments`] tells
    /// how many there are.
    ///
    /// # Errors
    /// The digests cannot be read or are damaged.
    pub fn digests(&self, segment: usize) -> Result<Vec<Digest>, Error> {
        let mut digests = self.segment_digests(segment);
        let mut all = Vec::new();
        while (all.len() as u64) < self.segment_ticks(segment) {
            let some = digests.starting_at(all.len() as u64)?.as_chunks::<8>().0;
            all.extend(some.iter().map(|digest| Digest(u64::from_le_bytes(*digest))));
        }
        digests.check()?;
        Ok(all)
    }

    /// The checksum that the index gives for a segment's digests, which are not read for it. Segments that have the same number of ticks
    /// and the same checksum have the same digests, but for a collision of hashes.
    pub fn digests_checksum(&self, segment: usize) -> u64 {
        self.index.segments[segment].digests_checksum
    }

    /// The digests of a segment's ticks as they stand in the file.
    pub fn segment_digests(&self, segment: usize) -> SegmentDigests<'_, S> {
        SegmentDigests {
            trace: self,
            segment,
            hasher: XxHash3_64::new(),
            hashed: 0,
            held: None,
            buffer: Vec::new(),
            checked: Vec::new(),
            is_sound: false,
        }
    }

    /// The summaries of a segment's blocks, in the order of [`TraceIndex::blocks`].
    ///
    /// # Errors
    /// The summaries cannot be read or are damaged.
    pub fn summaries(&self, segment: usize) -> Result<Vec<BlockSummary>, Error> {
        let summaries = self.segment_summaries(segment)?;
        summaries.read(|entry, layout, record| {
            (0..entry.blocks.len()).map(|block| entry.summary(layout, record, block)).collect()
        })
    }

    /// The summaries of a segment's blocks as they are stored, for who wants few of them: each is checked when it is asked for.
    ///
    /// # Errors
    /// The summaries cannot be read or are damaged.
    pub fn segment_summaries(&self, segment: usize) -> Result<SegmentSummaries<'_, S>, Error> {
        let entry = &self.index.segments[segment];
        let bytes = lent_or_owned(&self.source, entry.summaries.clone());
        let bytes = bytes.map_err(|error| unreadable(&self.name, &error))?;
        entry.check_summaries(&bytes).map_err(|error| error.in_file(&self.name))?;
        Ok(SegmentSummaries { trace: self, segment, bytes })
    }

    /// Between which values the fields of entities are in the blocks of a segment.
    ///
    /// # Errors
    /// The ranges cannot be read or are damaged.
    pub fn ranges(&self, segment: usize) -> Result<SegmentRanges<'_, S>, Error> {
        let TraceIndex { layout, segments, .. } = &self.index;
        let entry = &segments[segment];
        let bytes = lent_or_owned(&self.source, entry.ranges.clone());
        let bytes = bytes.map_err(|error| unreadable(&self.name, &error))?;
        entry.check_ranges(&bytes).map_err(|error| error.in_file(&self.name))?;
        Ok(SegmentRanges { trace: self, segment, bytes, of_block: RangesOfBlock::new(layout) })
    }

    /// What the ticks of a segment hold.
    pub fn totals(&self, segment: usize) -> &Totals {
        &self.index.segments[segment].totals
    }

    /// How many ticks a segment has.
    pub fn segment_ticks(&self, segment: usize) -> u64 {
        let digests = &self.index.segments[segment].digests;
        (digests.end - digests.start) / 8
    }

    /// The blocks of a segment, by their indices in [`TraceIndex::blocks`].
    pub fn blocks_of(&self, segment: usize) -> Range<usize> {
        self.index.segments[segment].blocks.clone()
    }

    /// How many segments of digests, ranges and summaries there are.
    pub fn segments(&self) -> usize {
        self.index.segments.len()
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> Result<(), Error> {
        self.source.read(range, into).map_err(|error| unreadable(&self.name, &error))
    }
}
