//! `finalize` and `import`.

use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::{Mark, Terminal};
use cdt_door::text::{Page, counted};
use cdt_door::watch::Bar;
use cdt_ingest::{Destination, Finalize, Finalized, Import, Input, LogFormat, RunOutcome};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args;

/// The JSON report of `finalize`.
#[derive(Serialize, JsonSchema)]
pub struct FinalizeJson<'a> {
    #[schemars(extend("const" = "cdt.finalize/1"))]
    schema: &'static str,
    session: &'a str,
    runs: Vec<RunJson<'a>>,
    faults: &'a [String],
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum RunJson<'a> {
    Finalized { run_id: &'a str, path: String, ticks: u64, content_digest: String, loss: Option<String> },
    Failed { run_id: &'a str, reason: &'a str },
}

/// Turns a capture into traces.
pub fn finalize(args: &args::Finalize, terminal: &Terminal) -> Result<Exit, Failure> {
    let how = Finalize {
        destination: destination(args)?,
        overwrite: args.force,
        truncated_tail: args.truncated_tail,
        options: args.encoding.options(),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let report = {
        let bar = Bar::new("finalizing");
        let input = Input::open(&args.capture).map_err(Failure::of)?;
        cdt_ingest::finalize(input, &how, &bar).map_err(Failure::of)?
    };
    let finalized = report.runs.iter().filter(|run| matches!(run.outcome, RunOutcome::Finalized { .. })).count();
    let lossy = |outcome: &RunOutcome| matches!(outcome, RunOutcome::Finalized { loss: Some(_), .. });
    let exit = if finalized == 0 {
        Exit::CouldNot
    } else if finalized < report.runs.len()
        || !report.faults.is_empty()
        || report.runs.iter().any(|run| lossy(&run.outcome))
    {
        Exit::CannotSay
    } else {
        Exit::Yes
    };
    if args.json {
        terminal.print_json(&finalize_json(&report))?;
    } else {
        print_finalized(&report, terminal)?;
    }
    if finalized == 0 {
        terminal.complain(&format!("{}: no run of the session could be finalized", args.capture.display()));
    }
    Ok(exit)
}

/// A name that ends in `.cdt` is a trace, any other a folder that must be there.
fn destination(args: &args::Finalize) -> Result<Destination, Failure> {
    if args.out.extension().is_some_and(|extension| extension == "cdt") && !args.out.is_dir() {
        return Ok(Destination::File(args.out.clone()));
    }
    if !args.out.is_dir() {
        return Err(Failure(format!(
            "{}: there is no such folder; make it first, or name one trace that ends in .cdt",
            args.out.display()
        )));
    }
    Ok(Destination::Folder(args.out.clone()))
}

fn finalize_json(report: &Finalized) -> FinalizeJson<'_> {
    let runs = report.runs.iter().map(|run| match &run.outcome {
        RunOutcome::Finalized { path, ticks, digest, loss } => RunJson::Finalized {
            run_id: &run.run_id,
            path: path.display().to_string(),
            ticks: *ticks,
            content_digest: digest.to_string(),
            loss: loss.as_ref().map(ToString::to_string),
        },
        RunOutcome::Failed(reason) => RunJson::Failed { run_id: &run.run_id, reason },
    });
    FinalizeJson { schema: "cdt.finalize/1", session: &report.session, runs: runs.collect(), faults: &report.faults }
}

fn print_finalized(report: &Finalized, terminal: &Terminal) -> Result<(), Failure> {
    let mut page = Page::new(terminal);
    for run in &report.runs {
        match &run.outcome {
            RunOutcome::Finalized { path, ticks, digest, loss } => {
                let what = format!(" {} ({}, digest {digest})", path.display(), counted(*ticks, "tick"));
                page.marked("", (Mark::Good, "finalized"), &what);
                if let Some(loss) = loss {
                    page.marked("  ", (Mark::Unsure, "loss recorded:"), &format!(" {loss}"));
                }
            }
            RunOutcome::Failed(reason) => {
                page.marked("", (Mark::Bad, "failed"), &format!(" run {}: {reason}", run.run_id));
            }
        }
    }
    for fault in &report.faults {
        page.marked("", (Mark::Unsure, "fault"), &format!(" {fault}"));
    }
    terminal.print(&page.finish())
}

/// The JSON report of `import`.
#[derive(Serialize, JsonSchema)]
pub struct ImportJson {
    #[schemars(extend("const" = "cdt.import/1"))]
    schema: &'static str,
    path: String,
    ticks: u64,
    content_digest: String,
    noise_lines: u64,
    loss: Option<String>,
}

/// Turns a text log into a trace.
pub fn import(args: &args::Import, terminal: &Terminal) -> Result<Exit, Failure> {
    let in_own_words = args
        .format_string
        .clone()
        .map(|format| LogFormat::Lines(if args.skip_other_lines { format.skipping_others() } else { format }));
    let format = args.format.clone().or(in_own_words);
    let format = format.expect("one of the two is required");
    let how = Import { format: &format, out: &args.out, overwrite: args.force, truncated_tail: args.truncated_tail };
    let report = {
        let bar = Bar::new("importing");
        let input = Input::open(&args.log).map_err(Failure::of)?;
        cdt_ingest::import(input, &how, &bar).map_err(Failure::of)?
    };
    if args.json {
        terminal.print_json(&ImportJson {
            schema: "cdt.import/1",
            path: args.out.display().to_string(),
            ticks: report.ticks,
            content_digest: report.digest.to_string(),
            noise_lines: report.noise_lines,
            loss: report.loss.as_ref().map(ToString::to_string),
        })?;
    } else {
        let mut page = Page::new(terminal);
        let ticks = counted(report.ticks, "tick");
        let what = format!(" {} ({ticks}, digest {})", args.out.display(), report.digest);
        page.marked("", (Mark::Good, "imported"), &what);
        if report.noise_lines > 0 {
            let first: Vec<String> = report.first_noise.iter().map(ToString::to_string).collect();
            let more = if report.noise_lines > first.len() as u64 { ", …" } else { "" };
            let lines = counted(report.noise_lines, "line");
            let note = "not of the log, left out and recorded as noise events";
            page.line(&format!("  {lines} {note}: {}{more}", first.join(", ")));
        }
        if let Some(loss) = &report.loss {
            page.marked("  ", (Mark::Unsure, "loss recorded:"), &format!(" {loss}"));
        }
        terminal.print(&page.finish())?;
    }
    Ok(if report.loss.is_some() { Exit::CannotSay } else { Exit::Yes })
}
