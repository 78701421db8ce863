//! One tick of a trace, table by table.

use cdt_schema::{ChannelSet, TableId, Tick};
use cdt_trace::{Error, Source, Trace};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{BlockCursor, Value, row_values};

/// Everything that a tick carries of the asked channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TickView {
    /// The tick.
    #[serde(serialize_with = "tick_number")]
    #[schemars(with = "u32")]
    pub tick: Tick,
    /// Digest of each channel, in causal order.
    pub channels: Vec<ChannelView>,
}

/// What a tick carries of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChannelView {
    /// The channel's name.
    pub channel: &'static str,
    /// Its digest at the tick, in hexadecimal.
    pub digest: String,
    /// Its tables.
    pub tables: Vec<TableView>,
}

/// The rows of one table at a tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TableView {
    /// The table's name.
    pub table: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows' cells.
    pub rows: Vec<Vec<Value>>,
}

fn tick_number<S: serde::Serializer>(tick: &Tick, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(tick.0)
}

/// One tick of a trace; `None` if the trace has no such tick.
///
/// # Errors
/// The block that holds it cannot be read or is damaged.
pub fn tick<S: Source>(trace: &Trace<S>, tick: Tick, channels: ChannelSet) -> Result<Option<TickView>, Error> {
    let mut cursor = BlockCursor::new(trace);
    let layout = trace.layout().clone();
    let asked: ChannelSet = layout.channels().iter().filter(|&channel| channels.contains(channel)).collect();
    if cursor.at(tick, asked)?.is_none() {
        return Ok(None);
    }
    let digests: Result<Vec<_>, _> = asked.iter().map(|channel| cursor.digest(tick, channel)).collect();
    let digests = digests?;
    let Some((rows, index)) = cursor.at(tick, asked)? else { return Ok(None) };
    let view = |(id, schema): (TableId, &cdt_schema::TableSchema)| TableView {
        table: schema.name.clone(),
        columns: schema.columns.iter().map(|column| column.name.clone()).collect(),
        rows: rows.range(id, index).map(|row| row_values(rows, id, row)).collect(),
    };
    let channels = asked.iter().zip(digests).map(|(channel, digest)| ChannelView {
        channel: channel.name(),
        digest: digest.unwrap_or_default().to_string(),
        tables: layout.tables_of(channel).map(view).collect(),
    });
    Ok(Some(TickView { tick, channels: channels.collect() }))
}
