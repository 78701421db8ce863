//! Is a trace fit to compare, where do two traces part for good, and why. Floor 4 of the lab.
//!
//! Works on traces alone, whoever made them: this crate does not know any machine. Reports are plain data with the names
//! of the JSON contract; doors print them.

mod cause;
mod compare;
mod coverage;
mod diff;
mod episodes;
mod error;
mod focus;
mod follow;
mod health;
mod report;
mod ticks;

pub use cause::{Cause, CauseClass, FEW_ULP};
pub use compare::{Cell, Difference, RowKey};
pub use diff::{DiffOptions, diff};
pub use error::{Error, ErrorKind};
pub use focus::{DrawPair, DrawView, Focus, FocusDifference, FocusOutcome, Moment, Population, focus};
pub use follow::{DiffFollower, Standing};
pub use health::{Examination, Health, HealthVerdict, Problem, ProblemCode, health};
pub use report::{
    ChannelReport, Compared, Counts, DiffReport, Ends, EpisodeKind, EpisodeReport, Episodes, FirstOfChannel, LossEntry,
    LossReport, Mask, Mismatch, NeverCompared, OneSided, Policy, Reason, ReasonCode, TraceFacts, Traces, Verdict,
};
