//! Virtual environments of Python, with the versions that a file of requirements pins.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::ci::command;

/// The Python of the system: the first name is that on Unix, the last that on Windows.
const PYTHONS: &[&str] = &["python3", "python"];

/// Makes a virtual environment in a folder if there is none, installs what a file of requirements pins, and gives its Python. Paths are
/// from the root.
pub fn environment(root: &Path, folder: &str, requirements: &str) -> Result<String, String> {
    let name = folder;
    let folder = root.join(name);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // A Python that was upgraded or taken away leaves an environment that does not start.
    let stands = python.exists() && starts(root, &python.to_string_lossy());
    if !stands {
        fs::create_dir_all(&folder).map_err(|error| format!("{name}: {error}"))?;
        let system = PYTHONS.iter().find(|name| starts(root, name));
        let system = system.ok_or("Python 3.11 or later is needed")?;
        succeed(command(root, system).args(["-m", "venv", "--clear", name]))?;
    }
    let python = python.to_string_lossy().into_owned();
    let words = "-m pip install --quiet --disable-pip-version-check --requirement";
    succeed(command(root, &python).args(words.split_whitespace()).arg(requirements))?;
    Ok(python)
}

fn starts(root: &Path, python: &str) -> bool {
    succeed(command(root, python).arg("--version")).is_ok()
}

/// Runs a command and gives what it said.
pub fn said(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("cannot start {command:?}: {error}"))
}

/// Runs a command that has to succeed.
pub fn succeed(command: &mut Command) -> Result<(), String> {
    let output = said(command)?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
}
