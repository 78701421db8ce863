//! What stands in one cell of a table, with numbers that name something put as the name.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use cdt_schema::columns::{calls, commands, events, rng, timing};
use cdt_schema::{ColumnType, Rows, Scalar, TableId, TableKind};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// The content of a cell. In JSON: numbers and booleans as such, 64-bit integers as strings, names as strings, lists of
/// values and rows as objects, bytes as hexadecimal strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number or a boolean.
    Scalar(Scalar),
    /// What a number names: a stream, a stage, a kind, a syscall, an origin, a decision.
    Name(String),
    /// The members of a list, with their names.
    List(Vec<(String, Scalar)>),
    /// Bytes of memory, and how many there are: of many, only the first are kept.
    Bytes {
        /// The first of them.
        shown: Vec<u8>,
        /// All of them.
        count: usize,
    },
    /// The cells of a row, with the names of their columns.
    Row(Vec<(String, Value)>),
}

/// Names of the decisions on a call, by number.
pub(crate) const DECISIONS: [&str; 2] = ["allowed", "denied"];
/// Names of the origins of events, by number.
pub(crate) const ORIGINS: [&str; 3] = ["guest", "host", "debugger"];

/// Bytes of memory that a value keeps.
const SHOWN_BYTES: usize = 32;

impl Value {
    /// Bytes of memory, cut to what people read.
    pub fn bytes(bytes: &[u8]) -> Value {
        Value::Bytes { shown: bytes[..bytes.len().min(SHOWN_BYTES)].to_vec(), count: bytes.len() }
    }

    /// The scalar, if it is one.
    pub fn scalar(&self) -> Option<Scalar> {
        if let Value::Scalar(scalar) = self { Some(*scalar) } else { None }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Scalar(scalar) => scalar.fmt(f),
            Value::Name(name) => f.write_str(name),
            Value::List(members) if members.is_empty() => f.write_str("nothing"),
            Value::List(members) => {
                let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}={value}")).collect();
                f.write_str(&members.join(" "))
            }
            Value::Bytes { shown, count } if shown.len() < *count => write!(f, "{}… ({count} bytes)", hex(shown)),
            Value::Bytes { shown, .. } => f.write_str(&hex(shown)),
            Value::Row(cells) => {
                // A list's members have names of their own, and say enough; one without members says nothing.
                let cell = |(name, value): &(String, Value)| match value {
                    Value::List(members) if members.is_empty() => None,
                    Value::List(_) => Some(format!("{name}({value})")),
                    _ => Some(format!("{name}={value}")),
                };
                f.write_str(&cells.iter().filter_map(cell).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A scalar as JSON has it: 64-bit integers as strings, floats with the fewest digits that bring their bits back.
#[derive(Clone, Copy, Debug)]
struct ScalarJson(Scalar);

impl Serialize for ScalarJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Scalar::Bool(v) => serializer.serialize_bool(v),
            Scalar::U8(v) => serializer.serialize_u8(v),
            Scalar::U16(v) => serializer.serialize_u16(v),
            Scalar::I32(v) => serializer.serialize_i32(v),
            Scalar::U32(v) => serializer.serialize_u32(v),
            Scalar::I64(v) => serializer.collect_str(&v),
            Scalar::U64(v) => serializer.collect_str(&v),
            Scalar::F32(v) => serializer.serialize_f32(v),
            Scalar::F64(v) => serializer.serialize_f64(v),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Scalar(scalar) => ScalarJson(*scalar).serialize(serializer),
            Value::Name(name) => serializer.serialize_str(name),
            Value::List(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, ScalarJson(*value))))
            }
            Value::Bytes { .. } => serializer.collect_str(self),
            Value::Row(cells) => serializer.collect_map(cells.iter().map(|(name, value)| (name, value))),
        }
    }
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let description = "A number or a boolean; a 64-bit integer, a name or bytes in hexadecimal as a string; the members \
                           of a list or the cells of a row by their names.";
        json_schema!({ "description": description, "type": ["number", "boolean", "string", "object"] })
    }
}

/// The content of one cell.
pub fn cell(rows: &Rows, table: TableId, column: usize, row: usize) -> Value {
    let layout = rows.layout();
    let schema = &layout.tables()[table.0];
    match schema.columns[column].column_type {
        ColumnType::Values => {
            let members = rows.values(table, column, row).into_iter();
            Value::List(members.map(|(field, value)| (field.name, value)).collect())
        }
        ColumnType::Page => Value::bytes(rows.table(table).columns[column].bytes(row)),
        ColumnType::Scalar(_) => {
            let scalar = rows.scalar(table, column, row);
            let index = usize::try_from(scalar.bits()).unwrap_or(usize::MAX);
            let stages = &layout.spec().stages;
            let name = match (schema.kind, column) {
                (TableKind::Rng, rng::STREAM) => Some(layout.rng_streams()[index].name.clone()),
                (TableKind::Commands, commands::KIND) => Some(layout.command_kinds()[index].name.clone()),
                (TableKind::Calls, calls::SYSCALL) => Some(layout.syscalls()[index].identity()),
                (TableKind::Calls, calls::STAGE) | (TableKind::Timing, timing::STAGE) => Some(stages[index].clone()),
                (TableKind::Calls, calls::DECISION) => Some(DECISIONS[index].to_owned()),
                (TableKind::Events, events::KIND) => Some(layout.event_kinds()[index].name.clone()),
                (TableKind::Events, events::ORIGIN) => Some(ORIGINS[index].to_owned()),
                (TableKind::Events, events::SUBJECT_KIND) => subject_kind(rows, table, row, index),
                _ => None,
            };
            name.map_or(Value::Scalar(scalar), Value::Name)
        }
    }
}

/// Whether the numbers of a column stand for names, which [`cell`] gives in their place.
#[cfg(feature = "mcap")]
pub(crate) fn is_name(kind: TableKind, column: usize) -> bool {
    matches!(
        (kind, column),
        (TableKind::Rng, rng::STREAM)
            | (TableKind::Commands, commands::KIND)
            | (TableKind::Calls, calls::SYSCALL | calls::STAGE | calls::DECISION)
            | (TableKind::Timing, timing::STAGE)
            | (TableKind::Events, events::KIND | events::ORIGIN | events::SUBJECT_KIND)
    )
}

/// The name of an event's subject's kind, if it has a subject.
fn subject_kind(rows: &Rows, table: TableId, row: usize, index: usize) -> Option<String> {
    let present = rows.scalar(table, events::HAS_SUBJECT, row) == Scalar::Bool(true);
    present.then(|| rows.layout().entity_kinds()[index].name.clone())
}

/// The contents of a row's cells.
pub fn row_values(rows: &Rows, table: TableId, row: usize) -> Vec<Value> {
    (0..rows.layout().tables()[table.0].columns.len()).map(|column| cell(rows, table, column, row)).collect()
}
