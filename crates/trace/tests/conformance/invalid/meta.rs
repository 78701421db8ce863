//! Records that are malformed, and declarations that a layout may not have.

use cdt_schema::{
    CheckpointLayout, EntityKind, LayoutSpec, MemoryLayout, RngAlgorithm, RngStream, ScalarType, Syscall,
};
use cdt_testkit::meta;
use cdt_testkit::surgery::{elements, put_elements, put_u32};

use super::rebuilt;
use crate::make::{Case, encoder_of, field, live, state};

/// Bytes of the root of `META` from a field of the layout to the root's end.
mod from_end {
    pub const SESSION: usize = 195;
    pub const TICK_RATE: usize = 83 + 8 + 9;
    pub const PLAYERS: usize = 83;
    pub const TIMING: usize = 82;
    pub const STAGES: usize = 81;
    pub const RNG: usize = 64;
    pub const STATE: usize = 46;
    pub const ENTITIES: usize = 37;
    pub const CHECKPOINT: usize = 28;
    pub const MEMORY: usize = 9;
}

pub fn cases() -> Vec<Case> {
    let mut cases = records();
    cases.extend(numbers());
    cases.extend(names());
    cases.extend(needs());
    cases.extend(memories());
    cases
}

/// A trace without ticks of a layout, after a change of its `META` record.
fn changed(name: &str, spec: LayoutSpec, change: impl FnOnce(&mut Vec<u8>)) -> Case {
    let good = encoder_of(&meta(), spec, live(8)).finish("complete").0;
    rebuilt(name, &good, |parts| change(&mut parts.section(b"META", 0).head))
}

/// As [`changed`], with a session and a producer of nine letters, which stand first.
fn changed_texts(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Case {
    let mut meta = meta();
    meta.session = "session-1".to_owned();
    meta.producer.name = "testkit-1".to_owned();
    let good = encoder_of(&meta, u32_field(), live(8)).finish("complete").0;
    rebuilt(name, &good, |parts| change(&mut parts.section(b"META", 0).head))
}

/// A change of the byte so many bytes before the record's end.
fn byte(from_end: usize, value: u8) -> impl FnOnce(&mut Vec<u8>) {
    move |head| {
        let at = head.len() - from_end;
        head[at] = value;
    }
}

/// A change of the bytes that follow a text, which stands once in the record.
fn at(text: &'static str, change: impl FnOnce(&mut [u8])) -> impl FnOnce(&mut Vec<u8>) {
    move |head| {
        let found: Vec<usize> = (0..head.len()).filter(|&at| head[at..].starts_with(text.as_bytes())).collect();
        assert_eq!(found.len(), 1, "{text}");
        change(&mut head[found[0]..]);
    }
}

/// Other elements of a vector, in a record in which no other but the stages leads to anything.
fn put(from_end: usize, size: usize, elements: Vec<u8>) -> impl FnOnce(&mut Vec<u8>) {
    let vectors = if from_end == from_end::STAGES { vec![from_end] } else { vec![from_end::STAGES, from_end] };
    move |head| put_elements(head, &vectors, size, &elements)
}

/// Has the offset at a byte lead to another.
fn put_offset(head: &mut [u8], at: usize, to: usize) {
    let offset = i32::try_from(to).unwrap() - i32::try_from(at).unwrap();
    head[at..at + 4].copy_from_slice(&offset.to_le_bytes());
}

fn u32_field() -> LayoutSpec {
    state(&[("score", ScalarType::U32)])
}

fn records() -> Vec<Case> {
    vec![
        changed("record-text-is-not-utf-8", u32_field(), at("session", |text| text[0] = 0x80 | 0x40)),
        changed(
            "record-text-outside",
            u32_field(),
            at("session", |text| {
                // 64 bytes, a million before it.
                text[..8].copy_from_slice(&[0x80, 1, 0, 0, 0, 0, 0xf0, 0xff]);
            }),
        ),
        changed("record-option-neither-none-nor-some", u32_field(), byte(from_end::STATE, 2)),
        changed("record-bool-neither-false-nor-true", u32_field(), byte(from_end::TIMING, 2)),
        changed("record-vector-outside", u32_field(), |head| {
            let at = head.len() - from_end::STATE + 1 + 4;
            put_u32(head, at, 1 << 20);
        }),
        changed("record-bytes-used-twice", state(&[("left", ScalarType::U32), ("right", ScalarType::U32)]), |head| {
            // The stages stand where the fields' first name does.
            let (stages, fields) = (head.len() - from_end::STAGES, head.len() - from_end::STATE + 1);
            let first = elements(head, fields, 9).remove(0).start;
            put_offset(head, stages, first);
            put_u32(head, stages + 4, 1);
        }),
        changed("record-shorter-than-its-root", u32_field(), |head| head.truncate(100)),
        changed("record-empty-vector-outside", state(&[]), |head| {
            let fields = head.len() - from_end::STATE + 1;
            head[fields..fields + 4].copy_from_slice(&(-(1i32 << 20)).to_le_bytes());
        }),
        changed_texts("record-values-out-of-order", |head| {
            let [session, producer] = [head.len() - from_end::SESSION, head.len() - from_end::SESSION + 8];
            put_offset(head, session + 4, 9 + 4);
            put_offset(head, producer + 4, 4);
        }),
        // In place of a length of nine.
        changed_texts("record-short-text-not-in-place", |head| {
            let session = head.len() - from_end::SESSION;
            head[session] = 0x80 | 8;
        }),
    ]
}

fn numbers() -> Vec<Case> {
    let rate = |name: &str, rate: f64| {
        changed(name, u32_field(), move |head| {
            let at = head.len() - from_end::TICK_RATE;
            assert_eq!(head[at], 1, "a rate is there");
            head[at + 1..at + 9].copy_from_slice(&rate.to_le_bytes());
        })
    };
    let stream = RngStream { name: "main".to_owned(), algorithm: RngAlgorithm::Opaque };
    let rng = LayoutSpec { rng: Some(vec![stream]), ..LayoutSpec::default() };
    let checkpoint = CheckpointLayout { fuel: true, ..CheckpointLayout::default() };
    let checkpoint = LayoutSpec { checkpoint: Some(checkpoint), ..LayoutSpec::default() };
    vec![
        rate("meta-tick-rate-0", 0.0),
        rate("meta-tick-rate-below-0", -60.0),
        rate("meta-tick-rate-infinite", f64::INFINITY),
        rate("meta-tick-rate-not-a-number", f64::NAN),
        changed("layout-type-7", u32_field(), at("score", |field| field[8] = 7)),
        changed("layout-result-of-type-7", syscalls(&["flip"]), |head| {
            let place = head.iter().position(|&byte| byte == b'f').unwrap();
            assert!(head[place..].starts_with(b"flip"));
            head[place + 8 + 2 + 8..][..2].copy_from_slice(&[1, 7]);
        }),
        changed("layout-algorithm-5", rng, at("main", |stream| stream[8] = 5)),
        changed("layout-checkpoint-flags", checkpoint, byte(from_end::CHECKPOINT - 1, 0x60)),
    ]
}

fn syscalls(names: &[&str]) -> LayoutSpec {
    let syscall = |name: &&str| Syscall {
        module: "gpu".to_owned(),
        name: (*name).to_owned(),
        version: 1,
        args: vec![],
        result: None,
    };
    let calls = Some(names.iter().map(syscall).collect());
    LayoutSpec { stages: vec!["all".to_owned()], calls, ..LayoutSpec::default() }
}

fn names() -> Vec<Case> {
    let two = |name: &str| EntityKind { name: name.to_owned(), fields: vec![field("x", ScalarType::F32)] };
    let kinds = LayoutSpec { entities: Some(vec![two("kind-1"), two("kind-2")]), ..LayoutSpec::default() };
    vec![
        changed("layout-name-empty", u32_field(), at("score", |name| name[..8].fill(0xff))),
        changed("layout-name-with-a-space", u32_field(), at("score", |name| name[2] = b' ')),
        changed(
            "layout-name-not-ascii",
            u32_field(),
            at("score", |name| name[..2].copy_from_slice("\u{e9}".as_bytes())),
        ),
        changed(
            "layout-field-twice",
            state(&[("field-a", ScalarType::U32), ("field-b", ScalarType::U32)]),
            at("field-b", |name| name[6] = b'a'),
        ),
        changed("layout-name-of-65-letters", state(&[(&"n".repeat(64), ScalarType::U32)]), |head| {
            // The name stands first, and then the field. Lengths have their low six bits apart.
            head.insert(64, b'n');
            head[65] = 0x80 | 1;
            put_offset(head, 65 + 4, 4);
            let stages = head.len() - from_end::STAGES;
            put_offset(head, stages, 0);
        }),
        changed("layout-kind-twice", kinds, at("kind-2", |name| name[5] = b'1')),
        changed("layout-syscall-twice", syscalls(&["flip", "flop"]), at("flop", |name| name[2] = b'i')),
        changed("layout-syscall-without-name", syscalls(&["flip"]), at("flip", |name| name[..4].fill(0xff))),
    ]
}

fn needs() -> Vec<Case> {
    // An option of a list of fields or streams, of nine bytes each.
    let none = |from_end: usize| {
        move |head: &mut Vec<u8>| {
            put(from_end - 1, 9, vec![])(head);
            byte(from_end, 0)(head);
        }
    };
    let rng = || {
        let stream = RngStream { name: "main".to_owned(), algorithm: RngAlgorithm::Opaque };
        LayoutSpec { rng: Some(vec![stream]), ..LayoutSpec::default() }
    };
    let entities = || LayoutSpec { entities: Some(vec![]), ..LayoutSpec::default() };
    let with = |checkpoint, spec| LayoutSpec { checkpoint: Some(checkpoint), ..spec };
    let rng_state = CheckpointLayout { rng_state: true, ..CheckpointLayout::default() };
    let counts = CheckpointLayout { entity_counts: true, ..CheckpointLayout::default() };
    let timing = LayoutSpec { stages: vec!["all".to_owned()], timing: true, ..LayoutSpec::default() };
    let name = |number: usize| [format!("s{number:04}").as_bytes(), &[0xff; 3]].concat();
    let many_streams = (0..257).flat_map(|number| [name(number), vec![4]].concat()).collect();
    vec![
        changed("layout-without-channels", u32_field(), none(from_end::STATE)),
        changed("layout-players-without-step", u32_field(), byte(from_end::PLAYERS, 1)),
        changed("layout-no-streams", rng(), put(from_end::RNG - 1, 9, vec![])),
        changed("layout-257-streams", rng(), put(from_end::RNG - 1, 9, many_streams)),
        changed("layout-4097-stages", timing.clone(), put(from_end::STAGES, 8, (0..4097).flat_map(name).collect())),
        changed("layout-rng-state-without-rng", with(rng_state, rng()), none(from_end::RNG)),
        changed("layout-entity-counts-without-entities", with(counts, entities()), none(from_end::ENTITIES)),
        changed("layout-timing-without-stages", timing, put(from_end::STAGES, 8, vec![])),
        changed("layout-calls-without-stages", syscalls(&["flip"]), put(from_end::STAGES, 8, vec![])),
    ]
}

fn memories() -> Vec<Case> {
    let changed_to = |name: &str, page_size: usize, pages: usize| {
        let spec = LayoutSpec { memory: Some(MemoryLayout { page_size: 64, pages: 1 }), ..LayoutSpec::default() };
        changed(name, spec, move |head| {
            let at = head.len() - from_end::MEMORY + 1;
            put_u32(head, at, page_size);
            put_u32(head, at + 4, pages);
        })
    };
    vec![
        changed_to("layout-page-size-100", 100, 1),
        changed_to("layout-page-size-32", 32, 1),
        changed_to("layout-page-size-131072", 131_072, 1),
        changed_to("layout-no-pages", 64, 0),
        changed_to("layout-memory-above-16-mib", 65_536, 257),
    ]
}
