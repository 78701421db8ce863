//! Would this comparison have seen it? Single faults are planted in copies of the candidate, in every compared field, and
//! the very comparison that was asked for has to see each of them.

use cdt_schema::{Channel, ChannelSet, Path, Rows, Tick};
use cdt_trace::{Source, Trace, Unwatched, Watch, splice};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Error;
use crate::diff::{DiffOptions, diff};
use crate::faults::{self, Fault};
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
    /// Those that the comparison saw: the channel differs at that tick, where it did not before.
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
    pub why: &'static str,
}

impl Proof {
    /// Whether every planted fault was seen, and at least one was planted.
    pub fn is_complete(&self) -> bool {
        self.planted > 0 && self.killed == self.planted
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
    let mut prover = Prover {
        reference,
        candidate,
        options,
        plan: &plan,
        lens: Lens::new(reference, candidate, &plan),
        report: &report,
        proof: Proof::default(),
    };
    let tables = plan.rules.tables.iter().map(|table| (table, faults::of(candidate.layout(), table)));
    let tables: Vec<(&TableRules, Vec<Fault>)> = tables.collect();
    let total: usize = tables.iter().map(|(_, faults)| faults.len()).sum();
    let mut done = 0;
    for (table, faults) in &tables {
        let blocks = prover.blocks_with(table)?;
        if blocks.is_empty() {
            let what = Path::table(candidate.layout(), table.right).to_string();
            prover.proof.not_planted.push(NotPlanted { what, fault: "any", why: "the candidate has no row of it" });
            continue;
        }
        for fault in faults {
            watch.progress(done, Some(total as u64));
            done += 1;
            prover.field(table, fault, &blocks, watch)?;
        }
    }
    report.proof = Some(prover.proof);
    Ok(report)
}

struct Prover<'a, R, C> {
    reference: &'a Trace<R>,
    candidate: &'a Trace<C>,
    options: &'a DiffOptions,
    plan: &'a Plan,
    lens: Lens<'a, R, C>,
    report: &'a DiffReport,
    proof: Proof,
}

impl<R: Source, C: Source> Prover<'_, R, C> {
    /// Plants one sort of fault in several places.
    fn field(&mut self, table: &TableRules, fault: &Fault, blocks: &[usize], watch: &dyn Watch) -> Result<(), Error> {
        let what = fault.name(self.candidate.layout(), table);
        let mut of_field = FieldProof { what: what.clone(), fault: fault.sort(), planted: 0, killed: 0 };
        let mut taken = Vec::new();
        for place in 0..PLACES {
            if watch.cancelled() {
                return Err(Error::cancelled());
            }
            // An early, a middle and a late part of the run; a short one has no parts.
            let part = |part: usize| blocks.len() * part / PLACES;
            let near = if blocks.len() < PLACES { blocks } else { &blocks[part(place)..part(place + 1)] };
            let Some((at, block, rows)) = self.place(table, fault, near, &taken)? else { continue };
            taken.push(at);
            of_field.planted += 1;
            let copy = splice(self.candidate, block, &rows)?;
            let copy = Trace::from_source(copy, self.candidate.name())?;
            let report = diff(self.reference, &copy, self.options, &Unwatched)?;
            if self.saw(&report, table.channel) {
                of_field.killed += 1;
            } else if self.proof.survivors.len() < LISTED {
                let tick = at.candidate.map_or(0, |tick| tick.0);
                self.proof.survivors.push(Survivor { what: what.clone(), fault: fault.sort(), tick });
            }
        }
        if of_field.planted == 0 {
            let why = "no row on which the two agree admits it";
            self.proof.not_planted.push(NotPlanted { what, fault: fault.sort(), why });
            return Ok(());
        }
        self.proof.planted += of_field.planted;
        self.proof.killed += of_field.killed;
        self.proof.fields.push(of_field);
        Ok(())
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

    /// The first moment in some blocks at which a channel agrees and that has a place for a fault, and its block with that.
    fn place(
        &mut self,
        table: &TableRules,
        fault: &Fault,
        blocks: &[usize],
        taken: &[PairedTick],
    ) -> Result<Option<(PairedTick, usize, Rows)>, Error> {
        for &block in blocks {
            let entry = self.candidate.index().blocks[block];
            let ticks = (entry.first_tick.0..=entry.last_tick.0).map(Tick);
            for at in ticks.filter_map(|tick| self.plan.pairing.of_candidate(tick)).filter(|at| !taken.contains(at)) {
                if self.lens.differing(at)?.contains(table.channel) {
                    continue;
                }
                let Some(pair) = self.lens.pair(at, ChannelSet::ALL)? else { continue };
                if let Some(rows) = fault.plant(table, pair) {
                    return Ok(Some((at, block, rows)));
                }
            }
        }
        Ok(None)
    }

    /// Whether a comparison found more in a channel than that of the two as they are.
    fn saw(&self, report: &DiffReport, channel: Channel) -> bool {
        let ticks = |report: &DiffReport| {
            report.channels.iter().find(|of| of.channel == channel).map_or(0, |channel| channel.ticks_different)
        };
        report.verdict == Verdict::Diverged && ticks(report) > ticks(self.report)
    }
}
