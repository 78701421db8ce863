//! Bytes that lie behind checksums that match: the decoder itself must refuse them, whatever they say, or read rows that
//! obey the layout. It must never panic, loop or ask for memory that a block may not have.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::ops::Range;
use std::path::Path;

use cdt_schema::{ChannelSet, TickDigester};
use cdt_testkit::{Numbers, write_full};
use cdt_trace::{Encoding, Options, Trace};
use xxhash_rust::xxh3::xxh3_64;

/// A section of a good trace: where its header, head and tail stand.
#[derive(Clone, Debug)]
struct Section {
    tag: [u8; 4],
    start: usize,
    head: Range<usize>,
    tail: Range<usize>,
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn sections(bytes: &[u8]) -> Vec<Section> {
    let mut found = Vec::new();
    let mut start = 16;
    while start < bytes.len() - 24 {
        let head = start + 32..start + 32 + u32_at(bytes, start + 4);
        let tail = head.end..head.end + u32_at(bytes, start + 8);
        found.push(Section { tag: bytes[start..start + 4].try_into().unwrap(), start, head, tail: tail.clone() });
        start = tail.end;
    }
    found
}

/// Makes every checksum of a section match its bytes again, as docs/format.md has them.
fn mend(bytes: &mut [u8], section: &Section) {
    if section.tag == *b"BLCK" {
        mend_frames(bytes, section);
    }
    if section.tag == *b"SEGM" {
        // The summaries follow the digests; the numbers of ticks stand at the ends of the blocks' entries.
        let root = section.head.end - 32;
        let blocks = list(bytes, root, 28, &section.head);
        let ticks: usize = blocks.iter().map(|&entry| u32_at(bytes, entry + 24)).sum();
        let split = section.tail.start.saturating_add(ticks.saturating_mul(8)).min(section.tail.end);
        let (digests, summaries) =
            (xxh3_64(&bytes[section.tail.start..split]), xxh3_64(&bytes[split..section.tail.end]));
        put_u64(bytes, root + 16, digests);
        put_u64(bytes, root + 24, summaries);
    }
    let head = xxh3_64(&bytes[section.head.clone()]);
    put_u64(bytes, section.start + 16, head);
    let header = xxh3_64(&bytes[section.start..section.start + 24]);
    put_u64(bytes, section.start + 24, header);
}

/// Where the elements of a list stand, as far as they lie within the head.
fn list(bytes: &[u8], at: usize, size: usize, head: &Range<usize>) -> Vec<usize> {
    let offset = i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let Some(start) = at.checked_add_signed(offset as isize) else { return Vec::new() };
    let elements = (0..u32_at(bytes, at + 4).min(10_000)).map(|index| start + index * size);
    elements.filter(|&element| element >= head.start && element + size <= head.end).collect()
}

fn mend_frames(bytes: &mut [u8], section: &Section) {
    let mut at = section.tail.start;
    for entry in list(bytes, section.head.end - 16, 12, &section.head) {
        let end = at.saturating_add(u32_at(bytes, entry)).min(section.tail.end);
        let checksum = xxh3_64(&bytes[at..end]);
        put_u64(bytes, entry + 4, checksum);
        at = end;
    }
}

/// Reads all that can be read and uses it, so that rows which do not obey their layout would show.
fn use_all(bytes: Vec<u8>) -> Result<(), cdt_trace::Error> {
    let trace = Trace::from_source(bytes, Path::new("fixture"))?;
    for segment in 0..trace.segments() {
        trace.digests(segment)?;
        trace.summaries(segment)?;
    }
    for block in 0..trace.index().blocks.len() {
        let rows = trace.block(block, ChannelSet::ALL)?;
        let mut digester = TickDigester::new(rows.layout());
        for tick in 0..rows.ticks().len() {
            digester.digest(&rows, tick);
            rows.has_input(tick);
        }
    }
    Ok(())
}

#[test]
fn mending_a_good_trace_changes_nothing() {
    let good = write_full(9, 3, Options { encoding: Encoding::Archive, block_ticks: 4, ..Options::LIVE });
    let mut mended = good.clone();
    sections(&good).iter().for_each(|section| mend(&mut mended, section));
    assert!(good == mended, "the test knows the format");
}

#[test]
fn no_lie_gets_past_the_decoder_unharmed() {
    let mut numbers = Numbers(1);
    let mut refused = 0;
    for encoding in [Encoding::Live, Encoding::Archive] {
        let good = write_full(9, 3, Options { encoding, block_ticks: 4, ..Options::LIVE });
        let sections = sections(&good);
        for _ in 0..12_000 {
            let section = &sections[numbers.below(u32::try_from(sections.len()).unwrap()) as usize];
            let mut bytes = good.clone();
            for _ in 0..=numbers.below(2) {
                // Heads are small and say the most, so half of the lies are told there.
                let part = if section.tail.is_empty() || numbers.below(2) == 0 { &section.head } else { &section.tail };
                let at = part.start + numbers.below(u32::try_from(part.len()).unwrap()) as usize;
                bytes[at] = match numbers.below(4) {
                    0 => 0,
                    1 => 0xff,
                    2 => bytes[at] ^ 1 << numbers.below(8),
                    _ => u8::try_from(numbers.below(256)).unwrap(),
                };
            }
            mend(&mut bytes, section);
            refused += u32::from(use_all(bytes).is_err());
        }
    }
    // Many lies are rows that could be true; those that could not are many too.
    assert!(refused > 6_000, "{refused}");
}
