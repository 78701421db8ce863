//! One tick of two traces in depth: every value that differs, with its recent history on both sides, the draws side by
//! side, and who came and went.

use std::collections::BTreeSet;

use cdt_projections::Value;
use cdt_schema::{Channel, Path, Rows, Tick};
use cdt_trace::{Loss, Source, Trace, Watch};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cause::{classify, missing_tick};
use crate::compare::{Difference, Side};
use crate::diff::{DiffOptions, diff};
use crate::draws::{self, DrawPair};
use crate::lens::Lens;
use crate::plan::Plan;
use crate::report::{
    DiffReport, LossReport, Reason, ReasonCode, TraceFacts, Traces, channel_name, optional_tick, tick_number,
};
use crate::ticks::PairedTick;
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
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Focus {
    /// `cdt.focus/1`.
    #[schemars(extend("const" = "cdt.focus/1"))]
    pub schema: &'static str,
    /// The tick.
    #[serde(serialize_with = "tick_number")]
    #[schemars(with = "u32")]
    pub tick: Tick,
    /// The candidate's number, where ticks are not paired by their numbers.
    #[serde(serialize_with = "optional_tick")]
    #[schemars(with = "Option<u32>")]
    pub candidate_tick: Option<Tick>,
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
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FocusDifference {
    /// The channel.
    #[serde(serialize_with = "channel_name")]
    #[schemars(with = "String")]
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
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Moment {
    /// The tick.
    #[serde(serialize_with = "tick_number")]
    #[schemars(with = "u32")]
    pub tick: Tick,
    /// What the reference has.
    pub reference: Option<Value>,
    /// What the candidate has.
    pub candidate: Option<Value>,
}

/// Who came and went, by path.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
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
    let plan = Plan::new(reference, candidate, options, watch)?;
    let (at, chosen) = match tick {
        Some(tick) => {
            let Some(at) = moment(reference, candidate, &plan, tick)? else {
                return Ok(FocusOutcome::Nothing(Box::new(plan.report(reference, candidate))));
            };
            (at, "asked for")
        }
        None => {
            let report = diff(reference, candidate, options, watch)?;
            let tick = match (&report.first_sustained, &report.first_mismatch) {
                (Some(lasting), _) => (lasting.tick, "the first sustained difference"),
                (None, Some(first)) => (first.tick, "the first difference; none is sustained"),
                (None, None) => return Ok(FocusOutcome::Nothing(Box::new(report))),
            };
            (plan.pairing.find(tick.0).expect("the report's ticks are paired"), tick.1)
        }
    };
    let mut closeup = Closeup { lens: Lens::new(reference, candidate, &plan), plan: &plan };
    let traces = Traces { reference: TraceFacts::new(reference), candidate: TraceFacts::new(candidate) };
    let loss = LossReport::of(reference, candidate);
    closeup.focus((at, chosen), history, traces, loss).map(|focus| FocusOutcome::Tick(Box::new(focus)))
}

/// The moment of a tick that was asked for; `None` where the two are not comparable there, as the plan says.
fn moment<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    plan: &Plan,
    tick: Tick,
) -> Result<Option<PairedTick>, Error> {
    let in_both = (reference.index().has(tick), candidate.index().has(tick));
    let lacks_loss = |reason: &Reason| reason.code != ReasonCode::LossInside;
    // Loss elsewhere does not matter to one tick, nor does it to a tick that one run lacks.
    let touched = |loss: &[Loss]| loss.iter().any(|loss| loss.touches(tick, tick));
    let lossy = touched(&reference.index().loss) || touched(&candidate.index().loss);
    let alone = |reason: &Reason| reason.code == ReasonCode::NoCommonTicks && in_both != (true, true);
    if plan.reasons.iter().any(|reason| lacks_loss(reason) && !alone(reason)) || lossy && in_both == (true, true) {
        return Ok(None);
    }
    let by_number =
        PairedTick { position: 0, reference: in_both.0.then_some(tick), candidate: in_both.1.then_some(tick) };
    let found = plan.pairing.find(tick);
    let found = found.or_else(|| Some(by_number).filter(|_| plan.alignment.is_none() && in_both != (false, false)));
    found.map(Some).ok_or_else(|| {
        let (reference, candidate) = (reference.name().display(), candidate.name().display());
        let rule = if plan.alignment.is_some() {
            format!("tick {tick} of the reference has no partner; `cdt diff` with the same alignment shows which have")
        } else {
            format!("neither trace has a tick {tick}; `cdt info` shows their ticks")
        };
        Error::not_there(format!("{reference}, {candidate}: {rule}"))
    })
}

/// Looks at one moment from all sides.
struct Closeup<'a, R, C> {
    lens: Lens<'a, R, C>,
    plan: &'a Plan,
}

impl<R: Source, C: Source> Closeup<'_, R, C> {
    fn focus(
        &mut self,
        (at, chosen): (PairedTick, &'static str),
        history: u32,
        traces: Traces,
        loss: LossReport,
    ) -> Result<Focus, Error> {
        let channels = self.plan.rules.channels;
        let population = self.population(at)?;
        let found = self.lens.differences(at, channels)?;
        let (cause, draws) = match self.lens.pair(at, channels)? {
            None => (Some(missing_tick(at.reference.is_some())), Vec::new()),
            Some(pair) => {
                let differ = found.iter().any(|difference| difference.channel == Channel::Rng);
                let views = || (draws::views(pair.reference), draws::views(pair.candidate));
                let draws = if differ { draws::aligned(&views().0, &views().1) } else { Vec::new() };
                ((!found.is_empty()).then(|| classify(&found, pair)), draws)
            }
        };
        let mut shown = Vec::new();
        for (index, difference) in found.iter().take(SHOWN).enumerate() {
            let moments = if index < WITH_HISTORY { self.history(difference, at, history)? } else { Vec::new() };
            shown.push(in_depth(difference, moments));
        }
        Ok(Focus {
            schema: "cdt.focus/1",
            tick: at.tick(),
            candidate_tick: at.candidate.filter(|_| self.plan.alignment.is_some()),
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

    /// The moments before one, oldest first.
    fn before(&self, at: PairedTick, length: u32) -> Vec<PairedTick> {
        let first = at.position.saturating_sub(u64::from(length));
        let paired = |position| self.plan.pairing.at(position);
        // A tick that is not compared has neighbours by its number alone.
        if self.plan.pairing.find(at.tick()) != Some(at) {
            let tick = at.tick().0;
            let past = (tick.saturating_sub(length)..tick).map(Tick);
            return past.map(|tick| PairedTick { position: 0, reference: Some(tick), candidate: Some(tick) }).collect();
        }
        (first..at.position).filter_map(paired).collect()
    }

    fn history(&mut self, difference: &Difference, at: PairedTick, length: u32) -> Result<Vec<Moment>, Error> {
        let Some(place) = difference.place else { return Ok(Vec::new()) };
        let mut moments = Vec::new();
        for past in self.before(at, length) {
            let (reference, candidate) = self.lens.values(place, past, self.plan.rules.channels)?;
            if reference.is_some() || candidate.is_some() {
                moments.push(Moment { tick: past.tick(), reference, candidate });
            }
        }
        Ok(moments)
    }

    fn population(&mut self, at: PairedTick) -> Result<Population, Error> {
        let Some(before) = self.before(at, 1).pop() else { return Ok(Population::default()) };
        let channels = self.plan.rules.channels;
        let mut living = |at, side| -> Result<Option<Vec<String>>, Error> {
            Ok(self.lens.side(at, side, channels)?.map(|rows| entities(rows.rows, rows.tick)))
        };
        let (reference_past, candidate_past) = (living(before, Side::Reference)?, living(before, Side::Candidate)?);
        let (reference_now, candidate_now) = (living(at, Side::Reference)?, living(at, Side::Candidate)?);
        Ok(Population {
            reference_came: without(&reference_now, &reference_past),
            reference_went: without(&reference_past, &reference_now),
            candidate_came: without(&candidate_now, &candidate_past),
            candidate_went: without(&candidate_past, &candidate_now),
        })
    }
}

/// Those of `a` that are not in `b`, up to a limit; none where one of the two is not known.
fn without(a: &Option<Vec<String>>, b: &Option<Vec<String>>) -> Vec<String> {
    let (Some(a), Some(b)) = (a, b) else { return Vec::new() };
    let known: BTreeSet<&String> = b.iter().collect();
    let others: Vec<&String> = a.iter().filter(|path| !known.contains(path)).collect();
    let mut listed: Vec<String> = others.iter().take(LISTED).map(|&path| path.clone()).collect();
    if others.len() > LISTED {
        listed.push(format!("and {} more", others.len() - LISTED));
    }
    listed
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
