//! Rows as files and streams that other programs read.

use std::cell::RefCell;
use std::io::{self, Write};

use cdt_trace::Watch;
use polars::prelude::{
    ArrowField, CompatLevel, DataFrame, DataType, Field, IpcCompression, IpcWriter, ParquetCompression, ParquetWriter,
    PlSmallStr, PolarsResult, Schema, SerWriter,
};
use polars_arrow::io::ipc::write::default_ipc_fields;

use super::batch::write_text;
use super::{Batch, Query, QueryError, QueryErrorKind, view};

/// Rows of one row group of Parquet, or record batch of Arrow, unless they are large.
const GROUP_ROWS: usize = 1 << 17;
/// Bytes of rows at which such a group ends.
const GROUP_BYTES: usize = 8 << 20;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// One JSON object: `schema` (`cdt.query/1`), `columns`, and `rows` as objects.
    Json,
    /// One JSON object a row.
    Jsonl,
    /// Comma-separated, with a header. Null is an empty cell.
    Csv,
    /// Apache Parquet, zstd.
    Parquet,
    /// Apache Arrow IPC, the file format, zstd.
    Arrow,
}

impl RowFormat {
    /// How names of files of this format end.
    pub fn extension(self) -> &'static str {
        match self {
            RowFormat::Json => "json",
            RowFormat::Jsonl => "jsonl",
            RowFormat::Csv => "csv",
            RowFormat::Parquet => "parquet",
            RowFormat::Arrow => "arrow",
        }
    }

    /// Whether the bytes are no text.
    pub fn is_binary(self) -> bool {
        matches!(self, RowFormat::Parquet | RowFormat::Arrow)
    }
}

/// Writes all rows of a query, and gives how many there were.
///
/// # Errors
/// What the query gives, or [`QueryErrorKind::Output`] when the rows cannot be written.
pub fn write_rows<W: Write>(
    query: &mut Query,
    format: RowFormat,
    out: W,
    watch: &dyn Watch,
) -> Result<u64, QueryError> {
    let refused = RefCell::new(None);
    let written = write_format(query, format, Noting { out, refused: &refused }, watch);
    match (written, refused.into_inner()) {
        // The writers of polars say that something failed, and not always what.
        (Err(error), Some(refused)) if error.kind() == QueryErrorKind::Output => Err(unwritten(refused)),
        (written, _) => written,
    }
}

/// A writer that notes what the one below refused.
struct Noting<'a, W> {
    out: W,
    refused: &'a RefCell<Option<String>>,
}

impl<W: Write> Noting<'_, W> {
    fn noted<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|error| *self.refused.borrow_mut() = Some(error.to_string()))
    }
}

impl<W: Write> Write for Noting<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.noted(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.noted(flushed)
    }
}

fn write_format<W: Write>(query: &mut Query, format: RowFormat, out: W, watch: &dyn Watch) -> Result<u64, QueryError> {
    match format {
        RowFormat::Json => write_json(query, out, watch),
        RowFormat::Jsonl => write_jsonl(query, out, watch),
        RowFormat::Csv => write_csv(query, out, watch),
        RowFormat::Parquet => {
            let writer = ParquetWriter::new(out).with_compression(ParquetCompression::Zstd(None)).set_parallel(false);
            let mut writer = writer.batched(&stored_schema(&query.schema)).map_err(unwritten)?;
            let rows = write_groups(query, watch, |group| writer.write_batch(group))?;
            writer.finish().map_err(unwritten)?;
            Ok(rows)
        }
        RowFormat::Arrow => {
            // Strings as all readers of Arrow know them.
            let writer = IpcWriter::new(out).with_compat_level(CompatLevel::oldest());
            let writer = writer.with_compression(Some(IpcCompression::default()));
            let schema = stored_schema(&query.schema);
            let field = |(name, data_type): (&PlSmallStr, &DataType)| {
                data_type.to_arrow_field(name.clone(), CompatLevel::oldest())
            };
            let fields: Vec<ArrowField> = schema.iter().map(field).collect();
            let mut writer = writer.batched(&schema, default_ipc_fields(fields.iter())).map_err(unwritten)?;
            let rows = write_groups(query, watch, |group| writer.write_batch(group))?;
            writer.finish().map_err(unwritten)?;
            Ok(rows)
        }
    }
}

fn unwritten(error: impl std::fmt::Display) -> QueryError {
    QueryError::new(QueryErrorKind::Output, format!("cannot write the rows: {error}"))
}

fn write_json(query: &mut Query, mut out: impl Write, watch: &dyn Watch) -> Result<u64, QueryError> {
    let head = |out: &mut dyn Write| -> io::Result<()> {
        out.write_all(b"{\n  \"schema\": \"cdt.query/1\",\n  \"columns\": [")?;
        for (index, column) in view::columns(&query.schema).iter().enumerate() {
            out.write_all(if index == 0 { b"\n    " } else { b",\n    " })?;
            out.write_all(b"{ \"name\": ")?;
            write_text(&column.name, out)?;
            out.write_all(b", \"type\": ")?;
            write_text(column.type_name, out)?;
            out.write_all(b" }")?;
        }
        out.write_all(b"\n  ],\n  \"rows\": [")
    };
    head(&mut out).map_err(unwritten)?;
    let mut rows = 0;
    while let Some(batch) = query.next(watch)? {
        for row in 0..batch.rows() {
            let lead: &[u8] = if rows == 0 { b"\n    " } else { b",\n    " };
            out.write_all(lead).and_then(|()| batch.write_json(row, &mut out)).map_err(unwritten)?;
            rows += 1;
        }
    }
    let tail: &[u8] = if rows == 0 { b"]\n}\n" } else { b"\n  ]\n}\n" };
    out.write_all(tail).and_then(|()| out.flush()).map_err(unwritten)?;
    Ok(rows)
}

fn write_jsonl(query: &mut Query, mut out: impl Write, watch: &dyn Watch) -> Result<u64, QueryError> {
    let mut rows = 0;
    while let Some(batch) = query.next(watch)? {
        for row in 0..batch.rows() {
            batch.write_json(row, &mut out).and_then(|()| out.write_all(b"\n")).map_err(unwritten)?;
        }
        rows += batch.rows() as u64;
    }
    out.flush().map_err(unwritten)?;
    Ok(rows)
}

fn write_csv(query: &mut Query, out: impl Write, watch: &dyn Watch) -> Result<u64, QueryError> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(view::columns(&query.schema).iter().map(|column| &column.name)).map_err(unwritten)?;
    let mut rows = 0;
    while let Some(batch) = query.next(watch)? {
        for row in 0..batch.rows() {
            csv.write_record(batch.text(row).iter().map(|cell| cell.as_deref().unwrap_or(""))).map_err(unwritten)?;
        }
        rows += batch.rows() as u64;
    }
    csv.flush().map_err(unwritten)?;
    Ok(rows)
}

/// Gathers rows to groups of a size that reads well, and writes them.
fn write_groups(
    query: &mut Query,
    watch: &dyn Watch,
    mut write: impl FnMut(&DataFrame) -> PolarsResult<()>,
) -> Result<u64, QueryError> {
    let mut rows = 0;
    let mut group = DataFrame::empty_with_schema(&query.schema);
    while let Some(Batch(batch)) = query.next(watch)? {
        rows += batch.height() as u64;
        group.vstack_mut_owned(batch).map_err(unwritten)?;
        if group.height() >= GROUP_ROWS || group.estimated_size() >= GROUP_BYTES {
            stored(&group).and_then(|group| write(&group)).map_err(unwritten)?;
            group = DataFrame::empty_with_schema(&query.schema);
        }
    }
    if group.height() > 0 {
        stored(&group).and_then(|group| write(&group)).map_err(unwritten)?;
    }
    Ok(rows)
}

/// The columns of rows as files have them.
fn stored_schema(schema: &Schema) -> Schema {
    schema.iter().map(|(name, data_type)| (name.clone(), stored_type(data_type))).collect()
}

/// The type that files have for a type: neither Parquet nor Arrow has integers of 128 bits, but decimals of 38 digits.
fn stored_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int128 | DataType::UInt128 => DataType::Decimal(38, 0),
        DataType::List(inner) => DataType::List(Box::new(stored_type(inner))),
        DataType::Struct(fields) => DataType::Struct(
            fields.iter().map(|field| Field::new(field.name.clone(), stored_type(&field.dtype))).collect(),
        ),
        other => other.clone(),
    }
}

fn stored(group: &DataFrame) -> PolarsResult<DataFrame> {
    let columns = group.columns().iter().map(|column| column.strict_cast(&stored_type(column.dtype())));
    let mut stored = DataFrame::new(group.height(), columns.collect::<PolarsResult<_>>()?)?;
    stored.align_chunks_par();
    Ok(stored)
}
