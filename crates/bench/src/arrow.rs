//! A workload as Arrow tables, in Arrow IPC under zstd and in Parquet under zstd with byte streams split.

use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, UInt32Array, UInt64Array};
use arrow_ipc::CompressionType;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{ColumnChunkMask, PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::workload::{Workload, room};

/// Ticks of one record batch of Arrow IPC.
const BATCH_TICKS: usize = 1024;
/// Ticks of one row group of Parquet.
const GROUP_TICKS: usize = 8192;
/// Rows that a Parquet reader decodes at once.
const READ_ROWS: usize = 65_536;

/// A workload's tables, each a file; the last is that of the entities.
pub type Files = Vec<Bytes>;

/// A column of f32.
pub fn floats(values: impl Iterator<Item = f32>) -> ArrayRef {
    Arc::new(Float32Array::from_iter_values(values))
}

/// A column of u32.
pub fn u32s(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(values))
}

/// A column of u64.
pub fn u64s(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

/// Named columns as one batch.
pub fn batch(columns: Vec<(String, ArrayRef)>) -> RecordBatch {
    let field = |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), false);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect())
        .expect("equal columns")
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("the workload has fewer ticks")
}

fn schemas<W: Workload>(ticks: &[W::Tick]) -> Vec<SchemaRef> {
    W::batches(&ticks[..1], 0).iter().map(RecordBatch::schema).collect()
}

/// The column of ticks, or another of u32.
fn column32(batch: &RecordBatch, column: usize) -> &[u32] {
    batch.column(column).as_any().downcast_ref::<UInt32Array>().expect("a column of u32").values()
}

/// The bits of a column of u32 or f32.
fn bits32(batch: &RecordBatch, name: &str) -> Vec<u32> {
    let column = batch.column_by_name(name).expect("a column of that name").as_any();
    match column.downcast_ref::<Float32Array>() {
        Some(floats) => floats.values().iter().map(|value| value.to_bits()).collect(),
        None => column.downcast_ref::<UInt32Array>().expect("a column of u32").values().to_vec(),
    }
}

fn rows_of(batch: &RecordBatch, tick: u32) -> Range<usize> {
    let ticks = column32(batch, 0);
    ticks.partition_point(|&t| t < tick)..ticks.partition_point(|&t| t <= tick)
}

/// Writes Arrow IPC files under zstd.
pub fn write_ipc<W: Workload>(ticks: &[W::Tick]) -> Files {
    let options =
        || IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD)).expect("it is built in");
    let writer =
        |schema: SchemaRef| FileWriter::try_new_with_options(room::<W>(ticks), &schema, options()).expect("a file");
    let mut writers: Vec<_> = schemas::<W>(ticks).into_iter().map(writer).collect();
    for (index, chunk) in ticks.chunks(BATCH_TICKS).enumerate() {
        for (writer, batch) in writers.iter_mut().zip(W::batches(chunk, number(index * BATCH_TICKS))) {
            writer.write(&batch).expect("memory takes it");
        }
    }
    writers.into_iter().map(|writer| Bytes::from(writer.into_inner().expect("memory takes it"))).collect()
}

fn ipc_reader(file: &Bytes) -> FileReader<Cursor<Bytes>> {
    FileReader::try_new(Cursor::new(file.clone()), None).expect("our own file")
}

/// Reads every column of every batch and gives the number of entities.
pub fn read_ipc(files: &Files) -> usize {
    let rows = |file: &Bytes| ipc_reader(file).map(|batch| batch.expect("our own file").num_rows()).sum();
    files.iter().map(rows).next_back().unwrap_or(0)
}

/// Opens the files, reads the rows of one tick and gives the number of its entities.
pub fn ipc_tick(files: &Files, tick: u32) -> usize {
    let rows = |file: &Bytes| {
        let mut reader = ipc_reader(file);
        reader.set_index(tick as usize / BATCH_TICKS).expect("a batch");
        let batch = reader.next().expect("a batch").expect("our own file");
        let rows = rows_of(&batch, tick);
        std::hint::black_box(batch.slice(rows.start, rows.len())).num_rows()
    };
    files.iter().map(rows).next_back().unwrap_or(0)
}

/// Writes Parquet files under zstd, floats with their bytes split into streams, integers as differences.
pub fn write_parquet<W: Workload>(ticks: &[W::Tick]) -> Files {
    let writer = |schema: SchemaRef| {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("a level")))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_dictionary_enabled(false);
        for field in schema.fields() {
            let encoding = match field.data_type() {
                DataType::Float32 => Encoding::BYTE_STREAM_SPLIT,
                _ => Encoding::DELTA_BINARY_PACKED,
            };
            properties = properties.set_column_encoding(ColumnPath::from(field.name().as_str()), encoding);
        }
        ArrowWriter::try_new(room::<W>(ticks), schema, Some(properties.build())).expect("a file")
    };
    let mut writers: Vec<_> = schemas::<W>(ticks).into_iter().map(writer).collect();
    for (index, chunk) in ticks.chunks(GROUP_TICKS).enumerate() {
        for (writer, batch) in writers.iter_mut().zip(W::batches(chunk, number(index * GROUP_TICKS))) {
            writer.write(&batch).expect("memory takes it");
            writer.flush().expect("memory takes it");
        }
    }
    writers.into_iter().map(|writer| Bytes::from(writer.into_inner().expect("memory takes it"))).collect()
}

fn parquet_reader(file: &Bytes) -> ParquetRecordBatchReaderBuilder<Bytes> {
    ParquetRecordBatchReaderBuilder::try_new(file.clone()).expect("our own file").with_batch_size(READ_ROWS)
}

/// Reads every column of every row group and gives the number of entities.
pub fn read_parquet(files: &Files) -> usize {
    let rows = |file: &Bytes| -> usize {
        let reader = parquet_reader(file).build().expect("our own file");
        reader.map(|batch| batch.expect("our own file").num_rows()).sum()
    };
    files.iter().map(rows).next_back().unwrap_or(0)
}

/// Opens the files, reads the rows of one tick by the page index and gives the number of its entities.
pub fn parquet_tick(files: &Files, tick: u32) -> usize {
    let rows = |file: &Bytes| -> usize {
        let group = tick as usize / GROUP_TICKS;
        let options = ArrowReaderOptions::new()
            .with_page_index_policy(PageIndexPolicy::Required)
            .with_column_index_mask(ColumnChunkMask::row_groups_and_columns([group], [0]))
            .with_offset_index_mask(ColumnChunkMask::row_groups([group]));
        let metadata = ArrowReaderMetadata::load(file, options).expect("our own file");
        let selection = pages_of(metadata.metadata(), group, tick);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), metadata)
            .with_row_groups(vec![group])
            .with_row_selection(selection)
            .build()
            .expect("our own file");
        let of_tick = |batch: RecordBatch| {
            let rows = rows_of(&batch, tick);
            std::hint::black_box(batch.slice(rows.start, rows.len())).num_rows()
        };
        reader.map(|batch| of_tick(batch.expect("our own file"))).sum()
    };
    files.iter().map(rows).next_back().unwrap_or(0)
}

/// The rows of a row group whose pages of the tick column may hold a tick.
fn pages_of(metadata: &ParquetMetaData, group: usize, tick: u32) -> RowSelection {
    let index = metadata.page_index_for_row_group(group);
    let Some(ColumnIndexMetaData::INT32(ticks)) = index.column_index(0) else { panic!("the index of 32-bit ticks") };
    let pages = index.offset_index(0).expect("the places of pages").page_locations();
    let rows = metadata.row_group(group).num_rows();
    let tick = tick.cast_signed();
    let within = |page: &usize| ticks.min_values()[*page] <= tick && tick <= ticks.max_values()[*page];
    let held: Vec<usize> = (0..pages.len()).filter(within).collect();
    let row = |page: usize| pages.get(page).map_or(rows, |page| page.first_row_index);
    let (start, end) = held.first().zip(held.last()).map_or((0, 0), |(&first, &last)| (row(first), row(last + 1)));
    let count = |rows: i64| usize::try_from(rows).expect("a row group has few rows");
    RowSelection::from(vec![RowSelector::skip(count(start)), RowSelector::select(count(end - start))])
}

/// Counts entities by two of their columns, reading those alone, and of them the pages whose statistics say that there may be any.
pub fn parquet_count<W: Workload>(files: &Files) -> usize {
    let file = files.last().expect("the entities");
    let plain = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).expect("our own file");
    let column = |name: &str| plain.schema().index_of(name).expect("a column of that name");
    let columns = W::COUNTED.map(column);
    let options = ArrowReaderOptions::new()
        .with_page_index_policy(PageIndexPolicy::Required)
        .with_column_index_mask(ColumnChunkMask::columns([columns[0]]))
        .with_offset_index_mask(ColumnChunkMask::columns(columns));
    let metadata = ArrowReaderMetadata::load(file, options).expect("our own file");
    let groups = 0..metadata.metadata().num_row_groups();
    let held: Vec<RowSelector> =
        groups.flat_map(|group| pages_that_count::<W>(metadata.metadata(), group, columns[0])).collect();
    let mask = ProjectionMask::roots(metadata.parquet_schema(), columns);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), metadata)
        .with_batch_size(READ_ROWS)
        .with_projection(mask)
        .with_row_selection(RowSelection::from(held))
        .build()
        .expect("our own file");
    let count = |batch: RecordBatch| {
        let [first, second] = W::COUNTED.map(|name| bits32(&batch, name));
        first.iter().zip(&second).filter(|&(&first, &second)| W::counts(first, second)).count()
    };
    reader.map(|batch| count(batch.expect("our own file"))).sum()
}

/// The rows of a row group, those selected whose pages of a column of floats have any that may count.
fn pages_that_count<W: Workload>(metadata: &ParquetMetaData, group: usize, column: usize) -> Vec<RowSelector> {
    let index = metadata.page_index_for_row_group(group);
    let Some(ColumnIndexMetaData::FLOAT(values)) = index.column_index(column) else { panic!("the index of floats") };
    let pages = index.offset_index(column).expect("the places of pages").page_locations();
    let rows = metadata.row_group(group).num_rows();
    let starts = pages.iter().map(|page| page.first_row_index);
    let ends = starts.clone().skip(1).chain([rows]);
    let of_page = |((start, end), lowest): ((i64, i64), &f32)| {
        let count = usize::try_from(end - start).expect("a row group has few rows");
        if W::may_count(lowest.to_bits()) { RowSelector::select(count) } else { RowSelector::skip(count) }
    };
    starts.zip(ends).zip(values.min_values()).map(of_page).collect()
}

/// Reads two workloads' tables side by side and names the tick and the column from which on they differ to the end.
pub fn parquet_fork(a: &Files, b: &Files) -> Option<(u32, String)> {
    let mut fork = None;
    for (a, b) in a.iter().zip(b) {
        let [a, b] = [a, b].map(|file| parquet_reader(file).build().expect("our own file"));
        for (a, b) in a.zip(b) {
            let (a, b) = (a.expect("our own file"), b.expect("our own file"));
            let differs = (0..a.num_columns()).find(|&column| a.column(column) != b.column(column));
            if let (Some(column), true) = (differs, fork.is_none()) {
                let row =
                    (0..a.num_rows()).find(|&row| a.column(column).slice(row, 1) != b.column(column).slice(row, 1));
                let tick = column32(&a, 0)[row.expect("the columns differ")];
                fork = Some((tick, a.schema().field(column).name().clone()));
            }
        }
    }
    fork
}
