//! Bytes of column frames, runs of entities, slices of draws.

use cdt_schema::{
    Draw, EntityKind, Generation, KindId, LayoutSpec, RngAlgorithm, RngStream, Scalar, ScalarType, Slot, StreamId, Uid,
};

use super::{PLAIN, counting, plain32, with_columns};
use crate::make::{Case, column, field, live, trace};

const CONSTANT: u8 = 1;
const DICTIONARY: u8 = 2;
const PACKED: u8 = 4;
const PLANES: u8 = 8;
/// Coded, order 1.
const CODED: u8 = 13;

pub fn cases() -> Vec<Case> {
    let mut cases = frames();
    cases.extend(packed());
    cases.extend(planes());
    cases.extend(coded());
    cases.extend(entities());
    cases.extend(draws());
    cases
}

/// Three lanes of 32 bits, stored so.
fn three(name: &str, encoding: u8, bytes: &[u8]) -> Case {
    with_columns(name, &counting(&[0, 1, 2]), &[("state.n", encoding, bytes.to_vec())])
}

fn frames() -> Vec<Case> {
    vec![
        three("column-encoding-3", 3, &[0; 12]),
        three("column-encoding-12", 12, &[0; 12]),
        three("column-encoding-16", 16, &[0; 12]),
        three("column-plain-too-short", PLAIN, &[0; 11]),
        three("column-plain-too-long", PLAIN, &[0; 13]),
        three("column-constant-too-short", CONSTANT, &[0; 3]),
        three("column-constant-too-long", CONSTANT, &[0; 5]),
        three("column-dictionary-empty", DICTIONARY, &[]),
        three("column-dictionary-without-all-entries", DICTIONARY, &[1, 7, 0, 0, 0, 8]),
        // One entry, and three indices of one bit: 0, 1, 0.
        three("column-dictionary-without-the-entry", DICTIONARY, &[0, 7, 0, 0, 0, 1, 0b010]),
        three("column-dictionary-indices-of-9-bits", DICTIONARY, &[0, 7, 0, 0, 0, 9, 0, 0, 0, 0]),
        three("column-dictionary-too-long", DICTIONARY, &[0, 7, 0, 0, 0, 0, 0]),
    ]
}

/// The first byte of a group with exceptions has bit 7 set; then stand their number and the bits of their upper parts.
fn packed() -> Vec<Case> {
    vec![
        three("column-packed-empty", PACKED, &[]),
        three("column-packed-of-33-bits", PACKED, &[33; 20]),
        three("column-packed-too-short", PACKED, &[8, 1, 2]),
        three("column-packed-too-long", PACKED, &[8, 1, 2, 3, 4]),
        three("column-packed-ends-before-its-exceptions", PACKED, &[0x80, 1]),
        three("column-packed-no-exceptions", PACKED, &[0x80, 0, 1]),
        three("column-packed-more-exceptions-than-numbers", PACKED, &[0x80, 4, 1, 0, 1, 2, 3, 0b1111]),
        three("column-packed-exceptions-of-no-bits", PACKED, &[0x80, 1, 0, 0]),
        three("column-packed-exceptions-of-33-bits", PACKED, &[0x81, 1, 32, 0, 0, 0, 0, 0, 0]),
        three("column-packed-exception-behind-the-group", PACKED, &[0x80, 1, 1, 3, 1]),
        three("column-packed-exceptions-out-of-order", PACKED, &[0x80, 2, 1, 1, 0, 0b11]),
        three("column-packed-exception-twice", PACKED, &[0x80, 2, 1, 1, 1, 0b11]),
        three("column-packed-without-upper-parts", PACKED, &[0x80, 1, 9, 1, 1]),
    ]
}

fn planes() -> Vec<Case> {
    let frame = |count: usize| zstd::bulk::compress(&vec![5; count], 1).unwrap();
    let stored = |frame: &[u8]| {
        let len = u32::try_from(frame.len()).unwrap().to_le_bytes();
        [&[2], len.as_slice(), frame, &[1, 0].repeat(3)].concat()
    };
    let compressed = |count: usize| stored(&frame(count));
    // Three bytes as they are, in a frame that says its window: 8 MiB and an eighth.
    let windowed = stored(&[0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3 | 1, 3 << 3 | 1, 0, 0, 5, 5, 5]);
    // A frame that is none to be unpacked, and has four bytes.
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 5, 5, 5, 5];
    let mut cut = compressed(3);
    cut[5 + 8] ^= 0xff;
    vec![
        three("column-planes-empty", PLANES, &[]),
        three("column-planes-in-the-way-3", PLANES, &[3, 0, 0, 0]),
        three("column-planes-one-missing", PLANES, &[1, 0, 1, 0, 1, 0]),
        three("column-planes-one-too-many", PLANES, &[1, 0].repeat(5)),
        three("column-planes-stored-too-short", PLANES, &[1, 0, 1, 0, 1, 0, 0, 9, 9]),
        three("column-planes-constant-without-byte", PLANES, &[1, 0, 1, 0, 1, 0, 1]),
        three("column-planes-frame-longer-than-the-column", PLANES, &[2, 200, 0, 0, 0, 1, 2, 3]),
        three("column-planes-no-zstd-frame", PLANES, &[2, 4, 0, 0, 0, 1, 2, 3, 4, 1, 0, 1, 0, 1, 0]),
        three("column-planes-frame-of-too-few", PLANES, &compressed(2)),
        three("column-planes-frame-of-too-many", PLANES, &compressed(4)),
        three("column-planes-frame-of-a-million", PLANES, &compressed(1 << 20)),
        three("column-planes-two-frames", PLANES, &stored(&[frame(2), frame(1)].concat())),
        three("column-planes-bytes-behind-the-frame", PLANES, &stored(&[frame(3), vec![0; 4]].concat())),
        three("column-planes-frame-of-a-window-above-8-mib", PLANES, &windowed),
        three("column-planes-frame-to-be-skipped", PLANES, &stored(&skipped)),
        three("column-planes-frame-cut", PLANES, &stored(&frame(3)[..8])),
        three("column-planes-frame-damaged", PLANES, &cut),
        with_columns(
            "column-bool-of-planes-of-32-bits",
            &column(ScalarType::Bool, live(8), [Scalar::Bool(true); 3]),
            &[("state.value", PLANES, [1, 0].repeat(4))],
        ),
    ]
}

/// Five lanes, of which the first three have the bytes of a packed group, and the others the codes and streams given.
fn coded() -> Vec<Case> {
    let five = |name: &str, codes: &[u8], lens: [u32; 3], streams: &[u8]| {
        let lens = lens.map(u32::to_le_bytes).concat();
        let bytes = [&[0], codes, &lens, streams].concat();
        let good = column(ScalarType::U32, live(8), [Scalar::U32(7); 5]);
        with_columns(&format!("column-coded-{name}"), &good, &[("state.value", CODED, bytes)])
    };
    // Widths of 0 and 1 have codes of a bit, and so has a number of width 1.
    let two = [1, 2, 0, 0x11];
    vec![
        three("column-coded-empty", CODED, &[]),
        three("column-coded-without-contexts", CODED, &[0]),
        five("of-no-context", &[0], [0; 3], &[]),
        five("of-33-contexts", &[&[33], [1, 0].repeat(33).as_slice()].concat(), [0; 3], &[]),
        five("of-fewer-contexts", &[3, 1, 0], [0; 3], &[]),
        five("of-a-width-of-33", &[1, 1, 33], [5, 5, 0], &[0; 10]),
        five("of-widths-to-33", &[1, 2, 32, 0x11], [5, 5, 0], &[0; 10]),
        five("of-codes-that-leave-some-over", &[1, 2, 0, 0x21], [1, 1, 0], &[0, 0]),
        five("of-codes-too-many", &[1, 3, 0, 0x11, 0x01], [1, 1, 0], &[0, 0]),
        five("of-a-code-of-9-bits", &[1, 10, 0, 0x21, 0x43, 0x65, 0x87, 0x99], [1, 1, 0], &[0, 0]),
        five("of-no-code", &[1, 2, 0, 0], [1, 1, 0], &[0, 0]),
        five("where-no-width-is-told", &[1, 0], [0; 3], &[]),
        three("column-coded-without-lengths-of-streams", CODED, &[0, 1, 0, 0, 0]),
        five("of-streams-past-the-frame", &two, [1, 2, 0], &[0, 0]),
        five("of-streams-past-32-bits", &two, [u32::MAX; 3], &[0, 0]),
        five("ends-in-the-next-stream", &two, [0, 1, 0], &[0]),
        five("ends-behind-the-frame", &two, [1, 0, 0], &[0]),
        five("byte-behind-a-number", &two, [2, 1, 0], &[0; 3]),
        five("byte-behind-all", &two, [1, 1, 0], &[0; 3]),
    ]
}

/// Two slots through four ticks.
fn entities() -> Vec<Case> {
    let kind = EntityKind { name: "rock".to_owned(), fields: vec![field("x", ScalarType::F32)] };
    let spec = LayoutSpec { entities: Some(vec![kind]), ..LayoutSpec::default() };
    let good = trace(spec.clone(), live(8), 0..4, |_, tick| {
        (0..2).try_for_each(|slot| {
            let uid = Uid { kind: KindId(0), slot: Slot(slot), generation: Generation(0) };
            tick.entity(uid, &[Scalar::F32(0.5)])
        })
    });
    // One slot, of which the second life begins where the first ends.
    let lives =
        LayoutSpec { entities: Some(vec![EntityKind { name: "rock".to_owned(), fields: vec![] }]), ..spec.clone() };
    let lives = trace(lives, live(8), 0..4, |number, tick| {
        tick.entity(Uid { kind: KindId(0), slot: Slot(0), generation: Generation(number / 2) }, &[])
    });
    let runs = |name: &str, parts: [[u32; 2]; 4]| {
        let frames = ["slot", "generation", "start", "length"].map(|part| format!("entities.rock.{part}"));
        let columns: Vec<(&str, u8, Vec<u8>)> =
            frames.iter().zip(parts).map(|(frame, lanes)| (frame.as_str(), PLAIN, plain32(&lanes))).collect();
        with_columns(name, &good, &columns)
    };
    vec![
        runs("entities-run-of-no-tick", [[0, 1], [0, 0], [0, 0], [8, 0]]),
        runs("entities-run-past-the-block", [[0, 1], [0, 0], [1, 0], [4, 4]]),
        runs("entities-run-past-32-bits", [[0, 1], [0, 0], [u32::MAX, 0], [4, 4]]),
        runs("entities-runs-by-falling-slot", [[1, 0], [0, 0], [0, 0], [4, 4]]),
        runs("entities-runs-by-falling-generation", [[0, 0], [1, 0], [0, 2], [2, 2]]),
        runs("entities-runs-overlap", [[0, 0], [0, 1], [0, 0], [4, 4]]),
        runs("entities-run-twice", [[0, 0], [0, 0], [0, 0], [4, 4]]),
        runs("entities-runs-of-fewer-rows", [[0, 1], [0, 0], [0, 0], [4, 3]]),
        with_columns("entities-runs-that-touch", &lives, &[("entities.rock.generation", PLAIN, plain32(&[0, 0]))]),
        with_columns(
            "entities-more-runs-than-rows",
            &good,
            &[("entities.rock.runs", CONSTANT, 9u32.to_le_bytes().to_vec())],
        ),
        with_columns("entities-runs-without-number", &good, &[("entities.rock.runs", PLAIN, vec![])]),
    ]
}

/// Three draws in the second of two ticks.
fn draws() -> Vec<Case> {
    let stream = RngStream { name: "main".to_owned(), algorithm: RngAlgorithm::Opaque };
    let spec = LayoutSpec { rng: Some(vec![stream]), ..LayoutSpec::default() };
    let good = trace(spec, live(8), 0..2, |number, tick| {
        let draw = Draw { stream: StreamId(0), value: 3, before: 0, after: 0, caller: 0 };
        (0..number * 3).try_for_each(|_| tick.draw(draw))
    });
    let slice = |name: &str, slice: [u8; 2]| with_columns(name, &good, &[("rng.slices", PLAIN, slice.to_vec())]);
    let predicted = RngStream { name: "main".to_owned(), algorithm: RngAlgorithm::MsvcLcg };
    let undrawn = LayoutSpec { rng: Some(vec![predicted]), ..LayoutSpec::default() };
    let undrawn = trace(undrawn, live(8), 0..2, |_, _| Ok(()));
    let rows = |name: &str, rows: [u32; 2]| with_columns(name, &good, &[("rng.rows", PLAIN, plain32(&rows))]);
    vec![
        slice("draws-of-bits-from-64-on", [64, 0]),
        slice("draws-of-33-bits", [0, 33]),
        with_columns("draws-of-bits-that-nothing-uses", &undrawn, &[("rng.slices", PLAIN, vec![64, 0])]),
        rows("table-of-more-rows-than-the-head-says", [1, 3]),
        rows("table-of-fewer-rows-than-the-head-says", [1, 1]),
        rows("table-of-rows-past-32-bits", [u32::MAX, 4]),
        with_columns("draw-of-a-stream-not-declared", &good, &[("rng.stream", CONSTANT, vec![1])]),
    ]
}
