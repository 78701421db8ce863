//! What a trace holds, as the JSON that stands beside it. `traces/conformance/README.md` says how values are told.

use std::io;

use cdt_schema::{
    ChannelSet, CheckpointLayout, ColumnType, Digest, Field, Layout, Rows, Scalar, ScalarType, TableId, Tick,
};
use cdt_trace::{Error, ErrorKind, Loss, Meta, Totals, Trace};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

#[derive(Serialize)]
struct Content {
    meta: MetaText,
    layout: LayoutText,
    layout_digest: String,
    tick_runs: Vec<[u32; 2]>,
    blocks: Vec<BlockText>,
    segments: Vec<SegmentText>,
    loss: Vec<LossText>,
    content_digest: String,
    end_reason: String,
}

#[derive(Serialize)]
struct MetaText {
    session: String,
    producer_name: String,
    producer_version: String,
    producer_platform: String,
    producer_arch: String,
    program_name: String,
    program_build: Option<String>,
    program_hash: Option<String>,
    run_id: String,
    seed: Option<String>,
    seed_source: String,
    mode: u32,
    tick_rate: Option<Value>,
    reason: String,
}

#[derive(Serialize)]
struct LayoutText {
    players: u8,
    timing: bool,
    stages: Vec<String>,
    step: Option<Vec<NamedText>>,
    rng: Option<Vec<StreamText>>,
    calls: Option<Vec<SyscallText>>,
    state: Option<Vec<FieldText>>,
    entities: Option<Vec<NamedText>>,
    checkpoint: Option<Vec<String>>,
    events: Option<Vec<NamedText>>,
    memory: Option<MemoryText>,
}

#[derive(Serialize)]
struct FieldText {
    name: String,
    r#type: &'static str,
}

#[derive(Serialize)]
struct NamedText {
    name: String,
    fields: Vec<FieldText>,
}

#[derive(Serialize)]
struct StreamText {
    name: String,
    algorithm: &'static str,
}

#[derive(Serialize)]
struct SyscallText {
    module: String,
    name: String,
    version: u16,
    args: Vec<FieldText>,
    result: Option<&'static str>,
}

#[derive(Serialize)]
struct MemoryText {
    page_size: u32,
    pages: u32,
}

#[derive(Serialize)]
struct BlockText {
    tick_runs: Vec<[u32; 2]>,
    tables: Vec<TableText>,
    channel_digests: Vec<ChannelDigest>,
    #[serde(flatten)]
    totals: TotalsText,
}

#[derive(Serialize)]
struct TableText {
    name: String,
    rows_of_ticks: Vec<u32>,
    columns: Vec<ColumnText>,
}

#[derive(Serialize)]
struct ColumnText {
    name: String,
    values: Vec<Value>,
}

#[derive(Serialize)]
struct ChannelDigest {
    channel: &'static str,
    digest: String,
}

#[derive(Serialize)]
struct SegmentText {
    blocks: usize,
    tick_digests: Vec<String>,
    #[serde(flatten)]
    totals: TotalsText,
}

#[derive(Serialize)]
struct TotalsText {
    rows: Vec<String>,
    ticks_with_input: String,
    changed: Vec<u8>,
    diagnostics: Vec<String>,
}

#[derive(Serialize)]
struct LossText {
    kind: &'static str,
    from: u32,
    to: Option<u32>,
    detail: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    Bool(bool),
    Small(i64),
    Text(String),
    List(Vec<Value>),
}

impl Value {
    fn of(scalar: Scalar) -> Value {
        match scalar {
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::U8(value) => Value::Small(value.into()),
            Scalar::U16(value) => Value::Small(value.into()),
            Scalar::I32(value) => Value::Small(value.into()),
            Scalar::U32(value) => Value::Small(value.into()),
            Scalar::I64(_) | Scalar::U64(_) => Value::Text(scalar.to_string()),
            Scalar::F32(_) | Scalar::F64(_) => Value::Text(format!("{} {scalar}", scalar.bit_pattern())),
        }
    }
}

/// What a trace holds.
pub fn content(trace: &Trace<Vec<u8>>) -> Result<String, Error> {
    let index = trace.index();
    let mut segments = Vec::new();
    let mut blocks = Vec::new();
    for segment in 0..trace.segments() {
        let tick_digests = trace.digests(segment)?.iter().map(Digest::to_string).collect();
        let of = trace.blocks_of(segment);
        segments.push(SegmentText { blocks: of.len(), tick_digests, totals: totals(trace.totals(segment)) });
        for (block, summary) in of.zip(trace.summaries(segment)?) {
            let rows = trace.block(block, ChannelSet::ALL)?;
            let channels = rows.layout().channels();
            let digest = |(channel, digest): (cdt_schema::Channel, &Digest)| ChannelDigest {
                channel: channel.name(),
                digest: digest.to_string(),
            };
            blocks.push(BlockText {
                tick_runs: tick_runs(rows.ticks()),
                tables: (0..rows.layout().tables().len()).map(|id| table(&rows, TableId(id))).collect(),
                channel_digests: channels.iter().zip(&summary.channel_digests).map(digest).collect(),
                totals: totals(&summary.totals),
            });
        }
    }
    Ok(to_text(&Content {
        meta: meta(&index.meta),
        layout: layout(trace.layout()),
        layout_digest: trace.layout().digest().to_string(),
        tick_runs: index.tick_runs.iter().map(|run| [run.first.0, run.count]).collect(),
        blocks,
        segments,
        loss: index.loss.iter().map(loss).collect(),
        content_digest: index.content_digest.to_string(),
        end_reason: index.end_reason.clone(),
    }))
}

fn tick_runs(ticks: &[Tick]) -> Vec<[u32; 2]> {
    let runs = ticks.chunk_by(|a, b| a.next() == Some(*b));
    runs.map(|run| [run[0].0, u32::try_from(run.len()).unwrap()]).collect()
}

fn table(rows: &Rows, id: TableId) -> TableText {
    let (schema, table) = (&rows.layout().tables()[id.0], rows.table(id));
    let value = |column: usize, row: usize| match schema.columns[column].column_type {
        ColumnType::Scalar(_) => Value::of(rows.scalar(id, column, row)),
        ColumnType::Values => {
            Value::List(rows.values(id, column, row).into_iter().map(|(_, value)| Value::of(value)).collect())
        }
        ColumnType::Page => {
            Value::Text(table.columns[column].bytes(row).iter().map(|byte| format!("{byte:02x}")).collect())
        }
    };
    let column = |number: usize| ColumnText {
        name: schema.columns[number].name.clone(),
        values: (0..table.rows()).map(|row| value(number, row)).collect(),
    };
    TableText {
        name: schema.name.clone(),
        rows_of_ticks: (0..rows.ticks().len()).map(|tick| u32::try_from(rows.range(id, tick).len()).unwrap()).collect(),
        columns: (0..schema.columns.len()).map(column).collect(),
    }
}

fn totals(totals: &Totals) -> TotalsText {
    TotalsText {
        rows: totals.rows.iter().map(u64::to_string).collect(),
        ticks_with_input: totals.ticks_with_input.to_string(),
        changed: totals.changed.iter().map(|change| u8::from(change.within) | u8::from(change.entered) << 1).collect(),
        diagnostics: totals.diagnostics.iter().map(Digest::to_string).collect(),
    }
}

fn loss(loss: &Loss) -> LossText {
    LossText { kind: loss.kind.name(), from: loss.from.0, to: loss.to.map(|tick| tick.0), detail: loss.detail.clone() }
}

fn meta(meta: &Meta) -> MetaText {
    let Meta { session, producer, program, run } = meta.clone();
    MetaText {
        session,
        producer_name: producer.name,
        producer_version: producer.version,
        producer_platform: producer.platform,
        producer_arch: producer.arch,
        program_name: program.name,
        program_build: program.build,
        program_hash: program.hash,
        run_id: run.id,
        seed: run.seed.map(|seed| seed.to_string()),
        seed_source: run.seed_source,
        mode: run.mode,
        tick_rate: run.tick_rate.map(|rate| Value::of(Scalar::F64(rate))),
        reason: run.reason,
    }
}

fn fields(fields: &[Field]) -> Vec<FieldText> {
    fields.iter().map(|field| FieldText { name: field.name.clone(), r#type: field.scalar_type.name() }).collect()
}

fn named<'a, T>(list: &'a [T], parts: impl Fn(&'a T) -> (&'a String, &'a Vec<Field>)) -> Vec<NamedText> {
    let text = |(name, of): (&String, &Vec<Field>)| NamedText { name: name.clone(), fields: fields(of) };
    list.iter().map(|entry| text(parts(entry))).collect()
}

fn layout(layout: &Layout) -> LayoutText {
    let spec = layout.spec();
    let stream =
        |stream: &cdt_schema::RngStream| StreamText { name: stream.name.clone(), algorithm: stream.algorithm.name() };
    let syscall = |syscall: &cdt_schema::Syscall| SyscallText {
        module: syscall.module.clone(),
        name: syscall.name.clone(),
        version: syscall.version,
        args: fields(&syscall.args),
        result: syscall.result.map(ScalarType::name),
    };
    LayoutText {
        players: spec.players,
        timing: spec.timing,
        stages: spec.stages.clone(),
        step: spec.step.as_ref().map(|step| named(&step.commands, |kind| (&kind.name, &kind.args))),
        rng: spec.rng.as_ref().map(|streams| streams.iter().map(stream).collect()),
        calls: spec.calls.as_ref().map(|syscalls| syscalls.iter().map(syscall).collect()),
        state: spec.state.as_ref().map(|of| fields(of)),
        entities: spec.entities.as_ref().map(|kinds| named(kinds, |kind| (&kind.name, &kind.fields))),
        checkpoint: spec.checkpoint.as_ref().map(checkpoint),
        events: spec.events.as_ref().map(|kinds| named(kinds, |kind| (&kind.name, &kind.values))),
        memory: spec.memory.map(|memory| MemoryText { page_size: memory.page_size, pages: memory.pages }),
    }
}

/// What a checkpoint declares, as the layout digest's text says it.
fn checkpoint(of: &CheckpointLayout) -> Vec<String> {
    let parts = [
        (of.state_digest, "state_digest"),
        (of.frame_digest, "frame_digest"),
        (of.audio_digest, "audio_digest"),
        (of.rng_state, "rng_state"),
        (of.entity_counts, "entity_counts"),
        (of.fuel, "fuel"),
    ];
    let declared = parts.iter().filter(|(declared, _)| *declared).map(|(_, name)| (*name).to_owned());
    declared.chain(of.counters.iter().map(|name| format!("counter {name}"))).collect()
}

#[derive(Serialize)]
struct Fault {
    kind: &'static str,
    offset: Option<String>,
    message: String,
}

/// Why a trace is refused.
pub fn fault(error: &Error) -> String {
    let (kind, offset) = match error.kind() {
        ErrorKind::NotATrace => ("not a trace", None),
        ErrorKind::Version => ("version", None),
        ErrorKind::Incomplete => ("incomplete", None),
        ErrorKind::Damaged { offset } => ("damaged", Some(offset.to_string())),
        other => panic!("{other:?} is no fault of bytes: {error}"),
    };
    to_text(&Fault { kind, offset, message: error.to_string() })
}

/// Objects over several lines, lists in one: what is read by eye, and in which a change shows.
struct Lines(PrettyFormatter<'static>);

impl Formatter for Lines {
    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

fn to_text(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Lines(PrettyFormatter::with_indent(b" ")))).unwrap();
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap()
}
