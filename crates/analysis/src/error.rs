//! Why an analysis could not be made. Not being comparable is a verdict, not an error.

use std::fmt;

/// Why an analysis could not be made.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// What sort of fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A trace cannot be read or is damaged.
    Trace,
    /// What was asked for is not there.
    NotThere,
    /// A policy cannot be read, or asks for what cannot be.
    Policy,
    /// The work was stopped on request.
    Cancelled,
}

impl Error {
    /// What sort of fault it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub(crate) fn not_there(message: impl Into<String>) -> Error {
        Error { kind: ErrorKind::NotThere, message: message.into() }
    }

    pub(crate) fn policy(message: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Policy, message: message.into() }
    }

    pub(crate) fn unexplained(message: impl Into<String>) -> Error {
        Error { kind: ErrorKind::Trace, message: message.into() }
    }

    pub(crate) fn cancelled() -> Error {
        Error { kind: ErrorKind::Cancelled, message: "stopped on request before there was a verdict".to_owned() }
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
        Error { kind: ErrorKind::Trace, message: error.to_string() }
    }
}
