//! `query`.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::{panic, thread};

use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::{Mark, Pipe, Terminal};
use cdt_door::text::{Page, thousands};
use cdt_door::watch::Bar;
use cdt_projections::Window;
use cdt_projections::sql::{Query, QueryError, QueryErrorKind, RowFormat, SqlColumn, SqlTable, sql_tables, write_rows};
use cdt_trace::{NewFile, Trace, TraceIndex};
use schemars::JsonSchema;
use serde::Serialize;

use super::{open, settled};
use crate::args;

/// Asks a trace in SQL, or lists its tables.
pub fn query(args: &args::Query, terminal: &Terminal) -> Result<Exit, Failure> {
    let trace = Arc::new(open(&args.trace)?);
    if let Some(path) = &args.output {
        NewFile::refuse_over(path, &args.trace)?;
    }
    let loss = loss_within(trace.index(), args.ticks);
    settled(&[&trace], answer(&trace, args, terminal))?;
    for loss in &loss {
        terminal.complain(&format!("{}: recorded loss: {loss}", args.trace.display()));
    }
    Ok(if loss.is_empty() { Exit::Yes } else { Exit::CannotSay })
}

fn answer(trace: &Arc<Trace>, args: &args::Query, terminal: &Terminal) -> Result<(), Failure> {
    let format = if args.json { args::QueryFormat::Json } else { args.format };
    match &args.sql {
        None if format.rows().is_none_or(|format| format == RowFormat::Json) => {
            print_tables(trace, format == args::QueryFormat::Json, terminal)
        }
        None => Err(Failure("--format is for rows; give a query, or --json to list the tables as JSON".to_owned())),
        Some(sql) => {
            silence_workers();
            let query = Query::start(trace.clone(), sql, args.ticks).map_err(|error| in_trace(&args.trace, &error))?;
            match format.rows() {
                Some(format) => write(query, trace, format, args),
                None => print_table(query, trace, args, terminal),
            }
        }
    }
}

/// Leaves a panic of polars' threads to the error that it becomes.
pub fn silence_workers() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().name() == Some("main") {
            tell(panic);
        }
    }));
}

/// What was lost within a window.
pub fn loss_within(index: &TraceIndex, window: Window) -> Vec<String> {
    let last = window.end.map_or(cdt_schema::Tick(u32::MAX), |end| cdt_schema::Tick(end.0.saturating_sub(1)));
    index.loss.iter().filter(|loss| loss.touches(window.start, last)).map(ToString::to_string).collect()
}

/// An error of a query, with the trace in front unless it is named; what cannot be written is no fault of the trace.
pub fn in_trace(path: &Path, error: &QueryError) -> Failure {
    let (path, message) = (path.display().to_string(), error.to_string());
    let is_whole = match error.kind() {
        QueryErrorKind::Trace => message.starts_with(&path),
        kind => matches!(kind, QueryErrorKind::Output | QueryErrorKind::Stopped),
    };
    Failure(if is_whole { message } else { format!("{path}: {message}") })
}

/// Writes all rows, to a file or to standard output.
fn write(mut query: Query, trace: &Trace, format: RowFormat, args: &args::Query) -> Result<(), Failure> {
    let bar = Bar::new("querying");
    let failed = |error: QueryError| in_trace(&args.trace, &error);
    if let Some(path) = &args.output {
        let mut file = NewFile::create(path, "file", args.force)?;
        let written = write_rows(&mut query, format, BufWriter::new(&mut file), &bar);
        written.map_err(|error| failed(error.writing(path)))?;
        file.sync().map_err(|error| Failure(format!("{}: cannot write the file: {error}", path.display())))?;
        trace.check_unchanged()?;
        return Ok(file.publish()?);
    }
    if format.is_binary() && io::stdout().is_terminal() {
        let message = format!("{} is no text for a terminal; name a file with --output, or a pipe", format.extension());
        return Err(Failure(message));
    }
    let mut pipe = Pipe::default();
    let written = write_rows(&mut query, format, BufWriter::with_capacity(1 << 16, &mut pipe), &bar);
    match written {
        Err(_) if pipe.was_closed() => Ok(()),
        written => written.map(drop).map_err(failed),
    }
}

/// Prints the first rows as a table for people.
fn print_table(mut query: Query, trace: &Trace, args: &args::Query, terminal: &Terminal) -> Result<(), Failure> {
    let header: Vec<String> = query.columns().into_iter().map(|column| column.name).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut more = false;
    {
        let bar = Bar::new("querying");
        while let Some(batch) = query.next(&bar).map_err(|error| in_trace(&args.trace, &error))? {
            let room = args.rows - rows.len();
            let shown = batch.rows().min(room);
            let cells =
                |row| batch.text(row).into_iter().map(|cell| cell.unwrap_or_else(|| "null".to_owned())).collect();
            rows.extend((0..shown).map(cells));
            if batch.rows() > room {
                more = true;
                break;
            }
        }
    }
    drop(query);
    let mut page = Page::new(terminal);
    page.table(&header, &rows);
    let text = page.finish();
    match &args.output {
        None => terminal.print(&text)?,
        Some(path) => {
            let mut file = NewFile::create(path, "file", args.force)?;
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync())
                .map_err(|error| Failure(format!("{}: cannot write the file: {error}", path.display())))?;
            trace.check_unchanged()?;
            file.publish()?;
        }
    }
    if more {
        let shown = thousands(args.rows as u64);
        terminal.complain(&format!("only the first {shown} rows are shown; --rows shows more, --format csv all"));
    }
    Ok(())
}

/// The JSON report of the tables.
#[derive(Serialize, JsonSchema)]
pub struct TablesJson<'a> {
    schema: &'static str,
    tables: Vec<TableJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct TableJson<'a> {
    name: &'a str,
    columns: Vec<ColumnJson<'a>>,
}

impl<'a> TableJson<'a> {
    fn new(table: &'a SqlTable) -> TableJson<'a> {
        let column = |column: &'a SqlColumn| ColumnJson { name: &column.name, r#type: column.type_name };
        TableJson { name: &table.name, columns: table.columns.iter().map(column).collect() }
    }
}

#[derive(Serialize, JsonSchema)]
struct ColumnJson<'a> {
    name: &'a str,
    r#type: &'a str,
}

fn print_tables(trace: &Trace, json: bool, terminal: &Terminal) -> Result<(), Failure> {
    let tables = sql_tables(trace.layout());
    if json {
        return terminal
            .print_json(&TablesJson { schema: "cdt.tables/1", tables: tables.iter().map(TableJson::new).collect() });
    }
    let mut page = Page::new(terminal);
    for table in &tables {
        page.marked("", (Mark::Strong, &table.name), "");
        let columns: Vec<String> =
            table.columns.iter().map(|column| format!("{} {}", column.name, column.type_name)).collect();
        page.field("", &columns.join(", "));
    }
    terminal.print(&page.finish())
}

// The rows are streamed, so that nobody holds one of these: it is for the schema alone.
/// The rows that a query gives.
#[cfg(test)]
#[derive(JsonSchema)]
#[expect(dead_code, reason = "a schema is made of its type")]
pub struct QueryJson {
    schema: String,
    columns: Vec<ColumnJson<'static>>,
    /// Each by the names of its columns.
    rows: Vec<std::collections::BTreeMap<String, CellJson>>,
}

/// A value; i128, u64 and u128 are strings, and so are i64 past 2^53, and bytes, in hexadecimal.
#[cfg(test)]
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a schema is made of its type")]
enum CellJson {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<CellJson>),
    Members(std::collections::BTreeMap<String, CellJson>),
}
