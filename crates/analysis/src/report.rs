//! The report of `diff`: the verdict, and everything that it rests on. Field names are the JSON contract, version
//! `cdt.diff/1`; see `docs/reports.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;

use cdt_projections::Value;
use cdt_schema::{Channel, Tick};
use cdt_trace::{Loss, Producer, Source, Trace};
use schemars::JsonSchema;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::Cause;
use crate::align::Alignment;
use crate::prove::Proof;

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No behavioural difference in what was compared, which was something.
    Equal,
    /// A behavioural difference, healed or not.
    Diverged,
    /// It cannot be said, for the reasons given.
    NotComparable,
}

/// The whole report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiffReport {
    /// `cdt.diff/1`.
    #[schemars(extend("const" = "cdt.diff/1"))]
    pub schema: &'static str,
    /// What was found.
    pub verdict: Verdict,
    /// Why it cannot be said; empty unless not comparable.
    pub reasons: Vec<Reason>,
    /// The first behavioural difference.
    pub first_mismatch: Option<Mismatch>,
    /// The start of the first episode that is sustained or open.
    pub first_sustained: Option<Mismatch>,
    /// The tick from which the two never agree again, to the end of what was compared. Later than `first_sustained` where
    /// an episode that lasted has healed.
    #[serde(serialize_with = "optional_tick")]
    #[schemars(with = "Option<u32>")]
    pub parted: Option<Tick>,
    /// By channel, in causal order.
    #[serde(serialize_with = "by_channel")]
    #[schemars(with = "BTreeMap<String, ChannelReport>")]
    pub channels: Vec<ChannelReport>,
    /// Runs of ticks on which the two differ.
    pub episodes: Episodes,
    /// What was compared.
    pub compared: Compared,
    /// What was asked of the comparison.
    pub policy: PolicyReport,
    /// How ticks were paired; null when by their numbers.
    pub alignment: Option<Alignment>,
    /// What either trace has lost.
    pub loss: LossReport,
    /// The two traces.
    pub traces: Traces,
    /// Ticks that only one of them has, before and after those that were compared.
    pub ends: Ends,
    /// Whether the comparison sees planted faults; null unless asked for.
    pub proof: Option<Proof>,
}

/// Why two traces cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reason {
    /// What sort of reason.
    pub code: ReasonCode,
    /// The channel, field or other declaration it is about.
    pub what: Option<String>,
    /// How the reference has it.
    pub reference: Option<String>,
    /// How the candidate has it.
    pub candidate: Option<String>,
}

/// Sorts of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The two layouts declare something that is compared in different ways.
    LayoutDiffers,
    /// A channel that was asked for is not declared by both.
    ChannelAbsent,
    /// The two have no tick in common, in the window that was asked for.
    NoCommonTicks,
    /// Ticks were to be paired by something of which the two have nothing in common.
    NotAligned,
    /// A loss is recorded inside what would be compared.
    LossInside,
    /// There was no value to compare.
    NothingCompared,
    /// Ticks that were to have a partner, all of them, have none.
    LeftOver,
}

/// One difference, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mismatch {
    /// Where: the reference's number, or the candidate's where the reference has no such tick.
    #[serde(serialize_with = "tick_number")]
    #[schemars(with = "u32")]
    pub tick: Tick,
    /// The candidate's number, where ticks are not paired by their numbers.
    #[serde(serialize_with = "optional_tick")]
    #[schemars(with = "Option<u32>")]
    pub candidate_tick: Option<Tick>,
    /// The first channel, in causal order, that differs there.
    #[serde(serialize_with = "channel_name")]
    #[schemars(with = "String")]
    pub channel: Channel,
    /// The first value of the channel that differs there.
    pub path: String,
    /// What the reference has; null where it has nothing.
    pub reference: Option<Value>,
    /// What the candidate has; null where it has nothing.
    pub candidate: Option<Value>,
    /// Candidate less reference, for numbers.
    pub delta: Option<String>,
    /// Distance in units in the last place, for floats.
    pub ulp: Option<u64>,
    /// Why the two differ at this tick.
    pub cause: Cause,
    /// How many values differ at this tick over all compared channels.
    pub values_different: u64,
    /// For a value with a tolerance: from where on it was already off, without a return to equality.
    pub drift_origin: Option<DriftOrigin>,
}

/// From where on a value was off that breaks its tolerance later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DriftOrigin {
    /// The first of the ticks on which it was.
    #[serde(serialize_with = "tick_number")]
    #[schemars(with = "u32")]
    pub tick: Tick,
    /// What the reference had there.
    pub reference: Option<Value>,
    /// What the candidate had there.
    pub candidate: Option<Value>,
}

/// What a channel's comparison found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChannelReport {
    /// The channel.
    #[serde(skip)]
    pub channel: Channel,
    /// Its first behavioural difference.
    pub first_mismatch: Option<FirstOfChannel>,
    /// Its first difference that is not behaviour.
    pub first_diagnostic: Option<FirstOfChannel>,
    /// Ticks on which its behaviour differs.
    pub ticks_different: u64,
    /// Its own episodes.
    pub episodes: Counts,
}

/// The first difference of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FirstOfChannel {
    /// Where.
    #[serde(serialize_with = "tick_number")]
    #[schemars(with = "u32")]
    pub tick: Tick,
    /// What.
    pub path: String,
    /// What the reference has.
    pub reference: Option<Value>,
    /// What the candidate has.
    pub candidate: Option<Value>,
}

/// What became of an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EpisodeKind {
    /// The two agreed again soon.
    Healed,
    /// It lasted at least as long as was asked.
    Sustained,
    /// It was shorter than that when the window ended.
    Open,
}

/// A maximal run of consecutive ticks with a behavioural difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EpisodeReport {
    /// Its first tick.
    #[serde(serialize_with = "tick_number")]
    #[schemars(with = "u32")]
    pub start: Tick,
    /// The tick after its last.
    pub end: u64,
    /// What became of it.
    pub kind: EpisodeKind,
    /// Whether the window ends inside it: the two never agreed again.
    pub to_the_end: bool,
    /// The channels that differ in it.
    #[serde(serialize_with = "channel_names")]
    #[schemars(with = "Vec<String>")]
    pub channels: Vec<Channel>,
}

/// How many episodes of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// All of them.
    pub count: u64,
    /// Those that healed.
    pub healed: u64,
    /// Those that lasted.
    pub sustained: u64,
    /// Those that the window's end cut short.
    pub open: u64,
}

/// All episodes: how many, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Episodes {
    /// How many.
    #[serde(flatten)]
    pub counts: Counts,
    /// The first of them, up to a limit.
    pub listed: Vec<EpisodeReport>,
}

/// The certificate of what was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Compared {
    /// The window of ticks, `A..B`, that both traces have.
    pub window: Option<String>,
    /// Whether ticks beyond those were a difference too.
    pub whole: bool,
    /// Ticks that were compared.
    pub ticks: u64,
    /// Those of them of which rows were compared, of one channel at least; of all else the digests are equal, and no row was
    /// compared. `None` where nothing was compared, or the work stops at the first bad tick.
    pub by_rows: Option<u64>,
    /// Rows of the reference in those ticks.
    pub rows: u64,
    /// Values in those rows, keys and lists counted as one each; `None` when there was nothing.
    pub values: Option<NonZeroU64>,
    /// What was not compared, and why.
    pub never_compared: Vec<NeverCompared>,
    /// Fields that held one and the same value in every row of their run, in both runs: weak evidence.
    pub never_changed: Vec<String>,
    /// Ticks of the reference in which a player pressed, pushed or ordered anything; `None` without a step channel.
    pub ticks_with_input: Option<u64>,
}

/// Something that was not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NeverCompared {
    /// A channel, table or field.
    pub what: String,
    /// Why not.
    pub why: String,
}

/// What was asked of the comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PolicyReport {
    /// Digest of what was asked.
    pub digest: String,
    /// What was left out.
    pub masks: Vec<Mask>,
    /// What was allowed to be a little off.
    pub tolerances: Vec<Within>,
    /// What has another name in the candidate.
    pub renamed: Vec<Renamed>,
}

/// A field that may be a little off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Within {
    /// The field.
    pub what: String,
    /// By how much: `ulp:4`, `absolute:0.001`, `relative:1e-6`.
    pub tolerance: String,
    /// Why.
    pub reason: String,
}

/// A field with two names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Renamed {
    /// The reference's.
    pub reference: String,
    /// The candidate's, in the same table.
    pub candidate: String,
    /// Why.
    pub reason: String,
}

/// Ticks that have no partner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Skipped {
    /// How many of the reference's.
    pub reference: u64,
    /// How many of the candidate's.
    pub candidate: u64,
    /// The first runs of them, up to a limit.
    pub listed: Vec<SkippedRun>,
}

/// Consecutive ticks that have no partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SkippedRun {
    /// Whose: `reference` or `candidate`.
    pub of: &'static str,
    /// The first of them.
    pub first: u32,
    /// How many.
    pub ticks: u64,
}

/// Something left out on request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mask {
    /// A channel, table or field.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// The loss ledgers of both traces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LossReport {
    /// Of the reference.
    pub reference: Vec<LossEntry>,
    /// Of the candidate.
    pub candidate: Vec<LossEntry>,
}

impl LossReport {
    pub(crate) fn of<R: Source, C: Source>(reference: &Trace<R>, candidate: &Trace<C>) -> LossReport {
        let ledger = |loss: &[Loss]| LossEntry::list(loss);
        LossReport { reference: ledger(&reference.index().loss), candidate: ledger(&candidate.index().loss) }
    }
}

/// An entry of a loss ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LossEntry {
    /// What sort.
    pub kind: &'static str,
    /// The first tick it touches.
    pub from: u32,
    /// The last tick it touches, if that is known.
    pub to: Option<u32>,
    /// What happened.
    pub detail: String,
}

impl LossEntry {
    /// The entries of a ledger.
    pub fn list(loss: &[Loss]) -> Vec<LossEntry> {
        let entry = |loss: &Loss| LossEntry {
            kind: loss.kind.name(),
            from: loss.from.0,
            to: loss.to.map(|tick| tick.0),
            detail: loss.detail.clone(),
        };
        loss.iter().map(entry).collect()
    }
}

impl fmt::Display for LossEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LossEntry { kind, from, to, detail } = self;
        let to = to.map_or("on".to_owned(), |to| format!("to {to}"));
        write!(f, "{kind} from tick {from} {to}: {detail}")
    }
}

/// The two traces.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Traces {
    /// The run that is right by definition.
    pub reference: TraceFacts,
    /// The run under test.
    pub candidate: TraceFacts,
}

/// What a report says of a trace.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TraceFacts {
    /// The file, as it was named.
    pub path: String,
    /// Digest over the layout and all ticks.
    pub content_digest: String,
    /// What wrote it, and version.
    pub producer: String,
    /// What was observed, and build.
    pub program: String,
    /// How many ticks it has.
    pub ticks: u64,
    /// Its first tick.
    pub first_tick: Option<u32>,
    /// Its last tick.
    pub last_tick: Option<u32>,
    /// The channels that it declares, in causal order.
    #[serde(serialize_with = "channel_names")]
    #[schemars(with = "Vec<String>")]
    pub channels: Vec<Channel>,
}

impl TraceFacts {
    /// The facts of a trace.
    pub fn new<S: Source>(trace: &Trace<S>) -> TraceFacts {
        let index = trace.index();
        let Producer { name, version, .. } = &index.meta.producer;
        let program = &index.meta.program;
        let build = program.build.as_ref().map_or(String::new(), |build| format!(" {build}"));
        TraceFacts {
            path: trace.name().display().to_string(),
            content_digest: index.content_digest.to_string(),
            producer: format!("{name} {version}"),
            program: format!("{}{build}", program.name),
            ticks: index.ticks(),
            first_tick: index.tick_range().map(|(first, _)| first.0),
            last_tick: index.tick_range().map(|(_, last)| last.0),
            channels: trace.layout().channels().iter().collect(),
        }
    }
}

/// Ticks outside of what was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ends {
    /// Those that only the reference has.
    pub reference_only: OneSided,
    /// Those that only the candidate has.
    pub candidate_only: OneSided,
}

/// Ticks that only one trace has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OneSided {
    /// Before the first tick that both have.
    pub before: u64,
    /// After the last tick that both have.
    pub after: u64,
}

pub(crate) fn tick_number<S: Serializer>(tick: &Tick, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(tick.0)
}

pub(crate) fn optional_tick<S: Serializer>(tick: &Option<Tick>, serializer: S) -> Result<S::Ok, S::Error> {
    tick.map(|tick| tick.0).serialize(serializer)
}

pub(crate) fn channel_name<S: Serializer>(channel: &Channel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(channel.name())
}

pub(crate) fn channel_names<S: Serializer>(channels: &[Channel], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(channels.iter().map(|channel| channel.name()))
}

fn by_channel<S: Serializer>(channels: &[ChannelReport], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(channels.len()))?;
    for channel in channels {
        map.serialize_entry(channel.channel.name(), channel)?;
    }
    map.end()
}
