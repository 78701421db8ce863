//! Fuzzing: builds the targets of `fuzz/` with coverage on the toolchain that builds everything else, makes their seeds,
//! and runs them side by side for a while.
//!
//! The targets keep the layout of cargo-fuzz. This needs neither it nor a nightly compiler, because coverage alone guides and
//! all of our code is safe. Only our crates are built for it: what they depend on is there from the tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};

use toml::Table;

use crate::Outcome;
use crate::ci::command;

/// What `cargo xtask test` gives the targets, seconds.
const CI_SECONDS: u32 = 30;
/// Longest that one input may take, seconds. All targets share the machine, so it is far above what they need.
const LONGEST: u32 = 30;
/// Most memory that a target may take, MiB.
const MEMORY: u32 = 2048;
/// Where everything stands that fuzzing makes, from the root.
const FOLDER: &str = "target/fuzz";

/// What cargo-fuzz passes for coverage without a sanitizer: edges, and the operands of comparisons.
#[rustfmt::skip]
const COVERAGE: &[&str] = &[
    "--cfg", "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Ccodegen-units=1",
];

/// What a target did.
#[derive(Debug, PartialEq)]
struct Figures {
    executions: u64,
    covered: u64,
}

/// Acts as the compiler of our crates, with coverage, when cargo calls this program in its place; `None` when it does not.
pub fn compile(args: &[String]) -> Option<ExitCode> {
    let (rustc, args) = args.split_first()?;
    if Path::new(rustc).file_stem()? != "rustc" {
        return None;
    }
    let mut command = Command::new(rustc);
    command.args(args);
    if measured(args) {
        command.args(COVERAGE);
    }
    let succeeded = command.status().is_ok_and(|status| status.success());
    Some(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether what is compiled is part of a target: neither a build script nor a question that cargo asks.
fn measured(args: &[String]) -> bool {
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    value("--crate-name").is_some_and(|name| name != "___" && !name.starts_with("build_script"))
        && !args.iter().any(|arg| arg == "proc-macro")
}

/// Every target for a short while.
pub fn short(root: &Path) -> Outcome {
    run(root, CI_SECONDS, &targets(root)?)
}

/// What the command line asks for: `[--seconds N] [TARGET [INPUT]]`.
pub fn from_args(root: &Path, args: &[&str]) -> Outcome {
    let (seconds, rest) = match args {
        ["--seconds", seconds, rest @ ..] => {
            (seconds.parse().map_err(|_| format!("{seconds:?} is no number of seconds"))?, rest)
        }
        rest => (CI_SECONDS, rest),
    };
    let all = targets(root)?;
    let known = |target: &str| {
        let found = all.iter().find(|known| *known == target).cloned();
        found.ok_or_else(|| format!("{target:?} is no target; the targets are {}", all.join(", ")))
    };
    match rest {
        [] => run(root, seconds, &all),
        [target] => run(root, seconds, &[known(target)?]),
        [target, input] => again(root, &known(target)?, input),
        _ => Err("fuzz takes one target and one input at most".to_owned()),
    }
}

/// The targets: the binaries that the manifest of `fuzz/` names.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let path = root.join("fuzz/Cargo.toml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let manifest: Table = text.parse().map_err(|error| format!("{}: {error}", path.display()))?;
    let bins = manifest.get("bin").and_then(toml::Value::as_array).into_iter().flatten();
    Ok(bins.filter_map(|bin| bin.get("name")?.as_str()).map(str::to_owned).collect())
}

/// Runs a target on one input.
fn again(root: &Path, target: &str, input: &str) -> Outcome {
    build(root)?;
    let binary = binaries()?.join(target);
    succeed(command(root, &binary.to_string_lossy()).arg(input))?;
    Ok(format!("{target} takes {input}"))
}

fn run(root: &Path, seconds: u32, targets: &[String]) -> Outcome {
    let seeds = format!("{FOLDER}/seeds");
    make_folder(root, &seeds)?;
    let example = "build --quiet --locked --workspace --example fuzz-seeds";
    succeed(command(root, "cargo").args(example.split_whitespace()))?;
    let binaries = binaries()?;
    succeed(command(root, &binaries.join("examples/fuzz-seeds").to_string_lossy()).arg(&seeds))?;
    build(root)?;
    let mut children = Vec::new();
    for target in targets {
        match start(root, &binaries.join(target), target, seconds) {
            Ok(child) => children.push((target, child)),
            Err(why) => {
                children.iter_mut().for_each(|(_, child)| stop(child));
                return Err(why);
            }
        }
    }
    let ended: Vec<_> = children.into_iter().map(|(target, mut child)| (target, child.wait())).collect();
    let (mut executions, mut found) = (0, Vec::new());
    for (target, status) in ended {
        let said = fs::read_to_string(root.join(log(target))).unwrap_or_default();
        match (status, figures(&said)) {
            (Ok(status), Some(figures)) if status.success() => {
                executions += figures.executions;
                println!("{target}: {} executions, {} edges covered", figures.executions, figures.covered);
            }
            (status, _) => {
                println!("{}", complaint(&said));
                println!("{target}: FAILED ({status:?}); all that it said is in {}", log(target));
                found.extend(artifact(&said).map(|input| format!("again: cargo xtask fuzz {target} {input}")));
                found.push(format!("{target} failed"));
            }
        }
    }
    let note = format!("{} targets for {seconds} s: {executions} executions", targets.len());
    if found.is_empty() { Ok(note) } else { Err(format!("{note}\n{}", found.join("\n"))) }
}

/// Builds every target. It is the whole workspace with an example that is asked for, so that features are those of the tests
/// and no dependency is built again.
fn build(root: &Path) -> Result<(), String> {
    let mut cargo = command(root, "cargo");
    cargo.args(["build", "--locked", "--workspace", "--example", "as-tests"]);
    for target in targets(root)? {
        cargo.args(["--bin", &target]);
    }
    succeed(cargo.env("RUSTC_WORKSPACE_WRAPPER", this()?))
}

/// The folder that cargo puts binaries in: the one where this program stands.
fn binaries() -> Result<PathBuf, String> {
    Ok(this()?.parent().ok_or("this program is in no folder")?.to_owned())
}

fn this() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("this program is nowhere: {error}"))
}

/// Starts a target. What it finds worth keeping is kept for the next run; the seeds are read beside it.
fn start(root: &Path, binary: &Path, target: &str, seconds: u32) -> Result<Child, String> {
    let folders = [format!("{FOLDER}/corpus/{target}"), format!("{FOLDER}/seeds/{target}")];
    folders.iter().try_for_each(|folder| make_folder(root, folder))?;
    make_folder(root, &format!("{FOLDER}/artifacts"))?;
    let written = format!("fuzz/seeds/{target}");
    let mut fuzzer = command(root, &binary.to_string_lossy());
    fuzzer.args(folders);
    if root.join(&written).is_dir() {
        fuzzer.arg(written);
    }
    let dictionary = format!("fuzz/seeds/{target}.dict");
    if root.join(&dictionary).is_file() {
        fuzzer.arg(format!("-dict={dictionary}"));
    }
    fuzzer.args([
        format!("-max_total_time={seconds}"),
        format!("-timeout={LONGEST}"),
        format!("-rss_limit_mb={MEMORY}"),
        format!("-artifact_prefix={FOLDER}/artifacts/{target}-"),
    ]);
    let log = File::create(root.join(log(target))).map_err(|error| format!("{}: {error}", log(target)))?;
    fuzzer.stderr(log).spawn().map_err(|error| format!("cannot start {}: {error}", binary.display()))
}

fn stop(child: &mut Child) {
    // One that ended by itself cannot be stopped, and need not be.
    let _ = child.kill();
    let _ = child.wait();
}

fn log(target: &str) -> String {
    format!("{FOLDER}/{target}.log")
}

fn make_folder(root: &Path, folder: &str) -> Result<(), String> {
    fs::create_dir_all(root.join(folder)).map_err(|error| format!("{folder}: {error}"))
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// The figures of libFuzzer's closing line: `#4711 DONE cov: 815 ft: 2000 corp: 99/12Kb ..`.
fn figures(said: &str) -> Option<Figures> {
    let line = said.lines().rev().find(|line| line.split_whitespace().nth(1) == Some("DONE"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let covered = words.iter().position(|word| *word == "cov:").and_then(|at| words.get(at + 1));
    Some(Figures { executions: words[0].strip_prefix('#')?.parse().ok()?, covered: covered?.parse().ok()? })
}

/// What a target said when it failed: from the panic or libFuzzer's own report on.
fn complaint(said: &str) -> String {
    let begins = |line: &&str| line.contains("panicked at") || line.starts_with("==");
    let from = said.lines().position(|line| begins(&line)).unwrap_or(0);
    said.lines().skip(from).take(30).collect::<Vec<_>>().join("\n")
}

/// The file that holds the input at fault.
fn artifact(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_gives_figures() {
        let said = "#2\tINITED cov: 3 ft: 4 corp: 1/1b exec/s: 0 rss: 30Mb\n\
            #4711\tDONE   cov: 815 ft: 2000 corp: 99/12Kb lim: 4096 exec/s: 157 rss: 99Mb\nDone 4711 runs in 30 second(s)\n";
        assert_eq!(figures(said), Some(Figures { executions: 4711, covered: 815 }));
        assert_eq!(figures("INFO: Seed: 1\n"), None);
    }

    #[test]
    fn only_what_is_fuzzed_is_measured() {
        for (line, expected) in [
            ("--crate-name cdt_trace --crate-type lib src/lib.rs", true),
            ("--crate-name reader --crate-type bin", true),
            ("--crate-name build_script_build build.rs", false),
            ("--crate-name cdt_macros --crate-type proc-macro", false),
            ("--crate-name ___ --print=cfg", false),
            ("-vV", false),
        ] {
            let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(measured(&args), expected, "{line}");
        }
        assert!(compile(&["test".to_owned()]).is_none());
    }

    #[test]
    fn a_crash_tells_its_reason_and_its_input() {
        let said = "INFO: Seed: 1\n#9\tNEW cov: 3\nthread '<unnamed>' panicked at src/lib.rs:1:1:\nno\n\
            ==1== ERROR: libFuzzer: deadly signal\nartifact_prefix='a/'; Test unit written to a/crash-1\n";
        assert!(complaint(said).starts_with("thread") && complaint(said).ends_with("crash-1"));
        assert_eq!(artifact(said), Some("a/crash-1"));
    }
}
