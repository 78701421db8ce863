//! A trace that is still being written, as it is so far.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cdt_schema::Tick;

use crate::file::{open_regular, unreadable};
use crate::follow::{Follower, Section};
use crate::index_writer::IndexWriter;
use crate::locks::try_share;
use crate::recover::UNKNOWN_END;
use crate::section::{FILE_HEADER, SECTION_HEADER};
use crate::{Error, Loss, LossKind, Source, Trace, Watch};

/// Follows the file of a trace while its writer adds to it, and gives the trace of the blocks that are whole so far. Every
/// block is read and checked once.
#[derive(Debug)]
pub struct GrowingTrace {
    file: File,
    name: PathBuf,
    follower: Follower,
    index: Option<IndexWriter>,
    /// Where the last whole section but the footer ends, or of a finished trace the file.
    len: u64,
    first_tick: Option<Tick>,
    ticks: u64,
    finished: bool,
    /// Whether a writer was seen to hold the file.
    was_held: bool,
    bytes: Vec<u8>,
}

/// Whether a growing trace still has a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterState {
    /// It holds the file.
    AtWork,
    /// It held the file and does not any more: it was done, or was stopped.
    Gone,
    /// None was seen, which says little: not every writer holds its file.
    Unseen,
}

/// The bytes of a growing trace up to its last whole block, and what makes a whole trace of them.
#[derive(Debug)]
pub struct Snapshot {
    file: File,
    /// How many bytes of the file.
    len: u64,
    /// What follows on them.
    end: Vec<u8>,
}

impl Source for Snapshot {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len + self.end.len() as u64)
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        let in_file = range.start.min(self.len)..range.end.min(self.len);
        self.file.read(in_file, into)?;
        let at = |offset: u64| usize::try_from(offset.saturating_sub(self.len)).map_err(io::Error::other);
        let rest = self.end.get(at(range.start)?..at(range.end)?).ok_or(io::ErrorKind::UnexpectedEof)?;
        into.extend_from_slice(rest);
        Ok(())
    }
}

impl GrowingTrace {
    /// Opens the file at `path`, which may be empty yet.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub fn open(path: &Path) -> Result<GrowingTrace, Error> {
        let file = open_regular(path)?;
        // Of what is finished the index is enough.
        let clone = file.try_clone().map_err(|error| Error::io(path, "open the trace", &error))?;
        let finished = Trace::from_source(clone, path).ok();
        let ticks = finished.as_ref().map_or(0, |trace| trace.index().ticks());
        let len = finished.as_ref().map_or(Ok(0), Trace::stored_bytes)?;
        Ok(GrowingTrace {
            file,
            name: path.to_owned(),
            follower: Follower::new(),
            index: None,
            len,
            first_tick: None,
            ticks,
            finished: finished.is_some(),
            was_held: false,
            bytes: Vec::new(),
        })
    }

    /// Reads every section that is whole by now, and tells whether there was any. When the work is stopped it returns early.
    ///
    /// # Errors
    /// The file cannot be read, is no trace of this version, is damaged, or became shorter than what was read of it.
    pub fn advance(&mut self, watch: &dyn Watch) -> Result<bool, Error> {
        if self.finished {
            return Ok(false);
        }
        let len = self.file.size().map_err(|error| Error::io(&self.name, "tell the trace's length", &error))?;
        if len < self.follower.end() {
            return Err(unreadable(&self.name, &io::ErrorKind::UnexpectedEof.into()));
        }
        if len < FILE_HEADER {
            self.file.read(0..len, &mut self.bytes).map_err(|error| unreadable(&self.name, &error))?;
            self.follower.check_beginning(&self.bytes).map_err(|error| error.in_file(&self.name))?;
        }
        let before = self.follower.end();
        let mut bytes = std::mem::take(&mut self.bytes);
        while let Some(range) = self.follower.want().filter(|range| range.end <= len && !watch.cancelled()) {
            self.file.read(range, &mut bytes).map_err(|error| unreadable(&self.name, &error))?;
            self.take(&bytes).map_err(|error| error.in_file(&self.name))?;
        }
        self.bytes = bytes;
        self.finished = self.follower.want().is_none();
        if self.finished {
            self.len = self.follower.end();
            if len > self.len {
                let rule = format!("{} bytes stand behind the end of the trace", len - self.len);
                return Err(Error::damaged(self.len, rule).in_file(&self.name));
            }
        }
        Ok(self.follower.end() > before)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let offset = self.follower.end();
        let Some(section) = self.follower.feed(bytes)? else { return Ok(()) };
        if let Section::Meta { layout, .. } = section {
            self.index = Some(IndexWriter::new(&layout));
            self.len = self.follower.end();
            return Ok(());
        }
        let index = self.index.as_mut().expect("the META section is the first one");
        match section {
            Section::Block { entry, rows, .. } => {
                self.first_tick.get_or_insert(entry.first_tick);
                self.ticks += u64::from(entry.ticks);
                (0..rows.ticks().len()).for_each(|tick| _ = index.tick(&rows, tick));
                index.block(&rows, entry);
                self.follower.recycle(rows);
            }
            Section::Loss { head, .. } => {
                index.loss(offset, u32::try_from(head.len()).expect("a section's head is below 2^28 bytes"));
            }
            Section::Segment { head, told } => {
                index.read_segment(offset, head, told).map_err(|rule| Error::damaged(offset, rule))?;
            }
            Section::Meta { .. } => {}
            // Without the trailer behind it a footer ends nothing.
            Section::Footer { .. } => return Ok(()),
        }
        self.len = self.follower.end();
        Ok(())
    }

    /// Whether the writer has ended the trace.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// How many ticks the whole blocks have so far.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// What errors call the trace.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// Whether somebody still writes.
    pub fn writer(&mut self) -> WriterState {
        match try_share(&self.file) {
            Err(TryLockError::WouldBlock) => {
                self.was_held = true;
                WriterState::AtWork
            }
            Ok(()) => {
                let _ = self.file.unlock();
                if self.was_held { WriterState::Gone } else { WriterState::Unseen }
            }
            Err(TryLockError::Error(_)) => WriterState::Unseen,
        }
    }

    /// The trace of the blocks so far; `None` before its layout is there. Of a trace that has no end, `lost` says why there
    /// will be none, and is recorded as the loss of all that comes after; of all, where a ledger may have been cut that tells of
    /// any ticks.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn snapshot(&self, lost: Option<&str>) -> Result<Option<Trace<Snapshot>>, Error> {
        let mut end = Vec::new();
        match &self.index {
            _ if self.finished => {}
            None => return Ok(None),
            Some(index) => {
                let loss = lost.map(|detail| self.loss(detail)).transpose()?;
                index.end(self.len, loss.as_ref(), UNKNOWN_END, &mut end);
            }
        }
        let file = self.file.try_clone().map_err(|error| Error::io(&self.name, "read the trace", &error))?;
        let len = self.len;
        Trace::from_source(Snapshot { file, len, end }, &self.name).map(Some)
    }

    /// What is lost of a trace that will have no end.
    fn loss(&self, detail: &str) -> Result<Loss, Error> {
        let fail = |error: io::Error| unreadable(&self.name, &error);
        let (end, len) = (self.follower.end(), self.file.size().map_err(fail)?);
        let mut rest = Vec::new();
        self.file.read(end..len.clamp(end, end + SECTION_HEADER), &mut rest).map_err(fail)?;
        let after = || self.follower.last_tick().map(|last| last.next().unwrap_or(last));
        let from = if self.follower.may_pass_a_loss(len, &rest) { self.first_tick } else { after() };
        let (kind, from) = (LossKind::RecoveredPrefix, from.unwrap_or(Tick(0)));
        Ok(Loss { kind, from, to: None, detail: detail.to_owned() })
    }
}
