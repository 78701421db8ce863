//! The layout: what a trace declares once, so that its rows need no names.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use twox_hash::XxHash3_64;

use crate::table::{TableSchema, tables_of};
use crate::{Channel, ChannelSet, Digest, KindId, RngAlgorithm, ScalarType, TableId, TableKind};

/// Longest name a layout may hold, in bytes.
const MAX_NAME: usize = 64;
/// Most entries in one list of a layout.
const MAX_ENTRIES: usize = 4096;
/// Most columns of all tables together, which bounds what is kept for each block.
const MAX_COLUMNS: usize = 65_536;

/// A named, typed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Unique within its list.
    pub name: String,
    /// One of [`ScalarType::DECLARABLE`].
    pub scalar_type: ScalarType,
}

/// What the step channel may carry besides dt, mode and inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepLayout {
    /// The commands that players may give.
    pub commands: Vec<CommandKind>,
}

/// One kind of command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandKind {
    /// Unique among commands.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Field>,
}

/// One random stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RngStream {
    /// Unique among streams.
    pub name: String,
    /// How its state advances.
    pub algorithm: RngAlgorithm,
}

/// One syscall, identified by module, name and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syscall {
    /// Module it belongs to.
    pub module: String,
    /// Name within the module.
    pub name: String,
    /// Version of its meaning.
    pub version: u16,
    /// Its arguments.
    pub args: Vec<Field>,
    /// Type of its result, if it gives one.
    pub result: Option<ScalarType>,
}

impl Syscall {
    /// `module.name@version`, as paths and the wire spell it.
    pub fn identity(&self) -> String {
        format!("{}.{}@{}", self.module, self.name, self.version)
    }
}

/// One kind of entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityKind {
    /// Unique among kinds.
    pub name: String,
    /// What every entity of the kind carries each tick.
    pub fields: Vec<Field>,
}

/// One kind of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventKind {
    /// Unique among events.
    pub name: String,
    /// The values it carries.
    pub values: Vec<Field>,
}

/// Which parts of a checkpoint the producer knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointLayout {
    /// Digest of the machine's whole state.
    pub state_digest: bool,
    /// Digest of the picture shown.
    pub frame_digest: bool,
    /// Digest of the audio state.
    pub audio_digest: bool,
    /// The state of every declared rng stream.
    pub rng_state: bool,
    /// How many entities of every declared kind live.
    pub entity_counts: bool,
    /// Fuel that the tick used.
    pub fuel: bool,
    /// Further u64 counters, by name.
    pub counters: Vec<String>,
}

/// Size of the recorded memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLayout {
    /// Bytes of a page: a power of two from 64 to 65,536.
    pub page_size: u32,
    /// How many pages there are.
    pub pages: u32,
}

/// Everything a layout declares, unchecked. [`Layout::new`] checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayoutSpec {
    /// Rows of input in every step.
    pub players: u8,
    /// Names of the tick's stages, in order.
    pub stages: Vec<String>,
    /// The step channel, if present.
    pub step: Option<StepLayout>,
    /// The rng channel's streams, if present.
    pub rng: Option<Vec<RngStream>>,
    /// The calls channel's syscalls, if present.
    pub calls: Option<Vec<Syscall>>,
    /// The state channel's fields, if present.
    pub state: Option<Vec<Field>>,
    /// The entities channel's kinds, if present.
    pub entities: Option<Vec<EntityKind>>,
    /// The checkpoint channel's parts, if present.
    pub checkpoint: Option<CheckpointLayout>,
    /// Whether the timing channel is present.
    pub timing: bool,
    /// The events channel's kinds, if present.
    pub events: Option<Vec<EventKind>>,
    /// The memory channel's size, if present.
    pub memory: Option<MemoryLayout>,
}

/// A layout that obeys its rules, with the tables that follow from it.
#[derive(Clone, Debug)]
pub struct Layout {
    spec: LayoutSpec,
    channels: ChannelSet,
    tables: Vec<TableSchema>,
    /// By channel number, where its tables begin; then how many there are in all.
    starts: [usize; Channel::ALL.len() + 1],
    /// Found when it is first asked for: who reads a tick does not need it.
    digest: OnceLock<Digest>,
}

impl Layout {
    /// Checks `spec` and derives the tables.
    ///
    /// # Errors
    /// The first rule that the spec breaks, with the place.
    pub fn new(spec: LayoutSpec) -> Result<Layout, LayoutError> {
        let channels = check(&spec)?;
        let tables = tables_of(&spec);
        let columns: usize = tables.iter().map(|table| table.columns.len()).sum();
        if columns > MAX_COLUMNS {
            let rule = format!("its tables have {columns} columns in all, but at most {MAX_COLUMNS} are expected");
            return Err(LayoutError::new("", rule));
        }
        let starts = std::array::from_fn(|channel| tables.partition_point(|table| (table.channel as usize) < channel));
        Ok(Layout { spec, channels, tables, starts, digest: OnceLock::new() })
    }

    /// What was declared.
    pub fn spec(&self) -> &LayoutSpec {
        &self.spec
    }

    /// The channels that every tick carries.
    pub fn channels(&self) -> ChannelSet {
        self.channels
    }

    /// The tables of those channels, in causal order. A [`TableId`] indexes this list.
    pub fn tables(&self) -> &[TableSchema] {
        &self.tables
    }

    /// The tables of one channel, with their ids.
    pub fn tables_of(&self, channel: Channel) -> impl Iterator<Item = (TableId, &TableSchema)> {
        self.range_of(channel).map(|index| (TableId(index), &self.tables[index]))
    }

    fn range_of(&self, channel: Channel) -> Range<usize> {
        self.starts[channel as usize]..self.starts[channel as usize + 1]
    }

    /// The table of that kind, if its channel is declared.
    pub fn table(&self, kind: TableKind) -> Option<TableId> {
        let mut range = self.range_of(kind.channel());
        match kind {
            TableKind::Entities(KindId(number)) => range.nth(usize::from(number)),
            _ => range.find(|&index| self.tables[index].kind == kind),
        }
        .map(TableId)
    }

    /// Digest of the layout in its canonical encoding: layouts that agree have one digest.
    pub fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| Digest(XxHash3_64::oneshot(&canonical(&self.spec))))
    }

    /// Declared page size and page count; zero pages when the memory channel is absent.
    pub fn memory(&self) -> MemoryLayout {
        self.spec.memory.unwrap_or(MemoryLayout { page_size: 64, pages: 0 })
    }

    /// The entity kinds; empty when the channel is absent.
    pub fn entity_kinds(&self) -> &[EntityKind] {
        self.spec.entities.as_deref().unwrap_or_default()
    }

    /// The rng streams; empty when the channel is absent.
    pub fn rng_streams(&self) -> &[RngStream] {
        self.spec.rng.as_deref().unwrap_or_default()
    }

    /// The command kinds; empty when the step channel is absent.
    pub fn command_kinds(&self) -> &[CommandKind] {
        self.spec.step.as_ref().map_or(&[], |step| &step.commands)
    }

    /// The syscalls; empty when the calls channel is absent.
    pub fn syscalls(&self) -> &[Syscall] {
        self.spec.calls.as_deref().unwrap_or_default()
    }

    /// The event kinds; empty when the events channel is absent.
    pub fn event_kinds(&self) -> &[EventKind] {
        self.spec.events.as_deref().unwrap_or_default()
    }

    /// The entity kind of that name.
    pub fn entity_kind(&self, name: &str) -> Option<KindId> {
        let index = self.entity_kinds().iter().position(|kind| kind.name == name)?;
        u16::try_from(index).ok().map(KindId)
    }

    /// Everything in which two layouts differ; nothing when they agree.
    pub fn differences(&self, other: &Layout) -> Vec<LayoutDifference> {
        if self == other {
            return Vec::new();
        }
        let mine = describe(&self.spec);
        let theirs = describe(&other.spec);
        let keys: BTreeSet<&(Option<Channel>, String)> = mine.iter().chain(&theirs).map(|(key, _)| key).collect();
        let find = |side: &[Described], key| side.iter().find(|(k, _)| k == key).map(|(_, text)| text.clone());
        let mut found = Vec::new();
        for key in keys {
            let (reference, candidate) = (find(&mine, key), find(&theirs, key));
            if reference != candidate {
                found.push(LayoutDifference { channel: key.0, what: key.1.clone(), reference, candidate });
            }
        }
        found
    }
}

/// By what is declared. That of shared layouts looks at their addresses first, because it is `Eq`.
impl PartialEq for Layout {
    fn eq(&self, other: &Layout) -> bool {
        self.spec == other.spec
    }
}

impl Eq for Layout {}

/// One point in which two layouts differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutDifference {
    /// Channel the declaration belongs to; `None` for players and stages.
    pub channel: Option<Channel>,
    /// What is declared: `state.score`, `players`, …
    pub what: String,
    /// How the reference declares it, if it does.
    pub reference: Option<String>,
    /// How the candidate declares it, if it does.
    pub candidate: Option<String>,
}

/// A rule that a layout breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutError {
    place: String,
    rule: String,
}

impl LayoutError {
    fn new(place: impl Into<String>, rule: impl Into<String>) -> LayoutError {
        LayoutError { place: place.into(), rule: rule.into() }
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.place.is_empty() { "" } else { "." };
        write!(f, "layout{dot}{}: {}", self.place, self.rule)
    }
}

impl std::error::Error for LayoutError {}

/// Whether `name` may name a field, kind, stream, stage or counter.
fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn check(spec: &LayoutSpec) -> Result<ChannelSet, LayoutError> {
    let mut channels = ChannelSet::EMPTY;
    check_names("stages", spec.stages.iter().map(String::as_str))?;
    if let Some(step) = &spec.step {
        channels.insert(Channel::Step);
        check_names("step.commands", step.commands.iter().map(|c| c.name.as_str()))?;
        step.commands.iter().try_for_each(|c| check_fields(&format!("step.commands.{}.args", c.name), &c.args))?;
    } else if spec.players > 0 {
        return Err(LayoutError::new("players", "players need the step channel, which is not declared"));
    }
    if let Some(streams) = &spec.rng {
        channels.insert(Channel::Rng);
        check_names("rng", streams.iter().map(|s| s.name.as_str()))?;
        if streams.is_empty() || streams.len() > 256 {
            return Err(LayoutError::new("rng", format!("1 to 256 streams are expected, not {}", streams.len())));
        }
    }
    if let Some(syscalls) = &spec.calls {
        channels.insert(Channel::Calls);
        check_syscalls(syscalls)?;
    }
    if let Some(fields) = &spec.state {
        channels.insert(Channel::State);
        check_fields("state", fields)?;
    }
    if let Some(kinds) = &spec.entities {
        channels.insert(Channel::Entities);
        check_names("entities", kinds.iter().map(|k| k.name.as_str()))?;
        kinds.iter().try_for_each(|k| check_fields(&format!("entities.{}.fields", k.name), &k.fields))?;
    }
    if let Some(checkpoint) = &spec.checkpoint {
        channels.insert(Channel::Checkpoint);
        check_names("checkpoint.counters", checkpoint.counters.iter().map(String::as_str))?;
        if checkpoint.rng_state && spec.rng.is_none() {
            return Err(LayoutError::new("checkpoint.rng_state", "it needs the rng channel, which is not declared"));
        }
        if checkpoint.entity_counts && spec.entities.is_none() {
            return Err(LayoutError::new(
                "checkpoint.entity_counts",
                "it needs the entities channel, which is not declared",
            ));
        }
    }
    if spec.timing {
        channels.insert(Channel::Timing);
    }
    if spec.stages.is_empty() && (spec.timing || spec.calls.is_some()) {
        return Err(LayoutError::new("stages", "calls and timing need at least one stage"));
    }
    if let Some(kinds) = &spec.events {
        channels.insert(Channel::Events);
        check_names("events", kinds.iter().map(|k| k.name.as_str()))?;
        kinds.iter().try_for_each(|k| check_fields(&format!("events.{}.values", k.name), &k.values))?;
    }
    if let Some(memory) = spec.memory {
        channels.insert(Channel::Memory);
        check_memory(memory)?;
    }
    if channels == ChannelSet::EMPTY {
        return Err(LayoutError::new("", "at least one channel must be declared"));
    }
    Ok(channels)
}

fn check_memory(memory: MemoryLayout) -> Result<(), LayoutError> {
    if !memory.page_size.is_power_of_two() || !(64..=65_536).contains(&memory.page_size) {
        let rule = format!("a power of two from 64 to 65536 is expected, not {}", memory.page_size);
        return Err(LayoutError::new("memory.page_size", rule));
    }
    let bytes = u64::from(memory.page_size) * u64::from(memory.pages);
    if memory.pages == 0 || bytes > 1 << 24 {
        return Err(LayoutError::new("memory.pages", format!("1 byte to 16 MiB of memory are expected, not {bytes}")));
    }
    Ok(())
}

fn check_syscalls(syscalls: &[Syscall]) -> Result<(), LayoutError> {
    let identities: Vec<String> = syscalls.iter().map(Syscall::identity).collect();
    let mut seen = BTreeSet::new();
    for (syscall, identity) in syscalls.iter().zip(&identities) {
        if !is_name(&syscall.module) || !is_name(&syscall.name) {
            return Err(LayoutError::new("calls", format!("{identity:?} does not name a syscall")));
        }
        if !seen.insert(identity.as_str()) {
            return Err(LayoutError::new("calls", format!("{identity} is declared twice")));
        }
        check_fields(&format!("calls.{identity}.args"), &syscall.args)?;
    }
    check_count("calls", syscalls.len())
}

fn check_fields(place: &str, fields: &[Field]) -> Result<(), LayoutError> {
    check_names(place, fields.iter().map(|f| f.name.as_str()))?;
    match fields.iter().find(|f| !ScalarType::DECLARABLE.contains(&f.scalar_type)) {
        None => Ok(()),
        Some(f) => {
            let rule = format!("type {} cannot be declared; use bool, i32, u32, i64, u64, f32 or f64", f.scalar_type);
            Err(LayoutError::new(format!("{place}.{}", f.name), rule))
        }
    }
}

fn check_count(place: &str, count: usize) -> Result<(), LayoutError> {
    if count > MAX_ENTRIES {
        return Err(LayoutError::new(place, format!("at most {MAX_ENTRIES} entries are expected, not {count}")));
    }
    Ok(())
}

fn check_names<'a>(place: &str, names: impl Iterator<Item = &'a str>) -> Result<(), LayoutError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !is_name(name) {
            let rule = format!("{name:?} is not a name; 1 to {MAX_NAME} of A-Z a-z 0-9 _ . - are expected");
            return Err(LayoutError::new(place, rule));
        }
        if !seen.insert(name) {
            return Err(LayoutError::new(place, format!("{name} is declared twice")));
        }
    }
    check_count(place, seen.len())
}

/// One declaration: its channel and place, and how it reads.
type Described = ((Option<Channel>, String), String);

/// Every declaration of a layout as place and text, the text enough to tell two apart.
fn describe(spec: &LayoutSpec) -> Vec<Described> {
    let mut out: Vec<Described> = Vec::new();
    let mut say = |channel: Option<Channel>, place: String, text: String| out.push(((channel, place), text));
    say(None, "players".into(), spec.players.to_string());
    say(None, "stages".into(), spec.stages.join(", "));
    if let Some(step) = &spec.step {
        say(Some(Channel::Step), "step".into(), "present".into());
        let mut texts = describe_list(&step.commands, |c| (format!("step.commands.{}", c.name), fields_text(&c.args)));
        texts.drain(..).for_each(|(place, text)| say(Some(Channel::Step), place, text));
    }
    if let Some(streams) = &spec.rng {
        say(Some(Channel::Rng), "rng".into(), "present".into());
        let mut texts = describe_list(streams, |s| (format!("rng.{}", s.name), s.algorithm.name().to_owned()));
        texts.drain(..).for_each(|(place, text)| say(Some(Channel::Rng), place, text));
    }
    if let Some(syscalls) = &spec.calls {
        say(Some(Channel::Calls), "calls".into(), "present".into());
        let mut texts = describe_list(syscalls, |s| {
            let result = s.result.map_or(String::new(), |ty| format!(" -> {ty}"));
            (format!("calls.{}", s.identity()), format!("{}{result}", fields_text(&s.args)))
        });
        texts.drain(..).for_each(|(place, text)| say(Some(Channel::Calls), place, text));
    }
    if let Some(fields) = &spec.state {
        say(Some(Channel::State), "state".into(), "present".into());
        let mut texts = describe_list(fields, |f| (format!("state.{}", f.name), f.scalar_type.name().to_owned()));
        texts.drain(..).for_each(|(place, text)| say(Some(Channel::State), place, text));
    }
    if let Some(kinds) = &spec.entities {
        say(Some(Channel::Entities), "entities".into(), "present".into());
        let mut texts = describe_list(kinds, |k| (format!("entities.{}", k.name), fields_text(&k.fields)));
        texts.drain(..).for_each(|(place, text)| say(Some(Channel::Entities), place, text));
    }
    if let Some(checkpoint) = &spec.checkpoint {
        say(Some(Channel::Checkpoint), "checkpoint".into(), checkpoint_text(checkpoint));
    }
    if spec.timing {
        say(Some(Channel::Timing), "timing".into(), "present".into());
    }
    if let Some(kinds) = &spec.events {
        say(Some(Channel::Events), "events".into(), "present".into());
        let mut texts = describe_list(kinds, |k| (format!("events.{}", k.name), fields_text(&k.values)));
        texts.drain(..).for_each(|(place, text)| say(Some(Channel::Events), place, text));
    }
    if let Some(memory) = spec.memory {
        say(Some(Channel::Memory), "memory".into(), format!("{} pages of {} bytes", memory.pages, memory.page_size));
    }
    out
}

/// Place and text of each entry, the text led by the entry's position, because order is part of a layout.
fn describe_list<T>(entries: &[T], text: impl Fn(&T) -> (String, String)) -> Vec<(String, String)> {
    entries
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let (place, text) = text(entry);
            (place, format!("#{} {text}", index + 1))
        })
        .collect()
}

fn fields_text(fields: &[Field]) -> String {
    let parts: Vec<String> = fields.iter().map(|f| format!("{} {}", f.name, f.scalar_type)).collect();
    format!("({})", parts.join(", "))
}

fn checkpoint_text(checkpoint: &CheckpointLayout) -> String {
    let parts = [
        (checkpoint.state_digest, "state_digest"),
        (checkpoint.frame_digest, "frame_digest"),
        (checkpoint.audio_digest, "audio_digest"),
        (checkpoint.rng_state, "rng_state"),
        (checkpoint.entity_counts, "entity_counts"),
        (checkpoint.fuel, "fuel"),
    ];
    let flags = parts.iter().filter(|(present, _)| *present).map(|(_, name)| (*name).to_owned());
    flags.chain(checkpoint.counters.iter().map(|name| format!("counter {name}"))).collect::<Vec<_>>().join(", ")
}

/// The layout's canonical encoding: every declaration's place and text, each preceded by its length as u32 LE.
/// Reports and digest agree because both come from [`describe`].
fn canonical(spec: &LayoutSpec) -> Vec<u8> {
    let mut out = Vec::new();
    for ((channel, place), text) in describe(spec) {
        out.push(channel.map_or(0xff, |channel| channel as u8));
        for part in [place, text] {
            out.extend(u32::try_from(part.len()).expect("names are short").to_le_bytes());
            out.extend(part.as_bytes());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, scalar_type: ScalarType) -> Field {
        Field { name: name.into(), scalar_type }
    }

    fn state(fields: Vec<Field>) -> LayoutSpec {
        LayoutSpec { state: Some(fields), ..LayoutSpec::default() }
    }

    #[test]
    fn every_rule_has_its_message() {
        let bad = [
            (LayoutSpec::default(), "layout: at least one channel must be declared"),
            (
                LayoutSpec { players: 1, ..state(vec![]) },
                "layout.players: players need the step channel, which is not declared",
            ),
            (
                state(vec![field("a b", ScalarType::U32)]),
                "layout.state: \"a b\" is not a name; 1 to 64 of A-Z a-z 0-9 _ . - are expected",
            ),
            (
                state(vec![field("a", ScalarType::U32), field("a", ScalarType::U32)]),
                "layout.state: a is declared twice",
            ),
            (
                state(vec![field("a", ScalarType::U16)]),
                "layout.state.a: type u16 cannot be declared; use bool, i32, u32, i64, u64, f32 or f64",
            ),
            (
                LayoutSpec { timing: true, ..LayoutSpec::default() },
                "layout.stages: calls and timing need at least one stage",
            ),
            (
                LayoutSpec { memory: Some(MemoryLayout { page_size: 100, pages: 1 }), ..LayoutSpec::default() },
                "layout.memory.page_size: a power of two from 64 to 65536 is expected, not 100",
            ),
            (
                LayoutSpec {
                    checkpoint: Some(CheckpointLayout { rng_state: true, ..CheckpointLayout::default() }),
                    ..LayoutSpec::default()
                },
                "layout.checkpoint.rng_state: it needs the rng channel, which is not declared",
            ),
        ];
        let fields: Vec<Field> = (0..4096).map(|index| field(&format!("f{index}"), ScalarType::U32)).collect();
        let kind = |index| EntityKind { name: format!("k{index}"), fields: fields.clone() };
        let wide = LayoutSpec { entities: Some((0..16).map(kind).collect()), ..LayoutSpec::default() };
        let rule = "layout: its tables have 65568 columns in all, but at most 65536 are expected";
        assert_eq!(Layout::new(wide).unwrap_err().to_string(), rule);
        for (spec, message) in bad {
            assert_eq!(Layout::new(spec).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn differences_name_the_declaration_on_both_sides() {
        let a = Layout::new(state(vec![field("x", ScalarType::F32), field("n", ScalarType::U32)])).unwrap();
        let b = Layout::new(state(vec![field("x", ScalarType::F64)])).unwrap();
        let found: Vec<String> = a
            .differences(&b)
            .iter()
            .map(|d| format!("{} {:?} {:?}", d.what, d.reference.as_deref(), d.candidate.as_deref()))
            .collect();
        assert_eq!(found, ["state.n Some(\"#2 u32\") None", "state.x Some(\"#1 f32\") Some(\"#1 f64\")"]);
        assert!(a.differences(&a.clone()).is_empty());
    }

    #[test]
    fn order_is_part_of_a_layout() {
        let a = Layout::new(state(vec![field("x", ScalarType::F32), field("y", ScalarType::F32)])).unwrap();
        let b = Layout::new(state(vec![field("y", ScalarType::F32), field("x", ScalarType::F32)])).unwrap();
        assert_ne!(a.digest(), b.digest());
        assert_eq!(a.differences(&b).len(), 2);
    }
}
