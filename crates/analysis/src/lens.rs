//! The rows of both traces around a moment, and what differs there.

use cdt_projections::{BlockCursor, Value};
use cdt_schema::{Channel, ChannelSet, TableKind};
use cdt_trace::{BlockSummary, SegmentSummaries, Source, Trace, Watch};

use crate::Error;
use crate::cause::{classify, missing_tick};
use crate::compare::{Difference, Pair, Place, Side, TickRows, differences, first_diagnostic};
use crate::plan::Plan;
use crate::report::{DriftOrigin, Mismatch};
use crate::rules::CellRule;
use crate::ticks::PairedTick;

/// Looks at moments of two traces by the rules of a plan.
pub(crate) struct Lens<'a, R, C> {
    plan: &'a Plan,
    left: Summaries<'a, R>,
    right: Summaries<'a, C>,
    left_rows: BlockCursor<'a, R>,
    right_rows: BlockCursor<'a, C>,
}

/// The block summaries of a trace: those of a segment as they are stored, and the last one that was asked for.
struct Summaries<'a, S> {
    trace: &'a Trace<S>,
    loaded: Option<(usize, SegmentSummaries<'a, S>)>,
    last: Option<(usize, BlockSummary)>,
}

impl<'a, S: Source> Summaries<'a, S> {
    fn new(trace: &'a Trace<S>) -> Self {
        Summaries { trace, loaded: None, last: None }
    }

    fn of(&mut self, block: usize) -> Result<&BlockSummary, Error> {
        let last = match self.last.take().filter(|(last, _)| *last == block) {
            Some(last) => last,
            None => (block, self.read(block)?),
        };
        Ok(&self.last.insert(last).1)
    }

    fn read(&mut self, block: usize) -> Result<BlockSummary, Error> {
        let inside = |segment: usize| self.trace.blocks_of(segment).contains(&block);
        if self.loaded.as_ref().is_none_or(|(segment, _)| !inside(*segment)) {
            let segment =
                (0..self.trace.segments()).find(|&segment| inside(segment)).expect("segments have all blocks");
            self.loaded = Some((segment, self.trace.segment_summaries(segment)?));
        }
        let (segment, summaries) = self.loaded.as_ref().expect("loaded above");
        let block = block - self.trace.blocks_of(*segment).start;
        Ok(summaries.block(block)?)
    }
}

impl<'a, R: Source, C: Source> Lens<'a, R, C> {
    pub(crate) fn new(reference: &'a Trace<R>, candidate: &'a Trace<C>, plan: &'a Plan) -> Self {
        Lens {
            plan,
            left: Summaries::new(reference),
            right: Summaries::new(candidate),
            left_rows: BlockCursor::new(reference),
            right_rows: BlockCursor::new(candidate),
        }
    }

    /// The rows of some channels on both sides; `None` for a tick that one of them lacks.
    pub(crate) fn pair(&mut self, at: PairedTick, channels: ChannelSet) -> Result<Option<Pair<'_>>, Error> {
        let (Some(reference), Some(candidate)) = (at.reference, at.candidate) else { return Ok(None) };
        let left = self.left_rows.at(reference, channels)?;
        let right = self.right_rows.at(candidate, channels)?;
        Ok(left.zip(right).map(|((a, at), (b, bt))| Pair {
            reference: TickRows { rows: a, tick: at },
            candidate: TickRows { rows: b, tick: bt },
        }))
    }

    /// One side's rows at a moment; `None` if it lacks the tick.
    pub(crate) fn side(
        &mut self,
        at: PairedTick,
        side: Side,
        channels: ChannelSet,
    ) -> Result<Option<TickRows<'_>>, Error> {
        let (tick, rows) = match side {
            Side::Reference => (at.reference, at.reference.map(|tick| self.left_rows.at(tick, channels))),
            Side::Candidate => (at.candidate, at.candidate.map(|tick| self.right_rows.at(tick, channels))),
        };
        debug_assert_eq!(tick.is_some(), rows.is_some());
        Ok(rows.transpose()?.flatten().map(|(rows, tick)| TickRows { rows, tick }))
    }

    /// Channels that may differ at a moment, as far as the block summaries tell: where the blocks on both sides have the
    /// same ticks, those whose digests are not the same.
    fn suspects(&mut self, at: PairedTick) -> Result<ChannelSet, Error> {
        let all = self.plan.rules.channels;
        let (Some(reference), Some(candidate)) = (at.reference, at.candidate) else { return Ok(all) };
        let (left, right) = (self.left.trace.index(), self.right.trace.index());
        let (Some(a), Some(b)) = (left.block_of(reference), right.block_of(candidate)) else { return Ok(all) };
        let span = |block: &cdt_trace::BlockEntry| (block.first_tick, block.last_tick, block.ticks);
        let same_ticks = span(&left.blocks[a]) == span(&right.blocks[b]) && reference == candidate;
        if !self.plan.digests_compare || !same_ticks {
            return Ok(all);
        }
        let declared = self.left.trace.layout().channels();
        let (a, b) = (self.left.of(a)?, self.right.of(b)?);
        let digests = a.channel_digests.iter().zip(&b.channel_digests);
        let channels = declared.iter().zip(digests);
        Ok(channels.filter(|(channel, (a, b))| a != b && all.contains(*channel)).map(|(channel, _)| channel).collect())
    }

    /// Whether finding out which channels differ at a moment takes any rows: neither those that one side lacks, nor those of channels
    /// whose digests are enough.
    pub(crate) fn takes_rows(&mut self, at: PairedTick) -> Result<bool, Error> {
        if at.reference.is_none() || at.candidate.is_none() {
            return Ok(false);
        }
        let suspects = self.suspects(at)?;
        let mut tables = self.plan.rules.tables.iter().filter(|table| suspects.contains(table.channel));
        Ok(tables.any(|table| table.kind != TableKind::Memory))
    }

    /// The channels that differ at a moment: all, where one side lacks the tick.
    pub(crate) fn differing(&mut self, at: PairedTick) -> Result<ChannelSet, Error> {
        let plan = self.plan;
        let suspects = self.suspects(at)?;
        let Some(pair) = self.pair(at, suspects)? else { return Ok(plan.rules.channels) };
        let mut differing = ChannelSet::EMPTY;
        let tables = plan.rules.tables.iter().filter(|table| suspects.contains(table.channel));
        for table in tables.clone().filter(|table| table.kind != TableKind::Memory) {
            if !differing.contains(table.channel) && pair.differs(table) {
                differing.insert(table.channel);
            }
        }
        if let (Some(reference), Some(candidate), true) =
            (at.reference, at.candidate, tables.clone().any(|table| table.kind == TableKind::Memory))
        {
            let left = self.left_rows.digest(reference, Channel::Memory)?;
            if left != self.right_rows.digest(candidate, Channel::Memory)? {
                differing.insert(Channel::Memory);
            }
        }
        Ok(differing)
    }

    /// Every behavioural difference of some channels at a moment; none where one side lacks the tick.
    pub(crate) fn differences(&mut self, at: PairedTick, channels: ChannelSet) -> Result<Vec<Difference>, Error> {
        let rules = &self.plan.rules;
        Ok(self.pair(at, channels)?.map_or_else(Vec::new, |pair| differences(pair, rules, channels)))
    }

    /// The first difference of a channel at a moment that is not behaviour.
    pub(crate) fn diagnostic(&mut self, at: PairedTick, channel: Channel) -> Result<Option<Difference>, Error> {
        let rules = &self.plan.rules;
        let pair = self.pair(at, [channel].into_iter().collect())?;
        Ok(pair.and_then(|pair| first_diagnostic(pair, rules, channel)))
    }

    /// What differs at a moment that is known to differ, and why.
    pub(crate) fn mismatch(&mut self, at: PairedTick, watch: &dyn Watch) -> Result<Mismatch, Error> {
        let plan = self.plan;
        let rules = &plan.rules;
        let candidate_tick = at.candidate.filter(|_| plan.alignment.is_some());
        let (tick, channels) = (at.tick(), self.suspects(at)?);
        let (reference, candidate) = (self.left.trace.name(), self.right.trace.name());
        let Some(pair) = self.pair(at, channels)? else {
            return Ok(Mismatch {
                tick,
                candidate_tick,
                channel: channels.iter().next().expect("a plan compares at least one channel"),
                path: "tick".to_owned(),
                reference: None,
                candidate: None,
                delta: None,
                ulp: None,
                cause: missing_tick(at.reference.is_some()),
                values_different: 0,
                drift_origin: None,
            });
        };
        let found = differences(pair, rules, channels);
        let Some(first) = found.first().cloned() else {
            let (reference, candidate) = (reference.display(), candidate.display());
            return Err(Error::unexplained(format!(
                "{reference}, {candidate}: digests differ at tick {tick}, but no value does; run cdt health on both"
            )));
        };
        let cause = classify(&found, pair);
        Ok(Mismatch {
            tick,
            candidate_tick,
            channel: first.channel,
            delta: first.delta(),
            ulp: first.ulp(),
            cause,
            values_different: found.len() as u64,
            drift_origin: self.drift_origin(&first, at, watch)?,
            path: first.path,
            reference: first.reference,
            candidate: first.candidate,
        })
    }

    /// From where on a value that breaks its tolerance was already off without a return to equality.
    fn drift_origin(
        &mut self,
        difference: &Difference,
        at: PairedTick,
        watch: &dyn Watch,
    ) -> Result<Option<DriftOrigin>, Error> {
        let plan = self.plan;
        let Some(place) = difference.place.filter(|place| is_tolerated(plan, *place)) else { return Ok(None) };
        let channels = [difference.channel].into_iter().collect();
        let mut origin = DriftOrigin {
            tick: at.tick(),
            reference: difference.reference.clone(),
            candidate: difference.candidate.clone(),
        };
        for position in (0..at.position).rev() {
            if watch.cancelled() {
                return Err(Error::cancelled());
            }
            let Some(past) = plan.pairing.at(position) else { break };
            let (reference, candidate) = self.values(place, past, channels)?;
            if reference == candidate || reference.is_none() || candidate.is_none() {
                break;
            }
            origin = DriftOrigin { tick: past.tick(), reference, candidate };
        }
        Ok(Some(origin))
    }

    /// What stands at a place on both sides of a moment.
    pub(crate) fn values(
        &mut self,
        place: Place,
        at: PairedTick,
        channels: ChannelSet,
    ) -> Result<(Option<Value>, Option<Value>), Error> {
        let rules = &self.plan.rules;
        let reference = self.side(at, Side::Reference, channels)?;
        let reference = reference.and_then(|rows| place.value(rules, Side::Reference, rows));
        let candidate = self.side(at, Side::Candidate, channels)?;
        Ok((reference, candidate.and_then(|rows| place.value(rules, Side::Candidate, rows))))
    }
}

/// Whether a tolerance is asked of what stands at a place.
fn is_tolerated(plan: &Plan, place: Place) -> bool {
    let Some(column) = place.column else { return false };
    match (&plan.rules.tables[place.table].columns[column].rule, place.member) {
        (CellRule::Within(_), _) => true,
        (CellRule::Members(kinds), Some(member)) => {
            kinds.iter().any(|kind| matches!(kind.get(member), Some(CellRule::Within(_))))
        }
        _ => false,
    }
}
