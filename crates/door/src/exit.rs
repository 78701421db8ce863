//! The exit codes, in one place.

use std::fmt;
use std::process::ExitCode;

/// What a command says to whoever called it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: equal, healthy, done.
    Yes,
    /// 1: diverged, unhealthy, nobody there.
    No,
    /// 2: usage, unreadable file, I/O.
    CouldNot,
    /// 3: not comparable, or done but with recorded loss.
    CannotSay,
    /// 125: to git bisect run, a commit that cannot be tested.
    Skip,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Yes => 0,
            Exit::No => 1,
            Exit::CouldNot => 2,
            Exit::CannotSay => 3,
            Exit::Skip => 125,
        }
    }

    /// What git bisect run takes it for: only a verdict is one.
    pub fn for_git_bisect(self) -> Exit {
        match self {
            Exit::Yes | Exit::No => self,
            Exit::CouldNot | Exit::CannotSay | Exit::Skip => Exit::Skip,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why a command could not try.
#[derive(Debug)]
pub struct Failure(pub String);

impl Failure {
    /// What an error says, which is enough for people.
    pub fn of(error: impl std::error::Error) -> Failure {
        Failure(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<cdt_trace::Error> for Failure {
    fn from(error: cdt_trace::Error) -> Failure {
        Failure(error.to_string())
    }
}

impl From<cdt_recorder::Error> for Failure {
    fn from(error: cdt_recorder::Error) -> Failure {
        Failure(error.to_string())
    }
}

impl From<cdt_analysis::Error> for Failure {
    fn from(error: cdt_analysis::Error) -> Failure {
        Failure(error.to_string())
    }
}
