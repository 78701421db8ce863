//! The loop on the original: capture it, record its rewrite from the same inputs, compare, and say why they part. Each command is printed
//! before it is run, as a person would type it.

use std::fs;
use std::path::Path;

use crate::ci::command;
use crate::{Outcome, python};

/// Where everything is put, from the root.
const FOLDER: &str = "target/loop";
/// Words of each command, and the exit code that it has to end with.
const STEPS: &[(&str, i32)] = &[
    (
        "cc -O2 -std=c11 -ffp-contract=off -o target/loop/arena capture/original/game.c capture/original/main.c capture/original/movie.c capture/original/rng.c -lm",
        0,
    ),
    (
        "python capture/host.py spawn --force -o target/loop/ref.jsonl.zst capture/targets/arena.ts target/loop/arena run capture/original/movies/three-players.movie --fast",
        0,
    ),
    ("cargo run --release --locked -- finalize target/loop/ref.jsonl.zst -o target/loop/ref.cdt --force", 0),
    ("cargo run --release --locked -- health target/loop/ref.cdt", 0),
    (
        "cargo run --release --locked -p arena -- record --inputs target/loop/ref.cdt -o target/loop/same.cdt --force --verify",
        0,
    ),
    ("cargo run --release --locked -- diff target/loop/ref.cdt target/loop/same.cdt", 0),
    (
        "cargo run --release --locked -p arena -- record --inputs target/loop/ref.cdt -o target/loop/cand.cdt --force --against target/loop/ref.cdt --deviation missing-draw",
        1,
    ),
    ("cargo run --release --locked -- focus target/loop/ref.cdt target/loop/cand.cdt", 0),
];

/// Runs the loop.
pub fn run(root: &Path) -> Outcome {
    let python = python::environment(root, "target/capture", "capture/requirements.txt")?;
    fs::create_dir_all(root.join(FOLDER)).map_err(|error| format!("{FOLDER}: {error}"))?;
    for (line, expected) in STEPS {
        println!("\n$ {line}");
        let mut words = line.split_whitespace();
        let program = match words.next() {
            Some("python") => &python,
            Some(program) => program,
            None => continue,
        };
        let status =
            command(root, program).args(words).status().map_err(|error| format!("cannot start {program}: {error}"))?;
        if status.code() != Some(*expected) {
            return Err(format!("`{line}` ended with {status}, not with {expected}"));
        }
    }
    Ok(format!("{} commands", STEPS.len()))
}
