//! From a trace back to a capture session of one run, which finalizes to the same trace.

use std::borrow::Cow;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cdt_schema::columns::{calls, commands, entities, events, memory, rng, step, timing};
use cdt_schema::{Channel, ChannelSet, Layout, Rows, TableId, TableKind, Tick};
use cdt_trace::{BlockDecoder, Loss, LossKind, Source, Trace, TraceIndex, Watch};

use super::decode::Names;
use super::session::{CUT_SHORT, TRUNCATED, id_rule};
use super::wire::{
    CAPTURE_VERSION, RunEnd, RunEndTag, RunStart, RunStartTag, SessionEnd, SessionEndTag, SessionStart,
    SessionStartTag, TickRow, TickTag, WireCall, WireCheckpoint, WireCommand, WireDecision, WireDraw, WireEntity,
    WireEvent, WireF32, WireInput, WireLayout, WireOrigin, WirePage, WireProducer, WireProgram, WireScalar, WireStep,
    WireSubject, WireTiming, WireU64,
};
use crate::{Error, ErrorKind};

/// Whether a capture says that its run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureEnd {
    /// It does: it finalizes as it is.
    Whole,
    /// It does not, as the trace says that the run was cut short: it finalizes with `--truncated-tail`.
    CutShort,
}

/// Writes a trace as a capture session with its run. With the same options it finalizes to the same bytes as the trace that
/// a finalize wrote.
///
/// # Errors
/// [`ErrorKind::Line`] when the trace holds what a capture cannot say, before anything was written; else why the trace
/// cannot be read or the capture not be written.
pub fn write_capture<S: Source>(trace: &Trace<S>, out: &mut dyn Write, watch: &dyn Watch) -> Result<CaptureEnd, Error> {
    let index = trace.index();
    let end =
        sayable(index).map_err(|rule| Error::new(ErrorKind::Line, format!("{}: {rule}", trace.name().display())))?;
    write_start(index, out)?;
    let mut writer = Writer::new(index);
    let mut decoder = BlockDecoder::new();
    for block in 0..index.blocks.len() {
        watch.progress(block as u64, Some(index.blocks.len() as u64));
        if watch.cancelled() {
            return Err(Error::cancelled());
        }
        let rows = trace.block_by(&mut decoder, block, ChannelSet::ALL)?;
        for tick in 0..rows.ticks().len() {
            let row = writer.tick(&rows, tick, block == 0);
            line(&row, out)?;
        }
        decoder.recycle(rows);
    }
    if end == CaptureEnd::Whole {
        let ticks = u32::try_from(index.ticks()).expect("ticks count from 0 without a gap");
        let (run_id, reason) = (Cow::Borrowed(index.meta.run.id.as_str()), Cow::Borrowed(index.end_reason.as_str()));
        line(&RunEnd { event: RunEndTag::RunEnd, run_id, ticks, reason }, out)?;
        let session_id = Cow::Borrowed(index.meta.session.as_str());
        line(&SessionEnd { event: SessionEndTag::SessionEnd, session_id, ticks: WireU64(index.ticks()) }, out)?;
    }
    out.flush().map_err(|error| unwritten(&error))?;
    Ok(end)
}

fn unwritten(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Capture, format!("cannot write the capture: {error}"))
}

fn line(row: &impl serde::Serialize, out: &mut dyn Write) -> Result<(), Error> {
    serde_json::to_writer(&mut *out, row).map_err(|error| unwritten(&error))?;
    out.write_all(b"\n").map_err(|error| unwritten(&error))
}

/// Whether a capture can say all that a trace holds, and how it ends; or what it cannot say.
fn sayable(index: &TraceIndex) -> Result<CaptureEnd, String> {
    for (what, id) in [("session", &index.meta.session), ("run", &index.meta.run.id)] {
        id_rule(id).map_err(|rule| format!("a capture cannot say this {what} id: {rule}"))?;
    }
    if index.meta.run.tick_rate.is_none() {
        return Err("the trace has no tick rate, and every run of a capture has one".to_owned());
    }
    let mut next = Some(Tick(0));
    for run in &index.tick_runs {
        if Some(run.first) != next {
            return Err(format!(
                "ticks of a capture count from 0 without a gap, but the trace has ticks {} to {}",
                run.first,
                run.last()
            ));
        }
        next = run.last().next();
    }
    let cut =
        Loss { kind: LossKind::TruncatedTail, from: next.unwrap_or(Tick(0)), to: None, detail: CUT_SHORT.to_owned() };
    match &index.loss[..] {
        [] => Ok(CaptureEnd::Whole),
        [loss] if *loss == cut && index.end_reason == TRUNCATED => Ok(CaptureEnd::CutShort),
        [loss, ..] => Err(format!(
            "the trace has recorded loss, which a capture cannot say: {loss}; export its tables instead (--format parquet)"
        )),
    }
}

fn write_start(index: &TraceIndex, out: &mut dyn Write) -> Result<(), Error> {
    let (meta, run) = (&index.meta, &index.meta.run);
    let session = SessionStart {
        event: SessionStartTag::SessionStart,
        capture_version: CAPTURE_VERSION,
        session_id: Cow::Borrowed(&meta.session),
        producer: WireProducer {
            name: Cow::Borrowed(&meta.producer.name),
            version: Cow::Borrowed(&meta.producer.version),
            platform: Cow::Borrowed(&meta.producer.platform),
            arch: Cow::Borrowed(&meta.producer.arch),
        },
        program: WireProgram {
            name: Cow::Borrowed(&meta.program.name),
            build: meta.program.build.clone(),
            hash: meta.program.hash.clone(),
        },
        layout: WireLayout::new(index.layout.spec()),
    };
    line(&session, out)?;
    let run = RunStart {
        event: RunStartTag::RunStart,
        run_id: Cow::Borrowed(&run.id),
        seed: run.seed.map(WireU64),
        seed_source: Cow::Borrowed(&run.seed_source),
        mode: run.mode,
        players: index.layout.spec().players,
        tick_rate: run.tick_rate.expect("it was looked at"),
        reason: Cow::Borrowed(&run.reason),
    };
    line(&run, out)
}

type Row<'a> = TickRow<'a, WireScalar>;

/// Makes tick rows.
struct Writer<'a> {
    index: &'a TraceIndex,
    layout: &'a Layout,
    names: Names,
    /// Every page of memory as it was after the last tick.
    image: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(index: &'a TraceIndex) -> Writer<'a> {
        let memory = index.layout.memory();
        let image = vec![0; memory.page_size as usize * memory.pages as usize];
        Writer { index, layout: &index.layout, names: Names::new(&index.layout), image }
    }

    /// The row of a tick, by its index in a block's rows.
    fn tick(&mut self, rows: &Rows, tick: usize, first_block: bool) -> Row<'_> {
        let has = |channel: Channel| self.layout.channels().contains(channel);
        // Every block begins with all of memory; only the first one's pages were all told by the producer.
        let restated = tick == 0 && !first_block;
        let pages = has(Channel::Memory).then(|| self.pages(rows, tick, restated));
        let this = &*self;
        let each = |kind| this.rows_of(rows, kind, tick);
        let state = this.layout.table(TableKind::State);
        Row {
            event: TickTag::Tick,
            run_id: Cow::Borrowed(&this.index.meta.run.id),
            tick: rows.ticks()[tick].0,
            elapsed: each(TableKind::Step).next().map(|(id, row)| WireU64(bits(rows, id, step::ELAPSED, row))),
            step: each(TableKind::Step).next().map(|(id, row)| this.step(rows, id, row, tick)),
            rng: has(Channel::Rng)
                .then(|| each(TableKind::Rng).zip(1..).map(|(at, seq)| this.draw(rows, at, seq)).collect()),
            calls: has(Channel::Calls)
                .then(|| each(TableKind::Calls).zip(1..).map(|(at, seq)| this.call(rows, at, seq)).collect()),
            state: state.map(|id| {
                let row = rows.range(id, tick).start;
                (0..rows.table(id).columns.len()).map(|column| WireScalar(rows.scalar(id, column, row))).collect()
            }),
            entities: has(Channel::Entities).then(|| this.entities(rows, tick)),
            checkpoint: each(TableKind::Checkpoint).next().map(|(id, row)| this.checkpoint(rows, id, row)),
            timing: has(Channel::Timing).then(|| each(TableKind::Timing).map(|at| this.sample(rows, at)).collect()),
            events: has(Channel::Events)
                .then(|| each(TableKind::Events).zip(1..).map(|(at, seq)| this.event(rows, at, seq)).collect()),
            memory: pages,
        }
    }

    /// The rows of a table at a tick, if it is declared.
    fn rows_of(&self, rows: &Rows, kind: TableKind, tick: usize) -> impl Iterator<Item = (TableId, usize)> {
        let id = self.layout.table(kind);
        let range = id.map(|id| rows.range(id, tick)).unwrap_or_default();
        range.map(move |row| (id.expect("a table that is not declared has no rows"), row))
    }

    fn step(&self, rows: &Rows, id: TableId, row: usize, tick: usize) -> WireStep<'_, WireScalar> {
        let players = self.rows_of(rows, TableKind::Inputs, tick).map(|(id, row)| {
            let axis = |column| WireF32(f32::from_bits(bits32(rows, id, column, row)));
            let [move_x, move_y, aim_x, aim_y] = [1, 2, 3, 4].map(axis);
            WireInput { buttons: bits32(rows, id, 0, row), move_x, move_y, aim_x, aim_y }
        });
        let command = |(id, row): (TableId, usize)| WireCommand {
            player: u8::try_from(bits(rows, id, commands::PLAYER, row)).expect("players are u8"),
            kind: Cow::Borrowed(name(&self.names.commands, rows, id, commands::KIND, row)),
            args: values(rows, id, commands::ARGS, row),
        };
        WireStep {
            dt: WireF32(f32::from_bits(bits32(rows, id, step::DT, row))),
            mode: bits32(rows, id, step::MODE, row),
            players: players.collect(),
            commands: self.rows_of(rows, TableKind::Commands, tick).map(command).collect(),
        }
    }

    fn draw(&self, rows: &Rows, (id, row): (TableId, usize), seq: u32) -> WireDraw<'_> {
        WireDraw {
            stream: Cow::Borrowed(name(&self.names.streams, rows, id, rng::STREAM, row)),
            seq,
            value: bits32(rows, id, rng::VALUE, row),
            before: WireU64(bits(rows, id, rng::BEFORE, row)),
            after: WireU64(bits(rows, id, rng::AFTER, row)),
            caller: bits32(rows, id, rng::CALLER, row),
        }
    }

    fn call(&self, rows: &Rows, (id, row): (TableId, usize), seq: u32) -> WireCall<'_, WireScalar> {
        let denied = bits(rows, id, calls::DECISION, row) == 1;
        WireCall {
            seq,
            syscall: Cow::Borrowed(name(&self.names.syscalls, rows, id, calls::SYSCALL, row)),
            stage: Cow::Borrowed(name(&self.names.stages, rows, id, calls::STAGE, row)),
            args: values(rows, id, calls::ARGS, row),
            result: values(rows, id, calls::RESULT, row).pop(),
            decision: if denied { WireDecision::Denied } else { WireDecision::Allowed },
        }
    }

    fn entities(&self, rows: &Rows, tick: usize) -> Vec<WireEntity<'_, WireScalar>> {
        let mut all = Vec::new();
        for (id, _) in self.layout.tables_of(Channel::Entities) {
            let fields = entities::FIRST_FIELD..rows.table(id).columns.len();
            for row in rows.range(id, tick) {
                let uid = rows.uid(id, row).expect("the table is one of entities");
                all.push(WireEntity {
                    kind: Cow::Borrowed(&self.names.kinds[usize::from(uid.kind.0)]),
                    slot: uid.slot.0,
                    generation: uid.generation.0,
                    fields: fields.clone().map(|column| WireScalar(rows.scalar(id, column, row))).collect(),
                });
            }
        }
        all
    }

    fn checkpoint(&self, rows: &Rows, id: TableId, row: usize) -> WireCheckpoint {
        let declared = self.layout.spec().checkpoint.as_ref().expect("the table is declared");
        let digests = [declared.state_digest, declared.frame_digest, declared.audio_digest];
        let mut columns = (0..rows.table(id).columns.len()).map(|column| bits(rows, id, column, row));
        let mut take = |count: usize| columns.by_ref().take(count).map(WireU64).collect::<Vec<_>>();
        let digests = take(digests.into_iter().filter(|declared| *declared).count());
        let rng_state = declared.rng_state.then(|| take(self.names.streams.len()));
        let counts = declared.entity_counts.then(|| take(self.names.kinds.len()));
        let narrow = |count: WireU64| u32::try_from(count.0).expect("counts are u32");
        WireCheckpoint {
            digests,
            rng_state,
            entity_counts: counts.map(|counts| counts.into_iter().map(narrow).collect()),
            fuel: declared.fuel.then(|| take(1)).and_then(|mut fuel| fuel.pop()),
            counters: take(declared.counters.len()),
        }
    }

    fn sample(&self, rows: &Rows, (id, row): (TableId, usize)) -> WireTiming<'_> {
        WireTiming {
            stage: Cow::Borrowed(name(&self.names.stages, rows, id, timing::STAGE, row)),
            fuel: WireU64(bits(rows, id, timing::FUEL, row)),
            wall_ns: WireU64(bits(rows, id, timing::WALL_NS, row)),
        }
    }

    fn event(&self, rows: &Rows, (id, row): (TableId, usize), seq: u32) -> WireEvent<'_, WireScalar> {
        let subject = (bits(rows, id, events::HAS_SUBJECT, row) == 1).then(|| WireSubject {
            kind: Cow::Borrowed(name(&self.names.kinds, rows, id, events::SUBJECT_KIND, row)),
            slot: bits32(rows, id, events::SUBJECT_SLOT, row),
            generation: bits32(rows, id, events::SUBJECT_GENERATION, row),
        });
        WireEvent {
            seq,
            kind: Cow::Borrowed(name(&self.names.events, rows, id, events::KIND, row)),
            origin: match bits(rows, id, events::ORIGIN, row) {
                0 => WireOrigin::Guest,
                1 => WireOrigin::Host,
                _ => WireOrigin::Debugger,
            },
            subject,
            values: values(rows, id, events::VALUES, row),
            cause: Some(bits32(rows, id, events::CAUSE, row)).filter(|&cause| cause > 0),
        }
    }

    /// The pages of a tick; of pages that are `restated`, those that changed.
    fn pages(&mut self, rows: &Rows, tick: usize, restated: bool) -> Vec<WirePage<'static>> {
        let size = self.layout.memory().page_size as usize;
        let id = self.layout.table(TableKind::Memory).expect("memory is declared");
        let mut pages = Vec::new();
        for row in rows.range(id, tick) {
            let page = bits32(rows, id, memory::PAGE, row);
            let content = rows.table(id).columns[memory::CONTENT].bytes(row);
            let before = &mut self.image[page as usize * size..][..size];
            if !restated || *before != *content {
                pages.push(WirePage { page, content: Cow::Owned(STANDARD.encode(content)) });
            }
            before.copy_from_slice(content);
        }
        pages
    }
}

fn bits(rows: &Rows, id: TableId, column: usize, row: usize) -> u64 {
    rows.table(id).columns[column].bits(row)
}

fn bits32(rows: &Rows, id: TableId, column: usize, row: usize) -> u32 {
    u32::try_from(bits(rows, id, column, row)).expect("the column is 32 bits wide or less")
}

/// The name that a number of a row stands for.
fn name<'n>(names: &'n [String], rows: &Rows, id: TableId, column: usize, row: usize) -> &'n str {
    &names[bits32(rows, id, column, row) as usize]
}

fn values(rows: &Rows, id: TableId, column: usize, row: usize) -> Vec<WireScalar> {
    rows.values(id, column, row).into_iter().map(|(_, value)| WireScalar(value)).collect()
}
