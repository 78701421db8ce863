//! The second reader: reads the conformance corpus in Python, in a virtual environment with the versions that
//! `tests/second_reader/requirements.txt` pins.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::Outcome;
use crate::ci::command;

/// What is run, and what it needs, from the root.
const CHECK: &str = "tests/second_reader/check_corpus.py";
const REQUIREMENTS: &str = "tests/second_reader/requirements.txt";
/// The virtual environment, from the root.
const FOLDER: &str = "target/second-reader";
/// The Python of the system: the first name is that on Unix, the last that on Windows.
const PYTHONS: &[&str] = &["python3", "python"];

/// Reads the whole corpus; the closing line of the check is the note.
pub fn short(root: &Path) -> Outcome {
    let python = environment(root)?;
    let output = said(command(root, &python).arg(CHECK).stderr(Stdio::inherit()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    let line = text.lines().last().unwrap_or_default().to_owned();
    if output.status.success() { Ok(line) } else { Err(format!("{CHECK}: {}", output.status)) }
}

/// Makes the virtual environment if there is none, installs what is pinned, and gives its Python.
fn environment(root: &Path) -> Result<String, String> {
    let folder = root.join(FOLDER);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // A Python that was upgraded or taken away leaves an environment that does not start.
    let stands = python.exists() && starts(root, &python.to_string_lossy());
    if !stands {
        fs::create_dir_all(&folder).map_err(|error| format!("{FOLDER}: {error}"))?;
        let system = PYTHONS.iter().find(|name| starts(root, name));
        let system = system.ok_or("the second reader needs Python 3.11 or later")?;
        succeed(command(root, system).args(["-m", "venv", "--clear", FOLDER]))?;
    }
    let python = python.to_string_lossy().into_owned();
    let words = "-m pip install --quiet --disable-pip-version-check --requirement";
    succeed(command(root, &python).args(words.split_whitespace()).arg(REQUIREMENTS))?;
    Ok(python)
}

fn starts(root: &Path, python: &str) -> bool {
    succeed(command(root, python).arg("--version")).is_ok()
}

fn said(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("cannot start {command:?}: {error}"))
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output = said(command)?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
}
