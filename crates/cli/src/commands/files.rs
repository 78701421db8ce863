//! `compact` and `recover`: a trace becomes another file of the same ticks.

use std::path::PathBuf;

use cdt_analysis::LossEntry;
use cdt_door::exit::{Exit, Failure};
use cdt_door::record::Encoding;
use cdt_door::terminal::{Mark, Terminal};
use cdt_door::text::{Page, counted, thousands};
use cdt_door::watch::Bar;
use cdt_trace::{NewFile, Trace};
use schemars::JsonSchema;
use serde::Serialize;

use super::{open, settled};
use crate::args;

/// The JSON report of `compact`.
#[derive(Serialize, JsonSchema)]
pub struct CompactJson {
    #[schemars(extend("const" = "cdt.compact/1"))]
    schema: &'static str,
    path: String,
    encoding: &'static str,
    ticks: u64,
    content_digest: String,
    bytes_before: u64,
    bytes_after: u64,
    loss: Vec<LossEntry>,
}

/// Writes a trace in another encoding.
pub fn compact(args: &args::Compact, terminal: &Terminal) -> Result<Exit, Failure> {
    let trace = open(&args.trace)?;
    let out = args.out.as_ref().unwrap_or(&args.trace);
    let same = |out| Some(std::fs::canonicalize(out).ok()? == std::fs::canonicalize(&args.trace).ok()?);
    if !args.in_place {
        if same(out) == Some(true) {
            return Err(Failure(format!("{}: this is what is read; pass --in-place to replace it", out.display())));
        }
        NewFile::refuse_over(out, &args.trace)?;
    }
    let before = trace.stored_bytes()?;
    {
        let bar = Bar::new("compacting");
        let overwrite = args.force || args.in_place;
        let finished = cdt_trace::compact(&trace, out, overwrite, args.to.options(), &bar);
        settled(&[&trace], finished)?.publish()?;
    }
    let index = trace.index();
    let report = CompactJson {
        schema: "cdt.compact/1",
        path: out.display().to_string(),
        encoding: match args.to {
            Encoding::Live => "live",
            Encoding::Archive => "archive",
        },
        ticks: index.ticks(),
        content_digest: index.content_digest.to_string(),
        bytes_before: before,
        bytes_after: Trace::open(out)?.stored_bytes()?,
        loss: LossEntry::list(&index.loss),
    };
    let exit = if report.loss.is_empty() { Exit::Yes } else { Exit::CannotSay };
    if args.json {
        terminal.print_json(&report)?;
        return Ok(exit);
    }
    let mut page = Page::new(terminal);
    let ticks = counted(report.ticks, "tick");
    let what = format!(" {} ({}, {ticks}, digest {})", report.path, report.encoding, report.content_digest);
    page.marked("", (Mark::Good, "compacted"), &what);
    let percent = report.bytes_after.saturating_mul(100).checked_div(before).unwrap_or(0);
    let after = thousands(report.bytes_after);
    page.line(&format!("  {} bytes became {after}, {percent} %", thousands(before)));
    for loss in &report.loss {
        page.marked("  ", (Mark::Unsure, "loss recorded:"), &format!(" {loss}"));
    }
    terminal.print(&page.finish())?;
    Ok(exit)
}

/// The JSON report of `recover`.
#[derive(Serialize, JsonSchema)]
pub struct RecoverJson {
    #[schemars(extend("const" = "cdt.recover/1"))]
    schema: &'static str,
    path: String,
    ticks: u64,
    /// `null` of a trace without ticks.
    first_tick: Option<u32>,
    /// `null` of a trace without ticks.
    last_tick: Option<u32>,
    content_digest: String,
    bytes_left_out: u64,
    /// The loss ledger of what was brought back.
    loss: Vec<LossEntry>,
}

/// Brings back what is whole of a broken trace.
pub fn recover(args: &args::Recover, terminal: &Terminal) -> Result<Exit, Failure> {
    let out = recovered_name(args)?;
    let recovered = {
        let bar = Bar::new("recovering");
        let (finished, recovered) = cdt_trace::recover(&args.trace, &out, args.force, &bar)?;
        finished.publish()?;
        recovered
    };
    let report = RecoverJson {
        schema: "cdt.recover/1",
        path: out.display().to_string(),
        ticks: recovered.ticks,
        first_tick: recovered.bounds.map(|(first, _)| first.0),
        last_tick: recovered.bounds.map(|(_, last)| last.0),
        content_digest: recovered.content_digest.to_string(),
        bytes_left_out: recovered.left_out,
        loss: LossEntry::list(&recovered.ledger),
    };
    let exit = if report.loss.is_empty() { Exit::Yes } else { Exit::CannotSay };
    if args.json {
        terminal.print_json(&report)?;
        return Ok(exit);
    }
    let mut page = Page::new(terminal);
    let ticks = counted(report.ticks, "tick");
    let range = recovered.bounds.map_or(String::new(), |(first, last)| format!(", {first} to {last}"));
    let what = format!(" {} ({ticks}{range}, digest {})", report.path, report.content_digest);
    page.marked("", (Mark::Good, "recovered"), &what);
    for loss in &report.loss {
        page.marked("  ", (Mark::Unsure, "loss recorded:"), &format!(" {loss}"));
    }
    if recovered.loss.is_none() {
        page.line("  nothing is left out: the trace was complete");
    }
    page.line(&format!("  {} is left as it is", args.trace.display()));
    terminal.print(&page.finish())?;
    Ok(exit)
}

fn recovered_name(args: &args::Recover) -> Result<PathBuf, Failure> {
    if let Some(out) = &args.out {
        return Ok(out.clone());
    }
    if args.trace.extension().is_some_and(|extension| extension == "partial") {
        return Ok(args.trace.with_extension(""));
    }
    Err(Failure(format!("{}: name the trace to write with --out", args.trace.display())))
}
