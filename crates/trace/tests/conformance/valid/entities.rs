//! Lives of entities, and ticks.

use cdt_schema::{EntityKind, Generation, KindId, LayoutSpec, Scalar, ScalarType, Slot, Uid};
use cdt_testkit::surgery::{Parts, SEGMENT_CHANGED, elements, put_u32, u32_at};

use cdt_trace::Options;

use super::columns::{every_second, noise, of_all_widths, repeated, sums};
use crate::make::{Case, archive, case, column, field, live, state, trace};

pub fn cases() -> Vec<Case> {
    let mut cases = lives();
    cases.extend(ticks());
    cases
}

/// A column of no rows, whose frame has an early part without numbers, one context without a code, and four empty streams.
fn no_rows() -> Case {
    let good = creatures(live(8), &[(0, vec![]), (1, vec![])]);
    let trace = cdt_trace::Trace::from_source(good.clone(), std::path::Path::new("good")).unwrap();
    let mut parts = Parts::of(&good);
    parts.put_column(trace.layout(), 0, "entities.creature.x", 13, &[&[1, 0], [0; 12].as_slice()].concat());
    case("coded-of-no-rows", parts.assemble())
}

/// An entity of the first kind in one tick: slot, generation, x.
type Entity = (u32, u32, f32);

fn creatures(options: Options, ticks: &[(u32, Vec<Entity>)]) -> Vec<u8> {
    let fields = vec![field("x", ScalarType::F32), field("alive", ScalarType::Bool)];
    let kind = EntityKind { name: "creature".to_owned(), fields };
    let spec = LayoutSpec { entities: Some(vec![kind]), ..LayoutSpec::default() };
    trace(spec, options, ticks.iter().map(|(number, _)| *number), |number, tick| {
        let (_, living) = ticks.iter().find(|(tick, _)| *tick == number).unwrap();
        living.iter().try_for_each(|&(slot, generation, x)| {
            let uid = Uid { kind: KindId(0), slot: Slot(slot), generation: Generation(generation) };
            tick.entity(uid, &[Scalar::F32(x), Scalar::Bool(x > 0.0)])
        })
    })
}

fn lives() -> Vec<Case> {
    let born = [(0, vec![]), (1, vec![(0, 1, 0.5)]), (2, vec![(0, 1, 1.5), (7, 1, -0.0)])];
    let dies = [(0, vec![(0, 0, 1.0), (1, 0, 2.0)]), (1, vec![(1, 0, 2.0)]), (2, vec![])];
    let reused = [
        (0, vec![(0, 1, 1.0), (1, 1, 5.0)]),
        (1, vec![(0, 2, 9.0), (1, 1, 5.0)]),
        (2, vec![(1, 1, 5.0)]),
        (3, vec![(0, 3, -9.0), (1, 1, 5.0)]),
        (4, vec![(0, u32::MAX, 1.0), (u32::MAX, 0, 1.0)]),
    ];
    let gap = [(3, vec![(0, 1, 1.0)]), (4, vec![(0, 1, 2.0)]), (9, vec![(0, 1, 3.0)]), (10, vec![(0, 1, 4.0)])];
    let swarm: Vec<(u32, Vec<Entity>)> = (0..9u8)
        .map(|tick| {
            (tick.into(), (0..6u8).filter(|slot| tick % 4 != slot % 4).map(|slot| swarm_member(tick, slot)).collect())
        })
        .collect();
    vec![
        case("entities-birth", creatures(live(8), &born)),
        case("entities-death", creatures(live(8), &dies)),
        case("entities-slot-reuse", creatures(live(8), &reused)),
        case("entities-slot-reuse-across-blocks", creatures(live(2), &reused)),
        case("entities-through-a-tick-gap", creatures(live(8), &gap)),
        case("entities-none-ever", creatures(live(8), &[(0, vec![]), (1, vec![])])),
        case("entities-many-lives", creatures(live(8), &swarm)),
        case("entities-many-lives-archive", creatures(archive(16), &swarm)),
        case(
            "entities-no-kinds",
            trace(LayoutSpec { entities: Some(vec![]), ..LayoutSpec::default() }, live(8), 0..2, |_, _| Ok(())),
        ),
        kinds(),
        runs("packed", live(200), &|order, age| sums(order, noise(age, 3))),
        runs("coded", archive(200), &|order, age| {
            sums(order, every_second(of_all_widths(5 * age, 20).split_off(4 * age)))
        }),
        scales(),
        no_rows(),
        runs("planes", archive(200), &repeated),
    ]
}

/// Each slot's fourth tick is missing, and the next life has the next generation.
fn swarm_member(tick: u8, slot: u8) -> Entity {
    let generation = (u32::from(tick) + 4 - u32::from(slot % 4)) / 4;
    (u32::from(slot), generation, f32::from(tick) * f32::from(slot) * 0.25)
}

/// Runs of all lengths that matter to residuals, whose fields each fit one order: `values` gives those of a run by order and
/// length. Runs of a field begin far apart.
fn runs(name: &str, options: Options, values: &dyn Fn(usize, usize) -> Vec<u64>) -> Case {
    const LENGTHS: [usize; 7] = [1, 130, 2, 3, 4, 1, 170];
    let types = [ScalarType::U32, ScalarType::U64, ScalarType::U32, ScalarType::U64];
    let fields = types.iter().zip(0..).map(|(ty, order)| field(&format!("order_{order}"), *ty)).collect();
    let kind = EntityKind { name: "walker".to_owned(), fields };
    let spec = LayoutSpec { entities: Some(vec![kind]), ..LayoutSpec::default() };
    let runs = LENGTHS.map(|len| [0, 1, 2, 3].map(|order| values(order, len)));
    let bytes = trace(spec, options, 0..170, |number, tick| {
        let age = usize::try_from(number).unwrap();
        let living = (0u32..).zip(&runs).filter(|(_, run)| age < run[0].len());
        living.into_iter().try_for_each(|(slot, run)| {
            let uid = Uid { kind: KindId(0), slot: Slot(slot), generation: Generation(0) };
            let start = |order: usize| if order == 0 { 0 } else { u64::from(slot + 1) << 20 };
            let value = |order: usize| Scalar::from_bits(types[order], run[order][age] + start(order));
            tick.entity(uid, &[0, 1, 2, 3].map(value))
        })
    });
    case(format!("entities-runs-{name}"), bytes)
}

/// Entities that move by steps of very different sizes, each by one like its last: a width is told by that of the same entity, not by its
/// neighbour's.
fn scales() -> Case {
    const SLOTS: u32 = 6;
    let kind = EntityKind { name: "planet".to_owned(), fields: vec![field("at", ScalarType::U32)] };
    let spec = LayoutSpec { entities: Some(vec![kind]), ..LayoutSpec::default() };
    let steps = noise(300 * SLOTS as usize, 32);
    let mut at = [1u64 << 31; SLOTS as usize];
    let bytes = trace(spec, archive(300), 0..300, |number, tick| {
        (0..SLOTS).zip(&mut at).try_for_each(|(slot, at)| {
            let step = steps[(number * SLOTS + slot) as usize];
            // Up or down, by 0 to 4 bits more or less than the slot's own width.
            let size = (step >> 8) % (1 << (3 * slot + 1 + u32::try_from(step % 5).unwrap()));
            *at = if step & 128 == 0 { *at + size } else { *at - size };
            // A life in three ends with its hundredth tick.
            let generation = if slot % 3 == 0 { number / 100 } else { 0 };
            let uid = Uid { kind: KindId(0), slot: Slot(slot), generation: Generation(generation) };
            tick.entity(uid, &[Scalar::from_bits(ScalarType::U32, *at)])
        })
    });
    case("entities-of-many-scales", bytes)
}

/// Several kinds, of which one has no field and one never a member.
fn kinds() -> Case {
    let kind = |name: &str, fields| EntityKind { name: name.to_owned(), fields };
    let all = ScalarType::DECLARABLE.map(|ty| field(&format!("a_{ty}"), ty)).to_vec();
    let spec = LayoutSpec {
        entities: Some(vec![kind("marker", vec![]), kind("never", vec![]), kind("all", all)]),
        ..LayoutSpec::default()
    };
    let bytes = trace(spec, live(8), 0..3, |number, tick| {
        let uid = |kind, slot| Uid { kind: KindId(kind), slot: Slot(slot), generation: Generation(1) };
        tick.entity(uid(0, 2), &[])?;
        let values = [
            Scalar::Bool(number == 1),
            Scalar::I32(-1),
            Scalar::U32(number),
            Scalar::I64(i64::MIN),
            Scalar::U64(u64::MAX),
            Scalar::F32(-0.0),
            Scalar::F64(0.1),
        ];
        tick.entity(uid(2, 0), &values)?;
        tick.entity(uid(2, 1), &values)
    });
    case("entities-kinds", bytes)
}

fn ticks() -> Vec<Case> {
    let counting = |options, ticks: &[u32]| {
        trace(state(&[("n", ScalarType::U32)]), options, ticks.iter().copied(), |number, tick| {
            tick.state(&[Scalar::U32(number / 2)])
        })
    };
    vec![
        case("ticks-none", counting(live(8), &[])),
        case("ticks-one", counting(live(8), &[0])),
        case("ticks-from-the-middle", counting(live(8), &[1000, 1001, 1002])),
        case("ticks-first-and-last-possible", counting(live(8), &[0, u32::MAX])),
        case("ticks-gaps-in-a-block", counting(live(8), &[0, 1, 5, 9, 10])),
        case("ticks-gaps-between-blocks", counting(live(2), &[0, 1, 5, 6, 7, 20])),
        case("ticks-several-blocks", counting(live(3), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])),
        case("ticks-blocks-of-one", counting(live(1), &[0, 1, 2, 3])),
        case("segments-two", two_segments()),
    ]
}

/// Writers end a segment after many more ticks than fit a small file, but a reader reads segments of any size: of a trace
/// of two blocks, each gets a segment of its own.
pub fn two_segments() -> Vec<u8> {
    let values = |range: std::ops::Range<u32>| range.map(Scalar::U32);
    let whole = column(ScalarType::U32, live(3), values(0..6));
    let first = Parts::of(&column(ScalarType::U32, live(3), values(0..3)));
    // The same ticks as the whole's second block, told alone: what is different is only that nothing comes before.
    let second =
        trace(state(&[("value", ScalarType::U32)]), live(3), 3..6, |number, tick| tick.state(&[Scalar::U32(number)]));
    let mut second = Parts::of(&second);
    enters(&mut second);
    let mut parts = Parts::of(&whole);
    let mut footer = parts.sections.pop().unwrap();
    parts.sections = first.sections[..3].to_vec();
    parts.sections.extend(second.sections.drain(1..3));
    // Two entries of segments in place of one, in front of the root; its end reason stands in place.
    let entry = elements(&footer.head, footer.head.len() - 32, 16).remove(0);
    let root = footer.head.split_off(footer.head.len() - 32);
    let mut entry = footer.head[entry].to_vec();
    put_u32(&mut entry, 12, 3);
    let root_at = entry.len() * 2;
    footer.head = [entry.clone(), entry, root].concat();
    let offset = i32::try_from(root_at).unwrap();
    footer.head[root_at..root_at + 4].copy_from_slice(&(-offset).to_le_bytes());
    put_u32(&mut footer.head, root_at + 4, 2);
    parts.sections.push(footer);
    parts.assemble()
}

/// Has the summaries of a trace of one column say that the first value differs from the one before the block.
fn enters(parts: &mut Parts) {
    const ENTERED: u8 = 2;
    let segment = parts.section(b"SEGM", 0);
    let totals = elements(&segment.head, segment.head.len() - SEGMENT_CHANGED, 1).remove(0);
    segment.head[totals.start] |= ENTERED;
    let changed = segment.tail.len() - 16;
    assert_eq!(u32_at(&segment.tail, changed + 4), 1, "one column of one block");
    let changed = elements(&segment.tail, changed, 1).remove(0);
    segment.tail[changed.start] |= ENTERED;
}
