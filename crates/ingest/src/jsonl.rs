//! The JSONL contract of `docs/capture.md`: its row types, their decoding, the session that turns them into
//! traces, and the way back.

mod ahead;
mod decode;
mod fault;
mod plain;
mod session;
mod wire;
mod write;

pub use session::{Destination, Finalize, Finalized, RunOutcome, RunReport, finalize};
pub use wire::{capture_schema, layout_json};
pub use write::{CaptureEnd, write_capture};

/// Parses a tick row into the types of the contract by serde alone, and drops it: the yardstick of what ingest costs.
///
/// # Errors
/// What serde says of the row.
pub fn parse_tick_row(line: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<wire::TickRow<'_>>(line).map(drop)
}
