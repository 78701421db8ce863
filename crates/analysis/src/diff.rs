//! The verdict: digests first, rows only where those differ or a rule asks for them.

use cdt_projections::Window;
use cdt_schema::{Channel, ChannelSet, Tick};
use cdt_trace::{Source, Trace, Watch, diagnostic_channels};

use crate::Error;
use crate::align::Align;
use crate::certificate::compared;
use crate::compare::Difference;
use crate::episodes::EpisodeTracker;
use crate::lens::Lens;
use crate::plan::Plan;
use crate::policy::Policy;
use crate::report::{ChannelReport, DiffReport, FirstOfChannel};
use crate::ticks::{PairedTick, Suspects};

/// How to compare.
#[derive(Clone, Debug)]
pub struct DiffOptions {
    /// The ticks to compare, by the reference's numbers.
    pub window: Window,
    /// Moments that an episode must last to be sustained.
    pub sustain: u32,
    /// The channels to compare; `None` for all that the traces declare and the policy does not leave out.
    pub channels: Option<ChannelSet>,
    /// What is left out, and within what two values count as the same.
    pub policy: Policy,
    /// By what ticks are paired.
    pub align: Align,
    /// Whether ticks that only one run has, at either end, are a difference. Where ticks are paired by anchors, two runs are not
    /// comparable then that have others without a partner than those before the first pair.
    pub whole: bool,
    /// Most episodes to list.
    pub episodes: usize,
}

impl Default for DiffOptions {
    fn default() -> DiffOptions {
        DiffOptions {
            window: Window::ALL,
            sustain: 60,
            channels: None,
            policy: Policy::default(),
            align: Align::Tick,
            whole: false,
            episodes: 100,
        }
    }
}

/// Compares a candidate with its reference.
///
/// # Errors
/// A trace cannot be read or is damaged, the policy is about nothing that they declare, or the work was stopped. Not being
/// comparable is a verdict.
pub fn diff<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    options: &DiffOptions,
    watch: &dyn Watch,
) -> Result<DiffReport, Error> {
    Ok(diff_and_tell(reference, candidate, options, None, watch)?.0)
}

/// Compares, and gives every difference that the comparison comes upon in one tick of the candidate.
pub(crate) fn diff_and_tell<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    options: &DiffOptions,
    told: Option<Tick>,
    watch: &dyn Watch,
) -> Result<(DiffReport, Vec<Difference>), Error> {
    let plan = Plan::new(reference, candidate, options, watch)?;
    let mut report = plan.report(reference, candidate);
    if !report.reasons.is_empty() {
        return Ok((report, Vec::new()));
    }
    report.ends = plan.ends;
    report.compared = compared(reference, candidate, &plan, options, watch)?;
    let mut walk = Walk::new(reference, candidate, &plan, options);
    let differences = walk.behaviour(told, watch)?;
    walk.diagnostics(watch)?;
    walk.finish(&mut report, watch)?;
    let (verdict, reason) = plan.verdict(report.first_mismatch.is_some(), &report.compared);
    report.verdict = verdict;
    report.reasons.extend(reason);
    Ok((report, differences))
}

/// Goes through the moments of both traces and gathers what differs.
struct Walk<'a, R, C> {
    reference: &'a Trace<R>,
    candidate: &'a Trace<C>,
    plan: &'a Plan,
    lens: Lens<'a, R, C>,
    all: EpisodeTracker,
    channels: Vec<ChannelWalk>,
    first: Option<PairedTick>,
    /// Ticks of which rows were compared, because digests say nothing, or that they differ.
    by_rows: u64,
}

struct ChannelWalk {
    channel: Channel,
    first: Option<FirstOfChannel>,
    first_diagnostic: Option<FirstOfChannel>,
    ticks_different: u64,
    episodes: EpisodeTracker,
}

impl<'a, R: Source, C: Source> Walk<'a, R, C> {
    fn new(reference: &'a Trace<R>, candidate: &'a Trace<C>, plan: &'a Plan, options: &DiffOptions) -> Self {
        let tracker = |limit| EpisodeTracker::new(options.sustain, plan.pairing.total(), limit);
        let channel = |channel| ChannelWalk {
            channel,
            first: None,
            first_diagnostic: None,
            ticks_different: 0,
            episodes: tracker(0),
        };
        Walk {
            reference,
            candidate,
            plan,
            lens: Lens::new(reference, candidate, plan),
            all: tracker(options.episodes),
            channels: plan.rules.channels.iter().map(channel).collect(),
            first: None,
            by_rows: 0,
        }
    }

    /// Finds every moment whose behaviour differs, and gives all that differs in one tick of the candidate.
    fn behaviour(&mut self, told: Option<Tick>, watch: &dyn Watch) -> Result<Vec<Difference>, Error> {
        let plan = self.plan;
        let mut differences = Vec::new();
        let mut suspects = Suspects::new(self.reference, self.candidate, &plan.pairing, plan.digests_compare);
        while let Some(at) = suspects.next(watch)? {
            self.by_rows += u64::from(self.lens.takes_rows(at)?);
            let differing = self.lens.differing(at)?;
            if differing == ChannelSet::EMPTY {
                continue;
            }
            if told.is_some() && at.candidate == told {
                differences = self.lens.differences(at, differing)?;
            }
            self.first.get_or_insert(at);
            self.all.differs(at, differing);
            for channel in self.channels.iter_mut().filter(|walk| differing.contains(walk.channel)) {
                if channel.first.is_none() {
                    let found = self.lens.differences(at, [channel.channel].into_iter().collect())?;
                    let (path, reference, candidate) = ("tick".to_owned(), None, None);
                    let lacking = FirstOfChannel { tick: at.tick(), path, reference, candidate };
                    channel.first = Some(found.into_iter().next().map_or(lacking, first_of));
                }
                channel.ticks_different += 1;
                channel.episodes.differs(at, differing);
            }
        }
        Ok(differences)
    }

    /// Finds the first difference of each channel that is not behaviour.
    fn diagnostics(&mut self, watch: &dyn Watch) -> Result<(), Error> {
        for channel in self.channels.iter_mut().filter(|walk| walk.channel.has_diagnostics()) {
            if same_diagnostics(self.reference, self.candidate, self.plan, channel.channel) {
                continue;
            }
            for position in 0..self.plan.pairing.total() {
                if position.is_multiple_of(4096) && watch.cancelled() {
                    return Err(Error::cancelled());
                }
                let at = self.plan.pairing.at(position).expect("within the total");
                if let Some(difference) = self.lens.diagnostic(at, channel.channel)? {
                    channel.first_diagnostic = Some(first_of(difference));
                    break;
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, report: &mut DiffReport, watch: &dyn Watch) -> Result<(), Error> {
        if let Some(first) = self.first {
            report.first_mismatch = Some(self.lens.mismatch(first, watch)?);
        }
        let (episodes, lasting, parted) = self.all.finish();
        (report.episodes, report.parted) = (episodes, parted.map(|parted| parted.tick()));
        if let Some(lasting) = lasting {
            report.first_sustained = Some(self.lens.mismatch(lasting, watch)?);
        }
        report.compared.by_rows = Some(self.by_rows);
        report.channels = self.channels.into_iter().map(ChannelWalk::finish).collect();
        Ok(())
    }
}

impl ChannelWalk {
    fn finish(self) -> ChannelReport {
        ChannelReport {
            channel: self.channel,
            first_mismatch: self.first,
            first_diagnostic: self.first_diagnostic,
            ticks_different: self.ticks_different,
            episodes: self.episodes.counts(),
        }
    }
}

/// Whether the stored digests show that two traces agree in what a channel carries beside behaviour. They can where both
/// have the same ticks and all of them are compared.
fn same_diagnostics<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    plan: &Plan,
    channel: Channel,
) -> bool {
    fn sum<S: Source>(trace: &Trace<S>, channel: Channel) -> Option<u64> {
        let place = diagnostic_channels(trace.layout()).position(|declared| declared == channel)?;
        let digests = (0..trace.segments()).map(|segment| trace.totals(segment).diagnostics[place].0);
        Some(digests.fold(0, u64::wrapping_add))
    }
    let (left, right) = (reference.index(), candidate.index());
    let all = plan.pairing.common() == left.ticks() && left.tick_runs == right.tick_runs;
    all && plan.digests_compare && sum(reference, channel) == sum(candidate, channel)
}

fn first_of(difference: Difference) -> FirstOfChannel {
    let Difference { tick, path, reference, candidate, .. } = difference;
    FirstOfChannel { tick, path, reference, candidate }
}
