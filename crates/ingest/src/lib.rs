//! Captures in, traces out: the strict JSONL contract of `docs/capture.md`, and importers of the text logs that
//! emulator people already have. Floor 3 of the lab.
//!
//! Bytes are checked here, once. This crate does not know how traces are compared.

mod error;
mod input;
mod jsonl;
mod text_log;

pub use error::{Error, ErrorKind};
pub use input::Input;
pub use jsonl::{
    CaptureEnd, Destination, Finalize, Finalized, RunOutcome, RunReport, capture_schema, finalize, layout_json,
    parse_tick_row, write_capture,
};
pub use text_log::{Import, Imported, LineFormat, LogFormat, import};
