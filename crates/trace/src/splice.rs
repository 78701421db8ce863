//! A trace in which one block has other rows, without writing it anew: the bytes that change are made, all others stay
//! where they are.

use std::io;
use std::ops::Range;

use cdt_schema::{ContentDigest, Digest, Rows, TickDigester};
use twox_hash::XxHash3_64;

use crate::block::BlockWriter;
use crate::records::{
    self, ArchivedFooterRecord, ArchivedSegmentRecord, FooterRecord, SegmentRecord, SummariesRecord, to_bytes,
};
use crate::section::{TRAILER, Tag, read_head, read_trailer, trailer, write_section};
use crate::{BlockSummary, Encoding, Error, Source, Summarizer, Totals, Trace, ranges};

/// The bytes of a trace with another block, as a [`Source`] over those of the trace it was made from.
#[derive(Debug)]
pub struct Spliced<'a, S> {
    source: &'a S,
    /// Where each piece begins in these bytes, and what it is; the last one ends at `len`.
    pieces: Vec<(u64, Piece)>,
    len: u64,
}

#[derive(Debug)]
enum Piece {
    /// Bytes of the trace, from this one on.
    Theirs(u64),
    Own(Vec<u8>),
}

impl<S: Source> Source for Spliced<'_, S> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        if range.end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        into.clear();
        let mut at = range.start;
        let mut piece = self.pieces.partition_point(|(start, _)| *start <= at) - 1;
        let mut bytes = Vec::new();
        while at < range.end {
            let end = self.pieces.get(piece + 1).map_or(self.len, |(start, _)| *start).min(range.end);
            let (start, what) = &self.pieces[piece];
            let inside = at - start..end - start;
            match what {
                Piece::Theirs(first) => {
                    self.source.read(first + inside.start..first + inside.end, &mut bytes)?;
                    into.extend_from_slice(&bytes);
                }
                Piece::Own(own) => {
                    let index = |at: u64| usize::try_from(at).map_err(io::Error::other);
                    into.extend_from_slice(&own[index(inside.start)?..index(inside.end)?]);
                }
            }
            (at, piece) = (end, piece + 1);
        }
        Ok(())
    }
}

/// Gathers pieces in the order of the new bytes.
struct Pieces {
    pieces: Vec<(u64, Piece)>,
    len: u64,
}

impl Pieces {
    fn theirs(&mut self, range: Range<u64>) {
        if !range.is_empty() {
            self.pieces.push((self.len, Piece::Theirs(range.start)));
            self.len += range.end - range.start;
        }
    }

    fn own(&mut self, bytes: Vec<u8>) {
        let len = bytes.len() as u64;
        self.pieces.push((self.len, Piece::Own(bytes)));
        self.len += len;
    }
}

/// A trace whose block of that number has these rows: of all channels, and of the same ticks.
///
/// What is known of the ticks without decoding them (digests, totals) is that of the new rows; only whether the block after
/// begins with other values than this one ends with is left as it was.
///
/// # Errors
/// The trace cannot be read or is damaged.
///
/// # Panics
/// If the rows are not of the block's ticks.
pub fn splice<'a, S: Source>(trace: &'a Trace<S>, block: usize, rows: &Rows) -> Result<Spliced<'a, S>, Error> {
    let index = trace.index();
    let entry = index.blocks[block];
    assert_eq!(rows.ticks().first().zip(rows.ticks().last()), Some((&entry.first_tick, &entry.last_tick)));
    assert_eq!(rows.ticks().len(), entry.ticks as usize, "the ticks of a block stay what they are");
    let (record, tail) = {
        let mut writer = BlockWriter::new(Encoding::Live);
        let (record, tail) = writer.encode(rows);
        (record, tail.to_vec())
    };
    let head = to_bytes(&record);
    let mut section = Vec::new();
    write_section(Tag::Block, &head, &tail, &mut section);
    let mut splicer = Splicer {
        trace,
        block,
        rows,
        lengths: (head.len(), tail.len()),
        moved: (section.len() as u64).wrapping_sub(entry.stored_bytes()),
        pieces: Pieces { pieces: Vec::new(), len: 0 },
        taken: 0,
        content: ContentDigest::new(&index.layout),
    };
    splicer.replace(entry.offset..entry.end(), section);
    for segment in 0..trace.segments() {
        splicer.segment(segment)?;
    }
    splicer.footer()
}

struct Splicer<'a, 'b, S> {
    trace: &'a Trace<S>,
    block: usize,
    rows: &'b Rows,
    /// Bytes of the new block's head and tail.
    lengths: (usize, usize),
    /// How far what follows the block moves, modulo 2^64. All other sections keep their lengths.
    moved: u64,
    pieces: Pieces,
    /// Bytes of the trace that are dealt with.
    taken: u64,
    content: ContentDigest,
}

impl<'a, S: Source> Splicer<'a, '_, S> {
    /// Where a section that begins at `offset` begins in the new bytes.
    fn place(&self, offset: u64) -> u64 {
        let block = self.trace.index().blocks[self.block].offset;
        if offset > block { offset.wrapping_add(self.moved) } else { offset }
    }

    /// Puts other bytes in the place of a section.
    fn replace(&mut self, theirs: Range<u64>, own: Vec<u8>) {
        self.pieces.theirs(self.taken..theirs.start);
        debug_assert_eq!(self.pieces.len, self.place(theirs.start));
        self.taken = theirs.end;
        self.pieces.own(own);
    }

    fn bytes(&self, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = self.trace.source().read(range, &mut bytes);
        read.map_err(|error| Error::io(self.trace.name(), "read the trace", &error))?;
        Ok(bytes)
    }

    /// Takes the segment's digests into the content digest, and writes it anew where it tells of what has moved or changed.
    fn segment(&mut self, number: usize) -> Result<(), Error> {
        let digests = self.digests(number)?;
        let entry = &self.trace.index().segments[number];
        if entry.blocks.end <= self.block {
            return Ok(());
        }
        let head = self.bytes(entry.offset..entry.digests.start)?;
        let (_, head) = read_head(Tag::Segment, entry.offset, &head, entry.summaries.end)?;
        let archived = records::access::<ArchivedSegmentRecord>(head);
        let mut record: SegmentRecord =
            archived.map(records::owned).map_err(|rule| Error::damaged(entry.offset, rule))?;
        for (block, record) in entry.blocks.clone().zip(&mut record.blocks) {
            record.offset = self.place(record.offset);
            if block == self.block {
                record.head_len = u32::try_from(self.lengths.0).expect("heads are small");
                record.tail_len = u32::try_from(self.lengths.1).expect("a block is far below 4 GiB");
            }
        }
        let mut tail: Vec<u8> = digests.iter().flat_map(|digest| digest.0.to_le_bytes()).collect();
        record.digests_checksum = XxHash3_64::oneshot(&tail);
        let summaries = self.summaries(number, &mut record)?;
        record.summaries_checksum = XxHash3_64::oneshot(&summaries);
        let ranges = self.ranges(number)?;
        record.ranges_checksum = XxHash3_64::oneshot(&ranges);
        tail.extend_from_slice(&ranges);
        tail.extend_from_slice(&summaries);
        let mut section = Vec::new();
        write_section(Tag::Segment, &to_bytes(&record), &tail, &mut section);
        let theirs = entry.offset..entry.summaries.end;
        // The lists are as long as they were, and a record has no bytes but those of its values.
        assert_eq!(section.len() as u64, theirs.end - theirs.start, "a segment keeps its length");
        self.replace(theirs, section);
        Ok(())
    }

    /// The digests of a segment's ticks, which go into the content digest.
    fn digests(&mut self, number: usize) -> Result<Vec<Digest>, Error> {
        let index = self.trace.index();
        let mut digests = self.trace.digests(number)?;
        let mut at = 0;
        for block in self.trace.blocks_of(number) {
            let entry = index.blocks[block];
            let own = &mut digests[at..at + entry.ticks as usize];
            at += own.len();
            if block == self.block {
                let mut digester = TickDigester::new(&index.layout);
                let digest = |tick| digester.digest(self.rows, tick).tick;
                own.iter_mut().zip((0..self.rows.ticks().len()).map(digest)).for_each(|(own, new)| *own = new);
            }
            let ticks = index.ticks_between(entry.first_tick, entry.last_tick);
            ticks.zip(own).for_each(|(tick, digest)| self.content.push(tick, *digest));
        }
        Ok(digests)
    }

    /// The summaries of a segment, and in its record its totals.
    fn summaries(&self, number: usize, record: &mut SegmentRecord) -> Result<Vec<u8>, Error> {
        let layout = &self.trace.index().layout;
        let mut all = SummariesRecord::default();
        let mut totals = Totals::none(layout);
        for (block, mut summary) in self.trace.blocks_of(number).zip(self.trace.summaries(number)?) {
            if block == self.block {
                summary = self.summary(&summary);
            }
            totals.add(layout, &summary.totals);
            all.push(&summary);
        }
        record.put_totals(&totals);
        Ok(to_bytes(&all))
    }

    /// The ranges of a segment's blocks.
    fn ranges(&self, number: usize) -> Result<Vec<u8>, Error> {
        let entry = &self.trace.index().segments[number];
        let mut all = self.bytes(entry.ranges.clone())?;
        entry.check_ranges(&all).map_err(|error| error.in_file(self.trace.name()))?;
        if entry.blocks.contains(&self.block) {
            let mut new = Vec::new();
            ranges::put(self.rows, &mut new);
            let at = (self.block - entry.blocks.start) * new.len();
            all[at..at + new.len()].copy_from_slice(&new);
        }
        Ok(all)
    }

    /// The summary of the new block, which is entered as the old one was.
    fn summary(&self, old: &BlockSummary) -> BlockSummary {
        let layout = &self.trace.index().layout;
        let (mut summarizer, mut digester) = (Summarizer::new(layout), TickDigester::new(layout));
        for tick in 0..self.rows.ticks().len() {
            summarizer.tick(layout, &digester.digest(self.rows, tick));
        }
        let mut new = summarizer.block(self.rows);
        for (new, old) in new.totals.changed.iter_mut().zip(&old.totals.changed) {
            new.entered = old.entered;
        }
        new
    }

    fn footer(mut self) -> Result<Spliced<'a, S>, Error> {
        let len = self.trace.stored_bytes()?;
        let last = self.bytes(len - TRAILER..len)?;
        let offset = read_trailer(&last.try_into().expect("24 bytes"), len)?;
        let bytes = self.bytes(offset..len - TRAILER)?;
        let (_, head) = read_head(Tag::Footer, offset, &bytes, len - TRAILER)?;
        let archived = records::access::<ArchivedFooterRecord>(head);
        let mut record: FooterRecord = archived.map(records::owned).map_err(|rule| Error::damaged(offset, rule))?;
        record.content_digest = self.content.clone().finish().0;
        let segments = record.segments.iter_mut().map(|entry| &mut entry.offset);
        let losses = record.loss.iter_mut().map(|entry| &mut entry.offset);
        segments.chain(losses).for_each(|offset| *offset = self.place(*offset));
        let mut section = Vec::new();
        write_section(Tag::Footer, &to_bytes(&record), &[], &mut section);
        section.extend_from_slice(&trailer(self.place(offset)));
        self.replace(offset..len, section);
        Ok(Spliced { source: self.trace.source(), len: self.pieces.len, pieces: self.pieces.pieces })
    }
}
