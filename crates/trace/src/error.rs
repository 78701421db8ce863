//! What can go wrong with a trace.

use std::fmt;
use std::io;
use std::path::Path;

use cdt_schema::RowError;

/// Why a trace could not be written or read. The message says what, where, what was expected and what to do.
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
    /// The bytes are not a trace at all.
    NotATrace,
    /// A trace of another version of the format.
    Version,
    /// The trace was not finished by its writer.
    Incomplete,
    /// A byte does not obey the format, at this offset from the start of the file.
    Damaged {
        /// Where the rule is broken, in bytes from the start of the file.
        offset: u64,
    },
    /// A row does not obey its layout.
    Row,
    /// The output exists and was not to be overwritten, or another writer holds it.
    Exists,
    /// The file is not the one that was opened any more.
    Changed,
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

    /// A broken rule of the format at a byte of the file.
    pub(crate) fn damaged(offset: u64, rule: impl fmt::Display) -> Error {
        Error { kind: ErrorKind::Damaged { offset }, message: format!("damaged at byte {offset}: {rule}") }
    }

    pub(crate) fn cancelled() -> Error {
        Error::new(ErrorKind::Cancelled, "stopped on request; nothing was written")
    }

    pub(crate) fn io(path: &Path, doing: &str, error: &io::Error) -> Error {
        Error { kind: ErrorKind::Io, message: format!("{}: cannot {doing}: {error}", path.display()) }
    }

    /// What is wrong, without what to do about it.
    pub(crate) fn fault(&self) -> &str {
        &self.message
    }

    /// The same error with the file's name in front.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Error {
        Error { kind: self.kind, message: format!("{}: {}", path.display(), self.message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if matches!(self.kind, ErrorKind::Damaged { .. }) {
            f.write_str("; make the trace again from its source, or bring back what is whole with `cdt recover`")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<RowError> for Error {
    fn from(error: RowError) -> Error {
        Error { kind: ErrorKind::Row, message: error.to_string() }
    }
}
