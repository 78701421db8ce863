//! Would this comparison have seen it? Single faults are planted in copies of the candidate, in every compared field, and
//! the very comparison that was asked for has to see each of them.

use std::ops::Range;

use cdt_schema::{ChannelSet, Path, Rows};
use cdt_trace::{BlockEntry, Source, Totals, Trace, Unwatched, Watch, splice};
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
const PLACES: u64 = 3;
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
        let shared = prover.shared(table)?;
        for fault in faults {
            watch.progress(done, Some(total as u64));
            done += 1;
            prover.field(table, fault, &shared, watch)?;
        }
    }
    report.proof = Some(prover.proof);
    Ok(report)
}

/// Moments that are compared and whose candidate's ticks are in one block.
struct Shared {
    block: usize,
    /// In the pairing.
    positions: Range<u64>,
}

impl Shared {
    fn count(&self) -> u64 {
        self.positions.end - self.positions.start
    }
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
    fn field(&mut self, table: &TableRules, fault: &Fault, shared: &[Shared], watch: &dyn Watch) -> Result<(), Error> {
        let what = fault.name(self.candidate.layout(), table);
        let mut of_field = FieldProof { what: what.clone(), fault: fault.sort(), planted: 0, killed: 0 };
        let all: u64 = shared.iter().map(Shared::count).sum();
        for place in 0..PLACES {
            // An early, a middle and a late part of what is compared.
            let part = all * place / PLACES..all * (place + 1) / PLACES;
            let found = self.find(shared, part, watch, |pair| fault.plant(table, pair, Among::Agreeing))?;
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
            let could = self.find(shared, 0..all, watch, |pair| fault.is_possible(table, pair).then_some(()))?;
            let why = if could.is_some() { WhyNotPlanted::NeverAgrees } else { WhyNotPlanted::NoOtherValue };
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

    /// What is compared of the candidate's blocks that have rows of a table.
    fn shared(&mut self, table: &TableRules) -> Result<Vec<Shared>, Error> {
        let mut shared = Vec::new();
        let mut moments = self.plan.pairing.shared().peekable();
        for segment in 0..self.candidate.segments() {
            let summaries = self.candidate.summaries(segment)?;
            for (block, summary) in self.candidate.blocks_of(segment).zip(summaries) {
                let BlockEntry { first_tick, last_tick, .. } = self.candidate.index().blocks[block];
                while moments.next_if(|(_, last, _)| *last < first_tick).is_some() {}
                let has_rows = summary.totals.rows[table.right.0] > 0;
                while let Some(&(first, last, position)) = moments.peek().filter(|(first, ..)| *first <= last_tick) {
                    let (from, upto) = (first.max(first_tick), last.min(last_tick));
                    let position = position + u64::from(from.0 - first.0);
                    if has_rows {
                        shared.push(Shared { block, positions: position..position + u64::from(upto.0 - from.0) + 1 });
                    }
                    if last > last_tick {
                        break;
                    }
                    moments.next();
                }
            }
        }
        Ok(shared)
    }

    /// The first moment at which something is found, its block, and what was found, in a part of what is shared: moments are
    /// counted from 0 through all of it.
    fn find<T>(
        &mut self,
        shared: &[Shared],
        part: Range<u64>,
        watch: &dyn Watch,
        mut found: impl FnMut(Pair<'_>) -> Option<T>,
    ) -> Result<Option<(PairedTick, usize, T)>, Error> {
        let mut before = 0;
        for Shared { block, positions } in shared {
            if watch.cancelled() {
                return Err(Error::cancelled());
            }
            let at = |count: u64| positions.start + count.saturating_sub(before);
            let within = at(part.start)..at(part.end).min(positions.end);
            before += positions.end - positions.start;
            for at in within.filter_map(|position| self.plan.pairing.at(position)) {
                let Some(pair) = self.lens.pair(at, ChannelSet::ALL)? else { continue };
                if let Some(found) = found(pair) {
                    return Ok(Some((at, *block, found)));
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
