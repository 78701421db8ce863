//! Changing the bytes of a trace and making its checksums right again, so that nothing but a reader's own rules stands
//! between it and what was changed. Whatever cannot be followed, because it was changed before, is left out.

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

/// The frames of a block's channels, each with the place of its checksum.
pub fn frames(bytes: &[u8], block: &Section) -> Vec<(Range<usize>, usize)> {
    let mut at = block.tail.start;
    let frame = |record: Range<usize>| {
        let len = u32_at(bytes, record.start);
        at += len;
        (at - len..at, record.start + 4)
    };
    elements(bytes, block.head.end - 16, 12)
        .into_iter()
        .map(frame)
        .filter(|(frame, _)| frame.end <= block.tail.end)
        .collect()
}

/// Where a segment's tick digests end and its summaries begin.
pub fn summaries_start(bytes: &[u8], segment: &Section) -> usize {
    let ticks: usize =
        elements(bytes, segment.head.end - 32, 28).iter().map(|block| u32_at(bytes, block.start + 24)).sum();
    (segment.tail.start + ticks * 8).min(segment.tail.end)
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

/// The parts of a trace that have a checksum: the heads of its sections, the frames of its channels, its tick digests and
/// its summaries.
pub fn parts(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for section in sections(bytes) {
        match &section.tag {
            b"BLCK" => found.extend(frames(bytes, &section).into_iter().map(|(frame, _)| frame)),
            b"SEGM" => {
                let middle = summaries_start(bytes, &section);
                found.extend([section.tail.start..middle, middle..section.tail.end]);
            }
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
                frames(bytes, &section).into_iter().for_each(|(frame, checksum)| checksum_into(bytes, frame, checksum));
                seal(bytes, &section);
            }
            b"SEGM" if section.head.len() >= 16 => seal_segment(bytes, &section),
            _ => seal(bytes, &section),
        }
    }
    if let Some(trailer) = bytes.len().checked_sub(24) {
        checksum_into(bytes, trailer..trailer + 8, trailer + 8);
    }
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
