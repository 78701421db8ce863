//! The JSONL contract of `docs/capture.md`: its row types, their decoding, and the session that turns them into traces.

mod decode;
mod fault;
mod session;
mod wire;

pub use session::{Destination, Finalize, Finalized, RunOutcome, RunReport, finalize};
pub use wire::{capture_schema, layout_json};
