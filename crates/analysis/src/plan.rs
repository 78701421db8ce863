//! What will be compared, or every reason why nothing can be.

use cdt_projections::Window;
use cdt_schema::{Channel, ChannelSet, Digest, Layout, LayoutDifference, TableKind, Tick};
use cdt_trace::{Loss, Source, TickRun, Trace, TraceIndex, Watch};
use twox_hash::XxHash3_64;

use crate::align::{Align, Alignment, pair};
use crate::policy::{Action, Policy, Rule};
use crate::report::{
    Compared, DiffReport, Ends, Episodes, LossReport, OneSided, PolicyReport, Reason, ReasonCode, TraceFacts, Traces,
    Verdict,
};
use crate::rules::Rules;
use crate::ticks::{Pairing, TickSet};
use crate::{DiffOptions, Error};

/// What will be compared, or why nothing can be.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rules: Rules,
    pub(crate) pairing: Pairing,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) ends: Ends,
    pub(crate) alignment: Option<Alignment>,
    /// Whether equal tick digests mean equal ticks: both are over the same channels and layout.
    pub(crate) digests_compare: bool,
    /// Digest of what was asked.
    asked: Digest,
}

impl Plan {
    pub(crate) fn new<R: Source, C: Source>(
        reference: &Trace<R>,
        candidate: &Trace<C>,
        options: &DiffOptions,
        watch: &dyn Watch,
    ) -> Result<Plan, Error> {
        if options.whole && options.align != Align::Tick && options.window != Window::ALL {
            return Err(Error::policy(format!(
                "ticks that are paired by {} have a partner or none in all of the two runs: leave out --whole or --ticks",
                options.align
            )));
        }
        let (left, right) = (reference.layout(), candidate.layout());
        let policy = effective(options, left, right);
        let rules = Rules::new(left, right, &policy)?;
        let renames = rules.renamed.len();
        let mut reasons = absent(left, right, rules.channels);
        reasons.extend(layout_reasons(left, right, &rules));
        let mut plan = Plan {
            rules,
            pairing: Pairing::default(),
            reasons,
            ends: Ends::default(),
            alignment: None,
            // A renamed field is compared with another one than its digest has in its place.
            digests_compare: left == right && renames == 0,
            asked: asked(options, &policy),
        };
        match &options.align {
            Align::Tick => plan.by_number(reference, candidate, options),
            by => plan.by_anchors(reference, candidate, (by, options), watch)?,
        }
        if plan.pairing.common() == 0 {
            plan.pairing = Pairing::default();
            let none = |reason: &Reason| reason.code == ReasonCode::NotAligned;
            if !plan.reasons.iter().any(none) {
                plan.reasons.push(match &plan.alignment {
                    Some(alignment) => no_partners(reference.index(), alignment, options.window),
                    None => no_common_ticks(reference.index(), candidate.index(), options.window),
                });
            }
        }
        plan.loss(reference.index(), candidate.index(), options);
        Ok(plan)
    }

    fn by_number<R: Source, C: Source>(&mut self, reference: &Trace<R>, candidate: &Trace<C>, options: &DiffOptions) {
        let (left, right) = (reference.index(), candidate.index());
        let Some((span, ends)) = overlap(left, right, options) else { return };
        self.ends = ends;
        self.pairing = Pairing::by_number(&left.tick_runs, &right.tick_runs, span);
    }

    fn by_anchors<R: Source, C: Source>(
        &mut self,
        reference: &Trace<R>,
        candidate: &Trace<C>,
        (by, options): (&Align, &DiffOptions),
        watch: &dyn Watch,
    ) -> Result<(), Error> {
        let declared = |layout: &Layout| by.channel().is_some_and(|channel| layout.channels().contains(channel));
        let known = |layout: &Layout| match by {
            Align::Event(kind) => layout.event_kinds().iter().any(|event| event.name == *kind),
            _ => declared(layout),
        };
        let text = |layout: &Layout| if known(layout) { "declared" } else { "absent" }.to_owned();
        if !known(reference.layout()) || !known(candidate.layout()) {
            self.reasons.push(Reason {
                code: ReasonCode::NotAligned,
                what: Some(by.to_string()),
                reference: Some(text(reference.layout())),
                candidate: Some(text(candidate.layout())),
            });
            return Ok(());
        }
        let paired = pair(reference, candidate, by, options.window, watch)?;
        self.ends = Ends {
            reference_only: OneSided { before: paired.before.0, after: paired.after.0 },
            candidate_only: OneSided { before: paired.before.1, after: paired.after.1 },
        };
        if paired.alignment.anchors.matched == 0 {
            let anchors = |count: u64| Some(format!("at {count} ticks, none of which match,"));
            self.reasons.push(Reason {
                code: ReasonCode::NotAligned,
                what: Some(by.to_string()),
                reference: anchors(paired.alignment.anchors.reference),
                candidate: anchors(paired.alignment.anchors.candidate),
            });
        }
        self.pairing = Pairing::new(paired.stretches);
        self.alignment = Some(paired.alignment);
        Ok(())
    }

    /// Recorded loss inside of what would be compared.
    fn loss(&mut self, reference: &TraceIndex, candidate: &TraceIndex, options: &DiffOptions) {
        let sides = [
            (reference, self.pairing.ticks_of(|stretch| stretch.reference), true),
            (candidate, self.pairing.ticks_of(|stretch| stretch.candidate), false),
        ];
        let all = self.pairing.span();
        for (index, ticks, is_reference) in sides {
            // By number, a tick that one lacks is inside too, and with the ends compared, so is whatever comes after.
            let range = if self.alignment.is_none() { all } else { ticks.range() };
            let Some((first, last)) = range else { continue };
            let last = if options.whole && options.window.end.is_none() { Tick(u32::MAX) } else { last };
            let inside = index.loss.iter().filter(|loss| loss.touches(first, last));
            self.reasons.extend(inside.map(|loss| loss_inside(loss, is_reference)));
        }
    }

    /// The verdict on what was compared, with the reason where none can be given.
    pub(crate) fn verdict(&self, differs: bool, compared: &Compared) -> (Verdict, Option<Reason>) {
        let nothing = Reason { code: ReasonCode::NothingCompared, what: None, reference: None, candidate: None };
        match compared.values {
            _ if differs => (Verdict::Diverged, None),
            None => (Verdict::NotComparable, Some(nothing)),
            Some(_) => match self.left_over().filter(|_| compared.whole) {
                Some(reason) => (Verdict::NotComparable, Some(reason)),
                None => (Verdict::Equal, None),
            },
        }
    }

    /// Ticks from the first pair on that have no partner, where ticks are paired by anchors.
    fn left_over(&self) -> Option<Reason> {
        let alignment = self.alignment.as_ref()?;
        let reference = alignment.skipped.reference + self.ends.reference_only.after;
        let candidate = alignment.skipped.candidate + self.ends.candidate_only.after;
        let (what, text) = (Some(alignment.by.clone()), |ticks: u64| Some(ticks.to_string()));
        let code = ReasonCode::LeftOver;
        (reference + candidate > 0).then(|| Reason {
            code,
            what,
            reference: text(reference),
            candidate: text(candidate),
        })
    }

    /// Whether other tick digests mean that something differs that is compared: everything is, bit for bit.
    pub(crate) fn digests_decide(&self) -> bool {
        self.digests_compare && self.rules.exact && self.rules.masks.is_empty()
    }

    /// A report of nothing but what was to be compared.
    pub(crate) fn report<R: Source, C: Source>(&self, reference: &Trace<R>, candidate: &Trace<C>) -> DiffReport {
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
            policy: self.policy(),
            alignment: self.alignment.clone(),
            loss: LossReport::of(reference, candidate),
            traces: Traces { reference: TraceFacts::new(reference), candidate: TraceFacts::new(candidate) },
            ends: Ends::default(),
            proof: None,
        }
    }

    fn policy(&self) -> PolicyReport {
        PolicyReport {
            digest: self.asked.to_string(),
            masks: self.rules.masks.clone(),
            tolerances: self.rules.tolerances.clone(),
            renamed: self.rules.renamed.clone(),
        }
    }
}

/// The policy with what the other options ask of fields.
fn effective(options: &DiffOptions, left: &Layout, right: &Layout) -> Policy {
    let mut policy = options.policy.clone();
    if let Some(asked) = options.channels {
        let reason = "left out by --channels".to_owned();
        let of_file = policy.only.take();
        let only = asked.iter().filter(|channel| of_file.as_ref().is_none_or(|(only, _)| only.contains(*channel)));
        policy.only =
            Some((only.collect(), of_file.map_or(reason.clone(), |(_, of_file)| format!("{of_file}; {reason}"))));
    }
    let has_step = |layout: &Layout| layout.channels().contains(Channel::Step);
    if options.align != Align::Tick && (has_step(left) || has_step(right)) {
        policy.rules.push(Rule {
            what: "step.elapsed".to_owned(),
            action: Action::LeaveOut,
            reason: format!("ticks are aligned by {}, so the clocks of the two runs are apart", options.align),
        });
    }
    policy
}

/// Digest of everything that was asked and that a verdict depends on.
fn asked(options: &DiffOptions, policy: &Policy) -> Digest {
    let DiffOptions { window, sustain, whole, align, .. } = options;
    let asked = format!("ticks {window}\nsustain {sustain}\nwhole {whole}\nalign {align}\n{}", policy.canonical());
    Digest(XxHash3_64::oneshot(asked.as_bytes()))
}

fn absent(left: &Layout, right: &Layout, channels: ChannelSet) -> Vec<Reason> {
    let state = |layout: &Layout, channel| if layout.channels().contains(channel) { "declared" } else { "absent" };
    let lacking =
        channels.iter().filter(|&channel| state(left, channel) == "absent" || state(right, channel) == "absent");
    let reason = |channel: Channel| Reason {
        code: ReasonCode::ChannelAbsent,
        what: Some(channel.name().to_owned()),
        reference: Some(state(left, channel).to_owned()),
        candidate: Some(state(right, channel).to_owned()),
    };
    lacking.map(reason).collect()
}

/// Declarations in which two layouts differ, which compared channels refer to and which no rule maps away. Players belong
/// to the table of their input, stages to calls and timing.
fn layout_reasons(left: &Layout, right: &Layout, rules: &Rules) -> Vec<Reason> {
    let both = |channel: Channel| {
        rules.channels.contains(channel) && left.channels().contains(channel) && right.channels().contains(channel)
    };
    let parts = |layout: &Layout| layout.spec().checkpoint.clone().unwrap_or_default();
    let (a, b) = (parts(left), parts(right));
    let checkpoints = both(Channel::Checkpoint) && !rules.maps_table(left, right, "checkpoint");
    let of_channel = |difference: &LayoutDifference| match (difference.channel, difference.what.as_str()) {
        (Some(channel), _) => both(channel),
        (None, "players") => rules.tables.iter().any(|table| table.kind == TableKind::Inputs),
        (None, _) => both(Channel::Calls) || both(Channel::Timing),
    };
    // Checkpoints carry a value for each stream and kind, and events name kinds by their numbers. That the declaration's own
    // channel is left out is no answer to them.
    let of_others = |difference: &LayoutDifference| match difference.channel {
        Some(Channel::Rng) => checkpoints && (a.rng_state || b.rng_state),
        Some(Channel::Entities) => {
            checkpoints && (a.entity_counts || b.entity_counts) || both(Channel::Events) && !same_kinds(left, right)
        }
        _ => false,
    };
    let reason = |difference: LayoutDifference| Reason {
        code: ReasonCode::LayoutDiffers,
        what: Some(difference.what),
        reference: difference.reference,
        candidate: difference.candidate,
    };
    let differences = left.differences(right).into_iter();
    let concerns =
        |difference: &LayoutDifference| of_channel(difference) && !rules.excuses(difference) || of_others(difference);
    differences.filter(concerns).map(reason).collect()
}

/// Whether entity kinds have the same numbers, as far as both have them.
fn same_kinds(left: &Layout, right: &Layout) -> bool {
    left.entity_kinds().iter().zip(right.entity_kinds()).all(|(left, right)| left.name == right.name)
}

fn no_common_ticks(reference: &TraceIndex, candidate: &TraceIndex, window: Window) -> Reason {
    let (reference, candidate) = (Some(ticks_within(reference, window)), Some(ticks_within(candidate, window)));
    Reason { code: ReasonCode::NoCommonTicks, what: None, reference, candidate }
}

/// Where ticks are aligned, the window is of the reference's numbers alone.
fn no_partners(reference: &TraceIndex, alignment: &Alignment, window: Window) -> Reason {
    let (what, reference) = (Some(alignment.by.clone()), Some(ticks_within(reference, window)));
    Reason { code: ReasonCode::NoCommonTicks, what, reference, candidate: None }
}

fn ticks_within(index: &TraceIndex, window: Window) -> String {
    let own = TickSet::within(&index.tick_runs, window);
    match own.range() {
        Some((first, last)) => format!("{} of {first}..{}", own.count(), u64::from(last.0) + 1),
        None => "none".to_owned(),
    }
}

fn loss_inside(loss: &Loss, is_reference: bool) -> Reason {
    let text = Some(loss.to_string());
    let (reference, candidate) = if is_reference { (text, None) } else { (None, text) };
    Reason { code: ReasonCode::LossInside, what: None, reference, candidate }
}

/// The ticks from the later start to the earlier end of the two (with `whole`, from the earlier to the later), and how
/// many ticks stick out on either side. `None` where the two do not meet.
fn overlap(reference: &TraceIndex, candidate: &TraceIndex, options: &DiffOptions) -> Option<(Window, Ends)> {
    let ((a_first, a_last), (b_first, b_last)) = (reference.tick_range()?, candidate.tick_range()?);
    let window_last = match options.window.end {
        None => Tick(u32::MAX),
        Some(end) => Tick(end.0.checked_sub(1)?),
    };
    let common = (a_first.max(b_first).max(options.window.start), a_last.min(b_last).min(window_last));
    if common.0 > common.1 {
        return None;
    }
    let count = |runs: &[TickRun], window: Window| TickSet::within(runs, window).count();
    let before = Window { start: options.window.start, end: Some(common.0) };
    let after = common.1.next().map(|start| Window { start, end: options.window.end });
    let sides =
        |runs: &[TickRun]| OneSided { before: count(runs, before), after: after.map_or(0, |after| count(runs, after)) };
    let ends = Ends { reference_only: sides(&reference.tick_runs), candidate_only: sides(&candidate.tick_runs) };
    let (start, last) = if options.whole {
        (a_first.min(b_first).max(options.window.start), a_last.max(b_last).min(window_last))
    } else {
        common
    };
    Some((Window { start, end: last.next() }, ends))
}
