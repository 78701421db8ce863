//! Single faults: the least change of one value, or one row too few or too many, in the rows of a candidate.

use std::borrow::Cow;

use cdt_schema::columns::{calls, commands, entities, events, memory, rng, timing};
use cdt_schema::{Arity, Column, ColumnType, Layout, Path, Ragged, Role, Rows, Scalar, ScalarType, Table, TableKind};

use crate::compare::{APART, Difference, Member, Pair, differing_ranges};
use crate::policy::Tolerance;
use crate::rules::{CellRule, ColumnRules, TableRules, lists};

/// A sort of fault in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A value of a column, by its number in the rules.
    Value(usize),
    /// A member of a column's lists: the column, the kind of row and the member.
    Member(usize, usize, usize),
    /// A tick's last row is not there.
    RowMissing,
    /// There is one more row.
    RowExtra,
}

/// Where a fault may be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Among {
    /// Where the two agree in what it changes, so that only the fault can make them differ there.
    Agreeing,
    /// Wherever the layout admits it.
    All,
}

/// Every sort of fault that a comparison of this table must see.
pub(crate) fn of(candidate: &Layout, table: &TableRules) -> Vec<Fault> {
    let schema = &candidate.tables()[table.right.0];
    let mut faults = Vec::new();
    for (number, column) in table.columns.iter().enumerate().filter(|(_, c)| c.role == Role::Behavioural) {
        match (schema.columns[column.right].column_type, table.kind) {
            (ColumnType::Values, _) => {
                for (kind, members) in lists(candidate, table.kind, column.right).iter().enumerate() {
                    let compared = |member: &usize| *column.rule.member(kind, *member) != CellRule::LeftOut;
                    faults
                        .extend((0..members.len()).filter(compared).map(|member| Fault::Member(number, kind, member)));
                }
            }
            // A page's number is where its content stands; without it, other content is told.
            (ColumnType::Scalar(_), TableKind::Memory) => {}
            _ => faults.push(Fault::Value(number)),
        }
    }
    if schema.arity == Arity::Many && table.kind != TableKind::Memory {
        faults.extend([Fault::RowMissing, Fault::RowExtra]);
    }
    faults
}

impl Fault {
    /// What the fault is in.
    pub(crate) fn name(&self, candidate: &Layout, table: &TableRules) -> String {
        let own = Path::table(candidate, table.right);
        let column =
            |number: usize| own.field(&candidate.tables()[table.right.0].columns[table.columns[number].right].name);
        match *self {
            Fault::Value(number) => column(number).to_string(),
            Fault::Member(number, kind, member) => {
                let lists = lists(candidate, table.kind, table.columns[number].right);
                column(number).field(&lists[kind][member].name).to_string()
            }
            Fault::RowMissing | Fault::RowExtra => own.to_string(),
        }
    }

    /// The sort of fault in words.
    pub(crate) fn sort(&self) -> &'static str {
        match self {
            Fault::Value(_) | Fault::Member(..) => "other value",
            Fault::RowMissing => "row missing",
            Fault::RowExtra => "row extra",
        }
    }

    /// The candidate's block with the fault in this tick; `None` where the tick has no place for it.
    pub(crate) fn plant(&self, table: &TableRules, pair: Pair<'_>, among: Among) -> Option<Rows> {
        let mut planter = Planter {
            table,
            pair,
            among,
            partners: pair.partners(table),
            layout: pair.candidate.rows.layout(),
            rows: Cow::Borrowed(pair.candidate.rows.table(table.right)),
        };
        let found = match *self {
            Fault::Value(number) => planter.value(&table.columns[number]),
            Fault::Member(number, kind, member) => planter.member(&table.columns[number], kind, member),
            Fault::RowMissing => planter.remove(),
            Fault::RowExtra => planter.add(),
        };
        found?;
        let rows = pair.candidate.rows;
        let mut tables = rows.clone().into_tables();
        tables[table.right.0] = planter.rows.into_owned();
        Rows::from_decoded(rows.layout().clone(), rows.ticks().to_vec(), tables, rows.loaded()).ok()
    }

    /// Whether a tick has, on either side, that in which there could be such a fault, whether the two agree in it or not.
    pub(crate) fn is_possible(&self, table: &TableRules, pair: Pair<'_>) -> bool {
        let in_reference = match *self {
            Fault::Member(_, kind, _) => {
                let kinds = &pair.reference.rows.table(table.left).columns[table.kind_column()];
                pair.behavioural_rows(table).0.into_iter().any(|row| kinds.bits(row) == kind as u64)
            }
            Fault::Value(_) | Fault::RowMissing | Fault::RowExtra => false,
        };
        in_reference || self.plant(table, pair, Among::All).is_some()
    }

    /// Whether a difference of the fault's channel is in the fault's own field, or may be in any of its rows.
    pub(crate) fn is_told_by(&self, table: &TableRules, candidate: &Layout, difference: &Difference) -> bool {
        let is_of = |name: &str| difference.path.ends_with(&format!(".{name}"));
        match *self {
            Fault::RowMissing | Fault::RowExtra => true,
            // Bytes of memory are told by their addresses.
            Fault::Value(_) if table.kind == TableKind::Memory => true,
            Fault::Value(number) => is_of(&table.columns[number].name),
            // Beside a row of another kind, which has other members, the list is told as one.
            Fault::Member(number, kind, member) => {
                let column = &table.columns[number];
                is_of(&column.name) || is_of(&lists(candidate, table.kind, column.right)[kind][member].name)
            }
        }
    }
}

struct Planter<'a> {
    table: &'a TableRules,
    pair: Pair<'a>,
    among: Among,
    /// Rows that stand for each other, the candidate's last.
    partners: Vec<(usize, usize)>,
    layout: &'a Layout,
    /// The candidate's rows, to be changed.
    rows: Cow<'a, Table>,
}

impl Planter<'_> {
    /// Rows of the tick that are compared.
    fn range(&self) -> Vec<usize> {
        self.pair.behavioural_rows(self.table).1
    }

    /// The reference's row that a row of the candidate is compared with.
    fn partner(&self, row: usize) -> Option<usize> {
        self.partners.iter().find(|(_, theirs)| *theirs == row).map(|(ours, _)| *ours)
    }

    /// Whether a value of a row may be changed.
    fn may_change(&self, column: &ColumnRules, row: usize) -> bool {
        let agrees = || match (self.table.kind, column.left) {
            (TableKind::Events, events::CAUSE) => self.pair.same_cause(self.table, row),
            // An event of another origin is none of the guest's.
            (TableKind::Events, events::ORIGIN) => self.may_go(row),
            _ => self.partner(row).is_some_and(|ours| self.pair.same(self.table, column, ours, row)),
        };
        self.among == Among::All || agrees()
    }

    /// Whether a row may be taken away or doubled: it must not stand for one that is missing, or be one that is extra.
    fn may_go(&self, row: usize) -> bool {
        let is_paired = match self.table.kind {
            TableKind::Entities(_) => self.partner(row).is_some(),
            _ => {
                let (ours, theirs) = self.pair.behavioural_rows(self.table);
                (ours.len(), theirs.len()) == (self.partners.len(), self.partners.len())
            }
        };
        self.among == Among::All || is_paired
    }

    fn bits(&self, column: usize, row: usize) -> u64 {
        self.rows.columns[column].bits(row)
    }

    fn index(&self, column: usize, row: usize) -> usize {
        usize::try_from(self.bits(column, row)).unwrap_or(usize::MAX)
    }

    fn set(&mut self, column: usize, row: usize, bits: u64) {
        set_bits(&mut self.rows.to_mut().columns[column], row, bits);
    }

    fn value(&mut self, column: &ColumnRules) -> Option<()> {
        let schema = &self.layout.tables()[self.table.right.0];
        let ColumnType::Scalar(scalar_type) = schema.columns[column.right].column_type else {
            return self.page(column);
        };
        let mut rows = self.range().into_iter();
        rows.find_map(
            |row| if self.may_change(column, row) { self.other_value(column, scalar_type, row) } else { None },
        )
    }

    /// Another byte in a page that has nothing to do with bytes that differ already.
    fn page(&mut self, column: &ColumnRules) -> Option<()> {
        let differing = match self.among {
            Among::All => Vec::new(),
            Among::Agreeing => {
                let (reference, candidate) = self.pair.images(self.table);
                differing_ranges(&reference, &candidate)
            }
        };
        let size = self.layout.memory().page_size as usize;
        let is_apart = |row: &usize| {
            let start = self.index(memory::PAGE, *row) * size;
            differing.iter().all(|range| start + size + APART <= range.start || range.end + APART <= start)
        };
        let row = self.range().into_iter().find(is_apart)?;
        let Column::Bytes(pages) = &mut self.rows.to_mut().columns[column.right] else { return None };
        let last = pages.ends[row] as usize - 1;
        pages.data[last] ^= 1;
        Some(())
    }

    /// Another value that the layout admits in a row.
    fn other_value(&mut self, column: &ColumnRules, scalar_type: ScalarType, row: usize) -> Option<()> {
        let number = column.right;
        let layout = self.layout;
        let next = |planter: &Planter<'_>, count: usize| {
            let index = planter.index(number, row);
            (count > 1).then(|| ((index + 1) % count) as u64)
        };
        let bits = match (self.table.kind, number) {
            (TableKind::Rng, rng::STREAM) => next(self, layout.rng_streams().len())?,
            (TableKind::Calls, calls::STAGE) | (TableKind::Timing, timing::STAGE) => {
                next(self, layout.spec().stages.len())?
            }
            (TableKind::Commands, commands::PLAYER) => next(self, usize::from(layout.spec().players))?,
            (TableKind::Commands, commands::KIND)
            | (TableKind::Events, events::KIND)
            | (TableKind::Calls, calls::SYSCALL) => return self.other_kind(number, row),
            (TableKind::Calls, calls::DECISION) => {
                // One that was denied has no result.
                let was_denied = self.bits(number, row) != 0;
                let results = lists(layout, TableKind::Calls, calls::RESULT);
                let members = if was_denied { results[self.index(calls::SYSCALL, row)].len() } else { 0 };
                if let Column::Bytes(cells) = &mut self.rows.to_mut().columns[calls::RESULT] {
                    replace(cells, row, vec![0; members * 8]);
                }
                u64::from(!was_denied)
            }
            (TableKind::Events, events::ORIGIN) => 1,
            (TableKind::Events, events::CAUSE) => self.other_cause(row)?,
            (TableKind::Events, events::HAS_SUBJECT) => return self.other_subject(row),
            (TableKind::Events, events::SUBJECT_KIND) => {
                let has_subject = self.bits(events::HAS_SUBJECT, row) == 1;
                next(self, layout.entity_kinds().len()).filter(|_| has_subject)?
            }
            (TableKind::Events, events::SUBJECT_SLOT | events::SUBJECT_GENERATION) => {
                (self.bits(events::HAS_SUBJECT, row) == 1).then(|| self.bits(number, row) ^ 1)?
            }
            (TableKind::Entities(_), entities::SLOT) => self.free_slot(row)?,
            (TableKind::Entities(_), entities::GENERATION) => {
                // Earlier in the block, the next tick would have a generation that has passed.
                let is_last = self.pair.candidate.tick + 1 == self.pair.candidate.rows.ticks().len();
                self.bits(number, row).checked_add(1).filter(|&next| is_last && next <= u64::from(u32::MAX))?
            }
            _ => {
                let now = Scalar::from_bits(scalar_type, self.bits(number, row));
                let of = |ours: usize| self.pair.reference.rows.scalar(self.table.left, column.left, ours);
                let reference = self.partner(row).map_or(now, of);
                other_scalar(&column.rule, reference, now)?
            }
        };
        self.set(number, row, bits);
        Some(())
    }

    /// Another kind of row, with zeros where that has values.
    fn other_kind(&mut self, column: usize, row: usize) -> Option<()> {
        let kind = self.index(column, row);
        let layout = self.layout;
        let (count, lists) = match self.table.kind {
            TableKind::Commands => (layout.command_kinds().len(), vec![commands::ARGS]),
            TableKind::Calls => (layout.syscalls().len(), vec![calls::ARGS, calls::RESULT]),
            _ => (layout.event_kinds().len(), vec![events::VALUES]),
        };
        let other = (kind + 1) % count;
        if other == kind {
            return None;
        }
        self.set(column, row, other as u64);
        let is_denied = self.table.kind == TableKind::Calls && self.bits(calls::DECISION, row) != 0;
        for list in lists {
            let members = self::lists(layout, self.table.kind, list)[other].len();
            let members = if list == calls::RESULT && is_denied { 0 } else { members };
            if let Column::Bytes(cells) = &mut self.rows.to_mut().columns[list] {
                replace(cells, row, vec![0; members * 8]);
            }
        }
        Some(())
    }

    /// Another cause among the guest's events of the tick.
    fn other_cause(&self, row: usize) -> Option<u64> {
        let guests = self.range();
        let start = self.pair.candidate.range(self.table.right).start;
        let cause = self.index(events::CAUSE, row);
        let is_guest = cause > 0 && guests.contains(&(start + cause - 1));
        match (is_guest, guests.first()) {
            (true, _) => Some(0),
            (false, Some(&first)) if first < row => Some((first - start) as u64 + 1),
            _ => None,
        }
    }

    /// Takes an event's subject away, or gives it one.
    fn other_subject(&mut self, row: usize) -> Option<()> {
        let has_subject = self.bits(events::HAS_SUBJECT, row) == 1;
        if !has_subject && self.layout.entity_kinds().is_empty() {
            return None;
        }
        self.set(events::HAS_SUBJECT, row, u64::from(!has_subject));
        for column in [events::SUBJECT_KIND, events::SUBJECT_SLOT, events::SUBJECT_GENERATION] {
            self.set(column, row, 0);
        }
        Some(())
    }

    /// A slot that nobody has in either block, for the tick's last entity.
    fn free_slot(&self, row: usize) -> Option<u64> {
        let ours = &self.pair.reference.rows.table(self.table.left).columns[entities::SLOT];
        let slots = [&self.rows.columns[entities::SLOT], ours].into_iter();
        let highest = slots.flat_map(|slots| (0..slots.len()).map(|row| slots.bits(row))).max()?;
        let is_last = self.range().last() == Some(&row);
        Some(highest + 1).filter(|&slot| is_last && slot <= u64::from(u32::MAX))
    }

    fn member(&mut self, column: &ColumnRules, kind: usize, member: usize) -> Option<()> {
        let field = &lists(self.layout, self.table.kind, column.right)[kind][member];
        let of_kind = self.range().into_iter().filter(|&row| self.index(self.table.kind_column(), row) == kind);
        for row in of_kind.collect::<Vec<usize>>() {
            let both =
                self.partner(row).and_then(|ours| self.pair.member(self.table, column, (ours, row), &field.name));
            if self.among == Among::Agreeing && !both.as_ref().is_some_and(Member::is_same) {
                continue;
            }
            let Column::Bytes(list) = &self.rows.columns[column.right] else { return None };
            let Some(now) = lane(list.get(row), member) else { continue };
            let now = Scalar::from_bits(field.scalar_type, now);
            let start = list.ends[row] as usize - list.get(row).len() + member * 8;
            let reference = both.map_or(now, |both| both.reference);
            let Some(bits) = other_scalar(column.rule.member(kind, member), reference, now) else { continue };
            let Column::Bytes(list) = &mut self.rows.to_mut().columns[column.right] else { return None };
            list.data[start..start + 8].copy_from_slice(&bits.to_le_bytes());
            return Some(());
        }
        None
    }

    /// Takes the tick's last row away.
    fn remove(&mut self) -> Option<()> {
        let row = self.last_row()?;
        let rows = self.rows.to_mut();
        rows.columns.iter_mut().for_each(|column| remove(column, row));
        rows.ends[self.pair.candidate.tick..].iter_mut().for_each(|end| *end -= 1);
        Some(())
    }

    /// Puts a copy of the tick's last row behind it; of an entity, in a slot that nobody has.
    fn add(&mut self) -> Option<()> {
        let row = self.last_row()?;
        let is_entity = matches!(self.table.kind, TableKind::Entities(_));
        let slot = if is_entity { Some(self.free_slot(row)?) } else { None };
        let rows = self.rows.to_mut();
        rows.columns.iter_mut().for_each(|column| repeat(column, row));
        rows.ends[self.pair.candidate.tick..].iter_mut().for_each(|end| *end += 1);
        if let Some(slot) = slot {
            self.set(entities::SLOT, row + 1, slot);
        }
        Some(())
    }

    /// The tick's last row, if it is behaviour: later events of the tick may name it as their cause.
    fn last_row(&self) -> Option<usize> {
        let row = *self.range().last()?;
        let is_last = row + 1 == self.pair.candidate.range(self.table.right).end;
        Some(row).filter(|&row| is_last && self.may_go(row))
    }
}

fn lane(list: &[u8], member: usize) -> Option<u64> {
    list.as_chunks::<8>().0.get(member).map(|lane| u64::from_le_bytes(*lane))
}

/// The least change of a value that a rule must not let pass: of its last bit, or to just beyond a tolerance.
fn other_scalar(rule: &CellRule, reference: Scalar, now: Scalar) -> Option<u64> {
    let scalar_type = now.scalar_type();
    let CellRule::Within(tolerance) = rule else { return Some(now.bits() ^ 1) };
    let candidates: Vec<u64> = match (*tolerance, reference) {
        (Tolerance::Ulp(bound), _) => {
            let away = bound.saturating_add(1);
            vec![reference.bits().wrapping_add(away), reference.bits().wrapping_sub(away)]
        }
        (tolerance, Scalar::F32(value)) => {
            beyond(tolerance, f64::from(value)).map(|v| u64::from(to_f32(v).to_bits())).to_vec()
        }
        (tolerance, Scalar::F64(value)) => beyond(tolerance, value).map(f64::to_bits).to_vec(),
        (tolerance, _) => integers_beyond(tolerance, reference),
    };
    candidates.into_iter().find(|&bits| {
        let fits = bits <= u64::MAX >> (64 - scalar_type.width() * 8) && scalar_type.admits(bits);
        fits && !tolerance.admits(reference, Scalar::from_bits(scalar_type, bits))
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the nearest f32 is wanted")]
fn to_f32(value: f64) -> f32 {
    value as f32
}

/// Numbers beyond a tolerance around a value, the nearest first.
fn beyond(tolerance: Tolerance, value: f64) -> [f64; 6] {
    let away = match tolerance {
        Tolerance::Absolute(bound) => bound,
        Tolerance::Relative(bound) => bound * value.abs(),
        Tolerance::Ulp(_) => 0.0,
    };
    let step = (away * 1.01).max(f64::from(f32::EPSILON) * value.abs().max(1.0));
    [value + step, value - step, value + 4.0 * step, value - 4.0 * step, -value - 1.0, value * 4.0 + 4.0]
}

/// Integers beyond a tolerance around a value, as bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a bound beyond every integer leaves no candidate, which is checked"
)]
#[expect(clippy::cast_precision_loss, reason = "the candidates are checked against the tolerance itself")]
fn integers_beyond(tolerance: Tolerance, reference: Scalar) -> Vec<u64> {
    let Some(value) = reference.integer() else { return Vec::new() };
    let away = match tolerance {
        Tolerance::Absolute(bound) => bound,
        Tolerance::Relative(bound) => bound * (value as f64).abs() * 2.0,
        Tolerance::Ulp(_) => return Vec::new(),
    };
    let step = away.floor() as i128 + 1;
    let (low, high) = match reference.scalar_type() {
        ScalarType::I32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
        ScalarType::I64 => (i128::from(i64::MIN), i128::from(i64::MAX)),
        other => (0, (1i128 << (other.width() * 8)) - 1),
    };
    let inside = [value.saturating_add(step), value.saturating_sub(step), low, high];
    let width = reference.scalar_type().width() * 8;
    let bits = |n: i128| u64::try_from(n.cast_unsigned() & (u128::MAX >> (128 - width))).ok();
    inside.into_iter().filter(|n| (low..=high).contains(n)).filter_map(bits).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "the bits are those of a value of the column's width")]
fn set_bits(column: &mut Column, row: usize, bits: u64) {
    match column {
        Column::W8(lanes) => lanes[row] = bits as u8,
        Column::W32(lanes) => lanes[row] = bits as u32,
        Column::W64(lanes) => lanes[row] = bits,
        Column::Bytes(_) => unreachable!("the column holds scalars"),
    }
}

fn remove(column: &mut Column, row: usize) {
    match column {
        Column::W8(lanes) => drop(lanes.remove(row)),
        Column::W32(lanes) => drop(lanes.remove(row)),
        Column::W64(lanes) => drop(lanes.remove(row)),
        Column::Bytes(list) => {
            let cells: Vec<Vec<u8>> =
                cells(list).enumerate().filter(|(at, _)| *at != row).map(|(_, cell)| cell).collect();
            *list = of_cells(cells);
        }
    }
}

fn repeat(column: &mut Column, row: usize) {
    match column {
        Column::W8(lanes) => lanes.insert(row, lanes[row]),
        Column::W32(lanes) => lanes.insert(row, lanes[row]),
        Column::W64(lanes) => lanes.insert(row, lanes[row]),
        Column::Bytes(list) => {
            let mut cells: Vec<Vec<u8>> = cells(list).collect();
            cells.insert(row, cells[row].clone());
            *list = of_cells(cells);
        }
    }
}

fn replace(list: &mut Ragged, row: usize, cell: Vec<u8>) {
    let mut cells: Vec<Vec<u8>> = cells(list).collect();
    cells[row] = cell;
    *list = of_cells(cells);
}

fn cells(list: &Ragged) -> impl Iterator<Item = Vec<u8>> {
    (0..list.ends.len()).map(|row| list.get(row).to_vec())
}

fn of_cells(cells: Vec<Vec<u8>>) -> Ragged {
    let mut list = Ragged::default();
    for cell in cells {
        list.data.extend_from_slice(&cell);
        list.ends.push(u32::try_from(list.data.len()).expect("a block's rows stay far below 4 GiB"));
    }
    list
}
