//! Importers of the text logs that emulator people already have: one instruction is one tick, registers are state.
//!
//! What the log shows besides behaviour is kept as events of the host, which are evidence and never part of a verdict:
//! `noise` for lines between two instructions that are none themselves (the first one's number, and how many), and for
//! nestest logs `operand` for the memory value that the disassembly shows.

mod gameboy_doctor;
mod line_format;
mod line_match;
mod nestest;
mod notation;
mod scan;

pub use line_format::LineFormat;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use cdt_schema::{
    Checkpoint, CheckpointLayout, Digest, Event, EventKind, Field, KindId, Layout, LayoutSpec, Origin, RowError,
    Scalar, ScalarType, Tick, TickBuilder,
};
use cdt_trace::{Loss, LossKind, Meta, NewFile, Options, Producer, Program, Run, TraceWriter, Watch};

use crate::input::Found;
use crate::{Error, ErrorKind, Input};

/// Numbers of noise lines that a report names.
const NAMED_NOISE: usize = 5;
/// How much of an offending line an error shows.
const EXCERPT: usize = 100;

/// How the lines of a log are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// CPU logs in the manner of those of the NES test ROM `nestest`.
    Nestest,
    /// Lines as gameboy-doctor expects them.
    GameboyDoctor,
    /// Lines as the user says.
    Lines(LineFormat),
}

impl LogFormat {
    /// The formats that have names.
    pub const NAMED: [LogFormat; 2] = [LogFormat::Nestest, LogFormat::GameboyDoctor];

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            LogFormat::Nestest => "nestest",
            LogFormat::GameboyDoctor => "gameboy-doctor",
            LogFormat::Lines(_) => "text",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<LogFormat> {
        LogFormat::NAMED.into_iter().find(|format| format.name() == name)
    }

    /// What its lines look like, for an error.
    fn likeness(&self) -> String {
        match self {
            LogFormat::Nestest => format!("a line of this format reads like: {}", nestest::EXAMPLE),
            LogFormat::GameboyDoctor => format!("a line of this format reads like: {}", gameboy_doctor::EXAMPLE),
            LogFormat::Lines(format) => format!("the format string is: {format}"),
        }
    }

    /// Whether lines that look like none of the log are left out: of formats that have names it is known what those look like.
    fn skips_others(&self) -> bool {
        match self {
            LogFormat::Nestest | LogFormat::GameboyDoctor => true,
            LogFormat::Lines(format) => format.skips_others(),
        }
    }

    fn read(&self, line: &str) -> Reading {
        match self {
            LogFormat::Nestest => nestest::read(line),
            LogFormat::GameboyDoctor => gameboy_doctor::read(line),
            LogFormat::Lines(format) => format.read(line),
        }
    }

    /// The state of traces of this format, where the lines have these optional parts.
    fn state(&self, optional: u64) -> Vec<Field> {
        match self {
            LogFormat::Nestest => nestest::STATE.into_iter().map(number).collect(),
            LogFormat::GameboyDoctor => gameboy_doctor::STATE.into_iter().map(number).collect(),
            LogFormat::Lines(format) => format.state(optional),
        }
    }
}

fn number(name: &str) -> Field {
    Field { name: name.to_owned(), scalar_type: ScalarType::U32 }
}

/// What to import and where to.
#[derive(Clone, Debug)]
pub struct Import<'a> {
    /// How the lines are to be read.
    pub format: &'a LogFormat,
    /// The trace to write.
    pub out: &'a Path,
    /// Whether a file there may be replaced.
    pub overwrite: bool,
    /// Whether a last line that was cut short is a recorded loss and not an error.
    pub truncated_tail: bool,
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Ticks written.
    pub ticks: u64,
    /// The trace's content digest.
    pub digest: Digest,
    /// Lines that are no instructions, left out and recorded as events.
    pub noise_lines: u64,
    /// Numbers of the first of them.
    pub first_noise: Vec<u64>,
    /// What was lost.
    pub loss: Option<Loss>,
}

/// What a line of a log is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reading {
    Instruction(Instruction),
    /// Nothing in it looks like an instruction.
    Noise,
    /// It looks like an instruction and is none: at this byte this was expected.
    Malformed {
        at: usize,
        expected: String,
    },
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Instruction {
    /// One value for each of the format's state fields.
    state: Vec<Scalar>,
    /// Further columns, by name.
    counters: Vec<(Cow<'static, str>, u64)>,
    /// The memory value that the disassembly shows.
    operand: Option<u32>,
    /// The optional parts of a user's format that the line has, a bit for each.
    optional: u64,
}

/// A tick that is complete but for the noise that may follow its line.
struct Pending {
    instruction: Instruction,
    /// Its line.
    line: u64,
    noise: Vec<Noise>,
}

/// Lines between two instructions that are none themselves.
#[derive(Clone, Copy, Debug)]
struct Noise {
    first: u64,
    lines: u64,
}

/// Imports a log.
///
/// # Errors
/// A line that cannot be read, with its number; or the trace cannot be written, or the work was stopped. Nothing is left
/// behind.
pub fn import(input: Input, how: &Import<'_>, watch: &dyn Watch) -> Result<Imported, Error> {
    if let Some(file) = input.file() {
        NewFile::refuse_over(how.out, file)?;
    }
    let mut input = input.transcoded()?;
    let mut importer =
        Importer { how, writer: None, columns: (Vec::new(), 0), pending: None, early: None, report: empty() };
    let mut bytes = Vec::new();
    let mut first_line = None;
    loop {
        input.look(watch)?;
        let found = input.next_line(&mut bytes)?;
        if found == Found::End {
            break;
        }
        let line = String::from_utf8_lossy(&bytes);
        first_line.get_or_insert_with(|| excerpt(&line, 0));
        let reading = how.format.read(&line);
        if found == Found::Partial && (input.is_cut() || !importer.is_whole(&reading)) {
            if how.truncated_tail {
                importer.truncated();
                break;
            }
            return Err(partial(&input, how.format, &reading, &line));
        }
        match reading {
            Reading::Noise if line.trim().is_empty() => {}
            Reading::Noise if !how.format.skips_others() => return Err(other(&input, how.format, &line)),
            Reading::Noise => importer.noise(input.line()),
            Reading::Instruction(instruction) => {
                importer.instruction(instruction, &input)?;
            }
            Reading::Malformed { at, expected } => {
                return Err(malformed(&input, how.format, (at, &expected), &line, ""));
            }
        }
    }
    importer.finish(&input, first_line.as_deref())
}

fn empty() -> Imported {
    Imported { ticks: 0, digest: Digest::default(), noise_lines: 0, first_noise: Vec::new(), loss: None }
}

fn excerpt(line: &str, at: usize) -> String {
    let rest: String = line.get(at..).unwrap_or(line).chars().take(EXCERPT).collect();
    rest.trim_end().to_owned()
}

fn at_line(input: &Input, line: u64, rule: &str) -> Error {
    Error::new(ErrorKind::Line, format!("{}:{line}: {rule}", input.name()))
}

fn malformed(input: &Input, format: &LogFormat, (at, expected): (usize, &str), line: &str, hint: &str) -> Error {
    let rest = excerpt(line, at);
    let here = if rest.is_empty() { "the line ends here".to_owned() } else { format!("here: {rest}") };
    let message = format!(
        "{}:{}:{}: {expected} is expected; {here}; {}{hint}",
        input.name(),
        input.line(),
        at + 1,
        format.likeness()
    );
    Error::new(ErrorKind::Line, message)
}

/// A line that looks like none of the log.
fn other(input: &Input, format: &LogFormat, line: &str) -> Error {
    let rule = "this line does not look like one of the log; pass --skip-other-lines to leave such lines out";
    at_line(input, input.line(), &format!("{rule}; {}; it reads: {}", format.likeness(), excerpt(line, 0)))
}

/// A last line without its end that may have been longer.
fn partial(input: &Input, format: &LogFormat, reading: &Reading, line: &str) -> Error {
    if let Reading::Malformed { at, expected } = reading {
        let hint = "; the last line has no end: if the log was cut short, pass --truncated-tail to keep what is whole";
        return malformed(input, format, (*at, expected), line, hint);
    }
    let message = format!(
        "{}:{}: the last line has no end, so the log may have been cut short in it; end it with a line break if it is \
         whole, or pass --truncated-tail to leave it out; it reads: {}",
        input.name(),
        input.line(),
        excerpt(line, 0)
    );
    Error::new(ErrorKind::Line, message)
}

struct Importer<'a> {
    how: &'a Import<'a>,
    writer: Option<TraceWriter>,
    /// Names of the first instruction's further columns, and its optional parts.
    columns: (Vec<Cow<'static, str>>, u64),
    pending: Option<Pending>,
    /// Noise in front of the first instruction.
    early: Option<Noise>,
    report: Imported,
}

impl Importer<'_> {
    /// Whether a line without an end is certain to be whole: an instruction whose last column, as of every line before, is
    /// the registers, which have a fixed width. Of decimal columns and of noise the end may be missing.
    fn is_whole(&self, reading: &Reading) -> bool {
        let fixed = match self.how.format {
            LogFormat::Lines(format) => format.has_fixed_end(),
            _ => self.writer.is_some() && self.columns.0.is_empty(),
        };
        matches!(reading, Reading::Instruction(instruction) if fixed && instruction.counters.is_empty())
    }

    fn noise(&mut self, line: u64) {
        self.report.noise_lines += 1;
        if self.report.first_noise.len() < NAMED_NOISE {
            self.report.first_noise.push(line);
        }
        let begun = Noise { first: line, lines: 0 };
        let noise = match &mut self.pending {
            // An instruction may have noise in front of it, which came first, and one run of noise behind it.
            Some(pending) => {
                if pending.noise.last().is_none_or(|noise| noise.first < pending.line) {
                    pending.noise.push(begun);
                }
                pending.noise.last_mut().expect("pushed above")
            }
            None => self.early.get_or_insert(begun),
        };
        noise.lines += 1;
    }

    fn instruction(&mut self, instruction: Instruction, input: &Input) -> Result<(), Error> {
        let names = instruction.counters.iter().map(|(name, _)| name.clone()).collect();
        let columns = (names, instruction.optional);
        if self.writer.is_none() {
            self.columns = columns;
            self.writer = Some(self.create()?);
        } else if columns != self.columns {
            let words = |(counters, optional): &(Vec<Cow<'static, str>>, u64)| match self.how.format {
                LogFormat::Lines(format) => format.names(*optional).join(", "),
                _ if counters.is_empty() => "none".to_owned(),
                _ => counters.join(", "),
            };
            let beside = if matches!(self.how.format, LogFormat::Lines(_)) { "" } else { " beside its registers" };
            let rule = format!(
                "every line has the columns of the first one ({}){beside}, but this one has {}",
                words(&self.columns),
                words(&columns)
            );
            return Err(at_line(input, input.line(), &rule));
        }
        self.flush(input)?;
        let noise = self.early.take().into_iter().collect();
        self.pending = Some(Pending { instruction, line: input.line(), noise });
        Ok(())
    }

    fn create(&self) -> Result<TraceWriter, Error> {
        let Import { out, overwrite, format, .. } = *self.how;
        let layout = layout(format, &self.columns.0, self.columns.1)?;
        Ok(TraceWriter::create(out, overwrite, &meta(format), Arc::new(layout), Options::LIVE)?)
    }

    /// Writes the pending tick.
    fn flush(&mut self, input: &Input) -> Result<(), Error> {
        let (Some(Pending { instruction, line, noise }), Some(writer)) = (self.pending.take(), &mut self.writer) else {
            return Ok(());
        };
        let number = u32::try_from(self.report.ticks)
            .map_err(|_| at_line(input, line, &format!("a trace has at most {} ticks", u32::MAX)))?;
        let written: Result<(), cdt_trace::Error> =
            writer.append(Tick(number), |tick| Ok(fill(tick, &instruction, &noise)?));
        written.map_err(|error| match error.kind() {
            cdt_trace::ErrorKind::Row => at_line(input, line, &error.to_string()),
            _ => error.into(),
        })?;
        self.report.ticks += 1;
        Ok(())
    }

    fn truncated(&mut self) {
        let from = self.report.ticks + u64::from(self.pending.is_some());
        let from = Tick(u32::try_from(from).unwrap_or(u32::MAX));
        let detail = "the last line of the log was cut short".to_owned();
        self.report.loss = Some(Loss { kind: LossKind::TruncatedTail, from, to: None, detail });
    }

    fn finish(mut self, input: &Input, first_line: Option<&str>) -> Result<Imported, Error> {
        self.flush(input)?;
        let Some(mut writer) = self.writer else {
            let seen = first_line.map_or("the log is empty".to_owned(), |line| format!("the log begins: {line}"));
            let format = self.how.format;
            let message =
                format!("{}: no line is of the format {}; {}; {seen}", input.name(), format.name(), format.likeness());
            return Err(Error::new(ErrorKind::Line, message));
        };
        if let Some(loss) = &self.report.loss {
            writer.record_loss(loss)?;
        }
        let reason = if self.report.loss.is_some() { "truncated" } else { "end of the log" };
        self.report.digest = writer.finish(reason)?;
        Ok(self.report)
    }
}

/// Number of the event kind for a shown operand, where the format has one.
const OPERAND: KindId = KindId(1);
/// Number of the event kind for noise.
const NOISE: KindId = KindId(0);

fn layout(format: &LogFormat, counters: &[Cow<'static, str>], optional: u64) -> Result<Layout, Error> {
    let event = |name: &str, values: &[&str]| EventKind {
        name: name.to_owned(),
        values: values.iter().copied().map(number).collect(),
    };
    let mut events = vec![event("noise", &["line", "lines"])];
    if *format == LogFormat::Nestest {
        events.push(event("operand", &["value"]));
    }
    let counters: Vec<String> = counters.iter().map(|name| name.clone().into_owned()).collect();
    let spec = LayoutSpec {
        state: Some(format.state(optional)),
        checkpoint: (!counters.is_empty()).then(|| CheckpointLayout { counters, ..CheckpointLayout::default() }),
        events: Some(events),
        ..LayoutSpec::default()
    };
    Layout::new(spec).map_err(|error| Error::new(ErrorKind::Line, format!("the fields make no layout: {error}")))
}

/// Provenance: the format alone, so that the same log gives the same bytes wherever it is imported.
fn meta(format: &LogFormat) -> Meta {
    let text = str::to_owned;
    Meta {
        session: text("import"),
        producer: Producer {
            name: text("cdt import"),
            version: text(env!("CARGO_PKG_VERSION")),
            platform: text("any"),
            arch: text("any"),
        },
        program: Program { name: format!("{} log", format.name()), build: None, hash: None },
        run: Run {
            id: text("log"),
            seed: None,
            seed_source: text("none: imported from a log"),
            mode: 0,
            tick_rate: None,
            reason: text("imported"),
        },
    }
}

fn fill(tick: &mut TickBuilder<'_>, instruction: &Instruction, noise: &[Noise]) -> Result<(), RowError> {
    tick.state(&instruction.state)?;
    if !instruction.counters.is_empty() {
        let counters: Vec<u64> = instruction.counters.iter().map(|(_, value)| *value).collect();
        tick.checkpoint(&Checkpoint { counters: &counters, ..Checkpoint::default() })?;
    }
    let mut evidence =
        |kind, values: &[Scalar]| tick.event(Event { kind, origin: Origin::Host, subject: None, values, cause: None });
    if let Some(operand) = instruction.operand {
        evidence(OPERAND, &[Scalar::U32(operand)])?;
    }
    for noise in noise {
        let number = |number| Scalar::U32(u32::try_from(number).unwrap_or(u32::MAX));
        evidence(NOISE, &[number(noise.first), number(noise.lines)])?;
    }
    Ok(())
}
