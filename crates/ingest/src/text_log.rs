//! Importers of text logs: one instruction or frame is one tick.

use std::path::Path;

use cdt_trace::Watch;

use crate::{Error, Input};

/// How the lines of a log are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// CPU logs in the manner of the NES test ROM `nestest`.
    Nestest,
    /// Lines as gameboy-doctor expects them.
    GameboyDoctor,
}

/// What to import and where to.
#[derive(Clone, Debug)]
pub struct Import<'a> {
    /// How the lines are to be read.
    pub format: LogFormat,
    /// The trace to write.
    pub out: &'a Path,
    /// Whether a file there may be replaced.
    pub overwrite: bool,
    /// Whether a last line that was cut short is a recorded loss and not an error.
    pub truncated_tail: bool,
}

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Ticks written.
    pub ticks: u64,
}

/// Imports a log.
///
/// # Errors
/// A line that cannot be read, with its number; or the trace cannot be written.
pub fn import(_input: Input, _import: &Import<'_>, _watch: &dyn Watch) -> Result<Imported, Error> {
    Err(Error::cancelled())
}
