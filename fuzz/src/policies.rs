//! Bytes that may be a policy: read, and asked of two traces.

use std::path::Path;
use std::sync::OnceLock;

use cdt_analysis::{DiffOptions, Policy, Verdict, diff};
use cdt_testkit::{Scene, full_layout, meta, write_full};
use cdt_trace::{Encoder, Options, Trace, Unwatched};

use crate::bounded;

const TICKS: u32 = 8;

type Memory = Trace<Vec<u8>>;

/// Reads a policy, and compares by it two traces that differ in their events.
pub fn policies(bytes: &[u8]) {
    static TRACES: OnceLock<(Memory, Memory)> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (reference, candidate) = TRACES.get_or_init(traces);
    bounded(|| match Policy::from_toml(text) {
        Ok(policy) => ask(reference, candidate, &DiffOptions { policy, ..DiffOptions::default() }),
        Err(error) => assert!(!error.to_string().trim().is_empty()),
    });
}

fn ask(reference: &Memory, candidate: &Memory, options: &DiffOptions) {
    let asked = diff(reference, candidate, options, &Unwatched);
    match &asked {
        Ok(report) => {
            assert!(report.policy.masks.iter().all(|mask| !mask.reason.trim().is_empty()), "a mask has a reason");
            let found = report.first_mismatch.is_some();
            assert_eq!(found, report.verdict == Verdict::Diverged);
        }
        Err(error) => assert!(!error.to_string().trim().is_empty()),
    }
    // The other way round it is another comparison, but one that can be made or not for the same reasons, names apart.
    let _ = diff(candidate, reference, options, &Unwatched);
    if let Ok(same) = diff(reference, reference, options, &Unwatched) {
        assert_ne!(same.verdict, Verdict::Diverged, "a trace is equal to itself, whatever is asked");
    }
}

fn traces() -> (Memory, Memory) {
    let open = |bytes| Trace::from_source(bytes, Path::new("fixture")).expect("the fixture is sound");
    let mut encoder = Encoder::new(&meta(), full_layout().into(), Options::LIVE);
    let mut scene = Scene::new(1).with_hits_by(0.101);
    for tick in 0..TICKS {
        encoder.append(cdt_schema::Tick(tick), |tick| scene.fill(tick)).expect("the fixture obeys its layout");
    }
    (open(write_full(TICKS, 1, Options::LIVE)), open(encoder.finish("complete").0))
}
