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

impl LogFormat {
    /// Every format.
    pub const ALL: [LogFormat; 2] = [LogFormat::Nestest, LogFormat::GameboyDoctor];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            LogFormat::Nestest => "nestest",
            LogFormat::GameboyDoctor => "gameboy-doctor",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<LogFormat> {
        LogFormat::ALL.into_iter().find(|format| format.name() == name)
    }
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
    /// The trace's content digest.
    pub digest: cdt_schema::Digest,
    /// Lines left out.
    pub noise_lines: u64,
    /// Numbers of the first of them.
    pub first_noise: Vec<u64>,
    /// What was lost.
    pub loss: Option<cdt_trace::Loss>,
}

/// Imports a log.
///
/// # Errors
/// A line that cannot be read, with its number; or the trace cannot be written.
pub fn import(_input: Input, _import: &Import<'_>, _watch: &dyn Watch) -> Result<Imported, Error> {
    Err(Error::cancelled())
}
