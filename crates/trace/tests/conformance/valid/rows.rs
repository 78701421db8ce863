//! Values of every type, draws of every algorithm, events of every origin.

use cdt_schema::{
    Checkpoint, CheckpointLayout, Draw, EntityKind, Event, EventKind, Generation, KindId, LayoutSpec, Origin,
    RngAlgorithm, RngStream, Scalar, ScalarType, Seq, Slot, StreamId, Uid,
};

use crate::make::{Case, case, column, field, live, trace};

pub fn cases() -> Vec<Case> {
    let mut cases = scalars();
    cases.extend(RngAlgorithm::ALL.map(algorithm));
    cases.extend([streams(1), streams(2), streams(256), opaque_slice(), chains_broken_by_a_gap(), rng_state()]);
    cases.extend([origins(), causes(), causes_through_evidence(), subjects(), values_of_every_type()]);
    cases
}

/// The extremes of each type.
fn extremes(scalar_type: ScalarType) -> Vec<Scalar> {
    match scalar_type {
        ScalarType::Bool => [false, true, true].map(Scalar::Bool).to_vec(),
        ScalarType::I32 => [i32::MIN, i32::MAX, -1, 0].map(Scalar::I32).to_vec(),
        ScalarType::U32 => [0, u32::MAX, 1 << 31].map(Scalar::U32).to_vec(),
        ScalarType::I64 => [i64::MIN, i64::MAX, -1, 0, (1 << 53) + 1].map(Scalar::I64).to_vec(),
        ScalarType::U64 => [0, u64::MAX, 1 << 63, (1 << 53) + 1].map(Scalar::U64).to_vec(),
        ScalarType::F32 => {
            let least = f32::from_bits(1);
            [0.0, -0.0, f32::MIN_POSITIVE, least, -least, f32::MIN, f32::MAX, 0.1].map(Scalar::F32).to_vec()
        }
        ScalarType::F64 => {
            let least = f64::from_bits(1);
            [0.0, -0.0, f64::MIN_POSITIVE, least, -least, f64::MIN, f64::MAX, 0.1].map(Scalar::F64).to_vec()
        }
        ScalarType::U8 | ScalarType::U16 => unreachable!("not declarable"),
    }
}

fn scalars() -> Vec<Case> {
    let one = |scalar_type: ScalarType| {
        case(format!("scalar-{scalar_type}"), column(scalar_type, live(16), extremes(scalar_type)))
    };
    ScalarType::DECLARABLE.map(one).into()
}

fn stream(name: &str, algorithm: RngAlgorithm) -> RngStream {
    RngStream { name: name.to_owned(), algorithm }
}

fn rng(streams: Vec<RngStream>) -> LayoutSpec {
    LayoutSpec { rng: Some(streams), ..LayoutSpec::default() }
}

/// A stream's next draw.
fn draw(number: u8, algorithm: RngAlgorithm, state: &mut u64) -> Draw {
    const INCREMENT: u64 = 1_442_695_040_888_963_407;
    let before = *state;
    let (value, after) = match algorithm {
        RngAlgorithm::Opaque => (77, before.rotate_left(9) ^ 5),
        known => known.next(before, INCREMENT),
    };
    *state = after;
    Draw { stream: StreamId(number), value, before, after, caller: 0x40_1000 + u32::from(number) }
}

/// Ticks without, with one and with several draws.
fn algorithm(algorithm: RngAlgorithm) -> Case {
    let mut state = 0x9e37_79b9;
    let bytes = trace(rng(vec![stream("main", algorithm)]), live(3), 0..5, |number, tick| {
        (0..number).try_for_each(|_| tick.draw(draw(0, algorithm, &mut state)))
    });
    case(format!("rng-{}", algorithm.name()), bytes)
}

/// Many streams, of all algorithms in turn, drawn from in turn.
fn streams(count: u16) -> Case {
    let algorithm = |number: u16| RngAlgorithm::ALL[usize::from(number) % 5];
    let declared = (0..count).map(|number| stream(&format!("s{number}"), algorithm(number))).collect();
    let mut states = vec![1u64; usize::from(count)];
    let bytes = trace(rng(declared), live(2), 0..3, |number, tick| {
        let some = (0..count).filter(|stream| number > 0 && (*stream < 3 || *stream == count - 1));
        some.chain([0]).try_for_each(|number| {
            let state = &mut states[usize::from(number)];
            tick.draw(draw(u8::try_from(number).unwrap(), algorithm(number), state))
        })
    });
    case(format!("rng-{count}-streams"), bytes)
}

/// An unknown generator whose values are twelve bits of its state.
fn opaque_slice() -> Case {
    let mut state = 1u64;
    let bytes = trace(rng(vec![stream("device", RngAlgorithm::Opaque)]), live(8), 0..6, |_, tick| {
        let before = state;
        state = before.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let value = u32::try_from(state >> 20 & 0xfff).unwrap();
        tick.draw(Draw { stream: StreamId(0), value, before, after: state, caller: 0 })
    });
    case("rng-opaque-slice-of-state", bytes)
}

/// Ticks are missing between 2 and 9, and with them the draws that would tie the two states.
fn chains_broken_by_a_gap() -> Case {
    let mut state = 1;
    let bytes = trace(rng(vec![stream("main", RngAlgorithm::MsvcLcg)]), live(8), [1, 2, 9, 10], |number, tick| {
        if number == 9 {
            state = 4_000_000_000;
        }
        tick.draw(draw(0, RngAlgorithm::MsvcLcg, &mut state))
    });
    case("rng-chain-broken-by-a-gap", bytes)
}

fn rng_state() -> Case {
    let spec = LayoutSpec {
        checkpoint: Some(CheckpointLayout { rng_state: true, ..CheckpointLayout::default() }),
        ..rng(vec![stream("a", RngAlgorithm::SplitMix64), stream("b", RngAlgorithm::Opaque)])
    };
    let mut state = 3;
    let bytes = trace(spec, live(8), 0..3, |_, tick| {
        tick.draw(draw(0, RngAlgorithm::SplitMix64, &mut state))?;
        tick.checkpoint(&Checkpoint { rng_state: &[state, 0], ..Checkpoint::default() })
    });
    case("rng-state-in-checkpoint", bytes)
}

fn event_kind(name: &str, types: &[ScalarType]) -> EventKind {
    let values = types.iter().map(|scalar_type| field(&format!("a_{scalar_type}"), *scalar_type)).collect();
    EventKind { name: name.to_owned(), values }
}

fn events(kinds: Vec<EventKind>) -> LayoutSpec {
    LayoutSpec { events: Some(kinds), ..LayoutSpec::default() }
}

const PING: Event<'static> = Event { kind: KindId(0), origin: Origin::Guest, subject: None, values: &[], cause: None };

fn origins() -> Case {
    let bytes = trace(events(vec![event_kind("ping", &[])]), live(2), 0..5, |number, tick| {
        let origins = [Origin::Host, Origin::Guest, Origin::Debugger];
        let some = origins.iter().filter(|origin| number == 4 || number == **origin as u32);
        some.into_iter().try_for_each(|&origin| tick.event(Event { origin, ..PING }))
    });
    case("events-origins", bytes)
}

/// Causes among guests, and through events that are not behaviour.
fn causes() -> Case {
    let bytes = trace(events(vec![event_kind("ping", &[])]), live(8), 0..2, |_, tick| {
        tick.event(Event { origin: Origin::Host, ..PING })?;
        tick.event(Event { cause: Some(Seq(1)), ..PING })?;
        tick.event(Event { cause: Some(Seq(2)), origin: Origin::Debugger, ..PING })?;
        tick.event(Event { cause: Some(Seq(2)), ..PING })?;
        tick.event(Event { cause: Some(Seq(4)), ..PING })
    });
    case("events-causes", bytes)
}

/// The same behaviour in both ticks, with another event before it in one: a cause is another as it stands, and the same
/// among the guest's.
fn causes_through_evidence() -> Case {
    let bytes = trace(events(vec![event_kind("ping", &[])]), live(8), 0..2, |number, tick| {
        if number == 0 {
            tick.event(Event { origin: Origin::Host, ..PING })?;
        }
        tick.event(PING)?;
        tick.event(Event { cause: Some(Seq(2 - number)), ..PING })
    });
    case("events-causes-through-evidence", bytes)
}

fn subjects() -> Case {
    let kind = |name: &str| EntityKind { name: name.to_owned(), fields: vec![] };
    let spec = LayoutSpec {
        entities: Some(vec![kind("rock"), kind("bird")]),
        ..events(vec![event_kind("hit", &[ScalarType::F32])])
    };
    let bytes = trace(spec, live(8), 0..2, |number, tick| {
        let uid = Uid { kind: KindId(1), slot: Slot(u32::MAX), generation: Generation(3) };
        tick.entity(uid, &[])?;
        let values = [Scalar::F32(1.5)];
        let hit = Event { values: &values, ..PING };
        tick.event(Event { subject: (number == 1).then_some(uid), ..hit })?;
        tick.event(Event { subject: Some(Uid { kind: KindId(0), slot: Slot(0), generation: Generation(0) }), ..hit })?;
        tick.event(hit)
    });
    case("events-subjects", bytes)
}

fn values_of_every_type() -> Case {
    let kinds = vec![event_kind("all", &ScalarType::DECLARABLE), event_kind("none", &[])];
    let bytes = trace(events(kinds), live(8), 0..4, |number, tick| {
        let value = |scalar_type| extremes(scalar_type)[usize::try_from(number % 3).unwrap()];
        tick.event(Event { values: &ScalarType::DECLARABLE.map(value), ..PING })?;
        tick.event(Event { kind: KindId(1), ..PING })
    });
    case("events-values-of-every-type", bytes)
}
