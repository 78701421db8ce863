//! Everything that CI runs, as a list. A later step is a line.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Outcome, capture_loop, deny, fuzz, second_reader, tidy};

enum Action {
    /// Run the step's own words as a command.
    Spawn,
    /// Call this instead.
    Call(fn(&Path) -> Outcome),
}
use Action::{Call, Spawn};

const STEPS: &[(&str, Action)] = &[
    ("cargo fmt --all --check", Spawn),
    ("cargo xtask tidy", Call(tidy::run)),
    ("cargo clippy --workspace --all-targets --locked -- -D warnings", Spawn),
    ("cargo test --workspace --locked --no-fail-fast", Spawn),
    ("cargo doc --workspace --no-deps --locked", Spawn),
    ("cargo deny check", Call(deny::run)),
    ("cargo run --release --locked -- demo", Spawn),
    ("cargo xtask loop", Call(capture_loop::run)),
    ("cargo xtask second-reader", Call(second_reader::short)),
    ("cargo xtask fuzz", Call(fuzz::short)),
];

/// Holds for every step: snapshots are compared, never rewritten, and a warning of rustdoc is an error.
const ENVIRONMENT: &[(&str, &str)] = &[("CI", "true"), ("INSTA_UPDATE", "no"), ("RUSTDOCFLAGS", "-D warnings")];

/// Tests counted from `test result:` lines.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
struct Tally {
    passed: u64,
    failed: u64,
}

/// Runs the steps up to the first that fails, then prints the closing table; the totals are the outcome.
pub fn run(root: &Path) -> Outcome {
    let mut tally = Tally::default();
    let mut table = Vec::new();
    let mut failed = None;
    for (name, action) in STEPS {
        if failed.is_some() {
            table.push(format!("{:>8}  not run  {name}", "-"));
            continue;
        }
        println!("==> {name}");
        let start = Instant::now();
        let outcome = match action {
            Call(function) => function(root),
            Spawn => spawn(root, name, &mut tally),
        };
        let took = seconds(start.elapsed());
        match outcome {
            Ok(note) => {
                let note = if note.is_empty() { note } else { format!("  # {note}") };
                table.push(format!("{took:>8}  ok       {name}{note}"));
            }
            Err(why) => {
                println!("{why}");
                table.push(format!("{took:>8}  FAILED   {name}"));
                failed = Some(name);
            }
        }
    }
    println!("\n{}", table.join("\n"));
    let total = format!("{} passed, {} failed", tally.passed, tally.failed);
    if failed.is_some() { Err(total) } else { Ok(total) }
}

/// Writes what is generated from code anew: the test that finds a drift is the one that mends it.
pub fn codegen(root: &Path) -> Outcome {
    let tests: [&[&str]; 4] = [
        &["cdt-ingest", "--test", "schema"],
        &["cdt-cli", "--bin", "cdt"],
        &["cdt-trace", "--test", "conformance"],
        &["arena", "--test", "capture", "the_rewrite_is_the_original"],
    ];
    for words in tests {
        let mut command = command(root, "cargo");
        command.args(["test", "--quiet", "--package"]).args(words).env("CDT_CODEGEN", "1");
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("the generator in {} failed: {status}", words[0])),
            Err(error) => return Err(format!("cannot start cargo: {error}")),
        }
    }
    Ok("the rows' and reports' schemas, the agents' row types, docs/deviations.md and traces/conformance are those of the code"
        .to_owned())
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// A command of the repository's own cargo, or another program, run at the root with the steps' environment.
pub fn command(root: &Path, program: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = if program == "cargo" { Command::new(cargo) } else { Command::new(program) };
    command.current_dir(root).envs(ENVIRONMENT.iter().copied());
    // What cargo told this program of its own package: build scripts of other packages ask for the same names, and would run
    // again, with all that depends on them, whenever cargo is called from here and then by hand.
    let is_of_package = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    std::env::vars_os().filter(|(name, _)| is_of_package(name)).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command
}

/// Runs `line`, passing its output on and adding the tests it reports to `tally`.
fn spawn(root: &Path, line: &str, tally: &mut Tally) -> Outcome {
    let mut words = line.split_whitespace();
    let mut command = command(root, words.next().unwrap_or_default());
    let before = *tally;
    let mut child =
        command.args(words).stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot start: {error}"))?;
    if let Some(output) = child.stdout.take() {
        tee(BufReader::new(output), io::stdout(), tally).map_err(|error| format!("cannot pass on: {error}"))?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    match (status.success(), tally.passed - before.passed) {
        (false, _) => Err(format!("`{line}`: {status}")),
        (true, 0) => Ok(String::new()),
        (true, passed) => Ok(format!("{passed} passed")),
    }
}

fn tee(mut input: impl BufRead, mut output: impl Write, tally: &mut Tally) -> io::Result<()> {
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        output.write_all(&line)?;
        output.flush()?;
        tally.add(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

impl Tally {
    /// Counts one line of output, if it is `test result: ok. 5 passed; 0 failed; ..`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result:") else {
            return;
        };
        let words: Vec<&str> = result.split_whitespace().collect();
        for pair in words.windows(2) {
            match (pair[0].parse::<u64>(), pair[1]) {
                (Ok(count), "passed;") => self.passed += count,
                (Ok(count), "failed;") => self.failed += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_passed_on_whole_and_its_results_are_summed() {
        let input = b"running 2 tests\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            not utf-8: \xff\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let (mut output, mut tally) = (Vec::new(), Tally::default());
        tee(&input[..], &mut output, &mut tally).unwrap();
        assert_eq!(output, input);
        assert_eq!(tally, Tally { passed: 15, failed: 2 });
    }
}
