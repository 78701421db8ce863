//! Is a trace fit to compare? Every section is read, every checksum and digest recomputed, every rule of continuity checked.

use cdt_projections::Window;
use cdt_schema::{ChannelSet, ContentDigest, Continuity, Digest, Layout, Path, Rows, TableId, TableKind, TickDigester};
use cdt_trace::{
    BlockDecoder, BlockSummary, Change, ErrorKind as TraceFault, SegmentRanges, Source, Summarizer, Totals, Trace,
    Watch, field_ranges,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Error;
use crate::coverage;
use crate::report::{LossEntry, TraceFacts};

/// Most problems that are listed; a damaged trace has one in every tick.
const LISTED: usize = 100;

/// What was found about a trace.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Health {
    /// `cdt.health/1`.
    #[schemars(extend("const" = "cdt.health/1"))]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
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
/// The file cannot be read, or the work was stopped. What is wrong with the trace stands in the report.
pub fn health<S: Source>(trace: &Trace<S>, watch: &dyn Watch) -> Result<Health, Error> {
    let mut examination = Examination::new(trace.layout());
    examination.look(trace, watch)?;
    Ok(examination.finish(trace))
}

impl Health {
    fn coverage<S: Source>(&mut self, trace: &Trace<S>, totals: &Totals) {
        let layout = trace.layout();
        let mut changes = totals.changed.iter();
        for (table, schema) in layout.tables().iter().enumerate() {
            let changes: Vec<&Change> = changes.by_ref().take(schema.columns.len()).collect();
            self.rows += totals.rows[table];
            let path = Path::table(layout, TableId(table));
            if totals.rows[table] == 0 {
                self.empty.push(path.to_string());
                continue;
            }
            for (column, declared) in schema.columns.iter().enumerate().skip(schema.key_columns()) {
                if !changes[column].within {
                    self.never_changed.push(path.field(&declared.name).to_string());
                }
            }
        }
        let has_step = layout.channels().contains(cdt_schema::Channel::Step);
        self.ticks_with_input = has_step.then_some(totals.ticks_with_input);
    }
}

/// The examination of a trace that may still grow: every block is looked at once.
#[derive(Debug)]
pub struct Examination {
    digester: TickDigester,
    continuity: Continuity,
    content: ContentDigest,
    summarizer: Summarizer,
    problems: Vec<Problem>,
    count: u64,
    /// How many blocks were looked at.
    blocks: usize,
}

impl Examination {
    /// Of a trace of that layout, none of which was looked at.
    pub fn new(layout: &Layout) -> Examination {
        Examination {
            digester: TickDigester::new(layout),
            continuity: Continuity::new(layout),
            content: ContentDigest::new(layout),
            summarizer: Summarizer::new(layout),
            problems: Vec::new(),
            count: 0,
            blocks: 0,
        }
    }

    /// What is wrong so far, up to a limit.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What was found about the trace, all blocks of which were looked at.
    pub fn finish<S: Source>(mut self, trace: &Trace<S>) -> Health {
        let index = trace.index();
        if index.ticks() == 0 {
            self.problem(ProblemCode::Empty, None, "the trace has no tick".to_owned());
        } else if self.content.finish() != index.content_digest && self.count == 0 {
            let detail = format!("the content digest is {}, not {}", self.content.finish(), index.content_digest);
            self.problem(ProblemCode::Digest, None, detail);
        }
        let absent = ChannelSet::ALL.iter().filter(|&channel| !index.layout.channels().contains(channel));
        let gap = |pair: &[cdt_trace::TickRun]| format!("{}..{}", u64::from(pair[0].last().0) + 1, pair[1].first);
        let mut health = Health {
            schema: "cdt.health/1",
            verdict: match (self.count, index.loss.is_empty()) {
                (0, true) => HealthVerdict::Healthy,
                (0, false) => HealthVerdict::Lossy,
                _ => HealthVerdict::Unhealthy,
            },
            problem_count: self.count,
            problems: self.problems,
            gaps: index.tick_runs.windows(2).map(gap).collect(),
            loss: LossEntry::list(&index.loss),
            absent: absent.map(|channel| channel.name()).collect(),
            empty: Vec::new(),
            never_changed: Vec::new(),
            rows: 0,
            ticks_with_input: None,
            trace: TraceFacts::new(trace),
        };
        match coverage::of(trace, Window::ALL, index.layout.channels()) {
            Ok(totals) => health.coverage(trace, &totals),
            // Damaged summaries were found and told above.
            Err(_) => debug_assert!(self.count > 0),
        }
        health
    }

    fn problem(&mut self, code: ProblemCode, tick: Option<u32>, detail: String) {
        self.count += 1;
        if self.problems.len() < LISTED {
            self.problems.push(Problem { code, tick, detail });
        }
    }

    /// Looks at the blocks that were not there before.
    ///
    /// # Errors
    /// The file cannot be read, or the work was stopped.
    pub fn look<S: Source>(&mut self, trace: &Trace<S>, watch: &dyn Watch) -> Result<(), Error> {
        let total = trace.index().blocks.len() as u64;
        let seen = self.blocks;
        let mut decoder = BlockDecoder::new();
        for segment in (0..trace.segments()).filter(|&segment| trace.blocks_of(segment).end > seen) {
            // What cannot be read is told once, here, and the blocks are examined without it.
            let digests = self.readable(trace.digests(segment))?;
            let ranges = self.readable(trace.ranges(segment))?;
            let summaries = self.readable(trace.summaries(segment))?;
            if trace.blocks_of(segment).start >= seen {
                self.totals(trace, segment, summaries.as_deref());
            }
            let mut past = 0;
            for (number, block) in trace.blocks_of(segment).enumerate() {
                let ticks = trace.index().blocks[block].ticks as usize;
                let digests = digests.as_ref().map(|digests| &digests[past..past + ticks]);
                past += ticks;
                if block < seen {
                    continue;
                }
                watch.progress(block as u64, Some(total));
                if watch.cancelled() {
                    return Err(Error::cancelled());
                }
                let summary = summaries.as_ref().map(|summaries| &summaries[number]);
                let rows = trace.block_by(&mut decoder, block, trace.layout().channels());
                match self.readable(rows)? {
                    Some(rows) => {
                        self.block(&rows, digests, summary);
                        if let Some(ranges) = &ranges {
                            self.ranges(ranges, number, &rows)?;
                        }
                        decoder.recycle(rows);
                    }
                    None => self.interrupt(trace.layout()),
                }
                self.blocks = block + 1;
            }
        }
        Ok(())
    }

    /// A segment's totals are those of its blocks.
    fn totals<S: Source>(&mut self, trace: &Trace<S>, segment: usize, summaries: Option<&[BlockSummary]>) {
        let Some(summaries) = summaries else { return };
        let layout = trace.layout();
        let mut totals = Totals::none(layout);
        summaries.iter().for_each(|summary| totals.add(layout, &summary.totals));
        if totals != *trace.totals(segment) {
            let first = trace.index().blocks[trace.blocks_of(segment).start].first_tick;
            let detail = "the segment's stored totals are not those of its blocks".to_owned();
            self.problem(ProblemCode::Digest, Some(first.0), detail);
        }
    }

    /// What could be read; what is damaged is a problem, and a file that cannot be read an error.
    fn readable<T>(&mut self, read: Result<T, cdt_trace::Error>) -> Result<Option<T>, Error> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if matches!(error.kind(), TraceFault::Io | TraceFault::Changed) => Err(error.into()),
            Err(error) => {
                self.problem(ProblemCode::Damaged, None, error.to_string());
                Ok(None)
            }
        }
    }

    /// After a block that cannot be read. The one after it carries all of memory, and what else ties ticks starts anew.
    fn interrupt(&mut self, layout: &Layout) {
        self.continuity = Continuity::new(layout);
        self.summarizer.interrupt();
    }

    fn block(&mut self, rows: &Rows, digests: Option<&[Digest]>, summary: Option<&BlockSummary>) {
        for (index, &tick) in rows.ticks().iter().enumerate() {
            let computed = self.digester.digest(rows, index);
            self.content.push(tick, computed.tick);
            self.summarizer.tick(rows.layout(), &computed);
            if let Some(stored) = digests.map(|digests| digests[index]).filter(|&stored| stored != computed.tick) {
                let detail = format!("the stored digest is {stored}, but the rows have {}", computed.tick);
                self.problem(ProblemCode::Digest, Some(tick.0), detail);
            }
            if let Err(error) = self.continuity.check(rows, index) {
                self.problem(ProblemCode::Continuity, Some(tick.0), error.to_string());
            }
        }
        let known = self.summarizer.knows_what_was_before();
        let computed = self.summarizer.block(rows);
        if let Some(stored) = summary {
            self.summary(stored, &computed, &known, rows);
        }
    }

    /// Checks what a segment says of the fields of entities in one of its blocks.
    fn ranges<S: Source>(&mut self, ranges: &SegmentRanges<'_, S>, block: usize, rows: &Rows) -> Result<(), Error> {
        let tables = rows.layout().tables().iter().zip((0..).map(TableId));
        for (schema, table) in tables.filter(|(schema, _)| matches!(schema.kind, TableKind::Entities(_))) {
            for (field, computed) in field_ranges(rows.table(table), schema).enumerate() {
                let Some(stored) = self.readable(ranges.field(block, table, field))? else { continue };
                if computed != stored {
                    let first = rows.ticks().first().map(|tick| tick.0);
                    let what = format!("{}.{}", schema.name, schema.columns[schema.key_columns() + field].name);
                    let detail = format!("the range stored for {what} in the block is not that of its rows");
                    self.problem(ProblemCode::Digest, first, detail);
                }
            }
        }
        Ok(())
    }

    fn summary(&mut self, stored: &BlockSummary, computed: &BlockSummary, known: &[bool], rows: &Rows) {
        let first = rows.ticks().first().map(|tick| tick.0);
        let channels = rows.layout().channels();
        let pairs = stored.channel_digests.iter().zip(&computed.channel_digests).zip(channels.iter());
        for ((stored, computed), channel) in pairs.filter(|((stored, computed), _)| stored != computed) {
            let detail = format!("the block's stored digest of {channel} is {stored}, not {computed}");
            self.problem(ProblemCode::Digest, first, detail);
        }
        // Whether the first values of a block differ from those before can be told only where those were read.
        let (stored, computed) = (&stored.totals, &computed.totals);
        let mut changes = computed.changed.iter().zip(&stored.changed).zip(known);
        let same_changes = changes.all(|((computed, stored), known)| {
            computed.within == stored.within && (!known || computed.entered == stored.entered)
        });
        let checks = [
            ("row counts", stored.rows == computed.rows),
            ("count of ticks with input", stored.ticks_with_input == computed.ticks_with_input),
            ("list of fields that change", same_changes),
            ("digest of diagnostics", stored.diagnostics == computed.diagnostics),
        ];
        for (what, _) in checks.into_iter().filter(|(_, same)| !same) {
            self.problem(ProblemCode::Digest, first, format!("the block's stored {what} is not that of its rows"));
        }
    }
}
