//! Comparing one tick of two traces value by value, by the rules of a policy.

use std::fmt;
use std::iter::Peekable;
use std::ops::Range;

use cdt_projections::{Value, cell};
use cdt_schema::columns::{calls, commands, entities, events, memory, rng, timing};
use cdt_schema::{Channel, ChannelSet, Column, Field, Path, Role, Rows, Scalar, TableId, TableKind, Tick, Uid};
use schemars::JsonSchema;
use serde::Serialize;
use twox_hash::XxHash3_64;

use crate::report::{channel_name, tick_number};
use crate::rules::{CellRule, ColumnRules, Rules, TableRules};
use crate::sequence::{Aligned, align};

/// Which row of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowKey {
    /// The row at this position of its table, from 0.
    Position(usize),
    /// The row of this entity, by slot and generation.
    Entity(u64, u64),
}

/// Where a value stands, in any tick of either trace. Numbers are those of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) table: usize,
    pub(crate) row: RowKey,
    /// `None` for the row as a whole.
    pub(crate) column: Option<usize>,
    /// The member of a list that stands there.
    pub(crate) member: Option<usize>,
}

/// One of the two traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Reference,
    Candidate,
}

impl Place {
    /// What stands there in a tick; `None` if there is no such row.
    pub(crate) fn value(&self, rules: &Rules, side: Side, tick: TickRows<'_>) -> Option<Value> {
        let table = &rules.tables[self.table];
        let id = table.id(side);
        let range = tick.range(id);
        let columns = &tick.rows.table(id).columns;
        let row = match self.row {
            RowKey::Position(position) => range.start + position,
            RowKey::Entity(slot, generation) => range.clone().find(|&row| {
                let part = |column: usize| columns[column].bits(row);
                (part(entities::SLOT), part(entities::GENERATION)) == (slot, generation)
            })?,
        };
        if !range.contains(&row) {
            return None;
        }
        Some(match self.column {
            Some(column) => match (cell(tick.rows, id, table.columns[column].number(side), row), self.member) {
                (Value::List(members), Some(member)) => Value::Scalar(members.get(member)?.1),
                (value, _) => value,
            },
            None => whole_row(tick.rows, id, row),
        })
    }
}

impl TableRules {
    fn id(&self, side: Side) -> TableId {
        match side {
            Side::Reference => self.left,
            Side::Candidate => self.right,
        }
    }

    /// How the reference's column of that number is compared.
    fn column(&self, left: usize) -> Option<&ColumnRules> {
        self.columns.iter().find(|column| column.left == left)
    }

    /// The column that tells the kinds of rows, and so what their lists of values hold.
    pub(crate) fn kind_column(&self) -> usize {
        match self.kind {
            TableKind::Commands => commands::KIND,
            TableKind::Calls => calls::SYSCALL,
            _ => events::KIND,
        }
    }
}

impl ColumnRules {
    fn number(&self, side: Side) -> usize {
        match side {
            Side::Reference => self.left,
            Side::Candidate => self.right,
        }
    }
}

/// One value, or one row, that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// The tick: the reference's number, or the candidate's where the reference has no such tick.
    #[serde(serialize_with = "tick_number")]
    #[schemars(with = "u32")]
    pub tick: Tick,
    /// The channel.
    #[serde(serialize_with = "channel_name")]
    #[schemars(with = "String")]
    pub channel: Channel,
    /// What differs.
    pub path: String,
    /// What the reference has; `None` where it has nothing.
    pub reference: Option<Value>,
    /// What the candidate has; `None` where it has nothing.
    pub candidate: Option<Value>,
    /// Where it stands; `None` for bytes of memory, and for rows that have nothing to do with those of other ticks.
    #[serde(skip)]
    pub(crate) place: Option<Place>,
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

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { path, reference, candidate, .. } = self;
        match (reference, candidate) {
            (Some(_), None) => write!(f, "{path} is missing in the candidate"),
            (None, Some(_)) => write!(f, "{path} is extra in the candidate"),
            (Some(reference), Some(candidate)) => {
                let ulp = self.ulp().map_or(String::new(), |ulp| format!(" ({ulp} ulp)"));
                write!(f, "{path}: {reference} became {candidate}{ulp}")
            }
            (None, None) => f.write_str(path),
        }
    }
}

/// One tick of one trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TickRows<'a> {
    pub(crate) rows: &'a Rows,
    pub(crate) tick: usize,
}

impl TickRows<'_> {
    pub(crate) fn range(&self, id: TableId) -> Range<usize> {
        self.rows.range(id, self.tick)
    }

    /// The guest's events, or all others.
    fn events(&self, id: TableId, guest: bool) -> Vec<usize> {
        let origin = &self.rows.table(id).columns[events::ORIGIN];
        self.range(id).filter(|&row| (origin.bits(row) == 0) == guest).collect()
    }

    /// What led to one of the guest's events, as their digest has it: numbered among the guest's events, 0 for any other
    /// cause.
    fn cause(&self, id: TableId, guests: &[usize], row: usize) -> u32 {
        let cause = usize::try_from(self.rows.table(id).columns[events::CAUSE].bits(row)).unwrap_or(0);
        let first = self.range(id).start;
        let found = guests.iter().position(|&guest| cause > 0 && guest == first + cause - 1);
        found.map_or(0, |index| u32::try_from(index + 1).expect("events of a tick are few"))
    }
}

/// The same moment of both traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) reference: TickRows<'a>,
    pub(crate) candidate: TickRows<'a>,
}

impl<'a> Pair<'a> {
    fn column(&self, table: &TableRules, column: &ColumnRules) -> (&'a Column, &'a Column) {
        let (left, right) = (self.reference.rows.table(table.left), self.candidate.rows.table(table.right));
        (&left.columns[column.left], &right.columns[column.right])
    }

    /// Whether two rows have the same value in a column, by its rule.
    pub(crate) fn same(&self, table: &TableRules, column: &ColumnRules, a: usize, b: usize) -> bool {
        let (left, right) = self.column(table, column);
        left.same(a, right, b)
            || match &column.rule {
                CellRule::LeftOut => true,
                CellRule::Exact => false,
                CellRule::Within(tolerance) => {
                    let reference = self.reference.rows.scalar(table.left, column.left, a);
                    tolerance.admits(reference, self.candidate.rows.scalar(table.right, column.right, b))
                }
                CellRule::Members(_) => {
                    self.members(table, column, a, b).is_some_and(|members| members.iter().all(Member::is_same))
                }
            }
    }

    /// A member that is compared of the lists in two rows, by its name; `None` where the two rows have other members.
    pub(crate) fn member<'r>(
        &self,
        table: &TableRules,
        column: &'r ColumnRules,
        (a, b): (usize, usize),
        name: &str,
    ) -> Option<Member<'r>> {
        self.members(table, column, a, b)?.into_iter().find(|member| member.name == name)
    }

    /// The members that are compared of the lists in two rows, side by side; `None` where the two rows have other members.
    fn members<'r>(&self, table: &TableRules, column: &'r ColumnRules, a: usize, b: usize) -> Option<Vec<Member<'r>>> {
        let kinds = table.kind_column();
        let compared = |side: TickRows<'_>, id: TableId, number: usize, row: usize| {
            let kind = usize::try_from(side.rows.table(id).columns[kinds].bits(row)).expect("a number of a kind");
            let members = side.rows.values(id, number, row).into_iter().enumerate();
            let members =
                members.map(|(member, (field, value))| (member, field, value, column.rule.member(kind, member)));
            members.filter(|(.., rule)| **rule != CellRule::LeftOut).collect::<Vec<_>>()
        };
        let left = compared(self.reference, table.left, column.left, a);
        let right = compared(self.candidate, table.right, column.right, b);
        // Names and types; the rules go by names, so they are the same too.
        let alike = left.len() == right.len() && left.iter().zip(&right).all(|(a, b)| a.1 == b.1);
        alike.then(|| {
            let pairs = left.into_iter().zip(right);
            let member = |((number, field, reference, rule), (_, _, candidate, _)): (_, _)| {
                let field: Field = field;
                Member { number, name: field.name, reference, candidate, rule }
            };
            pairs.map(member).collect()
        })
    }

    /// Which rows of a table that are behaviour stand for which, as they are compared: the reference's and the candidate's.
    /// Pages of memory stand for none.
    pub(crate) fn partners(&self, table: &TableRules) -> Vec<(usize, usize)> {
        let (a, b) = self.behavioural_rows(table);
        if table.kind == TableKind::Memory {
            return Vec::new();
        }
        if let TableKind::Entities(_) = table.kind {
            let uid = |side: TickRows<'_>, id, row| side.rows.uid(id, row).map(|uid| (uid.slot, uid.generation));
            let ours: Vec<_> = a.iter().map(|&row| (uid(self.reference, table.left, row), row)).collect();
            let partner = |row: usize| {
                let found = ours.binary_search_by_key(&uid(self.candidate, table.right, row), |(uid, _)| *uid);
                found.ok().map(|at| (ours[at].1, row))
            };
            return b.into_iter().filter_map(partner).collect();
        }
        let steps = self.steps(table, &a, &b).into_iter();
        let both = steps.filter_map(|step| match step {
            Aligned::Same(x, y) | Aligned::Other(x, y) => Some((a[x], b[y])),
            Aligned::Missing(_) | Aligned::Extra(_) => None,
        });
        both.collect()
    }

    /// The rows of a table that are behaviour.
    pub(crate) fn behavioural_rows(&self, table: &TableRules) -> (Vec<usize>, Vec<usize>) {
        let rows = |side: TickRows<'_>, id: TableId| side.rows.behavioural_rows(id, side.range(id));
        (rows(self.reference, table.left), rows(self.candidate, table.right))
    }

    /// Whether one of the candidate's events has the cause of the reference's in its place, which it is compared with.
    pub(crate) fn same_cause(&self, table: &TableRules, row: usize) -> bool {
        let (ours, theirs) = self.behavioural_rows(table);
        let mut both = ours.iter().zip(&theirs).filter(|_| ours.len() == theirs.len());
        let cause = |row| self.candidate.cause(table.right, &theirs, row);
        both.any(|(&a, &b)| b == row && self.reference.cause(table.left, &ours, a) == cause(b))
    }

    /// Aligns rows of an ordered table, or of one whose rows stand for the same thing in every tick.
    fn steps(&self, table: &TableRules, a: &[usize], b: &[usize]) -> Vec<Aligned> {
        if is_positional(table.kind) {
            align(&vec![0; a.len()], &vec![0; b.len()])
        } else {
            align(&self.keys(table, Side::Reference, a), &self.keys(table, Side::Candidate, b))
        }
    }

    /// What tells the rows of an ordered table apart: what was drawn, called, ordered or happened, as far as it is compared.
    fn keys(&self, table: &TableRules, side: Side, rows: &[usize]) -> Vec<u64> {
        let telling: &[usize] = match table.kind {
            TableKind::Rng => &[rng::STREAM, rng::VALUE],
            TableKind::Calls => &[calls::SYSCALL, calls::STAGE, calls::ARGS],
            TableKind::Commands => &[commands::PLAYER, commands::KIND, commands::ARGS],
            TableKind::Timing => &[timing::STAGE],
            _ => &[events::KIND, events::SUBJECT_KIND, events::SUBJECT_SLOT, events::VALUES],
        };
        let of_side = match side {
            Side::Reference => self.reference,
            Side::Candidate => self.candidate,
        };
        let exact = |column: &&usize| table.column(**column).is_some_and(|rules| rules.rule == CellRule::Exact);
        let columns = &of_side.rows.table(table.id(side)).columns;
        let telling: Vec<&Column> = telling.iter().filter(exact).map(|&column| &columns[column]).collect();
        let mut bytes = Vec::new();
        let mut key = |row: usize| {
            bytes.clear();
            for column in &telling {
                match column {
                    Column::Bytes(ragged) => bytes.extend_from_slice(ragged.get(row)),
                    _ => bytes.extend_from_slice(&column.bits(row).to_le_bytes()),
                }
            }
            XxHash3_64::oneshot(&bytes)
        };
        rows.iter().map(|&row| key(row)).collect()
    }

    /// The content of all of memory on both sides.
    pub(crate) fn images(&self, table: &TableRules) -> (Vec<u8>, Vec<u8>) {
        (image(self.reference, table.left), image(self.candidate, table.right))
    }

    /// Whether a table but memory's differs in behaviour.
    pub(crate) fn differs(&self, table: &TableRules) -> bool {
        let behaviour = || table.columns.iter().filter(|column| column.role == Role::Behavioural);
        if table.kind == TableKind::Events {
            let (a, b) = (self.reference.events(table.left, true), self.candidate.events(table.right, true));
            let same = |a_row: usize, b_row: usize| {
                behaviour().all(|column| match column.left {
                    events::CAUSE => {
                        let candidate = self.candidate.cause(table.right, &b, b_row);
                        self.reference.cause(table.left, &a, a_row) == candidate
                    }
                    _ => self.same(table, column, a_row, b_row),
                })
            };
            return a.len() != b.len() || a.iter().zip(&b).any(|(&a, &b)| !same(a, b));
        }
        let (a, b) = (self.reference.range(table.left), self.candidate.range(table.right));
        a.len() != b.len()
            || behaviour().any(|column| {
                let (left, right) = self.column(table, column);
                !left.same_rows(a.clone(), right, b.start)
                    && a.clone().zip(b.clone()).any(|(a, b)| !self.same(table, column, a, b))
            })
    }
}

/// A member that the lists in two rows both have.
pub(crate) struct Member<'r> {
    /// Its number in the reference's list.
    number: usize,
    name: String,
    pub(crate) reference: Scalar,
    candidate: Scalar,
    rule: &'r CellRule,
}

impl Member<'_> {
    pub(crate) fn is_same(&self) -> bool {
        match self.rule {
            CellRule::Within(tolerance) => tolerance.admits(self.reference, self.candidate),
            _ => self.reference == self.candidate,
        }
    }
}

/// Every behavioural difference of a tick in the given channels, in causal order.
pub(crate) fn differences(pair: Pair<'_>, rules: &Rules, channels: ChannelSet) -> Vec<Difference> {
    let mut comparison = Comparison { pair, rules, role: Role::Behavioural, found: Vec::new() };
    comparison.channels(channels);
    comparison.found
}

/// The first difference of a tick in the fields of a channel that are not behaviour. Rows are matched by position, so
/// there is none to be told where their number differs.
pub(crate) fn first_diagnostic(pair: Pair<'_>, rules: &Rules, channel: Channel) -> Option<Difference> {
    let mut comparison = Comparison { pair, rules, role: Role::Diagnostic, found: Vec::new() };
    comparison.channels([channel].into_iter().collect());
    comparison.found.into_iter().next()
}

struct Comparison<'a> {
    pair: Pair<'a>,
    rules: &'a Rules,
    role: Role,
    found: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    fn channels(&mut self, channels: ChannelSet) {
        let rules = self.rules;
        for (number, table) in rules.tables.iter().enumerate().filter(|(_, table)| channels.contains(table.channel)) {
            match (table.kind, self.role) {
                (TableKind::Entities(_), Role::Behavioural) => self.entities(number, table),
                (TableKind::Memory, Role::Behavioural) => self.memory(table),
                (TableKind::Memory | TableKind::Entities(_), Role::Diagnostic) => {}
                (TableKind::Events, Role::Behavioural) => self.guest_events(number, table),
                (TableKind::Events, Role::Diagnostic) => self.other_events(table),
                _ => {
                    let ranges = (self.pair.reference.range(table.left), self.pair.candidate.range(table.right));
                    self.ordered(number, table, ranges.0.collect(), ranges.1.collect());
                }
            }
        }
    }

    fn push(
        &mut self,
        table: &TableRules,
        path: &Path,
        place: Option<Place>,
        reference: Option<Value>,
        candidate: Option<Value>,
    ) {
        let TickRows { rows, tick } = self.pair.reference;
        let (tick, path) = (rows.ticks()[tick], path.as_str().to_owned());
        self.found.push(Difference { tick, channel: table.channel, path, reference, candidate, place });
    }

    /// Rows of an ordered table: those that stand for each other are compared, others are missing or extra.
    fn ordered(&mut self, number: usize, table: &TableRules, a: Vec<usize>, b: Vec<usize>) {
        if self.role == Role::Diagnostic && a.len() != b.len() {
            return;
        }
        let steps = if self.role == Role::Diagnostic {
            align(&vec![0; a.len()], &vec![0; b.len()])
        } else {
            self.pair.steps(table, &a, &b)
        };
        let firsts = (self.pair.reference.range(table.left).start, self.pair.candidate.range(table.right).start);
        for step in steps {
            let (left, right) = match step {
                Aligned::Same(a, b) | Aligned::Other(a, b) => (Some(a), Some(b)),
                Aligned::Missing(a) => (Some(a), None),
                Aligned::Extra(b) => (None, Some(b)),
            };
            let (left, right) = (left.map(|at| a[at]), right.map(|at| b[at]));
            let shown = left.map_or_else(|| right.map_or(0, |row| row - firsts.1), |row| row - firsts.0);
            let layout = self.pair.reference.rows.layout();
            let path = || Path::row(layout, table.left, shown);
            if let (Some(a), Some(b)) = (left, right) {
                self.row(number, table, (a, b), path, RowKey::Position(shown));
            } else {
                let reference = left.map(|row| whole_row(self.pair.reference.rows, table.left, row));
                let candidate = right.map(|row| whole_row(self.pair.candidate.rows, table.right, row));
                // The rows of a tick that stand at a place have nothing to do with those of another tick there.
                self.push(table, &path(), None, reference, candidate);
            }
        }
    }

    fn row(&mut self, number: usize, table: &TableRules, (a, b): (usize, usize), path: impl Fn() -> Path, key: RowKey) {
        let keys = self.pair.reference.rows.layout().tables()[table.left.0].key_columns();
        for (index, column) in table.columns.iter().enumerate() {
            // An event's cause is a number among all events; it is compared as its digest has it, among the guest's.
            let is_cause = table.kind == TableKind::Events && column.left == events::CAUSE;
            if column.role != self.role || column.left < keys || is_cause || self.pair.same(table, column, a, b) {
                continue;
            }
            let place = Place { table: number, row: key, column: Some(index), member: None };
            let reference = cell(self.pair.reference.rows, table.left, column.left, a);
            let candidate = cell(self.pair.candidate.rows, table.right, column.right, b);
            let path = path().field(&column.name);
            let is_list = matches!(reference, Value::List(_));
            match is_list.then(|| self.pair.members(table, column, a, b)).flatten() {
                Some(members) => {
                    for member in members.iter().filter(|member| !member.is_same()) {
                        let place = Place { member: Some(member.number), ..place };
                        let values = (Value::Scalar(member.reference), Value::Scalar(member.candidate));
                        self.push(table, &path.field(&member.name), Some(place), Some(values.0), Some(values.1));
                    }
                }
                None => self.push(table, &path, Some(place), Some(reference), Some(candidate)),
            }
        }
    }

    /// Entities matched by their identity.
    fn entities(&mut self, number: usize, table: &TableRules) {
        let uids = |side: TickRows<'a>, id: TableId| {
            side.range(id).map(move |row| (side.rows.uid(id, row).expect("an entity table"), row))
        };
        let Pair { reference, candidate } = self.pair;
        let mut left = uids(reference, table.left).peekable();
        // Kinds are matched by their names; their numbers may differ.
        let kind = reference.rows.layout().tables()[table.left.0].kind;
        let TableKind::Entities(kind) = kind else { unreachable!("an entity table") };
        let mut right = uids(candidate, table.right).map(|(uid, row)| (Uid { kind, ..uid }, row)).peekable();
        while let Some(uid) = lesser(&mut left, &mut right) {
            let a = left.next_if(|(next, _)| *next == uid).map(|(_, row)| row);
            let b = right.next_if(|(next, _)| *next == uid).map(|(_, row)| row);
            let path = || Path::entity(reference.rows.layout(), uid);
            let key = RowKey::Entity(u64::from(uid.slot.0), u64::from(uid.generation.0));
            if let (Some(a), Some(b)) = (a, b) {
                self.row(number, table, (a, b), path, key);
            } else {
                let place = Place { table: number, row: key, column: None, member: None };
                let a = a.map(|row| whole_row(reference.rows, table.left, row));
                let b = b.map(|row| whole_row(candidate.rows, table.right, row));
                self.push(table, &path(), Some(place), a, b);
            }
        }
    }

    /// The guest's events among themselves.
    fn guest_events(&mut self, number: usize, table: &TableRules) {
        let Pair { reference, candidate } = self.pair;
        let (a, b) = (reference.events(table.left, true), candidate.events(table.right, true));
        let first = reference.range(table.left).start;
        let compared = table.column(events::CAUSE).is_some();
        for (&x, &y) in a.iter().zip(&b).filter(|_| compared && a.len() == b.len()) {
            let causes = (reference.cause(table.left, &a, x), candidate.cause(table.right, &b, y));
            if causes.0 != causes.1 {
                let path = Path::row(reference.rows.layout(), table.left, x - first).field("cause");
                let number = |cause| Some(Value::Scalar(Scalar::U32(cause)));
                self.push(table, &path, None, number(causes.0), number(causes.1));
            }
        }
        self.ordered(number, table, a, b);
    }

    /// Other origins' events are evidence even where their number differs: the first that has no equal is told.
    fn other_events(&mut self, table: &TableRules) {
        let Pair { reference, candidate } = self.pair;
        let (a, b) = (reference.events(table.left, false), candidate.events(table.right, false));
        let same = |a: usize, b: usize| table.columns.iter().all(|column| self.pair.same(table, column, a, b));
        let shared = a.iter().zip(&b).take_while(|(a, b)| same(**a, **b)).count();
        if let (None, None) = (a.get(shared), b.get(shared)) {
            return;
        }
        let place = |rows: &[usize], first: usize| rows.get(shared).map(|row| row - first);
        let (left, right) = (reference.range(table.left).start, candidate.range(table.right).start);
        let shown = place(&a, left).or(place(&b, right)).unwrap_or(shared);
        let path = Path::row(reference.rows.layout(), table.left, shown);
        let left = a.get(shared).map(|&row| event_text(reference.rows, table.left, row));
        let right = b.get(shared).map(|&row| event_text(candidate.rows, table.right, row));
        self.push(table, &path, None, left, right);
    }

    /// All of memory, as ranges of bytes that differ.
    fn memory(&mut self, table: &TableRules) {
        let (reference, candidate) = self.pair.images(table);
        for range in differing_ranges(&reference, &candidate) {
            let bytes = |image: &[u8]| Some(Value::bytes(&image[range.clone()]));
            self.push(table, &Path::memory(range.start, range.end), None, bytes(&reference), bytes(&candidate));
        }
    }
}

/// Whether the rows of a table stand for the same thing in every tick: they are as many, and told apart by their places.
fn is_positional(kind: TableKind) -> bool {
    matches!(kind, TableKind::Step | TableKind::Inputs | TableKind::State | TableKind::Checkpoint)
}

/// Equal bytes between two differing ones that separate two ranges.
pub(crate) const APART: usize = 16;
/// Most ranges of memory that are told apart.
const MOST_RANGES: usize = 256;

/// The bytes in which two images of memory differ. Ranges with little between them are one, and when there are very many the
/// last holds all the rest.
pub(crate) fn differing_ranges(reference: &[u8], candidate: &[u8]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    while let Some(start) = first_difference(reference, candidate, ranges.last().map_or(0, |range| range.end)) {
        let is_last = ranges.len() + 1 == MOST_RANGES;
        let end = if is_last { reference.len() } else { end_of_range(reference, candidate, start) };
        let last = (start..end).rev().find(|&byte| reference[byte] != candidate[byte]);
        ranges.push(start..last.map_or(end, |last| last + 1));
    }
    ranges
}

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

fn lesser(
    left: &mut Peekable<impl Iterator<Item = (Uid, usize)>>,
    right: &mut Peekable<impl Iterator<Item = (Uid, usize)>>,
) -> Option<Uid> {
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
