//! Is a trace fit to compare? Every byte is read, every checksum and digest recomputed, every rule of continuity checked.

use cdt_projections::Window;
use cdt_schema::{ChannelSet, ContentDigest, Continuity, DigestSequence, Path, Rows, TableId, TickDigester};
use cdt_trace::{BlockSummary, Source, Trace, Watch};
use serde::Serialize;

use crate::Error;
use crate::coverage::Coverage;
use crate::report::{LossEntry, TraceFacts};

/// Most problems that are listed; a damaged trace has one in every tick.
const LISTED: usize = 100;

/// What was found about a trace.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// `cdt.health/1`.
    pub schema: &'static str,
    /// What was found.
    pub verdict: HealthVerdict,
    /// What is wrong, up to a limit.
    pub problems: Vec<Problem>,
    /// How many things are wrong.
    pub problem_count: u64,
    /// Ticks that the numbers skip: `A..B`.
    pub gaps: Vec<String>,
    /// What was lost.
    pub loss: Vec<LossEntry>,
    /// Channels that the layout does not declare.
    pub absent: Vec<&'static str>,
    /// Tables without a single row.
    pub empty: Vec<String>,
    /// Fields with one and the same value in every row.
    pub never_changed: Vec<String>,
    /// Rows that were checked.
    pub rows: u64,
    /// Ticks in which a player pressed, pushed or ordered anything; `None` without a step channel.
    pub ticks_with_input: Option<u64>,
    /// The trace.
    pub trace: TraceFacts,
}

/// Whether a trace is fit to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthVerdict {
    /// It is.
    Healthy,
    /// It is, but for what its loss ledger says.
    Lossy,
    /// It is not.
    Unhealthy,
}

/// Sorts of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// Bytes that break the format or fail a checksum.
    Damaged,
    /// A stored digest or summary is not that of the rows.
    Digest,
    /// A tick does not follow from those before it: an rng stream, a generation, a cause, memory.
    Continuity,
    /// There is no tick at all.
    Empty,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What sort.
    pub code: ProblemCode,
    /// In which tick, if in one.
    pub tick: Option<u32>,
    /// What was expected and what is there.
    pub detail: String,
}

/// Examines a trace.
///
/// # Errors
/// The work was stopped. What is wrong with the trace stands in the report.
pub fn health<S: Source>(trace: &Trace<S>, watch: &dyn Watch) -> Result<Health, Error> {
    let index = trace.index();
    let mut examination = Examination::new(trace);
    examination.segments(watch)?;
    let absent = ChannelSet::ALL.iter().filter(|&channel| !index.layout.channels().contains(channel));
    let gap = |pair: &[cdt_trace::TickRun]| format!("{}..{}", u64::from(pair[0].last().0) + 1, pair[1].first);
    let mut health = Health {
        schema: "cdt.health/1",
        verdict: HealthVerdict::Healthy,
        problem_count: 0,
        problems: Vec::new(),
        gaps: index.tick_runs.windows(2).map(gap).collect(),
        loss: LossEntry::list(&index.loss),
        absent: absent.map(|channel| channel.name()).collect(),
        empty: Vec::new(),
        never_changed: Vec::new(),
        rows: 0,
        ticks_with_input: None,
        trace: TraceFacts::new(trace),
    };
    if index.ticks() == 0 {
        examination.problem(ProblemCode::Empty, None, "the trace has no tick".to_owned());
    } else if examination.content.finish() != index.content_digest && examination.count == 0 {
        let detail = format!("the content digest is {}, not {}", examination.content.finish(), index.content_digest);
        examination.problem(ProblemCode::Digest, None, detail);
    }
    match Coverage::of(trace, Window::ALL, index.layout.channels()) {
        Ok(coverage) => health.coverage(trace, &coverage),
        // Damaged summaries were found and told above.
        Err(_) => debug_assert!(examination.count > 0),
    }
    health.problem_count = examination.count;
    health.problems = examination.problems;
    health.verdict = match (health.problem_count, health.loss.is_empty()) {
        (0, true) => HealthVerdict::Healthy,
        (0, false) => HealthVerdict::Lossy,
        _ => HealthVerdict::Unhealthy,
    };
    Ok(health)
}

impl Health {
    fn coverage<S: Source>(&mut self, trace: &Trace<S>, coverage: &Coverage) {
        let layout = trace.layout();
        for (table, schema) in layout.tables().iter().enumerate() {
            self.rows += coverage.rows[table];
            let path = Path::table(layout, TableId(table));
            if coverage.rows[table] == 0 {
                self.empty.push(path.to_string());
                continue;
            }
            for (column, declared) in schema.columns.iter().enumerate().skip(schema.key_columns()) {
                if !coverage.changed[table][column] {
                    self.never_changed.push(path.field(&declared.name).to_string());
                }
            }
        }
        let has_step = layout.channels().contains(cdt_schema::Channel::Step);
        self.ticks_with_input = has_step.then_some(coverage.ticks_with_input);
    }
}

struct Examination<'a, S> {
    trace: &'a Trace<S>,
    digester: TickDigester,
    continuity: Continuity,
    content: ContentDigest,
    problems: Vec<Problem>,
    count: u64,
}

impl<'a, S: Source> Examination<'a, S> {
    fn new(trace: &'a Trace<S>) -> Examination<'a, S> {
        Examination {
            trace,
            digester: TickDigester::new(trace.layout()),
            continuity: Continuity::new(trace.layout()),
            content: ContentDigest::new(trace.layout()),
            problems: Vec::new(),
            count: 0,
        }
    }

    fn problem(&mut self, code: ProblemCode, tick: Option<u32>, detail: String) {
        self.count += 1;
        if self.problems.len() < LISTED {
            self.problems.push(Problem { code, tick, detail });
        }
    }

    fn segments(&mut self, watch: &dyn Watch) -> Result<(), Error> {
        let mut block = 0;
        let total = self.trace.index().blocks.len() as u64;
        for segment in 0..self.trace.segments() {
            let digests = self.trace.digests(segment).map_err(|error| self.damaged(&error)).unwrap_or_default();
            let summaries = self.trace.summaries(segment).map_err(|error| self.damaged(&error)).unwrap_or_default();
            let mut digests = digests.into_iter();
            for summary in summaries {
                watch.progress(block as u64, Some(total));
                if watch.cancelled() {
                    return Err(Error::cancelled());
                }
                let ticks = self.trace.index().blocks[block].ticks as usize;
                let expected: Vec<_> = digests.by_ref().take(ticks).collect();
                match self.trace.block(block, self.trace.layout().channels()) {
                    Ok(rows) => self.block(&rows, &summary, &expected),
                    Err(error) => self.damaged(&error),
                }
                block += 1;
            }
        }
        Ok(())
    }

    fn damaged(&mut self, error: &cdt_trace::Error) {
        self.problem(ProblemCode::Damaged, None, error.to_string());
    }

    fn block(&mut self, rows: &Rows, summary: &BlockSummary, expected: &[cdt_schema::Digest]) {
        let layout = rows.layout().clone();
        let mut channels: Vec<DigestSequence> = layout.channels().iter().map(|_| DigestSequence::default()).collect();
        for (index, &tick) in rows.ticks().iter().enumerate() {
            let digests = self.digester.digest(rows, index);
            self.content.push(tick, digests.tick);
            for (sequence, channel) in channels.iter_mut().zip(layout.channels().iter()) {
                sequence.push(digests.channels[channel as usize]);
            }
            if expected.get(index) != Some(&digests.tick) {
                let stored = expected.get(index).map_or("none".to_owned(), ToString::to_string);
                let detail = format!("the stored digest is {stored}, but the rows have {}", digests.tick);
                self.problem(ProblemCode::Digest, Some(tick.0), detail);
            }
            if let Err(error) = self.continuity.check(rows, index) {
                self.problem(ProblemCode::Continuity, Some(tick.0), error.to_string());
            }
        }
        let first = rows.ticks().first().map(|tick| tick.0);
        for ((sequence, stored), channel) in channels.iter().zip(&summary.channel_digests).zip(layout.channels().iter())
        {
            if sequence.finish() != *stored {
                let detail = format!("the block's stored digest of {channel} is {stored}, not {}", sequence.finish());
                self.problem(ProblemCode::Digest, first, detail);
            }
        }
        let count = |table| rows.behavioural_rows(TableId(table), 0..rows.table(TableId(table)).rows()).len() as u64;
        let counts = (0..layout.tables().len()).map(count);
        if !counts.eq(summary.rows.iter().map(|&count| u64::from(count))) {
            self.problem(
                ProblemCode::Digest,
                first,
                "the block's stored row counts are not those of its rows".to_owned(),
            );
        }
    }
}
