//! Comparing one tick of two traces value by value.

use std::iter::Peekable;
use std::ops::Range;

use cdt_projections::{Value, cell};
use cdt_schema::columns::{entities, events, memory};
use cdt_schema::{Channel, ChannelSet, Layout, Path, Role, Rows, Scalar, TableId, TableKind, Tick, Uid};
use serde::Serialize;

use crate::report::{channel_name, tick_number};

/// Which row of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKey {
    /// The row at this position of its table, from 0.
    Position(usize),
    /// The row of this entity.
    Entity(Uid),
}

/// A place where a value stands, in any tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The table.
    pub table: TableKind,
    /// The row.
    pub row: RowKey,
    /// The column; `None` for the row as a whole.
    pub column: Option<usize>,
    /// The member of a list that stands there.
    pub member: Option<usize>,
}

impl Cell {
    /// What stands there in a tick, by its index in `rows`; `None` if there is no such row.
    pub fn value(&self, rows: &Rows, tick: usize) -> Option<Value> {
        let id = rows.layout().table(self.table)?;
        let range = rows.range(id, tick);
        let row = match self.row {
            RowKey::Position(position) => range.start + position,
            RowKey::Entity(uid) => range.clone().find(|&row| rows.uid(id, row) == Some(uid))?,
        };
        if !range.contains(&row) {
            return None;
        }
        Some(match self.column {
            Some(column) => match (cell(rows, id, column, row), self.member) {
                (Value::List(members), Some(member)) => Value::Scalar(members.get(member)?.1),
                (value, _) => value,
            },
            None => whole_row(rows, id, row),
        })
    }
}

/// One value, or one row, that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The tick.
    #[serde(serialize_with = "tick_number")]
    pub tick: Tick,
    /// The channel.
    #[serde(serialize_with = "channel_name")]
    pub channel: Channel,
    /// What differs.
    pub path: String,
    /// What the reference has; `None` where it has nothing.
    pub reference: Option<Value>,
    /// What the candidate has; `None` where it has nothing.
    pub candidate: Option<Value>,
    /// Where it stands; `None` for bytes of memory.
    #[serde(skip)]
    pub cell: Option<Cell>,
}

impl Difference {
    /// Candidate less reference, for numbers.
    pub fn delta(&self) -> Option<String> {
        let (reference, candidate) = self.scalars()?;
        reference.delta(candidate)
    }

    /// Distance in units in the last place, for floats.
    pub fn ulp(&self) -> Option<u64> {
        let (reference, candidate) = self.scalars()?;
        reference.ulp_distance(candidate)
    }

    /// The two scalars, where both sides have one.
    pub fn scalars(&self) -> Option<(Scalar, Scalar)> {
        Some((self.reference.as_ref()?.scalar()?, self.candidate.as_ref()?.scalar()?))
    }

    /// Whether a whole row stands on one side alone.
    pub fn is_one_sided(&self) -> bool {
        self.reference.is_none() || self.candidate.is_none()
    }
}

/// One tick of one trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickRows<'a> {
    pub(crate) rows: &'a Rows,
    pub(crate) tick: usize,
}

impl TickRows<'_> {
    fn range(&self, id: TableId) -> Range<usize> {
        self.rows.range(id, self.tick)
    }
}

/// Every behavioural difference of a tick in the given channels, in causal order. The two layouts must agree in them.
pub(crate) fn differences(reference: TickRows<'_>, candidate: TickRows<'_>, channels: ChannelSet) -> Vec<Difference> {
    let mut comparison = Comparison { reference, candidate, role: Role::Behavioural, found: Vec::new() };
    comparison.channels(channels);
    comparison.found
}

/// The first difference of a tick in the fields of a channel that are not behaviour. Rows are matched by position, so
/// there is none to be told where their number differs.
pub(crate) fn first_diagnostic(
    reference: TickRows<'_>,
    candidate: TickRows<'_>,
    channel: Channel,
) -> Option<Difference> {
    let mut comparison = Comparison { reference, candidate, role: Role::Diagnostic, found: Vec::new() };
    comparison.channels([channel].into_iter().collect());
    comparison.found.into_iter().next()
}

struct Comparison<'a> {
    reference: TickRows<'a>,
    candidate: TickRows<'a>,
    role: Role,
    found: Vec<Difference>,
}

impl Comparison<'_> {
    fn channels(&mut self, channels: ChannelSet) {
        let layout = self.reference.rows.layout().clone();
        for (index, schema) in
            layout.tables().iter().enumerate().filter(|(_, schema)| channels.contains(schema.channel))
        {
            let id = TableId(index);
            let other =
                self.candidate.rows.layout().table(schema.kind).expect("the layouts agree in compared channels");
            match schema.kind {
                TableKind::Entities(_) if self.role == Role::Behavioural => self.entities(id, other),
                TableKind::Events => self.events(id, other),
                TableKind::Memory if self.role == Role::Behavioural => self.memory(id, other),
                TableKind::Memory | TableKind::Entities(_) => {}
                _ => {
                    let (a, b) = (self.reference.range(id).collect(), self.candidate.range(other).collect());
                    self.ordered(id, other, a, b);
                }
            }
        }
    }

    fn layout(&self) -> &Layout {
        self.reference.rows.layout()
    }

    fn push(
        &mut self,
        id: TableId,
        path: &Path,
        cell: Option<Cell>,
        reference: Option<Value>,
        candidate: Option<Value>,
    ) {
        let channel = self.layout().tables()[id.0].channel;
        let tick = self.reference.rows.ticks()[self.reference.tick];
        self.found.push(Difference { tick, channel, path: path.as_str().to_owned(), reference, candidate, cell });
    }

    /// Rows matched by their position.
    fn ordered(&mut self, id: TableId, other: TableId, a: Vec<usize>, b: Vec<usize>) {
        if self.role == Role::Diagnostic && a.len() != b.len() {
            return;
        }
        let kind = self.layout().tables()[id.0].kind;
        let firsts = (self.reference.range(id).start, self.candidate.range(other).start);
        for position in 0..a.len().max(b.len()) {
            let (left, right) = (a.get(position), b.get(position));
            let shown = left.map(|row| row - firsts.0).or(right.map(|row| row - firsts.1)).unwrap_or(position);
            let path = Path::row(self.layout(), id, shown);
            let key = RowKey::Position(shown);
            match (left, right) {
                (Some(&a), Some(&b)) => self.row(id, other, a, b, &path, key),
                (a, b) => {
                    let reference = a.map(|&row| whole_row(self.reference.rows, id, row));
                    let candidate = b.map(|&row| whole_row(self.candidate.rows, other, row));
                    // The rows of a tick that stand at a place have nothing to do with those of another tick there.
                    let cell = matches!(kind, TableKind::State | TableKind::Step | TableKind::Checkpoint);
                    let cell = cell.then_some(Cell { table: kind, row: key, column: None, member: None });
                    self.push(id, &path, cell, reference, candidate);
                }
            }
        }
    }

    fn row(&mut self, id: TableId, other: TableId, a: usize, b: usize, path: &Path, key: RowKey) {
        let schema = self.layout().tables()[id.0].clone();
        let (left, right) = (self.reference.rows, self.candidate.rows);
        for (column, declared) in schema.columns.iter().enumerate().skip(schema.key_columns()) {
            // An event's cause is a number among all events; it is compared as its digest has it, among the guest's.
            let numbered = schema.kind == TableKind::Events && column == events::CAUSE;
            if declared.role != self.role && schema.kind != TableKind::Events || numbered {
                continue;
            }
            if left.table(id).columns[column].same(a, &right.table(other).columns[column], b) {
                continue;
            }
            let cell = Cell { table: schema.kind, row: key, column: Some(column), member: None };
            let (reference, candidate) =
                (cdt_projections::cell(left, id, column, a), cdt_projections::cell(right, other, column, b));
            match (&reference, &candidate) {
                (Value::List(x), Value::List(y)) if same_names(x, y) => {
                    let pairs = x.iter().zip(y).enumerate();
                    for (number, ((name, x), (_, y))) in pairs.filter(|(_, ((_, x), (_, y)))| x != y) {
                        let member = path.field(&declared.name).field(name);
                        let cell = Cell { member: Some(number), ..cell };
                        self.push(id, &member, Some(cell), Some(Value::Scalar(*x)), Some(Value::Scalar(*y)));
                    }
                }
                _ => self.push(id, &path.field(&declared.name), Some(cell), Some(reference), Some(candidate)),
            }
        }
    }

    /// Entities matched by their identity.
    fn entities(&mut self, id: TableId, other: TableId) {
        let uids = |side: &TickRows<'_>, id: TableId| -> Vec<(Uid, usize)> {
            let uid = |row| side.rows.uid(id, row).expect("an entity table");
            side.range(id).map(|row| (uid(row), row)).collect()
        };
        let mut left = uids(&self.reference, id).into_iter().peekable();
        let mut right = uids(&self.candidate, other).into_iter().peekable();
        while let Some(uid) = lesser(&mut left, &mut right) {
            let a = left.next_if(|(next, _)| *next == uid).map(|(_, row)| row);
            let b = right.next_if(|(next, _)| *next == uid).map(|(_, row)| row);
            let path = Path::entity(self.layout(), uid);
            let key = RowKey::Entity(uid);
            match (a, b) {
                (Some(a), Some(b)) => self.row(id, other, a, b, &path, key),
                (a, b) => {
                    let reference = a.map(|row| whole_row(self.reference.rows, id, row));
                    let candidate = b.map(|row| whole_row(self.candidate.rows, other, row));
                    let table = self.layout().tables()[id.0].kind;
                    self.push(
                        id,
                        &path,
                        Some(Cell { table, row: key, column: None, member: None }),
                        reference,
                        candidate,
                    );
                }
            }
        }
    }

    /// The guest's events among themselves for behaviour, the others for diagnostics.
    fn events(&mut self, id: TableId, other: TableId) {
        let wanted = |side: &TickRows<'_>, id: TableId, guest: bool| -> Vec<usize> {
            let origin = &side.rows.table(id).columns[events::ORIGIN];
            side.range(id).filter(|&row| (origin.bits(row) == 0) == guest).collect()
        };
        let guest = self.role == Role::Behavioural;
        let (a, b) = (wanted(&self.reference, id, guest), wanted(&self.candidate, other, guest));
        if guest {
            self.causes(id, other, &a, &b);
            self.ordered(id, other, a, b);
            return;
        }
        // Other origins' events are evidence even where their number differs: the first that has no equal is told.
        let same = |a: usize, b: usize| {
            let (left, right) = (self.reference.rows.table(id), self.candidate.rows.table(other));
            left.columns.iter().zip(&right.columns).all(|(x, y)| x.same(a, y, b))
        };
        let shared = a.iter().zip(&b).take_while(|(a, b)| same(**a, **b)).count();
        if let (None, None) = (a.get(shared), b.get(shared)) {
            return;
        }
        let place = |rows: &[usize], first: usize| rows.get(shared).map(|row| row - first);
        let (left, right) = (self.reference.range(id).start, self.candidate.range(other).start);
        let path = Path::row(self.layout(), id, place(&a, left).or(place(&b, right)).unwrap_or(shared));
        let reference = a.get(shared).map(|&row| event_text(self.reference.rows, id, row));
        let candidate = b.get(shared).map(|&row| event_text(self.candidate.rows, other, row));
        self.push(id, &path, None, reference, candidate);
    }

    /// What led to the guest's events, as their digest has it: numbered among the guest's events, 0 for any other cause.
    fn causes(&mut self, id: TableId, other: TableId, a: &[usize], b: &[usize]) {
        let ordinal = |side: &TickRows<'_>, id: TableId, guests: &[usize], row: usize| -> Scalar {
            let cause = usize::try_from(side.rows.table(id).columns[events::CAUSE].bits(row)).unwrap_or(0);
            let first = side.range(id).start;
            let found = guests.iter().position(|&guest| cause > 0 && guest == first + cause - 1);
            Scalar::U32(found.map_or(0, |index| u32::try_from(index + 1).expect("events of a tick are few")))
        };
        let first = self.reference.range(id).start;
        for (&x, &y) in a.iter().zip(b) {
            let (reference, candidate) = (ordinal(&self.reference, id, a, x), ordinal(&self.candidate, other, b, y));
            if reference != candidate {
                let path = Path::row(self.layout(), id, x - first).field("cause");
                self.push(id, &path, None, Some(Value::Scalar(reference)), Some(Value::Scalar(candidate)));
            }
        }
    }

    /// All of memory, as ranges of bytes that differ.
    fn memory(&mut self, id: TableId, other: TableId) {
        let reference = image(self.reference, id);
        let candidate = image(self.candidate, other);
        let mut at = 0;
        let mut ranges = 0;
        while let Some(start) = first_difference(&reference, &candidate, at) {
            ranges += 1;
            // Ranges with little between them are one, and when there are very many the last holds all the rest.
            let end = if ranges == MOST_RANGES { reference.len() } else { end_of_range(&reference, &candidate, start) };
            let last = (start..end).rev().find(|&byte| reference[byte] != candidate[byte]);
            let end = last.map_or(end, |last| last + 1);
            let path = Path::memory(start, end);
            let bytes = |image: &[u8]| Some(Value::bytes(&image[start..end]));
            self.push(id, &path, None, bytes(&reference), bytes(&candidate));
            at = end;
        }
    }
}

/// Equal bytes between two differing ones that separate two ranges.
const APART: usize = 16;
/// Most ranges of memory that are told apart.
const MOST_RANGES: usize = 256;

fn first_difference(a: &[u8], b: &[u8], from: usize) -> Option<usize> {
    // Whole chunks first: memory is mostly equal.
    let (mut at, chunk) = (from, 256);
    while at + chunk <= a.len() && a[at..at + chunk] == b[at..at + chunk] {
        at += chunk;
    }
    (at..a.len()).find(|&byte| a[byte] != b[byte])
}

fn end_of_range(a: &[u8], b: &[u8], start: usize) -> usize {
    let mut last = start;
    let mut at = start + 1;
    while at < a.len() && at - last <= APART {
        if a[at] != b[at] {
            last = at;
        }
        at += 1;
    }
    last + 1
}

fn same_names(a: &[(String, Scalar)], b: &[(String, Scalar)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((a, x), (b, y))| a == b && x.scalar_type() == y.scalar_type())
}

fn lesser<I: Iterator<Item = (Uid, usize)>>(left: &mut Peekable<I>, right: &mut Peekable<I>) -> Option<Uid> {
    match (left.peek(), right.peek()) {
        (None, None) => None,
        (Some((uid, _)), None) | (None, Some((uid, _))) => Some(*uid),
        (Some((a, _)), Some((b, _))) => Some(*a.min(b)),
    }
}

/// The cells of a row but its keys.
fn whole_row(rows: &Rows, id: TableId, row: usize) -> Value {
    let schema = &rows.layout().tables()[id.0];
    let columns = schema.columns.iter().enumerate().skip(schema.key_columns());
    Value::Row(columns.map(|(index, column)| (column.name.clone(), cell(rows, id, index, row))).collect())
}

fn event_text(rows: &Rows, id: TableId, row: usize) -> Value {
    let kind = cell(rows, id, events::KIND, row);
    Value::Name(format!("{kind} {}", cell(rows, id, events::VALUES, row)))
}

/// The content of all of memory at a tick: that of the block's first tick, and what changed since.
fn image(side: TickRows<'_>, id: TableId) -> Vec<u8> {
    let layout = side.rows.layout().memory();
    let page_size = layout.page_size as usize;
    let mut image = vec![0; page_size * layout.pages as usize];
    let columns = &side.rows.table(id).columns;
    for row in 0..side.range(id).end {
        let at = usize::try_from(columns[memory::PAGE].bits(row)).expect("32-bit pages") * page_size;
        image[at..at + page_size].copy_from_slice(columns[memory::CONTENT].bytes(row));
    }
    image
}

/// The values of an entity's row, without its identity, to find the same entity under another one.
pub(crate) fn entity_values(rows: &Rows, id: TableId, row: usize) -> Vec<u64> {
    let columns = &rows.table(id).columns[entities::FIRST_FIELD..];
    columns.iter().map(|column| column.bits(row)).collect()
}
