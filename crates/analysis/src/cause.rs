//! Why two runs differ at a tick: the class of the first cause in causal order, and its evidence.

use std::collections::BTreeMap;

use cdt_schema::{Channel, Uid};
use schemars::JsonSchema;
use serde::Serialize;

use crate::compare::{Difference, Pair, TickRows, entity_values};
use crate::draws;

/// Up to this distance in units in the last place two floats count as the same decision, differently rounded. A fused
/// multiply-add, another order of a sum or another math library moves a value by one to a few tens of these.
pub const FEW_ULP: u64 = 64;

/// How many items of evidence a cause lists.
const EVIDENCE: usize = 8;

/// Classes of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CauseClass {
    /// One run lacks the tick.
    MissingTick,
    /// The step differs: other input.
    Input,
    /// The candidate drew less often.
    RngShortfall,
    /// The candidate drew more often.
    RngExtra,
    /// The candidate drew the same values in another order.
    RngSwapped,
    /// As many draws, other values or states.
    RngValue,
    /// A syscall differs.
    Call,
    /// Entities are missing or extra.
    Population,
    /// The same decisions, rounded differently.
    FloatDrift,
    /// Any other declared value differs.
    State,
    /// An event of the guest differs, and nothing before it.
    Event,
    /// Undeclared bytes of memory differ, and nothing that is declared.
    MemoryOnly,
    /// Fuel differs, and nothing else.
    Timing,
}

/// Why two runs differ at a tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cause {
    /// Its class.
    pub class: CauseClass,
    /// What shows it, one sentence each.
    pub evidence: Vec<String>,
}

impl CauseClass {
    /// The class in words.
    pub fn describe(self) -> &'static str {
        match self {
            CauseClass::MissingTick => "missing tick: one run lacks it",
            CauseClass::Input => "input: the step differs",
            CauseClass::RngShortfall => "rng shortfall: the candidate drew less often",
            CauseClass::RngExtra => "rng extra: the candidate drew more often",
            CauseClass::RngSwapped => "rng swapped: the same draws in another order",
            CauseClass::RngValue => "rng value: as many draws, other values or states",
            CauseClass::Call => "call: a syscall differs",
            CauseClass::Population => "population: entities are missing or extra",
            CauseClass::FloatDrift => "float drift: the same decisions, rounded differently",
            CauseClass::State => "state: a declared value differs",
            CauseClass::Event => "event: an event of the guest differs",
            CauseClass::MemoryOnly => "memory only: nothing that is declared differs",
            CauseClass::Timing => "timing: fuel differs, and nothing else",
        }
    }
}

/// A tick that one run lacks.
pub(crate) fn missing_tick(in_reference: bool) -> Cause {
    let lacks = if in_reference { "the candidate lacks the tick" } else { "the reference lacks the tick" };
    Cause { class: CauseClass::MissingTick, evidence: vec![lacks.to_owned()] }
}

/// The cause of a tick's differences, which are in causal order and at least one.
pub(crate) fn classify(found: &[Difference], pair: Pair<'_>) -> Cause {
    let of = |channel: Channel| found.iter().filter(move |difference| difference.channel == channel);
    let has = |channel: Channel| of(channel).next().is_some();
    if has(Channel::Step) {
        return Cause { class: CauseClass::Input, evidence: list(of(Channel::Step)) };
    }
    if has(Channel::Rng) {
        return draws::cause(pair);
    }
    if has(Channel::Calls) {
        return Cause { class: CauseClass::Call, evidence: list(of(Channel::Calls)) };
    }
    if of(Channel::Entities).any(Difference::is_one_sided) {
        return population(found, pair);
    }
    let declared = || found.iter().filter(|d| matches!(d.channel, Channel::State | Channel::Entities));
    let fuel = |d: &Difference| d.channel == Channel::Timing || d.path == "checkpoint.fuel";
    // The machine's own digests differ with anything, so beside memory they tell nothing.
    let digests = ["checkpoint.state_digest", "checkpoint.frame_digest", "checkpoint.audio_digest"];
    let digest = |d: &Difference| digests.contains(&d.path.as_str());
    if declared().next().is_some() {
        // Rounding alone changes neither what a machine counts nor what happens in it.
        let other = of(Channel::Checkpoint).any(|d| !fuel(d) && !digest(d)) || has(Channel::Events);
        return values(declared(), other);
    }
    if found.iter().all(fuel) {
        return Cause { class: CauseClass::Timing, evidence: list(found.iter()) };
    }
    let telling = || of(Channel::Checkpoint).filter(|d| !(fuel(d) || has(Channel::Memory) && digest(d)));
    if telling().next().is_some() {
        return Cause { class: CauseClass::State, evidence: list(telling()) };
    }
    if has(Channel::Events) {
        return Cause { class: CauseClass::Event, evidence: list(of(Channel::Events)) };
    }
    Cause { class: CauseClass::MemoryOnly, evidence: list(of(Channel::Memory)) }
}

fn list<'a>(found: impl Iterator<Item = &'a Difference>) -> Vec<String> {
    let mut evidence = Vec::new();
    let mut more = 0;
    for difference in found {
        if evidence.len() < EVIDENCE { evidence.push(difference.to_string()) } else { more += 1 }
    }
    if more > 0 {
        evidence.push(format!("and {more} more"));
    }
    evidence
}

/// Missing and extra entities, and those that only changed their identity.
fn population(found: &[Difference], Pair { reference, candidate }: Pair<'_>) -> Cause {
    let entities = found.iter().filter(|d| d.channel == Channel::Entities);
    let mut evidence = list(entities.filter(|d| d.is_one_sided()));
    let layout = reference.rows.layout();
    for (id, schema) in layout.tables_of(Channel::Entities) {
        let Some(other) = candidate.rows.layout().table(schema.kind) else { continue };
        let rows = |side: TickRows<'_>, id| side.rows.range(id, side.tick);
        let mut left = BTreeMap::new();
        for row in rows(reference, id) {
            left.insert(reference.rows.uid(id, row), entity_values(reference.rows, id, row));
        }
        let by_values: BTreeMap<&Vec<u64>, Option<Uid>> =
            left.iter().rev().map(|(uid, values)| (values, *uid)).collect();
        for row in rows(candidate, other) {
            if evidence.len() > 2 * EVIDENCE {
                break;
            }
            let uid = candidate.rows.uid(other, row);
            if left.contains_key(&uid) || schema.columns.len() == schema.key_columns() {
                continue;
            }
            let values = entity_values(candidate.rows, other, row);
            let twin = by_values.get(&values).copied().flatten();
            if let (Some(twin), Some(uid)) = (twin, uid) {
                evidence.push(format!(
                    "{} slot {} generation {} has all fields of the reference's slot {} generation {}",
                    schema.name, uid.slot, uid.generation, twin.slot, twin.generation
                ));
            }
        }
    }
    Cause { class: CauseClass::Population, evidence }
}

/// Float drift where every differing value is a float and close, and nothing else of behaviour differs; any other state
/// otherwise.
fn values<'a>(found: impl Iterator<Item = &'a Difference> + Clone, other: bool) -> Cause {
    let largest = found.clone().map(Difference::ulp).try_fold(0, |largest, ulp| Some(ulp?.max(largest)));
    match largest.filter(|&largest| largest <= FEW_ULP && !other) {
        Some(largest) => {
            let count = found.clone().count();
            let floats = if count == 1 { "1 float differs" } else { &format!("{count} floats differ") };
            let mut evidence = vec![format!("{floats}, by at most {largest} ulp")];
            evidence.extend(list(found));
            Cause { class: CauseClass::FloatDrift, evidence }
        }
        None => Cause { class: CauseClass::State, evidence: list(found) },
    }
}
