//! Bytes that may be a capture: finalized with and without leave to cut its tail.

use std::path::Path;

use cdt_analysis::{HealthVerdict, health};
use cdt_ingest::{Destination, Finalize, Finalized, Input, RunOutcome, finalize};
use cdt_trace::{Options, Trace, Unwatched};

use crate::scratch::{files, with_folder};
use crate::{NAME, bounded, told};

/// Finalizes a capture.
pub fn jsonl(bytes: &[u8]) {
    for truncated_tail in [false, true] {
        with_folder(|folder| bounded(|| finalize_into(folder, bytes, truncated_tail)));
    }
}

fn finalize_into(folder: &Path, bytes: &[u8], truncated_tail: bool) {
    let how = Finalize {
        destination: Destination::Folder(folder.to_owned()),
        overwrite: false,
        truncated_tail,
        options: Options { block_ticks: 2, ..Options::LIVE },
        threads: 1,
    };
    let input = Input::from_bytes(NAME, bytes.to_vec());
    let done = input.and_then(|input| finalize(input, &how, &Unwatched));
    let traces = match done {
        Ok(report) => check(&report, truncated_tail),
        Err(error) => {
            told(error, folder);
            0
        }
    };
    assert_eq!(files(folder).len(), traces, "a trace for each run that was finalized, and nothing else");
}

/// What was finalized is a healthy trace; what was not is told. Gives the number of traces.
fn check(report: &Finalized, truncated_tail: bool) -> usize {
    report.faults.iter().for_each(|fault| told(fault, Path::new(NAME)));
    let mut traces = 0;
    for run in &report.runs {
        let (path, ticks, digest, loss) = match &run.outcome {
            RunOutcome::Failed(reason) => {
                told(reason, Path::new(NAME));
                continue;
            }
            RunOutcome::Finalized { path, ticks, digest, loss } => (path, *ticks, *digest, loss),
        };
        traces += 1;
        let trace = Trace::open(path).expect("a finalized trace can be opened");
        let index = trace.index();
        assert_eq!((index.ticks(), index.content_digest), (ticks, digest));
        assert_eq!(index.loss.as_slice(), loss.as_slice());
        assert!(truncated_tail || loss.is_none());
        // A run may end before its first tick; such a trace is sound, and of no use.
        if ticks > 0 {
            let fit = health(&trace, &Unwatched).expect("the file can be read");
            assert_ne!(fit.verdict, HealthVerdict::Unhealthy, "{:?}", fit.problems);
        }
    }
    traces
}
