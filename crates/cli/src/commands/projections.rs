//! `tick` and `entity`.

use cdt_analysis::LossEntry;
use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::{Mark, Terminal};
use cdt_door::text::{Page, counted};
use cdt_door::watch::Bar;
use cdt_projections::{Life, Lives, TickView, Value};
use schemars::JsonSchema;
use serde::Serialize;

use super::{open, settled};
use crate::args;

/// The JSON report of `tick`.
#[derive(Serialize, JsonSchema)]
pub struct TickJson<'a> {
    #[schemars(extend("const" = "cdt.tick/1"))]
    schema: &'static str,
    #[serde(flatten)]
    view: &'a TickView,
    loss: &'a [LossEntry],
}

/// Shows one tick.
pub fn tick(args: &args::TickArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let trace = open(&args.trace)?;
    let declared = trace.layout().channels();
    let channels = args.channels.unwrap_or(declared);
    if let Some(absent) = channels.iter().find(|&channel| !declared.contains(channel)) {
        let message = format!("{}: the trace declares no channel {absent}", args.trace.display());
        return Err(Failure(message));
    }
    let loss = LossEntry::list(&trace.index().loss);
    let view = settled(&[&trace], cdt_projections::tick(&trace, args.tick, channels))?;
    let Some(view) = view else {
        let mut message =
            format!("{}: the trace has no tick {}; `cdt info` shows its ticks", args.trace.display(), args.tick);
        let lost = trace.index().loss.iter().filter(|loss| loss.touches(args.tick, args.tick));
        lost.for_each(|loss| message.push_str(&format!("; lost: {loss}")));
        return Err(Failure(message));
    };
    if args.json {
        terminal.print_json(&TickJson { schema: "cdt.tick/1", view: &view, loss: &loss })?;
        return Ok(Exit::Yes);
    }
    let mut page = Page::new(terminal);
    page.marked("", (Mark::Strong, &format!("tick {}", view.tick)), "");
    for channel in &view.channels {
        for table in &channel.tables {
            page.line("");
            let count = counted(table.rows.len() as u64, "row");
            page.marked("", (Mark::Strong, &table.table), &format!(" {count}"));
            let rows: Vec<Vec<String>> =
                table.rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
            if !rows.is_empty() && !table.columns.is_empty() {
                page.table(&table.columns, &rows);
            }
        }
    }
    losses(&mut page, &loss);
    terminal.print(&page.finish())?;
    Ok(Exit::Yes)
}

/// The JSON report of `entity`.
#[derive(Serialize, JsonSchema)]
pub struct EntityJson<'a> {
    #[schemars(extend("const" = "cdt.entity/1"))]
    schema: &'static str,
    kind: &'a str,
    slot: u32,
    fields: &'a [String],
    lives: Vec<LifeJson<'a>>,
    loss: &'a [LossEntry],
}

#[derive(Serialize, JsonSchema)]
struct LifeJson<'a> {
    generation: u32,
    ticks: Vec<MomentJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct MomentJson<'a> {
    tick: u32,
    values: &'a [Value],
}

/// Shows the lives of a slot.
pub fn entity(args: &args::Entity, terminal: &Terminal) -> Result<Exit, Failure> {
    let trace = open(&args.trace)?;
    let name = &args.entity;
    let Some(kind) = trace.layout().entity_kind(&name.kind) else {
        let known: Vec<&str> = trace.layout().entity_kinds().iter().map(|kind| kind.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message =
            format!("{}: there is no entity kind {:?}; the trace has {known}", args.trace.display(), name.kind);
        return Err(Failure(message));
    };
    let lives = {
        let bar = Bar::new("reading");
        let lives = cdt_projections::entity(&trace, kind, name.slot, name.generation, args.ticks, &bar);
        let lives = settled(&[&trace], lives)?;
        if cdt_trace::Watch::cancelled(&bar) {
            return Err(Failure("stopped on request".to_owned()));
        }
        lives
    };
    let loss = LossEntry::list(&trace.index().loss);
    if args.json {
        terminal.print_json(&entity_json(&lives, &loss))?;
    } else {
        terminal.print(&entity_page(&lives, &loss, terminal))?;
    }
    if lives.lives.is_empty() {
        let what = name.generation.map_or("no one".to_owned(), |generation| format!("no generation {generation}"));
        terminal.complain(&format!("{what} lived in slot {} of {} in these ticks", name.slot, name.kind));
        return Ok(Exit::No);
    }
    Ok(Exit::Yes)
}

fn entity_json<'a>(lives: &'a Lives, loss: &'a [LossEntry]) -> EntityJson<'a> {
    EntityJson {
        schema: "cdt.entity/1",
        kind: &lives.kind,
        slot: lives.slot.0,
        fields: &lives.fields,
        lives: lives.lives.iter().map(life_json).collect(),
        loss,
    }
}

fn life_json(life: &Life) -> LifeJson<'_> {
    let ticks = life.ticks.iter().map(|(tick, values)| MomentJson { tick: tick.0, values }).collect();
    LifeJson { generation: life.generation.0, ticks }
}

fn entity_page(lives: &Lives, loss: &[LossEntry], terminal: &Terminal) -> String {
    let mut page = Page::new(terminal);
    for (index, life) in lives.lives.iter().enumerate() {
        if index > 0 {
            page.line("");
        }
        let (Some((first, _)), Some((last, _))) = (life.ticks.first(), life.ticks.last()) else { continue };
        let name = format!("entities.{}[slot={},gen={}]", lives.kind, lives.slot, life.generation);
        let span = format!("ticks {first} to {last}, {}", counted(life.ticks.len() as u64, "tick"));
        page.marked("", (Mark::Strong, &name), &format!(" {span}"));
        let header: Vec<String> = std::iter::once("tick".to_owned()).chain(lives.fields.iter().cloned()).collect();
        let row = |(tick, values): &(cdt_schema::Tick, Vec<Value>)| {
            std::iter::once(tick.to_string()).chain(values.iter().map(ToString::to_string)).collect()
        };
        let rows: Vec<Vec<String>> = life.ticks.iter().map(row).collect();
        page.table(&header, &rows);
    }
    losses(&mut page, loss);
    page.finish()
}

/// What the trace has lost, below what it shows.
fn losses(page: &mut Page<'_>, loss: &[LossEntry]) {
    if !loss.is_empty() {
        page.line("");
        page.list("loss", &loss.iter().map(ToString::to_string).collect::<Vec<String>>());
    }
}
