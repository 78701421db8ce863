//! Runs whose tick numbers do not line up: which ticks stand for each other, by what both did.
//!
//! Each run has anchors: ticks that something tells apart. Anchors with the same content are matched (`anchors.rs`); from a
//! matched pair on, ticks are paired one by one until the next. What is left over before that is skipped, and told. Draws
//! and inputs must match several times in a row to count. So a run that starts late, or has a frame in which nothing
//! happened, can be compared with one that does not.

use std::fmt;
use std::str::FromStr;

use cdt_projections::Window;
use cdt_schema::columns::{events, rng, step};
use cdt_schema::{Channel, ChannelSet, Column, Rows, TableId, TableKind, Tick};
use cdt_trace::{BlockDecoder, Source, TickRun, Trace, Watch};
use schemars::JsonSchema;
use serde::Serialize;
use twox_hash::XxHash3_64;

use crate::Error;
use crate::anchors::{Anchor, Matches, matches};
use crate::report::{Skipped, SkippedRun};
use crate::ticks::Stretch;

/// Stretches and skipped runs that a report lists.
const LISTED: usize = 100;

/// By what ticks are paired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Their numbers.
    #[default]
    Tick,
    /// Their draws: each tick that drew is an anchor.
    Rng,
    /// Their input: each tick whose buttons, axes or commands are not those of the tick before is an anchor.
    Step,
    /// The guest's events of a kind: each tick that has one is an anchor.
    Event(String),
}

impl Align {
    /// How many anchors must match one after another for ticks to be paired by them.
    fn confirmed_by(&self) -> usize {
        match self {
            // There may be few, and whoever names a kind knows that it marks the same moment in both.
            Align::Tick | Align::Event(_) => 1,
            Align::Rng | Align::Step => 4,
        }
    }

    /// The channel that the anchors are in.
    pub(crate) fn channel(&self) -> Option<Channel> {
        match self {
            Align::Tick => None,
            Align::Rng => Some(Channel::Rng),
            Align::Step => Some(Channel::Step),
            Align::Event(_) => Some(Channel::Events),
        }
    }
}

impl fmt::Display for Align {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Align::Tick => f.write_str("tick"),
            Align::Rng => f.write_str("rng"),
            Align::Step => f.write_str("step"),
            Align::Event(kind) => write!(f, "event:{kind}"),
        }
    }
}

impl FromStr for Align {
    type Err = String;

    fn from_str(text: &str) -> Result<Align, String> {
        match text.split_once(':') {
            Some(("event", kind)) if !kind.is_empty() => Ok(Align::Event(kind.to_owned())),
            None if text == "tick" => Ok(Align::Tick),
            None if text == "rng" => Ok(Align::Rng),
            None if text == "step" => Ok(Align::Step),
            _ => Err(format!("ticks are aligned by tick, rng, step or event:KIND, not by {text:?}")),
        }
    }
}

/// How the ticks of two runs were paired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Alignment {
    /// By what.
    pub by: String,
    /// Anchors of the reference, of the candidate, and those matched.
    pub anchors: Anchors,
    /// How many stretches of ticks are paired with one offset each.
    pub stretches: u64,
    /// The first of them, up to a limit.
    pub listed: Vec<PairedRun>,
    /// Whether anchors recur so often that they were matched part by part. Then a better pairing may have been missed, and
    /// differences and skipped ticks may be its fault.
    pub in_parts: bool,
    /// What has no partner between the first and the last pair.
    pub skipped: Skipped,
}

/// How many anchors there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Anchors {
    /// Of the reference.
    pub reference: u64,
    /// Of the candidate.
    pub candidate: u64,
    /// Of both, that were matched.
    pub matched: u64,
}

/// Consecutive ticks that are paired with one offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PairedRun {
    /// The reference's first tick.
    pub reference: u32,
    /// The candidate's first tick.
    pub candidate: u32,
    /// How many.
    pub ticks: u64,
}

/// What pairing by anchors gave.
#[derive(Debug)]
pub(crate) struct Paired {
    pub(crate) stretches: Vec<Stretch>,
    pub(crate) alignment: Alignment,
    /// Ticks of the reference and of the candidate before the first pair.
    pub(crate) before: (u64, u64),
    /// Those after the last pair.
    pub(crate) after: (u64, u64),
}

/// Pairs the ticks of two runs by their anchors. The window, by the reference's numbers, cuts the pairs; all else is told of
/// the whole runs.
pub(crate) fn pair<R: Source, C: Source>(
    reference: &Trace<R>,
    candidate: &Trace<C>,
    by: &Align,
    window: Window,
    watch: &dyn Watch,
) -> Result<Paired, Error> {
    let (a, b) = (anchors(reference, by, watch)?, anchors(candidate, by, watch)?);
    let Matches { pairs, in_parts } = matches(&a, &b, watch)?;
    let matched = confirmed(pairs, by.confirmed_by());
    let (a_ticks, b_ticks) = (reference.index().ticks(), candidate.index().ticks());
    let counts = Anchors { reference: a.len() as u64, candidate: b.len() as u64, matched: matched.len() as u64 };
    let mut builder = Builder { in_parts, ..Builder::default() };
    let places: Vec<(u64, u64)> = matched.iter().map(|&(x, y)| (a[x].ordinal, b[y].ordinal)).collect();
    let Some(&(x, y)) = places.first() else { return Ok(builder.finish(by, counts, (a_ticks, b_ticks))) };
    let lead = x.min(y);
    builder.before = (x - lead, y - lead);
    builder.pair(x - lead, y - lead, lead);
    let ends = places.iter().skip(1).copied().chain([(a_ticks, b_ticks)]);
    for (&(x, y), (x_end, y_end)) in places.iter().zip(ends) {
        let both = (x_end - x).min(y_end - y);
        builder.pair(x, y, both);
        let rest = (x_end - x - both, y_end - y - both);
        if (x_end, y_end) == (a_ticks, b_ticks) {
            builder.after = rest;
        } else {
            builder.skip((x + both, rest.0), (y + both, rest.1));
        }
    }
    builder.number(&reference.index().tick_runs, &candidate.index().tick_runs);
    builder.stretches = builder.stretches.into_iter().filter_map(|stretch| cut(stretch, window)).collect();
    Ok(builder.finish(by, counts, (a_ticks, b_ticks)))
}

/// The part of a stretch whose reference ticks are within a window.
fn cut(stretch: Stretch, window: Window) -> Option<Stretch> {
    let (a, b) = (stretch.reference?, stretch.candidate?);
    let skipped = window.start.0.saturating_sub(a.0);
    let end = window.end.map_or(u64::MAX, |end| u64::from(end.0));
    let kept = end.min(u64::from(a.0) + u64::from(stretch.count)).checked_sub(u64::from(a.0) + u64::from(skipped))?;
    let count = u32::try_from(kept).ok().filter(|&count| count > 0)?;
    Some(Stretch { reference: Some(Tick(a.0 + skipped)), candidate: Some(Tick(b.0 + skipped)), count })
}

/// Gathers pairs and what is skipped, by ordinals first.
#[derive(Debug, Default)]
struct Builder {
    /// First of the reference, first of the candidate, how many.
    pairs: Vec<(u64, u64, u64)>,
    skipped: Vec<(Option<u64>, Option<u64>, u64)>,
    before: (u64, u64),
    after: (u64, u64),
    stretches: Vec<Stretch>,
    listed: Vec<PairedRun>,
    skips: Skipped,
    in_parts: bool,
}

impl Builder {
    fn pair(&mut self, a: u64, b: u64, count: u64) {
        if count == 0 {
            return;
        }
        match self.pairs.last_mut() {
            Some(last) if (last.0 + last.2, last.1 + last.2) == (a, b) => last.2 += count,
            _ => self.pairs.push((a, b, count)),
        }
    }

    fn skip(&mut self, (a, a_count): (u64, u64), (b, b_count): (u64, u64)) {
        if a_count > 0 {
            self.skipped.push((Some(a), None, a_count));
        }
        if b_count > 0 {
            self.skipped.push((None, Some(b), b_count));
        }
    }

    /// Gives ticks their numbers.
    fn number(&mut self, reference: &[TickRun], candidate: &[TickRun]) {
        let (left, right) = (Numbers::new(reference), Numbers::new(candidate));
        for &(mut a, mut b, mut count) in &self.pairs {
            if self.listed.len() < LISTED {
                let (reference, candidate) = (left.at(a).0.0, right.at(b).0.0);
                self.listed.push(PairedRun { reference, candidate, ticks: count });
            }
            while count > 0 {
                let ((x, x_count), (y, y_count)) = (left.at(a), right.at(b));
                let both = count.min(x_count).min(y_count).min(u64::from(u32::MAX));
                let both32 = u32::try_from(both).expect("bounded above");
                self.stretches.push(Stretch { reference: Some(x), candidate: Some(y), count: both32 });
                (a, b, count) = (a + both, b + both, count - both);
            }
        }
        for &(a, b, count) in &self.skipped {
            let numbers = if a.is_some() { &left } else { &right };
            let first = numbers.at(a.or(b).expect("one of the two")).0;
            let total = if a.is_some() { &mut self.skips.reference } else { &mut self.skips.candidate };
            *total += count;
            if self.skips.listed.len() < LISTED {
                let of = if a.is_some() { "reference" } else { "candidate" };
                self.skips.listed.push(SkippedRun { of, first: first.0, ticks: count });
            }
        }
    }

    fn finish(self, by: &Align, anchors: Anchors, all: (u64, u64)) -> Paired {
        let none = self.pairs.is_empty();
        Paired {
            alignment: Alignment {
                by: by.to_string(),
                anchors,
                stretches: self.pairs.len() as u64,
                listed: self.listed,
                in_parts: self.in_parts,
                skipped: self.skips,
            },
            stretches: self.stretches,
            before: if none { all } else { self.before },
            after: self.after,
        }
    }
}

/// The numbers of a trace's ticks by their ordinals.
struct Numbers<'a> {
    runs: &'a [TickRun],
    before: Vec<u64>,
}

impl<'a> Numbers<'a> {
    fn new(runs: &'a [TickRun]) -> Numbers<'a> {
        let mut total = 0;
        let before = runs.iter().map(|run| {
            total += u64::from(run.count);
            total - u64::from(run.count)
        });
        Numbers { runs, before: before.collect() }
    }

    /// The number of a tick, and how many follow it without a gap, itself included.
    fn at(&self, ordinal: u64) -> (Tick, u64) {
        let run = self.before.partition_point(|&before| before <= ordinal) - 1;
        let offset = ordinal - self.before[run];
        let first = self.runs[run].first.0 + u32::try_from(offset).expect("within a run");
        (Tick(first), u64::from(self.runs[run].count) - offset)
    }
}

/// Those matches that are borne out: by others right after one another, or by following on from the one before. A run whose
/// generator is a few draws ahead meets single ticks of the other by chance, and a divergence must not be skipped away so.
fn confirmed(matched: Vec<(usize, usize)>, least: usize) -> Vec<(usize, usize)> {
    let offset = |&(x, y): &(usize, usize)| y.wrapping_sub(x);
    let mut kept: Vec<(usize, usize)> = Vec::new();
    for group in matched.chunk_by(|a, b| (a.0 + 1, a.1 + 1) == *b) {
        if group.len() >= least || kept.last().map(offset) == Some(offset(&group[0])) {
            kept.extend_from_slice(group);
        }
    }
    kept
}

/// The anchors of a run.
fn anchors<S: Source>(trace: &Trace<S>, by: &Align, watch: &dyn Watch) -> Result<Vec<Anchor>, Error> {
    let channels: ChannelSet = by.channel().into_iter().collect();
    let mut decoder = BlockDecoder::new();
    let mut found = Vec::new();
    let mut ordinal = 0;
    let mut last_step = None;
    let blocks = trace.index().blocks.len();
    for block in 0..blocks {
        watch.progress(block as u64, Some(blocks as u64));
        if watch.cancelled() {
            return Err(Error::cancelled());
        }
        let rows = trace.block_by(&mut decoder, block, channels)?;
        for tick in 0..rows.ticks().len() {
            let key = match by {
                Align::Tick => None,
                Align::Rng => rows_key(&rows, TableKind::Rng, tick, |column| column != rng::CALLER),
                Align::Event(kind) => event_key(&rows, tick, kind),
                Align::Step => {
                    let key = step_key(&rows, tick);
                    // Whether the first tick's input is new, nobody knows.
                    let changed = last_step.is_some_and(|last| last != key);
                    last_step = Some(key);
                    changed.then_some(key)
                }
            };
            found.extend(key.map(|key| Anchor { ordinal, key }));
            ordinal += 1;
        }
        decoder.recycle(rows);
    }
    Ok(found)
}

/// A tick's rows of a table; `None` where it has none.
fn rows_key(rows: &Rows, kind: TableKind, tick: usize, compared: impl Fn(usize) -> bool) -> Option<u64> {
    let id = rows.layout().table(kind)?;
    let range = rows.range(id, tick);
    (!range.is_empty()).then(|| key_of(rows, id, range, compared))
}

/// What drove a tick, but for its clock.
fn step_key(rows: &Rows, tick: usize) -> u64 {
    let mode = rows_key(rows, TableKind::Step, tick, |column| column == step::MODE);
    let inputs = rows_key(rows, TableKind::Inputs, tick, |_| true);
    let commands = rows_key(rows, TableKind::Commands, tick, |_| true);
    let parts = [mode, inputs, commands].map(|part| part.unwrap_or(0).to_le_bytes());
    XxHash3_64::oneshot(parts.as_flattened())
}

/// A tick's events of a kind that are the guest's; `None` where it has none.
fn event_key(rows: &Rows, tick: usize, kind: &str) -> Option<u64> {
    let id = rows.layout().table(TableKind::Events)?;
    let number = rows.layout().event_kinds().iter().position(|event| event.name == kind)? as u64;
    let kinds = &rows.table(id).columns[events::KIND];
    let mut wanted = rows.behavioural_rows(id, rows.range(id, tick));
    wanted.retain(|&row| kinds.bits(row) == number);
    // Causes and generations count what happened before, which a run that starts late has not seen.
    let compared = |column| column != events::CAUSE && column != events::SUBJECT_GENERATION;
    (!wanted.is_empty()).then(|| key_of(rows, id, wanted.into_iter(), compared))
}

/// A hash of some rows in the columns that are compared.
fn key_of(rows: &Rows, id: TableId, which: impl Iterator<Item = usize>, compared: impl Fn(usize) -> bool) -> u64 {
    let columns = &rows.table(id).columns;
    let mut bytes = Vec::new();
    for row in which {
        for (_, column) in columns.iter().enumerate().filter(|(number, _)| compared(*number)) {
            if let Column::Bytes(ragged) = column {
                bytes.extend_from_slice(&(ragged.get(row).len() as u64).to_le_bytes());
                bytes.extend_from_slice(ragged.get(row));
            } else {
                bytes.extend_from_slice(&column.bits(row).to_le_bytes());
            }
        }
    }
    XxHash3_64::oneshot(&bytes)
}
