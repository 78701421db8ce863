//! Locks that tell whether somebody is at work on a file. They keep nobody from reading or writing; those of Windows would, and
//! an unfinished file is there to be followed, so there are none there.

use std::fs::{File, TryLockError};

/// Locks a file for its writer, unless somebody else has locked it.
#[cfg(unix)]
pub(crate) fn try_hold(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}

/// Locks a file for a reader, unless a writer has locked it.
#[cfg(unix)]
pub(crate) fn try_share(file: &File) -> Result<(), TryLockError> {
    file.try_lock_shared()
}

#[cfg(not(unix))]
pub(crate) fn try_hold(_: &File) -> Result<(), TryLockError> {
    Err(TryLockError::Error(std::io::ErrorKind::Unsupported.into()))
}

#[cfg(not(unix))]
pub(crate) fn try_share(_: &File) -> Result<(), TryLockError> {
    Err(TryLockError::Error(std::io::ErrorKind::Unsupported.into()))
}
