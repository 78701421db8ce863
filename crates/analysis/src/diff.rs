//! The verdict: digests first, rows only where those differ.

use std::num::NonZeroU64;

use cdt_projections::{BlockCursor, Window};
use cdt_schema::{Channel, ChannelSet, Digest, Layout, Path, Role, TableId, TableKind, Tick};
use cdt_trace::{Loss, Source, TickRun, Totals, Trace, Watch};
use xxhash_rust::xxh3::xxh3_64;

use crate::Error;
use crate::cause::{classify, missing_tick};
use crate::compare::{Difference, TickRows, differences, first_diagnostic};
use crate::coverage;
use crate::episodes::EpisodeTracker;
use crate::report::{
    ChannelReport, Compared, DiffReport, Ends, Episodes, FirstOfChannel, LossEntry, LossReport, Mask, Mismatch,
    NeverCompared, OneSided, Policy, Reason, ReasonCode, TraceFacts, Traces, Verdict,
};
use crate::ticks::{CommonTicks, PairedTick, PairedTicks};

/// Ticks between two looks at the stop flag.
const TICKS_PER_LOOK: u64 = 4096;

/// How to compare.
#[derive(Clone, Debug)]
pub struct DiffOptions {
    /// The ticks to compare.
    pub window: Window,
    /// Ticks that an episode must last to be sustained.
    pub sustain: u32,
    /// The channels to compare; `None` for all that the traces declare.
    pub channels: Option<ChannelSet>,
    /// Whether ticks that only one run has, at either end, are a difference.
    pub whole: bool,
    /// Most episodes to list.
    pub episodes: usize,
}

impl Default for DiffOptions {
    fn default() -> DiffOptions {
        DiffOptions { window: Window::ALL, sustain: 60, channels: None, whole: false, episodes: 100 }
    }
}

/// Compares a candidate with its reference.
///
/// # Errors
/// A trace cannot be read or is damaged, or the work was stopped. Not being comparable is a verdict.
pub fn diff<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    options: &DiffOptions,
    watch: &dyn Watch,
) -> Result<DiffReport, Error> {
    let plan = Plan::new(reference, candidate, options);
    let mut report = plan.empty_report(reference, candidate, options);
    if !report.reasons.is_empty() {
        return Ok(report);
    }
    let Some((first, last)) = plan.span else { return Ok(report) };
    report.ends = plan.ends;
    report.compared = compared(reference, candidate, &plan, watch)?;
    let last_of = |runs: &[TickRun]| CommonTicks::of(runs, runs, plan.window).range().map(|(_, last)| last);
    let end = last_of(&reference.index().tick_runs).max(last_of(&candidate.index().tick_runs)).unwrap_or(last);
    let mut walk = Walk::new(reference, candidate, &plan, options, end);
    walk.behaviour(watch)?;
    walk.diagnostics(watch)?;
    report.compared.whole = options.whole;
    report.compared.window = Some(format!("{first}..{}", u64::from(last.0) + 1));
    walk.finish(&mut report)?;
    report.verdict = match (report.first_mismatch.is_some(), report.compared.values) {
        (true, _) => Verdict::Diverged,
        (false, Some(_)) => Verdict::Equal,
        (false, None) => {
            report.reasons.push(Reason {
                code: ReasonCode::NothingCompared,
                what: None,
                reference: None,
                candidate: None,
            });
            Verdict::NotComparable
        }
    };
    Ok(report)
}

/// Why two traces cannot be compared, if they cannot: the report says so.
pub(crate) fn incomparable<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    options: &DiffOptions,
) -> Option<DiffReport> {
    let plan = Plan::new(reference, candidate, options);
    Some(plan.empty_report(reference, candidate, options)).filter(|report| !report.reasons.is_empty())
}

/// What will be compared, or why nothing can be.
struct Plan {
    channels: ChannelSet,
    /// First and last tick of the window that is compared.
    span: Option<(Tick, Tick)>,
    window: Window,
    /// The ticks of the window that both have.
    common: CommonTicks,
    reasons: Vec<Reason>,
    masks: Vec<Mask>,
    ends: Ends,
    /// Whether equal tick digests mean equal ticks: both are over the same channels and layout.
    digests_compare: bool,
}

impl Plan {
    fn new<R: Source, C: Source>(reference: &Trace<R>, candidate: &Trace<C>, options: &DiffOptions) -> Plan {
        let (left, right) = (reference.layout(), candidate.layout());
        let declared: ChannelSet = left.channels().iter().chain(right.channels().iter()).collect();
        let channels = options.channels.unwrap_or(declared);
        let mut reasons = Vec::new();
        for channel in channels.iter() {
            let state = |layout: &Layout| if layout.channels().contains(channel) { "declared" } else { "absent" };
            if state(left) == "absent" || state(right) == "absent" {
                reasons.push(Reason {
                    code: ReasonCode::ChannelAbsent,
                    what: Some(channel.name().to_owned()),
                    reference: Some(state(left).to_owned()),
                    candidate: Some(state(right).to_owned()),
                });
            }
        }
        reasons.extend(layout_reasons(left, right, channels));
        let (span, ends) = overlap(reference, candidate, options);
        match span {
            None => reasons.push(no_common_ticks(reference, candidate, options.window)),
            Some((first, last)) => {
                // With the ends compared too, a loss behind the last tick that anybody has is inside.
                let last = if options.whole && options.window.end.is_none() { Tick(u32::MAX) } else { last };
                let sides = [(reference.index().loss.as_slice(), true), (candidate.index().loss.as_slice(), false)];
                for (loss, is_reference) in sides {
                    reasons.extend(
                        loss.iter().filter(|loss| loss.touches(first, last)).map(|l| loss_inside(l, is_reference)),
                    );
                }
            }
        }
        let left_out = declared.iter().filter(|&channel| !channels.contains(channel));
        let mask =
            |channel: Channel| Mask { what: channel.name().to_owned(), reason: "left out by --channels".to_owned() };
        let window = span.map_or(options.window, |(first, last)| Window { start: first, end: last.next() });
        let digests_compare = left.digest() == right.digest();
        let common = CommonTicks::of(&reference.index().tick_runs, &candidate.index().tick_runs, window);
        if span.is_some() && common.count() == 0 {
            reasons.push(no_common_ticks(reference, candidate, options.window));
        }
        Plan { channels, span, window, common, reasons, masks: left_out.map(mask).collect(), ends, digests_compare }
    }

    fn empty_report<R: Source, C: Source>(
        &self,
        reference: &Trace<R>,
        candidate: &Trace<C>,
        options: &DiffOptions,
    ) -> DiffReport {
        let masked: Vec<&str> = self.masks.iter().map(|mask| mask.what.as_str()).collect();
        let asked = format!("sustain={} whole={} masks={}", options.sustain, options.whole, masked.join(","));
        let loss = |loss: &[Loss]| LossEntry::list(loss);
        DiffReport {
            schema: "cdt.diff/1",
            verdict: Verdict::NotComparable,
            reasons: self.reasons.clone(),
            first_mismatch: None,
            first_sustained: None,
            parted: None,
            channels: Vec::new(),
            episodes: Episodes::default(),
            compared: Compared::default(),
            policy: Policy { digest: Digest(xxh3_64(asked.as_bytes())).to_string(), masks: self.masks.clone() },
            loss: LossReport { reference: loss(&reference.index().loss), candidate: loss(&candidate.index().loss) },
            traces: Traces { reference: TraceFacts::new(reference), candidate: TraceFacts::new(candidate) },
            ends: Ends::default(),
        }
    }
}

/// Declarations in which two layouts differ and which compared channels refer to. Players belong to the step channel,
/// stages to calls and timing.
fn layout_reasons(left: &Layout, right: &Layout, channels: ChannelSet) -> Vec<Reason> {
    let both = |channel: Channel| {
        channels.contains(channel) && left.channels().contains(channel) && right.channels().contains(channel)
    };
    let parts = |layout: &Layout| layout.spec().checkpoint.clone().unwrap_or_default();
    let (a, b) = (parts(left), parts(right));
    let concerns = |difference: &cdt_schema::LayoutDifference| match (difference.channel, difference.what.as_str()) {
        // Checkpoints carry a value for each stream and kind, and events name kinds, by their numbers.
        (Some(Channel::Rng), _) => both(Channel::Rng) || both(Channel::Checkpoint) && (a.rng_state || b.rng_state),
        (Some(Channel::Entities), _) => {
            let counted = a.entity_counts || b.entity_counts;
            both(Channel::Entities) || both(Channel::Events) || both(Channel::Checkpoint) && counted
        }
        (Some(channel), _) => both(channel),
        (None, "players") => both(Channel::Step),
        (None, _) => both(Channel::Calls) || both(Channel::Timing),
    };
    let reason = |difference: cdt_schema::LayoutDifference| Reason {
        code: ReasonCode::LayoutDiffers,
        what: Some(difference.what),
        reference: difference.reference,
        candidate: difference.candidate,
    };
    left.differences(right).into_iter().filter(concerns).map(reason).collect()
}

fn no_common_ticks<R: Source, C: Source>(reference: &Trace<R>, candidate: &Trace<C>, window: Window) -> Reason {
    let ticks = |index: &cdt_trace::TraceIndex| {
        let own = CommonTicks::of(&index.tick_runs, &index.tick_runs, window);
        match own.range() {
            Some((first, last)) => format!("{} of {first}..{}", own.count(), u64::from(last.0) + 1),
            None => "none".to_owned(),
        }
    };
    let (reference, candidate) = (Some(ticks(reference.index())), Some(ticks(candidate.index())));
    Reason { code: ReasonCode::NoCommonTicks, what: None, reference, candidate }
}

fn loss_inside(loss: &Loss, is_reference: bool) -> Reason {
    let text = Some(loss.to_string());
    let (reference, candidate) = if is_reference { (text, None) } else { (None, text) };
    Reason { code: ReasonCode::LossInside, what: None, reference, candidate }
}

/// The ticks from the later start to the earlier end of the two (with `whole`, from the earlier to the later), and how
/// many ticks stick out on either side.
fn overlap<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    options: &DiffOptions,
) -> (Option<(Tick, Tick)>, Ends) {
    let ranges = (reference.index().tick_range(), candidate.index().tick_range());
    let (Some((a_first, a_last)), Some((b_first, b_last))) = ranges else { return (None, Ends::default()) };
    let window_last = options.window.end.map_or(Tick(u32::MAX), |end| Tick(end.0.saturating_sub(1)));
    let common = (a_first.max(b_first).max(options.window.start), a_last.min(b_last).min(window_last));
    if common.0 > common.1 {
        return (None, Ends::default());
    }
    let count = |runs: &[TickRun], window: Window| CommonTicks::of(runs, runs, window).count();
    let before = Window { start: options.window.start, end: Some(common.0) };
    let after = common.1.next().map(|start| Window { start, end: options.window.end });
    let sides =
        |runs: &[TickRun]| OneSided { before: count(runs, before), after: after.map_or(0, |after| count(runs, after)) };
    let ends = Ends {
        reference_only: sides(&reference.index().tick_runs),
        candidate_only: sides(&candidate.index().tick_runs),
    };
    let span = if options.whole {
        (a_first.min(b_first).max(options.window.start), a_last.max(b_last).min(window_last))
    } else {
        common
    };
    (Some(span), ends)
}

/// What a trace has in the ticks that both have.
fn held<S: Source>(trace: &Trace<S>, plan: &Plan, watch: &dyn Watch) -> Result<Totals, Error> {
    if plan.common.are_all(&trace.index().tick_runs, plan.window) {
        return coverage::of(trace, plan.window, plan.channels);
    }
    coverage::of_some(trace, &plan.common, plan.channels, watch)
}

/// The certificate.
fn compared<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    plan: &Plan,
    watch: &dyn Watch,
) -> Result<Compared, Error> {
    let left = held(reference, plan, watch)?;
    let right = held(candidate, plan, watch)?;
    let layout = reference.layout();
    let mut compared = Compared { ticks: plan.common.count(), ..Compared::default() };
    let mut values = 0;
    for channel in Channel::ALL {
        let why = match (plan.channels.contains(channel), layout.channels().contains(channel)) {
            (true, _) => continue,
            (false, true) => "left out by --channels",
            (false, false) if candidate.layout().channels().contains(channel) => "left out by --channels",
            (false, false) => "declared by neither trace",
        };
        compared.never_compared.push(NeverCompared { what: channel.name().to_owned(), why: why.to_owned() });
    }
    let changes = |layout: &Layout, table: usize, totals: &Totals| -> Vec<bool> {
        let before: usize = layout.tables()[..table].iter().map(|table| table.columns.len()).sum();
        let changed = &totals.changed[before..before + layout.tables()[table].columns.len()];
        changed.iter().map(|change| change.within).collect()
    };
    for (index, schema) in
        layout.tables().iter().enumerate().filter(|(_, schema)| plan.channels.contains(schema.channel))
    {
        let TableId(other) = candidate.layout().table(schema.kind).expect("the layouts agree in compared channels");
        let rows = (left.rows[index], right.rows[other]);
        let table = Path::table(layout, TableId(index));
        if rows == (0, 0) {
            let of_guest = if schema.kind == TableKind::Events { " that is the guest's" } else { "" };
            let why = format!("neither run has a row of it{of_guest}");
            compared.never_compared.push(NeverCompared { what: table.to_string(), why });
            continue;
        }
        compared.rows += rows.0;
        let changed = (changes(layout, index, &left), changes(candidate.layout(), other, &right));
        for (column, declared) in schema.columns.iter().enumerate() {
            let what = table.field(&declared.name).to_string();
            if declared.role == Role::Diagnostic {
                let why = "not behaviour: told as a diagnostic".to_owned();
                compared.never_compared.push(NeverCompared { what, why });
                continue;
            }
            values += rows.0;
            let is_key = column < schema.key_columns();
            if !is_key && !changed.0[column] && !changed.1[column] {
                compared.never_changed.push(what);
            }
        }
    }
    compared.values = NonZeroU64::new(values);
    compared.ticks_with_input = plan.channels.contains(Channel::Step).then_some(left.ticks_with_input);
    Ok(compared)
}

/// Goes through the ticks of both traces and gathers what differs.
struct Walk<'a, R, C> {
    reference: &'a Trace<R>,
    candidate: &'a Trace<C>,
    plan: &'a Plan,
    left: BlockCursor<'a, R>,
    right: BlockCursor<'a, C>,
    ticks: u64,
    all: EpisodeTracker,
    channels: Vec<ChannelWalk>,
    first: Option<PairedTick>,
}

struct ChannelWalk {
    channel: Channel,
    first: Option<FirstOfChannel>,
    first_diagnostic: Option<FirstOfChannel>,
    ticks_different: u64,
    episodes: EpisodeTracker,
    /// The last tick on which the channel differed, to tell episodes of its own.
    last: Option<Tick>,
}

impl<'a, R: Source, C: Source> Walk<'a, R, C> {
    fn new(
        reference: &'a Trace<R>,
        candidate: &'a Trace<C>,
        plan: &'a Plan,
        options: &DiffOptions,
        last: Tick,
    ) -> Self {
        let channel = |channel| ChannelWalk {
            channel,
            first: None,
            first_diagnostic: None,
            ticks_different: 0,
            episodes: EpisodeTracker::new(options.sustain, last, 0),
            last: None,
        };
        Walk {
            reference,
            candidate,
            plan,
            left: BlockCursor::new(reference, plan.channels),
            right: BlockCursor::new(candidate, plan.channels),
            ticks: 0,
            all: EpisodeTracker::new(options.sustain, last, options.episodes),
            channels: plan.channels.iter().map(channel).collect(),
            first: None,
        }
    }

    /// Finds every tick whose behaviour differs.
    fn behaviour(&mut self, watch: &dyn Watch) -> Result<(), Error> {
        let total = self.reference.index().ticks().min(self.candidate.index().ticks());
        let mut ticks = PairedTicks::new(self.reference, self.candidate, self.plan.window)?;
        while let Some(paired) = ticks.next()? {
            if self.ticks.is_multiple_of(TICKS_PER_LOOK) {
                watch.progress(self.ticks, Some(total));
                if watch.cancelled() {
                    return Err(Error::cancelled());
                }
            }
            self.ticks += 1;
            if self.plan.digests_compare && paired.reference == paired.candidate {
                continue;
            }
            let differing = self.differing_channels(paired)?;
            if differing == ChannelSet::EMPTY {
                continue;
            }
            self.first.get_or_insert(paired);
            self.all.differs(paired.tick, paired.previous, differing);
            self.note_channels(paired, differing)?;
        }
        Ok(())
    }

    fn differing_channels(&mut self, paired: PairedTick) -> Result<ChannelSet, Error> {
        let (Some(left), Some(right)) = (self.left.digests(paired.tick)?, self.right.digests(paired.tick)?) else {
            return Ok(self.plan.channels);
        };
        let differs = |channel: &Channel| left[*channel as usize] != right[*channel as usize];
        Ok(self.plan.channels.iter().filter(differs).collect())
    }

    fn note_channels(&mut self, paired: PairedTick, differing: ChannelSet) -> Result<(), Error> {
        for index in 0..self.channels.len() {
            let channel = self.channels[index].channel;
            if !differing.contains(channel) {
                continue;
            }
            if self.channels[index].first.is_none() {
                let first = self.differences(paired.tick, [channel].into_iter().collect())?.into_iter().next();
                self.channels[index].first = Some(match first {
                    Some(difference) => first_of(difference),
                    None => {
                        FirstOfChannel { tick: paired.tick, path: "tick".to_owned(), reference: None, candidate: None }
                    }
                });
            }
            let walk = &mut self.channels[index];
            walk.ticks_different += 1;
            let follows = paired.previous.filter(|previous| walk.last == Some(*previous));
            walk.episodes.differs(paired.tick, follows, differing);
            walk.last = Some(paired.tick);
        }
        Ok(())
    }

    /// Finds the first difference of each channel that is not behaviour.
    fn diagnostics(&mut self, watch: &dyn Watch) -> Result<(), Error> {
        let evidential = [Channel::Rng, Channel::Timing, Channel::Events];
        for index in 0..self.channels.len() {
            let channel = self.channels[index].channel;
            if !evidential.contains(&channel) {
                continue;
            }
            let one: ChannelSet = [channel].into_iter().collect();
            let mut left = BlockCursor::new(self.reference, one);
            let mut right = BlockCursor::new(self.candidate, one);
            let mut ticks = PairedTicks::new(self.reference, self.candidate, self.plan.window)?;
            while let Some(paired) = ticks.next()? {
                if watch.cancelled() {
                    return Err(Error::cancelled());
                }
                let (Some((a, at)), Some((b, bt))) = (left.at(paired.tick)?, right.at(paired.tick)?) else { continue };
                let found = first_diagnostic(TickRows { rows: a, tick: at }, TickRows { rows: b, tick: bt }, channel);
                if let Some(difference) = found {
                    self.channels[index].first_diagnostic = Some(first_of(difference));
                    break;
                }
            }
        }
        Ok(())
    }

    fn differences(&mut self, tick: Tick, channels: ChannelSet) -> Result<Vec<Difference>, Error> {
        let (Some((a, at)), Some((b, bt))) = (self.left.at(tick)?, self.right.at(tick)?) else { return Ok(Vec::new()) };
        Ok(differences(TickRows { rows: a, tick: at }, TickRows { rows: b, tick: bt }, channels))
    }

    /// What differs at a tick, and why.
    fn mismatch(&mut self, tick: Tick) -> Result<Mismatch, Error> {
        let channels = self.plan.channels;
        let (left, right) = (self.left.at(tick)?, self.right.at(tick)?);
        let (Some((a, at)), Some((b, bt))) = (left, right) else {
            let cause = missing_tick(left.is_some());
            let channel = channels.iter().next().expect("a plan compares at least one channel");
            let (reference, candidate, delta, ulp) = (None, None, None, None);
            let path = "tick".to_owned();
            return Ok(Mismatch { tick, channel, path, reference, candidate, delta, ulp, cause, values_different: 0 });
        };
        let (a, b) = (TickRows { rows: a, tick: at }, TickRows { rows: b, tick: bt });
        let mismatch = mismatch(tick, &differences(a, b, channels), a, b);
        mismatch.ok_or_else(|| {
            let (reference, candidate) = (self.reference.name().display(), self.candidate.name().display());
            Error::unexplained(format!(
                "{reference}, {candidate}: digests differ at tick {tick}, but no value does; run cdt health on both"
            ))
        })
    }

    fn finish(mut self, report: &mut DiffReport) -> Result<(), Error> {
        if let Some(first) = self.first {
            report.first_mismatch = Some(self.mismatch(first.tick)?);
        }
        let all = std::mem::replace(&mut self.all, EpisodeTracker::new(1, Tick(0), 0));
        let (episodes, lasting, parted) = all.finish();
        (report.episodes, report.parted) = (episodes, parted);
        if let Some(tick) = lasting {
            report.first_sustained = Some(self.mismatch(tick)?);
        }
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

fn first_of(difference: Difference) -> FirstOfChannel {
    let Difference { tick, path, reference, candidate, .. } = difference;
    FirstOfChannel { tick, path, reference, candidate }
}

/// One tick's difference, with its cause.
pub(crate) fn mismatch(tick: Tick, found: &[Difference], a: TickRows<'_>, b: TickRows<'_>) -> Option<Mismatch> {
    let first = found.first()?;
    Some(Mismatch {
        tick,
        channel: first.channel,
        path: first.path.clone(),
        reference: first.reference.clone(),
        candidate: first.candidate.clone(),
        delta: first.delta(),
        ulp: first.ulp(),
        cause: classify(found, a, b),
        values_different: found.len() as u64,
    })
}
