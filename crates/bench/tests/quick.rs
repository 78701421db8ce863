//! The bench runs to its end: every format gives the same ticks and counts, and live and archive one digest. Nothing is
//! said of time.

use std::process::Command;

#[test]
fn every_line_of_the_table_is_measured() {
    let output = Command::new(env!("CARGO_BIN_EXE_cdt-bench")).arg("--quick").output().expect("the bench starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in
        ["size, bytes a tick", "write, ms", "read all as columns", "first sustained fork", "equal traces", "JSONL"]
    {
        assert_eq!(text.matches(line).count(), 2, "{line}, once a workload:\n{text}");
    }
    for line in ["the recorder's own cost of a tick", "Capturing a program from outside"] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
}
