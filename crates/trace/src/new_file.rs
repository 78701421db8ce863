//! A file that gets its name when it is complete.

use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::locks::{try_hold, try_share};
use crate::{Error, ErrorKind};

/// What is appended to the name of a file until it is complete.
const PARTIAL: &str = "partial";
/// The same of a trace that is being recovered, from what may be a `.partial`.
pub(crate) const RECOVERING: &str = "recovering";

/// A file that grows beside its final name and is moved there when it is complete. Dropped before that, it leaves nothing.
#[derive(Debug)]
pub struct NewFile {
    partial: Partial,
    path: PathBuf,
    /// What errors call it.
    what: &'static str,
    overwrite: bool,
}

/// The unfinished file. Dropped, it is removed, unless somebody put another one in its place.
#[derive(Debug)]
struct Partial {
    file: File,
    /// `None` when it is not ours to remove any more.
    place: Option<TempPath>,
}

impl Partial {
    /// Locks the file: that tells a writer at work from what a killed one left. Where files cannot be locked, nothing is told.
    #[cfg(unix)]
    fn hold(&self) -> Result<(), Error> {
        // Who holds it before us does so to see whether there is a writer, and may have taken the file for stale.
        let _ = self.file.lock();
        let place = self.place.as_deref().filter(|place| !is_still_at(&self.file, place));
        place.map_or(Ok(()), |place| Err(taken(place)))
    }

    #[cfg(not(unix))]
    fn hold(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The file's place, if the file still stands there. What stands there else is nobody's to remove.
    fn take_place(&mut self) -> Result<TempPath, PathBuf> {
        let place = self.place.take().expect("taken once");
        if is_still_at(&self.file, &place) {
            return Ok(place);
        }
        let path = place.to_path_buf();
        // Only Windows has something to undo here.
        let _ = place.keep();
        Err(path)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // The file is still locked while it is removed, so no other writer can have taken it for stale.
        if self.place.is_some() {
            drop(self.take_place());
        }
    }
}

impl NewFile {
    /// Refuses to write a file that would take the place of what is read, by whatever name, or grow there until it is complete.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when `out` or its unfinished file is the file at `read`.
    pub fn refuse_over(out: &Path, read: &Path) -> Result<(), Error> {
        NewFile::refuse_over_with(out, PARTIAL, read)
    }

    /// As [`NewFile::refuse_over`], where the file grows with another suffix.
    pub(crate) fn refuse_over_with(out: &Path, suffix: &str, read: &Path) -> Result<(), Error> {
        let is_read = |path: &Path| {
            std::fs::canonicalize(path).is_ok_and(|path| std::fs::canonicalize(read).is_ok_and(|read| read == path))
        };
        let target = std::fs::canonicalize(out).unwrap_or_else(|_| out.to_owned());
        let (path, rule) = if is_read(&target) {
            (out, "this is what is read, which nothing may take the place of; choose another name")
        } else if is_read(&target.with_added_extension(suffix)) {
            (read, "this is what is read, and where the new file would grow; choose another name for that")
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Exists, format!("{}: {rule}", path.display())))
    }

    /// Begins the file that will stand at `path`; errors call it `what`. Until it is published it grows at `path` with
    /// `.partial` appended, which a second writer of the same file finds taken.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when there is a file at `path` and `overwrite` is not set, or another writer (or what a
    /// killed one left) stands there; [`ErrorKind::Io`] when the file cannot be made.
    pub fn create(path: &Path, what: &'static str, overwrite: bool) -> Result<NewFile, Error> {
        NewFile::with_suffix(path, what, PARTIAL, overwrite)
    }

    /// As [`NewFile::create`], with another suffix, which tells what is at work on the file.
    pub(crate) fn with_suffix(
        path: &Path,
        what: &'static str,
        suffix: &str,
        overwrite: bool,
    ) -> Result<NewFile, Error> {
        if path.is_dir() {
            return Err(Error::new(ErrorKind::Io, format!("{}: this is a folder, not a {what}", path.display())));
        }
        if !overwrite && path.exists() {
            return Err(exists(path));
        }
        // What a link leads to is replaced, not the link.
        let target = if path.is_symlink() { Some(target_of(path)?) } else { None };
        let path = target.as_deref().unwrap_or(path);
        if path.exists() && !path.is_file() {
            let rule = "this is no regular file, and cannot be replaced by a";
            return Err(Error::new(ErrorKind::Io, format!("{}: {rule} {what}", path.display())));
        }
        let (folder, name) = (path.parent().unwrap_or(Path::new("")), path.file_name());
        let Some(name) = name else {
            return Err(Error::new(ErrorKind::Io, format!("{}: this is not the name of a file", path.display())));
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let partial = folder.join(name).with_added_extension(suffix);
        if overwrite {
            clear_stale(&partial)?;
        }
        let mut builder = tempfile::Builder::new();
        let ending = format!(".{suffix}");
        builder.prefix(name).suffix(&ending).rand_bytes(0);
        // Temporary files are private by default; this is a file like any other, for the umask to say.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => taken(&partial),
            _ => Error::io(path, &format!("create the {what}"), &error),
        })?;
        let (file, place) = file.into_parts();
        let partial = Partial { file, place: Some(place) };
        partial.hold()?;
        Ok(NewFile { partial, path: path.to_owned(), what, overwrite })
    }

    /// Where the file will stand.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync(&self) -> io::Result<()> {
        self.partial.file.sync_all()
    }

    /// Closes the file, which is complete and on the disk, until it gets its name.
    fn close(self) -> Result<ClosedFile, Error> {
        let NewFile { mut partial, path, what, overwrite } = self;
        let metadata = partial.file.metadata();
        let metadata = metadata.map_err(|error| Error::io(&path, &format!("look at the {what}"), &error))?;
        let place = partial.take_place().map_err(|place| displaced(&place, what))?;
        Ok(ClosedFile { place: Some(place), mark: Mark::of(&metadata), path, what, overwrite })
    }

    /// Gives the file its final name.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when a file has come to stand there meanwhile and was not to be overwritten;
    /// [`ErrorKind::Io`] otherwise. Nothing is left behind.
    pub fn publish(mut self) -> Result<(), Error> {
        let place = self.partial.take_place().map_err(|place| displaced(&place, self.what))?;
        let persisted = if self.overwrite { place.persist(&self.path) } else { place.persist_noclobber(&self.path) };
        persisted.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => Error::io(&self.path, &format!("give the {} its name", self.what), &error.error),
        })
    }

    /// Gives several files their final names: all of them, or on an error none. Until all have theirs, what one replaces
    /// has a second name beside it. Gives the second names that could not be removed.
    ///
    /// # Errors
    /// As for [`NewFile::publish`], for the first that fails.
    pub fn publish_all(files: Vec<NewFile>) -> Result<Vec<PathBuf>, Error> {
        NewFile::publish_each(files.into_iter().map(Ok))
    }

    fn publish_each(files: impl ExactSizeIterator<Item = Result<NewFile, Error>>) -> Result<Vec<PathBuf>, Error> {
        let several = files.len() > 1;
        let mut done = Vec::with_capacity(files.len());
        for file in files {
            let file = match file {
                Ok(file) => file,
                Err(error) => return Err(take_back(done, error)),
            };
            let is_kept = several && file.overwrite && file.path.exists();
            let kept = if is_kept { keep(&file.path).map(Some) } else { Ok(None) };
            if let Err(error) = kept.and_then(|kept| replace(file, kept, &mut done)) {
                return Err(take_back(done, error));
            }
        }
        let leftover = |(_, kept): (PathBuf, Option<TempPath>)| {
            let kept = kept?;
            let path = kept.to_path_buf();
            kept.close().err().map(|_| path)
        };
        Ok(done.into_iter().filter_map(leftover).collect())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.partial.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.partial.file.flush()
    }
}

impl Seek for NewFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.partial.file.seek(to)
    }
}

/// A complete file that waits for its name. Dropped before that, it leaves nothing.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Held against other writers.
    Open(NewFile),
    /// One of so many that they cannot all be open.
    Closed(ClosedFile),
}

impl Waiting {
    /// Where the file will stand.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Waiting::Open(file) => &file.path,
            Waiting::Closed(file) => &file.path,
        }
    }

    /// Closes the file until it gets its name.
    ///
    /// # Errors
    /// The operating system's, or another writer took its place.
    pub(crate) fn close(self) -> Result<Waiting, Error> {
        match self {
            Waiting::Open(file) => file.close().map(Waiting::Closed),
            closed => Ok(closed),
        }
    }

    /// Gives the file its final name.
    ///
    /// # Errors
    /// As for [`NewFile::publish`].
    pub(crate) fn publish(self) -> Result<(), Error> {
        self.open()?.publish()
    }

    /// Gives several files their final names, as [`NewFile::publish_all`] does.
    ///
    /// # Errors
    /// As for [`NewFile::publish`], for the first that fails.
    pub(crate) fn publish_all(files: Vec<Waiting>) -> Result<Vec<PathBuf>, Error> {
        NewFile::publish_each(files.into_iter().map(Waiting::open))
    }

    fn open(self) -> Result<NewFile, Error> {
        match self {
            Waiting::Open(file) => Ok(file),
            Waiting::Closed(file) => file.reopen(),
        }
    }
}

/// A complete file that is closed, so that any number of them can wait for their names.
///
/// While it waits nothing holds it, so a writer that is told to begin anew takes its place. That is found out before it
/// gets its name, and what took the place is left alone.
#[derive(Debug)]
pub(crate) struct ClosedFile {
    /// Nothing once it is open again.
    place: Option<TempPath>,
    mark: Mark,
    path: PathBuf,
    what: &'static str,
    overwrite: bool,
}

impl ClosedFile {
    /// Takes hold of the file again.
    fn reopen(mut self) -> Result<NewFile, Error> {
        let place = self.place.as_deref().expect("opened once");
        let file = match File::open(place) {
            Ok(file) if file.metadata().is_ok_and(|metadata| Mark::of(&metadata) == self.mark) => file,
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io(&self.path, &format!("open the complete {}", self.what), &error));
            }
            _ => return Err(displaced(place, self.what)),
        };
        let partial = Partial { file, place: self.place.take() };
        partial.hold()?;
        Ok(NewFile { partial, path: self.path.clone(), what: self.what, overwrite: self.overwrite })
    }
}

impl Drop for ClosedFile {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let is_ours = std::fs::metadata(&place).is_ok_and(|metadata| Mark::of(&metadata) == self.mark);
        if !is_ours {
            // What stands there is not ours to remove.
            let _ = place.keep();
        }
    }
}

/// What tells a file from another one that came to have its name. The number of a file alone does not: it is used again.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    len: u64,
    /// Device, number, and when it was written to, in s and ns.
    #[cfg(unix)]
    file: (u64, u64, i64, i64),
}

impl Mark {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Mark {
        use std::os::unix::fs::MetadataExt;
        let file = (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
        Mark { len: metadata.len(), file }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Mark {
        Mark { len: metadata.len() }
    }
}

/// Gives the file at `path` a second name beside it.
fn keep(path: &Path) -> Result<TempPath, Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(path.file_name().unwrap_or_default()).suffix(".replaced");
    let linked = builder.make_in(folder, |second| std::fs::hard_link(path, second));
    // Some file systems have no second names; there the file is set aside under another one.
    let kept = linked.or_else(|_| builder.make_in(folder, |second| std::fs::rename(path, second)));
    kept.map(NamedTempFile::into_temp_path).map_err(|error| Error::io(path, "keep what is replaced", &error))
}

/// Publishes a file, of whose name's old file there is this second name, and adds it to those that are `done`; where that
/// fails, the old file is to be had by its name or is added.
fn replace(file: NewFile, kept: Option<TempPath>, done: &mut Vec<(PathBuf, Option<TempPath>)>) -> Result<(), Error> {
    let path = file.path.clone();
    let published = file.publish();
    // Where files cannot have second names, the old one has but that.
    if published.is_ok() || (kept.is_some() && !path.exists()) {
        done.push((path, kept));
    }
    published
}

/// Undoes what was published before `error` came, each a file's name and the second name of what it replaced. What cannot
/// be undone is added to the error.
fn take_back(done: Vec<(PathBuf, Option<TempPath>)>, error: Error) -> Error {
    let undo = |(path, kept): (PathBuf, Option<TempPath>)| {
        let undone = match kept {
            Some(kept) => kept.persist(&path).map_err(|stuck| {
                let why = format!("{}: {}", stuck.path.display(), stuck.error);
                // The old file is not lost with its second name.
                let _ = stuck.path.keep();
                why
            }),
            None => std::fs::remove_file(&path).map_err(|why| format!("{}: {why}", path.display())),
        };
        undone.err()
    };
    let stuck: Vec<String> = done.into_iter().filter_map(undo).collect();
    if stuck.is_empty() {
        return error;
    }
    let rest = format!("{error}; and what was published before could not be taken back: {}", stuck.join("; "));
    Error::new(error.kind(), rest)
}

/// Whether the open file is the one that stands at `path`.
#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(mine), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (mine.dev(), mine.ino()) == (there.dev(), there.ino())
}

/// An open file cannot be removed here, so nobody can have taken its place.
#[cfg(not(unix))]
fn is_still_at(_: &File, path: &Path) -> bool {
    path.exists()
}

fn exists(path: &Path) -> Error {
    let message =
        format!("{}: a file stands there already; pass --force to replace it, or choose another name", path.display());
    Error::new(ErrorKind::Exists, message)
}

fn taken(partial: &Path) -> Error {
    let message = format!(
        "{}: another writer is at work there, or one was killed; wait for it, or pass --force to begin anew",
        partial.display()
    );
    Error::new(ErrorKind::Exists, message)
}

/// The file that a link leads to, which is there.
fn target_of(link: &Path) -> Result<PathBuf, Error> {
    std::fs::canonicalize(link).map_err(|_| {
        let to = std::fs::read_link(link).map_or_else(|error| error.to_string(), |to| to.display().to_string());
        let rule = format!("this is a link to {to}, where nothing stands; name that file, or remove the link");
        Error::new(ErrorKind::Io, format!("{}: {rule}", link.display()))
    })
}

fn displaced(partial: &Path, what: &str) -> Error {
    let rule = "another writer took the place of the unfinished";
    Error::new(ErrorKind::Exists, format!("{}: {rule} {what}", partial.display()))
}

/// Removes what a killed writer left, unless somebody is still at work on it.
fn clear_stale(partial: &Path) -> Result<(), Error> {
    let file = match File::open(partial) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(|error| Error::io(partial, "open what a writer left", &error))?,
    };
    clear(partial, &file, try_hold(&file))
}

/// Removes what stands at `partial`, if it is still `file` and `hold` says that nobody else holds that.
fn clear(partial: &Path, file: &File, hold: Result<(), TryLockError>) -> Result<(), Error> {
    let refused = |rule: &str| Error::new(ErrorKind::Exists, format!("{}: {rule}", partial.display()));
    match hold {
        // What came to stand there after it was opened is another file, of which the lock tells nothing.
        Ok(()) if is_still_at(file, partial) => {
            std::fs::remove_file(partial).map_err(|error| Error::io(partial, "remove what a writer left", &error))
        }
        Err(TryLockError::WouldBlock) if try_share(file).is_ok() => {
            Err(refused("somebody reads there what a killed writer left, to follow or recover it; wait for that"))
        }
        Ok(()) | Err(TryLockError::WouldBlock) => {
            Err(refused("another writer is at work there; wait for it or stop it"))
        }
        Err(TryLockError::Error(error)) => Err(refused(&format!(
            "files cannot be locked here ({error}), so nobody knows whether a writer is at work there; if none is, remove \
             it yourself"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The message with which the file is left where it is.
    #[track_caller]
    fn left_alone(partial: &Path, file: &File, hold: Result<(), TryLockError>) -> String {
        let error = clear(partial, file, hold).unwrap_err();
        assert!(error.kind() == ErrorKind::Exists && partial.exists());
        error.to_string().rsplit_once("run.cdt.partial: ").unwrap().1.to_owned()
    }

    #[test]
    fn what_was_to_be_replaced_is_there_when_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.cdt");
        for has_second_names in [true, false] {
            fs::write(&path, "the old one").unwrap();
            let file = NewFile::create(&path, "trace", true).unwrap();
            fs::remove_file(folder.path().join("run.cdt.partial")).unwrap();
            let second = folder.path().join("run.cdt.replaced");
            if has_second_names { fs::hard_link(&path, &second) } else { fs::rename(&path, &second) }.unwrap();
            let mut done = Vec::new();
            let error = replace(file, Some(TempPath::try_from_path(second).unwrap()), &mut done).unwrap_err();
            let error = take_back(done, error).to_string();
            assert!(error.contains("another writer") && !error.contains("taken back"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "the old one");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn only_what_is_held_and_stands_there_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let partial = folder.path().join("run.cdt.partial");
        fs::write(&partial, "half a trace").unwrap();
        let file = File::open(&partial).unwrap();
        let none = TryLockError::Error(io::Error::other("no locks"));
        assert_eq!(
            left_alone(&partial, &file, Err(none)),
            "files cannot be locked here (no locks), so nobody knows whether a writer is at work there; if none is, \
             remove it yourself"
        );
        // Between the opening and the lock another writer cleared it, and began anew.
        fs::rename(&partial, folder.path().join("old")).unwrap();
        fs::write(&partial, "another trace").unwrap();
        #[cfg(unix)]
        assert_eq!(left_alone(&partial, &file, Ok(())), "another writer is at work there; wait for it or stop it");
        let file = File::open(&partial).unwrap();
        clear(&partial, &file, Ok(())).unwrap();
        assert!(!partial.exists());
    }
}
