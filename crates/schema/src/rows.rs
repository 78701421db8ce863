//! Rows of consecutive ticks, held by column. A value is its bits; a table's rows stand tick after tick.

use std::ops::Range;
use std::sync::Arc;

use crate::admissible;
use crate::table::{ColumnType, columns};
use crate::{
    Channel, ChannelSet, Command, Field, Generation, Input, KindId, Layout, Origin, PlayerId, RowError, Scalar,
    ScalarType, Slot, Step, TableId, TableKind, Tick, Uid, vectorized,
};

/// Byte strings of any length, one a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ragged {
    /// For each row, where its bytes end in `data`; they begin where the row before ends.
    pub ends: Vec<u32>,
    /// The rows' bytes, one after another.
    pub data: Vec<u8>,
}

impl Ragged {
    /// The bytes of one row.
    pub fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.data[start..self.ends[row] as usize]
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.ends.push(u32::try_from(self.data.len()).expect("a block's rows stay far below 4 GiB"));
    }

    fn drop_first(&mut self, rows: usize) {
        let Some(last) = rows.checked_sub(1) else { return };
        let bytes = self.ends[last];
        self.ends.drain(..rows);
        self.ends.iter_mut().for_each(|end| *end -= bytes);
        self.data.drain(..bytes as usize);
    }

    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.data.truncate(self.ends.last().map_or(0, |&end| end as usize));
    }
}

/// The values of one column. 16-bit values occupy 32-bit lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// Bool and u8.
    W8(Vec<u8>),
    /// u16, i32, u32, f32.
    W32(Vec<u32>),
    /// i64, u64, f64.
    W64(Vec<u64>),
    /// Value lists and pages.
    Bytes(Ragged),
}

impl Column {
    /// An empty column of that type.
    pub fn new(column_type: ColumnType) -> Column {
        match column_type {
            ColumnType::Scalar(ty) => match ty.width() {
                1 => Column::W8(Vec::new()),
                2 | 4 => Column::W32(Vec::new()),
                _ => Column::W64(Vec::new()),
            },
            ColumnType::Values | ColumnType::Page => Column::Bytes(Ragged::default()),
        }
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        match self {
            Column::W8(lanes) => lanes.len(),
            Column::W32(lanes) => lanes.len(),
            Column::W64(lanes) => lanes.len(),
            Column::Bytes(ragged) => ragged.ends.len(),
        }
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bits of one row's scalar.
    ///
    /// # Panics
    /// If the column holds byte strings, or has no such row.
    pub fn bits(&self, row: usize) -> u64 {
        match self {
            Column::W8(lanes) => u64::from(lanes[row]),
            Column::W32(lanes) => u64::from(lanes[row]),
            Column::W64(lanes) => lanes[row],
            Column::Bytes(_) => panic!("a column of byte strings has no scalar bits"),
        }
    }

    /// The bytes of one row.
    ///
    /// # Panics
    /// If the column holds scalars, or has no such row.
    pub fn bytes(&self, row: usize) -> &[u8] {
        match self {
            Column::Bytes(ragged) => ragged.get(row),
            _ => panic!("a column of scalars has no byte strings"),
        }
    }

    /// Takes the first rows out.
    ///
    /// # Panics
    /// If it has fewer.
    pub fn drop_first(&mut self, rows: usize) {
        match self {
            Column::W8(lanes) => drop(lanes.drain(..rows)),
            Column::W32(lanes) => drop(lanes.drain(..rows)),
            Column::W64(lanes) => drop(lanes.drain(..rows)),
            Column::Bytes(ragged) => ragged.drop_first(rows),
        }
    }

    /// Takes all rows out; the buffers stay.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Whether a value of these rows differs from the first of them.
    pub fn varies(&self, rows: Range<usize>) -> bool {
        fn vary<L: PartialEq>(lanes: &[L]) -> bool {
            lanes.first().is_some_and(|first| lanes.iter().any(|lane| lane != first))
        }
        match self {
            Column::W8(lanes) => vary(&lanes[rows]),
            Column::W32(lanes) => vary(&lanes[rows]),
            Column::W64(lanes) => vary(&lanes[rows]),
            Column::Bytes(ragged) => rows.clone().any(|row| ragged.get(row) != ragged.get(rows.start)),
        }
    }

    /// The bits of the lowest and of the highest of its values, which are of that type; `None` without rows and of byte strings. Of
    /// floats −0 is below +0.
    pub fn range(&self, scalar_type: ScalarType) -> Option<(u64, u64)> {
        vectorized!(range_of(self, scalar_type))
    }

    /// Whether row `a` of this column equals row `b` of `other`, bit for bit.
    pub fn same(&self, a: usize, other: &Column, b: usize) -> bool {
        match (self, other) {
            (Column::Bytes(x), Column::Bytes(y)) => x.get(a) == y.get(b),
            _ => self.bits(a) == other.bits(b),
        }
    }

    /// Whether some rows of this column equal as many of `other` from row `from`, bit for bit.
    pub fn same_rows(&self, rows: Range<usize>, other: &Column, from: usize) -> bool {
        let others = from..from + rows.len();
        match (self, other) {
            (Column::W8(x), Column::W8(y)) => x[rows] == y[others],
            (Column::W32(x), Column::W32(y)) => x[rows] == y[others],
            (Column::W64(x), Column::W64(y)) => x[rows] == y[others],
            _ => rows.zip(others).all(|(a, b)| self.same(a, other, b)),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lane was chosen by the type's width")]
    #[inline]
    pub(crate) fn push_bits(&mut self, bits: u64) {
        match self {
            Column::W8(lanes) => lanes.push(bits as u8),
            Column::W32(lanes) => lanes.push(bits as u32),
            Column::W64(lanes) => lanes.push(bits),
            Column::Bytes(_) => panic!("a column of byte strings takes no scalar bits"),
        }
    }

    /// Appends some rows of a column of the same type.
    pub(crate) fn extend_from(&mut self, other: &Column, rows: Range<usize>) {
        match (self, other) {
            (Column::W8(lanes), Column::W8(from)) => lanes.extend_from_slice(&from[rows]),
            (Column::W32(lanes), Column::W32(from)) => lanes.extend_from_slice(&from[rows]),
            (Column::W64(lanes), Column::W64(from)) => lanes.extend_from_slice(&from[rows]),
            (Column::Bytes(ragged), Column::Bytes(from)) => rows.for_each(|row| ragged.push(from.get(row))),
            _ => panic!("the columns are of other types"),
        }
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        match self {
            Column::W8(lanes) => lanes.truncate(rows),
            Column::W32(lanes) => lanes.truncate(rows),
            Column::W64(lanes) => lanes.truncate(rows),
            Column::Bytes(ragged) => ragged.truncate(rows),
        }
    }
}

#[inline(always)]
fn range_of(column: &Column, scalar_type: ScalarType) -> Option<(u64, u64)> {
    match (column, scalar_type) {
        (Column::W8(lanes), _) => extremes(lanes, |bits| bits, u64::from),
        (Column::W32(lanes), ScalarType::F32) => {
            let back = |rank| u64::from(float_rank_32(rank).cast_unsigned());
            extremes(lanes, |bits: u32| float_rank_32(bits.cast_signed()), back)
        }
        (Column::W32(lanes), ScalarType::I32) => {
            extremes(lanes, u32::cast_signed, |rank: i32| u64::from(rank.cast_unsigned()))
        }
        (Column::W32(lanes), _) => extremes(lanes, |bits| bits, u64::from),
        (Column::W64(lanes), ScalarType::F64) => {
            let back = |rank| float_rank_64(rank).cast_unsigned();
            extremes(lanes, |bits: u64| float_rank_64(bits.cast_signed()), back)
        }
        (Column::W64(lanes), ScalarType::I64) => extremes(lanes, u64::cast_signed, i64::cast_unsigned),
        (Column::W64(lanes), _) => extremes(lanes, |bits| bits, |rank| rank),
        (Column::Bytes(_), _) => None,
    }
}

/// The lowest and the highest of some lanes, by numbers that are ordered as they are and that `back` makes their bits of.
#[inline(always)]
fn extremes<L: Copy, R: Ord + Copy>(lanes: &[L], rank: impl Fn(L) -> R, back: impl Fn(R) -> u64) -> Option<(u64, u64)> {
    let first = rank(*lanes.first()?);
    let ranks = lanes.iter().map(|&lane| rank(lane));
    let (low, high) = ranks.fold((first, first), |(low, high), rank| (low.min(rank), high.max(rank)));
    Some((back(low), back(high)))
}

/// A number that is ordered as the float of these bits is, and the other way round.
#[inline(always)]
fn float_rank_32(bits: i32) -> i32 {
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

#[inline(always)]
fn float_rank_64(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// The rows of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// For each tick, where its rows end; they begin where those of the tick before end.
    pub ends: Vec<u32>,
    /// One for each column of the table's schema, all of the same length.
    pub columns: Vec<Column>,
}

impl Table {
    /// Rows over all ticks.
    pub fn rows(&self) -> usize {
        self.ends.last().map_or(0, |&end| end as usize)
    }
}

/// The rows of consecutive ticks of one trace. [`crate::RowWriter`] and a reader's decoder make them; whoever holds them
/// may rely on every column having its declared type and every declared and loaded channel being there in every tick.
#[derive(Clone, Debug)]
pub struct Rows {
    pub(crate) layout: Arc<Layout>,
    pub(crate) ticks: Vec<Tick>,
    pub(crate) tables: Vec<Table>,
    loaded: ChannelSet,
}

impl Rows {
    /// No ticks yet.
    pub fn new(layout: Arc<Layout>) -> Rows {
        let empty = |schema: &crate::TableSchema| Table {
            ends: Vec::new(),
            columns: schema.columns.iter().map(|column| Column::new(column.column_type)).collect(),
        };
        let tables = layout.tables().iter().map(empty).collect();
        Rows { loaded: layout.channels(), tables, ticks: Vec::new(), layout }
    }

    /// Rows that a decoder read, checked against the layout. Rules that tie ticks to each other are [`crate::Continuity`]'s.
    ///
    /// # Errors
    /// The first value that its type or the layout does not admit.
    ///
    /// # Panics
    /// If the shape does not fit the layout (a table for each of the layout's, of every `loaded` channel an end for each
    /// tick and columns of equal length): that is a fault of the decoder.
    pub fn from_decoded(
        layout: Arc<Layout>,
        ticks: Vec<Tick>,
        tables: Vec<Table>,
        loaded: ChannelSet,
    ) -> Result<Rows, RowError> {
        assert_eq!(tables.len(), layout.tables().len(), "one table for each of the layout's");
        for (table, schema) in tables.iter().zip(layout.tables()).filter(|(_, schema)| loaded.contains(schema.channel))
        {
            assert_eq!(table.ends.len(), ticks.len(), "one end for each tick in {}", schema.name);
            assert_eq!(table.columns.len(), schema.columns.len(), "every column of {}", schema.name);
            assert!(
                table.columns.iter().all(|column| column.len() == table.rows()),
                "equal columns in {}",
                schema.name
            );
        }
        let rows = Rows { layout, ticks, tables, loaded };
        admissible::check(&rows)?;
        Ok(rows)
    }

    /// Rows of one table that a decoder read, checked against the layout. Columns that it did not read are empty; nothing may
    /// be asked of them, nor of other tables.
    ///
    /// # Errors
    /// The first value that its type or the layout does not admit.
    ///
    /// # Panics
    /// If the shape does not fit the layout, or a column is empty in a table whose columns do not stand alone: that is a
    /// fault of the decoder.
    pub fn from_decoded_table(
        layout: Arc<Layout>,
        ticks: Vec<Tick>,
        id: TableId,
        table: Table,
    ) -> Result<Rows, RowError> {
        let schema = &layout.tables()[id.0];
        assert_eq!(table.ends.len(), ticks.len(), "one end for each tick in {}", schema.name);
        assert_eq!(table.columns.len(), schema.columns.len(), "every column of {}", schema.name);
        let may_lack = schema.columns_stand_alone();
        let fits = |column: &Column| column.len() == table.rows() || may_lack && column.is_empty();
        assert!(table.columns.iter().all(fits), "equal columns in {}", schema.name);
        let loaded = [schema.channel].into_iter().collect();
        let mut tables = vec![Table::default(); layout.tables().len()];
        tables[id.0] = table;
        let rows = Rows { layout, ticks, tables, loaded };
        admissible::check_table(&rows, id)?;
        Ok(rows)
    }

    /// The tables alone, for their buffers.
    pub fn into_tables(self) -> Vec<Table> {
        self.tables
    }

    /// The layout that the rows obey.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The ticks, ascending.
    pub fn ticks(&self) -> &[Tick] {
        &self.ticks
    }

    /// The channels whose rows are here; of the others nothing may be asked.
    pub fn loaded(&self) -> ChannelSet {
        self.loaded
    }

    /// The rows of one table.
    pub fn table(&self, table: TableId) -> &Table {
        debug_assert!(self.loaded.contains(self.layout.tables()[table.0].channel), "the channel is not loaded");
        &self.tables[table.0]
    }

    /// Row numbers of one tick (by its index in [`Rows::ticks`]) in one table.
    pub fn range(&self, table: TableId, tick: usize) -> Range<usize> {
        let ends = &self.tables[table.0].ends;
        let start = if tick == 0 { 0 } else { ends[tick - 1] as usize };
        start..ends[tick] as usize
    }

    /// Index of a tick in [`Rows::ticks`].
    pub fn index_of(&self, tick: Tick) -> Option<usize> {
        self.ticks.binary_search(&tick).ok()
    }

    /// One scalar.
    ///
    /// # Panics
    /// If the column holds byte strings.
    pub fn scalar(&self, table: TableId, column: usize, row: usize) -> Scalar {
        let ColumnType::Scalar(ty) = self.layout.tables()[table.0].columns[column].column_type else {
            panic!("column {column} of {} holds no scalars", self.layout.tables()[table.0].name)
        };
        Scalar::from_bits(ty, self.table(table).columns[column].bits(row))
    }

    /// The identity of a row of an entity table; `None` for rows of other tables.
    pub fn uid(&self, table: TableId, row: usize) -> Option<Uid> {
        let TableKind::Entities(kind) = self.layout.tables()[table.0].kind else { return None };
        let columns = &self.table(table).columns;
        Some(Uid {
            kind,
            slot: Slot(lane32(columns[columns::entities::SLOT].bits(row))),
            generation: Generation(lane32(columns[columns::entities::GENERATION].bits(row))),
        })
    }

    /// The names and types of a value list's members: those that the row's command, syscall or event kind declares.
    pub fn value_fields(&self, table: TableId, column: usize, row: usize) -> Vec<Field> {
        let index = |column: usize| usize::try_from(self.table(table).columns[column].bits(row)).unwrap_or(usize::MAX);
        match self.layout.tables()[table.0].kind {
            TableKind::Commands => self.layout.command_kinds()[index(columns::commands::KIND)].args.clone(),
            TableKind::Events => self.layout.event_kinds()[index(columns::events::KIND)].values.clone(),
            TableKind::Calls => {
                let syscall = &self.layout.syscalls()[index(columns::calls::SYSCALL)];
                if column == columns::calls::ARGS {
                    return syscall.args.clone();
                }
                let present = !self.table(table).columns[column].bytes(row).is_empty();
                let result = |scalar_type| Field { name: "result".to_owned(), scalar_type };
                syscall.result.filter(|_| present).map(result).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The members of a value list.
    pub fn values(&self, table: TableId, column: usize, row: usize) -> Vec<(Field, Scalar)> {
        let bytes = self.table(table).columns[column].bytes(row);
        let lanes = bytes.as_chunks::<8>().0.iter().map(|lane| u64::from_le_bytes(*lane));
        let fields = self.value_fields(table, column, row);
        fields
            .into_iter()
            .zip(lanes)
            .map(|(field, bits)| (field.clone(), Scalar::from_bits(field.scalar_type, bits)))
            .collect()
    }

    /// What drove a tick; `None` if the step channel is not declared or not loaded.
    pub fn step(&self, tick: usize) -> Option<Step> {
        let table = |kind| self.layout.table(kind).filter(|_| self.loaded.contains(Channel::Step));
        let (step, inputs, commands) =
            (table(TableKind::Step)?, table(TableKind::Inputs)?, table(TableKind::Commands)?);
        let number = |table: TableId, column: usize, row| lane32(self.table(table).columns[column].bits(row));
        let input = |row| {
            let axis = |column| f32::from_bits(number(inputs, column, row));
            Input {
                buttons: number(inputs, columns::inputs::BUTTONS, row),
                move_x: axis(columns::inputs::MOVE_X),
                move_y: axis(columns::inputs::MOVE_Y),
                aim_x: axis(columns::inputs::AIM_X),
                aim_y: axis(columns::inputs::AIM_Y),
            }
        };
        let command = |row| {
            let columns = &self.table(commands).columns;
            let args = self.values(commands, columns::commands::ARGS, row);
            Command {
                player: PlayerId(u8::try_from(columns[columns::commands::PLAYER].bits(row)).expect("a u8")),
                kind: KindId(u16::try_from(columns[columns::commands::KIND].bits(row)).expect("a u16")),
                args: args.into_iter().map(|(_, value)| value).collect(),
            }
        };
        let row = self.range(step, tick).start;
        Some(Step {
            dt: f32::from_bits(number(step, columns::step::DT, row)),
            elapsed: self.table(step).columns[columns::step::ELAPSED].bits(row),
            mode: number(step, columns::step::MODE, row),
            inputs: self.range(inputs, tick).map(input).collect(),
            commands: self.range(commands, tick).map(command).collect(),
        })
    }

    /// The rows of a table that are behaviour, over some ticks: all, but of events the guest's alone.
    pub fn behavioural_rows(&self, table: TableId, rows: Range<usize>) -> Vec<usize> {
        let is_event = self.layout.tables()[table.0].kind == TableKind::Events;
        let origin = |row: &usize| self.table(table).columns[columns::events::ORIGIN].bits(*row);
        rows.filter(|row| !is_event || origin(row) == Origin::Guest as u64).collect()
    }

    /// Whether a player pressed, pushed or ordered anything in a tick.
    pub fn has_input(&self, tick: usize) -> bool {
        let (Some(inputs), Some(commands)) =
            (self.layout.table(TableKind::Inputs), self.layout.table(TableKind::Commands))
        else {
            return false;
        };
        let negative_zero = u64::from((-0.0f32).to_bits());
        let at_rest = |column: &Column, row| column.bits(row) == 0 || column.bits(row) == negative_zero;
        let columns = &self.table(inputs).columns;
        let pushed = |row| !columns[1..].iter().all(|axis| at_rest(axis, row)) || columns[0].bits(row) != 0;
        !self.range(commands, tick).is_empty() || self.range(inputs, tick).any(pushed)
    }

    /// Bytes that the rows occupy in memory.
    pub fn raw_bytes(&self) -> usize {
        let all = (0..self.tables.len()).map(|index| self.table_bytes(index, 0..self.tables[index].rows()));
        all.sum::<usize>() + self.tables.len() * self.ticks.len() * 4
    }

    /// Bytes that the rows of one tick occupy in memory.
    pub(crate) fn tick_bytes(&self, tick: usize) -> usize {
        let all = (0..self.tables.len()).map(|index| self.table_bytes(index, self.range(TableId(index), tick)));
        all.sum::<usize>() + self.tables.len() * 4
    }

    fn table_bytes(&self, index: usize, rows: Range<usize>) -> usize {
        let content = |column: &Column| match column {
            Column::Bytes(ragged) if !rows.is_empty() => {
                let start = if rows.start == 0 { 0 } else { ragged.ends[rows.start - 1] };
                (ragged.ends[rows.end - 1] - start) as usize
            }
            _ => 0,
        };
        let schema = &self.layout.tables()[index];
        let strings = if schema.has_strings { self.tables[index].columns.iter().map(content).sum() } else { 0 };
        rows.len() * schema.row_bytes + strings
    }

    pub(crate) fn truncate(&mut self, ticks: usize) {
        self.ticks.truncate(ticks);
        for table in &mut self.tables {
            table.ends.truncate(ticks);
            let rows = table.rows();
            table.columns.iter_mut().for_each(|column| column.truncate(rows));
        }
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Rows) -> bool {
        self.layout == other.layout && self.ticks == other.ticks && self.tables == other.tables
    }
}

/// The low 32 bits, where a column's type says that there are no others.
#[expect(clippy::cast_possible_truncation, reason = "the lane is 32 bits wide")]
pub(crate) fn lane32(bits: u64) -> u32 {
    debug_assert!(bits <= u64::from(u32::MAX));
    bits as u32
}

/// The lanes of a column that the schema says has 8 bits.
pub(crate) fn lanes8(column: &Column) -> &[u8] {
    let Column::W8(lanes) = column else { panic!("the column has 8-bit lanes") };
    lanes
}

/// The lanes of a column that the schema says has 32 bits.
pub(crate) fn lanes32(column: &Column) -> &[u32] {
    let Column::W32(lanes) = column else { panic!("the column has 32-bit lanes") };
    lanes
}

/// The lanes of a column that the schema says has 64 bits.
pub(crate) fn lanes64(column: &Column) -> &[u64] {
    let Column::W64(lanes) = column else { panic!("the column has 64-bit lanes") };
    lanes
}

/// The entity kind of a table, if it is one of entities.
pub(crate) fn entity_kind(kind: TableKind) -> Option<KindId> {
    if let TableKind::Entities(kind) = kind { Some(kind) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_in_the_order_of_values() {
        let range = |scalar_type, values: &[Scalar]| {
            let mut column = Column::new(ColumnType::Scalar(scalar_type));
            for value in values {
                match &mut column {
                    Column::W8(lanes) => lanes.push(u8::try_from(value.bits()).unwrap()),
                    Column::W32(lanes) => lanes.push(lane32(value.bits())),
                    Column::W64(lanes) => lanes.push(value.bits()),
                    Column::Bytes(_) => unreachable!("of scalars"),
                }
            }
            column.range(scalar_type)
        };
        // Each list ascends; whatever the order it stands in, the ends are the range.
        let lists: [(ScalarType, Vec<Scalar>); 8] = [
            (ScalarType::Bool, [false, true].map(Scalar::Bool).to_vec()),
            (ScalarType::U16, [0, 3, 65_535].map(Scalar::U16).to_vec()),
            (ScalarType::I32, [i32::MIN, -1, 0, 1, i32::MAX].map(Scalar::I32).to_vec()),
            (ScalarType::U32, [0, 1, 1 << 31, u32::MAX].map(Scalar::U32).to_vec()),
            (ScalarType::I64, [i64::MIN, -1, 0, 1, i64::MAX].map(Scalar::I64).to_vec()),
            (ScalarType::U64, [0, 1, 1 << 63, u64::MAX].map(Scalar::U64).to_vec()),
            (ScalarType::F32, [f32::MIN, -1.5, -1e-40, -0.0, 0.0, 1e-40, 1.5, f32::MAX].map(Scalar::F32).to_vec()),
            (ScalarType::F64, [f64::MIN, -1.5, -1e-320, -0.0, 0.0, 1e-320, 1.5, f64::MAX].map(Scalar::F64).to_vec()),
        ];
        for (scalar_type, ascending) in lists {
            assert_eq!(range(scalar_type, &[]), None);
            for (first, low) in ascending.iter().enumerate() {
                for high in &ascending[first..] {
                    let expected = Some((low.bits(), high.bits()));
                    // Enough of them that several are looked at at once.
                    let many: Vec<Scalar> = [*high, *low].into_iter().cycle().take(100).collect();
                    assert_eq!(range(scalar_type, &many), expected, "{scalar_type} {low:?} {high:?}");
                    assert_eq!(range(scalar_type, &[*low, *high]), expected, "{scalar_type} {low:?} {high:?}");
                }
            }
        }
    }
}
