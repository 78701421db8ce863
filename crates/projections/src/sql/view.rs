//! The tables that SQL sees: those of the layout with `tick` in front, names for numbers, nulls for what is not there, and
//! a table for every kind of command, call and event, with the members of its list as columns.

use std::sync::Arc;

use cdt_schema::columns::{calls, commands, events, rng, timing};
use cdt_schema::{ColumnType, Field, Layout, ScalarType, TableId, TableKind, TableSchema};
use polars::prelude::{DataType, PlSmallStr, Schema, SchemaRef};

use crate::value::{DECISIONS, ORIGINS};

/// A table as SQL sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlTable {
    /// Its name, which needs no quotes unless it has other characters than letters, digits, `_` and `.`.
    pub name: String,
    /// Its columns.
    pub columns: Vec<SqlColumn>,
}

/// A column as SQL sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlColumn {
    /// Its name.
    pub name: String,
    /// Name of its type: `bool`, `i64`, `i128`, `f32`, `f64`, `text`, `bytes`, or another that a query casts to.
    pub type_name: &'static str,
}

/// The tables of traces of a layout.
pub fn sql_tables(layout: &Layout) -> Vec<SqlTable> {
    let table = |view: View| SqlTable { columns: columns(&view.schema()), name: view.name };
    views(layout, Integers::Wide).into_iter().map(table).collect()
}

/// Names and types of columns.
pub(super) fn columns(schema: &Schema) -> Vec<SqlColumn> {
    let column = |(name, data_type): (&PlSmallStr, &DataType)| SqlColumn {
        name: name.to_string(),
        type_name: type_name(data_type),
    };
    schema.iter().map(column).collect()
}

fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "bool",
        DataType::Int8 => "i8",
        DataType::Int16 => "i16",
        DataType::Int32 => "i32",
        DataType::Int64 => "i64",
        DataType::Int128 => "i128",
        DataType::UInt8 => "u8",
        DataType::UInt16 => "u16",
        DataType::UInt32 => "u32",
        DataType::UInt64 => "u64",
        DataType::UInt128 => "u128",
        DataType::Float32 => "f32",
        DataType::Float64 => "f64",
        DataType::String => "text",
        DataType::Binary => "bytes",
        DataType::List(_) => "list",
        DataType::Struct(_) => "struct",
        DataType::Null => "null",
        _ => "other",
    }
}

/// Of which types the integers of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Integers {
    /// Those of the layout, of 32 or 64 bits.
    Declared,
    /// i64 for those of 32 bits and i128 for those of 64, so that sums and differences fit: polars wraps them around.
    Wide,
}

/// How a table that SQL sees is made of one of the layout's.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub name: String,
    pub table: TableId,
    /// Of a table whose rows have kinds, the column that says which, and the only kind whose rows are here.
    pub only: Option<(usize, u32)>,
    integers: Integers,
    pub columns: Vec<ViewColumn>,
}

#[derive(Clone, Debug)]
pub(super) struct ViewColumn {
    pub name: PlSmallStr,
    pub origin: Origin,
    pub data_type: DataType,
}

/// Where the values of a column come from. Numbers are those of columns of the layout's table.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// The row's tick.
    Tick,
    /// The row's place in its tick, from `first` on.
    Place { first: u32 },
    /// The column's values.
    Scalars(usize, ScalarType),
    /// The names that the column's values stand for.
    Names(usize, Arc<[String]>),
    /// As above, but null for events without a subject.
    SubjectKind(Arc<[String]>),
    /// As `Scalars`, but null for events without a subject.
    Subject(usize),
    /// The seq of the event that led to this one; null for none.
    Cause,
    /// A list of values as text.
    Text(usize),
    /// One member of a list of values; null for a result that is not there.
    Member { column: usize, index: usize, scalar_type: ScalarType },
    /// A page's bytes.
    Page(usize),
}

impl Origin {
    /// The type that its values have as they are decoded; small unsigned integers are u32.
    fn data_type(&self) -> DataType {
        match self {
            Origin::Tick | Origin::Place { .. } | Origin::Subject(_) | Origin::Cause => DataType::UInt32,
            Origin::Scalars(_, ty) | Origin::Member { scalar_type: ty, .. } => match ty {
                ScalarType::Bool => DataType::Boolean,
                ScalarType::I32 => DataType::Int32,
                ScalarType::I64 => DataType::Int64,
                ScalarType::U64 => DataType::UInt64,
                ScalarType::F32 => DataType::Float32,
                ScalarType::F64 => DataType::Float64,
                ScalarType::U8 | ScalarType::U16 | ScalarType::U32 => DataType::UInt32,
            },
            Origin::Names(..) | Origin::SubjectKind(_) | Origin::Text(_) => DataType::String,
            Origin::Page(_) => DataType::Binary,
        }
    }

    /// The layout's columns that it is made of.
    pub(super) fn needs(&self) -> Vec<usize> {
        match self {
            Origin::Tick | Origin::Place { .. } => Vec::new(),
            Origin::Cause => vec![events::CAUSE],
            Origin::SubjectKind(_) => vec![events::HAS_SUBJECT, events::SUBJECT_KIND],
            Origin::Subject(column) => vec![events::HAS_SUBJECT, *column],
            Origin::Scalars(column, _) | Origin::Names(column, _) | Origin::Text(column) | Origin::Page(column) => {
                vec![*column]
            }
            Origin::Member { column, .. } => vec![*column],
        }
    }
}

/// The type with room for sums and differences of values of a type.
fn wide(data_type: DataType) -> DataType {
    match data_type {
        DataType::UInt32 | DataType::Int32 => DataType::Int64,
        DataType::UInt64 | DataType::Int64 => DataType::Int128,
        other => other,
    }
}

impl View {
    pub(super) fn schema(&self) -> SchemaRef {
        let field = |column: &ViewColumn| (column.name.clone(), column.data_type.clone());
        Arc::new(self.columns.iter().map(field).collect::<Schema>())
    }

    /// Adds a column. A declared field whose name is taken gets a `_` behind it.
    fn add(&mut self, name: &str, origin: Origin) {
        let mut name = name.to_owned();
        while self.columns.iter().any(|column| column.name.as_str() == name) {
            name.push('_');
        }
        let data_type = match self.integers {
            Integers::Declared => origin.data_type(),
            Integers::Wide => wide(origin.data_type()),
        };
        self.columns.push(ViewColumn { name: PlSmallStr::from_string(name), origin, data_type });
    }
}

/// All tables of a layout.
pub(super) fn views(layout: &Layout, integers: Integers) -> Vec<View> {
    let mut views = Vec::new();
    for (index, schema) in layout.tables().iter().enumerate() {
        let table = TableId(index);
        views.push(view(layout, table, schema, integers));
        let kinds: Vec<(String, &[Field], Option<ScalarType>)> = match schema.kind {
            TableKind::Commands => {
                layout.command_kinds().iter().map(|kind| (kind.name.clone(), &kind.args[..], None)).collect()
            }
            TableKind::Calls => {
                layout.syscalls().iter().map(|call| (call.identity(), &call.args[..], call.result)).collect()
            }
            TableKind::Events => {
                layout.event_kinds().iter().map(|kind| (kind.name.clone(), &kind.values[..], None)).collect()
            }
            _ => continue,
        };
        for ((name, members, result), number) in kinds.into_iter().zip(0u32..) {
            let name = format!("{}.{name}", schema.name);
            let empty = View { name, table, only: None, integers, columns: Vec::new() };
            views.push(kind_view(layout, schema, empty, number, members, result));
        }
    }
    views
}

fn view(layout: &Layout, table: TableId, schema: &TableSchema, integers: Integers) -> View {
    let mut view = View { name: schema.name.clone(), table, only: None, integers, columns: Vec::new() };
    view.add("tick", Origin::Tick);
    match schema.kind {
        TableKind::Inputs => view.add("player", Origin::Place { first: 0 }),
        TableKind::Commands | TableKind::Rng | TableKind::Calls | TableKind::Timing | TableKind::Events => {
            view.add("seq", Origin::Place { first: 1 });
        }
        _ => {}
    }
    for (number, column) in schema.columns.iter().enumerate() {
        if let Some(origin) = origin(layout, schema, number, column.column_type) {
            view.add(&column.name, origin);
        }
    }
    view
}

/// The rows of one kind: the columns of all kinds but those that say the kind and its list, then the list's members.
fn kind_view(
    layout: &Layout,
    schema: &TableSchema,
    mut kind_view: View,
    number: u32,
    members: &[Field],
    result: Option<ScalarType>,
) -> View {
    let (kind, lists): (usize, &[usize]) = match schema.kind {
        TableKind::Commands => (commands::KIND, &[commands::ARGS]),
        TableKind::Calls => (calls::SYSCALL, &[calls::ARGS, calls::RESULT]),
        _ => (events::KIND, &[events::VALUES]),
    };
    kind_view.only = Some((kind, number));
    kind_view.add("tick", Origin::Tick);
    kind_view.add("seq", Origin::Place { first: 1 });
    for (number, column) in schema.columns.iter().enumerate() {
        if number != kind
            && !lists.contains(&number)
            && let Some(origin) = origin(layout, schema, number, column.column_type)
        {
            kind_view.add(&column.name, origin);
        }
    }
    for (index, member) in members.iter().enumerate() {
        kind_view.add(&member.name, Origin::Member { column: lists[0], index, scalar_type: member.scalar_type });
    }
    if let Some(scalar_type) = result {
        kind_view.add("result", Origin::Member { column: calls::RESULT, index: 0, scalar_type });
    }
    kind_view
}

/// How SQL sees a column of the layout's; `None` for one that others tell.
fn origin(layout: &Layout, schema: &TableSchema, column: usize, column_type: ColumnType) -> Option<Origin> {
    let named = |names: Vec<String>| Some(Origin::Names(column, names.into()));
    let fixed = |names: &[&str]| named(names.iter().map(|name| (*name).to_owned()).collect());
    match (schema.kind, column) {
        (TableKind::Rng, rng::STREAM) => named(layout.rng_streams().iter().map(|s| s.name.clone()).collect()),
        (TableKind::Commands, commands::KIND) => {
            named(layout.command_kinds().iter().map(|kind| kind.name.clone()).collect())
        }
        (TableKind::Calls, calls::SYSCALL) => named(layout.syscalls().iter().map(|call| call.identity()).collect()),
        (TableKind::Calls, calls::STAGE) | (TableKind::Timing, timing::STAGE) => named(layout.spec().stages.clone()),
        (TableKind::Calls, calls::DECISION) => fixed(&DECISIONS),
        (TableKind::Events, events::KIND) => named(layout.event_kinds().iter().map(|kind| kind.name.clone()).collect()),
        (TableKind::Events, events::ORIGIN) => fixed(&ORIGINS),
        (TableKind::Events, events::HAS_SUBJECT) => None,
        (TableKind::Events, events::SUBJECT_KIND) => {
            let names: Vec<String> = layout.entity_kinds().iter().map(|kind| kind.name.clone()).collect();
            Some(Origin::SubjectKind(names.into()))
        }
        (TableKind::Events, events::SUBJECT_SLOT | events::SUBJECT_GENERATION) => Some(Origin::Subject(column)),
        (TableKind::Events, events::CAUSE) => Some(Origin::Cause),
        _ => Some(match column_type {
            ColumnType::Scalar(ty) => Origin::Scalars(column, ty),
            ColumnType::Values => Origin::Text(column),
            ColumnType::Page => Origin::Page(column),
        }),
    }
}
