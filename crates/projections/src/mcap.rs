//! A trace as an MCAP file: a topic for each table, a JSON message for each of its ticks.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io::{Seek, Write};

use cdt_schema::columns::{events, step};
use cdt_schema::{Arity, ChannelSet, ColumnType, Rows, ScalarType, TableId, TableKind, TableSchema, Tick};
use cdt_trace::{BlockDecoder, Source, Trace, TraceIndex, Watch};
use mcap::records::{MessageHeader, Metadata};
use mcap::{McapError, WriteOptions};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::{Window, cell};

/// Nanoseconds from tick to tick where a trace knows neither elapsed time nor a tick rate.
const UNKNOWN_RATE: f64 = 1e9 / 60.0;

/// Why there is no file.
#[derive(Debug)]
pub enum McapFault {
    /// The trace cannot be read or is damaged.
    Trace(cdt_trace::Error),
    /// The file cannot be written.
    Write(String),
    /// The work was stopped on request.
    Stopped,
}

impl fmt::Display for McapFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            McapFault::Trace(error) => error.fmt(f),
            McapFault::Write(error) => write!(f, "cannot write the MCAP file: {error}"),
            McapFault::Stopped => f.write_str("stopped on request; nothing was written"),
        }
    }
}

impl Error for McapFault {}

impl From<cdt_trace::Error> for McapFault {
    fn from(error: cdt_trace::Error) -> McapFault {
        McapFault::Trace(error)
    }
}

impl From<McapError> for McapFault {
    fn from(error: McapError) -> McapFault {
        // It leaves the operating system's own words to its source.
        let source = error.source().map(|source| format!(": {source}"));
        McapFault::Write(format!("{error}{}", source.unwrap_or_default()))
    }
}

/// Writes the ticks of a window as an MCAP file, and gives how many messages it has.
///
/// A message's time is the simulated time that its tick has elapsed; where the trace has no steps, the tick's number over the
/// tick rate. Provenance and recorded loss stand in the file's metadata.
///
/// # Errors
/// The trace cannot be read, the file cannot be written, or the work was stopped.
pub fn write_mcap<S: Source>(
    trace: &Trace<S>,
    window: Window,
    out: impl Write + Seek,
    watch: &dyn Watch,
) -> Result<u64, McapFault> {
    let index = trace.index();
    let options = WriteOptions::new().profile("").library(concat!("cdt ", env!("CARGO_PKG_VERSION")));
    let mut writer = options.compression_threads(0).create(out)?;
    let mut topics = Vec::new();
    for (number, schema) in index.layout.tables().iter().enumerate() {
        let text = serde_json::to_vec(&MessageSchema { schema }).expect("a schema is JSON");
        let schema_id = writer.add_schema(&format!("cdt.{}", schema.name), "jsonschema", &text)?;
        let topic = format!("/{}", schema.name.replace('.', "/"));
        topics.push((TableId(number), writer.add_channel(schema_id, &topic, "json", &BTreeMap::new())?));
    }
    writer.write_metadata(&provenance(index))?;
    let mut decoder = BlockDecoder::new();
    let (mut messages, mut text) = (0, Vec::new());
    for (block, entry) in index.blocks.iter().enumerate() {
        watch.progress(block as u64, Some(index.blocks.len() as u64));
        if watch.cancelled() {
            return Err(McapFault::Stopped);
        }
        if !window.touches(entry.first_tick, entry.last_tick) {
            continue;
        }
        let rows = trace.block_by(&mut decoder, block, ChannelSet::ALL)?;
        for (position, &tick) in rows.ticks().iter().enumerate().filter(|(_, tick)| window.contains(**tick)) {
            let time = nanoseconds(index, &rows, position, tick);
            for &(table, channel_id) in &topics {
                text.clear();
                let message = Message { rows: &rows, table, position, tick };
                serde_json::to_writer(&mut text, &message).expect("a message is JSON");
                let header = MessageHeader { channel_id, sequence: tick.0, log_time: time, publish_time: time };
                writer.write_to_known_channel(&header, &text)?;
                messages += 1;
            }
        }
        decoder.recycle(rows);
    }
    writer.finish()?;
    Ok(messages)
}

/// When a tick was, in ns from the start of the run.
fn nanoseconds(index: &TraceIndex, rows: &Rows, position: usize, tick: Tick) -> u64 {
    if let Some(table) = index.layout.table(TableKind::Step) {
        let row = rows.range(table, position).start;
        return rows.table(table).columns[step::ELAPSED].bits(row).saturating_mul(1000);
    }
    let each = index.meta.run.tick_rate.map_or(UNKNOWN_RATE, |rate| 1e9 / rate);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from float saturates")]
    let time = (f64::from(tick.0) * each).round() as u64;
    time
}

fn provenance(index: &TraceIndex) -> Metadata {
    let meta = &index.meta;
    let text = str::to_owned;
    let mut metadata = BTreeMap::from([
        (text("session"), meta.session.clone()),
        (text("run"), meta.run.id.clone()),
        (text("producer"), format!("{} {}", meta.producer.name, meta.producer.version)),
        (text("program"), meta.program.name.clone()),
        (text("content_digest"), index.content_digest.to_string()),
        (text("tick_rate"), meta.run.tick_rate.map_or_else(|| text("unknown"), |rate| rate.to_string())),
    ]);
    for (number, loss) in index.loss.iter().enumerate() {
        metadata.insert(format!("loss.{number}"), loss.to_string());
    }
    Metadata { name: text("cdt"), metadata }
}

/// One tick's rows of a table: of a table with one row a tick its columns, else a list of rows.
struct Message<'a> {
    rows: &'a Rows,
    table: TableId,
    position: usize,
    tick: Tick,
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let schema = &self.rows.layout().tables()[self.table.0];
        let range = self.rows.range(self.table, self.position);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(TICK, &self.tick.0)?;
        if is_one_row(schema) {
            columns(&mut map, self.rows, self.table, range.start)?;
        } else {
            map.serialize_entry("rows", &RowList { rows: self.rows, table: self.table, range })?;
        }
        map.end()
    }
}

/// The member for the tick. A declared field of that name is called `state.tick`.
const TICK: &str = "tick";

fn is_one_row(schema: &TableSchema) -> bool {
    schema.arity == Arity::Fixed(1) && schema.kind != TableKind::Inputs
}

/// What a column's member is called.
fn member<'a>(schema: &'a TableSchema, column: usize) -> std::borrow::Cow<'a, str> {
    let name = &schema.columns[column].name;
    if is_one_row(schema) && name == TICK { format!("{}.{name}", schema.name).into() } else { name.into() }
}

struct RowList<'a> {
    rows: &'a Rows,
    table: TableId,
    range: std::ops::Range<usize>,
}

impl Serialize for RowList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.range.len()))?;
        for row in self.range.clone() {
            list.serialize_element(&Row { rows: self.rows, table: self.table, row })?;
        }
        list.end()
    }
}

struct Row<'a> {
    rows: &'a Rows,
    table: TableId,
    row: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        columns(&mut map, self.rows, self.table, self.row)?;
        map.end()
    }
}

/// The columns of a row. What is not there, a subject or a cause, is left out.
fn columns<M: SerializeMap>(map: &mut M, rows: &Rows, table: TableId, row: usize) -> Result<(), M::Error> {
    let schema = &rows.layout().tables()[table.0];
    for (column, declared) in schema.columns.iter().enumerate() {
        let name = member(schema, column);
        match declared.column_type {
            ColumnType::Page => map.serialize_entry(&name, &Hex(rows.table(table).columns[column].bytes(row)))?,
            _ if is_absent(schema, rows, (table, column, row)) => {}
            _ => map.serialize_entry(&name, &cell(rows, table, column, row))?,
        }
    }
    Ok(())
}

fn is_absent(schema: &TableSchema, rows: &Rows, (table, column, row): (TableId, usize, usize)) -> bool {
    let bits = |column: usize| rows.table(table).columns[column].bits(row);
    schema.kind == TableKind::Events
        && match column {
            events::HAS_SUBJECT => true,
            events::SUBJECT_KIND | events::SUBJECT_SLOT | events::SUBJECT_GENERATION => bits(events::HAS_SUBJECT) == 0,
            events::CAUSE => bits(events::CAUSE) == 0,
            _ => false,
        }
}

/// All bytes of a page.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The JSON Schema of a table's messages.
struct MessageSchema<'a> {
    schema: &'a TableSchema,
}

#[derive(Serialize)]
struct ObjectSchema<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    r#type: &'static str,
    properties: BTreeMap<String, TypeSchema<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum TypeSchema<'a> {
    Type { r#type: &'static str },
    Rows { r#type: &'static str, items: ObjectSchema<'a> },
}

impl Serialize for MessageSchema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let schema = self.schema;
        let all = (0..schema.columns.len()).filter(|&c| schema.kind != TableKind::Events || c != events::HAS_SUBJECT);
        let mut properties: BTreeMap<String, TypeSchema<'_>> = all
            .map(|column| (member(schema, column).into_owned(), TypeSchema::Type { r#type: type_of(schema, column) }))
            .collect();
        if !is_one_row(schema) {
            let items = ObjectSchema { title: None, r#type: "object", properties };
            properties = BTreeMap::from([("rows".to_owned(), TypeSchema::Rows { r#type: "array", items })]);
        }
        properties.insert(TICK.to_owned(), TypeSchema::Type { r#type: "integer" });
        ObjectSchema { title: Some(&schema.name), r#type: "object", properties }.serialize(serializer)
    }
}

/// The JSON type of a column's values: 64-bit integers and names are strings.
fn type_of(schema: &TableSchema, column: usize) -> &'static str {
    match schema.columns[column].column_type {
        ColumnType::Page => "string",
        ColumnType::Values => "object",
        ColumnType::Scalar(_) if crate::value::is_name(schema.kind, column) => "string",
        ColumnType::Scalar(ScalarType::Bool) => "boolean",
        ColumnType::Scalar(ScalarType::F32 | ScalarType::F64) => "number",
        ColumnType::Scalar(ScalarType::I64 | ScalarType::U64) => "string",
        ColumnType::Scalar(_) => "integer",
    }
}
