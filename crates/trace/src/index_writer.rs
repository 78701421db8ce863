//! What a trace's segments and footer say, gathered block by block: by the encoder of what it writes, by whoever follows
//! or recovers a trace of what was read.

use cdt_schema::{ContentDigest, Digest, Layout, Rows, Tick, TickDigester};
use twox_hash::XxHash3_64;

use crate::block::MAX_TAIL;
use crate::index::{TickRun, push_run, tick_runs_of};
use crate::records::{
    ArchivedBlockEntryRecord, ArchivedSegmentRecord, ArchivedTickRunRecord, BlockEntryRecord, FooterRecord, LossRecord,
    SectionRecord, SegmentEntryRecord, SegmentRecord, SummariesRecord, TickRunRecord, access, to_bytes,
};
use crate::section::{SECTION_HEADER, Tag, file_header, trailer, write_section};
use crate::{BlockEntry, Loss, Summarizer, Totals, ranges};

/// Ticks after which what is gathered so far is written out, so that it need not be held for the whole run.
const SEGMENT_TICKS: usize = 65_536;
/// Bytes of ranges and summaries after which it is written out too.
const SEGMENT_BYTES: usize = 4 << 20;

/// What is gathered of a trace's blocks.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    digester: TickDigester,
    content: ContentDigest,
    summarizer: Summarizer,
    /// Of the blocks that no segment has yet: where they stand, their ticks, the ticks' digests, the ranges of fields, what is known of
    /// them.
    blocks: Vec<BlockEntry>,
    tick_runs: Vec<TickRun>,
    digests: Vec<Digest>,
    /// Between which values their fields are, as it is stored.
    ranges: Vec<u8>,
    summaries: SummariesRecord,
    /// What those blocks hold together.
    totals: Totals,
    segments: Vec<Place>,
    losses: Vec<Place>,
}

/// Where a section stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    head_len: u32,
    /// Of a segment.
    ticks: u32,
}

impl IndexWriter {
    /// Of a trace without blocks.
    pub(crate) fn new(layout: &Layout) -> IndexWriter {
        IndexWriter {
            digester: TickDigester::new(layout),
            content: ContentDigest::new(layout),
            summarizer: Summarizer::new(layout),
            blocks: Vec::new(),
            tick_runs: Vec::new(),
            digests: Vec::new(),
            ranges: Vec::new(),
            summaries: SummariesRecord::default(),
            totals: Totals::none(layout),
            segments: Vec::new(),
            losses: Vec::new(),
        }
    }

    /// Takes the next tick of the block in the making, and gives its digest.
    pub(crate) fn tick(&mut self, rows: &Rows, index: usize) -> Digest {
        let digests = self.digester.digest(rows, index);
        self.content.push(rows.ticks()[index], digests.tick);
        self.digests.push(digests.tick);
        self.summarizer.tick(rows.layout(), &digests);
        digests.tick
    }

    /// Ends the block whose rows these are, all ticks of which were taken.
    pub(crate) fn block(&mut self, rows: &Rows, entry: BlockEntry) {
        tick_runs_of(rows.ticks()).for_each(|run| push_run(&mut self.tick_runs, run));
        ranges::put(rows, &mut self.ranges);
        let summary = self.summarizer.block(rows);
        self.summaries.push(&summary);
        self.totals.add(rows.layout(), &summary.totals);
        self.blocks.push(entry);
    }

    /// An entry of the loss ledger stands there.
    pub(crate) fn loss(&mut self, offset: u64, head_len: u32) {
        self.losses.push(Place { offset, head_len, ticks: 0 });
    }

    /// Whether the blocks since the last segment are as many as one should hold.
    fn is_segment_due(&self) -> bool {
        self.digests.len() >= SEGMENT_TICKS || self.ranges.len() + self.summaries.bytes() >= SEGMENT_BYTES
    }

    /// Takes the segment that another one wrote of the blocks since the last one, or tells which rule it breaks.
    pub(crate) fn read_segment(&mut self, offset: u64, head: &[u8], told: &[u8]) -> Result<(), String> {
        let record = access::<ArchivedSegmentRecord>(head)?;
        let same = |(theirs, ours): (&ArchivedBlockEntryRecord, &BlockEntry)| {
            (theirs.offset, theirs.head_len, theirs.tail_len)
                == (ours.offset.into(), ours.head_len.into(), ours.tail_len.into())
                && (theirs.first_tick, theirs.last_tick) == (ours.first_tick.0.into(), ours.last_tick.0.into())
                && theirs.ticks == ours.ticks
        };
        let run = |run: &ArchivedTickRunRecord| TickRun { first: Tick(run.first.into()), count: run.count.into() };
        let same_blocks = record.blocks.len() == self.blocks.len() && record.blocks.iter().zip(&self.blocks).all(same);
        let same_runs = record.tick_runs.iter().map(run).eq(self.tick_runs.iter().copied());
        if !same_blocks || !same_runs {
            return Err("the segment's blocks are not those before it".to_owned());
        }
        let (digests, ranges) = told.split_at_checked(self.digests.len() * 8).unwrap_or((told, &[]));
        let theirs = digests.as_chunks::<8>().0.iter().map(|digest| Digest(u64::from_le_bytes(*digest)));
        if self.digests.is_empty() || !theirs.eq(self.digests.iter().copied()) {
            return Err("the segment's digests are not those of the rows before it".to_owned());
        }
        if ranges != self.ranges {
            return Err("the segment's ranges are not those of the rows before it".to_owned());
        }
        self.segment(offset, u32::try_from(head.len()).expect("a section's head is below 2^28 bytes"));
        Ok(())
    }

    /// A segment of the blocks since the last one stands there.
    fn segment(&mut self, offset: u64, head_len: u32) {
        let ticks = u32::try_from(self.digests.len()).expect("a segment has few ticks more than 65,536");
        self.segments.push(Place { offset, head_len, ticks });
        self.blocks.clear();
        self.tick_runs.clear();
        self.digests.clear();
        self.ranges.clear();
        self.summaries = SummariesRecord::default();
        self.totals.clear();
    }

    /// Appends what makes a whole trace of the sections so far: a loss, if there is one to add, the last segment, the footer
    /// and the trailer. Gives the content digest.
    pub(crate) fn end(&self, taken: u64, loss: Option<&Loss>, end_reason: &str, out: &mut Vec<u8>) -> Digest {
        let lost = loss.map(|loss| put(taken, out, Tag::Loss, &to_bytes(&LossRecord::new(loss)), &[]));
        let segment = self.put_segment(taken, out);
        let content = self.content.finish();
        let of_segment =
            |place: &Place| SegmentEntryRecord { offset: place.offset, head_len: place.head_len, ticks: place.ticks };
        let of_loss = |place: &Place| SectionRecord { offset: place.offset, head_len: place.head_len };
        let footer = FooterRecord {
            segments: self.segments.iter().chain(&segment).map(of_segment).collect(),
            loss: self.losses.iter().chain(&lost).map(of_loss).collect(),
            content_digest: content.0,
            end_reason: end_reason.to_owned(),
        };
        let footer = put(taken, out, Tag::Footer, &to_bytes(&footer), &[]);
        out.extend_from_slice(&trailer(footer.offset));
        content
    }

    fn put_segment(&self, taken: u64, out: &mut Vec<u8>) -> Option<Place> {
        if self.digests.is_empty() {
            return None;
        }
        let mut tail: Vec<u8> = self.digests.iter().flat_map(|digest| digest.0.to_le_bytes()).collect();
        let digests_checksum = XxHash3_64::oneshot(&tail);
        let summaries = to_bytes(&self.summaries);
        tail.extend_from_slice(&self.ranges);
        tail.extend_from_slice(&summaries);
        let block = |entry: &BlockEntry| BlockEntryRecord {
            offset: entry.offset,
            head_len: entry.head_len,
            tail_len: entry.tail_len,
            first_tick: entry.first_tick.0,
            last_tick: entry.last_tick.0,
            ticks: entry.ticks,
        };
        let mut record = SegmentRecord {
            blocks: self.blocks.iter().map(block).collect(),
            tick_runs: self
                .tick_runs
                .iter()
                .map(|run| TickRunRecord { first: run.first.0, count: run.count })
                .collect(),
            digests_checksum,
            ranges_checksum: XxHash3_64::oneshot(&self.ranges),
            summaries_checksum: XxHash3_64::oneshot(&summaries),
            ..SegmentRecord::default()
        };
        record.put_totals(&self.totals);
        let ticks = u32::try_from(self.digests.len()).expect("a segment has few ticks more than 65,536");
        Some(Place { ticks, ..put(taken, out, Tag::Segment, &to_bytes(&record), &tail) })
    }
}

/// The sections of a trace in the making, with their index. Bytes pile up until they are taken.
#[derive(Debug)]
pub(crate) struct SectionWriter {
    index: IndexWriter,
    /// The segment that was written behind the last block, if one was.
    segment: Option<SegmentCopy>,
    out: Vec<u8>,
    /// Bytes handed out before those in `out`.
    taken: u64,
}

impl SectionWriter {
    /// Begins the trace that has this record as head of its `META` section.
    pub(crate) fn new(layout: &Layout, meta: &[u8]) -> SectionWriter {
        let mut out = file_header().to_vec();
        write_section(Tag::Meta, meta, &[], &mut out);
        SectionWriter { index: IndexWriter::new(layout), segment: None, out, taken: 0 }
    }

    /// Takes the next tick of the block in the making, and gives its digest.
    pub(crate) fn tick(&mut self, rows: &Rows, index: usize) -> Digest {
        self.index.tick(rows, index)
    }

    /// Ends the block whose rows these are, all ticks of which were taken, and which is encoded so.
    pub(crate) fn block(&mut self, rows: &Rows, head: &[u8], tail: &[u8]) {
        assert!(tail.len() <= MAX_TAIL as usize, "what is encoded takes little more than the rows");
        let Place { offset, head_len, .. } = put(self.taken, &mut self.out, Tag::Block, head, tail);
        let ticks = rows.ticks();
        let entry = BlockEntry {
            offset,
            head_len,
            tail_len: u32::try_from(tail.len()).expect("a block is far below 4 GiB"),
            first_tick: ticks[0],
            last_tick: ticks[ticks.len() - 1],
            ticks: u32::try_from(ticks.len()).expect("at most 65,536"),
        };
        self.index.block(rows, entry);
        self.segment = None;
        if self.index.is_segment_due() {
            let start = self.out.len();
            let place = self.index.put_segment(self.taken, &mut self.out).expect("there is a block");
            self.segment = Some(SegmentCopy::of(&self.out[start..]));
            self.index.segment(place.offset, place.head_len);
        }
    }

    /// The segment that stands behind the last block in every trace of the same sections.
    pub(crate) fn segment_here(&self) -> Option<SegmentCopy> {
        if self.segment.is_some() {
            return self.segment;
        }
        let mut section = Vec::new();
        self.index.put_segment(self.taken + self.out.len() as u64, &mut section)?;
        Some(SegmentCopy::of(&section))
    }

    /// Writes an entry of the loss ledger.
    pub(crate) fn loss(&mut self, loss: &Loss) {
        let place = put(self.taken, &mut self.out, Tag::Loss, &to_bytes(&LossRecord::new(loss)), &[]);
        self.index.loss(place.offset, place.head_len);
    }

    /// Writes what ends the trace and gives the content digest.
    pub(crate) fn end(&mut self, end_reason: &str) -> Digest {
        self.index.end(self.taken, None, end_reason, &mut self.out)
    }

    /// The digest over all ticks so far.
    pub(crate) fn content_digest(&self) -> Digest {
        self.index.content.finish()
    }

    /// Bytes that are ready, in the order of the file.
    pub(crate) fn output(&self) -> &[u8] {
        &self.out
    }

    /// Forgets the bytes that were ready.
    pub(crate) fn clear_output(&mut self) {
        self.taken += self.out.len() as u64;
        self.out.clear();
    }

    /// The bytes that are ready, of a trace that is not written any further.
    pub(crate) fn into_output(self) -> Vec<u8> {
        self.out
    }
}

/// What another copy of a segment is known by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentCopy {
    /// Bytes of all of it.
    pub(crate) len: u64,
    /// Of what stands behind its header.
    checksum: u64,
}

impl SegmentCopy {
    fn of(section: &[u8]) -> SegmentCopy {
        let body = &section[usize::try_from(SECTION_HEADER).expect("32")..];
        SegmentCopy { len: section.len() as u64, checksum: XxHash3_64::oneshot(body) }
    }

    /// Whether these bytes are those behind the segment's header.
    pub(crate) fn has_body(&self, bytes: &[u8]) -> bool {
        XxHash3_64::oneshot(bytes) == self.checksum
    }
}

/// Appends a section to bytes that stand after `taken` others in the file.
fn put(taken: u64, out: &mut Vec<u8>, tag: Tag, head: &[u8], tail: &[u8]) -> Place {
    let offset = taken + out.len() as u64;
    write_section(tag, head, tail, out);
    Place { offset, head_len: u32::try_from(head.len()).expect("heads are small"), ticks: 0 }
}
