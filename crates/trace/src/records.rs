//! The rkyv records of the file's section heads: plain structures of numbers, strings and lists, and their translation
//! to and from the types that the rest of the lab uses. Validated access is the only way in.

use cdt_schema::{
    CheckpointLayout, CommandKind, Digest, EntityKind, EventKind, Field, Layout, LayoutSpec, MemoryLayout,
    RngAlgorithm, RngStream, ScalarType, StepLayout, Syscall, Tick,
};
use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Portable, Serialize};

use crate::extent::{self, Extent};
use crate::summary::Change;
use crate::{BlockSummary, Loss, LossKind, Meta, Producer, Program, Run, Totals};

#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct MetaRecord {
    session: String,
    producer_name: String,
    producer_version: String,
    producer_platform: String,
    producer_arch: String,
    program_name: String,
    program_build: Option<String>,
    program_hash: Option<String>,
    run_id: String,
    seed: Option<u64>,
    seed_source: String,
    mode: u32,
    tick_rate: Option<f64>,
    reason: String,
    layout: LayoutRecord,
}

#[derive(Archive, Serialize, Deserialize)]
struct LayoutRecord {
    players: u8,
    timing: bool,
    stages: Vec<String>,
    step: Option<Vec<NamedFieldsRecord>>,
    rng: Option<Vec<RngStreamRecord>>,
    calls: Option<Vec<SyscallRecord>>,
    state: Option<Vec<FieldRecord>>,
    entities: Option<Vec<NamedFieldsRecord>>,
    checkpoint: Option<CheckpointRecord>,
    events: Option<Vec<NamedFieldsRecord>>,
    memory: Option<MemoryRecord>,
}

#[derive(Archive, Serialize, Deserialize)]
struct FieldRecord {
    name: String,
    scalar_type: u8,
}

#[derive(Archive, Serialize, Deserialize)]
struct NamedFieldsRecord {
    name: String,
    fields: Vec<FieldRecord>,
}

#[derive(Archive, Serialize, Deserialize)]
struct RngStreamRecord {
    name: String,
    algorithm: u8,
}

#[derive(Archive, Serialize, Deserialize)]
struct SyscallRecord {
    module: String,
    name: String,
    version: u16,
    args: Vec<FieldRecord>,
    result: Option<u8>,
}

/// `flags`: bit 0 state digest, 1 frame digest, 2 audio digest, 3 rng state, 4 entity counts, 5 fuel.
#[derive(Archive, Serialize, Deserialize)]
struct CheckpointRecord {
    flags: u8,
    counters: Vec<String>,
}

#[derive(Archive, Serialize, Deserialize)]
struct MemoryRecord {
    page_size: u32,
    pages: u32,
}

/// Head of a block.
#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct BlockRecord {
    /// The block's ticks.
    pub(crate) tick_runs: Vec<TickRunRecord>,
    /// Rows of every table.
    pub(crate) rows: Vec<u32>,
    /// One for every column frame of every table in order: its bytes of the tail, which stand one after another.
    pub(crate) columns: Vec<ColumnFrameRecord>,
}

#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug)]
pub(crate) struct TickRunRecord {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

#[derive(Archive, Serialize, Deserialize, Debug)]
pub(crate) struct ColumnFrameRecord {
    pub(crate) encoding: u8,
    pub(crate) len: u32,
    /// The low half of the hash of its bytes, which are few.
    pub(crate) checksum: u32,
}

/// Head of a segment. Its tail is the digest of every tick (u64 each), then the ranges of every block, then a [`SummariesRecord`].
#[derive(Archive, Serialize, Deserialize, Default, Debug)]
pub(crate) struct SegmentRecord {
    /// One for every table: its rows that are behaviour.
    pub(crate) rows: Vec<u64>,
    /// The segment's ticks with any input or command.
    pub(crate) ticks_with_input: u64,
    /// One byte for every column of every table, as in [`SummariesRecord`].
    pub(crate) changed: Vec<u8>,
    /// One for every declared channel that has diagnostics.
    pub(crate) diagnostics: Vec<u64>,
    pub(crate) blocks: Vec<BlockEntryRecord>,
    pub(crate) tick_runs: Vec<TickRunRecord>,
    pub(crate) digests_checksum: u64,
    pub(crate) ranges_checksum: u64,
    pub(crate) summaries_checksum: u64,
}

#[derive(Archive, Serialize, Deserialize, Debug)]
pub(crate) struct BlockEntryRecord {
    pub(crate) offset: u64,
    pub(crate) head_len: u32,
    pub(crate) tail_len: u32,
    pub(crate) first_tick: u32,
    pub(crate) last_tick: u32,
    pub(crate) ticks: u32,
}

/// What is known of each block without decoding it; lists run block after block.
#[derive(Archive, Serialize, Deserialize, Default, Debug)]
pub(crate) struct SummariesRecord {
    /// One for every declared channel.
    pub(crate) channel_digests: Vec<u64>,
    /// One for every table: its rows that are behaviour.
    pub(crate) rows: Vec<u32>,
    /// One: the block's ticks with any input or command.
    pub(crate) ticks_with_input: Vec<u32>,
    /// One byte for every column of every table: bit 0 when a value differs from the one before it within the block,
    /// bit 1 when the block's first value differs from the last one before the block.
    pub(crate) changed: Vec<u8>,
    /// One for every declared channel that has diagnostics: the sum of its ticks' digests of those.
    pub(crate) diagnostics: Vec<u64>,
}

impl SummariesRecord {
    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        let digests = self.channel_digests.len() + self.diagnostics.len();
        digests * 8 + self.rows.len() * 4 + self.ticks_with_input.len() * 4 + self.changed.len()
    }

    pub(crate) fn push(&mut self, summary: &BlockSummary) {
        self.channel_digests.extend(summary.channel_digests.iter().map(|digest| digest.0));
        let Totals { rows, ticks_with_input, changed, diagnostics } = &summary.totals;
        let small = |count: u64| u32::try_from(count).expect("a block's rows and ticks stay below 2^32");
        self.rows.extend(rows.iter().map(|&count| small(count)));
        self.ticks_with_input.push(small(*ticks_with_input));
        self.changed.extend(changed.iter().map(|change| change.to_bits()));
        self.diagnostics.extend(diagnostics.iter().map(|digest| digest.0));
    }
}

impl SegmentRecord {
    pub(crate) fn put_totals(&mut self, totals: &Totals) {
        self.rows.clone_from(&totals.rows);
        self.ticks_with_input = totals.ticks_with_input;
        self.changed = totals.changed.iter().map(|change| change.to_bits()).collect();
        self.diagnostics = totals.diagnostics.iter().map(|digest| digest.0).collect();
    }
}

impl ArchivedSegmentRecord {
    /// What the segment's ticks hold, if it tells of as many things as the layout has.
    pub(crate) fn totals(&self, layout: &Layout) -> Result<Totals, String> {
        let expected = Totals::none(layout);
        let lengths = [
            (self.rows.len(), expected.rows.len()),
            (self.changed.len(), expected.changed.len()),
            (self.diagnostics.len(), expected.diagnostics.len()),
        ];
        if lengths.iter().any(|(len, expected)| len != expected) {
            return Err("the totals are not those of the layout's tables and columns".to_owned());
        }
        Ok(Totals {
            rows: self.rows.iter().map(|count| count.to_native()).collect(),
            ticks_with_input: self.ticks_with_input.to_native(),
            changed: self.changed.iter().map(|&bits| Change::from_bits(bits)).collect(),
            diagnostics: self.diagnostics.iter().map(|digest| Digest(digest.to_native())).collect(),
        })
    }
}

#[derive(Archive, Serialize, Deserialize, Default, Debug)]
pub(crate) struct FooterRecord {
    pub(crate) segments: Vec<SegmentEntryRecord>,
    pub(crate) loss: Vec<SectionRecord>,
    pub(crate) content_digest: u64,
    pub(crate) end_reason: String,
}

#[derive(Archive, Serialize, Deserialize, Debug)]
pub(crate) struct SegmentEntryRecord {
    pub(crate) offset: u64,
    pub(crate) head_len: u32,
    pub(crate) ticks: u32,
}

#[derive(Archive, Serialize, Deserialize, Debug)]
pub(crate) struct SectionRecord {
    pub(crate) offset: u64,
    pub(crate) head_len: u32,
}

#[derive(Archive, Serialize, Deserialize)]
pub(crate) struct LossRecord {
    kind: u8,
    from: u32,
    to: Option<u32>,
    detail: String,
}

/// The record's bytes.
pub(crate) fn to_bytes<T>(record: &T) -> Vec<u8>
where
    T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>,
{
    rkyv::to_bytes::<rancor::Error>(record).expect("records hold nothing that cannot be written").into_vec()
}

/// A record that was read, to be changed.
pub(crate) fn owned<T, A>(archived: &A) -> T
where
    T: Archive,
    A: Deserialize<T, HighDeserializer<rancor::Error>>,
{
    rkyv::deserialize::<T, rancor::Error>(archived).expect("records hold nothing that cannot be owned")
}

/// The record that stands in `bytes`, checked.
pub(crate) fn access<'a, T>(bytes: &'a [u8]) -> Result<&'a T, String>
where
    T: Portable + Extent + for<'b> CheckBytes<HighValidator<'b, rancor::Error>>,
{
    let record = rkyv::access::<T, rancor::Error>(bytes).map_err(|error| {
        // What rkyv says behind a colon are addresses, which are others in every process.
        let rule = error.to_string();
        let rule = rule.split_once(": ").map_or(rule.as_str(), |(rule, _)| rule);
        format!("the record is malformed: {rule}")
    })?;
    // Validation has proved that no byte is of two values, so what is more than theirs is of none.
    let of_values = size_of::<T>() + record.behind();
    if of_values == bytes.len() {
        return Ok(record);
    }
    Err(format!("the record has {} bytes, but its values have {of_values}: nothing points to the others", bytes.len()))
}

extent::plain!(
    ArchivedMemoryRecord,
    ArchivedTickRunRecord,
    ArchivedColumnFrameRecord,
    ArchivedBlockEntryRecord,
    ArchivedSegmentEntryRecord,
    ArchivedSectionRecord,
);

extent::structures! {
    ArchivedMetaRecord {
        session, producer_name, producer_version, producer_platform, producer_arch, program_name, program_build,
        program_hash, run_id, seed_source, reason, layout,
    }
    ArchivedLayoutRecord { stages, step, rng, calls, state, entities, checkpoint, events }
    ArchivedFieldRecord { name }
    ArchivedNamedFieldsRecord { name, fields }
    ArchivedRngStreamRecord { name }
    ArchivedSyscallRecord { module, name, args }
    ArchivedCheckpointRecord { counters }
    ArchivedBlockRecord { tick_runs, rows, columns }
    ArchivedSegmentRecord { rows, changed, diagnostics, blocks, tick_runs }
    ArchivedSummariesRecord { channel_digests, rows, ticks_with_input, changed, diagnostics }
    ArchivedFooterRecord { segments, loss, end_reason }
    ArchivedLossRecord { detail }
}

fn text(s: &rkyv::string::ArchivedString) -> String {
    s.as_str().to_owned()
}

fn optional_text(s: &rkyv::option::ArchivedOption<rkyv::string::ArchivedString>) -> Option<String> {
    s.as_ref().map(text)
}

impl MetaRecord {
    pub(crate) fn new(meta: &Meta, layout: &Layout) -> MetaRecord {
        let Meta { session, producer, program, run } = meta.clone();
        MetaRecord {
            session,
            producer_name: producer.name,
            producer_version: producer.version,
            producer_platform: producer.platform,
            producer_arch: producer.arch,
            program_name: program.name,
            program_build: program.build,
            program_hash: program.hash,
            run_id: run.id,
            seed: run.seed,
            seed_source: run.seed_source,
            mode: run.mode,
            tick_rate: run.tick_rate,
            reason: run.reason,
            layout: LayoutRecord::new(layout.spec()),
        }
    }
}

impl ArchivedMetaRecord {
    pub(crate) fn meta(&self) -> Result<Meta, String> {
        let tick_rate = self.tick_rate.as_ref().map(|rate| rate.to_native());
        if let Some(rate) = tick_rate.filter(|&rate| !is_rate(rate)) {
            return Err(format!("{rate} is no number of ticks a second"));
        }
        Ok(Meta {
            session: text(&self.session),
            producer: Producer {
                name: text(&self.producer_name),
                version: text(&self.producer_version),
                platform: text(&self.producer_platform),
                arch: text(&self.producer_arch),
            },
            program: Program {
                name: text(&self.program_name),
                build: optional_text(&self.program_build),
                hash: optional_text(&self.program_hash),
            },
            run: Run {
                id: text(&self.run_id),
                seed: self.seed.as_ref().map(|seed| seed.to_native()),
                seed_source: text(&self.seed_source),
                mode: self.mode.to_native(),
                tick_rate,
                reason: text(&self.reason),
            },
        })
    }

    /// The layout, checked.
    pub(crate) fn layout(&self) -> Result<Layout, String> {
        Layout::new(self.layout.spec()?).map_err(|error| error.to_string())
    }
}

/// Whether a number of ticks a second is one.
pub(crate) fn is_rate(rate: f64) -> bool {
    rate.is_finite() && rate > 0.0
}

fn field_records(fields: &[Field]) -> Vec<FieldRecord> {
    fields.iter().map(|f| FieldRecord { name: f.name.clone(), scalar_type: f.scalar_type as u8 }).collect()
}

fn named_records<T>(kinds: &[T], parts: impl Fn(&T) -> (&str, &[Field])) -> Vec<NamedFieldsRecord> {
    let record = |kind: &T| {
        let (name, fields) = parts(kind);
        NamedFieldsRecord { name: name.to_owned(), fields: field_records(fields) }
    };
    kinds.iter().map(record).collect()
}

impl LayoutRecord {
    fn new(spec: &LayoutSpec) -> LayoutRecord {
        let syscall = |s: &Syscall| SyscallRecord {
            module: s.module.clone(),
            name: s.name.clone(),
            version: s.version,
            args: field_records(&s.args),
            result: s.result.map(|ty| ty as u8),
        };
        let stream = |s: &RngStream| RngStreamRecord { name: s.name.clone(), algorithm: s.algorithm as u8 };
        let checkpoint = |c: &CheckpointLayout| {
            let flags = [c.state_digest, c.frame_digest, c.audio_digest, c.rng_state, c.entity_counts, c.fuel];
            let flags = flags.iter().enumerate().map(|(bit, &set)| u8::from(set) << bit).sum();
            CheckpointRecord { flags, counters: c.counters.clone() }
        };
        LayoutRecord {
            players: spec.players,
            timing: spec.timing,
            stages: spec.stages.clone(),
            step: spec.step.as_ref().map(|s| named_records(&s.commands, |c| (&c.name, &c.args))),
            rng: spec.rng.as_ref().map(|streams| streams.iter().map(stream).collect()),
            calls: spec.calls.as_ref().map(|calls| calls.iter().map(syscall).collect()),
            state: spec.state.as_ref().map(|fields| field_records(fields)),
            entities: spec.entities.as_ref().map(|kinds| named_records(kinds, |k| (&k.name, &k.fields))),
            checkpoint: spec.checkpoint.as_ref().map(checkpoint),
            events: spec.events.as_ref().map(|kinds| named_records(kinds, |k| (&k.name, &k.values))),
            memory: spec.memory.map(|m| MemoryRecord { page_size: m.page_size, pages: m.pages }),
        }
    }
}

fn scalar_type(number: u8) -> Result<ScalarType, String> {
    let found = ScalarType::DECLARABLE.into_iter().find(|ty| *ty as u8 == number);
    found.ok_or_else(|| format!("the layout has a field of type {number}; types are 0 to 6"))
}

fn fields(records: &[ArchivedFieldRecord]) -> Result<Vec<Field>, String> {
    records.iter().map(|f| Ok(Field { name: text(&f.name), scalar_type: scalar_type(f.scalar_type)? })).collect()
}

fn named<T>(records: &[ArchivedNamedFieldsRecord], make: impl Fn(String, Vec<Field>) -> T) -> Result<Vec<T>, String> {
    records.iter().map(|record| Ok(make(text(&record.name), fields(&record.fields)?))).collect()
}

impl ArchivedRngStreamRecord {
    fn stream(&self) -> Result<RngStream, String> {
        let algorithm = RngAlgorithm::ALL.into_iter().find(|a| *a as u8 == self.algorithm);
        let algorithm =
            algorithm.ok_or_else(|| format!("rng algorithm {} is not known; 0 to 4 are", self.algorithm))?;
        Ok(RngStream { name: text(&self.name), algorithm })
    }
}

impl ArchivedSyscallRecord {
    fn syscall(&self) -> Result<Syscall, String> {
        Ok(Syscall {
            module: text(&self.module),
            name: text(&self.name),
            version: self.version.to_native(),
            args: fields(&self.args)?,
            result: self.result.as_ref().map(|ty| scalar_type(*ty)).transpose()?,
        })
    }
}

impl ArchivedCheckpointRecord {
    fn checkpoint(&self) -> Result<CheckpointLayout, String> {
        if self.flags >> 6 != 0 {
            return Err(format!("checkpoint flags {:#x} have unknown bits", self.flags));
        }
        let set = |bit: u8| self.flags >> bit & 1 == 1;
        Ok(CheckpointLayout {
            state_digest: set(0),
            frame_digest: set(1),
            audio_digest: set(2),
            rng_state: set(3),
            entity_counts: set(4),
            fuel: set(5),
            counters: self.counters.iter().map(text).collect(),
        })
    }
}

impl ArchivedLayoutRecord {
    fn spec(&self) -> Result<LayoutSpec, String> {
        let command = |name, args| CommandKind { name, args };
        let entity = |name, fields| EntityKind { name, fields };
        let event = |name, values| EventKind { name, values };
        let step = self.step.as_ref().map(|list| named(list, command)).transpose()?;
        let streams = self.rng.as_ref().map(|list| list.iter().map(ArchivedRngStreamRecord::stream).collect());
        let syscalls = self.calls.as_ref().map(|list| list.iter().map(ArchivedSyscallRecord::syscall).collect());
        Ok(LayoutSpec {
            players: self.players,
            timing: self.timing,
            stages: self.stages.iter().map(text).collect(),
            step: step.map(|commands| StepLayout { commands }),
            rng: streams.transpose()?,
            calls: syscalls.transpose()?,
            state: self.state.as_ref().map(|list| fields(list)).transpose()?,
            entities: self.entities.as_ref().map(|list| named(list, entity)).transpose()?,
            checkpoint: self.checkpoint.as_ref().map(ArchivedCheckpointRecord::checkpoint).transpose()?,
            events: self.events.as_ref().map(|list| named(list, event)).transpose()?,
            memory: self
                .memory
                .as_ref()
                .map(|m| MemoryLayout { page_size: m.page_size.to_native(), pages: m.pages.to_native() }),
        })
    }
}

impl LossRecord {
    pub(crate) fn new(loss: &Loss) -> LossRecord {
        LossRecord {
            kind: loss.kind as u8,
            from: loss.from.0,
            to: loss.to.map(|tick| tick.0),
            detail: loss.detail.clone(),
        }
    }
}

impl ArchivedLossRecord {
    pub(crate) fn loss(&self) -> Result<Loss, String> {
        let kind = LossKind::ALL.into_iter().find(|kind| *kind as u8 == self.kind);
        Ok(Loss {
            kind: kind.ok_or_else(|| format!("loss of kind {} is not known; 0 to 3 are", self.kind))?,
            from: Tick(self.from.to_native()),
            to: self.to.as_ref().map(|tick| Tick(tick.to_native())),
            detail: text(&self.detail),
        })
    }
}
