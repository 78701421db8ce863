//! Following traces that are still being written: waiting for blocks, for an end, or for a sign that there will be none.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cdt_analysis::{DiffFollower, DiffOptions, DiffReport, Examination, Health, Standing};
use cdt_door::exit::Failure;
use cdt_door::terminal::Terminal;
use cdt_door::verdict;
use cdt_door::watch::{self, Bar};
use cdt_trace::{GrowingTrace, Snapshot, Trace, Unwatched, Watch, WriterState};

use crate::args::Following;

/// Between two looks at a file that did not grow.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two looks for a writer: it takes longer than this to hold a file that it has made.
const PAUSE_OF_WRITERS: Duration = Duration::from_secs(1);

/// A trace that may still be written.
struct Followed {
    trace: GrowingTrace,
    patience: Duration,
    /// When it was last seen to grow.
    grew: Instant,
    looked_for_writer: Instant,
    /// Why it will have no end.
    lost: Option<String>,
}

#[expect(clippy::disallowed_methods, reason = "a door may ask the clock")]
fn now() -> Instant {
    Instant::now()
}

impl Followed {
    /// Opens the trace at `path`, or the one in the making there, and waits for it if need be.
    fn open(path: &Path, following: &Following, terminal: &Terminal, watch: &dyn Watch) -> Result<Followed, Failure> {
        let patience = Duration::from_secs(following.idle_timeout);
        let began = now();
        let Some(found) = wait_for(path, patience, watch) else {
            let rule = "there is no such trace, nor one in the making";
            return Err(Failure(format!("{}: {rule}, after {} s", path.display(), began.elapsed().as_secs())));
        };
        let mut trace = GrowingTrace::open(&found)?;
        // A writer that is at work now will be missed when it is gone.
        trace.writer();
        terminal.complain(&format!("following {}", found.display()));
        Ok(Followed { trace, patience, grew: now(), looked_for_writer: now(), lost: None })
    }

    /// Reads what has come, and tells whether anything has.
    fn advance(&mut self, watch: &dyn Watch) -> Result<bool, Failure> {
        if self.has_ended() {
            return Ok(false);
        }
        if self.trace.advance(watch)? {
            self.grew = now();
            return Ok(true);
        }
        if self.looked_for_writer.elapsed() >= PAUSE_OF_WRITERS {
            self.looked_for_writer = now();
            // What it wrote before it went is still read.
            if self.trace.writer() == WriterState::Gone && !self.trace.advance(watch)? {
                self.lost = Some("its writer is gone, and left no end; `cdt recover` makes a trace of it".to_owned());
            }
        }
        if self.grew.elapsed() >= self.patience {
            let seconds = self.patience.as_secs();
            self.lost = Some(format!("no block was added for {seconds} s, and there is no end"));
        }
        Ok(false)
    }

    fn has_ended(&self) -> bool {
        self.trace.is_finished() || self.lost.is_some()
    }

    /// The trace so far, and with its loss where it has no end.
    fn snapshot(&self) -> Result<Option<Trace<Snapshot>>, Failure> {
        Ok(self.trace.snapshot(if self.trace.is_finished() { None } else { self.lost.as_deref() })?)
    }

    /// As [`Followed::snapshot`], when there is nothing more to wait for.
    fn last_snapshot(&self) -> Result<Trace<Snapshot>, Failure> {
        let none =
            || Failure(format!("{}: the trace has not begun; there is nothing to say", self.trace.name().display()));
        self.snapshot()?.ok_or_else(none)
    }

    /// Reads what is there by now and waits for no more.
    fn stop(&mut self, why: &str, watch: &dyn Watch) -> Result<(), Failure> {
        if !self.has_ended() {
            self.trace.advance(watch)?;
            self.lost = Some(why.to_owned());
        }
        Ok(())
    }
}

/// The trace at `path`, or where it is while it is written, as soon as there is one.
fn wait_for(path: &Path, patience: Duration, watch: &dyn Watch) -> Option<PathBuf> {
    let other = if path.extension().is_some_and(|extension| extension == "partial") {
        path.with_extension("")
    } else {
        path.with_added_extension("partial")
    };
    let began = now();
    loop {
        if let Some(found) = [path, &other].into_iter().find(|path| path.exists()) {
            return Some(found.to_owned());
        }
        if watch.cancelled() || began.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Examines a trace while it is written, and says whether it has an end.
pub fn health(path: &Path, following: &Following, terminal: &Terminal) -> Result<Health, Failure> {
    let bar = Bar::new("following");
    let mut followed = Followed::open(path, following, terminal, &bar)?;
    let mut examination: Option<Examination> = None;
    let mut told = 0;
    while !followed.has_ended() && !bar.cancelled() {
        if !followed.advance(&bar)? {
            std::thread::sleep(PAUSE);
            continue;
        }
        bar.progress(followed.trace.ticks(), None);
        let Some(trace) = followed.snapshot()? else { continue };
        let examination = examination.get_or_insert_with(|| Examination::new(trace.layout()));
        examination.look(&trace, &Unwatched)?;
        for problem in examination.problems().iter().skip(told) {
            let place = problem.tick.map_or(String::new(), |tick| format!("tick {tick}: "));
            bar.aside(|| terminal.complain(&format!("{}: {place}{}", path.display(), problem.detail)));
        }
        told = examination.problems().len();
    }
    watch::forget_interrupt();
    followed.stop("it was still being written when the following was stopped", &bar)?;
    let trace = followed.last_snapshot()?;
    let mut examination = examination.unwrap_or_else(|| Examination::new(trace.layout()));
    examination.look(&trace, &bar)?;
    Ok(examination.finish(&trace))
}

/// What came of comparing traces while they were written.
pub struct FollowedDiff {
    pub report: DiffReport,
    /// Whether what was asked about was there whole: both traces have their ends, or the rest cannot change the verdict.
    pub is_whole: bool,
    /// Whether both traces have their ends.
    pub is_finished: bool,
}

/// Compares two traces while they are written, to their ends or until the verdict is settled.
pub fn diff(
    [reference, candidate]: [&Path; 2],
    following: &Following,
    options: &DiffOptions,
    terminal: &Terminal,
) -> Result<FollowedDiff, Failure> {
    let bar = Bar::new("following");
    let open = |path| Followed::open(path, following, terminal, &bar);
    let mut sides = [open(reference)?, open(candidate)?];
    let mut follower = DiffFollower::new(options);
    let mut settled = false;
    while !settled && !sides.iter().all(Followed::has_ended) && !bar.cancelled() {
        let grown = [sides[0].advance(&bar)?, sides[1].advance(&bar)?];
        if grown == [false, false] {
            std::thread::sleep(PAUSE);
            continue;
        }
        bar.progress(sides[0].trace.ticks().min(sides[1].trace.ticks()), None);
        let (Some(left), Some(right)) = (sides[0].snapshot()?, sides[1].snapshot()?) else { continue };
        match follower.look(&left, &right, &Unwatched)? {
            Standing::Open => {}
            Standing::Differ(first) => bar.aside(|| terminal.complain(&verdict::glimpse(&first))),
            Standing::Settled => settled = true,
        }
    }
    watch::forget_interrupt();
    let when = if settled { "the verdict was settled" } else { "the following was stopped" };
    let why = format!("it was still being written when {when}");
    sides.iter_mut().try_for_each(|side| side.stop(&why, &bar))?;
    let (left, right) = (sides[0].last_snapshot()?, sides[1].last_snapshot()?);
    // Where the verdict was settled before the end, nobody knows yet which ticks either lacks.
    let options = DiffOptions { whole: options.whole && !settled, ..options.clone() };
    let report = cdt_analysis::diff(&left, &right, &options, &bar)?;
    let is_finished = sides.iter().all(|side| side.trace.is_finished());
    Ok(FollowedDiff { report, is_whole: settled || is_finished, is_finished })
}
