//! `focus`.

use cdt_analysis::{CauseClass, DrawChange, DrawPair, DrawView, Focus, FocusDifference, FocusOutcome};
use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::{Mark, Terminal};
use cdt_door::text::{Page, counted, thousands};
use cdt_door::verdict;
use cdt_door::watch::Bar;
use cdt_projections::Value;

use super::{diff, open, settled};
use crate::args;

/// Differences whose history is printed.
const WITH_HISTORY: usize = 5;
/// Differences that are printed; the JSON report has more.
const PRINTED: usize = 40;

/// Looks at one tick.
pub fn focus(args: &args::Focus, terminal: &Terminal) -> Result<Exit, Failure> {
    let (reference, candidate) = (open(&args.comparison.reference)?, open(&args.comparison.candidate)?);
    let options = diff::options(&args.comparison)?;
    let outcome = {
        let bar = Bar::new("comparing");
        let outcome = cdt_analysis::focus(&reference, &candidate, args.tick, args.history, &options, &bar);
        settled(&[&reference, &candidate], outcome)?
    };
    match outcome {
        FocusOutcome::Nothing(report) => {
            if args.comparison.json {
                terminal.print_json(&report)?;
            } else {
                terminal.print(&verdict::page(&report, &diff::command("focus", &args.comparison), terminal))?;
            }
            Ok(verdict::exit(report.verdict))
        }
        FocusOutcome::Tick(focus) => {
            if args.comparison.json {
                terminal.print_json(&focus)?;
            } else {
                terminal.print(&page(&focus, terminal))?;
            }
            Ok(Exit::Yes)
        }
    }
}

fn side(value: Option<&Value>) -> String {
    value.map_or("nothing".to_owned(), ToString::to_string)
}

fn page(focus: &Focus, terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    let differ = if focus.values_different == 1 { "differs" } else { "differ" };
    let count = counted(focus.values_different, "value");
    let found = match &focus.cause {
        Some(cause) if cause.class == CauseClass::MissingTick => cause.evidence.join(", "),
        _ => format!("{count} {differ}"),
    };
    let other = focus.candidate_tick.map_or(String::new(), |tick| format!(", the candidate's {tick}"));
    page.headline(Mark::Strong, &format!("tick {}{other} ({}): {found}", focus.tick, focus.chosen));
    if let Some(cause) = &focus.cause {
        verdict::cause(&mut page, cause);
    }
    let population = &focus.population;
    for (label, list) in [
        ("reference came", &population.reference_came),
        ("reference went", &population.reference_went),
        ("candidate came", &population.candidate_came),
        ("candidate went", &population.candidate_went),
    ] {
        page.list(label, list);
    }
    verdict::losses(&mut page, &focus.loss);
    if !focus.draws.is_empty() {
        page.line("");
        let header = ["draw", "", "reference", "candidate", "callers"].map(str::to_owned);
        let rows: Vec<Vec<String>> = focus.draws.iter().map(draw_row).collect();
        page.table(&header, &rows);
    }
    for difference in focus.differences.iter().take(PRINTED).take(WITH_HISTORY) {
        page.line("");
        in_depth(&mut page, difference);
    }
    let rest: Vec<&FocusDifference> = focus.differences.iter().take(PRINTED).skip(WITH_HISTORY).collect();
    if !rest.is_empty() {
        page.line("");
        let header = ["path", "reference", "candidate", "delta", "ulp"].map(str::to_owned);
        let rows: Vec<Vec<String>> = rest.iter().map(|difference| difference_row(difference)).collect();
        page.table(&header, &rows);
    }
    let unlisted = focus.values_different.saturating_sub(PRINTED as u64);
    if unlisted > 0 {
        page.line(&format!(
            "  and {} more; --json lists up to 200, cdt tick shows the whole tick",
            thousands(unlisted)
        ));
    }
    page.finish()
}

fn draw_row(pair: &DrawPair) -> Vec<String> {
    let seq = |draw: &Option<DrawView>| draw.as_ref().map_or("-".to_owned(), |draw| draw.seq.to_string());
    let draw = |draw: &Option<DrawView>| match draw {
        Some(draw) => format!("{} {} ({} to {})", draw.stream, draw.value, draw.before, draw.after),
        None => "nothing".to_owned(),
    };
    let caller = |draw: &Option<DrawView>| match draw {
        Some(draw) => format!("{:#x}", draw.caller),
        None => "-".to_owned(),
    };
    let change = match pair.change {
        DrawChange::Same => "",
        DrawChange::Caller => "caller",
        DrawChange::State => "states",
        DrawChange::Value => "value",
        DrawChange::Moved => "moved",
        DrawChange::Missing => "missing",
        DrawChange::Extra => "extra",
    };
    let seqs = match (seq(&pair.reference), seq(&pair.candidate)) {
        (a, b) if a == b => a,
        (a, b) => format!("{a} {b}"),
    };
    let callers = format!("{} {}", caller(&pair.reference), caller(&pair.candidate));
    vec![seqs, change.to_owned(), draw(&pair.reference), draw(&pair.candidate), callers]
}

fn difference_row(difference: &FocusDifference) -> Vec<String> {
    vec![
        difference.path.clone(),
        side(difference.reference.as_ref()),
        side(difference.candidate.as_ref()),
        difference.delta.clone().unwrap_or_default(),
        difference.ulp.map(thousands).unwrap_or_default(),
    ]
}

fn in_depth(page: &mut Page<'_>, difference: &FocusDifference) {
    let ty = difference.scalar_type.map_or(String::new(), |ty| format!(" ({ty})"));
    page.marked("  ", (Mark::Strong, &difference.path), &ty);
    let bits = |bits: &Option<String>| bits.as_ref().map_or(String::new(), |bits| format!("  {bits}"));
    page.field("reference", &format!("{}{}", side(difference.reference.as_ref()), bits(&difference.reference_bits)));
    page.field("candidate", &format!("{}{}", side(difference.candidate.as_ref()), bits(&difference.candidate_bits)));
    if let Some(delta) = &difference.delta {
        let ulp = difference.ulp.map_or(String::new(), |ulp| format!(", {} ulp", thousands(ulp)));
        page.field("delta", &format!("{delta}{ulp}"));
    }
    for (index, moment) in difference.history.iter().enumerate() {
        let (reference, candidate) = (side(moment.reference.as_ref()), side(moment.candidate.as_ref()));
        let both = if reference == candidate { reference } else { format!("{reference} became {candidate}") };
        page.field(if index == 0 { "before" } else { "" }, &format!("tick {}  {both}", moment.tick));
    }
}
