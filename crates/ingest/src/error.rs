//! What can go wrong with a capture.

use std::fmt;

/// Why a capture could not be taken in. The message says what, where, what was expected and what to do.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What sort of fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused.
    Io,
    /// A line does not obey the contract.
    Line,
    /// The trace could not be written.
    Trace,
    /// The capture could not be written.
    Capture,
    /// The work was stopped on request.
    Cancelled,
}

impl Error {
    /// What sort of fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into() }
    }

    pub(crate) fn cancelled() -> Error {
        Error::new(ErrorKind::Cancelled, "stopped on request; nothing was written")
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
        let kind = if error.kind() == cdt_trace::ErrorKind::Io { ErrorKind::Io } else { ErrorKind::Trace };
        Error::new(kind, error.to_string())
    }
}
