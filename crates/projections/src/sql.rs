//! SQL over the tables of a trace, with polars. Rows stream through: whatever the trace's length, only the blocks that are at
//! work are in memory, and only those channels, columns and blocks are decoded that the query can need.

mod batch;
mod bounds;
mod decode;
mod error;
mod export;
mod limits;
mod output;
mod plan;
mod refused;
mod scan;
mod statement;
mod view;

pub use batch::Batch;
pub use error::{QueryError, QueryErrorKind};
pub use export::{ExportedTable, TableDestination, TableExport, export_tables};
pub use output::{RowFormat, write_rows};
pub use view::{SqlColumn, SqlTable, sql_tables};

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use cdt_trace::{Source, Trace, Watch};
use polars::prelude::{DataFrame, Engine, LazyFrame, PlanCallback, PolarsError, PolarsResult, SchemaRef};
use polars::sql::SQLContext;

use crate::Window;
use plan::Need;
use scan::{Scan, Shared};
use view::{Integers, View};

/// How long to wait for rows before the watch is asked again.
const PATIENCE: Duration = Duration::from_millis(50);

/// A query at work. It gives its rows batch after batch; dropped before the last, it stops as soon as it asks for more blocks
/// or has more rows.
#[derive(Debug)]
pub struct Query {
    schema: SchemaRef,
    shared: Arc<Shared>,
    /// Blocks that it reads, each counted once for every table that is read from it.
    blocks: u64,
    batches: Option<Receiver<DataFrame>>,
    worker: Option<JoinHandle<PolarsResult<()>>>,
}

impl Query {
    /// Begins to answer a query over the ticks of a window.
    ///
    /// # Errors
    /// [`QueryErrorKind::Sql`] when the query is no SQL, or asks for tables, columns or functions that are not there.
    pub fn start<S>(trace: Arc<Trace<S>>, sql: &str, window: Window) -> Result<Query, QueryError>
    where
        S: Source + Send + Sync + 'static,
    {
        std::thread::scope(|scope| {
            let planner = with_stack().spawn_scoped(scope, || planned(&trace, sql, window));
            planner.expect("the system gives threads").join().expect("a panic was caught within")
        })
        .map(Query::begun)
    }

    /// Begins to read a table whole, with its integers as they are declared.
    ///
    /// # Panics
    /// If there is no such table.
    pub(crate) fn of_table<S>(trace: Arc<Trace<S>>, table: &str, window: Window) -> PolarsResult<Query>
    where
        S: Source + Send + Sync + 'static,
    {
        let views = view::views(trace.layout(), Integers::Declared);
        let view = views.into_iter().find(|view| view.name == table).expect("the table is there");
        let (schema, shared) = (view.schema(), Arc::new(Shared::default()));
        let scan = Scan::new(
            trace,
            Need { columns: vec![true; view.columns.len()], window, bounds: Vec::new() },
            view,
            shared.clone(),
        );
        let blocks = scan.blocks().len() as u64;
        Ok(Query::begun(Planned { query: scan.into_lazy()?, schema, shared, blocks }))
    }

    fn begun(Planned { query, schema, shared, blocks }: Planned) -> Query {
        let (sender, batches) = sync_channel(1);
        let worker = with_stack().spawn(move || unpanicked(|| run(query, sender))).expect("the system gives threads");
        Query { schema, shared, blocks, batches: Some(batches), worker: Some(worker) }
    }

    /// The columns of the answer.
    pub fn columns(&self) -> Vec<SqlColumn> {
        view::columns(&self.schema)
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// The trace is damaged, the query fails on its values, or the watch says to stop.
    pub fn next(&mut self, watch: &dyn Watch) -> Result<Option<Batch>, QueryError> {
        loop {
            watch.progress(self.shared.blocks.load(Ordering::Relaxed), Some(self.blocks));
            if watch.cancelled() {
                return Err(QueryError::stopped());
            }
            let Some(batches) = &self.batches else { return Ok(None) };
            match batches.recv_timeout(PATIENCE) {
                Ok(frame) if frame.height() == 0 => {}
                Ok(frame) => return Ok(Some(Batch(frame))),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.finish().map(|()| None),
            }
        }
    }

    /// Ends the work, and tells how it went.
    fn finish(&mut self) -> Result<(), QueryError> {
        self.batches = None;
        let Some(worker) = self.worker.take() else { return Ok(()) };
        let done = worker.join().expect("a panic was caught within");
        if let Some(fault) = self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(fault.into());
        }
        done.map_err(|error| QueryError::failed(&error))
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        // The worker is not waited for: in the midst of a join it may be long before it looks up.
        self.shared.stopped.store(true, Ordering::Relaxed);
    }
}

/// A query that is ready to run.
struct Planned {
    query: LazyFrame,
    schema: SchemaRef,
    shared: Arc<Shared>,
    blocks: u64,
}

fn planned<S>(trace: &Arc<Trace<S>>, sql: &str, window: Window) -> Result<Planned, QueryError>
where
    S: Source + Send + Sync + 'static,
{
    let views = view::views(trace.layout(), Integers::Wide);
    let tables: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
    let sql = statement::prepared(sql, &tables).map_err(|why| QueryError::no_query(&why))?;
    let refused = |error| QueryError::refused(&error, &sql, &views);
    let described = unpanicked(|| {
        let described = views.iter().enumerate().map(|(index, view)| plan::described(index, view));
        let mut described = lazy_query(&sql, &views, described)?;
        let schema = described.collect_schema()?;
        let plan = described.to_alp_optimized()?;
        plan::check_arithmetic(&plan)?;
        Ok((schema, plan::needs(&plan, &views, trace.layout())))
    });
    let (schema, needs) = described.map_err(refused)?;
    let shared = Arc::new(Shared::default());
    let mut blocks = 0;
    let scans = views.iter().enumerate().map(|(index, view)| {
        let scan = scan_of(trace, view, needs.get(&index), window, &shared);
        if needs.contains_key(&index) {
            blocks += scan.blocks().len() as u64;
        }
        scan.into_lazy()
    });
    let scans = scans.collect::<Vec<_>>().into_iter();
    let query = unpanicked(|| lazy_query(&sql, &views, scans)).map_err(refused)?;
    Ok(Planned { query, schema, shared, blocks })
}

/// A thread with room for the deepest query.
fn with_stack() -> Builder {
    Builder::new().stack_size(limits::STACK)
}

fn scan_of<S>(trace: &Arc<Trace<S>>, view: &View, need: Option<&Need>, window: Window, shared: &Arc<Shared>) -> Scan<S>
where
    S: Source + Send + Sync + 'static,
{
    let nothing = || Need { columns: vec![false; view.columns.len()], window, bounds: Vec::new() };
    let need = need.cloned().map_or_else(nothing, |need| Need { window: need.window.intersection(window), ..need });
    Scan::new(trace.clone(), need, view.clone(), shared.clone())
}

/// The query over these tables, which stand in the order of the views.
fn lazy_query(
    sql: &str,
    views: &[View],
    tables: impl Iterator<Item = PolarsResult<LazyFrame>>,
) -> PolarsResult<LazyFrame> {
    let mut context = SQLContext::new();
    for (view, table) in views.iter().zip(tables) {
        context.register(&view.name, table?);
    }
    context.execute(sql)
}

fn run(query: LazyFrame, sender: SyncSender<DataFrame>) -> PolarsResult<()> {
    // The answer is `true` when nobody listens any more.
    let hand_on = PlanCallback::new(move |batch| Ok(sender.send(batch).is_err()));
    query.sink_batches(hand_on, true, None)?.collect_with_engine(Engine::Streaming).map(drop)
}

/// Runs what may panic: polars does where it meets a query that it half supports.
fn unpanicked<T>(work: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let message = format!("polars gave up on it: {}", said.unwrap_or("it does not say why"));
        Err(PolarsError::ComputeError(message.into()))
    })
}
