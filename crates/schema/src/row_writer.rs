//! The door through which rows enter: typed rows in, every rule checked once, columns out.

use std::fmt;
use std::sync::Arc;

use crate::rows::lane32;
use crate::table::{Arity, columns};
use crate::{
    Column, ColumnSchema, ColumnType, Continuity, Field, Generation, KindId, Layout, PageId, PlayerId, Role, Rows,
    Scalar, Seq, Slot, StageId, StreamId, SyscallId, TableId, TableKind, TableSchema, Tick, Uid, Values, vectorized,
};

/// Most bytes that the rows of one tick may occupy, so that a reader's memory is bounded. A first tick with all pages of
/// the largest memory leaves 6 MiB.
const MAX_TICK_BYTES: usize = 24 << 20;

/// What one player pressed and pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are the whole story")]
pub struct Input {
    pub buttons: u32,
    pub move_x: f32,
    pub move_y: f32,
    pub aim_x: f32,
    pub aim_y: f32,
}

/// What one player ordered.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Who.
    pub player: PlayerId,
    /// Which of the layout's commands.
    pub kind: KindId,
    /// Its arguments, as declared.
    pub args: Vec<Scalar>,
}

/// What drives a tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Simulated time that the tick covers, in seconds.
    pub dt: f32,
    /// Simulated time since the run began, in microseconds.
    pub elapsed: u64,
    /// What the machine is asked to run: its own meaning.
    pub mode: u32,
    /// One for each player.
    pub inputs: Vec<Input>,
    /// In order.
    pub commands: Vec<Command>,
}

/// One draw from an rng stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// From which stream.
    pub stream: StreamId,
    /// What was drawn.
    pub value: u32,
    /// The stream's state before.
    pub before: u64,
    /// The stream's state after.
    pub after: u64,
    /// Who drew: an address or another number of the producer's choice. Not behaviour.
    pub caller: u32,
}

/// What was decided about a syscall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Decision {
    /// It ran.
    Allowed = 0,
    /// It was refused, and gave no result.
    Denied = 1,
}

/// One syscall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call<'a> {
    /// Which of the layout's syscalls.
    pub syscall: SyscallId,
    /// In which stage.
    pub stage: StageId,
    /// Its arguments, as declared.
    pub args: &'a [Scalar],
    /// Its result, if one is declared and the call was allowed.
    pub result: Option<Scalar>,
    /// Whether it ran.
    pub decision: Decision,
}

/// What the machine knows of itself. Lists are empty and `fuel` is `None` exactly where the layout does not declare them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint<'a> {
    /// Those of state, frame and audio that are declared, in this order.
    pub digests: &'a [u64],
    /// One for each rng stream.
    pub rng_state: &'a [u64],
    /// One for each entity kind.
    pub entity_counts: &'a [u32],
    /// Fuel that the tick used.
    pub fuel: Option<u64>,
    /// One for each declared counter.
    pub counters: &'a [u64],
}

/// What one stage cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimingSample {
    /// Which stage.
    pub stage: StageId,
    /// Deterministic cost.
    pub fuel: u64,
    /// Wall time in nanoseconds. Not behaviour.
    pub wall_ns: u64,
}

/// Who made an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// The program under observation. Only its events are behaviour.
    Guest = 0,
    /// What runs it.
    Host = 1,
    /// Who inspects it.
    Debugger = 2,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<'a> {
    /// Which of the layout's events.
    pub kind: KindId,
    /// Who made it.
    pub origin: Origin,
    /// The entity it is about.
    pub subject: Option<Uid>,
    /// Its values, as declared.
    pub values: &'a [Scalar],
    /// The earlier event of this tick that led to it.
    pub cause: Option<Seq>,
}

/// A rule that a row breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    place: String,
    rule: String,
}

impl RowError {
    pub(crate) fn new(place: impl Into<String>, rule: impl Into<String>) -> RowError {
        RowError { place: place.into(), rule: rule.into() }
    }

    /// Which row or field.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What was expected and what came.
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.rule)
    }
}

impl std::error::Error for RowError {}

/// Collects checked rows, block after block.
#[derive(Debug)]
pub struct RowWriter {
    rows: Rows,
    continuity: Continuity,
    /// Content of all of memory after the last tick; every block begins with it.
    image: Vec<u8>,
    /// Bytes that the rows occupy in memory.
    raw_bytes: usize,
}

impl RowWriter {
    /// A writer that has taken no tick.
    pub fn new(layout: Arc<Layout>) -> RowWriter {
        let memory = layout.memory();
        RowWriter {
            continuity: Continuity::new(&layout),
            image: vec![0; memory.page_size as usize * memory.pages as usize],
            rows: Rows::new(layout),
            raw_bytes: 0,
        }
    }

    /// Begins a tick. Nothing of it is kept unless [`TickBuilder::commit`] succeeds.
    pub fn tick(&mut self, tick: Tick) -> TickBuilder<'_> {
        let committed = self.rows.ticks.len();
        self.rows.ticks.push(tick);
        TickBuilder { writer: self, committed, last_entity: None, refused: None, done: false }
    }

    /// The rows of the current block.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Bytes that the rows of the current block occupy in memory.
    pub fn raw_bytes(&self) -> usize {
        self.raw_bytes
    }

    /// Begins the next block, which will carry all of memory at its first tick. The rows of the current one are gone; their
    /// buffers are used again.
    pub fn begin_block(&mut self) {
        self.rows.truncate(0);
        self.raw_bytes = 0;
    }

    /// Brings the image up to date with the last tick. At a block's first tick its pages become all pages; at any other,
    /// those that have the content they had are left out: the same memory gives the same rows, whoever tells of it.
    fn complete_memory(&mut self, id: TableId) {
        let tick = self.rows.ticks.len() - 1;
        let range = self.rows.range(id, tick);
        let page_size = self.rows.layout.memory().page_size as usize;
        let table = &mut self.rows.tables[id.0];
        let mut changed = Vec::new();
        for row in range.clone() {
            let page = table.columns[columns::memory::PAGE].bits(row);
            let content = table.columns[columns::memory::CONTENT].bytes(row);
            let at = lane32(page) as usize * page_size;
            if self.image[at..at + page_size] != *content {
                self.image[at..at + page_size].copy_from_slice(content);
                changed.push(page);
            }
        }
        let first_of_block = tick == 0;
        if !first_of_block && changed.len() == range.len() {
            return;
        }
        let pages = self.rows.layout.memory().pages;
        let pages = if first_of_block { (0..u64::from(pages)).collect() } else { changed };
        table.columns.iter_mut().for_each(|column| column.truncate(range.start));
        table.ends[tick] = u32::try_from(range.start + pages.len()).expect("a block's rows stay below 2^32");
        for page in pages {
            let at = lane32(page) as usize * page_size;
            table.columns[columns::memory::PAGE].push_bits(page);
            push_bytes(&mut table.columns[columns::memory::CONTENT], &self.image[at..at + page_size]);
        }
    }

    /// Whether a page has this content already.
    fn is_known(&self, page: PageId, content: &[u8]) -> bool {
        let at = page.0 as usize * content.len();
        self.continuity.has_begun() && self.image[at..at + content.len()] == *content
    }
}

/// One tick in the making. Dropping it without [`TickBuilder::commit`] forgets it.
#[derive(Debug)]
pub struct TickBuilder<'a> {
    writer: &'a mut RowWriter,
    committed: usize,
    last_entity: Option<KindId>,
    /// Why a row was refused, part of which may stand in its table. Such a tick is not taken.
    refused: Option<RowError>,
    done: bool,
}

impl TickBuilder<'_> {
    /// The layout that the rows must obey.
    pub fn layout(&self) -> &Layout {
        &self.writer.rows.layout
    }

    /// What drove the tick.
    ///
    /// # Errors
    /// The channel is not declared, or a value or count is not as declared; so for every method below.
    pub fn step(&mut self, step: &Step) -> Result<(), RowError> {
        self.row(|tick| {
            let id = tick.table(TableKind::Step, "step")?;
            let values = [Scalar::F32(step.dt), Scalar::U64(step.elapsed), Scalar::U32(step.mode)];
            tick.push(id, &values)?;
            let players = usize::from(tick.layout().spec().players);
            if step.inputs.len() != players {
                let rule = format!("one row for each of {players} players is expected, not {}", step.inputs.len());
                return Err(RowError::new("step.players", rule));
            }
            let inputs = tick.table(TableKind::Inputs, "step")?;
            for input in &step.inputs {
                let axes = [input.move_x, input.move_y, input.aim_x, input.aim_y].map(Scalar::F32);
                tick.push(inputs, &[Scalar::U32(input.buttons), axes[0], axes[1], axes[2], axes[3]])?;
            }
            let commands = tick.table(TableKind::Commands, "step")?;
            for (index, command) in step.commands.iter().enumerate() {
                let place = format!("step.commands[{}]", index + 1);
                if usize::from(command.player.0) >= players {
                    let rule = format!("player {} does not exist; the run has {players}", command.player);
                    return Err(RowError::new(place, rule));
                }
                let kinds = tick.layout().command_kinds();
                let kind = lookup(kinds, usize::from(command.kind.0), &place, "command kind")?;
                let args = pack(&command.args, &kind.args, &place)?;
                let table = &mut tick.writer.rows.tables[commands.0];
                table.columns[columns::commands::PLAYER].push_bits(u64::from(command.player.0));
                table.columns[columns::commands::KIND].push_bits(u64::from(command.kind.0));
                push_bytes(&mut table.columns[columns::commands::ARGS], &args);
            }
            Ok(())
        })
    }

    /// The next draw of the tick.
    ///
    /// # Errors
    /// As for [`TickBuilder::step`].
    pub fn draw(&mut self, draw: Draw) -> Result<(), RowError> {
        self.draws(&[draw])
    }

    /// The next draws of the tick, in order. Faster than one draw after another.
    ///
    /// # Errors
    /// As for [`TickBuilder::step`].
    pub fn draws(&mut self, draws: &[Draw]) -> Result<(), RowError> {
        self.row(|tick| {
            let id = tick.table(TableKind::Rng, "rng")?;
            let streams = tick.layout().rng_streams();
            draws.iter().try_for_each(|draw| lookup(streams, usize::from(draw.stream.0), "rng", "stream").map(drop))?;
            let [
                Column::W8(streams),
                Column::W32(values),
                Column::W64(befores),
                Column::W64(afters),
                Column::W32(callers),
            ] = &mut tick.writer.rows.tables[id.0].columns[..]
            else {
                unreachable!("the columns of draws are the schema's own")
            };
            streams.extend(draws.iter().map(|draw| draw.stream.0));
            values.extend(draws.iter().map(|draw| draw.value));
            befores.extend(draws.iter().map(|draw| draw.before));
            afters.extend(draws.iter().map(|draw| draw.after));
            callers.extend(draws.iter().map(|draw| draw.caller));
            Ok(())
        })
    }

    /// The next syscall of the tick.
    ///
    /// # Errors
    /// As for [`TickBuilder::step`].
    pub fn call(&mut self, call: Call<'_>) -> Result<(), RowError> {
        self.row(|tick| {
            let id = tick.table(TableKind::Calls, "calls")?;
            let syscalls = tick.layout().syscalls();
            let syscall = lookup(syscalls, call.syscall.0 as usize, "calls", "syscall")?;
            lookup(&tick.layout().spec().stages, usize::from(call.stage.0), "calls", "stage")?;
            let place = format!("calls.{}", syscall.identity());
            let args = pack(call.args, &syscall.args, &place)?;
            let expected = syscall.result.filter(|_| call.decision == Decision::Allowed);
            let result = match (call.result, expected) {
                (None, None) => Vec::new(),
                (Some(value), Some(scalar_type)) => {
                    pack(&[value], &[Field { name: "result".to_owned(), scalar_type }], &place)?
                }
                (None, Some(ty)) => {
                    return Err(RowError::new(place, format!("a result of type {ty} is expected, and none came")));
                }
                (Some(value), None) => {
                    return Err(RowError::new(place, format!("no result is expected of this call, but {value} came")));
                }
            };
            let table = &mut tick.writer.rows.tables[id.0];
            table.columns[columns::calls::SYSCALL].push_bits(u64::from(call.syscall.0));
            table.columns[columns::calls::STAGE].push_bits(u64::from(call.stage.0));
            push_bytes(&mut table.columns[columns::calls::ARGS], &args);
            push_bytes(&mut table.columns[columns::calls::RESULT], &result);
            table.columns[columns::calls::DECISION].push_bits(call.decision as u64);
            Ok(())
        })
    }

    /// The state scalars, in declared order.
    ///
    /// # Errors
    /// As for [`TickBuilder::step`].
    pub fn state(&mut self, values: &[Scalar]) -> Result<(), RowError> {
        self.row(|tick| {
            let id = tick.table(TableKind::State, "state")?;
            tick.push(id, values)
        })
    }

    /// One live entity with its fields in declared order. Kinds come in declared order, slots ascending within a kind.
    ///
    /// # Errors
    /// As for [`TickBuilder::step`].
    pub fn entity(&mut self, uid: Uid, values: &[Scalar]) -> Result<(), RowError> {
        self.row(|tick| {
            let (id, _) = tick.begin_entities(uid.kind)?;
            let schema = &tick.writer.rows.layout.tables()[id.0];
            let (key, fields) = schema.columns.split_at(schema.key_columns());
            debug_assert_eq!(key.len(), 2);
            let Generation(generation) = uid.generation;
            let Slot(slot) = uid.slot;
            if values.len() != fields.len() {
                let rule = format!("{} fields are expected, not {}", fields.len(), values.len());
                return Err(RowError::new(format!("{}[slot={slot},gen={generation}]", schema.name), rule));
            }
            let columns = &mut tick.writer.rows.tables[id.0].columns;
            columns[columns::entities::SLOT].push_bits(u64::from(slot));
            columns[columns::entities::GENERATION].push_bits(u64::from(generation));
            for ((column, declared), value) in columns[2..].iter_mut().zip(fields).zip(values) {
                if !admits(declared.column_type, *value) {
                    let place = format!("{}[slot={slot},gen={generation}].{}", schema.name, declared.name);
                    return Err(RowError::new(place, refusal(*value, declared)));
                }
                column.push_bits(value.bits());
            }
            Ok(())
        })
    }

    /// All live entities of a kind at once: their slots, ascending, their generations, and field after field the values of
    /// all of them. For machines that hold their entities so, and much faster than one entity after another.
    ///
    /// # Errors
    /// As for [`TickBuilder::step`].
    pub fn entities(
        &mut self,
        kind: KindId,
        slots: &[u32],
        generations: &[u32],
        fields: &[Values<'_>],
    ) -> Result<(), RowError> {
        self.row(|tick| {
            let (id, schema) = tick.begin_entities(kind)?;
            let declared = &schema.columns[columns::entities::FIRST_FIELD..];
            if fields.len() != declared.len() {
                let rule = format!("{} fields are expected, not {}", declared.len(), fields.len());
                return Err(RowError::new(&schema.name, rule));
            }
            let lens = fields.iter().map(Values::len).chain([generations.len()]);
            if let Some(len) = lens.into_iter().find(|&len| len != slots.len()) {
                let rule =
                    format!("there are {} slots, so as many values of each field are expected, not {len}", slots.len());
                return Err(RowError::new(&schema.name, rule));
            }
            let fit = |(values, declared): (&Values<'_>, &ColumnSchema)| {
                declared.column_type == ColumnType::Scalar(values.scalar_type()) && values.are_finite()
            };
            if !vectorized!(fields.iter().zip(declared).all(fit)) {
                let refused = find_refused(&schema.name, slots, generations, fields, declared);
                return Err(refused.expect("what does not fit is found"));
            }
            let columns = &mut tick.writer.rows.tables[id.0].columns;
            let (keys, rest) = columns.split_at_mut(columns::entities::FIRST_FIELD);
            vectorized!({
                for (column, lanes) in keys.iter_mut().zip([slots, generations]) {
                    Values::U32(lanes).append(column);
                }
                for (column, values) in rest.iter_mut().zip(fields) {
                    values.append(column);
                }
            });
            Ok(())
        })
    }

    /// The table of an entity kind, which must not come before the last one.
    fn begin_entities(&mut self, kind: KindId) -> Result<(TableId, &TableSchema), RowError> {
        let Some(id) = self.layout().table(TableKind::Entities(kind)) else {
            return Err(RowError::new("entities", format!("entity kind {kind} is not declared")));
        };
        if let Some(last) = self.last_entity.replace(kind).filter(|&last| last > kind) {
            let names = |kind: KindId| self.layout().entity_kinds()[usize::from(kind.0)].name.clone();
            let rule = format!("kinds come in declared order, but {} comes after {}", names(kind), names(last));
            return Err(RowError::new("entities", rule));
        }
        Ok((id, &self.writer.rows.layout.tables()[id.0]))
    }

    /// What the machine knows of itself.
    ///
    /// # Errors
    /// As for [`TickBuilder::step`].
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint<'_>) -> Result<(), RowError> {
        self.row(|tick| {
            let id = tick.table(TableKind::Checkpoint, "checkpoint")?;
            let spec = tick.layout().spec();
            let declared = spec.checkpoint.as_ref().expect("the channel is declared");
            let digests = [declared.state_digest, declared.frame_digest, declared.audio_digest];
            let streams = if declared.rng_state { tick.layout().rng_streams().len() } else { 0 };
            let kinds = if declared.entity_counts { tick.layout().entity_kinds().len() } else { 0 };
            let counts = [
                ("digests", digests.iter().filter(|present| **present).count(), checkpoint.digests.len()),
                ("rng_state", streams, checkpoint.rng_state.len()),
                ("entity_counts", kinds, checkpoint.entity_counts.len()),
                ("fuel", usize::from(declared.fuel), usize::from(checkpoint.fuel.is_some())),
                ("counters", declared.counters.len(), checkpoint.counters.len()),
            ];
            if let Some((what, expected, got)) = counts.into_iter().find(|(_, expected, got)| expected != got) {
                let rule = format!("{expected} values are declared, not {got}");
                return Err(RowError::new(format!("checkpoint.{what}"), rule));
            }
            let counts = checkpoint.entity_counts.iter().map(|&count| u64::from(count));
            let states = checkpoint.digests.iter().chain(checkpoint.rng_state).copied();
            let values = states.chain(counts).chain(checkpoint.fuel).chain(checkpoint.counters.iter().copied());
            let columns = &mut tick.writer.rows.tables[id.0].columns;
            columns.iter_mut().zip(values).for_each(|(column, bits)| column.push_bits(bits));
            Ok(())
        })
    }

    /// The next timing sample of the tick.
    ///
    /// # Errors
    /// As for [`TickBuilder::step`].
    pub fn timing(&mut self, sample: TimingSample) -> Result<(), RowError> {
        self.row(|tick| {
            let id = tick.table(TableKind::Timing, "timing")?;
            lookup(&tick.layout().spec().stages, usize::from(sample.stage.0), "timing", "stage")?;
            tick.push(id, &[Scalar::U16(sample.stage.0), Scalar::U64(sample.fuel), Scalar::U64(sample.wall_ns)])
        })
    }

    /// The next event of the tick.
    ///
    /// # Errors
    /// As for [`TickBuilder::step`].
    pub fn event(&mut self, event: Event<'_>) -> Result<(), RowError> {
        self.row(|tick| {
            let id = tick.table(TableKind::Events, "events")?;
            let kind = lookup(tick.layout().event_kinds(), usize::from(event.kind.0), "events", "event kind")?;
            let values = pack(event.values, &kind.values, &format!("events.{}", kind.name))?;
            if let Some(subject) = event.subject {
                lookup(tick.layout().entity_kinds(), usize::from(subject.kind.0), "events.subject", "entity kind")?;
            }
            let subject = event.subject.unwrap_or(Uid { kind: KindId(0), slot: Slot(0), generation: Generation(0) });
            let columns = &mut tick.writer.rows.tables[id.0].columns;
            columns[columns::events::KIND].push_bits(u64::from(event.kind.0));
            columns[columns::events::ORIGIN].push_bits(event.origin as u64);
            columns[columns::events::HAS_SUBJECT].push_bits(u64::from(event.subject.is_some()));
            columns[columns::events::SUBJECT_KIND].push_bits(u64::from(subject.kind.0));
            columns[columns::events::SUBJECT_SLOT].push_bits(u64::from(subject.slot.0));
            columns[columns::events::SUBJECT_GENERATION].push_bits(u64::from(subject.generation.0));
            push_bytes(&mut columns[columns::events::VALUES], &values);
            columns[columns::events::CAUSE].push_bits(u64::from(event.cause.map_or(0, |seq| seq.0)));
            Ok(())
        })
    }

    /// A page of memory that changed; at a trace's first tick, every page.
    ///
    /// # Errors
    /// As for [`TickBuilder::step`].
    pub fn page(&mut self, page: PageId, content: &[u8]) -> Result<(), RowError> {
        self.row(|tick| {
            let id = tick.table(TableKind::Memory, "memory")?;
            let memory = tick.layout().memory();
            if page.0 >= memory.pages {
                let rule = format!("page {page} does not exist; the layout declares {}", memory.pages);
                return Err(RowError::new("memory", rule));
            }
            if content.len() != memory.page_size as usize {
                let rule = format!("a page has {} bytes, not {}", memory.page_size, content.len());
                return Err(RowError::new(format!("memory[page={page}]"), rule));
            }
            let columns = &mut tick.writer.rows.tables[id.0].columns;
            columns[columns::memory::PAGE].push_bits(u64::from(page.0));
            push_bytes(&mut columns[columns::memory::CONTENT], content);
            Ok(())
        })
    }

    /// Takes a row, or remembers why it was refused: columns may be ahead of each other then.
    fn row(&mut self, put: impl FnOnce(&mut Self) -> Result<(), RowError>) -> Result<(), RowError> {
        let outcome = put(self);
        if let Err(error) = &outcome {
            self.refused.get_or_insert_with(|| error.clone());
        }
        outcome
    }

    /// All rows of a tick of a trace of the same layout, by its index in `rows`.
    ///
    /// # Panics
    /// If the layout is another one, or a channel is not loaded.
    pub fn copy(&mut self, rows: &Rows, tick: usize) {
        let layout = self.writer.rows.layout.clone();
        assert!(layout == rows.layout, "rows of another layout");
        for (index, schema) in layout.tables().iter().enumerate() {
            let id = TableId(index);
            let range = rows.range(id, tick);
            if schema.kind == TableKind::Memory {
                range.for_each(|row| self.copy_page(&rows.table(id).columns, row));
                continue;
            }
            let columns = self.writer.rows.tables[id.0].columns.iter_mut();
            columns.zip(&rows.table(id).columns).for_each(|(column, from)| column.extend_from(from, range.clone()));
        }
    }

    /// A block begins with all pages, of which few have changed: the others would make the tick larger than it was.
    fn copy_page(&mut self, from: &[Column], row: usize) {
        let page = from[columns::memory::PAGE].bits(row);
        let content = from[columns::memory::CONTENT].bytes(row);
        if !self.writer.is_known(PageId(lane32(page)), content) {
            let id = self.writer.rows.layout.table(TableKind::Memory).expect("the layout has the table that is copied");
            let columns = &mut self.writer.rows.tables[id.0].columns;
            columns[columns::memory::PAGE].push_bits(page);
            push_bytes(&mut columns[columns::memory::CONTENT], content);
        }
    }

    /// Takes the tick into the block.
    ///
    /// # Errors
    /// A row was refused, a declared channel is missing, or the tick does not follow from those before; nothing of it is
    /// kept.
    pub fn commit(mut self) -> Result<(), RowError> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        self.close_tables();
        let rows = &self.writer.rows;
        let tick = rows.ticks.len() - 1;
        for (index, schema) in rows.layout.tables().iter().enumerate() {
            let got = rows.range(TableId(index), tick).len();
            if let Arity::Fixed(expected) = schema.arity
                && got != expected as usize
            {
                let rule = format!("every tick carries {expected} rows of {}, not {got}", schema.name);
                return Err(RowError::new(schema.channel.name(), rule));
            }
        }
        let bytes = rows.tick_bytes(tick);
        if bytes > MAX_TICK_BYTES {
            let rule = format!("the rows of one tick occupy at most {MAX_TICK_BYTES} bytes, not {bytes}");
            return Err(RowError::new("tick", rule));
        }
        self.writer.continuity.check(&self.writer.rows, tick)?;
        self.done = true;
        self.writer.raw_bytes += bytes;
        if let Some(id) = self.writer.rows.layout.table(TableKind::Memory) {
            self.writer.complete_memory(id);
            self.writer.raw_bytes = self.writer.rows.raw_bytes();
        }
        Ok(())
    }

    /// Marks the end of the tick in every table.
    fn close_tables(&mut self) {
        let rows = &mut self.writer.rows;
        for (table, schema) in rows.tables.iter_mut().zip(rows.layout.tables()) {
            // A table may have no columns only where its rows are fixed: state without fields, a bare checkpoint.
            let count = match (table.columns.first(), schema.arity) {
                (Some(column), _) => column.len(),
                (None, Arity::Fixed(rows)) => table.rows() + rows as usize,
                (None, Arity::Many) => unreachable!("{} has columns", schema.name),
            };
            table.ends.push(u32::try_from(count).expect("a block's rows stay below 2^32"));
        }
    }

    #[inline]
    fn table(&self, kind: TableKind, name: &str) -> Result<TableId, RowError> {
        let found = self.layout().table(kind);
        found.ok_or_else(|| RowError::new(name, "the channel is not declared in the layout"))
    }

    /// Appends one row of scalars.
    fn push(&mut self, id: TableId, values: &[Scalar]) -> Result<(), RowError> {
        let schema = &self.writer.rows.layout.tables()[id.0];
        if values.len() != schema.columns.len() {
            let rule = format!("{} values are expected, not {}", schema.columns.len(), values.len());
            return Err(RowError::new(&schema.name, rule));
        }
        let columns = self.writer.rows.tables[id.0].columns.iter_mut();
        for ((column, declared), value) in columns.zip(&schema.columns).zip(values) {
            if !admits(declared.column_type, *value) {
                return Err(RowError::new(format!("{}.{}", schema.name, declared.name), refusal(*value, declared)));
            }
            column.push_bits(value.bits());
        }
        Ok(())
    }
}

impl Drop for TickBuilder<'_> {
    fn drop(&mut self) {
        if !self.done {
            // Columns may be ahead of their ends here; truncating by the ends brings all back to the last whole tick.
            self.writer.rows.truncate(self.committed);
        }
    }
}

/// Whether a value may stand in a column.
#[inline]
fn admits(column_type: ColumnType, value: Scalar) -> bool {
    let finite = match value {
        Scalar::F32(value) => value.is_finite(),
        Scalar::F64(value) => value.is_finite(),
        _ => true,
    };
    finite && column_type == ColumnType::Scalar(value.scalar_type())
}

/// The first value of some entities that may not stand in its column; of no entities, the first column that could hold none.
#[cold]
fn find_refused(
    table: &str,
    slots: &[u32],
    generations: &[u32],
    fields: &[Values<'_>],
    declared: &[ColumnSchema],
) -> Option<RowError> {
    fields.iter().zip(declared).find_map(|(values, declared)| {
        let mut all = (0..values.len()).map(|index| (index, values.get(index)));
        if let Some((index, value)) = all.find(|(_, value)| !admits(declared.column_type, *value)) {
            let place = format!("{table}[slot={},gen={}].{}", slots[index], generations[index], declared.name);
            return Some(RowError::new(place, refusal(value, declared)));
        }
        let ColumnType::Scalar(expected) = declared.column_type else { return None };
        let rule = format!("type {expected} is expected, not {}", values.scalar_type());
        (expected != values.scalar_type()).then(|| RowError::new(format!("{table}.{}", declared.name), rule))
    })
}

/// Why a value may not stand in a column.
#[cold]
fn refusal(value: Scalar, declared: &ColumnSchema) -> String {
    match declared.column_type {
        ColumnType::Scalar(expected) if expected != value.scalar_type() => {
            format!("type {expected} is expected, not {} {value}", value.scalar_type())
        }
        ColumnType::Scalar(_) => format!("numbers are finite, but {value} came"),
        ColumnType::Values | ColumnType::Page => "a scalar cannot stand here".to_owned(),
    }
}

/// The bits of declared values, 8 bytes LE each.
fn pack(values: &[Scalar], fields: &[Field], place: &str) -> Result<Vec<u8>, RowError> {
    if values.len() != fields.len() {
        return Err(RowError::new(place, format!("{} values are declared, not {}", fields.len(), values.len())));
    }
    let mut out = Vec::with_capacity(values.len() * 8);
    for (value, field) in values.iter().zip(fields) {
        let column_type = ColumnType::Scalar(field.scalar_type);
        if !admits(column_type, *value) {
            let declared = ColumnSchema { name: field.name.clone(), column_type, role: Role::Behavioural };
            return Err(RowError::new(format!("{place}.{}", field.name), refusal(*value, &declared)));
        }
        out.extend_from_slice(&value.bits().to_le_bytes());
    }
    Ok(out)
}

fn push_bytes(column: &mut Column, bytes: &[u8]) {
    let Column::Bytes(ragged) = column else { panic!("the column holds scalars") };
    ragged.push(bytes);
}

fn lookup<'a, T>(list: &'a [T], index: usize, place: &str, what: &str) -> Result<&'a T, RowError> {
    list.get(index)
        .ok_or_else(|| RowError::new(place, format!("{what} {index} is not declared; the layout has {}", list.len())))
}
