//! Draws, calls and events of a tick are aligned before they are compared: what is told of one too many, one too few, another
//! order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use cdt_analysis::{CauseClass, DiffOptions, DiffReport, DrawChange, Focus, FocusOutcome, Verdict, diff, focus};
use cdt_schema::{
    Call, Decision, Draw, Event, EventKind, Field, KindId, Layout, LayoutSpec, Origin, RngAlgorithm, RngStream,
    RowError, Scalar, ScalarType, StageId, StreamId, Syscall, SyscallId, Tick, TickBuilder,
};
use cdt_testkit::meta;
use cdt_trace::{Encoder, Options, Trace, Unwatched};

fn layout() -> Layout {
    let field = |name: &str| Field { name: name.to_owned(), scalar_type: ScalarType::U32 };
    let stream = RngStream { name: "main".to_owned(), algorithm: RngAlgorithm::Opaque };
    let syscall = |name: &str| Syscall {
        module: "sys".to_owned(),
        name: name.to_owned(),
        version: 1,
        args: vec![field("x")],
        result: Some(ScalarType::U32),
    };
    Layout::new(LayoutSpec {
        stages: vec!["update".to_owned()],
        rng: Some(vec![stream]),
        calls: Some(vec![syscall("draw"), syscall("play")]),
        events: Some(vec![EventKind { name: "hit".to_owned(), values: vec![field("by")] }]),
        ..LayoutSpec::default()
    })
    .unwrap()
}

/// What a tick carries: draws as value and caller, calls as syscall and argument, events as their value.
#[derive(Clone, Copy, Default)]
struct Happened<'a> {
    draws: &'a [(u32, u32)],
    calls: &'a [(u32, u32)],
    hits: &'a [u32],
}

impl Happened<'_> {
    fn fill(&self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        for &(value, caller) in self.draws {
            tick.draw(Draw { stream: StreamId(0), value, before: 0, after: 0, caller })?;
        }
        for &(syscall, x) in self.calls {
            let (args, result) = ([Scalar::U32(x)], Some(Scalar::U32(0)));
            let (syscall, stage) = (SyscallId(syscall), StageId(0));
            tick.call(Call { syscall, stage, args: &args, result, decision: Decision::Allowed })?;
        }
        for &by in self.hits {
            let values = [Scalar::U32(by)];
            tick.event(Event { kind: KindId(0), origin: Origin::Guest, subject: None, values: &values, cause: None })?;
        }
        Ok(())
    }
}

/// A hundred ticks that are the same on both sides, but for those from 40 on.
fn record(from_40: Happened<'_>) -> Trace<Vec<u8>> {
    let same = Happened { draws: &[(1, 7)], calls: &[(0, 1)], hits: &[5] };
    let mut encoder = Encoder::new(&meta(), Arc::new(layout()), Options { block_ticks: 16, ..Options::LIVE });
    for number in 0..100 {
        let happened = if number < 40 { same } else { from_40 };
        encoder.append(Tick(number), |tick| happened.fill(tick)).unwrap();
    }
    Trace::from_source(encoder.finish("complete").0, Path::new("fixture")).unwrap()
}

fn compare(reference: Happened<'_>, candidate: Happened<'_>) -> (DiffReport, Focus) {
    let (reference, candidate) = (record(reference), record(candidate));
    let options = DiffOptions::default();
    let report = diff(&reference, &candidate, &options, &Unwatched).unwrap();
    match focus(&reference, &candidate, Some(Tick(40)), 0, &options, &Unwatched).unwrap() {
        FocusOutcome::Tick(focus) => (report, *focus),
        FocusOutcome::Nothing(_) => panic!("both have the tick"),
    }
}

#[test]
fn draws_are_told_by_what_became_of_them() {
    type Draws = &'static [(u32, u32)];
    use DrawChange::{Extra, Missing, Moved, Same, Value};
    let reference: Draws = &[(10, 0xa), (20, 0xb), (30, 0xc), (40, 0xd)];
    let cases: [(Draws, CauseClass, &[DrawChange]); 6] = [
        (&[(10, 0xa), (20, 0xb), (30, 0xc)], CauseClass::RngShortfall, &[Same, Same, Same, Missing]),
        // The generator goes on, so the values are those of the first three, but it is b that did not draw.
        (
            &[(10, 0xa), (20, 0xc), (30, 0xd)],
            CauseClass::RngShortfall,
            &[Same, DrawChange::Caller, DrawChange::Caller, Missing],
        ),
        (
            &[(10, 0xa), (20, 0xb), (25, 0xe), (30, 0xc), (40, 0xd)],
            CauseClass::RngExtra,
            &[Same, Same, Extra, Same, Same],
        ),
        (&[(10, 0xa), (30, 0xc), (20, 0xb), (40, 0xd)], CauseClass::RngSwapped, &[Same, Moved, Same, Moved, Same]),
        (&[(10, 0xa), (20, 0xb), (31, 0xc), (40, 0xd)], CauseClass::RngValue, &[Same, Same, Value, Same]),
        (&[], CauseClass::RngShortfall, &[Missing, Missing, Missing, Missing]),
    ];
    let mut all = String::new();
    for (candidate, class, changes) in cases {
        let of = |draws| Happened { draws, ..Happened::default() };
        let (report, focus) = compare(of(reference), of(candidate));
        let lasting = report.first_sustained.unwrap();
        assert_eq!((lasting.tick, lasting.cause.class), (Tick(40), class), "{candidate:?}");
        let got: Vec<DrawChange> = focus.draws.iter().map(|pair| pair.change).collect();
        assert_eq!(got, changes, "{candidate:?}");
        all.push_str(&format!("{candidate:?}\n  {}: {}\n", lasting.path, lasting.cause.evidence.join("\n  ")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn other_callers_alone_are_a_diagnostic() {
    let of = |draws| Happened { draws, ..Happened::default() };
    let (report, _) = compare(of(&[(10, 0xa), (20, 0xb)]), of(&[(10, 0xa), (20, 0xc)]));
    assert_eq!(report.verdict, Verdict::Equal);
    let diagnostic = report.channels[0].first_diagnostic.as_ref().unwrap();
    assert_eq!((diagnostic.tick, diagnostic.path.as_str()), (Tick(40), "rng[2].caller"));
}

#[test]
fn one_call_or_event_too_many_is_one_difference() {
    let calls = |calls| Happened { calls, ..Happened::default() };
    let hits = |hits| Happened { hits, ..Happened::default() };
    let reference: &[(u32, u32)] = &[(0, 1), (1, 2), (0, 3), (0, 4)];
    let cases = [
        (calls(reference), calls(&[(0, 1), (0, 9), (1, 2), (0, 3), (0, 4)]), "calls[2] is extra in the candidate"),
        (calls(reference), calls(&[(0, 1), (0, 3), (0, 4)]), "calls[2] is missing in the candidate"),
        (calls(reference), calls(&[(0, 1), (1, 2), (0, 7), (0, 4)]), "calls[3].args.x: 3 became 7"),
        (hits(&[1, 2, 3]), hits(&[1, 3]), "events[2] is missing in the candidate"),
        (hits(&[1, 2, 3]), hits(&[9, 1, 2, 3]), "events[1] is extra in the candidate"),
    ];
    for (reference, candidate, expected) in cases {
        let (report, focus) = compare(reference, candidate);
        let lasting = report.first_sustained.unwrap();
        assert_eq!(lasting.cause.evidence, [expected]);
        assert_eq!((lasting.values_different, focus.differences.len()), (1, 1), "{expected}");
    }
}
