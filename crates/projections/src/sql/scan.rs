//! A table of a trace as polars reads it: block by block, each decoded when the engine asks for it.
//!
//! Polars' streaming engine takes no source of rows but its own files and frames. So a table begins as small frames of block
//! numbers, and a function that the engine may apply to one morsel after another turns numbers into rows. As the engine
//! cuts a frame into as many morsels as it has threads, the frames are as long as that many morsels shall be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cdt_schema::{ColumnType, Scalar};
use cdt_trace::{BlockDecoder, BlockEntry, SegmentRanges, Source, Trace};
use polars::prelude::{
    AllowedOptimizations, DataFrame, IntoLazy, LazyFrame, PlSmallStr, PolarsError, PolarsResult, SchemaRef,
    UInt32Chunked, UnionArgs, concat,
};
use polars::prelude::{IntoColumn, NewChunkedArray};

use super::bounds::Bound;
use super::decode;
use super::plan::Need;
use super::view::View;
use crate::Window;

/// Stored bytes of the blocks that are decoded for one morsel, at least one block. They may be some times as many in memory.
const MORSEL_BYTES: u64 = 1 << 18;

/// What the threads of a query have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Blocks decoded so far, each counted once for every table that is read from it.
    pub blocks: AtomicU64,
    /// Whether the work shall stop.
    pub stopped: AtomicBool,
    /// What first went wrong with the trace.
    pub fault: Mutex<Option<cdt_trace::Error>>,
}

/// One table of a trace, read as far as a query needs it.
pub(super) struct Scan<S> {
    trace: Arc<Trace<S>>,
    view: View,
    wanted: Vec<bool>,
    /// The columns of the layout's table that the wanted ones are made of.
    columns: Vec<usize>,
    window: Window,
    /// What rows that matter meet.
    bounds: Vec<Bound>,
    /// Where each segment's blocks end, and whether each of them may have rows that matter, once it was asked for.
    matter: Vec<(usize, OnceLock<Vec<bool>>)>,
    schema: SchemaRef,
    shared: Arc<Shared>,
    /// Decoders that no thread uses at the moment.
    decoders: Mutex<Vec<BlockDecoder>>,
}

impl<S: Source + Send + Sync + 'static> Scan<S> {
    pub(super) fn new(trace: Arc<Trace<S>>, need: Need, view: View, shared: Arc<Shared>) -> Scan<S> {
        let made_of = view.columns.iter().zip(&need.columns).filter(|(_, wanted)| **wanted);
        let columns = made_of.flat_map(|(column, _)| column.origin.needs()).collect();
        let schema = view.schema();
        let decoders = Mutex::default();
        let Need { columns: wanted, window, bounds } = need;
        let matter = (0..trace.segments()).map(|segment| (trace.blocks_of(segment).end, OnceLock::new())).collect();
        Scan { trace, view, wanted, columns, window, bounds, matter, schema, shared, decoders }
    }

    /// Whether a block may have rows that matter, by what its segment tells of its fields.
    fn may_matter(&self, block: usize) -> Result<bool, cdt_trace::Error> {
        if self.bounds.is_empty() {
            return Ok(true);
        }
        let segment = self.matter.partition_point(|(end, _)| *end <= block);
        let its = self.trace.blocks_of(segment);
        let (_, known) = &self.matter[segment];
        let matter = match known.get() {
            Some(matter) => matter,
            None => {
                let ranges = self.trace.ranges(segment)?;
                let computed = (0..its.len()).map(|block| self.may_be_met(&ranges, block)).collect::<Result<_, _>>()?;
                known.get_or_init(|| computed)
            }
        };
        Ok(matter[block - its.start])
    }

    /// Whether a block of a segment may have rows that meet the bounds.
    fn may_be_met(&self, ranges: &SegmentRanges<'_, S>, block: usize) -> Result<bool, cdt_trace::Error> {
        let table = self.view.table;
        let schema = &self.trace.layout().tables()[table.0];
        for bound in &self.bounds {
            let ColumnType::Scalar(ty) = schema.columns[schema.key_columns() + bound.field].column_type else {
                unreachable!("entities have scalar fields only")
            };
            // Without a range there is no row.
            let Some((low, high)) = ranges.field(block, table, bound.field)? else { return Ok(false) };
            if !bound.may_be_met(Scalar::from_bits(ty, low), Scalar::from_bits(ty, high)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The numbers of the blocks that have ticks of the window.
    pub(super) fn blocks(&self) -> Vec<u32> {
        let touches = |block: &&BlockEntry| self.window.touches(block.first_tick, block.last_tick);
        let blocks = self.trace.index().blocks.iter().zip(0u32..);
        blocks.filter(|(block, _)| touches(block)).map(|(_, number)| number).collect()
    }

    /// The table, to be queried. Reading it counts `blocks` as they are decoded.
    pub(super) fn into_lazy(self) -> PolarsResult<LazyFrame> {
        let blocks = self.blocks();
        let stored: u64 = blocks.iter().map(|&block| self.trace.index().blocks[block as usize].stored_bytes()).sum();
        let each = stored.checked_div(blocks.len() as u64).unwrap_or(0).max(1);
        let morsel = usize::try_from(MORSEL_BYTES / each).unwrap_or(usize::MAX).max(1);
        let name = PlSmallStr::from_string(format!("block of {}", self.view.name));
        let frame = |blocks: &[u32]| {
            let column = UInt32Chunked::from_slice(name.clone(), blocks).into_column();
            Ok(DataFrame::new(blocks.len(), vec![column])?.lazy())
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut frames = blocks.chunks(morsel * threads).map(frame).collect::<PolarsResult<Vec<LazyFrame>>>()?;
        if frames.is_empty() {
            frames.push(frame(&[])?);
        }
        let numbers = concat(frames, UnionArgs { rechunk: false, to_supertypes: false, ..UnionArgs::default() })?;
        let schema = self.schema.clone();
        let given = move |_: &polars::prelude::Schema| Ok(schema.clone());
        let rows = move |numbers: DataFrame| self.rows(&numbers);
        Ok(numbers.map(rows, AllowedOptimizations::STREAMING, Some(Arc::new(given)), Some("blocks of a trace")))
    }

    /// The rows of the blocks of these numbers.
    fn rows(&self, numbers: &DataFrame) -> PolarsResult<DataFrame> {
        let mut rows = DataFrame::empty_with_schema(&self.schema);
        for block in numbers.columns()[0].u32()?.into_no_null_iter() {
            rows.vstack_mut_owned(self.block(block as usize)?)?;
        }
        Ok(rows)
    }

    fn block(&self, block: usize) -> PolarsResult<DataFrame> {
        if self.shared.stopped.load(Ordering::Relaxed) {
            return Err(PolarsError::ComputeError("stopped on request".into()));
        }
        if !self.may_matter(block).map_err(|error| self.noted(error))? {
            self.shared.blocks.fetch_add(1, Ordering::Relaxed);
            return Ok(DataFrame::empty_with_schema(&self.schema));
        }
        let idle = self.decoders.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut decoder = idle.unwrap_or_default();
        let rows = self.trace.table_by(&mut decoder, block, self.view.table, &self.columns);
        let rows = rows.map_err(|error| self.noted(error))?;
        self.decoders.lock().unwrap_or_else(PoisonError::into_inner).push(decoder);
        self.shared.blocks.fetch_add(1, Ordering::Relaxed);
        decode::frame(&self.view, rows, self.window, &self.wanted)
    }

    /// Keeps what first went wrong with the trace, for whoever asked.
    fn noted(&self, error: cdt_trace::Error) -> PolarsError {
        let mut fault = self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let message = error.to_string();
        fault.get_or_insert(error);
        PolarsError::ComputeError(message.into())
    }
}
