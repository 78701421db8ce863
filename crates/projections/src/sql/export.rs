//! Tables of a trace as files of their own.

use std::collections::HashSet;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdt_trace::{NewFile, Source, Trace, Watch};

use super::{Query, QueryError, QueryErrorKind, RowFormat, sql_tables, write_rows};
use crate::Window;

/// Where exported tables go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableDestination {
    /// The only table that is asked for, to this file.
    File(PathBuf),
    /// Each table, to a file of its name in this folder.
    Folder(PathBuf),
}

/// Which tables of a trace to export, and how.
#[derive(Clone, Debug)]
pub struct TableExport {
    /// Names of the tables; empty for all.
    pub tables: Vec<String>,
    /// Only rows of these ticks.
    pub window: Window,
    /// How rows are written.
    pub format: RowFormat,
    /// Where the files go.
    pub destination: TableDestination,
    /// Whether files there may be replaced.
    pub overwrite: bool,
}

/// A table that was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedTable {
    /// Its name.
    pub table: String,
    /// Its file.
    pub path: PathBuf,
    /// How many rows it has.
    pub rows: u64,
}

/// Writes tables to files, which are to get their names by [`NewFile::publish_all`].
///
/// # Errors
/// There is no such table, several are asked for and one file is named, the trace cannot be read, or a file cannot be
/// written. Nothing is left behind.
pub fn export_tables<S>(
    trace: &Arc<Trace<S>>,
    how: &TableExport,
    watch: &dyn Watch,
) -> Result<(Vec<ExportedTable>, Vec<NewFile>), QueryError>
where
    S: Source + Send + Sync + 'static,
{
    let known: Vec<String> = sql_tables(trace.layout()).into_iter().map(|table| table.name).collect();
    let mut tables: Vec<&String> = if how.tables.is_empty() { &known } else { &how.tables }.iter().collect();
    let mut seen = HashSet::new();
    tables.retain(|table| seen.insert(*table));
    if let Some(unknown) = tables.iter().find(|name| !known.contains(**name)) {
        let message = format!("there is no table {unknown:?}; the tables are {}", known.join(", "));
        return Err(QueryError::new(QueryErrorKind::Sql, message));
    }
    if let (TableDestination::File(path), 2..) = (&how.destination, tables.len()) {
        let rule = "one file was named for several tables; name a folder that is there, or one --table";
        return Err(QueryError::new(QueryErrorKind::Output, format!("{}: {rule}", path.display())));
    }
    let mut exported = Vec::with_capacity(tables.len());
    let mut files = Vec::with_capacity(tables.len());
    for table in tables {
        let path = match &how.destination {
            TableDestination::File(path) => path.clone(),
            TableDestination::Folder(folder) => folder.join(format!("{table}.{}", how.format.extension())),
        };
        let (file, rows) = export_table(trace, table, how, &path, watch)?;
        exported.push(ExportedTable { table: table.clone(), path, rows });
        files.push(file);
    }
    Ok((exported, files))
}

fn export_table<S>(
    trace: &Arc<Trace<S>>,
    table: &str,
    how: &TableExport,
    path: &Path,
    watch: &dyn Watch,
) -> Result<(NewFile, u64), QueryError>
where
    S: Source + Send + Sync + 'static,
{
    NewFile::refuse_over(path, trace.name())?;
    let mut file = NewFile::create(path, "table", how.overwrite)?;
    let query = Query::of_table(trace.clone(), table, how.window);
    let mut query = query.map_err(|error| QueryError::failed(&error))?;
    let rows =
        write_rows(&mut query, how.format, BufWriter::new(&mut file), watch).map_err(|error| error.writing(path))?;
    let failed =
        |error| QueryError::new(QueryErrorKind::Output, format!("cannot write the table: {error}")).writing(path);
    file.sync().map_err(failed)?;
    Ok((file, rows))
}
