//! `health`.

use cdt_analysis::{Health, HealthVerdict};
use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::{Mark, Terminal};
use cdt_door::text::{Page, counted, thousands};
use cdt_door::watch::Bar;

use super::{follow, open, settled};
use crate::args;

/// Examines a trace.
pub fn health(args: &args::Health, terminal: &Terminal) -> Result<Exit, Failure> {
    let report = if args.following.follow {
        follow::health(&args.trace, &args.following, terminal)?
    } else {
        let trace = open(&args.trace)?;
        let bar = Bar::new("examining");
        settled(&[&trace], cdt_analysis::health(&trace, &bar))?
    };
    if args.json {
        terminal.print_json(&report)?;
    } else {
        terminal.print(&page(&report, terminal))?;
    }
    Ok(match report.verdict {
        HealthVerdict::Healthy => Exit::Yes,
        HealthVerdict::Lossy => Exit::CannotSay,
        HealthVerdict::Unhealthy => Exit::No,
    })
}

fn page(report: &Health, terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    let path = &report.trace.path;
    match report.verdict {
        HealthVerdict::Healthy => page.headline(Mark::Good, &format!("HEALTHY {path}")),
        HealthVerdict::Lossy => {
            page.headline(Mark::Unsure, &format!("LOSSY {path}: fit to compare outside of its loss"))
        }
        HealthVerdict::Unhealthy => page.headline(Mark::Bad, &format!("UNHEALTHY {path}: not fit to compare")),
    }
    for (index, problem) in report.problems.iter().enumerate() {
        let place = problem.tick.map_or(String::new(), |tick| format!("tick {tick}: "));
        page.field(if index == 0 { "problems" } else { "" }, &format!("{place}{}", problem.detail));
    }
    let unlisted = report.problem_count - report.problems.len() as u64;
    if unlisted > 0 {
        page.more(&format!("and {} more", thousands(unlisted)));
    }
    let ticks = counted(report.trace.ticks, "tick");
    page.field("checked", &format!("{ticks}, {}: checksums, digests, continuity", counted(report.rows, "row")));
    page.list("gaps", &report.gaps);
    let loss: Vec<String> = report.loss.iter().map(ToString::to_string).collect();
    page.list("loss", &loss);
    if let Some(ticks) = report.ticks_with_input {
        page.field("input", &format!("in {} of {}", thousands(ticks), counted(report.trace.ticks, "tick")));
    }
    let join = |list: &[String]| list.join(", ");
    if !report.never_changed.is_empty() {
        page.field("never changed", &join(&report.never_changed));
    }
    if !report.empty.is_empty() {
        page.field("without rows", &join(&report.empty));
    }
    if !report.absent.is_empty() {
        page.field("not recorded", &report.absent.join(", "));
    }
    page.finish()
}
