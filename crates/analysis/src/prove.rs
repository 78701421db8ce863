//! Would this comparison have seen it? Single faults are planted in copies of the candidate, in every compared field, and
//! the very comparison that was asked for has to see each of them.

use std::ops::Range;

use cdt_schema::{ChannelSet, Path, Rows, Tick};
use cdt_trace::{Source, Totals, Trace, Unwatched, Watch, splice};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Error;
use crate::certificate::held;
use crate::compare::{Difference, Pair};
use crate::diff::{DiffOptions, diff, diff_and_tell};
use crate::faults::{self, Among, Fault};
use crate::lens::Lens;
use crate::plan::Plan;
use crate::report::{DiffReport, Verdict};
use crate::rules::TableRules;
use crate::ticks::PairedTick;

/// Places in the run where a fault of each sort is planted: early, in the middle, late.
const PLACES: usize = 3;
/// Faults that were not seen and are listed.
const LISTED: usize = 100;

/// What came of planting faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Proof {
    /// Faults that were planted.
    pub planted: u64,
    /// Those that the comparison saw: it tells a difference in the fault's field and tick that it did not tell before.
    pub killed: u64,
    /// The faults by field.
    pub fields: Vec<FieldProof>,
    /// Faults that the comparison did not see, up to a limit.
    pub survivors: Vec<Survivor>,
    /// Fields in which no fault could be planted, and why.
    pub not_planted: Vec<NotPlanted>,
}

/// The faults of one field, or of the rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldProof {
    /// The field, or the table.
    pub what: String,
    /// The sort of fault.
    pub fault: &'static str,
    /// How many were planted.
    pub planted: u64,
    /// How many were seen.
    pub killed: u64,
}

/// A fault that the comparison did not see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Survivor {
    /// The field, or the table.
    pub what: String,
    /// The sort of fault.
    pub fault: &'static str,
    /// The candidate's tick.
    pub tick: u32,
}

/// A field in which no fault could be planted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NotPlanted {
    /// The field, or the table.
    pub what: String,
    /// The sort of fault.
    pub fault: &'static str,
    /// Why not.
    pub why: WhyNotPlanted,
}

/// Why no fault could be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhyNotPlanted {
    /// Neither run has a row of it.
    NoRow,
    /// No row admits the fault: by the layout there is no other value.
    NoOtherValue,
    /// The two differ in it wherever it stands, so there is nothing that a fault would make differ.
    NeverAgrees,
}

impl WhyNotPlanted {
    /// The reason in words.
    pub fn describe(self) -> &'static str {
        match self {
            WhyNotPlanted::NoRow => "neither run has a row of it",
            WhyNotPlanted::NoOtherValue => "no row admits another value",
            WhyNotPlanted::NeverAgrees => "NOT PROVEN, because the two differ in it wherever it stands",
        }
    }
}

impl Proof {
    /// Whether a fault was planted in all that is compared and could have one, and every planted fault was seen.
    pub fn is_complete(&self) -> bool {
        let unproven = self.not_planted.iter().any(|entry| entry.why == WhyNotPlanted::NeverAgrees);
        self.planted > 0 && self.killed == self.planted && !unproven
    }
}

/// Compares, then plants faults in copies of the candidate and compares each of those with the reference.
///
/// The report is that of the two as they are, with the proof; there is none where they are not comparable.
///
/// # Errors
/// As for [`crate::diff`].
pub fn prove<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    options: &DiffOptions,
    watch: &dyn Watch,
) -> Result<DiffReport, Error> {
    let mut report = diff(reference, candidate, options, watch)?;
    if report.verdict == Verdict::NotComparable {
        return Ok(report);
    }
    let plan = Plan::new(reference, candidate, options, watch)?;
    let rows = [
        held(reference, &plan.pairing.ticks_of(|stretch| stretch.reference), &plan, watch)?,
        held(candidate, &plan.pairing.ticks_of(|stretch| stretch.candidate), &plan, watch)?,
    ];
    let lens = Lens::new(reference, candidate, &plan);
    let mut prover = Prover { reference, candidate, options, plan: &plan, rows, lens, proof: Proof::default() };
    let tables = plan.rules.tables.iter().map(|table| (table, faults::of(candidate.layout(), table)));
    let tables: Vec<(&TableRules, Vec<Fault>)> = tables.collect();
    let total: usize = tables.iter().map(|(_, faults)| faults.len()).sum();
    let mut done = 0;
    for (table, faults) in &tables {
        if let Some(why) = prover.lacks_rows(table) {
            let what = Path::table(candidate.layout(), table.right).to_string();
            prover.proof.not_planted.push(NotPlanted { what, fault: "any", why });
            continue;
        }
        let blocks = prover.blocks_with(table)?;
        for fault in faults {
            watch.progress(done, Some(total as u64));
            done += 1;
            prover.field(table, fault, &blocks, watch)?;
        }
    }
    report.proof = Some(prover.proof);
    Ok(report)
}

/// The ticks from the first of a block to its last.
fn ticks_of<S: Source>(trace: &Trace<S>, block: usize) -> impl Iterator<Item = Tick> + Clone {
    let entry = trace.index().blocks[block];
    (entry.first_tick.0..=entry.last_tick.0).map(Tick)
}

struct Prover<'a, R, C> {
    reference: &'a Trace<R>,
    candidate: &'a Trace<C>,
    options: &'a DiffOptions,
    plan: &'a Plan,
    /// What the two have in the ticks that are compared, the reference first.
    rows: [Totals; 2],
    lens: Lens<'a, R, C>,
    proof: Proof,
}

impl<R: Source, C: Source> Prover<'_, R, C> {
    /// Plants one sort of fault in several places.
    fn field(&mut self, table: &TableRules, fault: &Fault, blocks: &[usize], watch: &dyn Watch) -> Result<(), Error> {
        let what = fault.name(self.candidate.layout(), table);
        let mut of_field = FieldProof { what: what.clone(), fault: fault.sort(), planted: 0, killed: 0 };
        for place in 0..PLACES {
            if watch.cancelled() {
                return Err(Error::cancelled());
            }
            // An early, a middle and a late part of the ticks.
            let start = |part: usize| self.ticks_in(blocks) * part / PLACES;
            let plant = |_: PairedTick, pair: Pair<'_>| fault.plant(table, pair, Among::Agreeing);
            let found = self.find(blocks, start(place)..start(place + 1), plant)?;
            let Some((at, block, rows)) = found else { continue };
            of_field.planted += 1;
            if self.saw(table, fault, at, block, &rows)? {
                of_field.killed += 1;
            } else if self.proof.survivors.len() < LISTED {
                let tick = at.candidate.map_or(0, |tick| tick.0);
                self.proof.survivors.push(Survivor { what: what.clone(), fault: fault.sort(), tick });
            }
        }
        if of_field.planted == 0 {
            let everywhere = 0..self.ticks_in(blocks);
            let could =
                self.find(blocks, everywhere, |_, pair| fault.is_possible(table, pair).then_some(()))?.is_some();
            let why = if could { WhyNotPlanted::NeverAgrees } else { WhyNotPlanted::NoOtherValue };
            self.proof.not_planted.push(NotPlanted { what, fault: fault.sort(), why });
            return Ok(());
        }
        self.proof.planted += of_field.planted;
        self.proof.killed += of_field.killed;
        self.proof.fields.push(of_field);
        Ok(())
    }

    /// Why no fault can be planted in a table of which the candidate has no row.
    fn lacks_rows(&self, table: &TableRules) -> Option<WhyNotPlanted> {
        let [reference, candidate] = &self.rows;
        match (reference.rows[table.left.0], candidate.rows[table.right.0]) {
            (0, 0) => Some(WhyNotPlanted::NoRow),
            (_, 0) => Some(WhyNotPlanted::NeverAgrees),
            _ => None,
        }
    }

    /// The candidate's blocks that have rows of a table.
    fn blocks_with(&mut self, table: &TableRules) -> Result<Vec<usize>, Error> {
        let mut found = Vec::new();
        for segment in 0..self.candidate.segments() {
            let summaries = self.candidate.summaries(segment)?;
            let blocks = self.candidate.blocks_of(segment).zip(summaries);
            found.extend(blocks.filter(|(_, summary)| summary.totals.rows[table.right.0] > 0).map(|(block, _)| block));
        }
        Ok(found)
    }

    /// How many ticks some of the candidate's blocks have between them, those left out within a block among them.
    fn ticks_in(&self, blocks: &[usize]) -> usize {
        blocks.iter().map(|block| ticks_of(self.candidate, *block).count()).sum()
    }

    /// The first moment at which something is found, its block, and what was found, in a part of the ticks of some blocks, which
    /// are counted from 0 through all of those blocks.
    fn find<T>(
        &mut self,
        blocks: &[usize],
        part: Range<usize>,
        mut found: impl FnMut(PairedTick, Pair<'_>) -> Option<T>,
    ) -> Result<Option<(PairedTick, usize, T)>, Error> {
        let mut before = 0;
        for &block in blocks {
            let ticks = ticks_of(self.candidate, block);
            let skipped = part.start.saturating_sub(before);
            let taken = part.end.saturating_sub(before).saturating_sub(skipped);
            before += ticks.clone().count();
            let ticks = ticks.skip(skipped).take(taken);
            for at in ticks.filter_map(|tick| self.plan.pairing.of_candidate(tick)) {
                let Some(pair) = self.lens.pair(at, ChannelSet::ALL)? else { continue };
                if let Some(found) = found(at, pair) {
                    return Ok(Some((at, block, found)));
                }
            }
        }
        Ok(None)
    }

    /// Whether the comparison, run with a block's rows after a fault at a moment, tells a difference that the fault makes.
    fn saw(
        &mut self,
        table: &TableRules,
        fault: &Fault,
        at: PairedTick,
        block: usize,
        rows: &Rows,
    ) -> Result<bool, Error> {
        let before = self.lens.differences(at, [table.channel].into_iter().collect())?;
        let copy = splice(self.candidate, block, rows)?;
        let copy = Trace::from_source(copy, self.candidate.name())?;
        let (report, after) = diff_and_tell(self.reference, &copy, self.options, at.candidate, &Unwatched)?;
        let same = |a: &Difference, b: &Difference| {
            (&a.path, &a.reference, &a.candidate) == (&b.path, &b.reference, &b.candidate)
        };
        let is_new = |after: &Difference| !before.iter().any(|before| same(before, after));
        let after: Vec<Difference> = after.into_iter().filter(|of| of.channel == table.channel).collect();
        // Beside rows that are missing or extra, a fault may have others stand for each other: what is new is its doing.
        let is_shifted = before.iter().chain(&after).any(Difference::is_one_sided);
        let is_own = |of: &Difference| is_shifted || fault.is_told_by(table, self.candidate.layout(), of);
        let made = after.iter().any(|of| is_new(of) && is_own(of));
        Ok(made && report.verdict == Verdict::Diverged)
    }
}
