//! Bringing back what is whole of a trace that has no end or a damaged one: every block up to there, and a record of what
//! is lost. [`Recovery`] says which bytes it needs next and does no I/O.

use std::fs::TryLockError;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use cdt_schema::{Digest, Tick};

use crate::file::{open_regular, unreadable};
use crate::follow::{Follower, Section};
use crate::index_writer::{SectionWriter, SegmentCopy};
use crate::locks::try_share;
use crate::new_file::RECOVERING;
use crate::section::{FILE_HEADER, SECTION_HEADER, TRAILER};
use crate::{Error, ErrorKind, Finished, Loss, LossKind, NewFile, Source, Trace, TraceIndex, Watch};

/// Why the run ended, where nobody knows.
pub(crate) const UNKNOWN_END: &str = "unknown";
const MISSING: &str = "sections are missing: the footer tells of other ticks or losses than there are";

/// Copies whole blocks from the bytes of a broken trace to those of a whole one. Ask [`Recovery::want`], fetch the bytes as
/// long as there are as many, [`Recovery::feed`] them; then [`Recovery::finish`].
#[derive(Debug)]
pub struct Recovery {
    follower: Follower,
    sections: Option<SectionWriter>,
    first_tick: Option<Tick>,
    ticks: u64,
    /// The ledger of the broken trace, as far as it was read.
    ledger: Vec<Loss>,
    footer: Option<(Digest, usize, String)>,
    fault: Option<Error>,
    /// Where the fault is in the header of what may be the segment of the blocks before it: that segment.
    doubtful: Option<SegmentCopy>,
}

/// What was brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// How many ticks.
    pub ticks: u64,
    /// The first and the last of them; `None` of a trace that is complete and has none.
    pub bounds: Option<(Tick, Tick)>,
    /// What is lost of it; `None` when the trace was complete.
    pub loss: Option<Loss>,
    /// The loss ledger of what was brought back: what the broken trace had in its own, then `loss`.
    pub ledger: Vec<Loss>,
    /// Bytes of the broken trace that are in none of its whole sections.
    pub left_out: u64,
    /// Digest of what was brought back.
    pub content_digest: Digest,
}

impl Default for Recovery {
    fn default() -> Recovery {
        Recovery::new()
    }
}

impl Recovery {
    /// Begins at the first byte.
    pub fn new() -> Recovery {
        Recovery {
            // Digests are made anew from the rows, so that damage to them costs nothing.
            follower: Follower::passing_segments(),
            sections: None,
            first_tick: None,
            ticks: 0,
            ledger: Vec::new(),
            footer: None,
            fault: None,
            doubtful: None,
        }
    }

    /// The range of the file that [`Recovery::feed`] expects next, which may be more than there is; `None` when nothing more
    /// is to be read.
    pub fn want(&self) -> Option<Range<u64>> {
        let start = self.follower.end();
        match (&self.doubtful, &self.fault) {
            (Some(segment), _) => Some(start + SECTION_HEADER..start + segment.len),
            (None, None) => self.follower.want(),
            (None, Some(_)) => None,
        }
    }

    /// Checks the first bytes of a file that has fewer than [`Recovery::want`] asks for first.
    ///
    /// # Errors
    /// No trace begins so, and nothing can be brought back.
    pub fn check_beginning(&self, bytes: &[u8]) -> Result<(), Error> {
        self.follower.check_beginning(bytes).map_err(|error| nothing(error.kind(), error.fault()))
    }

    /// Takes the bytes of the wanted range. Damage ends the reading and is kept for [`Recovery::finish`].
    ///
    /// # Errors
    /// The bytes are no trace of this version, or are damaged before the first block: then nothing can be brought back.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(segment) = self.doubtful.take() {
            // All but the header is there, and its place is known: the fault cost nothing.
            if segment.has_body(bytes) {
                self.follower.pass(segment.len);
                self.fault = None;
            }
            return Ok(());
        }
        match self.follower.feed(bytes) {
            Ok(None) => Ok(()),
            Ok(Some(section)) => {
                self.copy(section);
                Ok(())
            }
            Err(error) => self.end_at(error),
        }
    }

    /// Keeps what ended the reading, if there is something to bring back.
    fn end_at(&mut self, error: Error) -> Result<(), Error> {
        let Some(sections) = &self.sections else {
            // Of damage to the layout there is no more to say than that.
            let is_damage = matches!(error.kind(), ErrorKind::Damaged { .. });
            return Err(nothing(if is_damage { ErrorKind::Incomplete } else { error.kind() }, error.fault()));
        };
        self.doubtful = if self.follower.is_at_a_header() { sections.segment_here() } else { None };
        self.fault = Some(error);
        Ok(())
    }

    fn copy(&mut self, section: Section<'_>) {
        if let Section::Meta { layout, head, .. } = section {
            self.sections = Some(SectionWriter::new(&layout, head));
            return;
        }
        let sections = self.sections.as_mut().expect("the META section is the first one");
        match section {
            Section::Block { entry, rows, head, tail } => {
                self.first_tick.get_or_insert(entry.first_tick);
                self.ticks += u64::from(entry.ticks);
                (0..rows.ticks().len()).for_each(|tick| _ = sections.tick(&rows, tick));
                sections.block(&rows, head, tail);
                self.follower.recycle(rows);
            }
            Section::Loss { loss, .. } => {
                sections.loss(&loss);
                self.ledger.push(loss);
            }
            Section::Footer { content_digest, losses, end_reason } => {
                self.footer = Some((content_digest, losses, end_reason));
            }
            Section::Segment { .. } | Section::Meta { .. } => {
                unreachable!("segments are passed, and META is the first")
            }
        }
    }

    /// Bytes of the whole trace that are ready, in the order of the file.
    pub fn output(&self) -> &[u8] {
        self.sections.as_ref().map_or(&[], SectionWriter::output)
    }

    /// Forgets the bytes that were ready. Their memory is used again.
    pub fn clear_output(&mut self) {
        if let Some(sections) = &mut self.sections {
            sections.clear_output();
        }
    }

    /// Where the last whole section ends, in bytes from the start of the broken trace.
    pub fn end(&self) -> u64 {
        self.follower.end()
    }

    /// Ends the whole trace. `len` is the broken one's length in bytes, and `rest` its bytes from [`Recovery::end`] on, as many
    /// as a section's header has or there are. `index` is its index, if that is whole: it tells the last tick, and the losses
    /// that stand behind the damage.
    ///
    /// # Errors
    /// There is no whole block, and not all of a trace without any, so nothing can be brought back.
    pub fn finish(mut self, len: u64, rest: &[u8], index: Option<&TraceIndex>) -> Result<(Vec<u8>, Recovered), Error> {
        let bounds = self.first_tick.zip(self.follower.last_tick());
        let sections = self.sections.take();
        let Some(mut sections) = sections.filter(|sections| bounds.is_some() || self.is_complete(sections)) else {
            let why = match (&self.fault, &self.footer) {
                (_, Some(_)) => MISSING,
                (Some(fault), None) => fault.fault(),
                (None, None) => "it ends before its first block does",
            };
            return Err(nothing(ErrorKind::Incomplete, why));
        };
        let left_out = len.saturating_sub(self.follower.end());
        let loss = match self.is_complete(&sections) {
            true => self.behind_the_end(bounds, left_out),
            false => {
                let may_pass_a_loss = self.follower.may_pass_a_loss(len, rest);
                Some(self.loss(bounds.expect("there is a block"), left_out, may_pass_a_loss, index))
            }
        };
        let behind = index.and_then(|index| index.loss.get(self.ledger.len()..)).unwrap_or_default();
        for loss in behind.iter().chain(&loss) {
            sections.loss(loss);
            self.ledger.push(loss.clone());
        }
        let end_reason = self.footer.map_or(UNKNOWN_END.to_owned(), |(_, _, end_reason)| end_reason);
        let content_digest = sections.end(&end_reason);
        let recovered = Recovered { ticks: self.ticks, bounds, loss, ledger: self.ledger, left_out, content_digest };
        Ok((sections.into_output(), recovered))
    }

    /// Whether the footer proves that nothing of the trace is missing.
    fn is_complete(&self, sections: &SectionWriter) -> bool {
        let there = (sections.content_digest(), self.ledger.len());
        self.footer.as_ref().is_some_and(|(content, losses, _)| (*content, *losses) == there)
    }

    /// What is left out behind a trace that is complete, if that is more than a broken trailer: another trace, perhaps.
    fn behind_the_end(&self, bounds: Option<(Tick, Tick)>, rest: u64) -> Option<Loss> {
        let most = if self.follower.want().is_none() { 0 } else { TRAILER };
        let at = self.follower.end();
        let detail = format!("the trace is complete, but {rest} bytes from byte {at} on, behind its end, are left out");
        let from = bounds.map_or(Tick(0), |(_, last)| last.next().unwrap_or(last));
        (rest > most).then_some(Loss { kind: LossKind::RecoveredPrefix, from, to: None, detail })
    }

    fn loss(&self, (first, end): (Tick, Tick), rest: u64, may_pass_a_loss: bool, index: Option<&TraceIndex>) -> Loss {
        let at = self.follower.end();
        let next = end.next().unwrap_or(end);
        // An entry of the ledger tells of any ticks.
        let from_where_any_may_be_lost = if may_pass_a_loss { first } else { next };
        let (from, to, detail) = match (&self.footer, &self.fault) {
            (Some(_), _) => (first, Some(end), MISSING.to_owned()),
            (None, Some(fault)) => {
                let detail = format!("{}; {rest} bytes from byte {at} on are left out", fault.fault());
                match index {
                    Some(index) => {
                        (next, index.tick_range().map(|(_, last)| last).filter(|&last| last >= next), detail)
                    }
                    None => (from_where_any_may_be_lost, None, detail),
                }
            }
            (None, None) if rest == 0 => (next, None, "its writer was stopped before it wrote an end".to_owned()),
            (None, None) => {
                let detail =
                    format!("its writer was stopped, or it was cut: its last {rest} bytes are no whole section");
                (from_where_any_may_be_lost, None, detail)
            }
        };
        Loss { kind: LossKind::RecoveredPrefix, from, to, detail }
    }
}

fn nothing(kind: ErrorKind, why: &str) -> Error {
    Error::new(kind, format!("nothing can be brought back: {why}"))
}

/// Writes the whole blocks of the broken trace at `path` as a trace that will stand at `out`, with the loss recorded. What is
/// complete is copied whole. The broken trace is left as it is.
///
/// Holds one block at a time. Progress counts bytes of the broken trace.
///
/// # Errors
/// The file cannot be read, is no trace of this version, has no whole block or has a writer at work on it; the output cannot
/// be written or is the very file that is read; or the work was stopped. Nothing is left behind.
pub fn recover(path: &Path, out: &Path, overwrite: bool, watch: &dyn Watch) -> Result<(Finished, Recovered), Error> {
    let file = open_regular(path)?;
    if let Err(TryLockError::WouldBlock) = try_share(&file) {
        let rule = "its writer is still at work; wait for it, or follow it with `cdt health --follow`";
        return Err(Error::new(ErrorKind::Exists, format!("{}: {rule}", path.display())));
    }
    NewFile::refuse_over_with(out, RECOVERING, path)?;
    let len = file.size().map_err(|error| Error::io(path, "tell the trace's length", &error))?;
    let mut recovery = Recovery::new();
    let mut unfinished: Option<NewFile> = None;
    let mut bytes = Vec::new();
    if len < FILE_HEADER {
        file.read(0..len, &mut bytes).map_err(|error| unreadable(path, &error))?;
        recovery.check_beginning(&bytes).map_err(|error| error.in_file(path))?;
    }
    while let Some(range) = recovery.want().filter(|range| range.end <= len) {
        watch.progress(range.start, Some(len));
        if watch.cancelled() {
            return Err(Error::cancelled());
        }
        file.read(range, &mut bytes).map_err(|error| unreadable(path, &error))?;
        recovery.feed(&bytes).map_err(|error| error.in_file(path))?;
        if !recovery.output().is_empty() {
            let file = match &mut unfinished {
                Some(file) => file,
                None => unfinished.insert(NewFile::with_suffix(out, "trace", RECOVERING, overwrite)?),
            };
            file.write_all(recovery.output()).map_err(|error| Error::io(out, "write the trace", &error))?;
            recovery.clear_output();
        }
    }
    let rest = recovery.end()..len.min(recovery.end() + SECTION_HEADER);
    file.read(rest, &mut bytes).map_err(|error| unreadable(path, &error))?;
    // Only of a trace with an end is it known how far it went, and what it had lost.
    let whole = recovery.fault.is_some().then(|| Trace::open(path).ok()).flatten();
    let (ready, recovered) =
        recovery.finish(len, &bytes, whole.as_ref().map(Trace::index)).map_err(|error| error.in_file(path))?;
    let unfinished = unfinished.expect("what can be brought back has a beginning");
    Ok((Finished::new(unfinished, &ready, recovered.content_digest)?, recovered))
}
