//! Rows decoded ahead of their turn. A session takes its rows one after another, but what a plain tick row says is known from
//! the row and its run's layout alone: the lines that are read at once are cut into parts, each part is decoded into rows
//! of its own on another thread, and the session copies them when it comes to their lines.
//!
//! This takes a line or leaves it. What is left (a row that is not plain, one of another run than its part's, one that does
//! not follow from those before it, any fault) the session decodes itself.

use std::ops::Range;
use std::sync::Arc;

use cdt_schema::{Layout, RowWriter, Rows, Tick};
use cdt_trace::Watch;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::decode::Names;
use super::plain::{Buffers, PlainTick};
use crate::input::Found;
use crate::{Error, Input};

/// Most threads: by then the session is what takes the time.
const MAX_THREADS: usize = 8;
/// Bytes of lines for each thread that are read at once.
const PART_BYTES: usize = 512 << 10;
/// Bytes of the first lines that are read at once: of a capture, what stands before its ticks.
const FIRST_BYTES: usize = 16 << 10;
/// Longest line that is decoded, so that rows stay small: the longest of a capture have hundreds of megabytes of them.
const MAX_LINE: usize = PART_BYTES / 4;
/// Most lines that are read at once.
const MAX_LINES: usize = 16_384;

/// Threads to decode on; `None` for one, or if the system has no more.
pub(super) fn pool(threads: usize) -> Option<ThreadPool> {
    let threads = threads.min(MAX_THREADS);
    (threads > 1).then(|| ThreadPoolBuilder::new().num_threads(threads).build().ok()).flatten()
}

/// A run whose rows may be decoded ahead.
pub(super) struct Target {
    pub(super) run_id: String,
    pub(super) layout: Arc<Layout>,
    pub(super) names: Arc<Names>,
}

/// A line, with what it was decoded into.
pub(super) struct Line<'a> {
    pub(super) bytes: &'a [u8],
    /// Its number in the capture.
    pub(super) number: u64,
    pub(super) found: Found,
    /// The run and the rows that it was decoded into, and the tick's index in them; `None` if it was left.
    pub(super) decoded: Option<(&'a str, &'a Rows, usize)>,
}

/// Lines that are read at once.
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where each line ends in them.
    ends: Vec<usize>,
    /// Number of the first line.
    first: u64,
    /// What the last one is.
    last: Found,
    /// Whether the last one was cut off with a compressed capture's end.
    pub(super) is_cut: bool,
    /// Whether nothing follows.
    pub(super) is_end: bool,
    /// Why the line behind the last one cannot be read.
    pub(super) failed: Option<Error>,
    /// How many bytes are read at once.
    room: usize,
    /// One for each thread.
    parts: Vec<Part>,
}

impl Batch {
    /// To be decoded on so many threads; on none, of one line.
    pub(super) fn new(threads: usize) -> Batch {
        Batch {
            bytes: Vec::new(),
            ends: Vec::new(),
            first: 0,
            last: Found::End,
            is_cut: false,
            is_end: false,
            failed: None,
            room: if threads > 0 { FIRST_BYTES } else { 0 },
            parts: (0..threads).map(|_| Part::default()).collect(),
        }
    }

    /// Reads the next lines in place of those before.
    ///
    /// # Errors
    /// The work was stopped.
    pub(super) fn read(&mut self, input: &mut Input, watch: &dyn Watch) -> Result<(), Error> {
        let most = self.parts.len() * PART_BYTES;
        self.bytes.clear();
        // What a long line needed is not kept for others.
        self.bytes.shrink_to(most + MAX_LINE);
        self.ends.clear();
        self.parts.iter_mut().for_each(Part::clear);
        (self.first, self.is_cut, self.is_end, self.failed) = (input.line() + 1, false, false, None);
        let room = self.room;
        self.room = (room * 4).min(most);
        while self.ends.is_empty() || (self.bytes.len() < room && self.ends.len() < MAX_LINES) {
            input.look(watch)?;
            match input.append_line(&mut self.bytes) {
                Ok(Found::End) => {
                    self.is_end = true;
                    break;
                }
                Ok(found) => {
                    self.ends.push(self.bytes.len());
                    self.last = found;
                    if found == Found::Partial {
                        self.is_cut = input.is_cut();
                        break;
                    }
                }
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Decodes what can be decoded of the lines.
    pub(super) fn decode(&mut self, targets: &[Target]) {
        let Batch { bytes, ends, parts, .. } = self;
        if targets.is_empty() || parts.is_empty() {
            return;
        }
        let each = bytes.len().div_ceil(parts.len());
        let mut first = 0;
        for (part, number) in parts.iter_mut().zip(1..) {
            let end = ends.partition_point(|&end| end <= number * each);
            part.lines = first..end;
            first = end;
        }
        parts.par_iter_mut().for_each(|part| part.decode(bytes, ends, targets));
    }

    /// The lines.
    pub(super) fn iter(&self) -> impl Iterator<Item = Line<'_>> {
        (0..self.ends.len()).zip(self.first..).map(|(index, number)| {
            let found = if index + 1 == self.ends.len() { self.last } else { Found::Line };
            Line { bytes: line_of(&self.bytes, &self.ends, index), number, found, decoded: self.decoded(index) }
        })
    }

    fn decoded(&self, line: usize) -> Option<(&str, &Rows, usize)> {
        let part = self.parts.iter().find(|part| part.lines.contains(&line))?;
        let index = (*part.taken.get(line - part.lines.start)?)?;
        Some((&part.run_id, part.writer.as_ref()?.rows(), index))
    }
}

fn line_of<'a>(bytes: &'a [u8], ends: &[usize], line: usize) -> &'a [u8] {
    let start = line.checked_sub(1).map_or(0, |before| ends[before]);
    &bytes[start..ends[line]]
}

/// Lines that follow one another, decoded on one thread.
#[derive(Default)]
struct Part {
    /// Which of the batch's.
    lines: Range<usize>,
    /// The run whose rows these are.
    run_id: String,
    writer: Option<RowWriter>,
    buffers: Buffers,
    /// For each line the index of its tick in the rows, if it was decoded.
    taken: Vec<Option<usize>>,
}

impl Part {
    fn clear(&mut self) {
        self.lines = 0..0;
        self.taken.clear();
    }

    fn decode(&mut self, bytes: &[u8], ends: &[usize], targets: &[Target]) {
        let mut target = None;
        for line in self.lines.clone() {
            let index = self.decode_line(line_of(bytes, ends, line), targets, &mut target);
            self.taken.push(index);
        }
    }

    /// Decodes a line of the target, which is the first that a line names.
    fn decode_line<'a>(&mut self, line: &[u8], all: &'a [Target], target: &mut Option<&'a Target>) -> Option<usize> {
        if line.len() > MAX_LINE {
            return None;
        }
        let row = PlainTick::begin(std::str::from_utf8(line).ok()?)?;
        let target = match *target {
            Some(target) if target.run_id == row.run_id => target,
            Some(_) => return None,
            None => {
                let first = all.iter().find(|target| target.run_id == row.run_id)?;
                row.run_id.clone_into(&mut self.run_id);
                match self.writer.as_mut().filter(|writer| Arc::ptr_eq(writer.rows().layout(), &first.layout)) {
                    Some(writer) => writer.begin_block(),
                    None => self.writer = Some(RowWriter::new(first.layout.clone())),
                }
                target.insert(first)
            }
        };
        let writer = self.writer.as_mut()?;
        let index = writer.rows().ticks().len();
        let mut tick = writer.tick(Tick(row.tick));
        row.fill(&target.layout, &target.names, &mut self.buffers, &mut tick).ok()?;
        tick.commit().ok()?;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use cdt_schema::{Field, LayoutSpec, ScalarType};
    use cdt_trace::Unwatched;

    use super::*;

    fn targets() -> Vec<Target> {
        let state = vec![Field { name: "a".to_owned(), scalar_type: ScalarType::U32 }];
        let layout = Arc::new(Layout::new(LayoutSpec { state: Some(state), ..LayoutSpec::default() }).unwrap());
        let names = Arc::new(Names::new(&layout));
        let target = |run_id: &str| Target { run_id: run_id.to_owned(), layout: layout.clone(), names: names.clone() };
        ["r", "s"].map(target).into()
    }

    #[test]
    fn what_is_plain_and_of_one_run_is_decoded_in_its_place() {
        let row = |tick: u32| match tick % 100 {
            7 if tick % 1000 == 7 => format!(r#"{{"event":"tick","run_id":"s","tick":{tick},"state":[{tick}]}}"#),
            // What does not fit its type, an order of members that is not the contract's, and a line that is long.
            8 => format!(r#"{{"event":"tick","run_id":"r","tick":{tick},"state":[-1]}}"#),
            9 => format!(r#"{{"run_id":"r","event":"tick","tick":{tick},"state":[{tick}]}}"#),
            _ if tick == 20_010 => {
                let spaces = " ".repeat(MAX_LINE);
                format!(r#"{{"event":"tick","run_id":"r","tick":{tick},"state":[{tick}]{spaces}}}"#)
            }
            _ => format!(r#"{{"event":"tick","run_id":"r","tick":{tick},"state":[{tick}]}}"#),
        };
        let many = 40_000;
        let capture: Vec<String> = (0..many).map(row).collect();
        let mut input = Input::from_bytes("capture", capture.join("\n").into_bytes()).unwrap();
        let mut batch = Batch::new(3);
        let (mut expected, mut decoded) = (0u32, 0);
        while !batch.is_end {
            batch.read(&mut input, &Unwatched).unwrap();
            batch.decode(&targets());
            for line in batch.iter() {
                assert_eq!(line.bytes, capture[expected as usize].as_bytes());
                let last = if expected + 1 == many { Found::Partial } else { Found::Line };
                assert_eq!((line.number, line.found), (u64::from(expected) + 1, last));
                if let Some((run, rows, index)) = line.decoded {
                    assert!(!(8..10).contains(&(expected % 100)) && expected != 20_010, "tick {expected} is left");
                    let named = if expected % 1000 == 7 { "s" } else { "r" };
                    assert_eq!((run, rows.ticks()[index]), (named, Tick(expected)));
                    decoded += 1;
                }
                expected += 1;
            }
        }
        assert_eq!(expected, many);
        assert!(decoded > many / 10 * 9, "{decoded} of {many}");
    }

    #[test]
    fn a_batch_keeps_no_room_of_long_lines() {
        let long = "x".repeat(9 << 20);
        let mut input = Input::from_bytes("capture", format!("{long}\n{{}}\n").into_bytes()).unwrap();
        let mut batch = Batch::new(2);
        batch.read(&mut input, &Unwatched).unwrap();
        assert_eq!((batch.ends.len(), batch.bytes.len()), (1, long.len()));
        batch.read(&mut input, &Unwatched).unwrap();
        assert_eq!((batch.ends.len(), batch.is_end), (1, true));
        assert!(batch.bytes.capacity() < 2 << 20, "{} bytes", batch.bytes.capacity());
    }
}
