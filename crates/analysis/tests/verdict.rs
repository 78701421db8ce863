//! The verdict on runs with planted faults: where, for how long, and why.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use cdt_analysis::{
    BisectOptions, CauseClass, DiffOptions, DiffReport, EpisodeKind, FocusOutcome, HealthVerdict, Problem, ReasonCode,
    Verdict, bisect, diff, focus, health,
};
use cdt_projections::Window;
use cdt_schema::{
    Channel, Checkpoint, CheckpointLayout, Event, EventKind, Field, Generation, Input, KindId, Layout, LayoutSpec,
    MemoryLayout, Origin, PageId, RngAlgorithm, RngStream, RowError, Scalar, ScalarType, Slot, Step, StepLayout, Tick,
    TickBuilder, Uid,
};
use cdt_testkit::surgery::{RANGE, SEGMENT_ROWS, elements, seal_segment, sections, segment_parts};
use cdt_testkit::{PlainTick, Scene, full_layout, meta, plain_layout, write_full, write_plain};
use cdt_trace::{Encoder, Encoding, Loss, LossKind, Options, Trace, Unwatched};

fn open(bytes: Vec<u8>) -> Trace<Vec<u8>> {
    Trace::from_source(bytes, Path::new("fixture")).unwrap()
}

fn compare(reference: &Trace<Vec<u8>>, candidate: &Trace<Vec<u8>>, options: &DiffOptions) -> DiffReport {
    diff(reference, candidate, options, &Unwatched).unwrap()
}

/// Compares a plain run of that many ticks with itself after `fault`; the two are written with other blocks.
fn planted(ticks: u32, fault: impl FnMut(u32, &mut PlainTick)) -> DiffReport {
    let reference = open(write_plain(ticks, Options::LIVE, |_, _| {}));
    let candidate = open(write_plain(ticks, Options { block_ticks: 100, ..Options::ARCHIVE }, fault));
    compare(&reference, &candidate, &DiffOptions::default())
}

fn nudge(value: f32) -> f32 {
    f32::from_bits(value.to_bits() + 1)
}

#[test]
fn a_blip_and_a_fork_are_both_told() {
    let report = planted(10_000, |tick, plain| {
        if tick == 500 || tick >= 7_000 {
            plain.creatures[7].hp -= 1;
        }
    });
    assert_eq!(report.verdict, Verdict::Diverged);
    let (first, lasting) = (report.first_mismatch.unwrap(), report.first_sustained.unwrap());
    assert_eq!((first.tick, lasting.tick), (Tick(500), Tick(7_000)));
    assert_eq!(first.path, "entities.creature[slot=7,gen=5].hp");
    assert_eq!(lasting.path, "entities.creature[slot=7,gen=72].hp");
    assert_eq!((lasting.channel, lasting.cause.class), (Channel::Entities, CauseClass::State));
    assert_eq!(lasting.delta.as_deref(), Some("-1"));
    let episodes: Vec<_> = report.episodes.listed.iter().map(|e| (e.start.0, e.end, e.kind, e.to_the_end)).collect();
    assert_eq!(episodes, [(500, 501, EpisodeKind::Healed, false), (7_000, 10_000, EpisodeKind::Sustained, true)]);
    let entities = report.channels.iter().find(|channel| channel.channel == Channel::Entities).unwrap();
    assert_eq!(entities.ticks_different, 3_001);
    let state = report.channels.iter().find(|channel| channel.channel == Channel::State).unwrap();
    assert_eq!((state.ticks_different, &state.first_mismatch), (0, &None));
}

#[test]
fn equal_runs_have_a_certificate() {
    let report = planted(1_000, |_, _| {});
    assert_eq!(report.verdict, Verdict::Equal);
    assert_eq!((report.compared.ticks, report.compared.rows), (1_000, 1_000 + 12_000));
    assert_eq!(report.compared.values.unwrap().get(), 1_000 * 2 + 12_000 * 5);
    // Their digests are equal, so none was read.
    assert_eq!(report.compared.by_rows, Some(0));
    assert_eq!(planted(1_000, |tick, plain| plain.score += u32::from(tick >= 990)).compared.by_rows, Some(10));
    let only = |channel| DiffOptions { channels: Some([channel].into_iter().collect()), ..DiffOptions::default() };
    let options = Options { block_ticks: 64, ..Options::LIVE };
    let (reference, candidate) = (
        open(write_plain(1_000, options, |_, _| {})),
        open(write_plain(1_000, options, |tick, plain| plain.score += u32::from(tick >= 990))),
    );
    // The digests of ticks differ, and those of the compared channel's blocks do not.
    let entities = compare(&reference, &candidate, &only(Channel::Entities));
    assert_eq!((entities.verdict, entities.compared.by_rows), (Verdict::Equal, Some(0)));
    assert_eq!(compare(&reference, &candidate, &only(Channel::State)).compared.by_rows, Some(10));
    assert!(report.compared.never_changed.is_empty());
    let never: Vec<&str> = report.compared.never_compared.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(never, ["step", "rng", "calls", "checkpoint", "timing", "events", "memory"]);
}

#[test]
fn a_field_that_never_changes_is_named_in_any_window() {
    let frozen = |tick: u32, plain: &mut PlainTick| plain.score = u32::from(tick >= 900);
    let options = |window: &str| DiffOptions { window: window.parse().unwrap(), ..DiffOptions::default() };
    let trace = open(write_plain(1_000, Options { block_ticks: 64, ..Options::LIVE }, frozen));
    for (window, expected) in [("..", false), ("..900", true), ("900..", true), ("100..200", true), ("890..910", false)]
    {
        let report = compare(&trace, &trace, &options(window));
        let named = report.compared.never_changed.iter().any(|field| field == "state.score");
        assert_eq!(named, expected, "{window}");
    }
}

#[test]
fn a_change_between_two_blocks_is_a_change() {
    // Blocks end before 832, 896 and 960; the value changes with a block, and both sides of it are in the window.
    let frozen = |tick: u32, plain: &mut PlainTick| plain.score = u32::from(tick >= 896);
    let trace = open(write_plain(1_000, Options { block_ticks: 64, ..Options::LIVE }, frozen));
    for (window, expected) in [("832..900", false), ("890..960", false), ("890..900", false), ("896..900", true)] {
        let options = DiffOptions { window: window.parse().unwrap(), ..DiffOptions::default() };
        let report = compare(&trace, &trace, &options);
        let named = report.compared.never_changed.iter().any(|field| field == "state.score");
        assert_eq!(named, expected, "{window}");
    }
}

#[test]
fn causes_are_told_apart() {
    type Fault = fn(u32, &mut PlainTick);
    let cases: [(Fault, CauseClass, &str); 5] = [
        (|_, p| p.energy = nudge(p.energy), CauseClass::FloatDrift, "state.energy"),
        (|_, p| p.energy += 3.0, CauseClass::State, "state.energy"),
        (|_, p| p.score += 1, CauseClass::State, "state.score"),
        (
            |_, p| p.creatures.retain(|creature| creature.slot != 3),
            CauseClass::Population,
            "entities.creature[slot=3,gen=1]",
        ),
        (|_, p| p.creatures[2].generation += 100, CauseClass::Population, "entities.creature[slot=2,gen=1]"),
    ];
    for (fault, class, path) in cases {
        let report = planted(200, |tick, plain| {
            if tick >= 100 {
                fault(tick, plain)
            }
        });
        let lasting = report.first_sustained.unwrap();
        assert_eq!((lasting.tick.0, lasting.cause.class, lasting.path.as_str()), (100, class, path));
        assert!(!lasting.cause.evidence.is_empty());
    }
}

#[test]
fn the_same_entity_under_another_identity_is_recognised() {
    let report = planted(200, |tick, plain| {
        if tick >= 100 {
            plain.creatures[2].generation += 100;
        }
    });
    let evidence = report.first_sustained.unwrap().cause.evidence;
    assert!(evidence.iter().any(|line| line.contains("has all fields of the reference's slot 2")), "{evidence:?}");
}

#[test]
fn a_short_difference_at_the_end_is_open() {
    let report = planted(200, |tick, plain| plain.score += u32::from(tick >= 190));
    assert_eq!(report.episodes.counts.open, 1);
    assert_eq!(report.first_sustained.unwrap().tick, Tick(190));
}

#[test]
fn negative_zero_is_not_zero() {
    let zero = |sign: f32| move |_: u32, plain: &mut PlainTick| plain.energy = 0.0f32.copysign(sign);
    let report = compare(
        &open(write_plain(100, Options::LIVE, zero(1.0))),
        &open(write_plain(100, Options::LIVE, zero(-1.0))),
        &DiffOptions::default(),
    );
    assert_eq!(report.first_mismatch.unwrap().ulp, Some(1));
}

#[test]
fn what_cannot_be_compared_is_neither_equal_nor_diverged() {
    let plain = open(write_plain(100, Options::LIVE, |_, _| {}));
    let full = open(write_full(100, 1, Options::LIVE));
    let codes = |report: &DiffReport| -> Vec<(ReasonCode, Option<String>)> {
        assert_eq!(report.verdict, Verdict::NotComparable);
        report.reasons.iter().map(|reason| (reason.code, reason.what.clone())).collect()
    };
    let report = compare(&plain, &full, &DiffOptions::default());
    assert!(codes(&report).contains(&(ReasonCode::ChannelAbsent, Some("rng".to_owned()))));
    assert!(codes(&report).contains(&(ReasonCode::LayoutDiffers, Some("state.score".to_owned()))));
    let window = "500..600".parse::<Window>().unwrap();
    let report = compare(&plain, &plain, &DiffOptions { window, ..DiffOptions::default() });
    assert_eq!(codes(&report), [(ReasonCode::NoCommonTicks, None)]);
}

#[test]
fn channels_that_name_others_by_number_need_the_same_others() {
    let written = |spec: LayoutSpec| -> Trace<Vec<u8>> {
        let layout = Arc::new(Layout::new(spec).unwrap());
        open(Encoder::new(&meta(), layout, Options::LIVE).finish("nothing").0)
    };
    let full = full_layout().spec().clone();
    let mut swapped = full.clone();
    swapped.entities.as_mut().unwrap().reverse();
    let mut fewer = full.clone();
    fewer.rng.as_mut().unwrap().pop();
    let reference = written(full);
    // The counts of a checkpoint have the names of kinds, and are compared by them.
    for (other, channel) in [(&swapped, Channel::Events), (&fewer, Channel::Checkpoint)] {
        let channels = Some([channel].into_iter().collect());
        let report = compare(&reference, &written(other.clone()), &DiffOptions { channels, ..DiffOptions::default() });
        let differs = report.reasons.iter().any(|reason| reason.code == ReasonCode::LayoutDiffers);
        assert!(report.verdict == Verdict::NotComparable && differs, "{channel}");
    }
}

fn with_loss(loss: Loss) -> Trace<Vec<u8>> {
    let mut encoder = Encoder::new(&meta(), Arc::new(full_layout()), Options::LIVE);
    let mut scene = Scene::new(1);
    for tick in 0..100 {
        encoder.append(Tick(tick), |tick| scene.fill(tick)).unwrap();
    }
    encoder.record_loss(&loss);
    open(encoder.finish("complete").0)
}

#[test]
fn a_loss_inside_forbids_a_verdict_and_one_outside_is_shown() {
    let whole = open(write_full(100, 1, Options::LIVE));
    let loss = |kind, from, to: Option<u32>| Loss { kind, from: Tick(from), to: to.map(Tick), detail: "lost".into() };
    let inside = with_loss(loss(LossKind::CappedRows, 50, Some(52)));
    let report = compare(&whole, &inside, &DiffOptions::default());
    assert_eq!((report.verdict, report.reasons[0].code), (Verdict::NotComparable, ReasonCode::LossInside));
    let window = "..50".parse().unwrap();
    let report = compare(&whole, &inside, &DiffOptions { window, ..DiffOptions::default() });
    assert_eq!((report.verdict, report.loss.candidate.len()), (Verdict::Equal, 1));
    let tail = with_loss(loss(LossKind::TruncatedTail, 100, None));
    assert_eq!(compare(&whole, &tail, &DiffOptions::default()).verdict, Verdict::Equal);
    assert_eq!(health(&tail, &Unwatched).unwrap().verdict, HealthVerdict::Lossy);
}

#[test]
fn a_run_that_ends_early_is_accounted_for() {
    let (long, short) =
        (open(write_plain(300, Options::LIVE, |_, _| {})), open(write_plain(200, Options::LIVE, |_, _| {})));
    let report = compare(&long, &short, &DiffOptions::default());
    assert_eq!((report.verdict, report.compared.ticks), (Verdict::Equal, 200));
    assert_eq!((report.ends.reference_only.after, report.ends.candidate_only.after), (100, 0));
    let report = compare(&long, &short, &DiffOptions { whole: true, ..DiffOptions::default() });
    let lasting = report.first_sustained.unwrap();
    assert_eq!((report.verdict, lasting.tick), (Verdict::Diverged, Tick(200)));
    assert_eq!(lasting.cause.class, CauseClass::MissingTick);
    // What the shorter run does not have was not compared.
    let facts = (report.compared.ticks, report.compared.rows, report.compared.values.unwrap().get());
    assert_eq!(facts, (200, 200 + 2_400, 200 * 2 + 2_400 * 5));
    let looked = focus(&long, &short, Some(Tick(250)), 1, &DiffOptions::default(), &Unwatched).unwrap();
    let FocusOutcome::Tick(found) = looked else { panic!("one of the two has the tick") };
    assert_eq!((found.cause.unwrap().class, found.values_different), (CauseClass::MissingTick, 0));
}

/// A plain run without the ticks that `skip` names.
fn gapped(skip: impl Fn(u32) -> bool, score: impl Fn(u32) -> u32) -> Trace<Vec<u8>> {
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), Options { block_ticks: 7, ..Options::LIVE });
    for number in (0..100).filter(|&number| !skip(number)) {
        encoder.append(Tick(number), |tick| tick.state(&[Scalar::U32(score(number)), Scalar::F32(0.5)])).unwrap();
    }
    open(encoder.finish("complete").0)
}

#[test]
fn ticks_that_one_run_lacks_are_differences_and_not_compared() {
    let reference = gapped(|_| false, |tick| u32::from((40..50).contains(&tick)));
    let candidate = gapped(|tick| (40..50).contains(&tick), |_| 0);
    let report = compare(&reference, &candidate, &DiffOptions::default());
    assert_eq!((report.verdict, report.compared.ticks, report.compared.rows), (Verdict::Diverged, 90, 90));
    let first = report.first_mismatch.unwrap();
    assert_eq!((first.tick, first.cause.class), (Tick(40), CauseClass::MissingTick));
    // The reference's score changes only in ticks that were not compared.
    assert_eq!(report.compared.never_changed, ["state.score", "state.energy"]);
    // No tick at all in common, though the ranges overlap.
    let (even, odd) = (gapped(|tick| tick % 2 == 0, |_| 0), gapped(|tick| tick % 2 == 1, |_| 0));
    let report = compare(&even, &odd, &DiffOptions::default());
    assert_eq!((report.verdict, report.reasons[0].code), (Verdict::NotComparable, ReasonCode::NoCommonTicks));
}

/// A run of the step channel alone, in which a player presses a button at one tick.
fn pressing(at: Option<u32>) -> Trace<Vec<u8>> {
    let spec =
        LayoutSpec { players: 1, step: Some(StepLayout::default()), state: Some(vec![]), ..LayoutSpec::default() };
    let mut encoder = Encoder::new(&meta(), Arc::new(Layout::new(spec).unwrap()), Options::LIVE);
    for number in 0..100u32 {
        let input = Input { buttons: u32::from(at == Some(number)), ..Input::default() };
        let fill = |tick: &mut TickBuilder<'_>| -> Result<(), RowError> {
            tick.step(&Step { dt: 0.5, inputs: vec![input], ..Step::default() })?;
            tick.state(&[] as &[Scalar])
        };
        encoder.append(Tick(number), fill).unwrap();
    }
    open(encoder.finish("complete").0)
}

#[test]
fn other_input_is_the_cause_before_all_others() {
    let report = compare(&pressing(Some(40)), &pressing(None), &DiffOptions::default());
    let first = report.first_mismatch.unwrap();
    assert_eq!((first.path.as_str(), first.cause.class), ("step.players[0].buttons", CauseClass::Input));
    assert_eq!((report.compared.ticks_with_input, report.first_sustained), (Some(1), None));
}

/// A full run, with something done to a tick's rows: the scene of one seed until a tick, of another from it on.
#[test]
fn every_channel_of_a_full_run_is_compared() {
    let reference = open(write_full(120, 1, Options { block_ticks: 16, ..Options::LIVE }));
    let same = open(write_full(120, 1, Options { encoding: Encoding::Archive, ..Options::LIVE }));
    let report = compare(&reference, &same, &DiffOptions::default());
    assert_eq!((report.verdict, report.channels.len()), (Verdict::Equal, 9));
    assert!(report.channels.iter().all(|channel| channel.first_diagnostic.is_none()));
    let other = open(write_full(120, 2, Options::LIVE));
    let report = compare(&reference, &other, &DiffOptions::default());
    assert_eq!(report.verdict, Verdict::Diverged);
    for channel in [Channel::Rng, Channel::State, Channel::Entities, Channel::Checkpoint, Channel::Memory] {
        let report = report.channels.iter().find(|report| report.channel == channel).unwrap();
        assert!(report.first_mismatch.is_some(), "{channel}");
    }
    let FocusOutcome::Tick(focus) = focus(&reference, &other, None, 4, &DiffOptions::default(), &Unwatched).unwrap()
    else {
        panic!("the two differ")
    };
    assert!(!focus.draws.is_empty() && !focus.differences.is_empty());
}

#[test]
fn wall_time_and_callers_are_diagnostics() {
    // Timing alone is compared: fuel is the same in both scenes, wall time is not.
    let (a, b) = (open(write_full(30, 1, Options::LIVE)), open(write_full(30, 2, Options::LIVE)));
    let channels = Some([Channel::Timing].into_iter().collect());
    let report = compare(&a, &b, &DiffOptions { channels, ..DiffOptions::default() });
    assert_eq!(report.verdict, Verdict::Equal);
    assert_eq!(report.channels[0].first_diagnostic.as_ref().unwrap().path, "timing[1].wall_ns");
    assert!(report.policy.masks.iter().any(|mask| mask.what == "rng"));
}

#[test]
fn focus_shows_values_bits_and_history() {
    let reference = open(write_plain(300, Options::LIVE, |_, _| {}));
    let candidate = open(write_plain(300, Options::LIVE, |tick, plain| {
        if tick >= 150 {
            plain.energy = nudge(plain.energy)
        }
    }));
    let look = |tick| focus(&reference, &candidate, tick, 3, &DiffOptions::default(), &Unwatched);
    let FocusOutcome::Tick(focused) = look(None).unwrap() else { panic!("the two differ") };
    assert_eq!((focused.tick, focused.values_different), (Tick(150), 1));
    let energy = &focused.differences[0];
    assert_eq!((energy.path.as_str(), energy.ulp, energy.scalar_type), ("state.energy", Some(1), Some("f32")));
    assert_ne!(energy.reference_bits, energy.candidate_bits);
    let ticks: Vec<u32> = energy.history.iter().map(|moment| moment.tick.0).collect();
    assert_eq!(ticks, [147, 148, 149]);
    assert!(energy.history.iter().all(|moment| moment.reference == moment.candidate));
    let FocusOutcome::Tick(before) = look(Some(Tick(10))).unwrap() else { panic!("the tick is there") };
    assert_eq!((before.values_different, before.cause), (0, None));
    assert!(look(Some(Tick(300))).unwrap_err().to_string().contains("neither trace has a tick 300"));
}

#[test]
fn health_finds_what_is_wrong() {
    let good = write_full(100, 1, Options { block_ticks: 10, ..Options::LIVE });
    let report = health(&open(good.clone()), &Unwatched).unwrap();
    assert_eq!((report.verdict, report.problem_count), (HealthVerdict::Healthy, 0));
    let trace = open(good.clone());
    let block = trace.index().blocks[4];
    let mut damaged = good;
    damaged[usize::try_from(block.offset + block.stored_bytes() - 3).unwrap()] ^= 4;
    let report = health(&open(damaged), &Unwatched).unwrap();
    assert_eq!(report.verdict, HealthVerdict::Unhealthy);
    assert!(report.problems[0].detail.contains("checksum"), "{:?}", report.problems);
    let empty = open(Encoder::new(&meta(), Arc::new(plain_layout()), Options::LIVE).finish("nothing").0);
    assert_eq!(health(&empty, &Unwatched).unwrap().verdict, HealthVerdict::Unhealthy);
}

/// A trace whose summaries lie in one byte, behind checksums that are right.
fn lying(good: &[u8], what: usize, block: usize) -> Trace<Vec<u8>> {
    let mut bytes = good.to_vec();
    let segment = sections(&bytes).into_iter().find(|section| &section.tag == b"SEGM").unwrap();
    // The record's vectors: channel digests, rows, ticks with input, changed, diagnostics.
    let size = [8, 4, 4, 1, 8][what];
    let all = elements(&bytes, segment.tail.end - 40 + what * 8, size);
    let at = all[all.len() / 10 * block].start;
    bytes[at] ^= 1;
    seal_segment(&mut bytes, &segment);
    open(bytes)
}

#[test]
fn health_recomputes_every_summary() {
    let good = write_full(100, 1, Options { block_ticks: 10, ..Options::LIVE });
    let expected = [
        "digest of step",
        "row counts",
        "count of ticks with input",
        "list of fields that change",
        "digest of diagnostics",
    ];
    for (what, expected) in expected.into_iter().enumerate() {
        let report = health(&lying(&good, what, 3), &Unwatched).unwrap();
        assert_eq!(report.verdict, HealthVerdict::Unhealthy, "{:?}", report.problems);
        let of_block = |problem: &&Problem| problem.tick == Some(30) && problem.detail.contains(expected);
        assert_eq!(report.problems.iter().filter(of_block).count(), 1, "{:?}", report.problems);
        // The segment's totals are those that were written.
        let of_segment =
            |problem: &&Problem| problem.tick == Some(0) && problem.detail.contains("segment's stored totals");
        assert_eq!(report.problems.iter().filter(of_segment).count() + 1, report.problems.len());
    }
}

#[test]
fn health_recomputes_the_ranges_of_fields() {
    let good = write_full(100, 1, Options { block_ticks: 10, ..Options::LIVE });
    let segment = sections(&good).into_iter().find(|section| &section.tag == b"SEGM").unwrap();
    let [_, ranges, _] = segment_parts(&good, &segment);
    let of_block = ranges.len() / 10;
    let fields = full_layout().entity_kinds().iter().map(|kind| kind.fields.len()).sum::<usize>();
    assert_eq!(of_block, fields * RANGE);
    let fourth = ranges.start + 3 * of_block;
    let flipped = |at: usize| (at, vec![good[at] ^ 1]);
    // As if the block had no such entities.
    let none = (fourth, [1u64, 0].map(u64::to_le_bytes).concat());
    for (at, lie) in [flipped(fourth), flipped(fourth + of_block - 8), none] {
        let mut bytes = good.clone();
        bytes[at..at + lie.len()].copy_from_slice(&lie);
        seal_segment(&mut bytes, &segment);
        let report = health(&open(bytes), &Unwatched).unwrap();
        assert_eq!((report.verdict, report.problem_count), (HealthVerdict::Unhealthy, 1), "{:?}", report.problems);
        let problem = &report.problems[0];
        assert!(problem.tick == Some(30) && problem.detail.contains("the range stored for"), "{problem:?}");
    }
}

#[test]
fn health_recomputes_the_totals_of_segments() {
    let good = write_full(100, 1, Options { block_ticks: 10, ..Options::LIVE });
    let segment = sections(&good).into_iter().find(|section| &section.tag == b"SEGM").unwrap();
    let root = segment.head.end - SEGMENT_ROWS;
    let (rows, changed, diagnostics) =
        (elements(&good, root, 8), elements(&good, root + 16, 1), elements(&good, root + 24, 8));
    for at in [rows[3].start, root + 8, changed[5].start, diagnostics[2].start] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        seal_segment(&mut bytes, &segment);
        let report = health(&open(bytes), &Unwatched).unwrap();
        assert_eq!((report.verdict, report.problem_count), (HealthVerdict::Unhealthy, 1), "{:?}", report.problems);
        assert!(report.problems[0].detail.contains("the segment's stored totals"), "{:?}", report.problems);
    }
}

#[test]
fn totals_that_no_blocks_can_have_are_refused() {
    let good = write_full(100, 1, Options { block_ticks: 10, ..Options::LIVE });
    let segment = sections(&good).into_iter().find(|section| &section.tag == b"SEGM").unwrap();
    let root = segment.head.end - SEGMENT_ROWS;
    for at in [elements(&good, root, 8)[3].start, root + 8] {
        let mut bytes = good.clone();
        bytes[at..at + 8].fill(0xff);
        seal_segment(&mut bytes, &segment);
        let error = Trace::from_source(bytes, Path::new("fixture")).unwrap_err().to_string();
        assert!(error.contains("the totals tell of"), "{error}");
    }
    let summaries = segment.tail.end - 40;
    for vector in [summaries + 8, summaries + 16] {
        let mut bytes = good.clone();
        let at = elements(&good, vector, 4)[3].start;
        bytes[at..at + 4].fill(0xff);
        seal_segment(&mut bytes, &segment);
        let trace = open(bytes);
        let error = trace.summaries(0).unwrap_err().to_string();
        assert!(error.contains("the totals tell of"), "{error}");
        assert_eq!(health(&trace, &Unwatched).unwrap().verdict, HealthVerdict::Unhealthy);
        let window = DiffOptions { window: "5..".parse().unwrap(), ..DiffOptions::default() };
        assert!(diff(&trace, &trace, &window, &Unwatched).is_err());
        // One block's summary is checked when it is asked for, whatever the others are.
        let stored = trace.segment_summaries(0).unwrap();
        let readable = (0..trace.index().blocks.len()).filter(|&block| stored.block(block).is_ok());
        assert_eq!(readable.count(), trace.index().blocks.len() - 1);
    }
}

#[test]
fn what_is_damaged_does_not_make_what_is_whole_look_bad() {
    let good = write_full(100, 1, Options { block_ticks: 10, ..Options::LIVE });
    let segment = sections(&good).into_iter().find(|section| &section.tag == b"SEGM").unwrap();
    let block = open(good.clone()).index().blocks[4];
    let in_block = usize::try_from(block.offset + block.stored_bytes() - 3).unwrap();
    for at in [segment.tail.start, segment.tail.end - 40, in_block] {
        let mut damaged = good.clone();
        damaged[at] ^= 4;
        let report = health(&open(damaged), &Unwatched).unwrap();
        assert_eq!((report.verdict, report.problem_count), (HealthVerdict::Unhealthy, 1), "{:?}", report.problems);
    }
}

#[test]
fn an_episode_that_lasted_and_healed_is_not_for_good() {
    let report = planted(400, |tick, plain| {
        if (100..161).contains(&tick) || tick >= 300 {
            plain.score += 1;
        }
    });
    assert_eq!((report.first_sustained.unwrap().tick, report.parted), (Tick(100), Some(Tick(300))));
    let report = planted(400, |tick, plain| plain.score += u32::from((100..161).contains(&tick)));
    assert_eq!((report.first_sustained.unwrap().tick, report.parted), (Tick(100), None));
}

/// A run whose layout has a float, counters, guest and host events and memory, each a function of the tick.
#[derive(Clone, Copy)]
struct Mixed {
    float: fn(u32) -> f32,
    kills: fn(u32) -> u64,
    events: fn(u32) -> &'static [(Origin, u32)],
    memory: fn(u32) -> u8,
}

fn mixed(run: Mixed) -> Trace<Vec<u8>> {
    let field = |name: &str, scalar_type| Field { name: name.to_owned(), scalar_type };
    let spec = LayoutSpec {
        state: Some(vec![field("e", ScalarType::F32)]),
        checkpoint: Some(CheckpointLayout { counters: vec!["loot_digest".to_owned()], ..CheckpointLayout::default() }),
        events: Some(vec![EventKind { name: "hit".to_owned(), values: vec![field("by", ScalarType::U32)] }]),
        memory: Some(MemoryLayout { page_size: 64, pages: 64 }),
        ..LayoutSpec::default()
    };
    let mut encoder = Encoder::new(&meta(), Arc::new(Layout::new(spec).unwrap()), Options::LIVE);
    for number in 0..100 {
        let fill = |tick: &mut TickBuilder<'_>| -> Result<(), RowError> {
            tick.state(&[Scalar::F32((run.float)(number))])?;
            tick.checkpoint(&Checkpoint { counters: &[(run.kills)(number)], ..Checkpoint::default() })?;
            for &(origin, by) in (run.events)(number) {
                let values = &[Scalar::U32(by)];
                tick.event(Event { kind: KindId(0), origin, subject: None, values, cause: None })?;
            }
            (0..64).try_for_each(|page| tick.page(PageId(page), &[(run.memory)(number); 64]))
        };
        encoder.append(Tick(number), fill).unwrap();
    }
    open(encoder.finish("complete").0)
}

const MIXED: Mixed = Mixed { float: |_| 1.0, kills: |_| 0, events: |_| &[], memory: |_| 0 };

#[test]
fn rounding_does_not_explain_what_is_counted_or_what_happens() {
    let class = |run: Mixed| {
        let report = compare(&mixed(MIXED), &mixed(run), &DiffOptions::default());
        report.first_mismatch.unwrap().cause.class
    };
    let rounded = Mixed { float: |tick| if tick < 50 { 1.0 } else { 1.0 + f32::EPSILON }, ..MIXED };
    assert_eq!(class(rounded), CauseClass::FloatDrift);
    let counted = |tick| u64::from(tick >= 50);
    assert_eq!(class(Mixed { kills: counted, ..rounded }), CauseClass::State);
    let hit: fn(u32) -> &'static [(Origin, u32)] = |tick| if tick < 50 { &[] } else { &[(Origin::Guest, 1)] };
    assert_eq!(class(Mixed { events: hit, ..rounded }), CauseClass::State);
    // A counter is declared, whatever its name ends in.
    let memory = |tick| u8::from(tick >= 50);
    assert_eq!(class(Mixed { kills: counted, memory, ..MIXED }), CauseClass::State);
    assert_eq!(class(Mixed { memory, ..MIXED }), CauseClass::MemoryOnly);
}

#[test]
fn events_are_named_by_their_place_among_all() {
    use Origin::{Guest, Host};
    let run = |events| mixed(Mixed { events, ..MIXED });
    let reference = run(|_| &[(Host, 0), (Host, 0), (Guest, 1)]);
    let report =
        compare(&reference, &run(|_| &[(Host, 0), (Host, 0), (Guest, 1), (Guest, 2)]), &DiffOptions::default());
    let first = report.first_mismatch.unwrap();
    assert_eq!((first.path.as_str(), first.reference), ("events[4]", None));
    let shown = first.candidate.unwrap().to_string();
    assert!(shown.starts_with("kind=hit origin=guest") && shown.contains("values(by=2)"), "{shown}");
    let report = compare(&reference, &run(|_| &[(Guest, 1), (Host, 0), (Host, 9)]), &DiffOptions::default());
    let events = report.channels.iter().find(|channel| channel.channel == Channel::Events).unwrap();
    assert_eq!(events.first_diagnostic.as_ref().unwrap().path, "events[2]");
}

#[test]
fn memory_is_told_in_few_ranges_and_few_bytes() {
    let changed = mixed(Mixed { memory: |tick| u8::from(tick == 7), ..MIXED });
    let report = compare(&mixed(MIXED), &changed, &DiffOptions::default());
    let first = report.first_mismatch.unwrap();
    assert_eq!((first.path.as_str(), first.values_different), ("memory[0x0..0x1000]", 1));
    assert!(first.candidate.unwrap().to_string().ends_with("… (4096 bytes)"));
}

#[test]
fn a_lost_tail_is_inside_when_the_ends_are_compared() {
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), Options::LIVE);
    for number in 0..50 {
        encoder.append(Tick(number), |tick| tick.state(&[Scalar::U32(0), Scalar::F32(0.5)])).unwrap();
    }
    let loss = Loss { kind: LossKind::TruncatedTail, from: Tick(50), to: None, detail: String::new() };
    encoder.record_loss(&loss);
    let cut = open(encoder.finish("truncated").0);
    assert_eq!(compare(&cut, &cut, &DiffOptions::default()).verdict, Verdict::Equal);
    let report = compare(&cut, &cut, &DiffOptions { whole: true, ..DiffOptions::default() });
    assert_eq!((report.verdict, report.reasons[0].code), (Verdict::NotComparable, ReasonCode::LossInside));
}

/// Writes a long plain run, of which each of some ticks has another score.
fn scored(ticks: u32, options: Options, other: impl Fn(u32) -> bool) -> Vec<u8> {
    write_plain(ticks, options, |tick, plain| plain.score += u32::from(other(tick)))
}

#[test]
fn a_fork_behind_segments_that_are_the_same_is_found() {
    let reference = open(scored(150_000, Options::LIVE, |_| false));
    // Who passed over a segment from within it would pass over this.
    let fork = u32::try_from(reference.segment_ticks(0) + reference.segment_ticks(1)).unwrap() + 2;
    for options in [Options::LIVE, Options { block_ticks: 100, ..Options::ARCHIVE }] {
        let candidate = open(scored(150_000, options, |tick| tick >= fork));
        // The second window begins and ends within segments.
        for (window, ticks) in [("..", 150_000), ("7..149990", 149_983)] {
            let options = DiffOptions { window: window.parse().unwrap(), ..DiffOptions::default() };
            let report = compare(&reference, &candidate, &options);
            assert_eq!((report.verdict, report.compared.ticks), (Verdict::Diverged, ticks));
            assert_eq!(report.first_mismatch.unwrap().tick, Tick(fork));
            let report = compare(&reference, &reference, &options);
            assert_eq!((report.verdict, report.compared.ticks), (Verdict::Equal, ticks));
        }
    }
}

/// Puts the digest that the reference has of a tick in the first segment in place of the trace's own.
fn with_digest_of(reference: &[u8], mut trace: Vec<u8>, tick: usize) -> Trace<Vec<u8>> {
    let digest = |bytes: &[u8]| open(bytes.to_vec()).digests(0).unwrap()[tick].0.to_le_bytes();
    let [other, own] = [digest(reference), digest(&trace)];
    let at = trace.windows(8).position(|bytes| bytes == own).unwrap();
    trace[at..at + 8].copy_from_slice(&other);
    open(trace)
}

#[test]
fn digests_that_hide_a_difference_are_not_believed() {
    let options = DiffOptions { sustain: 1, ..DiffOptions::default() };
    let bisecting = BisectOptions { diff: options.clone(), before: 0, after: 1, command: String::new() };
    // The difference at tick 100 is hidden: it is the only one, another stands behind it, another stands in the next segment.
    for (ticks, shown) in [(10_000, None), (10_000, Some(9_500)), (80_000, Some(70_000))] {
        let reference = scored(ticks, Options::LIVE, |_| false);
        let candidate = scored(ticks, Options::LIVE, |tick| tick == 100 || Some(tick) == shown);
        let candidate = with_digest_of(&reference, candidate, 100);
        let reference = open(reference);
        let by_diff = diff(&reference, &candidate, &options, &Unwatched).unwrap_err();
        let by_bisect = bisect(&reference, &candidate, &bisecting, &Unwatched).unwrap_err();
        for error in [by_diff, by_bisect] {
            assert!(error.to_string().contains("the checksum of the tick digests does not match"), "{error}");
        }
    }
}

#[test]
fn digests_of_segments_whose_checksums_are_the_same_are_not_read() {
    let good = scored(1_000, Options::LIVE, |_| false);
    let digest = open(good.clone()).digests(0).unwrap()[7].0.to_le_bytes();
    let mut bad = good.clone();
    bad[good.windows(8).position(|bytes| bytes == digest).unwrap()] ^= 1;
    let [good, bad] = [good, bad].map(open);
    assert_eq!(compare(&good, &bad, &DiffOptions::default()).verdict, Verdict::Equal);
    assert_eq!(health(&bad, &Unwatched).unwrap().verdict, HealthVerdict::Unhealthy);
}

#[test]
fn damage_outside_of_a_window_does_not_matter() {
    let gap = gapped(|tick| tick == 5, |_| 0);
    let good = gapped(|_| false, |_| 0);
    let block = good.index().blocks[12];
    let mut bytes = good.source().clone();
    bytes[usize::try_from(block.offset + block.stored_bytes() - 1).unwrap()] ^= 1;
    let options = DiffOptions { window: "0..20".parse().unwrap(), ..DiffOptions::default() };
    let report = compare(&open(bytes), &gap, &options);
    assert_eq!((report.verdict, report.compared.ticks), (Verdict::Diverged, 19));
}

#[test]
fn a_tick_without_rows_can_be_looked_at() {
    let stream = RngStream { name: "main".to_owned(), algorithm: RngAlgorithm::Opaque };
    let spec = LayoutSpec { rng: Some(vec![stream]), ..LayoutSpec::default() };
    let mut encoder = Encoder::new(&meta(), Arc::new(Layout::new(spec).unwrap()), Options::LIVE);
    for number in 0..10 {
        encoder.append(Tick(number), |_: &mut TickBuilder<'_>| Ok::<(), RowError>(())).unwrap();
    }
    let trace = open(encoder.finish("complete").0);
    let looked = focus(&trace, &trace, Some(Tick(3)), 1, &DiffOptions::default(), &Unwatched).unwrap();
    let FocusOutcome::Tick(found) = looked else { panic!("both have the tick") };
    assert_eq!((found.values_different, found.cause), (0, None));
}

/// Creatures live in ticks 0 to 9 and 20 on, and blocks have ten ticks.
#[test]
fn a_block_after_a_damaged_one_is_not_blamed_for_what_nobody_knows() {
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), Options { block_ticks: 10, ..Options::LIVE });
    for number in 0..40u32 {
        let fill = |tick: &mut TickBuilder<'_>| -> Result<(), RowError> {
            tick.state(&[Scalar::U32(number), Scalar::F32(0.5)])?;
            let uid = Uid { kind: KindId(0), slot: Slot(1), generation: Generation(number / 10) };
            let values = [Scalar::F32(0.5), Scalar::F32(0.5), Scalar::I32(i32::try_from(number).unwrap())];
            if number / 10 == 2 { Ok(()) } else { tick.entity(uid, &values) }
        };
        encoder.append(Tick(number), fill).unwrap();
    }
    let good = encoder.finish("complete").0;
    let block = open(good.clone()).index().blocks[1];
    let mut damaged = good;
    damaged[usize::try_from(block.offset + block.stored_bytes() - 3).unwrap()] ^= 4;
    let report = health(&open(damaged), &Unwatched).unwrap();
    assert_eq!((report.verdict, report.problem_count), (HealthVerdict::Unhealthy, 1), "{:?}", report.problems);
}
