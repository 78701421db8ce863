//! What the fuzz targets do with their bytes: all that a caller would do, and what must hold whatever the bytes are.
//!
//! Each function here panics where a promise is broken. The targets under `fuzz_targets` only call them.

#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a development tool may ask the clock")]

mod importers;
mod jsonl;
mod policies;
mod reader;
mod recover;
mod scratch;
mod sql;

use std::fmt::Display;
use std::path::Path;

use peak_alloc::PeakAlloc;

pub use importers::importers;
pub use jsonl::jsonl;
pub use policies::policies;
pub use reader::{mutate_trace, reader};
pub use recover::recover;
pub use sql::sql;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Most bytes that any work may hold at a time, whatever it was given.
const MOST_BYTES: usize = 256 << 20;
/// What errors call the input.
const NAME: &str = "input";

/// Does the work and sees what memory it takes.
fn bounded(work: impl FnOnce()) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    work();
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(taken <= MOST_BYTES, "{taken} bytes of memory are taken");
}

/// An error says what is wrong, and where: in the input or in the file that was to be written.
fn told(error: impl Display, out: &Path) {
    let message = error.to_string();
    let rest = message.strip_prefix(NAME).or(message.strip_prefix(&*out.to_string_lossy()));
    let says = rest.and_then(|rest| rest.strip_prefix([':', '/'])).is_some_and(|rest| !rest.trim().is_empty());
    assert!(says, "the error does not begin with its place, or says nothing: {message:?}");
}
