//! The second reader: reads the conformance corpus in Python, in a virtual environment with the versions that
//! `tests/second_reader/requirements.txt` pins.

use std::path::Path;
use std::process::Stdio;

use crate::ci::command;
use crate::{Outcome, python};

/// What is run, and what it needs, from the root.
const CHECK: &str = "tests/second_reader/check_corpus.py";
const REQUIREMENTS: &str = "tests/second_reader/requirements.txt";
/// The virtual environment, from the root.
const FOLDER: &str = "target/second-reader";

/// Reads the whole corpus; the closing line of the check is the note.
pub fn short(root: &Path) -> Outcome {
    let python = python::environment(root, FOLDER, REQUIREMENTS)?;
    let output = python::said(command(root, &python).arg(CHECK).stderr(Stdio::inherit()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    let line = text.lines().last().unwrap_or_default().to_owned();
    if output.status.success() { Ok(line) } else { Err(format!("{CHECK}: {}", output.status)) }
}
