//! Values that their types or the layout do not admit.

use cdt_schema::{
    Call, Command, CommandKind, Decision, EntityKind, Event, EventKind, Input, KindId, LayoutSpec, MemoryLayout,
    Origin, PageId, PlayerId, RowError, Scalar, ScalarType, StageId, Step, StepLayout, Syscall, SyscallId, TickBuilder,
    TimingSample,
};
use cdt_testkit::surgery::{BLOCK_ROWS, Parts, elements, put_u32};

use super::{PLAIN, layout_of, plain32, plain64, with_columns};
use crate::make::{Case, case, column, field, live, trace};

pub fn cases() -> Vec<Case> {
    let mut cases = scalars();
    cases.extend(commands());
    cases.extend(calls());
    cases.extend(timings());
    cases.extend(events());
    cases.extend(pages());
    cases
}

fn scalars() -> Vec<Case> {
    let one = |name: &str, good: Scalar, bad: &[u8]| {
        let good = column(good.scalar_type(), live(8), [good]);
        with_columns(name, &good, &[("state.value", PLAIN, bad.to_vec())])
    };
    let f32 = |name: &str, bad: f32| one(name, Scalar::F32(0.0), &bad.to_le_bytes());
    let f64 = |name: &str, bad: f64| one(name, Scalar::F64(0.0), &bad.to_le_bytes());
    vec![
        one("value-bool-2", Scalar::Bool(false), &[2]),
        f32("value-f32-not-a-number", f32::NAN),
        f32("value-f32-infinite", f32::INFINITY),
        f64("value-f64-not-a-number", f64::NAN),
        f64("value-f64-infinite-below", f64::NEG_INFINITY),
    ]
}

/// A player orders one command in each tick, of which there is one, or two where a case says so.
fn commands() -> Vec<Case> {
    let buy = CommandKind { name: "buy".to_owned(), args: vec![field("now", ScalarType::Bool)] };
    let spec = LayoutSpec { players: 1, step: Some(StepLayout { commands: vec![buy] }), ..LayoutSpec::default() };
    let ticks = |count: u32| {
        trace(spec.clone(), live(8), 0..count, |_, tick| {
            let args = vec![Scalar::Bool(true)];
            let commands = vec![Command { player: PlayerId(0), kind: KindId(0), args }];
            tick.step(&Step { inputs: vec![Input::default()], commands, ..Step::default() })
        })
    };
    let (good, two) = (ticks(1), ticks(2));
    let one = |name: &str, frame: &str, bytes: Vec<u8>| with_columns(name, &good, &[(frame, PLAIN, bytes)]);
    let parted = [("commands.args.lengths", PLAIN, plain32(&[7, 9]))];
    let lengths = |len: u32| ("commands.args.lengths", PLAIN, plain32(&[len]));
    vec![
        one("command-of-a-player-not-declared", "commands.player", vec![1]),
        one("command-kind-not-declared", "commands.kind", plain32(&[1])),
        one("command-kind-of-17-bits", "commands.kind", plain32(&[1 << 16])),
        with_columns("command-without-its-argument", &good, &[lengths(0), ("commands.args", PLAIN, vec![])]),
        with_columns("command-of-an-argument-more", &good, &[lengths(16), ("commands.args", PLAIN, plain64(&[1, 1]))]),
        one("command-argument-of-no-whole-number", "commands.args.lengths", plain32(&[7])),
        with_columns("command-arguments-of-no-whole-numbers-but-together", &two, &parted),
        one("command-argument-not-of-its-type", "commands.args", plain64(&[2])),
    ]
}

/// One call, which gives a result.
fn calls() -> Vec<Case> {
    let syscall = Syscall {
        module: "gfx".to_owned(),
        name: "blit".to_owned(),
        version: 1,
        args: vec![field("x", ScalarType::F32)],
        result: Some(ScalarType::U32),
    };
    let spec = LayoutSpec { stages: vec!["all".to_owned()], calls: Some(vec![syscall]), ..LayoutSpec::default() };
    let good = trace(spec, live(8), 0..1, |_, tick| {
        let (syscall, stage, args) = (SyscallId(0), StageId(0), &[Scalar::F32(1.0)]);
        tick.call(Call { syscall, stage, args, result: Some(Scalar::U32(1)), decision: Decision::Allowed })
    });
    let one = |name: &str, frame: &str, bytes: Vec<u8>| with_columns(name, &good, &[(frame, PLAIN, bytes)]);
    let no_result = [("calls.result.lengths", PLAIN, plain32(&[0])), ("calls.result", PLAIN, vec![])];
    vec![
        one("call-syscall-not-declared", "calls.syscall", plain32(&[1])),
        one("call-stage-not-declared", "calls.stage", plain32(&[1])),
        one("call-decision-2", "calls.decision", vec![2]),
        one("call-argument-not-finite", "calls.args", plain64(&[f32::NAN.to_bits().into()])),
        one("call-result-wider-than-its-type", "calls.result", plain64(&[1 << 32])),
        one("call-denied-with-result", "calls.decision", vec![1]),
        with_columns("call-allowed-without-result", &good, &no_result),
    ]
}

fn timings() -> Vec<Case> {
    let spec = LayoutSpec { stages: vec!["all".to_owned()], timing: true, ..LayoutSpec::default() };
    let good =
        trace(spec, live(8), 0..1, |_, tick| tick.timing(TimingSample { stage: StageId(0), fuel: 1, wall_ns: 1 }));
    let stage = |name: &str, stage: u32| with_columns(name, &good, &[("timing.stage", PLAIN, plain32(&[stage]))]);
    vec![stage("timing-stage-not-declared", 1), stage("timing-stage-of-17-bits", 1 << 16)]
}

/// A tick of events of one kind, with one value, which may be about entities of one kind.
pub fn hits(fill: impl Fn(&mut TickBuilder<'_>) -> Result<(), RowError>) -> Vec<u8> {
    let hit = EventKind { name: "hit".to_owned(), values: vec![field("by", ScalarType::U32)] };
    let rock = EntityKind { name: "rock".to_owned(), fields: vec![] };
    let spec = LayoutSpec { entities: Some(vec![rock]), events: Some(vec![hit]), ..LayoutSpec::default() };
    trace(spec, live(8), 0..2, |_, tick| fill(tick))
}

/// An event of that kind.
pub fn hit(values: &[Scalar]) -> Event<'_> {
    Event { kind: KindId(0), origin: Origin::Guest, subject: None, values, cause: None }
}

/// Each of the two ticks has two events.
fn events() -> Vec<Case> {
    let good = hits(|tick| (0..2).try_for_each(|_| tick.event(hit(&[Scalar::U32(1)]))));
    let one = |name: &str, frame: &str, bytes: Vec<u8>| with_columns(name, &good, &[(frame, PLAIN, bytes)]);
    vec![
        one("event-kind-not-declared", "events.kind", plain32(&[0, 0, 1, 0])),
        one("event-origin-3", "events.origin", vec![0, 1, 2, 3]),
        one("event-has-half-a-subject", "events.has_subject", vec![0, 0, 0, 2]),
        with_columns(
            "event-subject-not-declared",
            &good,
            &[("events.has_subject", PLAIN, vec![0, 1, 0, 0]), ("events.subject_kind", PLAIN, plain32(&[0, 1, 0, 0]))],
        ),
        one("event-without-subject-has-a-slot", "events.subject_slot", plain32(&[0, 0, 0, 5])),
        one("event-without-subject-has-a-generation", "events.subject_generation", plain32(&[5, 0, 0, 0])),
        one("event-without-subject-has-a-kind", "events.subject_kind", plain32(&[0, 0, 1, 0])),
        one("event-value-wider-than-its-type", "events.values", plain64(&[1, 1, 1, 1 << 40])),
        one("event-causes-itself", "events.cause", plain32(&[0, 2, 0, 0])),
        one("event-caused-by-a-later-one", "events.cause", plain32(&[2, 0, 0, 0])),
        one("event-caused-in-the-tick-before", "events.cause", plain32(&[0, 0, 1, 0])),
    ]
}

/// Two pages, both changed in both ticks.
fn pages() -> Vec<Case> {
    let memory = Some(MemoryLayout { page_size: 64, pages: 2 });
    let good = trace(LayoutSpec { memory, ..LayoutSpec::default() }, live(8), 0..2, |number, tick| {
        let content = [u8::try_from(number).unwrap(); 64];
        (0..2).try_for_each(|page| tick.page(PageId(page), &content))
    });
    let pages = |name: &str, pages: [u32; 4]| with_columns(name, &good, &[("memory.page", PLAIN, plain32(&pages))]);
    vec![
        pages("page-not-declared", [0, 1, 0, 2]),
        pages("pages-out-of-order", [0, 1, 1, 0]),
        pages("page-twice-in-a-tick", [0, 1, 1, 1]),
        with_columns("page-of-another-size", &good, &[("memory.content.lengths", PLAIN, plain32(&[63, 65, 64, 64]))]),
        case("pages-missing-in-the-first-tick", one_page_first(&good)),
    ]
}

/// The same with one row in the first tick and two in the second.
fn one_page_first(good: &[u8]) -> Vec<u8> {
    let layout = layout_of(good);
    let mut parts = Parts::of(good);
    parts.put_column(&layout, 0, "memory.rows", PLAIN, &plain32(&[1, 2]));
    parts.put_column(&layout, 0, "memory.page", PLAIN, &plain32(&[0, 0, 1]));
    parts.put_column(&layout, 0, "memory.content.lengths", PLAIN, &plain32(&[64; 3]));
    let head = &mut parts.section(b"BLCK", 0).head;
    let rows = elements(head, head.len() - BLOCK_ROWS, 4).remove(0).start;
    put_u32(head, rows, 3);
    parts.assemble()
}
