//! The valid traces of the conformance corpus are healthy, but for what their README says of some.

use std::fs;
use std::path::Path;

use cdt_analysis::{HealthVerdict, ProblemCode, health};
use cdt_trace::{Trace, Unwatched};

#[test]
fn valid_traces_are_healthy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../traces/conformance/valid");
    let mut checked = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "cdt") {
            continue;
        }
        let trace = Trace::from_source(fs::read(&path).unwrap(), &path).unwrap();
        let report = health(&trace, &Unwatched).unwrap();
        let problems: Vec<ProblemCode> = report.problems.iter().map(|problem| problem.code).collect();
        let expected = match (trace.index().tick_range(), trace.index().loss.len()) {
            (None, _) => (HealthVerdict::Unhealthy, vec![ProblemCode::Empty]),
            (Some(_), 0) => (HealthVerdict::Healthy, vec![]),
            (Some(_), _) => (HealthVerdict::Lossy, vec![]),
        };
        assert_eq!((report.verdict, problems), expected, "{}", path.display());
        checked += 1;
    }
    assert!(checked >= 60, "{checked} traces");
}
