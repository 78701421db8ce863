//! Runs whose tick numbers do not line up: late starts, lag frames, early events.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use cdt_analysis::{Align, DiffOptions, DiffReport, FocusOutcome, ReasonCode, Verdict, bisect, diff, focus};
use cdt_schema::{
    Draw, Event, EventKind, Field, Input, KindId, Layout, LayoutSpec, Origin, RngAlgorithm, RngStream, RowError,
    Scalar, ScalarType, Step, StepLayout, StreamId, Tick, TickBuilder,
};
use cdt_testkit::meta;
use cdt_trace::{Encoder, Options, Trace, Unwatched};

/// What a tick of the fixture carries.
#[derive(Clone, Debug, PartialEq)]
struct Moment {
    buttons: u32,
    /// State of the generator before the tick's draws, and how many there are.
    rng: (u64, u32),
    score: u32,
    level: Option<u32>,
}

fn layout() -> Layout {
    let field = |name: &str| Field { name: name.to_owned(), scalar_type: ScalarType::U32 };
    let stream = RngStream { name: "main".to_owned(), algorithm: RngAlgorithm::MsvcLcg };
    Layout::new(LayoutSpec {
        players: 1,
        step: Some(StepLayout::default()),
        rng: Some(vec![stream]),
        state: Some(vec![field("score")]),
        events: Some(vec![EventKind { name: "level".to_owned(), values: vec![field("number")] }]),
        ..LayoutSpec::default()
    })
    .unwrap()
}

impl Moment {
    fn fill(&self, number: u32, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        let inputs = vec![Input { buttons: self.buttons, ..Input::default() }];
        let elapsed = u64::from(number) * 16_667;
        tick.step(&Step { dt: 1.0 / 60.0, elapsed, mode: 0, inputs, commands: vec![] })?;
        let mut before = self.rng.0;
        for _ in 0..self.rng.1 {
            let (value, after) = RngAlgorithm::MsvcLcg.next(before, 0);
            tick.draw(Draw { stream: StreamId(0), value, before, after, caller: 0 })?;
            before = after;
        }
        tick.state(&[Scalar::U32(self.score)])?;
        let event = |number| (Origin::Guest, [Scalar::U32(number)]);
        self.level.map(event).map_or(Ok(()), |(origin, values)| {
            tick.event(Event { kind: KindId(0), origin, subject: None, values: &values, cause: None })
        })
    }
}

/// A run: buttons now and then, one to three draws in most ticks, a level every 50 ticks.
fn run(ticks: u32) -> Vec<Moment> {
    let mut state = 7;
    let moment = |number: u32| {
        let draws = if number.is_multiple_of(5) { 0 } else { 1 + number % 3 };
        let before = state;
        for _ in 0..draws {
            state = RngAlgorithm::MsvcLcg.next(state, 0).1;
        }
        let level = (number % 50 == 20).then_some(number / 50);
        Moment { buttons: number / 7 % 3, rng: (before, draws), score: number * 3, level }
    };
    (0..ticks).map(moment).collect()
}

fn record(moments: &[Moment]) -> Trace<Vec<u8>> {
    let mut encoder = Encoder::new(&meta(), Arc::new(layout()), Options { block_ticks: 64, ..Options::LIVE });
    for (moment, number) in moments.iter().zip(0..) {
        encoder.append(Tick(number), |tick| moment.fill(number, tick)).unwrap();
    }
    Trace::from_source(encoder.finish("complete").0, Path::new("fixture")).unwrap()
}

fn by(align: &str) -> DiffOptions {
    DiffOptions { align: align.parse().unwrap(), ..DiffOptions::default() }
}

fn compare(reference: &[Moment], candidate: &[Moment], align: &str) -> DiffReport {
    diff(&record(reference), &record(candidate), &by(align), &Unwatched).unwrap()
}

/// A frame in which nothing happened: what a machine does that waits.
fn lag(before: &Moment) -> Moment {
    Moment { rng: (0, 0), level: None, ..before.clone() }
}

#[test]
fn a_late_start_is_aligned_by_everything() {
    let reference = run(600);
    let candidate = &reference[13..];
    assert_eq!(compare(&reference, candidate, "tick").verdict, Verdict::Diverged);
    for align in ["rng", "step", "event:level"] {
        let report = compare(&reference, candidate, align);
        assert_eq!((report.verdict, report.compared.ticks), (Verdict::Equal, 587), "{align}");
        let alignment = report.alignment.unwrap();
        let listed: Vec<_> = alignment.listed.iter().map(|of| (of.reference, of.candidate, of.ticks)).collect();
        assert_eq!(listed, [(13, 0, 587)], "{align}");
        assert_eq!(alignment.skipped, cdt_analysis::Skipped::default());
        assert_eq!((report.ends.reference_only.before, report.ends.candidate_only.before), (13, 0));
        assert_eq!(report.policy.masks[0].what, "step.elapsed");
    }
}

#[test]
fn anchors_that_recur_are_matched_in_as_few_stretches_as_can_be() {
    let mut reference = run(100);
    for (at, moment) in reference.iter_mut().enumerate() {
        let hit = |&(_, tick): &(u32, usize)| tick == at;
        moment.level = [(1, 0), (1, 4), (2, 10), (3, 20), (4, 30)].iter().find(|pair| hit(pair)).map(|of| of.0);
    }
    // As many match when the reference's first is the candidate's first, but then ticks 1 to 3 have no partner.
    let report = compare(&reference, &reference[3..], "event:level");
    let alignment = report.alignment.unwrap();
    assert_eq!((report.verdict, report.compared.ticks, alignment.stretches), (Verdict::Equal, 97, 1));
    assert_eq!((alignment.anchors.matched, alignment.skipped), (4, cdt_analysis::Skipped::default()));
}

#[test]
fn lag_frames_are_skipped_and_told() {
    let reference = run(400);
    let mut candidate = reference.clone();
    candidate.insert(253, lag(&candidate[252]));
    candidate.insert(101, lag(&candidate[100]));
    candidate.insert(101, lag(&candidate[100]));
    for align in ["rng", "step", "event:level"] {
        let report = compare(&reference, &candidate, align);
        let alignment = report.alignment.unwrap();
        assert_eq!((alignment.skipped.reference, alignment.skipped.candidate), (0, 3), "{align}");
        assert_eq!((alignment.stretches, report.compared.ticks), (3, 400), "{align}");
        // Only draws stand in nearly every tick: other anchors pair some ticks after a lag frame with the one before.
        assert_eq!(report.episodes.counts.sustained + report.episodes.counts.open, 0, "{align}");
    }
    assert_eq!(compare(&reference, &candidate, "rng").verdict, Verdict::Equal);
}

#[test]
fn who_asks_for_whole_runs_is_told_of_ticks_without_a_partner() {
    let reference = run(400);
    let mut lagging = reference.clone();
    lagging.insert(253, lag(&lagging[252]));
    let whole = DiffOptions { whole: true, ..by("rng") };
    let verdict = |candidate: &[Moment], options: &DiffOptions| {
        let (reference, candidate) = (record(&reference), record(candidate));
        let report = diff(&reference, &candidate, options, &Unwatched).unwrap();
        let options =
            cdt_analysis::BisectOptions { diff: options.clone(), before: 1, after: 1, command: String::new() };
        let bisected = bisect(&reference, &candidate, &options, &Unwatched).unwrap();
        assert_eq!((bisected.verdict, &bisected.reasons), (report.verdict, &report.reasons));
        let of = |reason: &cdt_analysis::Reason| (reason.code, reason.reference.clone(), reason.candidate.clone());
        (report.verdict, report.reasons.first().map(of))
    };
    let left_over = |reference: &str, candidate: &str| {
        let sides = (Some(reference.to_owned()), Some(candidate.to_owned()));
        (Verdict::NotComparable, Some((ReasonCode::LeftOver, sides.0, sides.1)))
    };
    assert_eq!(verdict(&lagging, &by("rng")), (Verdict::Equal, None));
    assert_eq!(verdict(&lagging, &whole), left_over("0", "1"));
    assert_eq!(verdict(&reference[..390], &whole), left_over("10", "0"));
    // A late start is what ticks are aligned for.
    assert_eq!(verdict(&reference[13..], &whole), (Verdict::Equal, None));
    lagging[300].score += 1;
    assert_eq!(verdict(&lagging, &whole), (Verdict::Diverged, None));
}

#[test]
fn a_fork_stays_one_however_ticks_are_aligned() {
    let reference = run(600);
    let mut candidate = reference[9..].to_vec();
    candidate[291..].iter_mut().for_each(|moment| moment.score += 1);
    for align in ["rng", "step", "event:level"] {
        let report = compare(&reference, &candidate, align);
        let lasting = report.first_sustained.unwrap();
        assert_eq!((lasting.tick, lasting.candidate_tick), (Tick(300), Some(Tick(291))), "{align}");
        assert_eq!(lasting.path, "state.score");
    }
}

#[test]
fn draws_that_never_meet_again_do_not_skip_a_divergence_away() {
    let reference = run(600);
    let mut candidate = reference.clone();
    // One more draw in tick 301: from there on every state is another one.
    let mut state = candidate[301].rng.0;
    candidate[301].rng.1 += 1;
    for moment in &mut candidate[301..] {
        moment.rng.0 = state;
        moment.score += 1;
        for _ in 0..moment.rng.1 {
            state = RngAlgorithm::MsvcLcg.next(state, 0).1;
        }
    }
    let report = compare(&reference, &candidate, "rng");
    let lasting = report.first_sustained.as_ref().unwrap();
    assert_eq!((lasting.tick, lasting.candidate_tick), (Tick(301), Some(Tick(301))));
    assert_eq!(lasting.cause.class, cdt_analysis::CauseClass::RngExtra);
    let skipped = &report.alignment.as_ref().unwrap().skipped;
    assert_eq!((skipped.reference, skipped.candidate, report.compared.ticks), (0, 0, 600));
}

#[test]
fn a_start_that_is_later_than_any_window_is_found() {
    let reference = run(9_000);
    let report = compare(&reference, &reference[7_000..], "rng");
    assert_eq!((report.verdict, report.compared.ticks), (Verdict::Equal, 2_000));
}

#[test]
fn windows_are_those_of_the_reference() {
    let reference = run(600);
    let options = DiffOptions { window: "100..200".parse().unwrap(), ..by("rng") };
    let report = diff(&record(&reference), &record(&reference[13..]), &options, &Unwatched).unwrap();
    assert_eq!((report.verdict, report.compared.ticks), (Verdict::Equal, 100));
    assert_eq!(report.compared.window.as_deref(), Some("100..200"));
}

#[test]
fn a_window_without_partners_is_told_by_the_reference_alone() {
    let candidate = run(600);
    let idle = vec![lag(&candidate[59]); 10];
    let reference = [&candidate[..60], &idle, &candidate[60..]].concat();
    let first = compare(&reference, &candidate, "rng").alignment.unwrap().skipped.listed[0].first;
    let options = DiffOptions { window: format!("{first}..{}", first + 10).parse().unwrap(), ..by("rng") };
    let report = diff(&record(&reference), &record(&candidate), &options, &Unwatched).unwrap();
    let reason = &report.reasons[0];
    assert_eq!((reason.code, reason.what.as_deref()), (ReasonCode::NoCommonTicks, Some("rng")));
    let has = format!("10 of {first}..{}", first + 10);
    assert_eq!((reason.reference.as_deref(), reason.candidate.as_deref()), (Some(has.as_str()), None));
}

#[test]
fn what_cannot_be_aligned_is_not_comparable() {
    let reference = run(60);
    let other: Vec<Moment> = run(60).into_iter().map(|moment| Moment { rng: (1, 0), ..moment }).collect();
    for (candidate, align) in [(&other, "rng"), (&reference, "event:boss")] {
        let report = compare(&reference, candidate, align);
        assert_eq!(report.verdict, Verdict::NotComparable);
        assert_eq!(report.reasons[0].code, ReasonCode::NotAligned);
    }
    assert!("event:".parse::<Align>().is_err() && "frames".parse::<Align>().is_err());
}

#[test]
fn focus_and_bisect_follow_the_alignment() {
    let reference = run(600);
    let mut candidate = reference[9..].to_vec();
    candidate[291..].iter_mut().for_each(|moment| moment.score += 1);
    let (reference, candidate) = (record(&reference), record(&candidate));
    let FocusOutcome::Tick(found) = focus(&reference, &candidate, None, 3, &by("rng"), &Unwatched).unwrap() else {
        panic!("there is a tick to focus on")
    };
    assert_eq!((found.tick, found.candidate_tick), (Tick(300), Some(Tick(291))));
    let moments: Vec<u32> = found.differences[0].history.iter().map(|moment| moment.tick.0).collect();
    assert_eq!(moments, [297, 298, 299]);
    assert!(found.differences[0].history.iter().all(|moment| moment.reference == moment.candidate));
    let options = cdt_analysis::BisectOptions { diff: by("rng"), before: 2, after: 2, command: String::new() };
    let report = bisect(&reference, &candidate, &options, &Unwatched).unwrap();
    assert_eq!(report.first_sustained.unwrap().tick, Tick(300));
    let window: Vec<_> = report.window.iter().map(|of| (of.tick.0, of.values_different)).collect();
    assert_eq!(window, [(298, 0), (299, 0), (300, 1), (301, 1)]);
}
