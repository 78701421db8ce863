//! Where a capture comes from: a file, standard input or memory; plain, or zstd as its first bytes tell.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use cdt_trace::Watch;
use encoding_rs_io::DecodeReaderBytesBuilder;

use crate::{Error, ErrorKind};

/// Longest line of a capture: a whole tick of memory in base64 fits.
const MAX_LINE: u64 = 64 << 20;
/// Longest line of a text log.
const MAX_LOG_LINE: u64 = 1 << 20;
/// Lines between two looks at the clock and the stop flag, unless they are long.
const LINES_PER_LOOK: u64 = 256;
/// Bytes of lines between two such looks.
const BYTES_PER_LOOK: u64 = 1 << 18;
/// Bytes read at once.
const BUFFER: usize = 1 << 17;
/// First bytes of every zstd frame (RFC 8878, section 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Lines of a capture, with their numbers.
pub struct Input {
    name: String,
    /// The file that is read, if it is one.
    file: Option<PathBuf>,
    reader: Box<dyn BufRead>,
    compressed: bool,
    consumed: Rc<Cell<u64>>,
    total: Option<u64>,
    line: u64,
    max_line: u64,
    /// Lines and bytes of them since the last look at the stop flag.
    unseen: (u64, u64),
    /// Whether a compressed capture ended in the middle of a frame.
    cut: bool,
    /// Whether the end was found. Nothing more is read then: what a terminal gives or a file grows by later is not the capture.
    ended: bool,
}

/// What was found where a line was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole line; its end was cut off.
    Line,
    /// Bytes after the last line's end.
    Partial,
    /// Nothing more.
    End,
}

impl Input {
    /// Opens the file at `path`, or standard input for `-`.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn open(path: &Path) -> Result<Input, Error> {
        if path == Path::new("-") {
            return Input::new("standard input", io::stdin(), None);
        }
        let name = path.display().to_string();
        let refuse = |error: &io::Error| Error::new(ErrorKind::Io, format!("{name}: cannot open the capture: {error}"));
        let file = File::open(path).map_err(|error| refuse(&error))?;
        let metadata = file.metadata().map_err(|error| refuse(&error))?;
        if metadata.is_dir() {
            return Err(Error::new(ErrorKind::Io, format!("{name}: this is a folder, not a capture")));
        }
        let total = metadata.is_file().then_some(metadata.len());
        Ok(Input { file: std::fs::canonicalize(path).ok(), ..Input::new(&name, file, total)? })
    }

    /// The file that is read, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A capture in memory; errors call it `name`.
    ///
    /// # Errors
    /// The bytes begin like zstd and cannot be unpacked.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Input, Error> {
        let total = Some(bytes.len() as u64);
        Input::new(name, io::Cursor::new(bytes), total)
    }

    fn new(name: &str, source: impl Read + 'static, total: Option<u64>) -> Result<Input, Error> {
        let consumed = Rc::new(Cell::new(0));
        let counting = Counting { source, consumed: consumed.clone() };
        let refuse = |error: io::Error| Error::new(ErrorKind::Io, format!("{name}: cannot read the capture: {error}"));
        let mut start = Vec::with_capacity(ZSTD_MAGIC.len());
        let mut reader = BufReader::with_capacity(BUFFER, counting);
        reader.by_ref().take(ZSTD_MAGIC.len() as u64).read_to_end(&mut start).map_err(refuse)?;
        let compressed = start == ZSTD_MAGIC;
        if cdt_trace::MAGIC.starts_with(&start) && !start.is_empty() {
            let rule =
                "this is a trace already; `cdt info` shows it, `cdt export --format jsonl` makes a capture of it";
            return Err(Error::new(ErrorKind::Capture, format!("{name}: {rule}")));
        }
        let whole = io::Cursor::new(start).chain(reader);
        let reader: Box<dyn BufRead> = if compressed {
            let decoder = zstd::stream::read::Decoder::with_buffer(whole).map_err(refuse)?;
            Box::new(BufReader::with_capacity(BUFFER, decoder))
        } else {
            Box::new(whole)
        };
        Ok(Input {
            name: name.to_owned(),
            file: None,
            reader,
            compressed,
            consumed,
            total,
            line: 0,
            max_line: MAX_LINE,
            // The first look is before the first line.
            unseen: (LINES_PER_LOOK, 0),
            cut: false,
            ended: false,
        })
    }

    /// What errors call the capture.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same input as a log of UTF-8 text, whatever it is written in: UTF-8 or UTF-16, with a byte-order mark or without.
    /// What cannot be text becomes U+FFFD. Lines are those of a log, so a file without line breaks is none.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn transcoded(mut self) -> Result<Input, Error> {
        let start = self.reader.fill_buf();
        let start = start.map_err(|error| Error::new(ErrorKind::Io, format!("{}: cannot read: {error}", self.name)))?;
        // Logs begin with ASCII: a zero beside the first character shows UTF-16 without a mark.
        let guess = match start {
            [text, 0, ..] if *text != 0 => Some(encoding_rs::UTF_16LE),
            [0, text, ..] if *text != 0 => Some(encoding_rs::UTF_16BE),
            _ => None,
        };
        let decoder =
            DecodeReaderBytesBuilder::new().encoding(guess).bom_sniffing(true).strip_bom(true).build(self.reader);
        let reader = Box::new(BufReader::with_capacity(BUFFER, decoder));
        Ok(Input { reader, max_line: MAX_LOG_LINE, ..self })
    }

    /// Tells how far the reading has come, and whether to go on, once in a while.
    ///
    /// # Errors
    /// The work was stopped.
    pub(crate) fn look(&mut self, watch: &dyn Watch) -> Result<(), Error> {
        let (lines, bytes) = self.unseen;
        if lines < LINES_PER_LOOK && bytes < BYTES_PER_LOOK {
            return Ok(());
        }
        self.unseen = (0, 0);
        watch.progress(self.consumed.get(), self.total);
        if watch.cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Number of the line that was read last, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Whether a compressed capture turned out to be cut short.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Whether all of it is there already, as of a file; what comes through a pipe may take its time.
    pub(crate) fn is_all_there(&self) -> bool {
        self.total.is_some()
    }

    /// Reads the next line into `line`, without its end (LF or CR LF).
    pub(crate) fn next_line(&mut self, line: &mut Vec<u8>) -> Result<Found, Error> {
        line.clear();
        self.append_line(line)
    }

    /// Appends the next line to `lines`, without its end (LF or CR LF).
    pub(crate) fn append_line(&mut self, lines: &mut Vec<u8>) -> Result<Found, Error> {
        if self.ended {
            return Ok(Found::End);
        }
        let start = lines.len();
        let read = self.reader.by_ref().take(self.max_line).read_until(b'\n', lines);
        let len = (lines.len() - start) as u64;
        self.unseen = (self.unseen.0 + 1, self.unseen.1 + len);
        match read {
            Ok(0) => {
                self.ended = true;
                return Ok(Found::End);
            }
            Ok(_) => self.line += 1,
            // A compressed capture that was cut short ends in the middle of a frame.
            Err(error) if self.compressed && error.kind() == io::ErrorKind::UnexpectedEof => {
                self.line += 1;
                (self.cut, self.ended) = (true, true);
                return Ok(Found::Partial);
            }
            Err(error) => {
                let message = format!("{}: cannot read the capture after line {}: {error}", self.name, self.line);
                return Err(Error::new(ErrorKind::Io, message));
            }
        }
        let mut strip = |end: u8| {
            let is_there = lines.len() > start && lines.last() == Some(&end);
            lines.truncate(lines.len() - usize::from(is_there));
            is_there
        };
        if strip(b'\n') {
            strip(b'\r');
            return Ok(Found::Line);
        }
        if len >= self.max_line {
            let (line, max) = (self.line, self.max_line >> 20);
            let message =
                format!("{}:{line}: the line is longer than {max} MiB; lines end with a line break", self.name);
            return Err(Error::new(ErrorKind::Line, message));
        }
        // Of CR LF the second half alone may be missing.
        strip(b'\r');
        Ok(Found::Partial)
    }
}

struct Counting<R> {
    source: R,
    consumed: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(bytes)?;
        self.consumed.set(self.consumed.get() + count as u64);
        Ok(count)
    }
}
