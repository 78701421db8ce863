//! From the columns of a block to those of polars: whole buffers are handed over, nothing is converted value by value that
//! need not be.

use cdt_schema::columns::{calls, events};
use cdt_schema::{Column as Lanes, Rows, Scalar, ScalarType, Table, TableKind};
use polars::prelude::{
    BinaryChunked, BooleanChunked, ChunkTake, ChunkedArray, Column, DataFrame, Float32Type, Float64Type, IdxCa,
    Int32Type, Int64Type, IntoColumn, IntoSeries, NewChunkedArray, PlSmallStr, PolarsResult, Scalar as PolarsScalar,
    StringChunked, UInt32Chunked, UInt32Type, UInt64Type,
};

use super::view::{Origin, View, ViewColumn};
use crate::{Window, cell};

/// The rows of a view in a block, within a window of ticks. Columns that are not `wanted` hold nulls, which take no memory.
pub(super) fn frame(view: &View, rows: Rows, window: Window, wanted: &[bool]) -> PolarsResult<DataFrame> {
    let ends = rows.table(view.table).ends.clone();
    let before = |tick: cdt_schema::Tick| rows.ticks().partition_point(|&at| at < tick);
    let end_of = |ticks: usize| if ticks == 0 { 0 } else { ends[ticks - 1] as usize };
    let start = end_of(before(window.start));
    let end = window.end.map_or(rows.table(view.table).rows(), |end| end_of(before(end)));
    let len = rows.table(view.table).rows();
    let mask = view.only.map(|(column, kind)| {
        let lanes = &rows.table(view.table).columns[column];
        BooleanChunked::from_iter_values(PlSmallStr::EMPTY, (0..len).map(|row| lanes.bits(row) == u64::from(kind)))
    });
    let mut columns: Vec<Option<Column>> = vec![None; view.columns.len()];
    let asked = |index: usize| wanted[index];
    for (index, column) in view.columns.iter().enumerate().filter(|(index, _)| asked(*index)) {
        columns[index] = derived(column, view, &rows)?;
    }
    let mut table = rows.into_tables().swap_remove(view.table.0);
    let columns = view.columns.iter().zip(columns).enumerate().map(|(index, (column, derived))| {
        if !asked(index) {
            return Ok(Column::new_scalar(column.name.clone(), PolarsScalar::null(column.data_type.clone()), len));
        }
        derived.unwrap_or_else(|| handed_over(column, &mut table)).cast(&column.data_type)
    });
    let frame = DataFrame::new(len, columns.collect::<PolarsResult<Vec<Column>>>()?)?;
    let offset = i64::try_from(start).expect("a block's rows are few");
    let length = end.saturating_sub(start);
    let frame = if length == len { frame } else { frame.slice(offset, length) };
    match mask {
        Some(mask) => frame.filter(&mask.slice(offset, length)),
        None => Ok(frame),
    }
}

/// A column that is made from the rows; `None` for one whose values are handed over.
fn derived(column: &ViewColumn, view: &View, rows: &Rows) -> PolarsResult<Option<Column>> {
    let table = rows.table(view.table);
    let name = column.name.clone();
    let lanes = |number: usize| &table.columns[number];
    Ok(Some(match &column.origin {
        Origin::Scalars(..) => return Ok(None),
        Origin::Tick => {
            let mut ticks = Vec::with_capacity(table.rows());
            for (&tick, &end) in rows.ticks().iter().zip(&table.ends) {
                ticks.resize(end as usize, tick.0);
            }
            UInt32Chunked::from_vec(name, ticks).into_column()
        }
        Origin::Place { first } => {
            let mut places = Vec::with_capacity(table.rows());
            for &end in &table.ends {
                let count = end - u32::try_from(places.len()).expect("a block's rows stay below 2^32");
                places.extend(*first..first + count);
            }
            UInt32Chunked::from_vec(name, places).into_column()
        }
        Origin::Names(number, names) => named(name, names, lanes(*number))?,
        Origin::SubjectKind(names) => {
            let has = |row: usize| table.columns[events::HAS_SUBJECT].bits(row) == 1;
            let name_of =
                |row: usize| has(row).then(|| names[index32(lanes(events::SUBJECT_KIND), row) as usize].as_str());
            StringChunked::from_iter_options(name, (0..table.rows()).map(name_of)).into_column()
        }
        Origin::Subject(number) => {
            let has = |row: usize| table.columns[events::HAS_SUBJECT].bits(row) == 1;
            let value = |row: usize| has(row).then(|| index32(lanes(*number), row));
            UInt32Chunked::from_iter_options(name, (0..table.rows()).map(value)).into_column()
        }
        Origin::Cause => {
            let value = |row: usize| Some(index32(lanes(events::CAUSE), row)).filter(|&seq| seq > 0);
            UInt32Chunked::from_iter_options(name, (0..table.rows()).map(value)).into_column()
        }
        Origin::Text(number) => {
            let is_result = rows.layout().tables()[view.table.0].kind == TableKind::Calls && *number == calls::RESULT;
            let text = |row: usize| match cell(rows, view.table, *number, row) {
                crate::Value::List(members) if members.is_empty() => (!is_result).then(String::new),
                value => Some(value.to_string()),
            };
            StringChunked::from_iter_options(name, (0..table.rows()).map(text)).into_column()
        }
        Origin::Member { column: number, index, scalar_type } => {
            let (kind, only) = view.only.expect("only tables of one kind have members");
            let bits = |row: usize| {
                let of_kind = lanes(kind).bits(row) == u64::from(only);
                let lanes = lanes(*number).bytes(row).as_chunks::<8>().0;
                lanes.get(*index).filter(|_| of_kind).map(|lane| u64::from_le_bytes(*lane))
            };
            members(name, *scalar_type, (0..table.rows()).map(bits))
        }
        Origin::Page(number) => {
            let pages = (0..table.rows()).map(|row| lanes(*number).bytes(row));
            BinaryChunked::from_iter_values(name, pages).into_column()
        }
    }))
}

/// A 32-bit value, where the column's type says that it is one.
fn index32(lanes: &Lanes, row: usize) -> u32 {
    u32::try_from(lanes.bits(row)).expect("the lane is 32 bits wide or less")
}

fn named(name: PlSmallStr, names: &[String], lanes: &Lanes) -> PolarsResult<Column> {
    let indices = match lanes {
        Lanes::W8(lanes) => lanes.iter().map(|&lane| u32::from(lane)).collect(),
        Lanes::W32(lanes) => lanes.clone(),
        Lanes::W64(_) | Lanes::Bytes(_) => unreachable!("what names something is 32 bits wide or less"),
    };
    let names = StringChunked::from_iter_values(name, names.iter().map(String::as_str));
    Ok(names.take(&IdxCa::from_vec(PlSmallStr::EMPTY, indices))?.into_column())
}

fn members(name: PlSmallStr, ty: ScalarType, bits: impl Iterator<Item = Option<u64>>) -> Column {
    let values = bits.map(|bits| bits.map(|bits| Scalar::from_bits(ty, bits)));
    macro_rules! column {
        ($chunked:ty, $variant:ident) => {
            <$chunked>::from_iter_options(
                name,
                values.map(|value| match value {
                    Some(Scalar::$variant(value)) => Some(value),
                    _ => None,
                }),
            )
            .into_column()
        };
    }
    match ty {
        ScalarType::Bool => column!(BooleanChunked, Bool),
        ScalarType::I32 => column!(ChunkedArray<Int32Type>, I32),
        ScalarType::U32 => column!(ChunkedArray<UInt32Type>, U32),
        ScalarType::I64 => column!(ChunkedArray<Int64Type>, I64),
        ScalarType::U64 => column!(ChunkedArray<UInt64Type>, U64),
        ScalarType::F32 => column!(ChunkedArray<Float32Type>, F32),
        ScalarType::F64 => column!(ChunkedArray<Float64Type>, F64),
        ScalarType::U8 | ScalarType::U16 => unreachable!("no list declares a member of this type"),
    }
}

/// A column whose buffer polars takes as it is.
fn handed_over(column: &ViewColumn, table: &mut Table) -> Column {
    let Origin::Scalars(number, ty) = column.origin else { unreachable!("all others are derived") };
    let name = column.name.clone();
    let series = match (std::mem::replace(&mut table.columns[number], Lanes::W8(Vec::new())), ty) {
        (Lanes::W8(lanes), ScalarType::Bool) => {
            BooleanChunked::from_iter_values(name, lanes.into_iter().map(|lane| lane == 1)).into_series()
        }
        (Lanes::W8(lanes), _) => {
            UInt32Chunked::from_vec(name, lanes.into_iter().map(u32::from).collect()).into_series()
        }
        (Lanes::W32(lanes), ScalarType::F32) => {
            ChunkedArray::<Float32Type>::from_vec(name, bytemuck::cast_vec(lanes)).into_series()
        }
        (Lanes::W32(lanes), ScalarType::I32) => {
            ChunkedArray::<Int32Type>::from_vec(name, bytemuck::cast_vec(lanes)).into_series()
        }
        (Lanes::W32(lanes), _) => UInt32Chunked::from_vec(name, lanes).into_series(),
        (Lanes::W64(lanes), ScalarType::F64) => {
            ChunkedArray::<Float64Type>::from_vec(name, bytemuck::cast_vec(lanes)).into_series()
        }
        (Lanes::W64(lanes), ScalarType::I64) => {
            ChunkedArray::<Int64Type>::from_vec(name, bytemuck::cast_vec(lanes)).into_series()
        }
        (Lanes::W64(lanes), _) => ChunkedArray::<UInt64Type>::from_vec(name, lanes).into_series(),
        (Lanes::Bytes(_), _) => unreachable!("the column holds scalars"),
    };
    series.into_column()
}
