//! `info`.

use std::collections::BTreeMap;

use cdt_analysis::{LossEntry, TraceFacts};
use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::{Mark, Terminal};
use cdt_door::text::{Page, counted, thousands};
use cdt_trace::{Run, Trace};
use schemars::JsonSchema;
use serde::Serialize;

use super::open;
use crate::args;

/// The JSON report of `info`.
#[derive(Serialize, JsonSchema)]
pub struct InfoJson<'a, L> {
    #[schemars(extend("const" = "cdt.info/1"))]
    schema: &'static str,
    format_version: u32,
    trace: TraceFacts,
    session: &'a str,
    platform: String,
    program_hash: Option<&'a str>,
    run: RunJson<'a>,
    end_reason: &'a str,
    players: u8,
    /// As captures have it; see `docs/capture.schema.json`.
    #[schemars(with = "BTreeMap<String, ()>", extend("additionalProperties" = true))]
    layout: L,
    blocks: usize,
    stored_bytes: u64,
    loss: Vec<LossEntry>,
}

#[derive(Serialize, JsonSchema)]
struct RunJson<'a> {
    run_id: &'a str,
    seed: Option<String>,
    seed_source: &'a str,
    mode: u32,
    tick_rate: Option<f64>,
    reason: &'a str,
}

/// Shows what a trace is.
pub fn info(args: &args::Info, terminal: &Terminal) -> Result<Exit, Failure> {
    let trace = open(&args.trace)?;
    let index = trace.index();
    if args.json {
        let Run { id, seed, seed_source, mode, tick_rate, reason } = &index.meta.run;
        let producer = &index.meta.producer;
        terminal.print_json(&InfoJson {
            schema: "cdt.info/1",
            format_version: cdt_trace::FORMAT_VERSION,
            trace: TraceFacts::new(&trace),
            session: &index.meta.session,
            platform: format!("{} {}", producer.platform, producer.arch),
            program_hash: index.meta.program.hash.as_deref(),
            run: RunJson {
                run_id: id,
                seed: seed.map(|seed| seed.to_string()),
                seed_source,
                mode: *mode,
                tick_rate: *tick_rate,
                reason,
            },
            end_reason: &index.end_reason,
            players: index.layout.spec().players,
            layout: cdt_ingest::layout_json(&index.layout),
            blocks: index.blocks.len(),
            stored_bytes: trace.stored_bytes()?,
            loss: LossEntry::list(&index.loss),
        })?;
    } else {
        let page = page(&trace, terminal)?;
        terminal.print(&page)?;
    }
    Ok(if index.loss.is_empty() { Exit::Yes } else { Exit::CannotSay })
}

fn page(trace: &Trace, terminal: &Terminal) -> Result<String, Failure> {
    let index = trace.index();
    let facts = TraceFacts::new(trace);
    let mut page = Page::new(terminal);
    page.headline(Mark::Strong, &facts.path);
    page.field("program", &facts.program);
    page.field(
        "producer",
        &format!("{} ({} {})", facts.producer, index.meta.producer.platform, index.meta.producer.arch),
    );
    let run = &index.meta.run;
    let seed = run.seed.map_or("unknown".to_owned(), |seed| seed.to_string());
    page.field("run", &format!("{} of session {}, started: {}", run.id, index.meta.session, run.reason));
    page.more(&format!("seed {seed} ({}), mode {}, ended: {}", run.seed_source, run.mode, index.end_reason));
    let rate = run.tick_rate.map_or(String::new(), |rate| format!(" at {rate} Hz"));
    let bounds = facts.first_tick.zip(facts.last_tick).map_or(String::new(), |(a, b)| format!(", {a} to {b}"));
    page.field("ticks", &format!("{}{bounds}{rate}", thousands(facts.ticks)));
    let bytes = trace.stored_bytes()?;
    let each = bytes.checked_div(facts.ticks).unwrap_or(0);
    let blocks = counted(index.blocks.len() as u64, "block");
    page.field("size", &format!("{} bytes in {blocks}, {each} a tick", thousands(bytes)));
    page.field("digest", &facts.content_digest);
    for (label, schema) in index.layout.tables().iter().enumerate() {
        let columns: Vec<String> =
            schema.columns.iter().map(|column| format!("{} {}", column.name, type_name(column))).collect();
        page.field(if label == 0 { "layout" } else { "" }, &format!("{}: {}", schema.name, columns.join(", ")));
    }
    let loss: Vec<String> = index.loss.iter().map(ToString::to_string).collect();
    page.list("loss", &loss);
    Ok(page.finish())
}

fn type_name(column: &cdt_schema::ColumnSchema) -> &'static str {
    match column.column_type {
        cdt_schema::ColumnType::Scalar(ty) => ty.name(),
        cdt_schema::ColumnType::Values => "list",
        cdt_schema::ColumnType::Page => "page",
    }
}
