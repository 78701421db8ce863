//! Is a trace fit to compare, where do two traces part for good, and why. Floor 4 of the lab.
//!
//! Works on traces alone, whoever made them: this crate does not know any machine. Reports are plain data with the names
//! of the JSON contract; doors print them.

mod align;
mod anchors;
mod bisect;
mod cause;
mod certificate;
mod compare;
mod coverage;
mod diff;
mod draws;
mod episodes;
mod error;
mod faults;
mod focus;
mod follow;
mod health;
mod lens;
mod plan;
mod policy;
mod prove;
#[cfg(test)]
mod random_tests;
mod report;
mod rules;
mod sequence;
mod ticks;

pub use align::{Align, Alignment, Anchors, PairedRun};
pub use bisect::{Bisect, BisectOptions, WindowTick, bisect};
pub use cause::{Cause, CauseClass, FEW_ULP};
pub use compare::Difference;
pub use diff::{DiffOptions, diff};
pub use draws::{DrawChange, DrawPair, DrawView};
pub use error::{Error, ErrorKind};
pub use focus::{Focus, FocusDifference, FocusOutcome, Moment, Population, focus};
pub use follow::{DiffFollower, Standing};
pub use health::{Examination, Health, HealthVerdict, Problem, ProblemCode, health};
pub use policy::{Action, POLICY_SCHEMA, Policy, Rule, Tolerance};
pub use prove::{FieldProof, NotPlanted, Proof, Survivor, WhyNotPlanted, prove};
pub use report::{
    ChannelReport, Compared, Counts, DiffReport, DriftOrigin, Ends, EpisodeKind, EpisodeReport, Episodes,
    FirstOfChannel, LossEntry, LossReport, Mask, Mismatch, NeverCompared, OneSided, PolicyReport, Reason, ReasonCode,
    Renamed, Skipped, SkippedRun, TraceFacts, Traces, Verdict, Within,
};
