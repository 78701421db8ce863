//! The lines of the table about captures: from JSONL to a finished live trace, beside serde_json alone.

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

fn ingest(input: Input, folder: &TempDir) -> Digest {
    let how = Finalize {
        destination: Destination::File(folder.path().join("ingested.cdt")),
        overwrite: true,
        truncated_tail: false,
        options: Options::LIVE,
    };
    let done = finalize(input, &how, &Unwatched).expect("our own capture");
    match &done.runs[0].outcome {
        RunOutcome::Finalized { digest, .. } => *digest,
        RunOutcome::Failed(why) => panic!("{why}"),
    }
}

/// The rates of ingest, of which `digest` is to come out.
pub fn figures<W: Workload>(ticks: &[W::Tick], digest: Digest, rounds: u32) -> Vec<Figure> {
    let capture = W::capture(ticks);
    let text = std::str::from_utf8(&capture).expect("JSON is UTF-8");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(r#"{"event":"tick""#)).collect();
    let folder = TempDir::new().expect("a folder");
    let (mut alone, mut core, mut wall) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(cpu(|| parse_all(&lines)).0.as_secs_f64());
        let input = Input::from_bytes("capture", capture.clone()).expect("memory");
        let (waited, (spent, came)) = clock::wall(|| cpu(|| ingest(input, &folder)));
        assert_eq!(came, digest, "the capture gives the rows of the ticks");
        core.push(spent.as_secs_f64());
        wall.push(waited.as_secs_f64());
    }
    let [alone, core, wall] = [alone, core, wall].map(|mut times| {
        times.sort_by(f64::total_cmp);
        rate(capture.len(), quantile(&times, 0.5).unwrap_or(f64::INFINITY))
    });
    vec![
        Figure::told("serde_json::from_str into the same types", format!("{alone:.0} MB/s")),
        Figure::at_least("JSONL to a finished trace, per core", core, (1.0, alone), "serde_json", "MB/s"),
        Figure::at_least("  on two cores", wall, (1.3, alone), "serde_json", "MB/s"),
    ]
}
