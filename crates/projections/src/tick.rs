//! One tick of a trace, table by table.

use cdt_schema::{ChannelSet, TableId, Tick, TickDigester};
use cdt_trace::{BlockDecoder, Error, Source, Trace};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Value, row_values};

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
    let layout = trace.layout().clone();
    let asked: ChannelSet = layout.channels().iter().filter(|&channel| channels.contains(channel)).collect();
    let Some(rows) = trace.tick_by(&mut BlockDecoder::new(), tick, asked)? else { return Ok(None) };
    let index = rows.ticks().len() - 1;
    let mut digester = TickDigester::new(&layout);
    // Of memory a tick carries what changed, so the digest needs the ticks before.
    let mut digest =
        |channel| (0..=index).map(|tick| digester.channel(&rows, channel, tick)).last().unwrap_or_default();
    let view = |(id, schema): (TableId, &cdt_schema::TableSchema)| TableView {
        table: schema.name.clone(),
        columns: schema.columns.iter().map(|column| column.name.clone()).collect(),
        rows: rows.range(id, index).map(|row| row_values(&rows, id, row)).collect(),
    };
    let channels = asked.iter().map(|channel| ChannelView {
        channel: channel.name(),
        digest: digest(channel).to_string(),
        tables: layout.tables_of(channel).map(view).collect(),
    });
    Ok(Some(TickView { tick, channels: channels.collect() }))
}
