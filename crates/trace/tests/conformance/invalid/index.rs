//! Footer, segments, losses.

use std::ops::Range;

use cdt_schema::{EntityKind, Generation, KindId, LayoutSpec, Scalar, ScalarType, Slot, Tick, Uid};
use cdt_testkit::meta;
use cdt_testkit::surgery::{
    BLOCK_ENTRY, BLOCK_TICK_RUNS, RANGE, SEGMENT_BLOCKS, SEGMENT_CHANGED, SEGMENT_DIAGNOSTICS, SEGMENT_ROWS,
    SEGMENT_TICK_RUNS, SEGMENT_TICKS_WITH_INPUT, Section, elements, put_elements, put_u32, remove_last, seal, sections,
    segment_parts, u32_at,
};
use cdt_trace::{Loss, LossKind};

use super::{counting, first, raw, rebuilt, sealed, with_slack};
use crate::make::{Case, encoder_of, field, live, state, trace};
use crate::valid::two_segments;

pub fn cases() -> Vec<Case> {
    let good = counting(&[0, 1, 5, 6, 7, 9]);
    let mut cases = footer(&good);
    cases.extend(losses());
    cases.extend(blocks(&good));
    cases.extend(runs(&good));
    cases.extend(totals());
    cases.extend(tails(&good));
    cases.extend(ranges());
    cases
}

/// How many bytes before its end the vectors of a segment's root stand.
const SEGMENT: [usize; 5] = [SEGMENT_ROWS, SEGMENT_CHANGED, SEGMENT_DIAGNOSTICS, SEGMENT_BLOCKS, SEGMENT_TICK_RUNS];

/// The first segment's entry in the footer: offset (8), length of the head (4), ticks (4).
fn segment_entry(bytes: &[u8], all: &[Section]) -> Range<usize> {
    elements(bytes, first(all, b"FOOT").head.end - 32, 16).remove(0)
}

/// The entries of blocks in the first segment.
fn block_entries(bytes: &[u8], all: &[Section]) -> Vec<Range<usize>> {
    elements(bytes, first(all, b"SEGM").head.end - SEGMENT_BLOCKS, BLOCK_ENTRY)
}

/// The first segment's runs of ticks: first, count (4 each).
fn tick_runs(bytes: &[u8], all: &[Section]) -> Vec<Range<usize>> {
    elements(bytes, first(all, b"SEGM").head.end - SEGMENT_TICK_RUNS, 8)
}

fn footer(good: &[u8]) -> Vec<Case> {
    let entry = |name: &str, change: fn(&mut [u8])| {
        sealed(name, good, move |bytes, all| {
            let entry = segment_entry(bytes, all);
            change(&mut bytes[entry]);
        })
    };
    vec![
        sealed("record-footer-malformed", good, |bytes, all| {
            let footer = first(all, b"FOOT").head.end;
            put_u32(bytes, footer - 32 + 4, 1 << 24);
        }),
        entry("index-segment-in-the-file-header", |entry| put_u32(entry, 0, 0)),
        entry("index-segment-behind-the-footer", |entry| entry[7] = 1),
        entry("index-segment-where-something-else-is", |entry| put_u32(entry, 0, 16)),
        entry("index-segment-head-shorter", |entry| entry[8] -= 1),
        sealed("index-segment-head-longer", good, |bytes, all| {
            let entry = segment_entry(bytes, all);
            bytes[entry.start + 8] += 1;
        }),
        entry("index-segment-of-more-ticks", |entry| entry[12] += 1),
        sealed("index-segments-out-of-order", &two_segments(), |bytes, all| {
            let entries = elements(bytes, first(all, b"FOOT").head.end - 32, 16);
            let second = bytes[entries[1].clone()].to_vec();
            bytes.copy_within(entries[0].clone(), entries[1].start);
            bytes[entries[0].clone()].copy_from_slice(&second);
        }),
        sealed("index-segment-of-earlier-ticks", &two_segments(), |bytes, all| {
            let second = |tag: &[u8; 4]| all.iter().filter(|section| &section.tag == tag).nth(1).unwrap().head.end;
            let entry = elements(bytes, second(b"SEGM") - SEGMENT_BLOCKS, BLOCK_ENTRY).remove(0).start;
            put_u32(bytes, entry + 16, 0);
            put_u32(bytes, entry + 20, 2);
            for runs in [second(b"SEGM") - SEGMENT_TICK_RUNS, second(b"BLCK") - BLOCK_TICK_RUNS] {
                let run = elements(bytes, runs, 8).remove(0).start;
                put_u32(bytes, run, 0);
            }
        }),
        sealed("index-segment-twice", &two_segments(), |bytes, all| {
            let entries = elements(bytes, first(all, b"FOOT").head.end - 32, 16);
            bytes.copy_within(entries[0].clone(), entries[1].start);
        }),
        rebuilt("index-segment-left-out", &two_segments(), |parts| {
            remove_last(&mut parts.section(b"FOOT", 0).head, &[32], 16);
        }),
        with_slack("record-footer-with-slack", good, b"FOOT"),
    ]
}

fn losses() -> Vec<Case> {
    let mut encoder = encoder_of(&meta(), state(&[("n", ScalarType::U32)]), live(8));
    for number in 0..2 {
        encoder.append(Tick(number), |tick| tick.state(&[Scalar::U32(number)])).unwrap();
        let detail = "slow".to_owned();
        encoder.record_loss(&Loss { kind: LossKind::DroppedTicks, from: Tick(number), to: None, detail });
    }
    let good = encoder.finish("complete").0;
    let named = |bytes: &[u8], all: &[Section]| elements(bytes, first(all, b"FOOT").head.end - 24, 12);
    // kind u8, from u32, to option of u32, detail string.
    const ROOT: usize = 1 + 4 + 5 + 8;
    vec![
        sealed("loss-kind-4", &good, |bytes, all| bytes[first(all, b"LOSS").head.end - ROOT] = 4),
        sealed("loss-record-malformed", &good, |bytes, all| bytes[first(all, b"LOSS").head.end - ROOT + 5] = 2),
        rebuilt("loss-that-nothing-names", &good, |parts| {
            remove_last(&mut parts.section(b"FOOT", 0).head, &[32, 24], 12);
        }),
        with_slack("loss-record-with-slack", &good, b"LOSS"),
        sealed("loss-named-twice", &good, |bytes, all| {
            let entries = named(bytes, all);
            bytes.copy_within(entries[0].clone(), entries[1].start);
        }),
        sealed("loss-behind-the-footer", &good, |bytes, all| {
            let entry = named(bytes, all).remove(1);
            bytes[entry.start + 7] = 1;
        }),
        sealed("loss-where-something-else-is", &good, |bytes, all| {
            let entry = named(bytes, all).remove(0);
            put_u32(bytes, entry.start, first(all, b"BLCK").start);
        }),
        sealed("loss-head-longer", &good, |bytes, all| {
            let entry = named(bytes, all).remove(0);
            bytes[entry.start + 8] += 1;
        }),
        sealed("losses-that-share-bytes", &good, |bytes, all| {
            let entries = named(bytes, all);
            let apart = u32_at(bytes, entries[1].start) - u32_at(bytes, entries[0].start);
            put_u32(bytes, entries[0].start + 8, apart);
        }),
        rebuilt("loss-with-tail", &good, |parts| parts.section(b"LOSS", 0).tail.push(0)),
    ]
}

/// Ticks 0, 1, 5 are a block, and 6, 7, 9 are one.
fn blocks(good: &[u8]) -> Vec<Case> {
    let entry = |name: &str, block: usize, field: usize, value: usize| {
        sealed(name, good, move |bytes, all| {
            let entry = block_entries(bytes, all).remove(block);
            put_u32(bytes, entry.start + field, value);
        })
    };
    const FIRST_TICK: usize = 16;
    const LAST_TICK: usize = 20;
    const TICKS: usize = 24;
    vec![
        entry("index-block-in-the-file-header", 0, 0, 8),
        entry("index-block-behind-its-segment", 1, 0, good.len()),
        entry("index-block-of-no-tick", 0, TICKS, 0),
        entry("index-block-of-more-ticks-than-fit", 0, TICKS, 7),
        entry("index-block-ends-before-it-begins", 1, LAST_TICK, 2),
        entry("index-block-begins-before-the-last-one-ends", 1, FIRST_TICK, 5),
        sealed("index-blocks-overlap", good, |bytes, all| {
            let entry = block_entries(bytes, all).remove(0);
            let tail_len = u32_at(bytes, entry.start + 12);
            put_u32(bytes, entry.start + 12, tail_len + 1);
        }),
        rebuilt("index-segment-without-blocks", good, |parts| {
            let segment = &mut parts.section(b"SEGM", 0).head;
            put_elements(segment, &SEGMENT[..4], 28, &[]);
            put_elements(segment, &SEGMENT, 8, &[]);
            let footer = &mut parts.section(b"FOOT", 0).head;
            let entry = elements(footer, footer.len() - 32, 16).remove(0);
            put_u32(footer, entry.start + 12, 0);
        }),
        with_slack("record-segment-with-slack", good, b"SEGM"),
        sealed("record-segment-malformed", good, |bytes, all| {
            put_u32(bytes, first(all, b"SEGM").head.end - SEGMENT_BLOCKS + 4, 1 << 24);
        }),
    ]
}

/// Runs are 0 and 1; 5, 6 and 7; 9.
fn runs(good: &[u8]) -> Vec<Case> {
    let run = |name: &str, run: usize, value: [usize; 2]| {
        sealed(name, good, move |bytes, all| {
            let at = tick_runs(bytes, all).remove(run).start;
            put_u32(bytes, at, value[0]);
            put_u32(bytes, at + 4, value[1]);
        })
    };
    let max = usize::try_from(u32::MAX).unwrap();
    vec![
        run("index-run-of-no-tick", 1, [5, 0]),
        run("index-run-past-the-last-tick", 2, [max, 2]),
        run("index-runs-out-of-order", 2, [3, 1]),
        run("index-runs-of-more-ticks", 2, [9, 2]),
        run("index-runs-end-elsewhere", 2, [10, 1]),
        run("index-runs-begin-elsewhere", 0, [1, 2]),
        rebuilt("index-runs-that-touch", good, |parts| {
            let runs: Vec<u8> = [0, 1, 1, 1, 5, 3, 9, 1u32].iter().flat_map(|number| number.to_le_bytes()).collect();
            put_elements(&mut parts.section(b"SEGM", 0).head, &SEGMENT, 8, &runs);
        }),
        // The block says 0, 1, 5 and the index 0, 4, 5: each begins and ends as it should.
        sealed("index-runs-are-others-within-a-block", good, |bytes, all| {
            let runs = tick_runs(bytes, all);
            [(0, 1), (4, 4)].iter().zip(&runs).for_each(|((first, count), run)| {
                put_u32(bytes, run.start, *first);
                put_u32(bytes, run.start + 4, *count);
            });
        }),
    ]
}

fn totals() -> Vec<Case> {
    /// Bytes that the rows of a block may need.
    const MAX_RAW: u64 = 48 << 20;
    let timing = LayoutSpec { stages: vec!["all".to_owned()], timing: true, ..LayoutSpec::default() };
    let good = trace(timing, live(8), 0..2, |_, _| Ok(()));
    let short = |name: &str, vector: usize, size: usize| {
        rebuilt(name, &good, |parts| remove_last(&mut parts.section(b"SEGM", 0).head, &SEGMENT[..=vector], size))
    };
    let short_summary = |name: &str, vector: usize, size: usize| {
        rebuilt(name, &good, |parts| {
            remove_last(&mut parts.section(b"SEGM", 0).tail, &[40, 32, 24, 16, 8][..=vector], size);
        })
    };
    let bare = trace(state(&[]), live(8), 0..2, |_, tick| tick.state(&[]));
    let rows = |name: &str, good: &[u8], value: u64| {
        sealed(name, good, move |bytes, all| {
            let total = elements(bytes, first(all, b"SEGM").head.end - SEGMENT_ROWS, 8).remove(0);
            bytes[total].copy_from_slice(&value.to_le_bytes());
        })
    };
    let summary = |name: &str, from_end: usize, value: usize| {
        sealed(name, &good, move |bytes, all| {
            let number = elements(bytes, first(all, b"SEGM").tail.end - from_end, 4).remove(0);
            put_u32(bytes, number.start, value);
        })
    };
    vec![
        short("totals-without-a-table", 0, 8),
        short("totals-without-a-column", 1, 1),
        short("totals-without-diagnostics", 2, 8),
        short_summary("summaries-without-a-channel", 0, 8),
        short_summary("summaries-without-a-table", 1, 4),
        short_summary("summaries-without-inputs", 2, 4),
        short_summary("summaries-without-a-column", 3, 1),
        short_summary("summaries-without-diagnostics", 4, 8),
        // A row of timing has 20 bytes.
        rows("totals-of-more-rows-than-a-block-has", &good, MAX_RAW / 20 + 1),
        rows("totals-of-more-rows-without-columns", &bare, MAX_RAW + 1),
        rows("totals-of-rows-that-no-sum-holds", &good, u64::MAX),
        sealed("totals-of-more-ticks-with-input-than-ticks", &good, |bytes, all| {
            put_u32(bytes, first(all, b"SEGM").head.end - SEGMENT_TICKS_WITH_INPUT, 3);
        }),
        summary("summaries-of-more-rows-than-a-block-has", 32, usize::try_from(MAX_RAW / 20 + 1).unwrap()),
        summary("summaries-of-more-ticks-with-input-than-ticks", 24, 65_537),
    ]
}

fn tails(good: &[u8]) -> Vec<Case> {
    vec![
        raw("segment-digests-checksum", good, |bytes| {
            let at = first(&sections(bytes), b"SEGM").tail.start;
            bytes[at] ^= 1;
        }),
        raw("segment-summaries-checksum", good, |bytes| {
            let all = sections(bytes);
            let [_, _, summaries] = segment_parts(bytes, first(&all, b"SEGM"));
            bytes[summaries.start] ^= 1;
        }),
        sealed("record-summaries-malformed", good, |bytes, all| {
            put_u32(bytes, first(all, b"SEGM").tail.end - 16 + 4, 1 << 24);
        }),
        rebuilt("record-summaries-with-slack", good, |parts| {
            let tail = &mut parts.section(b"SEGM", 0).tail;
            tail.splice(6 * 8..6 * 8, [0; 8]);
        }),
        rebuilt("segment-shorter-than-its-digests", good, |parts| parts.section(b"SEGM", 0).tail.truncate(47)),
        raw("segment-longer-than-the-file", good, |bytes| {
            let all = sections(bytes);
            let segment = first(&all, b"SEGM");
            bytes[segment.start + 12] = 1;
            seal(bytes, segment);
        }),
    ]
}

fn ranges() -> Vec<Case> {
    let kind = EntityKind { name: "rock".to_owned(), fields: vec![field("x", ScalarType::F32)] };
    let spec = LayoutSpec { entities: Some(vec![kind]), ..LayoutSpec::default() };
    let uid = Uid { kind: KindId(0), slot: Slot(0), generation: Generation(0) };
    let good = trace(spec, live(8), 0..4, |_, tick| tick.entity(uid, &[Scalar::F32(0.5)]));
    let range = |name: &str, ends: [u64; 2]| {
        sealed(name, &good, move |bytes, all| {
            let [_, ranges, _] = segment_parts(bytes, first(all, b"SEGM"));
            bytes[ranges][..RANGE].copy_from_slice(ends.map(u64::to_le_bytes).as_flattened());
        })
    };
    vec![
        range("segment-range-upside-down", [0x3f00_0001, 0x3f00_0000]),
        range("segment-range-not-finite", [0x3f00_0000, 0x7f80_0000]),
        range("segment-range-wider-than-its-type", [0x3f00_0000, 0x1_3f00_0000]),
        raw("segment-ranges-checksum", &good, |bytes| {
            let [_, ranges, _] = segment_parts(bytes, first(&sections(bytes), b"SEGM"));
            bytes[ranges.start] ^= 1;
        }),
        rebuilt("segment-shorter-than-its-ranges", &good, |parts| {
            parts.section(b"SEGM", 0).tail.truncate(4 * 8 + RANGE - 1);
        }),
    ]
}
