//! Why a recording could not be made.

use std::fmt;

use cdt_schema::{RowError, Tick};

/// Why a recording could not be made. The message says what, where, what was expected and what to do.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What sort of fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A trace cannot be read or written.
    Trace,
    /// What the machine reported does not obey its own layout.
    Row,
    /// The reference, or where the steps come from, does not suit.
    Unsuitable,
    /// The machine does not do the same twice.
    NotDeterministic,
    /// The work was stopped on request.
    Cancelled,
}

impl Error {
    /// What sort of fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn unsuitable(message: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Unsuitable, message: message.into() }
    }

    pub(crate) fn not_deterministic(message: impl Into<String>) -> Error {
        Error { kind: ErrorKind::NotDeterministic, message: message.into() }
    }

    pub(crate) fn row(tick: Tick, error: &RowError) -> Error {
        Error { kind: ErrorKind::Row, message: format!("what the machine reports of tick {tick} is refused: {error}") }
    }

    pub(crate) fn cancelled() -> Error {
        Error { kind: ErrorKind::Cancelled, message: "stopped on request; nothing was written".to_owned() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<cdt_trace::Error> for Error {
    fn from(error: cdt_trace::Error) -> Error {
        let kind = match error.kind() {
            cdt_trace::ErrorKind::Cancelled => ErrorKind::Cancelled,
            _ => ErrorKind::Trace,
        };
        Error { kind, message: error.to_string() }
    }
}
