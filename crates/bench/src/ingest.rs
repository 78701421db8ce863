//! The lines of the table about captures: from JSONL to a finished live trace, beside serde_json alone.

use std::time::Duration;

use cdt_ingest::{Destination, Finalize, Input, RunOutcome, finalize, parse_tick_row};
use cdt_schema::Digest;
use cdt_trace::{Options, Unwatched};
use tempfile::TempDir;

use crate::clock::{self, cpu, quantile};
use crate::table::Figure;
use crate::workload::Workload;

/// Megabytes of a second of work on that many bytes.
#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn rate(bytes: usize, seconds: f64) -> f64 {
    bytes as f64 / 1e6 / seconds
}

/// Parses every tick row into the types of the contract with serde alone.
fn parse_all(lines: &[&str]) {
    lines.iter().for_each(|line| parse_tick_row(line).expect("our own row"));
}

/// Wall and CPU time of an ingest on so many threads, of which `digest` is to come out.
fn ingest(capture: &[u8], threads: usize, folder: &TempDir, digest: Digest) -> [Duration; 2] {
    let capture = capture.to_vec();
    let how = Finalize {
        destination: Destination::File(folder.path().join("ingested.cdt")),
        overwrite: true,
        truncated_tail: false,
        options: Options::LIVE,
        threads,
    };
    let work = || finalize(Input::from_bytes("capture", capture).expect("memory"), &how, &Unwatched);
    let (wall, (spent, done)) = clock::wall(|| cpu(work));
    match &done.expect("our own capture").runs[0].outcome {
        RunOutcome::Finalized { digest: came, .. } => assert_eq!(*came, digest, "it gives the rows of the ticks"),
        RunOutcome::Failed(why) => panic!("{why}"),
    }
    [wall, spent]
}

/// The rates of ingest, of which `digest` is to come out.
pub fn figures<W: Workload>(ticks: &[W::Tick], digest: Digest, rounds: u32) -> Vec<Figure> {
    let capture = W::capture(ticks);
    let text = std::str::from_utf8(&capture).expect("JSON is UTF-8");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(r#"{"event":"tick""#)).collect();
    let folder = TempDir::new().expect("a folder");
    let (mut alone, mut core, mut wall, mut both) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(cpu(|| parse_all(&lines)).0.as_secs_f64());
        let [[_, on_one], [waited, on_two]] = [1, 2].map(|threads| ingest(&capture, threads, &folder, digest));
        core.push(on_one.as_secs_f64());
        wall.push(waited.as_secs_f64());
        both.push(on_two.as_secs_f64());
    }
    let [alone, core, wall, both] = [alone, core, wall, both].map(|mut times| {
        times.sort_by(f64::total_cmp);
        rate(capture.len(), quantile(&times, 0.0).unwrap_or(f64::INFINITY))
    });
    vec![
        Figure::told("serde_json::from_str into the same types", format!("{alone:.0} MB/s")),
        Figure::at_least("JSONL to a finished trace, per core", core, (1.0, alone), "serde_json", "MB/s"),
        Figure::at_least("  on two cores", wall, (1.3, alone), "serde_json", "MB/s"),
        Figure::told("    by the time of both", format!("{both:.0} MB/s")),
    ]
}
