//! `demo`: the main job on a recorded pair, by the very commands that a person would type.

use std::io::Write;
use std::path::{Path, PathBuf};

use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::{Mark, Terminal};
use cdt_door::text::{clean, quoted};
use cdt_trace::NewFile;
use clap::Parser;

use super::run;
use crate::args::{Args, Demo};

/// What two versions of rapier2d made of the same sixty boxes; `traces/demo/README.md` says how.
const CAPTURES: [(&str, &[u8]); 2] = [
    ("reference.jsonl.zst", include_bytes!("../../../../traces/demo/reference.jsonl.zst")),
    ("candidate.jsonl.zst", include_bytes!("../../../../traces/demo/candidate.jsonl.zst")),
];

/// Runs the demo: each command is printed, then run.
pub fn demo(args: &Demo, terminal: &Terminal) -> Result<Exit, Failure> {
    let fail =
        |path: &Path, error: std::io::Error| Failure(format!("{}: cannot prepare the demo: {error}", path.display()));
    std::fs::create_dir_all(&args.dir).map_err(|error| fail(&args.dir, error))?;
    for (name, bytes) in CAPTURES {
        let path = args.dir.join(name);
        let mut file = NewFile::create(&path, "capture", true)?;
        file.write_all(bytes).and_then(|()| file.sync()).map_err(|error| fail(&path, error))?;
        file.publish()?;
    }
    terminal.print(
        "Two versions of a physics engine (rapier2d 0.20.0 and 0.23.0) drop the same sixty boxes for 3,000 ticks.\n\
         Their runs were captured as JSONL. Where do they part, and why?\n",
    )?;
    let path = |name: &str| args.dir.join(name).into_os_string().into_string();
    let [capture_a, capture_b, reference, candidate] =
        ["reference.jsonl.zst", "candidate.jsonl.zst", "reference.cdt", "candidate.cdt"].map(path);
    let named = |path: Result<String, std::ffi::OsString>| {
        path.map_err(|path| Failure(format!("{}: the folder's name is not UTF-8", PathBuf::from(path).display())))
    };
    let (capture_a, capture_b) = (named(capture_a)?, named(capture_b)?);
    let (reference, candidate) = (named(reference)?, named(candidate)?);
    let steps: [(&[&str], Exit); 6] = [
        (&["finalize", &capture_a, "-o", &reference, "--force"], Exit::Yes),
        (&["finalize", &capture_b, "-o", &candidate, "--force"], Exit::Yes),
        (&["health", &reference], Exit::Yes),
        (&["health", &candidate], Exit::Yes),
        (&["diff", &reference, &candidate], Exit::No),
        (&["focus", &reference, &candidate], Exit::Yes),
    ];
    for (words, expected) in steps {
        step(words, expected, terminal)?;
    }
    let (reference, candidate) = (quoted(&reference), quoted(&candidate));
    let next = [
        format!("cdt entity {reference} box:11 --ticks 120..135"),
        format!("cdt focus {reference} {candidate} --tick 135"),
        format!("cdt diff {reference} {candidate} --json"),
        format!("cdt tick {reference} 128"),
        format!("cdt info {reference}"),
    ];
    terminal.print(&format!(
        "\n{}\n  {}\nand then your own program: docs/first-verdict.md\n",
        terminal.mark(Mark::Strong, "Try next"),
        next.join("\n  ")
    ))?;
    Ok(Exit::Yes)
}

/// Prints a command and runs it; another exit code than the expected one ends the demo.
fn step(words: &[&str], expected: Exit, terminal: &Terminal) -> Result<(), Failure> {
    let line = format!("cdt {}", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
    terminal.print(&format!("\n{}\n", terminal.mark(Mark::Strong, &clean(&format!("$ {line}")))))?;
    let args = Args::try_parse_from(std::iter::once("cdt").chain(words.iter().copied()))
        .map_err(|error| Failure(format!("the demo's own command does not parse: {line}: {error}")))?;
    let exit = run(&args.command, terminal)?;
    if exit != expected {
        return Err(Failure(format!("the demo expected {expected:?} of {line}, but got {exit:?}")));
    }
    Ok(())
}
