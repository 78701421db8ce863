//! Reading a trace section by section, from its beginning, whether or not it has an end yet. [`Follower`] says which bytes
//! it needs next and does no I/O.

use std::ops::Range;
use std::sync::Arc;

use cdt_schema::{ChannelSet, Digest, Layout, Rows, Tick};

use crate::block::{Asked, BlockBytes, BlockHead, MAX_TAIL};
use crate::index::read_meta;
use crate::ranges::{RANGE, ranges_of_block};
use crate::records::{self, ArchivedBlockRecord, ArchivedFooterRecord, ArchivedLossRecord};
use crate::section::{self, FILE_HEADER, SECTION_HEADER, SectionHeader, TRAILER, Tag};
use crate::{BlockDecoder, BlockEntry, Error, Loss, Meta};

/// Reads the sections of a trace in the order of the file: ask [`Follower::want`], fetch those bytes when there are as many,
/// [`Follower::feed`] them. Every block is decoded and checked.
#[derive(Debug)]
pub struct Follower {
    state: State,
    /// Where the next section begins.
    end: u64,
    layout: Option<Arc<Layout>>,
    last_tick: Option<Tick>,
    /// Bytes of the digests and ranges that the next segment has.
    told: u64,
    passes_segments: bool,
    decoder: BlockDecoder,
}

#[derive(Clone, Copy, Debug)]
enum State {
    FileHeader,
    Header,
    /// What must be known of a section with a tail before that is read.
    Begun(Tag, SectionHeader),
    Section(Tag, SectionHeader),
    Trailer,
    Done,
}

/// A whole section, with the bytes that it has in the file.
#[derive(Debug)]
pub enum Section<'a> {
    /// Provenance and layout. The first section, and only that.
    Meta {
        /// Where the run came from.
        meta: Meta,
        /// What its rows are.
        layout: Arc<Layout>,
        /// The section's head.
        head: &'a [u8],
    },
    /// Ticks, which come after those of the blocks before.
    Block {
        /// Where the block stands.
        entry: BlockEntry,
        /// All of its rows.
        rows: Rows,
        /// The section's head.
        head: &'a [u8],
        /// The section's tail.
        tail: &'a [u8],
    },
    /// An entry of the loss ledger.
    Loss {
        /// What it says.
        loss: Loss,
        /// The section's head.
        head: &'a [u8],
    },
    /// Digests, ranges and summaries of the blocks since the segment before.
    Segment {
        /// The section's head.
        head: &'a [u8],
        /// What stands where the digests of those blocks' ticks should, 8 bytes each, and the ranges of their fields, 16 each.
        told: &'a [u8],
    },
    /// The last section.
    Footer {
        /// Digest over the layout, and every tick's number and digest.
        content_digest: Digest,
        /// How many entries the loss ledger has.
        losses: usize,
        /// Why the run ended.
        end_reason: String,
    },
}

impl Default for Follower {
    fn default() -> Follower {
        Follower::new()
    }
}

/// The bytes of a section that is at hand.
struct SectionBytes<'a> {
    offset: u64,
    bytes: &'a [u8],
}

impl BlockBytes for SectionBytes<'_> {
    fn at<'a>(&'a self, range: Range<u64>, _: &'a mut Vec<u8>) -> Result<&'a [u8], Error> {
        let at = |offset: u64| usize::try_from(offset - self.offset).expect("within the bytes");
        Ok(&self.bytes[at(range.start)..at(range.end)])
    }
}

impl Follower {
    /// Begins at the first byte.
    pub fn new() -> Follower {
        Follower {
            state: State::FileHeader,
            end: 0,
            layout: None,
            last_tick: None,
            told: 0,
            passes_segments: false,
            decoder: BlockDecoder::new(),
        }
    }

    /// One that reads nothing of a segment but its header, and does not give it.
    pub(crate) fn passing_segments() -> Follower {
        Follower { passes_segments: true, ..Follower::new() }
    }

    /// The range of the file that [`Follower::feed`] expects next, which may be more than there is yet; `None` behind the
    /// trailer.
    pub fn want(&self) -> Option<Range<u64>> {
        let start = self.end;
        Some(match &self.state {
            State::FileHeader => 0..FILE_HEADER,
            State::Header => start..start + SECTION_HEADER,
            State::Begun(Tag::Segment, header) => header.tail(start).end..header.tail(start).end,
            State::Begun(_, header) => start..header.tail(start).start,
            State::Section(Tag::Segment, header) => start..header.tail(start).start + self.told,
            State::Section(_, header) => start..header.tail(start).end,
            State::Trailer => start..start + TRAILER,
            State::Done => return None,
        })
    }

    /// Where the last whole section ends, or with the trailer the trace, in bytes from the start of the file.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The last tick of the blocks so far.
    pub fn last_tick(&self) -> Option<Tick> {
        self.last_tick
    }

    /// Whether an entry of the loss ledger may stand behind the last whole section, of which nothing can be read. `len` is where
    /// the file ends, and `rest` begins what stands there, as far as a section's header may go.
    pub(crate) fn may_pass_a_loss(&self, len: u64, rest: &[u8]) -> bool {
        match self.state {
            // A header that is all there and wrong does not tell where its section ends.
            State::Header if rest.len() as u64 >= SECTION_HEADER => true,
            State::Header => !rest.is_empty() && !section::begins_another_than(Tag::Loss, rest),
            State::Begun(tag, header) | State::Section(tag, header) => {
                tag == Tag::Loss || header.tail(self.end).end < len
            }
            State::FileHeader | State::Trailer | State::Done => false,
        }
    }

    /// Whether a section's header is what comes next.
    pub(crate) fn is_at_a_header(&self) -> bool {
        matches!(self.state, State::Header)
    }

    /// Passes over the section at whose header it is, which has that many bytes.
    pub(crate) fn pass(&mut self, len: u64) {
        debug_assert!(self.is_at_a_header());
        self.end += len;
        self.told = 0;
    }

    /// Checks the first bytes of a file that has fewer than [`Follower::want`] asks for first.
    ///
    /// # Errors
    /// No trace begins so.
    pub fn check_beginning(&self, bytes: &[u8]) -> Result<(), Error> {
        section::check_beginning(bytes)
    }

    /// Takes the bytes of the wanted range and gives the section that they complete, if they do.
    ///
    /// # Errors
    /// The file is no trace of this version, or is damaged; then the follower stays where it was.
    pub fn feed<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Section<'a>>, Error> {
        match self.state {
            State::FileHeader => {
                section::check_file_header(bytes)?;
                (self.state, self.end) = (State::Header, FILE_HEADER);
            }
            State::Header => {
                let (tag, header) = section::read_next_header(self.end, bytes)?;
                self.check_place(tag, &header)?;
                let has_tail = matches!(tag, Tag::Block | Tag::Segment);
                self.state = if has_tail { State::Begun(tag, header) } else { State::Section(tag, header) };
            }
            State::Begun(Tag::Segment, header) if self.passes_segments => {
                self.state = State::Header;
                self.pass(header.tail(self.end).end - self.end);
            }
            State::Begun(tag, header) => {
                self.check_tail(tag, &header, bytes)?;
                self.state = State::Section(tag, header);
            }
            State::Section(tag, header) => {
                let section = self.section(tag, &header, bytes)?;
                self.end = header.tail(self.end).end;
                self.state = if tag == Tag::Footer { State::Trailer } else { State::Header };
                return Ok(Some(section));
            }
            State::Trailer => {
                let bytes = bytes.try_into().expect("the trailer's 24 bytes");
                section::read_trailer(bytes, self.end + TRAILER)?;
                (self.state, self.end) = (State::Done, self.end + TRAILER);
            }
            State::Done => panic!("the trace has ended"),
        }
        Ok(None)
    }

    /// Takes back rows that are not needed any more, so that the next ones need no fresh memory.
    pub fn recycle(&mut self, rows: Rows) {
        self.decoder.recycle(rows);
    }

    fn check_place(&self, tag: Tag, header: &SectionHeader) -> Result<(), Error> {
        if (tag == Tag::Meta) != self.layout.is_none() {
            return Err(Error::damaged(self.end, "the META section is the first one, and no other is"));
        }
        let most = match tag {
            Tag::Block => u64::from(MAX_TAIL),
            Tag::Segment => u64::MAX,
            Tag::Meta | Tag::Loss | Tag::Footer => 0,
        };
        if header.tail_len > most {
            return Err(Error::damaged(self.end, format!("a tail of {} bytes is not expected here", header.tail_len)));
        }
        Ok(())
    }

    /// Checks that a section has the tail that it should, so that no memory is spent on what only a header says: of a block
    /// by `bytes`, which are its header and head, of a segment by the blocks before it.
    fn check_tail(&self, tag: Tag, header: &SectionHeader, bytes: &[u8]) -> Result<(), Error> {
        if tag == Tag::Segment {
            let (told, tail) = (self.told, header.tail_len);
            let rule = format!(
                "the segment's blocks are not those before it, whose digests and ranges have {told} bytes of {tail}"
            );
            return if told <= tail { Ok(()) } else { Err(Error::damaged(self.end, rule)) };
        }
        let head = &bytes[usize::try_from(SECTION_HEADER).expect("32")..];
        header.check_head(self.end, head)?;
        let layout = self.layout.as_ref().expect("the META section is the first one");
        BlockHead::read(layout, &self.entry(header, head)?, bytes).map(drop)
    }

    fn section<'a>(&mut self, tag: Tag, header: &SectionHeader, bytes: &'a [u8]) -> Result<Section<'a>, Error> {
        let offset = self.end;
        let damaged = |rule: String| Error::damaged(offset, rule);
        let start = usize::try_from(SECTION_HEADER).expect("32");
        let (head, tail) = bytes[start..].split_at(header.head_len as usize);
        header.check_head(offset, head)?;
        Ok(match tag {
            Tag::Meta => {
                let (meta, layout) = read_meta(head).map_err(damaged)?;
                self.layout = Some(layout.clone());
                Section::Meta { meta, layout, head }
            }
            Tag::Block => {
                let entry = self.entry(header, head)?;
                let layout = self.layout.as_ref().expect("the META section is the first one");
                let asked = Asked::Channels(ChannelSet::ALL, [entry.first_tick, entry.last_tick]);
                let rows = self.decoder.decode(layout, &entry, asked, &SectionBytes { offset: entry.offset, bytes })?;
                self.last_tick = Some(entry.last_tick);
                self.told += 8 * u64::from(entry.ticks) + (ranges_of_block(layout) * RANGE) as u64;
                Section::Block { entry, rows, head, tail }
            }
            Tag::Loss => {
                let loss = records::access::<ArchivedLossRecord>(head).and_then(ArchivedLossRecord::loss);
                Section::Loss { loss: loss.map_err(damaged)?, head }
            }
            Tag::Segment => {
                self.told = 0;
                Section::Segment { head, told: tail }
            }
            Tag::Footer => {
                let record = records::access::<ArchivedFooterRecord>(head).map_err(damaged)?;
                Section::Footer {
                    content_digest: Digest(record.content_digest.to_native()),
                    losses: record.loss.len(),
                    end_reason: record.end_reason.as_str().to_owned(),
                }
            }
        })
    }

    /// What the index would say of the block that begins at the end of what was read; decoding checks it.
    fn entry(&self, header: &SectionHeader, head: &[u8]) -> Result<BlockEntry, Error> {
        let damaged = |rule: &str| Error::damaged(self.end, rule);
        let record = records::access::<ArchivedBlockRecord>(head).map_err(|rule| damaged(&rule))?;
        let bounds = record.tick_runs.first().zip(record.tick_runs.last());
        let (first, last) = bounds.ok_or_else(|| damaged("a block has at least one tick"))?;
        let last_tick = last.first.to_native().checked_add(last.count.to_native().wrapping_sub(1));
        let last_tick = last_tick.ok_or_else(|| damaged("the block's ticks go past the last one"))?;
        let first_tick = Tick(first.first.to_native());
        if self.last_tick.is_some_and(|past| past >= first_tick) {
            return Err(damaged("the block's ticks do not come after those before it"));
        }
        let ticks = record.tick_runs.iter().map(|run| u64::from(run.count.to_native())).sum::<u64>();
        Ok(BlockEntry {
            offset: self.end,
            head_len: header.head_len,
            tail_len: u32::try_from(header.tail_len).expect("checked with the header"),
            first_tick,
            last_tick: Tick(last_tick),
            ticks: u32::try_from(ticks).map_err(|_| damaged("a block has at most 65,536 ticks"))?,
        })
    }
}
