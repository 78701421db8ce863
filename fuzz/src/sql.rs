//! Text that may be SQL: asked of two traces, and the rows written in each of the formats that are text.

use std::fs;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use cdt_projections::Window;
use cdt_projections::sql::{Query, QueryError, QueryErrorKind, RowFormat, write_rows};
use cdt_testkit::{write_full, write_plain};
use cdt_trace::{Options, Trace, Unwatched, Watch};
use serde::de::IgnoredAny;

use crate::scratch::{files, with_folder};

/// What the text has where the path of a file shall stand that no query may read.
const PLACE_OF_FILE: &str = "$file";
/// What stands in that file.
const SECRET: &str = "what no trace tells";
/// How long a query may take before it is stopped. Joins can ask for more rows than anybody waits for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes that a query may write, for the same reason.
const MOST_WRITTEN: usize = 1 << 20;
const TICKS: u32 = 2;
const FORMATS: [RowFormat; 3] = [RowFormat::Json, RowFormat::Jsonl, RowFormat::Csv];

type Memory = Trace<Vec<u8>>;

/// What panicked last, anywhere.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Asks a query of two traces.
pub fn sql(bytes: &[u8]) {
    static TRACES: OnceLock<[Arc<Memory>; 2]> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let traces = TRACES.get_or_init(traces);
    caught(|| {
        with_folder(|folder| {
            let file = folder.join("other");
            fs::write(&file, other_file(&traces[0])).expect("a file can be written");
            let query = text.replace(PLACE_OF_FILE, &file.to_string_lossy());
            traces.iter().for_each(|trace| ask(trace, &query));
            assert_eq!(files(folder), [file], "no file is written");
        });
    });
}

fn traces() -> [Arc<Memory>; 2] {
    let options = Options { block_ticks: 1, ..Options::LIVE };
    let open = |bytes| Arc::new(Trace::from_source(bytes, Path::new("fixture")).expect("the fixture is sound"));
    [open(write_full(TICKS, 1, options)), open(write_plain(TICKS, options, |_, _| {}))]
}

/// A file of a sort that polars can read.
fn other_file(trace: &Arc<Memory>) -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let mut out = Vec::new();
        let sql = format!("SELECT '{SECRET}' AS secret");
        let query = Query::start(trace.clone(), &sql, Window::ALL);
        let done = query.and_then(|mut query| write_rows(&mut query, RowFormat::Parquet, &mut out, &Unwatched));
        assert_eq!(done.expect("the query is sound"), 1);
        out
    })
}

/// Polars panics at what it half supports, and that is caught where it is called. So a panic alone is no fault, but one that
/// comes as far as here is.
fn caught(work: impl FnOnce()) {
    static QUIET: Once = Once::new();
    // That of libFuzzer ends the process at any panic.
    QUIET.call_once(|| {
        panic::set_hook(Box::new(|panic| *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string()));
    });
    if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(work)) {
        eprintln!("{}", PANIC.lock().unwrap_or_else(PoisonError::into_inner));
        panic::resume_unwind(panic);
    }
}

/// What can be answered can be written in each format, and is the same rows.
fn ask(trace: &Arc<Memory>, query: &str) {
    let answers = FORMATS.map(|format| answer(trace, query, format));
    let failed = answers.iter().filter_map(|answer| answer.as_ref().err());
    let of_its_own = failed.filter(|error| error.kind() == QueryErrorKind::Sql).count();
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(of_its_own == 0 || answered == 0, "a format cannot have what another has: {answers:?}");
    let [Ok((json, rows)), Ok((jsonl, lines)), Ok((_, records))] = answers else { return };
    assert_eq!((rows, rows), (lines, records), "the rows are as many, however they are written");
    serde_json::from_str::<IgnoredAny>(&json).expect("the answer is JSON");
    let objects = jsonl.split_terminator('\n');
    assert_eq!(objects.clone().count() as u64, rows);
    for object in objects {
        serde_json::from_str::<IgnoredAny>(object).expect("each line is JSON");
    }
}

/// The answer in a format, and how many rows it has.
fn answer(trace: &Arc<Memory>, sql: &str, format: RowFormat) -> Result<(String, u64), QueryError> {
    let mut out = Limited { bytes: Vec::new(), full: false };
    let watch = Deadline(Instant::now() + PATIENCE);
    let query = Query::start(trace.clone(), sql, Window::ALL);
    let done = query.and_then(|mut query| write_rows(&mut query, format, &mut out, &watch));
    let answer = String::from_utf8(out.bytes).expect("the format is text");
    let said = done.as_ref().map_or_else(QueryError::to_string, |_| String::new());
    assert!(sql.contains(SECRET) || !(answer.contains(SECRET) || said.contains(SECRET)), "another file is read");
    if let Err(error) = &done {
        assert!(!said.trim().is_empty());
        assert!(matches!(error.kind(), QueryErrorKind::Sql | QueryErrorKind::Stopped) || out.full, "{error:?}");
    }
    done.map(|rows| (answer, rows))
}

struct Deadline(Instant);

impl Watch for Deadline {
    fn progress(&self, _: u64, _: Option<u64>) {}

    fn cancelled(&self) -> bool {
        Instant::now() >= self.0
    }
}

/// Takes so many bytes and no more.
struct Limited {
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.full |= self.bytes.len() + bytes.len() > MOST_WRITTEN;
        if self.full {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
