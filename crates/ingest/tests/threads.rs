//! However many threads decode a capture, it gives the same traces, faults and words.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use cdt_ingest::{Destination, Finalize, Finalized, Input, RunOutcome, RunReport, finalize, write_capture};
use cdt_testkit::{Numbers, write_w1};
use cdt_trace::{Options, Trace, Unwatched};

/// Enough that a capture is read in several goes of several parts.
const TICKS: u32 = 400;

/// The lines of a capture of W1.
fn capture() -> Vec<String> {
    let trace = write_w1(TICKS, true, Options::LIVE, |_, _| {});
    let trace = Trace::from_source(trace, Path::new("w1")).unwrap();
    let mut capture = Vec::new();
    write_capture(&trace, &mut capture, &Unwatched).unwrap();
    String::from_utf8(capture).unwrap().lines().map(str::to_owned).collect()
}

/// What becomes of a capture.
struct Outcome {
    said: Result<Finalized, String>,
    /// Names and bytes of the traces.
    files: Vec<(String, Vec<u8>)>,
}

/// What a number of threads makes of a capture.
fn finalized(threads: usize, lines: &[String]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let how = Finalize {
        destination: Destination::Folder(folder.path().to_owned()),
        overwrite: false,
        truncated_tail: true,
        options: Options::LIVE,
        threads,
    };
    let input = Input::from_bytes("capture", lines.join("\n").into_bytes()).unwrap();
    let said = finalize(input, &how, &Unwatched).map_err(|error| error.to_string());
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    let said = said.map(|mut done| {
        for run in &mut done.runs {
            // Each folder has a name of its own.
            if let RunOutcome::Finalized { path, .. } = &mut run.outcome {
                *path = path.file_name().unwrap().into();
            }
        }
        done
    });
    Outcome { said, files }
}

fn same(lines: &[String], what: &str) -> Result<Finalized, String> {
    let (one, several) = (finalized(1, lines), finalized(3, lines));
    assert_eq!(one.said, several.said, "{what}");
    assert!(one.files == several.files, "{what}: other bytes");
    one.said
}

/// The lines of a run and of another of the same rows, some of the one and then some of the other, and of a third behind them.
fn interleaved(lines: &[String]) -> Vec<String> {
    let (start, run, end) = (&lines[0], &lines[1..lines.len() - 1], &lines[lines.len() - 1]);
    let renamed = |id: &str| -> Vec<String> {
        run.iter().map(|line| line.replace(r#""run_id":"run""#, &format!(r#""run_id":"{id}""#))).collect()
    };
    let other = renamed("other");
    let mut out = vec![start.clone()];
    for (number, (some, of_other)) in run.chunks(70).zip(other.chunks(70)).enumerate() {
        let cut = (number * 11).min(some.len());
        out.extend(some[..cut].iter().chain(of_other).chain(&some[cut..]).cloned());
    }
    out.extend(renamed("third"));
    out.push(end.replace(&TICKS.to_string(), &(TICKS * 3).to_string()));
    out
}

#[test]
fn a_capture_gives_the_same_on_any_number_of_threads() {
    let lines = capture();
    let done = same(&lines, "whole").unwrap();
    assert!(done.faults.is_empty(), "{:?}", done.faults);
    let twice = interleaved(&lines);
    let done = same(&twice, "three runs").unwrap();
    let is_whole =
        |run: &RunReport| matches!(run.outcome, RunOutcome::Finalized { ticks, .. } if ticks == u64::from(TICKS));
    assert!(done.runs.len() == 3 && done.runs.iter().all(is_whole) && done.faults.is_empty(), "{done:?}");
    let mut numbers = Numbers(7);
    for round in 0..24 {
        let mut lines = if round % 4 == 3 { twice.clone() } else { lines.clone() };
        let many = u32::try_from(lines.len()).unwrap();
        let mut told = String::new();
        for _ in 0..=round % 3 {
            let at = 2 + numbers.below(many - 5) as usize;
            let way = numbers.below(7);
            told += &format!("way {way} at line {}; ", at + 1);
            match way {
                0 => drop(lines.remove(at)),
                1 => lines.swap(at, at + 1),
                2 => lines.insert(at, lines[at].clone()),
                3 => lines[at] = lines[at].replacen(r#""tick""#, r#""\u0074ick""#, 1),
                4 => lines[at] = lines[at].replacen(r#""generation":0"#, r#""generation":9"#, 1),
                5 => lines[at] = lines[at].replacen(r#""tick":"#, "\"tick\": ", 1),
                _ => lines[at].truncate(numbers.below(200) as usize),
            }
        }
        drop(same(&lines, &told));
    }
}
