//! One tick of two traces in depth: every value that differs, with its recent history on both sides, the draws side by
//! side, and who came and went.

use std::collections::BTreeSet;

use cdt_projections::{BlockCursor, Value, cell};
use cdt_schema::columns::rng;
use cdt_schema::{Channel, Path, Rows, TableKind, Tick};
use cdt_trace::{Source, Trace, Watch};
use serde::Serialize;

use crate::cause::missing_tick;
use crate::compare::{Difference, TickRows, differences};
use crate::diff::{DiffOptions, diff, incomparable, mismatch};
use crate::report::{DiffReport, LossEntry, LossReport, TraceFacts, Traces, channel_name, tick_number};
use crate::{Cause, Error};

/// Differing values that are shown in full.
const SHOWN: usize = 200;
/// Entities that are listed as having come or gone.
const LISTED: usize = 50;
/// Differing values whose history is shown.
const WITH_HISTORY: usize = 24;

/// What `focus` found.
#[derive(Clone, Debug)]
pub enum FocusOutcome {
    /// A tick on which the two differ, or one that was asked for.
    Tick(Box<Focus>),
    /// There is no such tick: the two are equal or not comparable, as the report says.
    Nothing(Box<DiffReport>),
}

/// One tick in depth.
#[derive(Clone, Debug, Serialize)]
pub struct Focus {
    /// `cdt.focus/1`.
    pub schema: &'static str,
    /// The tick.
    #[serde(serialize_with = "tick_number")]
    pub tick: Tick,
    /// Why this tick: the first sustained one, the first mismatch, or because it was asked for.
    pub chosen: &'static str,
    /// Why the two differ; `None` when they do not at this tick.
    pub cause: Option<Cause>,
    /// How many values differ.
    pub values_different: u64,
    /// Those, in causal order, up to a limit.
    pub differences: Vec<FocusDifference>,
    /// The draws of the tick, side by side; empty when both drew the same.
    pub draws: Vec<DrawPair>,
    /// Entities that came or went since the tick before, up to a limit.
    pub population: Population,
    /// What was lost of either.
    pub loss: LossReport,
    /// The two traces.
    pub traces: Traces,
}

/// A value that differs, with all that helps to see how.
#[derive(Clone, Debug, Serialize)]
pub struct FocusDifference {
    /// The channel.
    #[serde(serialize_with = "channel_name")]
    pub channel: Channel,
    /// What differs.
    pub path: String,
    /// What the reference has.
    pub reference: Option<Value>,
    /// What the candidate has.
    pub candidate: Option<Value>,
    /// Type of a scalar.
    pub scalar_type: Option<&'static str>,
    /// Candidate less reference.
    pub delta: Option<String>,
    /// Distance in units in the last place.
    pub ulp: Option<u64>,
    /// Bits of the reference's value.
    pub reference_bits: Option<String>,
    /// Bits of the candidate's value.
    pub candidate_bits: Option<String>,
    /// The value in the ticks before, oldest first.
    pub history: Vec<Moment>,
}

/// A value in one tick.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    /// The tick.
    #[serde(serialize_with = "tick_number")]
    pub tick: Tick,
    /// What the reference has.
    pub reference: Option<Value>,
    /// What the candidate has.
    pub candidate: Option<Value>,
}

/// The draws at one position.
#[derive(Clone, Debug, Serialize)]
pub struct DrawPair {
    /// The position, from 1.
    pub seq: u32,
    /// Whether the two are the same, callers apart.
    pub same: bool,
    /// What the reference drew.
    pub reference: Option<DrawView>,
    /// What the candidate drew.
    pub candidate: Option<DrawView>,
}

/// One draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DrawView {
    /// The stream's name.
    pub stream: String,
    /// What was drawn.
    pub value: u32,
    /// The state before.
    pub before: String,
    /// The state after.
    pub after: String,
    /// Who drew.
    pub caller: u32,
}

/// Who came and went, by path.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Population {
    /// In the reference: came.
    pub reference_came: Vec<String>,
    /// In the reference: went.
    pub reference_went: Vec<String>,
    /// In the candidate: came.
    pub candidate_came: Vec<String>,
    /// In the candidate: went.
    pub candidate_went: Vec<String>,
}

/// Looks at one tick of two traces: the one asked for, or else the first sustained difference, or else the first one.
///
/// # Errors
/// A trace cannot be read or is damaged, both lack the tick that was asked for, or the work was stopped.
pub fn focus<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    tick: Option<Tick>,
    history: u32,
    options: &DiffOptions,
    watch: &dyn Watch,
) -> Result<FocusOutcome, Error> {
    if let Some(tick) = tick.filter(|&tick| !reference.index().has(tick) && !candidate.index().has(tick)) {
        let (reference, candidate) = (reference.name().display(), candidate.name().display());
        let rule = format!("neither trace has a tick {tick}; `cdt info` shows their ticks");
        return Err(Error::not_there(format!("{reference}, {candidate}: {rule}")));
    }
    let report = match tick {
        Some(tick) => {
            let both = reference.index().has(tick) && candidate.index().has(tick);
            let window = cdt_projections::Window { start: tick, end: tick.next() };
            let asked = if both { DiffOptions { window, ..options.clone() } } else { options.clone() };
            if let Some(report) = incomparable(reference, candidate, &asked) {
                return Ok(FocusOutcome::Nothing(Box::new(report)));
            }
            None
        }
        None => Some(diff(reference, candidate, options, watch)?),
    };
    let sustained = report.as_ref().and_then(|report| report.first_sustained.as_ref());
    let first = report.as_ref().and_then(|report| report.first_mismatch.as_ref());
    let chosen = match (tick, sustained, first) {
        (Some(tick), ..) => (tick, "asked for"),
        (None, Some(mismatch), _) => (mismatch.tick, "the first sustained difference"),
        (None, None, Some(mismatch)) => (mismatch.tick, "the first difference; none is sustained"),
        (None, None, None) => {
            let report = report.expect("without a tick the two were compared");
            return Ok(FocusOutcome::Nothing(Box::new(report)));
        }
    };
    let compared = reference.layout().channels().iter();
    let channels = options.channels.unwrap_or_else(|| compared.collect());
    let mut lens =
        Lens { left: BlockCursor::new(reference, channels), right: BlockCursor::new(candidate, channels), channels };
    let traces = Traces { reference: TraceFacts::new(reference), candidate: TraceFacts::new(candidate) };
    let loss = LossReport {
        reference: LossEntry::list(&reference.index().loss),
        candidate: LossEntry::list(&candidate.index().loss),
    };
    lens.focus(chosen, history, traces, loss).map(|focus| FocusOutcome::Tick(Box::new(focus)))
}

struct Lens<'a, R, C> {
    left: BlockCursor<'a, R>,
    right: BlockCursor<'a, C>,
    channels: cdt_schema::ChannelSet,
}

impl<R: Source, C: Source> Lens<'_, R, C> {
    fn focus(
        &mut self,
        (tick, chosen): (Tick, &'static str),
        history: u32,
        traces: Traces,
        loss: LossReport,
    ) -> Result<Focus, Error> {
        let before = tick.0.checked_sub(1).map(Tick);
        let population = self.population(tick, before)?;
        let (found, cause, draws) = if let (Some((a, at)), Some((b, bt))) = (self.left.at(tick)?, self.right.at(tick)?)
        {
            let (a, b) = (TickRows { rows: a, tick: at }, TickRows { rows: b, tick: bt });
            let found = differences(a, b, self.channels);
            let cause = mismatch(tick, &found, a, b).map(|mismatch| mismatch.cause);
            let differ = found.iter().any(|difference| difference.channel == Channel::Rng);
            let draws = if differ { draw_pairs(a, b) } else { Vec::new() };
            (found, cause, draws)
        } else {
            (Vec::new(), Some(missing_tick(self.left.at(tick)?.is_some())), Vec::new())
        };
        let mut shown = Vec::new();
        for (index, difference) in found.iter().take(SHOWN).enumerate() {
            let moments = if index < WITH_HISTORY { self.history(difference, tick, history)? } else { Vec::new() };
            shown.push(in_depth(difference, moments));
        }
        Ok(Focus {
            schema: "cdt.focus/1",
            tick,
            chosen,
            cause,
            values_different: found.len() as u64,
            differences: shown,
            draws,
            population,
            loss,
            traces,
        })
    }

    fn history(&mut self, difference: &Difference, tick: Tick, length: u32) -> Result<Vec<Moment>, Error> {
        let Some(cell) = difference.cell else { return Ok(Vec::new()) };
        let mut moments = Vec::new();
        for past in (tick.0.saturating_sub(length)..tick.0).map(Tick) {
            let reference = self.left.at(past)?.and_then(|(rows, index)| cell.value(rows, index));
            let candidate = self.right.at(past)?.and_then(|(rows, index)| cell.value(rows, index));
            if reference.is_some() || candidate.is_some() {
                moments.push(Moment { tick: past, reference, candidate });
            }
        }
        Ok(moments)
    }

    fn population(&mut self, tick: Tick, before: Option<Tick>) -> Result<Population, Error> {
        let Some(before) = before else { return Ok(Population::default()) };
        let living = |rows: Option<(&Rows, usize)>| rows.map(|(rows, index)| entities(rows, index));
        let (reference_past, candidate_past) = (living(self.left.at(before)?), living(self.right.at(before)?));
        let (reference_now, candidate_now) = (living(self.left.at(tick)?), living(self.right.at(tick)?));
        let without = |a: &Option<Vec<String>>, b: &Option<Vec<String>>| -> Vec<String> {
            let (Some(a), Some(b)) = (a, b) else { return Vec::new() };
            let known: BTreeSet<&String> = b.iter().collect();
            let others: Vec<&String> = a.iter().filter(|path| !known.contains(path)).collect();
            let mut listed: Vec<String> = others.iter().take(LISTED).map(|&path| path.clone()).collect();
            if others.len() > LISTED {
                listed.push(format!("and {} more", others.len() - LISTED));
            }
            listed
        };
        Ok(Population {
            reference_came: without(&reference_now, &reference_past),
            reference_went: without(&reference_past, &reference_now),
            candidate_came: without(&candidate_now, &candidate_past),
            candidate_went: without(&candidate_past, &candidate_now),
        })
    }
}

/// Paths of the entities that live in a tick.
fn entities(rows: &Rows, tick: usize) -> Vec<String> {
    let layout = rows.layout();
    if !rows.loaded().contains(Channel::Entities) {
        return Vec::new();
    }
    let tables = layout.tables_of(Channel::Entities);
    let uids = tables.flat_map(|(id, _)| rows.range(id, tick).filter_map(move |row| rows.uid(id, row)));
    uids.map(|uid| Path::entity(layout, uid).to_string()).collect()
}

fn in_depth(difference: &Difference, history: Vec<Moment>) -> FocusDifference {
    let scalars = difference.scalars();
    FocusDifference {
        channel: difference.channel,
        path: difference.path.clone(),
        reference: difference.reference.clone(),
        candidate: difference.candidate.clone(),
        scalar_type: scalars.map(|(reference, _)| reference.scalar_type().name()),
        delta: difference.delta(),
        ulp: difference.ulp(),
        reference_bits: scalars.map(|(reference, _)| reference.bit_pattern()),
        candidate_bits: scalars.map(|(_, candidate)| candidate.bit_pattern()),
        history,
    }
}

fn draw_pairs(reference: TickRows<'_>, candidate: TickRows<'_>) -> Vec<DrawPair> {
    let views = |side: TickRows<'_>| -> Vec<DrawView> {
        let Some(id) = side.rows.layout().table(TableKind::Rng) else { return Vec::new() };
        let number = |column: usize, row: usize| side.rows.table(id).columns[column].bits(row);
        let narrow = |column, row| u32::try_from(number(column, row)).expect("32-bit columns");
        let view = |row| DrawView {
            stream: cell(side.rows, id, rng::STREAM, row).to_string(),
            value: narrow(rng::VALUE, row),
            before: number(rng::BEFORE, row).to_string(),
            after: number(rng::AFTER, row).to_string(),
            caller: narrow(rng::CALLER, row),
        };
        side.rows.range(id, side.tick).map(view).collect()
    };
    let (left, right) = (views(reference), views(candidate));
    let pair = |(position, seq): (usize, u32)| {
        let (reference, candidate) = (left.get(position).cloned(), right.get(position).cloned());
        let behaviour = |draw: &DrawView| DrawView { caller: 0, ..draw.clone() };
        let same = reference.as_ref().map(behaviour) == candidate.as_ref().map(behaviour);
        DrawPair { seq, same, reference, candidate }
    };
    (0..left.len().max(right.len())).zip(1..).map(pair).collect()
}
