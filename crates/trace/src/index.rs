//! What opening a trace gives: provenance, layout, loss, and where every block and digest stands. [`Opening`] says which
//! bytes it needs next and does no I/O.

use std::ops::Range;
use std::sync::Arc;

use cdt_schema::{Digest, Layout, Tick};
use twox_hash::XxHash3_64;

use crate::block::{MAX_TAIL, MAX_TICKS};
use crate::ranges::{RANGE, ranges_of_block};
use crate::records::{
    self, ArchivedFooterRecord, ArchivedLossRecord, ArchivedMetaRecord, ArchivedSegmentRecord, ArchivedSummariesRecord,
    ArchivedTickRunRecord,
};
use crate::section::{self, FILE_HEADER, SECTION_HEADER, TRAILER, Tag};
use crate::summary::{Change, diagnostic_channels};
use crate::{BlockSummary, Error, ErrorKind, Loss, Meta, Totals};

/// Consecutive ticks without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickRun {
    /// The first of them.
    pub first: Tick,
    /// How many; at least one.
    pub count: u32,
}

impl TickRun {
    /// The last of them.
    pub fn last(&self) -> Tick {
        Tick(self.first.0 + (self.count - 1))
    }
}

/// The runs that ascending ticks form.
pub(crate) fn tick_runs_of(ticks: &[Tick]) -> impl Iterator<Item = TickRun> + '_ {
    ticks
        .chunk_by(|a, b| a.next() == Some(*b))
        .map(|chunk| TickRun { first: chunk[0], count: u32::try_from(chunk.len()).expect("ticks are 32-bit") })
}

/// Appends a run, joining it to the last one where they touch.
pub(crate) fn push_run(runs: &mut Vec<TickRun>, run: TickRun) {
    match runs.last_mut() {
        // All 2^32 ticks do not fit a count; then the runs stay apart.
        Some(last) if last.last().next() == Some(run.first) && last.count.checked_add(run.count).is_some() => {
            last.count += run.count;
        }
        _ => runs.push(run),
    }
}

/// Where a block stands and which ticks it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// Its first byte in the file.
    pub offset: u64,
    pub(crate) head_len: u32,
    pub(crate) tail_len: u32,
    /// Its first tick.
    pub first_tick: Tick,
    /// Its last tick.
    pub last_tick: Tick,
    /// How many ticks it has.
    pub ticks: u32,
}

impl BlockEntry {
    pub(crate) fn tail_start(&self) -> u64 {
        self.offset + SECTION_HEADER + u64::from(self.head_len)
    }

    pub(crate) fn end(&self) -> u64 {
        self.tail_start() + u64::from(self.tail_len)
    }

    /// Bytes of the block in the file.
    pub fn stored_bytes(&self) -> u64 {
        self.end() - self.offset
    }
}

/// Digests, ranges and summaries of about 65,536 ticks.
#[derive(Clone, Debug)]
pub(crate) struct SegmentEntry {
    pub(crate) offset: u64,
    pub(crate) digests: Range<u64>,
    pub(crate) digests_checksum: u64,
    pub(crate) ranges: Range<u64>,
    pub(crate) ranges_checksum: u64,
    pub(crate) summaries: Range<u64>,
    pub(crate) summaries_checksum: u64,
    /// Indices into [`TraceIndex::blocks`].
    pub(crate) blocks: Range<usize>,
    pub(crate) totals: Totals,
}

/// What a finished trace says of itself.
#[derive(Clone, Debug)]
pub struct TraceIndex {
    /// Where the run came from.
    pub meta: Meta,
    /// What its rows are.
    pub layout: Arc<Layout>,
    /// Every block, ticks ascending.
    pub blocks: Vec<BlockEntry>,
    /// The trace's ticks.
    pub tick_runs: Vec<TickRun>,
    /// What was lost.
    pub loss: Vec<Loss>,
    /// Digest over the layout, and every tick's number and digest.
    pub content_digest: Digest,
    /// Why the run ended.
    pub end_reason: String,
    pub(crate) segments: Vec<SegmentEntry>,
    /// Where the entries of the loss ledger stand.
    pub(crate) loss_offsets: Vec<u64>,
}

impl TraceIndex {
    /// How many ticks the trace has.
    pub fn ticks(&self) -> u64 {
        self.tick_runs.iter().map(|run| u64::from(run.count)).sum()
    }

    /// First and last tick; `None` for a trace without ticks.
    pub fn tick_range(&self) -> Option<(Tick, Tick)> {
        Some((self.tick_runs.first()?.first, self.tick_runs.last()?.last()))
    }

    /// Whether the trace has a tick.
    pub fn has(&self, tick: Tick) -> bool {
        let at = self.tick_runs.partition_point(|run| run.last() < tick);
        self.tick_runs.get(at).is_some_and(|run| run.first <= tick)
    }

    /// The trace's ticks from one to another, both included.
    pub(crate) fn ticks_between(&self, first: Tick, last: Tick) -> impl Iterator<Item = Tick> {
        let from = self.tick_runs.partition_point(|run| run.last() < first);
        let runs = self.tick_runs[from..].iter().map(move |run| (run.first.max(first), run.last().min(last)));
        runs.take_while(|(first, last)| first <= last).flat_map(|(first, last)| (first.0..=last.0).map(Tick))
    }

    /// Whether ascending ticks are all that the trace has from the first to the last of them.
    pub(crate) fn has_exactly(&self, ticks: &[Tick]) -> bool {
        let Some(&first) = ticks.first() else { return true };
        let from = self.tick_runs.partition_point(|run| run.last() < first);
        let runs = self.tick_runs[from..].iter().map(|run| (run.first.max(first), run.last()));
        let mut expected = runs.flat_map(|(first, last)| (first.0..=last.0).map(Tick));
        ticks.iter().all(|&tick| expected.next() == Some(tick))
    }

    /// Index in [`TraceIndex::blocks`] of the block whose ticks span `tick`, if one does.
    pub fn block_of(&self, tick: Tick) -> Option<usize> {
        let index = self.blocks.partition_point(|block| block.last_tick < tick);
        self.blocks.get(index).filter(|block| block.first_tick <= tick).map(|_| index)
    }
}

/// Opens a trace without doing I/O: ask [`Opening::want`], fetch the bytes, [`Opening::feed`] them.
#[derive(Debug)]
pub struct Opening {
    file_len: u64,
    state: State,
    index: Partial,
}

#[derive(Debug)]
enum State {
    FileHeader,
    Meta(Range<u64>),
    Trailer,
    Footer(Range<u64>),
    Segment(usize),
    Loss(usize),
    Done,
}

/// What has been read so far.
#[derive(Debug, Default)]
struct Partial {
    meta: Option<(Meta, Arc<Layout>)>,
    footer: u64,
    segments: Vec<(u64, u32, u32)>,
    losses: Vec<(u64, u32)>,
    content_digest: Digest,
    end_reason: String,
    blocks: Vec<BlockEntry>,
    tick_runs: Vec<TickRun>,
    loss: Vec<Loss>,
    entries: Vec<SegmentEntry>,
    /// The sections that were read, and so checked to their ends.
    sections: Vec<Range<u64>>,
}

impl Opening {
    /// Begins to open a file of that many bytes.
    pub fn new(file_len: u64) -> Opening {
        Opening { file_len, state: State::FileHeader, index: Partial::default() }
    }

    /// The range of the file that [`Opening::feed`] expects next; `None` when there is nothing more to read.
    pub fn want(&self) -> Option<Range<u64>> {
        Some(match &self.state {
            State::FileHeader => 0..self.file_len.min(FILE_HEADER + SECTION_HEADER),
            State::Meta(range) | State::Footer(range) => range.clone(),
            State::Trailer => self.file_len - TRAILER..self.file_len,
            State::Segment(at) => {
                let (offset, head_len, _) = self.index.segments[*at];
                offset..offset + SECTION_HEADER + u64::from(head_len)
            }
            State::Loss(at) => {
                let (offset, head_len) = self.index.losses[*at];
                offset..offset + SECTION_HEADER + u64::from(head_len)
            }
            State::Done => return None,
        })
    }

    /// Takes the bytes of the wanted range.
    ///
    /// # Errors
    /// The file is not a finished trace of this version, or is damaged.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.state = match &self.state {
            State::FileHeader => {
                section::check_file_header(bytes)?;
                if self.file_len < FILE_HEADER + SECTION_HEADER + TRAILER {
                    let rule = "the trace is not finished: it ends inside its header; record or finalize it again";
                    return Err(Error::new(ErrorKind::Incomplete, rule));
                }
                let header = &bytes[usize::try_from(FILE_HEADER).expect("16")..];
                let end = self.file_len;
                let header = section::read_header(Tag::Meta, FILE_HEADER, header, end)?;
                State::Meta(FILE_HEADER..header.head(FILE_HEADER).end)
            }
            State::Meta(_) => {
                let (header, head) = section::read_head(Tag::Meta, FILE_HEADER, bytes, self.file_len)?;
                self.index.sections.push(FILE_HEADER..header.head(FILE_HEADER).end);
                self.index.meta = Some(read_meta(head).map_err(|rule| Error::damaged(FILE_HEADER, rule))?);
                State::Trailer
            }
            State::Trailer => {
                let trailer = bytes.try_into().expect("the trailer's 24 bytes");
                self.index.footer = section::read_trailer(trailer, self.file_len)?;
                State::Footer(self.index.footer..self.file_len - TRAILER)
            }
            State::Footer(range) => {
                let end = range.end;
                self.index.read_footer(bytes, end)?;
                self.index.next_segment(0)
            }
            State::Segment(at) => {
                let at = *at;
                self.index.read_segment(at, bytes)?;
                self.index.next_segment(at + 1)
            }
            State::Loss(at) => {
                let at = *at;
                self.index.read_loss(at, bytes)?;
                self.index.next_loss(at + 1)
            }
            State::Done => panic!("the trace is open already"),
        };
        if let State::Done = self.state { self.index.check_sections() } else { Ok(()) }
    }

    /// The opened trace.
    ///
    /// # Panics
    /// If [`Opening::want`] still wants something.
    pub fn finish(self) -> TraceIndex {
        assert!(matches!(self.state, State::Done), "the opening wants more bytes");
        let (meta, layout) = self.index.meta.expect("the meta section is read first");
        TraceIndex {
            meta,
            layout,
            blocks: self.index.blocks,
            tick_runs: self.index.tick_runs,
            loss: self.index.loss,
            content_digest: self.index.content_digest,
            end_reason: self.index.end_reason,
            segments: self.index.entries,
            loss_offsets: self.index.losses.iter().map(|&(offset, _)| offset).collect(),
        }
    }
}

pub(crate) fn read_meta(head: &[u8]) -> Result<(Meta, Arc<Layout>), String> {
    let record = records::access::<ArchivedMetaRecord>(head)?;
    Ok((record.meta()?, Arc::new(record.layout()?)))
}

impl Partial {
    fn next_segment(&self, at: usize) -> State {
        if at < self.segments.len() { State::Segment(at) } else { self.next_loss(0) }
    }

    fn next_loss(&self, at: usize) -> State {
        if at < self.losses.len() { State::Loss(at) } else { State::Done }
    }

    /// Every byte before the footer belongs to a section that the index names: one that it does not name, a loss for
    /// instance, would be missed in silence.
    fn check_sections(&mut self) -> Result<(), Error> {
        let mut all = std::mem::take(&mut self.sections);
        all.sort_by_key(|section| section.start);
        all.push(self.footer..self.footer);
        let mut end = FILE_HEADER;
        for section in all {
            if section.start != end {
                let rule = format!("no section that the index names ends at byte {}", section.start);
                return Err(Error::damaged(end, rule));
            }
            end = section.end;
        }
        Ok(())
    }

    fn read_footer(&mut self, bytes: &[u8], end: u64) -> Result<(), Error> {
        let offset = self.footer;
        let damaged = |rule: String| Error::damaged(offset, rule);
        let header = section::read_header(Tag::Footer, offset, bytes, end)?;
        if header.head(offset).end != end {
            return Err(damaged("the footer does not end where the trailer begins".to_owned()));
        }
        let (_, head) = section::read_head(Tag::Footer, offset, bytes, end)?;
        let record = records::access::<ArchivedFooterRecord>(head).map_err(damaged)?;
        let inside = |at: u64, head_len: u32| {
            let fits = at >= FILE_HEADER
                && at.checked_add(SECTION_HEADER + u64::from(head_len)).is_some_and(|end| end <= offset);
            if fits { Ok(()) } else { Err(damaged(format!("a section of the index cannot stand at byte {at}"))) }
        };
        for entry in record.segments.iter() {
            let entry = (entry.offset.to_native(), entry.head_len.to_native(), entry.ticks.to_native());
            inside(entry.0, entry.1)?;
            if self.segments.last().is_some_and(|last| last.0 + SECTION_HEADER + u64::from(last.1) > entry.0) {
                return Err(damaged("the segments are out of order".to_owned()));
            }
            self.segments.push(entry);
        }
        for entry in record.loss.iter() {
            let entry = (entry.offset.to_native(), entry.head_len.to_native());
            inside(entry.0, entry.1)?;
            // Each byte once: a small file must not ask for a large memory by naming one section very often, or such as
            // share their bytes.
            if self.losses.last().is_some_and(|last| last.0 + SECTION_HEADER + u64::from(last.1) > entry.0) {
                return Err(damaged("the entries of the loss ledger are out of order".to_owned()));
            }
            self.losses.push(entry);
        }
        self.content_digest = Digest(record.content_digest.to_native());
        self.end_reason = record.end_reason.as_str().to_owned();
        Ok(())
    }

    fn read_segment(&mut self, at: usize, bytes: &[u8]) -> Result<(), Error> {
        let (offset, _, ticks) = self.segments[at];
        let damaged = |rule: String| Error::damaged(offset, rule);
        let (header, head) = section::read_head(Tag::Segment, offset, bytes, self.footer)?;
        let record = records::access::<ArchivedSegmentRecord>(head).map_err(damaged)?;
        let first_block = self.blocks.len();
        let counted = self.read_blocks(record, offset).map_err(damaged)?;
        let in_runs = self.read_runs(record).map_err(damaged)?;
        if counted == 0 {
            return Err(damaged("a segment has at least one tick".to_owned()));
        }
        if counted != u64::from(ticks) || in_runs != counted {
            return Err(damaged(format!("{ticks} ticks are announced, {counted} in blocks, {in_runs} in runs")));
        }
        if !runs_fit(record.tick_runs.iter(), &self.blocks[first_block..]) {
            return Err(damaged("the runs of ticks are not those of the blocks".to_owned()));
        }
        let (_, layout) = self.meta.as_ref().expect("the meta section is read first");
        let totals = record.totals(layout).map_err(damaged)?;
        totals.check(layout, self.blocks.len() - first_block, counted).map_err(damaged)?;
        let tail = header.tail(offset);
        self.sections.push(offset..tail.end);
        let digests = tail.start..tail.start + counted * 8;
        let blocks = first_block..self.blocks.len();
        let ranges = digests.end..digests.end + blocks.len() as u64 * (ranges_of_block(layout) * RANGE) as u64;
        if ranges.end > tail.end {
            let what = format!("the digests of {counted} ticks and the ranges of {} blocks", blocks.len());
            return Err(damaged(format!("{what} do not fit {} bytes", header.tail_len)));
        }
        self.entries.push(SegmentEntry {
            offset,
            summaries: ranges.end..tail.end,
            digests,
            digests_checksum: record.digests_checksum.to_native(),
            ranges,
            ranges_checksum: record.ranges_checksum.to_native(),
            summaries_checksum: record.summaries_checksum.to_native(),
            blocks,
            totals,
        });
        Ok(())
    }

    /// Takes the entries of a segment's blocks, which end where it begins or sooner, and gives how many ticks they have.
    fn read_blocks(&mut self, record: &ArchivedSegmentRecord, offset: u64) -> Result<u64, String> {
        let mut counted = 0u64;
        self.blocks.reserve(record.blocks.len());
        let (mut start, mut next_tick) = match self.blocks.last() {
            Some(last) => (last.end(), u64::from(last.last_tick.0) + 1),
            None => (FILE_HEADER, 0),
        };
        // Blocks that stand side by side, as nearly all do, are one for whoever looks for gaps.
        let mut stretch = start..start;
        for entry in record.blocks.iter() {
            let block = BlockEntry {
                offset: entry.offset.to_native(),
                head_len: entry.head_len.to_native(),
                tail_len: entry.tail_len.to_native(),
                first_tick: Tick(entry.first_tick.to_native()),
                last_tick: Tick(entry.last_tick.to_native()),
                ticks: entry.ticks.to_native(),
            };
            let lengths = SECTION_HEADER + u64::from(block.head_len) + u64::from(block.tail_len);
            let fits = block.offset >= start && block.offset.checked_add(lengths).is_some_and(|end| end <= offset);
            let ascends = u64::from(block.first_tick.0) >= next_tick;
            let span = u64::from(block.last_tick.0) + 1;
            let holds = block.ticks > 0 && u64::from(block.first_tick.0) + u64::from(block.ticks) <= span;
            if !fits || !ascends || !holds {
                return Err(format!("block {} of the index is out of order or place", self.blocks.len()));
            }
            if block.ticks as usize > MAX_TICKS || block.tail_len > MAX_TAIL {
                let (number, ticks, bytes) = (self.blocks.len(), block.ticks, block.tail_len);
                let rule =
                    format!("block {number} of the index has {ticks} ticks and a tail of {bytes} bytes; at most");
                return Err(format!("{rule} {MAX_TICKS} and {MAX_TAIL} are expected"));
            }
            if block.offset != stretch.end {
                self.sections.extend((!stretch.is_empty()).then_some(stretch));
                stretch = block.offset..block.offset;
            }
            counted += u64::from(block.ticks);
            (start, next_tick) = (block.end(), span);
            stretch.end = start;
            self.blocks.push(block);
        }
        self.sections.extend((!stretch.is_empty()).then_some(stretch));
        Ok(counted)
    }

    /// Takes a segment's runs of ticks, and gives how many ticks they have.
    fn read_runs(&mut self, record: &ArchivedSegmentRecord) -> Result<u64, String> {
        let mut in_runs = 0u64;
        for (number, run) in record.tick_runs.iter().enumerate() {
            let run = TickRun { first: Tick(run.first.to_native()), count: run.count.to_native() };
            let fits = run.count > 0 && run.first.0.checked_add(run.count - 1).is_some();
            // Runs that touch are one, but for those of two segments.
            let earliest = self.tick_runs.last().map_or(Some(Tick(0)), |last| {
                let next = last.last().next();
                if number == 0 { next } else { next.and_then(Tick::next) }
            });
            if !fits || earliest.is_none_or(|earliest| run.first < earliest) {
                let rule = format!("the run of ticks from {} does not stand apart behind the ones before", run.first);
                return Err(rule);
            }
            in_runs += u64::from(run.count);
            push_run(&mut self.tick_runs, run);
        }
        Ok(in_runs)
    }

    fn read_loss(&mut self, at: usize, bytes: &[u8]) -> Result<(), Error> {
        let (offset, _) = self.losses[at];
        let (header, head) = section::read_head(Tag::Loss, offset, bytes, self.footer)?;
        self.sections.push(offset..header.head(offset).end);
        let loss = records::access::<ArchivedLossRecord>(head).and_then(ArchivedLossRecord::loss);
        self.loss.push(loss.map_err(|rule| Error::damaged(offset, rule))?);
        Ok(())
    }
}

/// Whether runs of ticks, as many as the blocks', begin and end with each block's ticks: the digests' ticks are known from
/// the runs alone.
fn runs_fit<'a>(runs: impl Iterator<Item = &'a ArchivedTickRunRecord>, blocks: &[BlockEntry]) -> bool {
    let mut runs = runs.map(|run| (run.first.to_native(), run.count.to_native()));
    let (mut next, mut left) = (0u32, 0u32);
    for block in blocks {
        // Nearly always the block is one with those before it.
        if left > block.ticks {
            if next != block.first_tick.0 || next + (block.ticks - 1) != block.last_tick.0 {
                return false;
            }
            (next, left) = (next + block.ticks, left - block.ticks);
            continue;
        }
        let mut due = block.ticks;
        let mut first = true;
        while due > 0 {
            if left == 0 {
                let Some(run) = runs.next() else { return false };
                (next, left) = run;
            }
            if std::mem::take(&mut first) && next != block.first_tick.0 {
                return false;
            }
            let taken = due.min(left);
            due -= taken;
            left -= taken;
            if due == 0 && next + (taken - 1) != block.last_tick.0 {
                return false;
            }
            next = next.wrapping_add(taken);
        }
    }
    true
}

impl SegmentEntry {
    /// Whether this is the checksum of the segment's tick digests.
    pub(crate) fn check_digests(&self, checksum: u64) -> Result<(), Error> {
        if checksum == self.digests_checksum {
            return Ok(());
        }
        Err(Error::damaged(self.digests.start, "the checksum of the tick digests does not match"))
    }

    /// Whether these are the bytes of the ranges of the segment's blocks.
    pub(crate) fn check_ranges(&self, bytes: &[u8]) -> Result<(), Error> {
        if XxHash3_64::oneshot(bytes) == self.ranges_checksum {
            return Ok(());
        }
        Err(Error::damaged(self.ranges.start, "the checksum of the ranges of the blocks' fields does not match"))
    }

    /// Whether these are the bytes of the summaries of the segment's blocks.
    pub(crate) fn check_summaries(&self, bytes: &[u8]) -> Result<(), Error> {
        if XxHash3_64::oneshot(bytes) == self.summaries_checksum {
            return Ok(());
        }
        Err(Error::damaged(self.summaries.start, "the checksum of the block summaries does not match"))
    }

    /// What the bytes of the summaries hold, which [`SegmentEntry::check_summaries`] has seen.
    pub(crate) fn summaries<'a>(&self, layout: &Layout, bytes: &'a [u8]) -> Result<&'a ArchivedSummariesRecord, Error> {
        let damaged = |rule: String| Error::damaged(self.summaries.start, rule);
        let record = records::access::<ArchivedSummariesRecord>(bytes).map_err(damaged)?;
        let blocks = self.blocks.len();
        let columns: usize = layout.tables().iter().map(|table| table.columns.len()).sum();
        let lengths = [
            (record.channel_digests.len(), layout.channels().iter().count()),
            (record.rows.len(), layout.tables().len()),
            (record.ticks_with_input.len(), 1),
            (record.changed.len(), columns),
            (record.diagnostics.len(), diagnostic_channels(layout).count()),
        ];
        if lengths.iter().any(|(len, each)| *len != each * blocks) {
            return Err(damaged(format!("the summaries are not those of {blocks} blocks")));
        }
        Ok(record)
    }

    /// The summary of one of the segment's blocks.
    pub(crate) fn summary(
        &self,
        layout: &Layout,
        record: &ArchivedSummariesRecord,
        block: usize,
    ) -> Result<BlockSummary, Error> {
        let digest = |digest: &rkyv::rend::unaligned::u64_ule| Digest(digest.to_native());
        let totals = Totals {
            rows: of_block(&record.rows, self, block).iter().map(|count| u64::from(count.to_native())).collect(),
            ticks_with_input: u64::from(record.ticks_with_input[block].to_native()),
            changed: of_block(&record.changed, self, block).iter().map(|&bits| Change::from_bits(bits)).collect(),
            diagnostics: of_block(&record.diagnostics, self, block).iter().map(digest).collect(),
        };
        totals.check(layout, 1, MAX_TICKS as u64).map_err(|rule| Error::damaged(self.summaries.start, rule))?;
        let channel_digests = of_block(&record.channel_digests, self, block).iter().map(digest).collect();
        Ok(BlockSummary { channel_digests, totals })
    }
}

/// What is one block's of a list that has as many items of each block of a segment.
fn of_block<'a, T>(list: &'a [T], segment: &SegmentEntry, block: usize) -> &'a [T] {
    let each = list.len() / segment.blocks.len();
    &list[block * each..][..each]
}
