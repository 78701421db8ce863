//! Rows of an answer, and their cells as text and as JSON.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use polars::prelude::{AnyValue, DataFrame, DataType};

/// Rows of an answer.
#[derive(Clone, Debug)]
pub struct Batch(pub(super) DataFrame);

impl Batch {
    /// How many rows there are; at least one.
    pub fn rows(&self) -> usize {
        self.0.height()
    }

    /// The cells of a row as text: floats with the fewest digits that bring their bits back, bytes in hexadecimal, lists and
    /// structs as JSON; `None` for null.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn text(&self, row: usize) -> Vec<Option<String>> {
        self.cells(row).map(|cell| text(&cell).map(Cow::into_owned)).collect()
    }

    /// Writes a row as a JSON object.
    pub(super) fn write_json(&self, row: usize, out: &mut dyn Write) -> io::Result<()> {
        let names = self.0.columns().iter().map(|column| column.name().as_str());
        write_object(names.zip(self.cells(row)), out)
    }

    fn cells(&self, row: usize) -> impl Iterator<Item = AnyValue<'_>> {
        self.0.columns().iter().map(move |column| column.get(row).expect("the row is there"))
    }
}

fn text<'a>(cell: &'a AnyValue<'_>) -> Option<Cow<'a, str>> {
    Some(match cell {
        AnyValue::Null => return None,
        AnyValue::String(text) => Cow::Borrowed(text),
        AnyValue::StringOwned(text) => Cow::Borrowed(text.as_str()),
        AnyValue::Float32(number) => Cow::Owned(format!("{number:?}")),
        AnyValue::Float64(number) => Cow::Owned(format!("{number:?}")),
        AnyValue::Binary(bytes) => Cow::Owned(hex(bytes)),
        AnyValue::BinaryOwned(bytes) => Cow::Owned(hex(bytes)),
        AnyValue::List(_) | AnyValue::Struct(..) | AnyValue::StructOwned(_) => {
            let mut json = Vec::new();
            write_value(cell, &mut json).expect("memory takes all that is written");
            Cow::Owned(String::from_utf8(json).expect("JSON is text"))
        }
        _ => Cow::Owned(cell.to_string()),
    })
}

/// Up to there every whole number is one of those that JavaScript has.
const MOST_EXACT: u64 = 1 << 53;

/// A value as JSON: what may be a 64-bit integer of the trace is a string, as everywhere in this project, and so are whole
/// numbers past what JavaScript has, bytes, in hexadecimal, and numbers that JSON cannot say, which only a query's arithmetic
/// makes.
fn write_value(cell: &AnyValue<'_>, out: &mut dyn Write) -> io::Result<()> {
    match cell {
        AnyValue::Null => out.write_all(b"null"),
        AnyValue::Float32(number) if number.is_finite() => write!(out, "{number:?}"),
        AnyValue::Float64(number) if number.is_finite() => write!(out, "{number:?}"),
        AnyValue::Boolean(_)
        | AnyValue::Int8(_)
        | AnyValue::Int16(_)
        | AnyValue::Int32(_)
        | AnyValue::UInt8(_)
        | AnyValue::UInt16(_)
        | AnyValue::UInt32(_) => write!(out, "{cell}"),
        AnyValue::Int64(number) if number.unsigned_abs() <= MOST_EXACT => write!(out, "{number}"),
        AnyValue::List(values) => {
            out.write_all(b"[")?;
            for (index, value) in values.iter().enumerate() {
                out.write_all(if index == 0 { b"" } else { b"," })?;
                write_value(&value, out)?;
            }
            out.write_all(b"]")
        }
        AnyValue::Struct(..) | AnyValue::StructOwned(_) => {
            let DataType::Struct(fields) = cell.dtype() else { return write_text(&cell.to_string(), out) };
            let mut values = Vec::with_capacity(fields.len());
            cell._materialize_struct_av(&mut values);
            write_object(fields.iter().map(|field| field.name.as_str()).zip(values), out)
        }
        _ => write_text(&text(cell).unwrap_or_default(), out),
    }
}

fn write_object<'a>(members: impl Iterator<Item = (&'a str, AnyValue<'a>)>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"{")?;
    for (index, (name, value)) in members.enumerate() {
        out.write_all(if index == 0 { b"" } else { b"," })?;
        write_text(name, out)?;
        out.write_all(b":")?;
        write_value(&value, out)?;
    }
    out.write_all(b"}")
}

pub(super) fn write_text(text: &str, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
