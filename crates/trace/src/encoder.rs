//! The writer's core: ticks in, bytes out, no I/O.

use std::sync::Arc;

use cdt_schema::{ContentDigest, Digest, Layout, RowError, RowWriter, Tick, TickBuilder, TickDigester};
use xxhash_rust::xxh3::xxh3_64;

use crate::block::{BlockWriter, MAX_BLOCK_BYTES, MAX_TICKS};
use crate::index::{TickRun, push_run, tick_runs_of};
use crate::records::{
    BlockEntryRecord, FooterRecord, LossRecord, MetaRecord, SectionRecord, SegmentEntryRecord, SegmentRecord,
    SummariesRecord, TickRunRecord, is_rate, to_bytes,
};
use crate::section::{Tag, file_header, trailer, write_section};
use crate::{Loss, Meta, Summarizer};

/// Ticks after which the digests gathered so far are written out, so that they need not be held for the whole run.
const SEGMENT_TICKS: u32 = 65_536;
/// Bytes of summaries after which they are written out too.
const SEGMENT_BYTES: usize = 4 << 20;
/// Bytes that a page's row occupies in memory beside its content.
const PAGE_KEY: usize = 8;

/// How blocks are encoded. Readers do not care, and digests are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Packed columns: what a recorder can afford beside a running machine.
    Live,
    /// Packed columns under zstd: for traces that are kept.
    Archive,
}

/// Size and encoding of blocks. A block ends when it reaches either bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How columns are encoded.
    pub encoding: Encoding,
    /// Bytes of rows, as they occupy memory, beside the pages of memory that every block begins with. In all a block ends
    /// at 22 MiB whatever is said here, because readers bound what they decode.
    pub block_bytes: usize,
    /// Ticks; at most 65,536.
    pub block_ticks: usize,
}

impl Options {
    /// Small blocks, cheap to write and to probe.
    pub const LIVE: Options = Options { encoding: Encoding::Live, block_bytes: 192 << 10, block_ticks: 4096 };
    /// Large blocks, small files.
    pub const ARCHIVE: Options = Options { encoding: Encoding::Archive, block_bytes: 2 << 20, block_ticks: 16_384 };
}

/// Turns ticks into the bytes of a trace. Bytes pile up until [`Encoder::take_output`] fetches them.
#[derive(Debug)]
pub struct Encoder {
    options: Options,
    /// Bytes of rows at which a block ends.
    block_bytes: usize,
    writer: RowWriter,
    digester: TickDigester,
    content: ContentDigest,
    summarizer: Summarizer,
    blocks: BlockWriter,
    segment: SegmentInProgress,
    footer: FooterRecord,
    last_tick: Option<Tick>,
    out: Vec<u8>,
    /// Bytes handed out before those in `out`.
    taken: u64,
}

/// What is gathered of the current segment's blocks.
#[derive(Debug, Default)]
struct SegmentInProgress {
    record: SegmentRecord,
    tick_runs: Vec<TickRun>,
    summaries: SummariesRecord,
    digests: Vec<Digest>,
}

impl Encoder {
    /// Begins a trace.
    ///
    /// # Panics
    /// If the options allow blocks of no tick or of more than 65,536, or the run's tick rate is not a number above 0.
    pub fn new(meta: &Meta, layout: Arc<Layout>, options: Options) -> Encoder {
        assert!((1..=MAX_TICKS).contains(&options.block_ticks), "a block has 1 to {MAX_TICKS} ticks");
        assert!(meta.run.tick_rate.is_none_or(is_rate), "a tick rate is finite and above 0");
        let mut out = file_header().to_vec();
        write_section(Tag::Meta, &to_bytes(&MetaRecord::new(meta, &layout)), &[], &mut out);
        let memory = layout.memory();
        let image = (memory.page_size as usize + PAGE_KEY) * memory.pages as usize;
        Encoder {
            options,
            block_bytes: options.block_bytes.saturating_add(image).min(MAX_BLOCK_BYTES),
            digester: TickDigester::new(&layout),
            content: ContentDigest::new(&layout),
            summarizer: Summarizer::new(&layout),
            blocks: BlockWriter::new(options.encoding),
            segment: SegmentInProgress::default(),
            footer: FooterRecord::default(),
            writer: RowWriter::new(layout),
            last_tick: None,
            out,
            taken: 0,
        }
    }

    /// Adds a tick, which `fill` fills with its rows.
    ///
    /// # Errors
    /// What `fill` gives, or the rule that the tick breaks. The trace is as before, and can go on.
    pub fn append<E: From<RowError>>(
        &mut self,
        tick: Tick,
        fill: impl FnOnce(&mut TickBuilder<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut builder = self.writer.tick(tick);
        fill(&mut builder)?;
        builder.commit()?;
        let rows = self.writer.rows();
        let index = rows.ticks().len() - 1;
        let digests = self.digester.digest(rows, index);
        self.last_tick = Some(tick);
        self.content.push(tick, digests.tick);
        self.segment.digests.push(digests.tick);
        self.summarizer.tick(rows.layout(), &digests);
        if rows.ticks().len() >= self.options.block_ticks || self.writer.raw_bytes() >= self.block_bytes {
            self.end_block();
        }
        Ok(())
    }

    /// Writes an entry of the loss ledger.
    pub fn record_loss(&mut self, loss: &Loss) {
        self.end_block();
        let section = self.section(Tag::Loss, &to_bytes(&LossRecord::new(loss)), &[]);
        self.footer.loss.push(section);
    }

    /// The last tick that was added.
    pub fn last_tick(&self) -> Option<Tick> {
        self.last_tick
    }

    /// Bytes that are ready, in the order of the file.
    pub fn take_output(&mut self) -> Vec<u8> {
        self.taken += self.out.len() as u64;
        std::mem::take(&mut self.out)
    }

    /// How many bytes are ready.
    pub fn output_len(&self) -> usize {
        self.out.len()
    }

    /// Ends the trace and gives its last bytes and its content digest.
    pub fn finish(mut self, end_reason: &str) -> (Vec<u8>, Digest) {
        self.end_block();
        self.end_segment();
        let digest = self.content.finish();
        self.footer.content_digest = digest.0;
        end_reason.clone_into(&mut self.footer.end_reason);
        let footer = to_bytes(&self.footer);
        let section = self.section(Tag::Footer, &footer, &[]);
        self.out.extend_from_slice(&trailer(section.offset));
        (self.take_output(), digest)
    }

    fn section(&mut self, tag: Tag, head: &[u8], tail: &[u8]) -> SectionRecord {
        put_section(&mut self.out, self.taken, tag, head, tail)
    }

    fn end_block(&mut self) {
        let rows = self.writer.rows();
        if rows.ticks().is_empty() {
            return;
        }
        let (record, tail) = self.blocks.encode(rows);
        let head = to_bytes(&record);
        let section = put_section(&mut self.out, self.taken, Tag::Block, &head, tail);
        let ticks = rows.ticks();
        self.segment.record.blocks.push(BlockEntryRecord {
            offset: section.offset,
            head_len: section.head_len,
            tail_len: u32::try_from(tail.len()).expect("a block is far below 4 GiB"),
            first_tick: ticks[0].0,
            last_tick: ticks[ticks.len() - 1].0,
            ticks: u32::try_from(ticks.len()).expect("at most 65,536"),
        });
        tick_runs_of(ticks).for_each(|run| push_run(&mut self.segment.tick_runs, run));
        self.segment.summaries.push(&self.summarizer.block(rows));
        self.writer.begin_block();
        if self.segment.digests.len() >= SEGMENT_TICKS as usize || self.segment.summaries.bytes() >= SEGMENT_BYTES {
            self.end_segment();
        }
    }

    fn end_segment(&mut self) {
        if self.segment.digests.is_empty() {
            return;
        }
        let SegmentInProgress { mut record, tick_runs, summaries, digests } = std::mem::take(&mut self.segment);
        let mut tail: Vec<u8> = digests.iter().flat_map(|digest| digest.0.to_le_bytes()).collect();
        record.digests_checksum = xxh3_64(&tail);
        let summaries = to_bytes(&summaries);
        record.summaries_checksum = xxh3_64(&summaries);
        tail.extend_from_slice(&summaries);
        record.tick_runs = tick_runs.iter().map(|run| TickRunRecord { first: run.first.0, count: run.count }).collect();
        let section = self.section(Tag::Segment, &to_bytes(&record), &tail);
        let ticks = u32::try_from(digests.len()).expect("a segment has few ticks more than 65,536");
        self.footer.segments.push(SegmentEntryRecord { offset: section.offset, head_len: section.head_len, ticks });
    }
}

/// Appends a section to bytes that stand after `taken` others in the file.
fn put_section(out: &mut Vec<u8>, taken: u64, tag: Tag, head: &[u8], tail: &[u8]) -> SectionRecord {
    let offset = taken + out.len() as u64;
    write_section(tag, head, tail, out);
    SectionRecord { offset, head_len: u32::try_from(head.len()).expect("heads are small") }
}
