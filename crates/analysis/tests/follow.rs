//! When the verdict over two growing traces is settled, and what is told before.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use cdt_analysis::{DiffFollower, DiffOptions, Examination, HealthVerdict, Standing};
use cdt_testkit::{write_full, write_plain};
use cdt_trace::{Options, Trace, Unwatched};

fn open(bytes: Vec<u8>) -> Trace<Vec<u8>> {
    Trace::from_source(bytes, Path::new("fixture")).unwrap()
}

/// The plain run as far as `ticks`, with another score where `differs` says so.
fn run(ticks: u32, differs: impl Fn(u32) -> bool) -> Trace<Vec<u8>> {
    let options = Options { block_ticks: 16, ..Options::LIVE };
    open(write_plain(ticks, options, |tick, plain| plain.score += u32::from(differs(tick))))
}

/// What is told when the candidate has come so far, look after look.
fn told(options: &DiffOptions, differs: impl Fn(u32) -> bool, lengths: &[u32]) -> Vec<String> {
    let reference = run(300, |_| false);
    let mut follower = DiffFollower::new(options);
    let look = |&ticks| match follower.look(&reference, &run(ticks, &differs), &Unwatched).unwrap() {
        Standing::Open => "open".to_owned(),
        Standing::Differ(first) => format!("differ at {}, {}", first.tick, first.path),
        Standing::Settled => "settled".to_owned(),
    };
    lengths.iter().map(look).collect()
}

#[test]
fn a_difference_is_told_at_once_and_settles_when_it_has_lasted() {
    let options = DiffOptions::default();
    let lasting = told(&options, |tick| tick >= 90, &[0, 50, 90, 91, 120, 149, 150]);
    assert_eq!(lasting, ["open", "open", "open", "differ at 90, state.score", "open", "open", "settled"]);
    let healed = told(&options, |tick| (20..30).contains(&tick) || tick == 70, &[25, 60, 71, 72, 250, 300]);
    assert_eq!(healed, ["differ at 20, state.score", "open", "differ at 70, state.score", "open", "open", "open"]);
    let whole = DiffOptions { whole: true, ..options };
    assert_eq!(told(&whole, |_| false, &[50, 300]), ["open", "open"], "the candidate may still catch up");
}

#[test]
fn a_window_that_both_have_is_looked_at_and_nothing_behind_it() {
    let options = DiffOptions { window: "10..40".parse().unwrap(), ..DiffOptions::default() };
    assert_eq!(told(&options, |_| false, &[5, 39, 40]), ["open", "open", "open"]);
    assert_eq!(told(&options, |tick| tick >= 38, &[39, 90]), ["differ at 38, state.score", "open"]);
}

#[test]
fn what_can_never_be_compared_is_settled() {
    let mut follower = DiffFollower::new(&DiffOptions::default());
    let (plain, full) = (run(20, |_| false), open(write_full(20, 1, Options::LIVE)));
    assert!(matches!(follower.look(&plain, &full, &Unwatched).unwrap(), Standing::Settled));
}

#[test]
fn an_examination_that_goes_on_finds_what_one_of_the_whole_finds() {
    let run = |ticks| open(write_full(ticks, 2, Options { block_ticks: 16, ..Options::LIVE }));
    let whole = run(160);
    let mut examination = Examination::new(whole.layout());
    for ticks in [16, 32, 96, 160] {
        examination.look(&run(ticks), &Unwatched).unwrap();
    }
    assert!(examination.problems().is_empty());
    let health = examination.finish(&whole);
    let at_once = cdt_analysis::health(&whole, &Unwatched).unwrap();
    assert_eq!((health.verdict, health.rows), (HealthVerdict::Healthy, at_once.rows));
    assert_eq!(health.never_changed, at_once.never_changed);
    // The blocks that were looked at are another run's: the digest of the whole is not theirs.
    let mut other = Examination::new(whole.layout());
    other.look(&open(write_full(160, 3, Options { block_ticks: 16, ..Options::LIVE })), &Unwatched).unwrap();
    assert_eq!(other.finish(&whole).verdict, HealthVerdict::Unhealthy);
}
