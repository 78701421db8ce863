//! Changing the bytes of a finished trace and making its checksums right again, so that nothing but a reader's own rules
//! stands between it and what was changed. Panics where the bytes are no trace.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

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
pub fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes")) as usize
}

/// The sections of a trace.
pub fn sections(bytes: &[u8]) -> Vec<Section> {
    let mut found = Vec::new();
    let mut start = 16;
    while start < bytes.len() - 24 {
        let head = start + 32..start + 32 + u32_at(bytes, start + 4);
        let tail = head.end..head.end + u32_at(bytes, start + 8);
        let tag = bytes[start..start + 4].try_into().expect("4 bytes");
        start = tail.end;
        found.push(Section { tag, start: head.start - 32, head, tail });
    }
    found
}

/// The elements of a vector whose relative pointer stands at `field`.
pub fn elements(bytes: &[u8], field: usize, size: usize) -> Vec<Range<usize>> {
    let offset = i32::from_le_bytes(bytes[field..field + 4].try_into().expect("4 bytes"));
    let start = field.checked_add_signed(offset as isize).expect("a pointer into the archive");
    (0..u32_at(bytes, field + 4)).map(|index| start + index * size..start + (index + 1) * size).collect()
}

/// The frames of a block's channels, each with the place of its checksum.
pub fn frames(bytes: &[u8], block: &Section) -> Vec<(Range<usize>, usize)> {
    let mut at = block.tail.start;
    let frame = |record: Range<usize>| {
        let len = u32_at(bytes, record.start);
        at += len;
        (at - len..at, record.start + 4)
    };
    elements(bytes, block.head.end - 16, 12).into_iter().map(frame).collect()
}

/// Where a segment's tick digests end and its summaries begin.
pub fn summaries_start(bytes: &[u8], segment: &Section) -> usize {
    let ticks: usize =
        elements(bytes, segment.head.end - 32, 28).iter().map(|block| u32_at(bytes, block.start + 24)).sum();
    segment.tail.start + ticks * 8
}

/// Writes the checksum of a range to a place.
pub fn checksum_into(bytes: &mut [u8], of: Range<usize>, at: usize) {
    let checksum = xxh3_64(&bytes[of]).to_le_bytes();
    bytes[at..at + 8].copy_from_slice(&checksum);
}

/// Makes the checksums of a section's head and header right.
pub fn seal(bytes: &mut [u8], section: &Section) {
    checksum_into(bytes, section.head.clone(), section.start + 16);
    checksum_into(bytes, section.start..section.start + 24, section.start + 24);
}

/// Makes all checksums of a segment right.
pub fn seal_segment(bytes: &mut [u8], segment: &Section) {
    let middle = summaries_start(bytes, segment);
    checksum_into(bytes, segment.tail.start..middle, segment.head.end - 16);
    checksum_into(bytes, middle..segment.tail.end, segment.head.end - 8);
    seal(bytes, segment);
}
