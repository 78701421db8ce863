//! The JSONL contract of `docs/capture.md`: its row types, their decoding, the session that turns them into
//! traces, and the way back.

mod decode;
mod fault;
mod session;
mod wire;
mod write;

pub use session::{Destination, Finalize, Finalized, RunOutcome, RunReport, finalize};
pub use wire::{capture_schema, layout_json};
pub use write::{CaptureEnd, write_capture};
