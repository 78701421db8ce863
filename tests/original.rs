//! The native original: it builds as anybody builds it, and a movie ends the same each time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../capture/original")
}

/// Builds the original as its README says.
fn built(folder: &TempDir) -> PathBuf {
    let program = folder.path().join("arena");
    let files = ["game.c", "main.c", "movie.c", "rng.c"].map(|file| sources().join(file));
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-std=c11", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .args(files)
        .arg("-lm");
    let output = cc.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

fn run(program: &Path, words: &[&str]) -> Output {
    Command::new(program).args(words).output().unwrap()
}

#[test]
fn a_movie_ends_the_same_each_time() {
    let folder = TempDir::new().unwrap();
    let program = built(&folder);
    let movie = sources().join("movies/three-players.movie");
    let end = || {
        let output = run(&program, &["run", movie.to_str().unwrap(), "--fast"]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let first = end();
    assert_eq!(first, end());
    insta::assert_snapshot!(first);
}

#[test]
fn what_is_no_movie_is_told_with_its_line() {
    let folder = TempDir::new().unwrap();
    let program = built(&folder);
    let path = folder.path().join("bad.movie");
    let mut told = String::new();
    for text in [
        "",
        "a film\n",
        "arena-movie 1\nseed x\n",
        "arena-movie 1\nseed 7\nplayers 5\n",
        "arena-movie 1\nseed 7\nplayers 2\n10 00\n",
        "arena-movie 1\nseed 7\nplayers 1\n10 40\n",
        "arena-movie 1\nseed 7\nplayers 1\n0 10\n",
        "arena-movie 1\nseed 7\nplayers 1\n10 10 10\n",
        "arena-movie 1\nseed 7\nplayers 1\n99999999 10\n",
    ] {
        fs::write(&path, text).unwrap();
        let output = run(&program, &["run", path.to_str().unwrap(), "--fast"]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{text}");
        let errors = String::from_utf8(output.stderr).unwrap();
        told += &errors.replace(folder.path().to_str().unwrap(), "");
    }
    for words in [&["run", "/nowhere.movie"][..], &["run"], &["play", "1", "2"], &["play"]] {
        let output = run(&program, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        told += &String::from_utf8(output.stderr).unwrap();
    }
    insta::assert_snapshot!(told);
}
