//! A capture session: runs begin, tick, end; each becomes a trace of its own. All finished traces of a session get
//! their names together at its end, or none does.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdt_schema::{Digest, Layout, Rows, Tick, TickBuilder};
use cdt_trace::{Finished, Loss, LossKind, Meta, NewFile, Options, Producer, Program, Run, TraceWriter, Watch};
use rayon::ThreadPool;

use super::ahead::{self, Batch, Line, Target};
use super::decode::{Names, Refusal, RowDecoder};
use super::fault::{Fault, decode};
use super::plain::{Buffers, PlainTick, Refused};
use super::wire::{CAPTURE_VERSION, ErrorRow, Probe, RunEnd, RunStart, SessionEnd, SessionStart, TickRow, WireLayout};
use crate::input::Found;
use crate::{Error, ErrorKind, Input};

/// Faults that cost no run and are told one by one.
const LISTED_FAULTS: usize = 100;
/// What the ledger says of a run whose capture has no end.
pub(super) const CUT_SHORT: &str = "the capture ends before the run does";
/// Why such a run ended.
pub(super) const TRUNCATED: &str = "truncated";
/// Most runs of a session: what is held must not grow with the input.
const MAX_RUNS: usize = 65_536;
/// Most runs that are open at once. Each has a file, of which many systems give a process 256.
const MAX_OPEN_RUNS: usize = 200;
/// Most complete traces that stay open, which holds them against other writers, until all get their names. The others are
/// closed meanwhile.
const MAX_HELD: usize = 16;

/// Lines between two looks at the stop flag while they are taken.
const LINES_PER_LOOK: u64 = 64;

/// Where the traces of a session go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The session's only run, to this file.
    File(PathBuf),
    /// Every run, to `RUN_ID.cdt` in this folder.
    Folder(PathBuf),
}

/// How to finalize.
#[derive(Clone, Debug)]
pub struct Finalize {
    /// Where the traces go.
    pub destination: Destination,
    /// Whether files there may be replaced.
    pub overwrite: bool,
    /// Whether a cut last line and runs without an end are recorded losses and not errors.
    pub truncated_tail: bool,
    /// Size and encoding of blocks.
    pub options: Options,
    /// Threads that rows are decoded on beside what else is to be done, at most 8. With one, and through a pipe whatever is
    /// said here, they are decoded as they come.
    pub threads: usize,
}

/// What became of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finalized {
    /// The session's id.
    pub session: String,
    /// Every run, by id.
    pub runs: Vec<RunReport>,
    /// Faults that cost no run: lines that belong to none, and an end that is missing or does not add up.
    pub faults: Vec<String>,
}

/// What became of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// The run's id.
    pub run_id: String,
    /// What became of it.
    pub outcome: RunOutcome,
}

/// What became of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// Its trace stands there.
    Finalized {
        /// The trace.
        path: PathBuf,
        /// Its ticks.
        ticks: u64,
        /// Its content digest.
        digest: Digest,
        /// What was lost of it.
        loss: Option<Loss>,
    },
    /// It has no trace, for this reason.
    Failed(String),
}

/// Turns a captured session into one trace for each of its runs.
///
/// A fault in a run's rows costs that run alone; a line that cannot be given to a run costs every run that is open then.
///
/// # Errors
/// The session's first row is at fault, the input cannot be read, a trace cannot be written, or the work was stopped.
/// Nothing was written then.
pub fn finalize(mut input: Input, how: &Finalize, watch: &dyn Watch) -> Result<Finalized, Error> {
    let mut line = Vec::new();
    let found = input.next_line(&mut line)?;
    let start = |error: Fault| Error::new(ErrorKind::Line, error.on_line(input.name(), input.line().max(1)));
    if found == Found::End {
        return Err(start(Fault::at("", 0, "", "the capture is empty; a session_start row is expected")));
    }
    let text = utf8(&line).map_err(start)?;
    let header = SessionHeader::read(&text).map_err(start)?;
    drop(text);
    let mut session = Session {
        how,
        header,
        name: input.name().to_owned(),
        file: input.file().map(Path::to_owned),
        runs: BTreeMap::new(),
        open_runs: 0,
        completed: 0,
        faults: Faults::default(),
        ended: false,
    };
    session.read_rows(&mut input, watch)?;
    watch.point_of_no_return();
    session.publish()
}

/// What the session's first row says.
#[derive(Debug)]
struct SessionHeader {
    id: String,
    producer: Producer,
    program: Program,
    layout: WireLayout,
}

impl SessionHeader {
    fn read(line: &str) -> Result<SessionHeader, Fault> {
        if line.starts_with('\u{feff}') {
            return Err(Fault::at(line, 0, "", "the capture begins with a byte-order mark; it is UTF-8 without one"));
        }
        // The version is looked at before anything else, so that a capture of another version is told as such.
        let probe: Probe<'_> =
            decode(line).map_err(|fault: Fault| fault.hint("the first row of a capture is a session_start object"))?;
        if probe.event != "session_start" {
            let rule = format!("the first row of a capture is session_start, not {:?}", probe.event);
            return Err(Fault::in_part(line, &probe.event, "event", rule));
        }
        #[derive(serde::Deserialize)]
        struct Version {
            capture_version: u32,
        }
        let Version { capture_version } = decode(line)?;
        if capture_version != CAPTURE_VERSION {
            let rule = format!(
                "the capture has version {capture_version}, but this cdt reads version {CAPTURE_VERSION} alone; capture it \
                 again with an agent of this version"
            );
            return Err(Fault::in_member(line, "capture_version", "capture_version", rule));
        }
        let row: SessionStart<'_> = decode(line)?;
        check_id(line, "session_id", &row.session_id)?;
        // The players are known only when a run starts, but a bad layout shall be told at once.
        row.layout.clone().layout(0).map_err(|rule| Fault::in_member(line, "layout", "", rule))?;
        let own = |text: Cow<'_, str>| text.into_owned();
        Ok(SessionHeader {
            id: own(row.session_id),
            producer: Producer {
                name: own(row.producer.name),
                version: own(row.producer.version),
                platform: own(row.producer.platform),
                arch: own(row.producer.arch),
            },
            program: Program { name: own(row.program.name), build: row.program.build, hash: row.program.hash },
            layout: row.layout,
        })
    }
}

/// A session being read.
struct Session<'a> {
    how: &'a Finalize,
    header: SessionHeader,
    /// What errors call the capture.
    name: String,
    /// The file that is read, if it is one.
    file: Option<PathBuf>,
    runs: BTreeMap<String, RunState>,
    /// How many of the runs are open.
    open_runs: usize,
    /// Complete traces so far, of which the first ones stay open.
    completed: usize,
    faults: Faults,
    ended: bool,
}

/// What follows lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    More,
    End,
}

enum RunState {
    Open(Box<OpenRun>),
    Complete { finished: Finished, ticks: u64, loss: Option<Loss> },
    Failed(String),
}

impl RunState {
    fn is_open(&self) -> bool {
        matches!(self, RunState::Open(_))
    }
}

struct OpenRun {
    writer: TraceWriter,
    layout: Arc<Layout>,
    names: Arc<Names>,
    buffers: Buffers,
    ticks: u32,
}

/// A line that could not be taken: whose fault it is.
enum Trouble {
    /// Of the run that the line names.
    Run(Fault),
    /// Of whoever is open: the line names no run that exists.
    Line(Fault),
    /// Of the machine: the whole work ends.
    Fatal(Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Run(fault)
    }
}

fn utf8(line: &[u8]) -> Result<Cow<'_, str>, Fault> {
    std::str::from_utf8(line).map(Cow::Borrowed).map_err(|error| {
        let lossy = String::from_utf8_lossy(line).into_owned();
        Fault::at(&lossy, error.valid_up_to(), "", "the line is not UTF-8")
    })
}

/// Whether a line that could not be taken is a whole JSON value all the same, so that nothing of it was cut off.
fn is_whole(line: &Result<Cow<'_, str>, Fault>) -> bool {
    line.as_ref().is_ok_and(|line| serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok())
}

/// Identifiers name files, so they hold nothing that means something in a path.
fn check_id(line: &str, member: &str, id: &str) -> Result<(), Fault> {
    id_rule(id).map_err(|rule| Fault::in_member(line, member, member, rule))
}

/// What an identifier of a session or run must be.
pub(super) fn id_rule(id: &str) -> Result<(), String> {
    let known = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if (1..=64).contains(&id.len()) && known && !id.starts_with(['.', '-']) {
        return Ok(());
    }
    Err(format!("{id:?} is no identifier: 1 to 64 of A-Z a-z 0-9 . _ - are expected, the first no dot or dash"))
}

impl Session<'_> {
    fn read_rows(&mut self, input: &mut Input, watch: &dyn Watch) -> Result<(), Error> {
        // What is still being written is taken line by line: who waits for it must not wait for more.
        match ahead::pool(self.how.threads).filter(|_| input.is_all_there()) {
            Some(pool) => self.read_ahead(&pool, input, watch)?,
            None => {
                let mut line = Batch::new(0);
                line.read(input, watch)?;
                while self.take_lines(&mut line, watch)? == Then::More {
                    line.read(input, watch)?;
                }
            }
        }
        self.end_of_input()
    }

    fn read_ahead(&mut self, pool: &ThreadPool, input: &mut Input, watch: &dyn Watch) -> Result<(), Error> {
        let threads = pool.current_num_threads();
        let (mut now, mut next) = (Batch::new(threads), Batch::new(threads));
        now.read(input, watch)?;
        if self.take_lines(&mut now, watch)? == Then::End {
            return Ok(());
        }
        now.read(input, watch)?;
        next.read(input, watch)?;
        loop {
            let targets = self.targets();
            // While these lines are taken, those that follow are decoded beside them.
            let then = pool.in_place_scope(|scope| {
                scope.spawn(|_| next.decode(&targets));
                let then = self.take_lines(&mut now, watch)?;
                if then == Then::More {
                    now.read(input, watch)?;
                }
                Ok::<_, Error>(then)
            })?;
            if then == Then::End {
                return Ok(());
            }
            std::mem::swap(&mut now, &mut next);
        }
    }

    /// The open runs whose rows may be plain.
    fn targets(&self) -> Vec<Target> {
        let open = self.runs.iter().filter_map(|(id, state)| match state {
            RunState::Open(run) if PlainTick::may_be_of(&run.layout) => {
                Some(Target { run_id: id.clone(), layout: run.layout.clone(), names: run.names.clone() })
            }
            _ => None,
        });
        open.collect()
    }

    /// Takes lines, and says whether others follow.
    fn take_lines(&mut self, lines: &mut Batch, watch: &dyn Watch) -> Result<Then, Error> {
        for Line { bytes, number, found, decoded } in lines.iter() {
            if number % LINES_PER_LOOK == 0 && watch.cancelled() {
                return Err(Error::cancelled());
            }
            if let Some((run, rows, index)) = decoded
                && self.take_decoded(run, rows, index)?
            {
                continue;
            }
            let text = utf8(bytes);
            let taken = match &text {
                Ok(text) => self.take(text),
                Err(fault) => Err(Trouble::Line(fault.clone())),
            };
            let trouble = match taken {
                Ok(()) => continue,
                Err(Trouble::Fatal(error)) => return Err(error),
                Err(Trouble::Run(fault)) => (fault, true),
                Err(Trouble::Line(fault)) => (fault, false),
            };
            let is_cut = found == Found::Partial && (lines.is_cut || !is_whole(&text));
            if is_cut && self.how.truncated_tail {
                // What the last line was to say is lost with the run's tail.
                return Ok(Then::End);
            }
            self.blame(trouble, text.as_deref().unwrap_or_default(), number, is_cut);
        }
        match lines.failed.take() {
            Some(error) => Err(error),
            None if lines.is_end => Ok(Then::End),
            None => Ok(Then::More),
        }
    }

    /// Takes a tick whose row was decoded ahead of its turn; whether it did.
    fn take_decoded(&mut self, run_id: &str, rows: &Rows, index: usize) -> Result<bool, Error> {
        let tick = rows.ticks()[index];
        let Some(RunState::Open(run)) = self.runs.get_mut(run_id) else { return Ok(false) };
        if self.ended || tick != Tick(run.ticks) {
            return Ok(false);
        }
        let copied = run.writer.append(tick, |builder| {
            builder.copy(rows, index);
            Ok(())
        });
        match copied {
            Ok(()) => run.ticks += 1,
            Err(Refused::Left) => return Ok(false),
            Err(Refused::Trace(error)) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Takes a row.
    fn take(&mut self, line: &str) -> Result<(), Trouble> {
        if line.trim().is_empty() {
            let rule = "the line is empty; every line of a capture is a JSON object";
            return Err(Trouble::Line(Fault::at(line, 0, "", rule)));
        }
        if !self.ended && self.plain_tick(line)? {
            return Ok(());
        }
        let probe: Probe<'_> = decode(line).map_err(Trouble::Line)?;
        if self.ended {
            return Err(Trouble::Line(Fault::at(line, 0, "", "session_end is the last row, but another one follows")));
        }
        match probe.event.as_ref() {
            "tick" => self.tick(line),
            "run_start" => self.run_start(line),
            "run_end" => self.run_end(line),
            "session_end" => self.session_end(line).map_err(Trouble::Line),
            "error" => {
                let row: ErrorRow<'_> = decode(line)?;
                let fault =
                    Fault::in_member(line, "message", "error", format!("the producer gave up: {}", row.message));
                if probe.run_id.is_some() { Err(Trouble::Run(fault)) } else { Err(Trouble::Line(fault)) }
            }
            "session_start" => {
                Err(Trouble::Line(Fault::at(line, 0, "", "a capture has one session_start, its first row")))
            }
            other => {
                let rule = format!(
                    "{other:?} is no row of a capture; run_start, tick, run_end, error and session_end are expected"
                );
                Err(Trouble::Line(Fault::in_part(line, &probe.event, "event", rule)))
            }
        }
    }

    /// Gives a fault to whom it belongs: to the run that the line names, if the fault is that run's and it was begun, or to
    /// whoever is open.
    fn blame(&mut self, (fault, of_run): (Fault, bool), line: &str, number: u64, is_cut: bool) {
        let hint = if is_cut {
            "; the last line has no end: if the capture was cut short, pass --truncated-tail to keep what is whole"
        } else {
            ""
        };
        let message = format!("{}{hint}", fault.on_line(&self.name, number));
        if of_run {
            let Ok(Probe { event, run_id: Some(run) }) = serde_json::from_str::<Probe<'_>>(line) else {
                return self.faults.push(message);
            };
            let room = self.runs.len() < MAX_RUNS;
            match self.runs.get_mut(run.as_ref()) {
                // A run that failed keeps its first reason; the rows that follow are of no use any more.
                Some(RunState::Failed(_)) => {}
                Some(state) => {
                    self.open_runs -= usize::from(state.is_open());
                    *state = RunState::Failed(message);
                }
                // A run whose beginning is at fault is a run that failed; a name that no row began is none.
                None if event == "run_start" && check_id(line, "run_id", &run).is_ok() && room => {
                    self.runs.insert(run.into_owned(), RunState::Failed(message));
                }
                None => self.faults.push(message),
            }
            return;
        }
        if self.open_runs == 0 {
            return self.faults.push(message);
        }
        for state in self.runs.values_mut().filter(|state| state.is_open()) {
            *state = RunState::Failed(message.clone());
        }
        self.open_runs = 0;
    }

    fn run_start(&mut self, line: &str) -> Result<(), Trouble> {
        let row: RunStart<'_> = decode(line)?;
        check_id(line, "run_id", &row.run_id)?;
        if self.runs.contains_key(row.run_id.as_ref()) {
            return Err(
                Fault::in_member(line, "run_id", "run_id", format!("run {:?} was started before", row.run_id)).into()
            );
        }
        if self.runs.len() >= MAX_RUNS {
            let rule = format!("a session has at most {MAX_RUNS} runs; split the capture");
            return Err(Fault::in_member(line, "run_id", "run_id", rule).into());
        }
        if self.open_runs >= MAX_OPEN_RUNS {
            let rule =
                format!("at most {MAX_OPEN_RUNS} runs are open at once; end one before the next, or split the capture");
            return Err(Fault::in_member(line, "run_id", "run_id", rule).into());
        }
        if !row.tick_rate.is_finite() || row.tick_rate <= 0.0 {
            let rule = format!("ticks a second are above 0, not {}", row.tick_rate);
            return Err(Fault::in_member(line, "tick_rate", "tick_rate", rule).into());
        }
        let layout = self.header.layout.clone().layout(row.players);
        let layout = Arc::new(layout.map_err(|rule| Fault::in_member(line, "players", "players", rule))?);
        let path = match &self.how.destination {
            Destination::Folder(folder) => folder.join(format!("{}.cdt", row.run_id)),
            Destination::File(_) if !self.runs.is_empty() => {
                let rule = "the session has a second run, but one file was named for its trace; name a folder instead";
                return Err(Trouble::Fatal(Error::new(ErrorKind::Line, format!("{}: {rule}", self.name))));
            }
            Destination::File(path) => path.clone(),
        };
        if let Some(file) = &self.file {
            NewFile::refuse_over(&path, file).map_err(|error| Trouble::Fatal(error.into()))?;
        }
        let meta = Meta {
            session: self.header.id.clone(),
            producer: self.header.producer.clone(),
            program: self.header.program.clone(),
            run: Run {
                id: row.run_id.to_string(),
                seed: row.seed.map(|seed| seed.0),
                seed_source: row.seed_source.into_owned(),
                mode: row.mode,
                tick_rate: Some(row.tick_rate),
                reason: row.reason.into_owned(),
            },
        };
        let writer = TraceWriter::create(&path, self.how.overwrite, &meta, layout.clone(), self.how.options)
            .map_err(|error| Trouble::Fatal(error.into()))?;
        let run =
            OpenRun { writer, names: Arc::new(Names::new(&layout)), layout, buffers: Buffers::default(), ticks: 0 };
        self.runs.insert(meta.run.id, RunState::Open(Box::new(run)));
        self.open_runs += 1;
        Ok(())
    }

    fn tick(&mut self, line: &str) -> Result<(), Trouble> {
        let row: TickRow<'_> = decode(line)?;
        let run = match self.runs.get_mut(row.run_id.as_ref()) {
            Some(RunState::Open(run)) => run,
            Some(RunState::Failed(_)) => return Ok(()),
            Some(RunState::Complete { .. }) => {
                return Err(
                    Fault::in_member(line, "run_id", "run_id", "the run has ended, but a tick of it follows").into()
                );
            }
            None => return Err(Fault::in_member(line, "run_id", "run_id", "no run_start row began this run").into()),
        };
        if row.tick != run.ticks {
            let rule =
                format!("ticks of a run count from 0 without a gap; {} is expected, not {}", run.ticks, row.tick);
            return Err(Fault::in_member(line, "tick", "tick", rule).into());
        }
        let decoder = RowDecoder { line, names: &run.names, layout: &run.layout };
        match run.writer.append(Tick(row.tick), |tick| decoder.fill(&row, tick)) {
            Ok(()) => {
                run.ticks += 1;
                Ok(())
            }
            Err(Refusal::Row(error)) => Err(decoder.row_fault(&error).into()),
            Err(Refusal::Fault(fault)) => Err(fault.into()),
            Err(Refusal::Trace(error)) => Err(Trouble::Fatal(error.into())),
        }
    }

    /// Takes a tick row that is written as most are; whether it did.
    fn plain_tick(&mut self, line: &str) -> Result<bool, Trouble> {
        let Some(row) = PlainTick::begin(line) else { return Ok(false) };
        let Some(RunState::Open(run)) = self.runs.get_mut(row.run_id) else { return Ok(false) };
        if row.tick != run.ticks {
            return Ok(false);
        }
        let (layout, names, buffers) = (&run.layout, &run.names, &mut run.buffers);
        let fill = |tick: &mut TickBuilder<'_>| row.fill(layout, names, buffers, tick);
        match run.writer.append(Tick(row.tick), fill) {
            Ok(()) => run.ticks += 1,
            Err(Refused::Left) => return Ok(false),
            Err(Refused::Trace(error)) => return Err(Trouble::Fatal(error.into())),
        }
        Ok(true)
    }

    fn run_end(&mut self, line: &str) -> Result<(), Trouble> {
        let row: RunEnd<'_> = decode(line)?;
        let id = row.run_id.as_ref();
        match self.runs.get(id) {
            Some(RunState::Open(run)) if run.ticks == row.ticks => {}
            Some(RunState::Open(run)) => {
                let rule = format!("the run had {} tick rows, but its end says {}", run.ticks, row.ticks);
                return Err(Fault::in_member(line, "ticks", "ticks", rule).into());
            }
            Some(RunState::Failed(_)) => return Ok(()),
            Some(RunState::Complete { .. }) => {
                return Err(Fault::in_member(line, "run_id", "run_id", "the run has ended before").into());
            }
            None => return Err(Fault::in_member(line, "run_id", "run_id", "no run_start row began this run").into()),
        }
        self.complete(id, &row.reason, None).map_err(Trouble::Fatal)
    }

    fn session_end(&mut self, line: &str) -> Result<(), Fault> {
        let row: SessionEnd<'_> = decode(line)?;
        self.ended = true;
        if row.session_id != self.header.id {
            let rule = format!("the session is {:?}, but this row ends {:?}", self.header.id, row.session_id);
            return Err(Fault::in_member(line, "session_id", "session_id", rule));
        }
        let complete = |state: &RunState| match state {
            RunState::Complete { ticks, .. } => Some(*ticks),
            RunState::Open(run) => Some(u64::from(run.ticks)),
            RunState::Failed(_) => None,
        };
        // Ticks of a run that failed were not all counted, so the total can be checked only when none did.
        let total: Option<u64> = self.runs.values().map(complete).sum();
        match total {
            Some(total) if total != row.ticks.0 => {
                let rule = format!("the session had {total} tick rows, but its end says {}", row.ticks.0);
                Err(Fault::in_member(line, "ticks", "ticks", rule))
            }
            _ => Ok(()),
        }
    }

    /// Ends the trace of an open run, under its temporary name.
    fn complete(&mut self, id: &str, reason: &str, loss: Option<Loss>) -> Result<(), Error> {
        let Some(RunState::Open(run)) = self.runs.remove(id) else { unreachable!("only open runs are completed") };
        self.open_runs -= 1;
        let OpenRun { mut writer, ticks, .. } = *run;
        if let Some(loss) = &loss {
            writer.record_loss(loss)?;
        }
        let finished = writer.complete(reason)?;
        let finished = if self.completed < MAX_HELD { finished } else { finished.close()? };
        self.completed += 1;
        self.runs.insert(id.to_owned(), RunState::Complete { finished, ticks: u64::from(ticks), loss });
        Ok(())
    }

    /// What is still open when the input ends was cut short.
    fn end_of_input(&mut self) -> Result<(), Error> {
        let open = |(id, state): (&String, &RunState)| match state {
            RunState::Open(run) => Some((id.clone(), run.ticks)),
            _ => None,
        };
        let open: Vec<(String, u32)> = self.runs.iter().filter_map(open).collect();
        for (id, ticks) in open {
            if self.how.truncated_tail {
                let detail = CUT_SHORT.to_owned();
                let loss = Loss { kind: LossKind::TruncatedTail, from: Tick(ticks), to: None, detail };
                self.complete(&id, TRUNCATED, Some(loss))?;
            } else {
                let rule = "the capture ends before the run does: run_end is missing; pass --truncated-tail to keep what is whole";
                self.runs.insert(id, RunState::Failed(format!("{}: {rule}", self.name)));
            }
        }
        if !self.ended && !self.how.truncated_tail {
            self.faults.push(format!("{}: the capture ends without session_end", self.name));
        }
        Ok(())
    }

    /// Gives every complete trace its name.
    fn publish(self) -> Result<Finalized, Error> {
        let mut reports = Vec::with_capacity(self.runs.len());
        let mut traces = Vec::new();
        for (run_id, state) in self.runs {
            let outcome = match state {
                RunState::Failed(reason) => RunOutcome::Failed(reason),
                RunState::Open(_) => unreachable!("the end of the input closes every run"),
                RunState::Complete { finished, ticks, loss } => {
                    let (path, digest) = (finished.path().to_owned(), finished.digest());
                    traces.push(finished);
                    RunOutcome::Finalized { path, ticks, digest, loss }
                }
            };
            reports.push(RunReport { run_id, outcome });
        }
        let left = Finished::publish_all(traces)?;
        let mut faults = self.faults.listed;
        faults.extend(left.iter().map(|path| format!("{}: a replaced trace could not be removed", path.display())));
        let more = self.faults.count.saturating_sub(LISTED_FAULTS as u64);
        if more > 0 {
            faults.push(format!("{}: and {more} more lines at fault", self.name));
        }
        Ok(Finalized { session: self.header.id, runs: reports, faults })
    }
}

/// Faults that cost no run: the first of them, and how many there are.
#[derive(Default)]
struct Faults {
    listed: Vec<String>,
    count: u64,
}

impl Faults {
    fn push(&mut self, fault: String) {
        self.count += 1;
        if self.listed.len() < LISTED_FAULTS {
            self.listed.push(fault);
        }
    }
}
