//! `bisect`.

use std::io::Write as _;
use std::path::Path;

use cdt_analysis::{Bisect, BisectOptions, Verdict, WindowTick};
use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::{Mark, Terminal};
use cdt_door::text::{Page, counted, thousands};
use cdt_door::verdict;
use cdt_door::watch::{Bar, Naming};
use cdt_trace::NewFile;

use super::{diff, open, settled};
use crate::args;

/// Finds the first bad tick.
pub fn bisect(args: &args::Bisect, terminal: &Terminal) -> Result<Exit, Failure> {
    let (reference, candidate) = (open(&args.comparison.reference)?, open(&args.comparison.candidate)?);
    let window = format!(" --before {} --after {}", args.before, args.after);
    let options = BisectOptions {
        diff: diff::options(&args.comparison)?,
        before: args.before,
        after: args.after,
        command: diff::command("bisect", &args.comparison) + &window,
    };
    let report = {
        let bar = Bar::new("comparing");
        settled(&[&reference, &candidate], cdt_analysis::bisect(&reference, &candidate, &options, &bar))?
    };
    let next = diff::command("focus", &args.comparison);
    if let Some(folder) = &args.out {
        let json = Terminal::json(&report)?;
        let plain = page(&report, &next, &Terminal::plain("cdt"));
        let files = [("bisect.json", json.as_bytes()), ("bisect.txt", plain.as_bytes())];
        write_bundle(folder, args.force, &files, terminal)?;
    }
    if args.comparison.json {
        terminal.print_json(&report)?;
    } else {
        terminal.print(&page(&report, &next, terminal))?;
    }
    Ok(verdict::exit(report.verdict))
}

/// Writes the files of a report, which stands there whole or not at all.
fn write_bundle(folder: &Path, force: bool, files: &[(&str, &[u8])], terminal: &Terminal) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure(format!("{}: cannot make the folder: {error}", folder.display())))?;
    let mut written = Vec::new();
    for (name, content) in files {
        let mut file = NewFile::create(&folder.join(name), "report", force)?;
        file.write_all(content)
            .and_then(|()| file.sync())
            .map_err(|error| Failure(format!("{}: cannot write the report: {error}", file.path().display())))?;
        written.push(file);
    }
    let _naming = Naming::begin();
    for left in NewFile::publish_all(written)? {
        terminal.complain(&format!("{}: a replaced report could not be removed", left.display()));
    }
    Ok(())
}

fn page(report: &Bisect, next: &str, terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    match (&report.verdict, &report.first_sustained) {
        (Verdict::Equal, _) => {
            page.headline(Mark::Good, &verdict::equal_text(&report.ends, report.alignment.as_ref()));
        }
        (Verdict::NotComparable, _) => page.headline(Mark::Unsure, "NOT COMPARABLE"),
        (Verdict::Diverged, Some(lasting)) => {
            page.headline(Mark::Bad, &format!("FIRST BAD TICK {}", lasting.tick));
        }
        (Verdict::Diverged, None) => page.headline(Mark::Unsure, "NO BAD TICK: every difference healed"),
    }
    verdict::reasons(&mut page, &report.reasons, &report.traces);
    verdict::mismatches(&mut page, report.first_mismatch.as_ref(), report.first_sustained.as_ref());
    if report.healed_before > 0 {
        page.field("healed", &format!("{} before it", counted(report.healed_before, "differing tick")));
    }
    if !report.window.is_empty() {
        page.line("");
        let header = ["tick", "values", "differs in", "first of them"].map(str::to_owned);
        let rows: Vec<Vec<String>> = report.window.iter().map(window_row).collect();
        page.table(&header, &rows);
        page.line("");
    }
    verdict::how_much(&mut page, &report.compared);
    verdict::policy(&mut page, &report.policy);
    let masks = report.policy.masks.iter().map(|mask| format!("{} ({})", mask.what, mask.reason));
    page.list("left out", &masks.collect::<Vec<_>>());
    if let Some(alignment) = &report.alignment {
        verdict::alignment(&mut page, alignment);
    }
    verdict::ends(&mut page, &report.ends, report.compared.whole || report.alignment.is_some());
    for (name, facts) in [("reference", &report.traces.reference), ("candidate", &report.traces.candidate)] {
        page.field(name, &format!("{} {}, {}", facts.path, facts.content_digest, facts.producer));
    }
    page.field("again", &report.command);
    if report.verdict == Verdict::Diverged {
        page.field("next", next);
    }
    page.finish()
}

fn window_row(moment: &WindowTick) -> Vec<String> {
    let tick = match moment.candidate_tick {
        Some(candidate) => format!("{} {candidate}", moment.tick),
        None => moment.tick.to_string(),
    };
    let channels: Vec<&str> = moment.channels.iter().map(|channel| channel.name()).collect();
    let first = moment.differences.first().map_or(String::new(), ToString::to_string);
    let values = if moment.values_different == 0 { String::new() } else { thousands(moment.values_different) };
    vec![tick, values, channels.join(", "), first]
}
