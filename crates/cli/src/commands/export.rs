//! `export`.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::{Mark, Terminal};
use cdt_door::text::{Page, counted};
use cdt_door::watch::{Bar, Naming};
use cdt_ingest::{CaptureEnd, ErrorKind};
use cdt_projections::Window;
use cdt_projections::mcap::McapFault;
use cdt_projections::sql::{RowFormat, TableDestination, TableExport, export_tables};
use cdt_trace::{NewFile, Trace};
use schemars::JsonSchema;
use serde::Serialize;

use super::query::{in_trace, loss_within, silence_workers};
use super::{open, settled};
use crate::args;

/// The JSON report of `export`.
#[derive(Serialize, JsonSchema)]
pub struct ExportJson {
    schema: &'static str,
    files: Vec<FileJson>,
    loss: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct FileJson {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    /// Rows of a table, ticks of a capture, messages of an MCAP file.
    count: u64,
    /// What is counted.
    counted: &'static str,
}

/// Writes a trace in another program's format.
pub fn export(args: &args::Export, terminal: &Terminal) -> Result<Exit, Failure> {
    let trace = Arc::new(open(&args.trace)?);
    NewFile::refuse_over(&args.output, &args.trace)?;
    let loss = loss_within(trace.index(), args.ticks);
    let (files, note) = match args.format {
        args::ExportFormat::Parquet => (tables(&trace, RowFormat::Parquet, args, terminal)?, None),
        args::ExportFormat::Arrow => (tables(&trace, RowFormat::Arrow, args, terminal)?, None),
        args::ExportFormat::Jsonl => capture(&trace, args)?,
        args::ExportFormat::Mcap => (mcap(&trace, args)?, None),
    };
    if args.json {
        terminal.print_json(&ExportJson { schema: "cdt.export/1", files, loss: loss.clone() })?;
    } else {
        let mut page = Page::new(terminal);
        for file in &files {
            let what = format!(" {} ({})", file.path, counted(file.count, file.counted));
            page.marked("", (Mark::Good, "exported"), &what);
        }
        if let Some(note) = note {
            page.line(&format!("  {note}"));
        }
        terminal.print(&page.finish())?;
    }
    for loss in &loss {
        terminal.complain(&format!("{}: recorded loss: {loss}", args.trace.display()));
    }
    Ok(if loss.is_empty() { Exit::Yes } else { Exit::CannotSay })
}

fn tables(
    trace: &Arc<Trace>,
    format: RowFormat,
    args: &args::Export,
    terminal: &Terminal,
) -> Result<Vec<FileJson>, Failure> {
    let destination = if args.output.is_dir() {
        TableDestination::Folder(args.output.clone())
    } else {
        TableDestination::File(args.output.clone())
    };
    let (tables, window, overwrite) = (args.table.clone(), args.ticks, args.force);
    let how = TableExport { tables, window, format, destination, overwrite };
    silence_workers();
    let bar = Bar::new("exporting");
    let exported = export_tables(trace, &how, &bar).map_err(|error| in_trace(&args.trace, &error));
    let (exported, files) = settled(&[trace], exported)?;
    let _naming = Naming::begin();
    for left in NewFile::publish_all(files)? {
        bar.aside(|| terminal.complain(&format!("{}: a replaced file could not be removed", left.display())));
    }
    let file = |table: cdt_projections::sql::ExportedTable| FileJson {
        path: table.path.display().to_string(),
        table: Some(table.table),
        count: table.rows,
        counted: "row",
    };
    Ok(exported.into_iter().map(file).collect())
}

/// What a file format that takes the whole trace cannot be told.
fn takes_all(args: &args::Export) -> Result<(), Failure> {
    if args.table.is_empty() {
        return Ok(());
    }
    Err(Failure("--table is for parquet and arrow; a capture or an MCAP file has all tables".to_owned()))
}

fn capture(trace: &Trace, args: &args::Export) -> Result<(Vec<FileJson>, Option<String>), Failure> {
    takes_all(args)?;
    if args.ticks != Window::ALL {
        return Err(Failure("a capture has all ticks of its run; leave --ticks out".to_owned()));
    }
    let mut file = NewFile::create(&args.output, "capture", args.force)?;
    let end = {
        let bar = Bar::new("exporting");
        let written = cdt_ingest::write_capture(trace, &mut BufWriter::new(&mut file), &bar);
        let written = written.map_err(|error| match error.kind() {
            ErrorKind::Capture => unwritten(&args.output, &error.to_string()),
            _ => Failure::of(error),
        });
        settled(&[trace], written)?
    };
    let path = published(file, &args.output)?;
    let note = (end == CaptureEnd::CutShort)
        .then(|| "the run was cut short; finalize the capture with --truncated-tail".to_owned());
    let count = trace.index().ticks();
    Ok((vec![FileJson { path: path.display().to_string(), table: None, count, counted: "tick" }], note))
}

fn mcap(trace: &Trace, args: &args::Export) -> Result<Vec<FileJson>, Failure> {
    takes_all(args)?;
    let mut file = NewFile::create(&args.output, "file", args.force)?;
    let count = {
        let bar = Bar::new("exporting");
        let written = cdt_projections::mcap::write_mcap(trace, args.ticks, &mut file, &bar);
        let written = written.map_err(|error| match &error {
            McapFault::Write(_) => unwritten(&args.output, &error.to_string()),
            _ => Failure::of(error),
        });
        settled(&[trace], written)?
    };
    let path = published(file, &args.output)?;
    Ok(vec![FileJson { path: path.display().to_string(), table: None, count, counted: "message" }])
}

fn unwritten(path: &Path, message: &str) -> Failure {
    Failure(format!("{}: {message}", path.display()))
}

fn published(file: NewFile, path: &Path) -> Result<PathBuf, Failure> {
    file.sync().map_err(|error| Failure(format!("{}: cannot write the file: {error}", path.display())))?;
    file.publish()?;
    Ok(path.to_owned())
}
