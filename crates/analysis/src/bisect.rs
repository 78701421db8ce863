//! The first bad tick, found on digests alone where they decide, with what happened around it: all that somebody needs who
//! has neither trace.

use cdt_schema::{Channel, ChannelSet, Tick};
use cdt_trace::{Source, Trace, Watch};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Error;
use crate::align::Alignment;
use crate::certificate::compared;
use crate::compare::Difference;
use crate::diff::DiffOptions;
use crate::episodes::EpisodeTracker;
use crate::lens::Lens;
use crate::plan::Plan;
use crate::report::{
    Compared, Ends, LossReport, Mismatch, PolicyReport, Reason, Traces, Verdict, channel_names, optional_tick,
    tick_number,
};
use crate::ticks::{PairedTick, Suspects};

/// Differences that a moment of the window lists.
const LISTED: usize = 20;

/// The first bad tick and its window.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Bisect {
    /// `cdt.bisect/1`.
    #[schemars(extend("const" = "cdt.bisect/1"))]
    pub schema: &'static str,
    /// What was found.
    pub verdict: Verdict,
    /// Why it cannot be said; empty unless not comparable.
    pub reasons: Vec<Reason>,
    /// The first behavioural difference.
    pub first_mismatch: Option<Mismatch>,
    /// The start of the first episode that is sustained or open: the first bad tick.
    pub first_sustained: Option<Mismatch>,
    /// Moments that differ before the first bad tick and healed.
    pub healed_before: u64,
    /// The moments around the first bad tick, or around the first mismatch where none is sustained.
    pub window: Vec<WindowTick>,
    /// What was compared. Moments after the first bad tick are counted, but were not looked at.
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
    /// The command that makes this report again.
    pub command: String,
}

/// One moment of the window.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WindowTick {
    /// The tick.
    #[serde(serialize_with = "tick_number")]
    #[schemars(with = "u32")]
    pub tick: Tick,
    /// The candidate's number, where ticks are not paired by their numbers.
    #[serde(serialize_with = "optional_tick")]
    #[schemars(with = "Option<u32>")]
    pub candidate_tick: Option<Tick>,
    /// The channels that differ.
    #[serde(serialize_with = "channel_names")]
    #[schemars(with = "Vec<String>")]
    pub channels: Vec<Channel>,
    /// How many values differ.
    pub values_different: u64,
    /// The first of them, up to a limit.
    pub differences: Vec<Difference>,
}

/// How to bisect.
#[derive(Clone, Debug)]
pub struct BisectOptions {
    /// How to compare.
    pub diff: DiffOptions,
    /// Moments of the window before the first bad one.
    pub before: u32,
    /// Moments of the window from the first bad one on.
    pub after: u32,
    /// The command that makes the report again.
    pub command: String,
}

/// Finds the first bad tick, and stops there.
///
/// # Errors
/// As for [`crate::diff`].
pub fn bisect<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    options: &BisectOptions,
    watch: &dyn Watch,
) -> Result<Bisect, Error> {
    let plan = Plan::new(reference, candidate, &options.diff, watch)?;
    let report = plan.report(reference, candidate);
    let mut bisect = Bisect {
        schema: "cdt.bisect/1",
        verdict: Verdict::NotComparable,
        reasons: report.reasons,
        first_mismatch: None,
        first_sustained: None,
        healed_before: 0,
        window: Vec::new(),
        compared: Compared::default(),
        policy: report.policy,
        alignment: report.alignment,
        loss: report.loss,
        traces: report.traces,
        ends: report.ends,
        command: options.command.clone(),
    };
    if !bisect.reasons.is_empty() {
        return Ok(bisect);
    }
    bisect.ends = plan.ends;
    bisect.compared = compared(reference, candidate, &plan, &options.diff, watch)?;
    let mut lens = Lens::new(reference, candidate, &plan);
    let mut suspects = Suspects::new(reference, candidate, &plan.pairing, plan.digests_compare);
    let found = search(&plan, &mut lens, &mut suspects, options.diff.sustain, watch)?;
    bisect.healed_before = found.healed_before;
    if let Some(first) = found.first {
        bisect.first_mismatch = Some(lens.mismatch(first, watch)?);
    }
    if let Some(lasting) = found.lasting {
        bisect.first_sustained = match found.first == Some(lasting) {
            true => bisect.first_mismatch.clone(),
            false => Some(lens.mismatch(lasting, watch)?),
        };
    }
    if let Some(centre) = found.lasting.or(found.first) {
        bisect.window = window(&plan, &mut lens, centre, options)?;
    }
    let (verdict, reason) = plan.verdict(bisect.first_mismatch.is_some(), &bisect.compared);
    bisect.verdict = verdict;
    bisect.reasons.extend(reason);
    Ok(bisect)
}

/// What the search found.
struct Found {
    first: Option<PairedTick>,
    lasting: Option<PairedTick>,
    healed_before: u64,
}

/// Looks for the first episode that lasts, and no further.
fn search<R: Source, C: Source>(
    plan: &Plan,
    lens: &mut Lens<'_, R, C>,
    suspects: &mut Suspects<'_, R, C>,
    sustain: u32,
    watch: &dyn Watch,
) -> Result<Found, Error> {
    let mut episodes = EpisodeTracker::new(sustain, plan.pairing.total(), 0);
    let mut first = None;
    let mut differing = 0;
    while let Some(at) = suspects.next(watch)? {
        if plan.digests_decide() || lens.differing(at)? != ChannelSet::EMPTY {
            first.get_or_insert(at);
            differing += 1;
            episodes.differs(at, ChannelSet::EMPTY);
        }
        if let Some(lasting) = episodes.settled() {
            return Ok(Found { first, lasting: Some(lasting), healed_before: differing - u64::from(sustain) });
        }
    }
    let (_, lasting, _) = episodes.finish();
    let healed_before = lasting.map_or(differing, |lasting| differing - (plan.pairing.total() - lasting.position));
    Ok(Found { first, lasting, healed_before })
}

/// The moments around one.
fn window<R: Source, C: Source>(
    plan: &Plan,
    lens: &mut Lens<'_, R, C>,
    centre: PairedTick,
    options: &BisectOptions,
) -> Result<Vec<WindowTick>, Error> {
    let first = centre.position.saturating_sub(u64::from(options.before));
    let end = centre.position.saturating_add(u64::from(options.after)).min(plan.pairing.total());
    let mut window = Vec::new();
    for at in (first..end).filter_map(|position| plan.pairing.at(position)) {
        let channels = lens.differing(at)?;
        let mut differences = lens.differences(at, channels)?;
        let values_different = differences.len() as u64;
        differences.truncate(LISTED);
        window.push(WindowTick {
            tick: at.tick(),
            candidate_tick: at.candidate.filter(|_| plan.alignment.is_some()),
            channels: channels.iter().collect(),
            values_different,
            differences,
        });
    }
    Ok(window)
}
