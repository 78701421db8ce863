//! Provenance and loss: what a trace says of itself besides its rows.

use std::fmt;

use cdt_schema::Tick;

/// Where a run came from. Nothing here takes part in any digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// The capture session, as the producer named it.
    pub session: String,
    /// What wrote the rows.
    pub producer: Producer,
    /// What was observed.
    pub program: Program,
    /// Which run of it.
    pub run: Run,
}

/// What wrote the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the whole story")]
pub struct Producer {
    pub name: String,
    pub version: String,
    pub platform: String,
    pub arch: String,
}

/// Fingerprint of the program that was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its version or build, if known.
    pub build: Option<String>,
    /// Hash of its file, led by the hash's name, if known.
    pub hash: Option<String>,
}

/// One run of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its name within the session.
    pub id: String,
    /// What the run's randomness was seeded with, if known.
    pub seed: Option<u64>,
    /// Where the seed came from.
    pub seed_source: String,
    /// What the program was asked to run: its own meaning.
    pub mode: u32,
    /// Ticks a second of simulated time, if the run has such a rate.
    pub tick_rate: Option<f64>,
    /// Why it was started.
    pub reason: String,
}

/// What sort of loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LossKind {
    /// Ticks that happened and were not recorded.
    DroppedTicks = 0,
    /// The source ended before the run did.
    TruncatedTail = 1,
    /// Rows beyond a limit were left out.
    CappedRows = 2,
    /// The trace is what could be brought back of a broken one.
    RecoveredPrefix = 3,
}

impl LossKind {
    /// Every kind.
    pub const ALL: [LossKind; 4] =
        [LossKind::DroppedTicks, LossKind::TruncatedTail, LossKind::CappedRows, LossKind::RecoveredPrefix];

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            LossKind::DroppedTicks => "dropped_ticks",
            LossKind::TruncatedTail => "truncated_tail",
            LossKind::CappedRows => "capped_rows",
            LossKind::RecoveredPrefix => "recovered_prefix",
        }
    }
}

/// An entry of the loss ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What sort.
    pub kind: LossKind,
    /// First tick it touches.
    pub from: Tick,
    /// Last tick it touches; `None` when nobody knows how far the run went.
    pub to: Option<Tick>,
    /// What happened.
    pub detail: String,
}

impl Loss {
    /// Whether the loss touches a tick of `first..=last`.
    pub fn touches(&self, first: Tick, last: Tick) -> bool {
        self.from <= last && self.to.is_none_or(|to| to >= first)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from tick {}", self.kind.name(), self.from)?;
        match self.to {
            Some(to) => write!(f, " to {to}")?,
            None => f.write_str(" on")?,
        }
        write!(f, ": {}", self.detail)
    }
}
