//! The writer's core: ticks in, bytes out, no I/O.

use std::sync::Arc;

use cdt_schema::{Digest, Layout, RowError, RowWriter, Rows, Tick, TickBuilder};

use crate::block::{BlockWriter, MAX_BLOCK_BYTES, MAX_TICKS};
use crate::index_writer::SectionWriter;
use crate::records::{MetaRecord, is_rate, to_bytes};
use crate::{Loss, Meta};

/// Bytes that a page's row occupies in memory beside its content.
const PAGE_KEY: usize = 8;

/// How blocks are encoded. Readers do not care, and digests are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Packed columns: what a recorder can afford beside a running machine.
    Live,
    /// What is smallest, as codes or under zstd: for traces that are kept.
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
    pub const LIVE: Options = Options { encoding: Encoding::Live, block_bytes: 256 << 10, block_ticks: 4096 };
    /// Larger blocks, small files.
    pub const ARCHIVE: Options = Options { encoding: Encoding::Archive, block_bytes: 384 << 10, block_ticks: 16_384 };
}

/// Turns ticks into the bytes of a trace. Bytes pile up in [`Encoder::output`] until they are cleared.
#[derive(Debug)]
pub struct Encoder {
    options: Options,
    /// Bytes of rows at which a block ends.
    block_bytes: usize,
    writer: RowWriter,
    blocks: BlockWriter,
    sections: SectionWriter,
    last: Option<(Tick, Digest)>,
}

impl Encoder {
    /// Begins a trace.
    ///
    /// # Panics
    /// If the options allow blocks of no tick or of more than 65,536, or the run's tick rate is not a number above 0.
    pub fn new(meta: &Meta, layout: Arc<Layout>, options: Options) -> Encoder {
        assert!((1..=MAX_TICKS).contains(&options.block_ticks), "a block has 1 to {MAX_TICKS} ticks");
        assert!(meta.run.tick_rate.is_none_or(is_rate), "a tick rate is finite and above 0");
        let memory = layout.memory();
        let image = (memory.page_size as usize + PAGE_KEY) * memory.pages as usize;
        Encoder {
            options,
            block_bytes: options.block_bytes.saturating_add(image).min(MAX_BLOCK_BYTES),
            blocks: BlockWriter::new(options.encoding),
            sections: SectionWriter::new(&layout, &to_bytes(&MetaRecord::new(meta, &layout))),
            writer: RowWriter::new(layout),
            last: None,
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
        self.last = Some((tick, self.sections.tick(rows, rows.ticks().len() - 1)));
        if rows.ticks().len() >= self.options.block_ticks || self.writer.raw_bytes() >= self.block_bytes {
            self.end_block();
        }
        Ok(())
    }

    /// Adds a tick of a trace of the same layout, by its index in `rows`.
    ///
    /// # Errors
    /// The rule that the tick breaks. The trace is as before, and can go on.
    ///
    /// # Panics
    /// If the layout is another one, or a channel is not loaded.
    pub fn append_rows(&mut self, rows: &Rows, index: usize) -> Result<(), RowError> {
        self.append(rows.ticks()[index], |tick| {
            tick.copy(rows, index);
            Ok(())
        })
    }

    /// Writes an entry of the loss ledger.
    pub fn record_loss(&mut self, loss: &Loss) {
        self.end_block();
        self.sections.loss(loss);
    }

    /// The last tick that was added.
    pub fn last_tick(&self) -> Option<Tick> {
        self.last.map(|(tick, _)| tick)
    }

    /// What the trace's rows are.
    pub fn layout(&self) -> &Layout {
        self.writer.rows().layout()
    }

    /// The digest of the last tick that was added.
    pub fn last_digest(&self) -> Option<Digest> {
        self.last.map(|(_, digest)| digest)
    }

    /// Bytes that are ready, in the order of the file.
    pub fn output(&self) -> &[u8] {
        self.sections.output()
    }

    /// Forgets the bytes that were ready. Their memory is used again.
    pub fn clear_output(&mut self) {
        self.sections.clear_output();
    }

    /// Ends the trace and gives its last bytes and its content digest.
    pub fn finish(mut self, end_reason: &str) -> (Vec<u8>, Digest) {
        self.end_block();
        let digest = self.sections.end(end_reason);
        (self.sections.into_output(), digest)
    }

    fn end_block(&mut self) {
        let rows = self.writer.rows();
        if !rows.ticks().is_empty() {
            let (record, tail) = self.blocks.encode(rows);
            self.sections.block(rows, &to_bytes(&record), tail);
            self.writer.begin_block();
        }
    }
}
