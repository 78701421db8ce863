//! Changing the bytes of a trace and making its checksums right again, so that nothing but a reader's own rules stands
//! between it and what was changed. Whatever cannot be followed, because it was changed before, is left out.

use std::ops::Range;

use cdt_schema::{Arity, ColumnType, Layout, TableKind};
use twox_hash::XxHash3_64;

/// Where a section stands: all of it, its head, its tail.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its four letters.
    pub tag: [u8; 4],
    /// Its first byte.
    pub start: usize,
    /// Its head.
    pub head: Range<usize>,
    /// Its tail.
    pub tail: Range<usize>,
}

/// The little-endian number at a byte.
///
/// # Panics
/// If the bytes end before it does.
pub fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes")) as usize
}

/// The sections of a trace, up to the first that does not end before the trailer.
pub fn sections(bytes: &[u8]) -> Vec<Section> {
    let mut found = Vec::new();
    let mut start = 16;
    let trailer = bytes.len().saturating_sub(24);
    while start + 32 <= trailer {
        let head = start + 32..start + 32 + u32_at(bytes, start + 4);
        let tail = head.end..head.end + u32_at(bytes, start + 8);
        if tail.end > trailer {
            break;
        }
        let tag = bytes[start..start + 4].try_into().expect("4 bytes");
        start = tail.end;
        found.push(Section { tag, start: head.start - 32, head, tail });
    }
    found
}

/// The elements of a vector whose relative pointer stands at `field`, after them.
pub fn elements(bytes: &[u8], field: usize, size: usize) -> Vec<Range<usize>> {
    let offset = i32::from_le_bytes(bytes[field..field + 4].try_into().expect("4 bytes"));
    let count = u32_at(bytes, field + 4);
    let start = field.checked_add_signed(offset as isize).filter(|start| start + count * size <= field);
    let Some(start) = start else { return Vec::new() };
    (0..count).map(|index| start + index * size..start + (index + 1) * size).collect()
}

/// Puts other elements of that many bytes each into a vector of a record. `vectors` tells how many bytes before the record's
/// end the vectors of its root stand, in order, up to this one.
///
/// # Panics
/// If there are no such vectors.
pub fn put_elements(record: &mut Vec<u8>, vectors: &[usize], size: usize, bytes: &[u8]) {
    let vector = record.len() - vectors.last().expect("a vector");
    let count = u32_at(record, vector + 4);
    let offset = i32::from_le_bytes(record[vector..vector + 4].try_into().expect("4 bytes"));
    let start = vector.checked_add_signed(offset as isize).expect("it leads into the record");
    put_u32(record, vector + 4, bytes.len() / size);
    // What stands behind the elements moves, this vector and those before it with it.
    let grown = i32::try_from(bytes.len()).expect("few") - i32::try_from(count * size).expect("few");
    for from_end in vectors {
        let vector = record.len() - from_end;
        let offset = i32::from_le_bytes(record[vector..vector + 4].try_into().expect("4 bytes")) - grown;
        record[vector..vector + 4].copy_from_slice(&offset.to_le_bytes());
    }
    record.splice(start..start + count * size, bytes.iter().copied());
}

/// Takes the last element from a vector of a record, as [`put_elements`] finds it.
///
/// # Panics
/// If there is no such vector, or no element in it.
pub fn remove_last(record: &mut Vec<u8>, vectors: &[usize], size: usize) {
    let vector = record.len() - vectors.last().expect("a vector");
    let all = elements(record, vector, size);
    let (first, last) = (all.first().expect("an element").start, all.last().expect("an element").start);
    let rest = record[first..last].to_vec();
    put_elements(record, vectors, size, &rest);
}

/// Bytes of a block's root from a vector to the root's end: of its tick runs, rows and column frames.
pub const BLOCK_TICK_RUNS: usize = 24;
/// As [`BLOCK_TICK_RUNS`].
pub const BLOCK_ROWS: usize = 16;
/// As [`BLOCK_TICK_RUNS`].
pub const BLOCK_COLUMNS: usize = 8;

/// Bytes of a segment's root from a field to the root's end.
pub const SEGMENT_ROWS: usize = 72;
/// As [`SEGMENT_ROWS`].
pub const SEGMENT_TICKS_WITH_INPUT: usize = 64;
/// As [`SEGMENT_ROWS`].
pub const SEGMENT_CHANGED: usize = 56;
/// As [`SEGMENT_ROWS`].
pub const SEGMENT_DIAGNOSTICS: usize = 48;
/// As [`SEGMENT_ROWS`].
pub const SEGMENT_BLOCKS: usize = 40;
/// As [`SEGMENT_ROWS`].
pub const SEGMENT_TICK_RUNS: usize = 32;

/// Bytes of a block's entry in a segment: offset (8), lengths of head and tail, first and last tick, ticks (4 each).
pub const BLOCK_ENTRY: usize = 28;
/// Bytes of a range: its low and its high end.
pub const RANGE: usize = 16;

/// Bytes of a column frame's record in the head of a block: encoding (u8), length (u32), checksum (u32).
pub const FRAME_RECORD: usize = 9;

/// The column frames of a block, as far as they stand in its tail, each with the place of its checksum.
pub fn frames(bytes: &[u8], block: &Section) -> Vec<(Range<usize>, usize)> {
    let mut at = block.tail.start;
    let frame = |record: Range<usize>| {
        let len = u32_at(bytes, record.start + 1);
        at += len;
        (at - len..at, record.start + 5)
    };
    elements(bytes, block.head.end - BLOCK_COLUMNS, FRAME_RECORD)
        .into_iter()
        .map(frame)
        .filter(|(frame, _)| frame.end <= block.tail.end)
        .collect()
}

/// The three parts of a segment's tail: the digests of its ticks, the ranges of its blocks' fields, their summaries.
pub fn segment_parts(bytes: &[u8], segment: &Section) -> [Range<usize>; 3] {
    let blocks = elements(bytes, segment.head.end - SEGMENT_BLOCKS, BLOCK_ENTRY);
    let ticks: usize = blocks.iter().map(|block| u32_at(bytes, block.start + 24)).sum();
    let Range { start, end } = segment.tail;
    let ranges = (start + ticks * 8).min(end);
    let summaries = (ranges + blocks.len() * fields_of_entities(bytes) * RANGE).min(end);
    [start..ranges, ranges..summaries, summaries..end]
}

/// How many fields all kinds of entities have together, by the `META` section.
fn fields_of_entities(bytes: &[u8]) -> usize {
    // What stands behind the vector in a layout: itself, checkpoint, events, memory.
    const KINDS: usize = 8 + 10 + 9 + 9;
    let meta = sections(bytes).into_iter().find(|section| &section.tag == b"META" && section.head.len() > KINDS);
    let kinds = meta.map_or_else(Vec::new, |meta| match bytes[meta.head.end - KINDS - 1] {
        0 => Vec::new(),
        _ => elements(bytes, meta.head.end - KINDS, 16),
    });
    kinds.iter().map(|kind| u32_at(bytes, kind.start + 12)).sum()
}

/// Writes the checksum of a range to a place.
pub fn checksum_into(bytes: &mut [u8], of: Range<usize>, at: usize) {
    let checksum = XxHash3_64::oneshot(&bytes[of]).to_le_bytes();
    bytes[at..at + 8].copy_from_slice(&checksum);
}

/// Writes the checksum of a column frame to its place.
pub fn frame_checksum_into(bytes: &mut [u8], frame: Range<usize>, at: usize) {
    let checksum = XxHash3_64::oneshot(&bytes[frame]).to_le_bytes();
    bytes[at..at + 4].copy_from_slice(&checksum[..4]);
}

/// Makes the checksums of a section's head and header right.
pub fn seal(bytes: &mut [u8], section: &Section) {
    checksum_into(bytes, section.head.clone(), section.start + 16);
    checksum_into(bytes, section.start..section.start + 24, section.start + 24);
}

/// Makes all checksums of a segment right.
pub fn seal_segment(bytes: &mut [u8], segment: &Section) {
    for (part, checksum) in segment_parts(bytes, segment).into_iter().zip([24, 16, 8]) {
        checksum_into(bytes, part, segment.head.end - checksum);
    }
    seal(bytes, segment);
}

/// The parts of a trace that have a checksum: the heads of its sections, its column frames, and what is told of them in the tails of
/// its segments.
pub fn parts(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for section in sections(bytes) {
        match &section.tag {
            b"BLCK" => found.extend(frames(bytes, &section).into_iter().map(|(frame, _)| frame)),
            b"SEGM" => found.extend(segment_parts(bytes, &section)),
            _ => {}
        }
        found.push(section.head);
    }
    found.retain(|part| !part.is_empty());
    found
}

/// Makes all checksums right that can be found.
pub fn reseal(bytes: &mut [u8]) {
    for section in sections(bytes) {
        match &section.tag {
            b"BLCK" => {
                let frames = frames(bytes, &section);
                frames.into_iter().for_each(|(frame, checksum)| frame_checksum_into(bytes, frame, checksum));
                seal(bytes, &section);
            }
            b"SEGM" if section.head.len() >= SEGMENT_ROWS => seal_segment(bytes, &section),
            _ => seal(bytes, &section),
        }
    }
    if let Some(trailer) = bytes.len().checked_sub(24) {
        checksum_into(bytes, trailer..trailer + 8, trailer + 8);
    }
}

/// The names of a block's column frames, in order: `TABLE.rows`, `TABLE.COLUMN`, `TABLE.COLUMN.lengths`; of draws `TABLE.slices`;
/// of entities `TABLE.runs`, `.slot`, `.generation`, `.start`, `.length`.
pub fn column_frames(layout: &Layout) -> Vec<String> {
    let mut frames = Vec::new();
    for table in layout.tables() {
        let mut add = |part: &str| frames.push(format!("{}.{part}", table.name));
        if matches!(table.kind, TableKind::Entities(_)) {
            ["runs", "slot", "generation", "start", "length"].into_iter().for_each(&mut add);
            table.columns[table.key_columns()..].iter().for_each(|column| add(&column.name));
            continue;
        }
        if table.arity == Arity::Many {
            add("rows");
        }
        if table.kind == TableKind::Rng {
            add("slices");
        }
        for column in &table.columns {
            if !matches!(column.column_type, ColumnType::Scalar(_)) {
                add(&format!("{}.lengths", column.name));
            }
            add(&column.name);
        }
    }
    frames
}

/// A trace taken apart, so that heads and tails may get other lengths.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Its sections, in the order of the file.
    pub sections: Vec<Part>,
}

/// A section without its header.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its four letters.
    pub tag: [u8; 4],
    /// Its head.
    pub head: Vec<u8>,
    /// Its tail.
    pub tail: Vec<u8>,
}

impl Parts {
    /// Takes a trace apart.
    pub fn of(bytes: &[u8]) -> Parts {
        let part = |section: Section| Part {
            tag: section.tag,
            head: bytes[section.head].to_vec(),
            tail: bytes[section.tail].to_vec(),
        };
        Parts { sections: sections(bytes).into_iter().map(part).collect() }
    }

    /// The section with these letters that comes after `before` others of them.
    ///
    /// # Panics
    /// If there is none.
    pub fn section(&mut self, tag: &[u8; 4], before: usize) -> &mut Part {
        self.sections.iter_mut().filter(|part| part.tag == *tag).nth(before).expect("the section is there")
    }

    /// Puts other bytes in place of a column frame of a block, by its name in [`column_frames`], and makes the lengths in the
    /// block's head right.
    ///
    /// # Panics
    /// If there is no such block or frame.
    pub fn put_column(&mut self, layout: &Layout, block: usize, name: &str, encoding: u8, bytes: &[u8]) {
        let frames = column_frames(layout);
        let at = frames.iter().position(|frame| frame == name).expect("the layout has such a frame");
        let part = self.section(b"BLCK", block);
        let records = elements(&part.head, part.head.len() - BLOCK_COLUMNS, FRAME_RECORD);
        let len = |record: &Range<usize>| u32_at(&part.head, record.start + 1);
        let start: usize = records[..at].iter().map(len).sum();
        let old = len(&records[at]);
        let record = records[at].clone();
        part.tail.splice(start..start + old, bytes.iter().copied());
        part.head[record.start] = encoding;
        put_u32(&mut part.head, record.start + 1, bytes.len());
    }

    /// The trace, with the offsets and lengths that its index gives, and all checksums, as they now are.
    ///
    /// # Panics
    /// If no section is a footer.
    pub fn assemble(&self) -> Vec<u8> {
        let mut bytes = b"\x89CDT\r\n\x1a\n\x01\0\0\0\0\0\0\0".to_vec();
        for part in &self.sections {
            bytes.extend(part.tag);
            bytes.extend(u32::try_from(part.head.len()).expect("heads are small").to_le_bytes());
            bytes.extend((part.tail.len() as u64).to_le_bytes());
            bytes.extend([0; 16]);
            bytes.extend(part.head.iter().chain(&part.tail));
        }
        bytes.extend([0; 16]);
        bytes.extend(b"CDT-END\n");
        let all = sections(&bytes);
        let of = |tag: &[u8; 4]| all.iter().filter(|section| &section.tag == tag).collect::<Vec<_>>();
        let mut blocks = of(b"BLCK").into_iter();
        for segment in of(b"SEGM") {
            for (entry, block) in
                elements(&bytes, segment.head.end - SEGMENT_BLOCKS, BLOCK_ENTRY).into_iter().zip(&mut blocks)
            {
                put_section(&mut bytes, entry.start, block);
                put_u32(&mut bytes, entry.start + 12, block.tail.len());
            }
        }
        let footer = of(b"FOOT").pop().expect("a footer");
        for (entry, segment) in elements(&bytes, footer.head.end - 32, 16).into_iter().zip(of(b"SEGM")) {
            put_section(&mut bytes, entry.start, segment);
        }
        for (entry, loss) in elements(&bytes, footer.head.end - 24, 12).into_iter().zip(of(b"LOSS")) {
            put_section(&mut bytes, entry.start, loss);
        }
        let trailer = bytes.len() - 24;
        bytes[trailer..trailer + 8].copy_from_slice(&(footer.start as u64).to_le_bytes());
        reseal(&mut bytes);
        bytes
    }
}

/// Puts a 32-bit number at a byte.
pub fn put_u32(bytes: &mut [u8], at: usize, number: usize) {
    bytes[at..at + 4].copy_from_slice(&u32::try_from(number).expect("32 bits").to_le_bytes());
}

fn put_section(bytes: &mut [u8], entry: usize, section: &Section) {
    bytes[entry..entry + 8].copy_from_slice(&(section.start as u64).to_le_bytes());
    put_u32(bytes, entry + 8, section.head.len());
}

#[cfg(test)]
mod tests {
    use cdt_trace::Options;

    use super::*;
    use crate::{Numbers, write_full};

    #[test]
    fn what_was_sealed_by_the_writer_is_not_changed() {
        let good = write_full(6, 1, Options { block_ticks: 2, ..Options::LIVE });
        let mut bytes = good.clone();
        reseal(&mut bytes);
        assert_eq!(bytes, good);
        for part in parts(&good) {
            bytes[part.start] ^= 1;
            reseal(&mut bytes);
            assert_ne!(bytes, good);
            bytes.clone_from(&good);
        }
    }

    #[test]
    fn any_bytes_can_be_resealed() {
        let good = write_full(3, 1, Options::LIVE);
        let mut numbers = Numbers(1);
        for _ in 0..20_000 {
            let mut bytes = good.clone();
            for _ in 0..1 + numbers.below(8) {
                let at = numbers.below(u32::try_from(bytes.len()).unwrap()) as usize;
                bytes[at] = u8::try_from(numbers.below(256)).unwrap();
            }
            bytes.truncate(bytes.len() - numbers.below(64) as usize);
            reseal(&mut bytes);
            reseal(&mut bytes[good.len() / 2..]);
        }
    }
}
