//! Heads of blocks, and where their columns stand.

use cdt_schema::{LayoutSpec, MemoryLayout, PageId, Scalar};
use cdt_testkit::surgery::{
    BLOCK_COLUMNS, BLOCK_ENTRY, BLOCK_ROWS, BLOCK_TICK_RUNS, FRAME_RECORD, SEGMENT_BLOCKS, Section, elements,
    put_elements, put_u32, remove_last, seal, sections,
};

use super::{counting, first, raw, rebuilt, sealed, with_columns, with_slack};
use crate::make::{Case, live, trace};

pub fn cases() -> Vec<Case> {
    let good = counting(&[0, 1, 5]);
    let mut cases = heads(&good);
    cases.extend(columns(&good));
    cases.extend(bounds(&good));
    cases
}

/// The first block's vector so many bytes before its root's end.
fn vector(bytes: &[u8], all: &[Section], from_end: usize, size: usize) -> Vec<std::ops::Range<usize>> {
    elements(bytes, first(all, b"BLCK").head.end - from_end, size)
}

/// A block after one of its vectors, the last of these, lost its last element.
fn shorter(name: &str, good: &[u8], vectors: &[usize], size: usize) -> Case {
    rebuilt(name, good, |parts| remove_last(&mut parts.section(b"BLCK", 0).head, vectors, size))
}

fn heads(good: &[u8]) -> Vec<Case> {
    // The block's runs are 0 and 1; 5.
    let run = |name: &str, run: usize, value: [usize; 2]| {
        sealed(name, good, move |bytes, all| {
            let at = vector(bytes, all, BLOCK_TICK_RUNS, 8).remove(run).start;
            put_u32(bytes, at, value[0]);
            put_u32(bytes, at + 4, value[1]);
        })
    };
    let max = usize::try_from(u32::MAX).unwrap();
    let mut cases = vec![
        raw("block-of-another-tag", good, |bytes| {
            let all = sections(bytes);
            let block = first(&all, b"BLCK");
            bytes[block.start..block.start + 4].copy_from_slice(b"BLOK");
            seal(bytes, block);
        }),
        sealed("block-head-shorter-than-the-index-says", good, |bytes, all| {
            let entry = elements(bytes, first(all, b"SEGM").head.end - SEGMENT_BLOCKS, BLOCK_ENTRY).remove(0).start;
            bytes[entry + 8] += 1;
            bytes[entry + 12] -= 1;
        }),
        raw("block-tail-shorter-than-the-index-says", good, |bytes| {
            let all = sections(bytes);
            let block = first(&all, b"BLCK");
            bytes[block.start + 8] -= 1;
            seal(bytes, block);
        }),
        sealed("record-block-malformed", good, |bytes, all| {
            put_u32(bytes, first(all, b"BLCK").head.end - BLOCK_COLUMNS + 4, 1 << 24);
        }),
        run("block-run-of-no-tick", 1, [5, 0]),
        run("block-run-past-the-last-tick", 1, [max, 2]),
        run("block-runs-out-of-order", 1, [1, 1]),
        run("block-ticks-end-elsewhere", 1, [6, 1]),
        run("block-ticks-begin-elsewhere", 0, [1, 2]),
        run("block-ticks-are-more", 0, [0, 3]),
        run("block-of-65537-ticks", 1, [5, 65_535]),
        rebuilt("block-runs-that-touch", good, |parts| {
            let runs: Vec<u8> = [0, 1, 1, 1, 5, 1u32].iter().flat_map(|number| number.to_le_bytes()).collect();
            put_elements(&mut parts.section(b"BLCK", 0).head, &[BLOCK_TICK_RUNS], 8, &runs);
        }),
        with_slack("record-block-with-slack", good, b"BLCK"),
        shorter("block-without-a-table", good, &[BLOCK_TICK_RUNS, BLOCK_ROWS], 4),
        shorter("block-without-a-column", good, &[BLOCK_TICK_RUNS, BLOCK_ROWS, BLOCK_COLUMNS], FRAME_RECORD),
    ];
    cases.push(sealed("block-rows-of-a-fixed-table", good, |bytes, all| {
        let rows = vector(bytes, all, BLOCK_ROWS, 4).remove(0).start;
        bytes[rows] += 1;
    }));
    cases
}

fn columns(good: &[u8]) -> Vec<Case> {
    let record = |bytes: &[u8], all: &[Section]| vector(bytes, all, BLOCK_COLUMNS, FRAME_RECORD).remove(0).start;
    vec![
        raw("column-checksum", good, |bytes| {
            let all = sections(bytes);
            let column = record(bytes, &all);
            bytes[column + 5] ^= 1;
            seal(bytes, first(&all, b"BLCK"));
        }),
        sealed("column-lengths-do-not-fill-the-tail", good, |bytes, all| bytes[record(bytes, all) + 1] -= 1),
        sealed("column-lengths-overfill-the-tail", good, |bytes, all| bytes[record(bytes, all) + 1] += 1),
        rebuilt("block-tail-of-a-byte-more", good, |parts| parts.section(b"BLCK", 0).tail.push(0)),
    ]
}

/// What few bytes must not ask for.
fn bounds(good: &[u8]) -> Vec<Case> {
    let memory = Some(MemoryLayout { page_size: 64, pages: 1 });
    let pages = trace(LayoutSpec { memory, ..LayoutSpec::default() }, live(8), 0..2, |number, tick| {
        tick.page(PageId(0), &[u8::try_from(number).unwrap(); 64])
    });
    let events = super::admissible::hits(|tick| tick.event(super::admissible::hit(&[Scalar::U32(1)])));
    vec![
        sealed("bound-rows-of-a-block", &pages, |bytes, all| {
            let rows = vector(bytes, all, BLOCK_ROWS, 4).remove(0).start;
            put_u32(bytes, rows, 1 << 23);
        }),
        // Each of the two rows has 2^25 bytes, in a frame of four.
        with_columns(
            "bound-bytes-of-pages",
            &pages,
            &[("memory.content.lengths", 1, (1u32 << 25).to_le_bytes().to_vec())],
        ),
        // All lengths together do not fit 32 bits.
        with_columns("bound-bytes-of-values", &events, &[("events.values.lengths", 1, vec![0xf8, 0xff, 0xff, 0xff])]),
        // Nothing but a column of that many lanes says so.
        sealed("bound-table-of-2-to-32-rows", good, |bytes, all| {
            let rows = vector(bytes, all, BLOCK_ROWS, 4).remove(0).start;
            put_u32(bytes, rows, usize::try_from(u32::MAX).unwrap());
        }),
    ]
}
