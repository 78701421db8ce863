//! CPU time, and runs taken in turns so that what else the machine does falls on all of them.

use std::fmt;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// CPU time that `run` takes, on all threads together: a peer that packs on threads of its own pays for them too.
pub fn cpu<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = ProcessTime::now();
    let out = std::hint::black_box(run());
    (start.elapsed(), out)
}

/// Wall time that `run` takes.
pub fn wall<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    #[expect(clippy::disallowed_methods, reason = "a bench is a door")]
    let start = Instant::now();
    let out = run();
    (start.elapsed(), out)
}

/// One of several ways to do the same, and how it is called.
pub type Contender<'a> = (Who, Box<dyn FnMut(u32) + 'a>);

/// Who did it: a column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// MCAP with the crate's defaults, zstd.
    Mcap,
    /// Parquet under zstd, floats with their bytes split into streams.
    Parquet,
    /// Arrow IPC under zstd.
    Ipc,
    /// Our live encoding.
    Live,
    /// Our archive encoding.
    Archive,
}

impl Who {
    /// In the order of the table's columns.
    pub const ALL: [Who; 5] = [Who::Mcap, Who::Parquet, Who::Ipc, Who::Live, Who::Archive];
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Who::Mcap => "MCAP",
            Who::Parquet => "Parquet",
            Who::Ipc => "IPC",
            Who::Live => "live",
            Who::Archive => "archive",
        })
    }
}

/// Milliseconds of CPU of each round of each contender, ascending; empty for who did not take part.
pub type Times = [Vec<f64>; Who::ALL.len()];

/// Runs all contenders once a round, in turns. Each is told the round's number.
pub fn in_turns(rounds: u32, contenders: &mut [Contender<'_>]) -> Times {
    in_turns_of(rounds, 1, contenders).0
}

/// Runs all contenders that many times in a row each round, in turns, and gives the times of the first run of each turn, which finds
/// in the caches what the others left there, and of those that follow. Each is told the run's number.
pub fn in_turns_of(rounds: u32, runs: u32, contenders: &mut [Contender<'_>]) -> (Times, Times) {
    let (mut first, mut others) = (Times::default(), Times::default());
    for round in 0..rounds {
        for (who, run) in contenders.iter_mut() {
            for number in 0..runs {
                let time = cpu(|| run(round * runs + number)).0.as_secs_f64() * 1e3;
                let times = if number == 0 { &mut first } else { &mut others };
                times[*who as usize].push(time);
            }
        }
    }
    first.iter_mut().chain(&mut others).for_each(|times| times.sort_by(f64::total_cmp));
    (first, others)
}

/// The value below which `part` of the sorted values lie; `None` of no values.
pub fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into the few")]
    let index = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied()
}
