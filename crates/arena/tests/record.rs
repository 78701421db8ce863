//! The `record` command that every machine gets, on this one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Runs the command in a folder; gives its exit code, and what it said without the folder's name.
fn arena(folder: &Path, line: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arena"));
    let output = command.current_dir(folder).args(line.split_whitespace()).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
    (output.status.code().unwrap(), text.replace(folder.to_str().unwrap(), ""))
}

fn told(folder: &Path, lines: &[&str]) -> String {
    let mut told = String::new();
    for line in lines {
        let (code, text) = arena(folder, line);
        told += &format!("$ arena {line}\n{text}[{code}]\n\n");
    }
    told
}

#[test]
fn what_is_recorded_is_told_and_so_is_where_it_parts() {
    let folder = TempDir::new().unwrap();
    let line = "record --ticks 500 --seed 7 --players 2 -o ref.cdt --verify";
    insta::assert_snapshot!(told(
        folder.path(),
        &[
            line,
            "record --inputs ref.cdt -o same.cdt --against ref.cdt",
            "record --inputs ref.cdt -o cand.cdt --against ref.cdt --deviation uninitialised-field",
            "record --inputs ref.cdt -o small.cdt --encoding archive --ticks 100",
        ]
    ));
    arena(folder.path(), "record --inputs ref.cdt -o again.cdt");
    let [same, again] = ["same.cdt", "again.cdt"].map(|name| std::fs::read(folder.path().join(name)).unwrap());
    assert!(same == again, "the same recording has the same bytes");
}

#[test]
fn what_cannot_be_recorded_is_refused_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    arena(folder.path(), "record --ticks 20 --seed 7 --players 2 -o two.cdt");
    arena(folder.path(), "record --ticks 20 --seed 7 --players 1 -o one.cdt");
    std::fs::write(folder.path().join("text.cdt"), "no trace").unwrap();
    let before: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    insta::assert_snapshot!(told(
        folder.path(),
        &[
            "record --ticks 5 -o a.cdt",
            "record --ticks 5 --seed 5000000000 --players 1 -o a.cdt",
            "record --ticks 5 --seed 1 --players 9 -o a.cdt",
            "record -o a.cdt",
            "record --inputs text.cdt -o a.cdt",
            "record --inputs none.cdt -o a.cdt",
            "record --inputs two.cdt -o two.cdt",
            "record --inputs two.cdt -o two.cdt --force",
            "record --inputs two.cdt -o a.cdt --against one.cdt",
            "record --inputs two.cdt -o one.cdt",
            "record --inputs two.cdt -o nowhere/a.cdt",
            "record --inputs two.cdt -o a.cdt --deviation none",
            "record --inputs two.cdt -o a.cdt --sustain 0",
        ]
    ));
    let after: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(before, after);
}

#[test]
fn the_help_says_what_there_is() {
    let folder = TempDir::new().unwrap();
    insta::assert_snapshot!(told(folder.path(), &["record --help"]));
}
