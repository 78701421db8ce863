//! SQL over traces: what it answers, what it reads, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{self, Cursor};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cdt_projections::sql::{
    Query, QueryErrorKind, RowFormat, TableDestination, TableExport, export_tables, sql_tables, write_rows,
};
use cdt_projections::{Window, row_values};
use cdt_schema::{
    ChannelSet, EntityKind, Field, Generation, KindId, Layout, LayoutSpec, Scalar, ScalarType, Slot, TableId, Tick,
    TickBuilder, Uid,
};
use cdt_testkit::surgery::{seal_segment, sections, segment_parts};
use cdt_testkit::{meta, plain_layout, write_full, write_plain};
use cdt_trace::{Encoder, Encoding, NewFile, Options, Source, Trace, Unwatched, Watch};
use polars::prelude::{DataType, IpcReader, ParquetReader, SerReader};

/// A trace in memory that counts the bytes that are read of it.
struct Counted {
    bytes: Vec<u8>,
    read: AtomicU64,
}

impl Source for Counted {
    fn size(&self) -> io::Result<u64> {
        self.bytes.size()
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        self.read.fetch_add(range.end - range.start, Ordering::Relaxed);
        self.bytes.read(range, into)
    }
}

fn open(bytes: Vec<u8>) -> Arc<Trace<Counted>> {
    Arc::new(Trace::from_source(Counted { bytes, read: AtomicU64::new(0) }, Path::new("fixture")).unwrap())
}

fn full(ticks: u32, block_ticks: usize) -> Arc<Trace<Counted>> {
    open(write_full(ticks, 3, Options { encoding: Encoding::Live, block_bytes: usize::MAX, block_ticks }))
}

fn written(trace: &Arc<Trace<Counted>>, sql: &str, window: &str, format: RowFormat) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let window: Window = window.parse().unwrap();
    let query = Query::start(trace.clone(), sql, window);
    let done = query.and_then(|mut query| write_rows(&mut query, format, &mut out, &Unwatched));
    done.map(|_| out).map_err(|error| error.to_string())
}

fn text(trace: &Arc<Trace<Counted>>, sql: &str, format: RowFormat) -> String {
    String::from_utf8(written(trace, sql, "..", format).unwrap_or_else(|error| panic!("{sql}: {error}"))).unwrap()
}

fn csv(trace: &Arc<Trace<Counted>>, sql: &str) -> String {
    csv_in(trace, sql, "..")
}

fn csv_in(trace: &Arc<Trace<Counted>>, sql: &str, window: &str) -> String {
    String::from_utf8(written(trace, sql, window, RowFormat::Csv).unwrap_or_else(|error| panic!("{sql}: {error}")))
        .unwrap()
}

/// Whatever a filter asks of a field, the blocks that are passed over have no row that it lets through: what it asks of the same
/// value that a function gives, no block's ranges answer.
#[test]
fn blocks_are_passed_over_that_cannot_have_a_row() {
    let trace = full(200, 7);
    let mut asked = 0;
    for table in sql_tables(trace.layout()).into_iter().filter(|table| table.name.starts_with("entities.")) {
        let is_key = |name: &str| matches!(name, "tick" | "slot" | "generation");
        for column in table.columns.iter().filter(|column| !is_key(&column.name) && column.type_name != "bool") {
            let name = &column.name;
            let from = format!("FROM {}", table.name);
            let all = csv(&trace, &format!("SELECT DISTINCT {name} {from} ORDER BY {name}"));
            let all: Vec<&str> = all.lines().skip(1).collect();
            let some = [0, 1, all.len() / 3, all.len() / 2, all.len() - 1].map(|at| all[at.min(all.len() - 1)]);
            for value in some.into_iter().chain(["0", "-0.0", "0.1", "-7", "100000000000", "0.0000001"]) {
                for op in ["<", "<=", ">", ">=", "="] {
                    let count = |filter: String| {
                        written(&trace, &format!("SELECT count(*) AS n {from} WHERE {filter}"), "..", RowFormat::Csv)
                            .ok()
                    };
                    let expected = count(format!("coalesce({name}, {name}) {op} {value}"));
                    asked += usize::from(expected.is_some());
                    assert_eq!(count(format!("{name} {op} {value}")), expected, "{name} {op} {value}");
                    let back = op.replace(['<', '>'], if op.contains('<') { ">" } else { "<" });
                    let twice = format!("{value} {back} {name} AND {name} {op} {value} AND tick < 150");
                    let expected = count(format!("coalesce({name}, {name}) {op} {value} AND tick < 150"));
                    assert_eq!(count(twice.clone()), expected, "{twice}");
                }
            }
        }
    }
    assert!(asked > 100, "only {asked} filters are questions");
    // The same question, once of the field and once of what a function gives of it.
    for asked in [
        "SELECT count(*) AS n FROM entities.creature WHERE NOT (hp < 20) AND x > 0.5",
        "SELECT count(*) AS n FROM entities.creature WHERE hp < 20 OR x > 1.5",
        "SELECT count(*) AS n FROM entities.creature WHERE CAST(hp AS DOUBLE) < 20.5 AND CAST(hp AS BIGINT) >= 3",
        "SELECT count(*) AS n FROM entities.creature WHERE CAST(x AS DOUBLE) <= 0.5",
        "SELECT count(*) AS n FROM (SELECT * FROM entities.creature LIMIT 40) AS c WHERE hp < 20",
        "SELECT tick, slot FROM entities.creature WHERE hp < 20 ORDER BY tick, slot LIMIT 3",
        "SELECT count(*) AS n FROM entities.creature a JOIN entities.creature b ON a.tick = b.tick WHERE a.hp < 9 AND b.hp > 20",
        "SELECT count(*) AS n FROM state s LEFT JOIN (SELECT * FROM entities.creature WHERE hp < 9) AS c ON s.tick = c.tick",
        "SELECT count(*) AS n FROM entities.creature WHERE hp BETWEEN 5 AND 9 AND tick >= 20",
        "SELECT count(*) AS n FROM entities.creature WHERE hp IN (3, 7)",
    ] {
        let opaque = asked
            .replace("hp", "coalesce(hp, hp)")
            .replace("(x ", "(coalesce(x, x) ")
            .replace(" x >", " coalesce(x, x) >");
        let opaque = opaque
            .replace("a.coalesce(hp, hp)", "coalesce(a.hp, a.hp)")
            .replace("b.coalesce(hp, hp)", "coalesce(b.hp, b.hp)");
        let answer = |sql: &str| written(&trace, sql, "..", RowFormat::Csv).map_err(|error| format!("{sql}: {error}"));
        assert_eq!(answer(asked).unwrap(), answer(&opaque).unwrap(), "{asked}");
    }
}

/// A trace of 140,000 ticks, which takes three segments: a cat whose hp is the thousand of its tick, and ghosts, at few ticks.
fn of_three_segments() -> Vec<u8> {
    let kind = |name: &str| EntityKind {
        name: name.to_owned(),
        fields: vec![Field { name: "hp".to_owned(), scalar_type: ScalarType::I32 }],
    };
    let spec = LayoutSpec { entities: Some(vec![kind("cat"), kind("ghost")]), ..LayoutSpec::default() };
    let options = Options { block_ticks: 700, ..Options::LIVE };
    let mut encoder = Encoder::new(&meta(), Arc::new(Layout::new(spec).unwrap()), options);
    for tick in 0..140_000 {
        let hp = Scalar::I32(i32::try_from(tick / 1000).unwrap());
        let uid = |kind, life| Uid { kind: KindId(kind), slot: Slot(0), generation: Generation(life) };
        let fill = |rows: &mut TickBuilder<'_>| {
            rows.entity(uid(0, 0), &[hp])?;
            if matches!(tick, 70_000..70_100 | 139_000..) { rows.entity(uid(1, tick / 100_000), &[hp]) } else { Ok(()) }
        };
        encoder.append(Tick(tick), fill).unwrap();
    }
    encoder.finish("complete").0
}

#[test]
fn blocks_of_several_segments_are_passed_over() {
    let trace = open(of_three_segments());
    assert_eq!(trace.segments(), 3);
    for kind in ["cat", "ghost"] {
        for filter in ["hp < 3", "hp = 66", "hp > 64 AND hp <= 66", "hp >= 131", "hp < 0", "hp = 70 AND tick >= 70050"]
        {
            for window in ["..", "65000..66500", "66000..67000", "70020..132000", "135000.."] {
                let count = |filter: &str| {
                    let sql = format!("SELECT count(*) AS n, sum(tick) AS t FROM entities.{kind} WHERE {filter}");
                    csv_in(&trace, &sql, window)
                };
                let opaque = filter.replace("hp", "coalesce(hp, hp)");
                assert_eq!(count(filter), count(&opaque), "{kind}: {filter} in {window}");
            }
        }
    }
    // Of blocks that cannot have a row, nothing is read: only what the segments of the window tell of them, once for each thread at most.
    let bytes = &trace.source().bytes;
    let parts = sections(bytes).into_iter().filter(|section| section.tag == *b"SEGM");
    let ranges: Vec<u64> = parts.map(|segment| segment_parts(bytes, &segment)[1].len() as u64).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    for (window, told) in [("..", ranges.iter().sum::<u64>()), ("70000..100000", ranges[1])] {
        let before = trace.source().read.load(Ordering::Relaxed);
        assert_eq!(csv_in(&trace, "SELECT count(*) AS n FROM entities.cat WHERE hp < 0", window), "n\n0\n");
        let read = trace.source().read.load(Ordering::Relaxed) - before;
        assert!((told..=told * threads).contains(&read), "{read} bytes of {told} in {window}");
    }
}

#[test]
fn damaged_ranges_are_told_by_who_needs_them() {
    let good = of_three_segments();
    let segment = sections(&good).into_iter().filter(|section| section.tag == *b"SEGM").nth(1).unwrap();
    let [_, ranges, _] = segment_parts(&good, &segment);
    let (mut flipped, mut upside_down) = (good.clone(), good);
    flipped[ranges.start] ^= 1;
    upside_down[ranges.start..ranges.start + 8].copy_from_slice(&u64::from(u32::MAX >> 1).to_le_bytes());
    seal_segment(&mut upside_down, &segment);
    for (bytes, rule) in
        [(flipped, "the checksum of the ranges"), (upside_down, "is no range of entities.cat.hp, a i32")]
    {
        let trace = open(bytes);
        let asked = "SELECT count(*) AS n FROM entities.cat WHERE hp < 3";
        let error = written(&trace, asked, "..", RowFormat::Csv).unwrap_err();
        assert!(error.contains(rule) && error.matches("fixture").count() == 1, "{error}");
        assert_eq!(csv_in(&trace, asked, "..65000"), "n\n3000\n", "what is damaged is not asked");
        assert_eq!(csv(&trace, "SELECT count(*) AS n FROM entities.cat"), "n\n140000\n");
    }
}

#[test]
fn answers_read_well() {
    let trace = full(30, 7);
    let mut said = String::new();
    for sql in [
        "SELECT * FROM step WHERE tick < 2",
        "SELECT * FROM inputs WHERE tick = 4",
        "SELECT * FROM commands WHERE tick <= 5",
        "SELECT * FROM commands.buy LIMIT 2",
        "SELECT * FROM rng WHERE tick = 3",
        "SELECT stream, count(*) AS draws FROM rng GROUP BY stream ORDER BY stream",
        "SELECT * FROM calls WHERE tick = 2",
        "SELECT * FROM \"calls.sys.blit@1\" WHERE tick = 2",
        "SELECT * FROM state WHERE tick = 1",
        "SELECT * FROM entities.creature WHERE tick = 9",
        "SELECT * FROM entities.marker LIMIT 1",
        "SELECT * FROM checkpoint WHERE tick = 1",
        "SELECT tick, seq, stage, fuel FROM timing WHERE tick = 1",
        "SELECT * FROM events WHERE tick = 2",
        "SELECT * FROM events.hit WHERE tick = 2",
        "SELECT tick, page, content FROM memory WHERE tick = 1",
        "SELECT max(tick) AS last, sum(id) AS sum FROM entities.creature",
        "SELECT s.tick, s.a_u32, e.hp FROM state s JOIN entities.creature e ON s.tick = e.tick WHERE s.tick = 9",
        "WITH hurt AS (SELECT tick FROM events.hit) SELECT count(*) AS n FROM hurt WHERE tick < 10",
        "SELECT tick FROM state WHERE tick IN (SELECT tick FROM events WHERE tick < 6 AND kind = 'ping')",
        "SELECT 0.0 / 0.0 AS nan, 1 / 0.0 AS inf, null AS nothing",
    ] {
        said.push_str(&format!("{sql}\n{}\n", text(&trace, sql, RowFormat::Jsonl)));
    }
    insta::assert_snapshot!(said);
    insta::assert_snapshot!("json", text(&trace, "SELECT tick, a_u64 FROM state WHERE tick < 2", RowFormat::Json));
    insta::assert_snapshot!(
        "csv",
        csv(&trace, "SELECT tick, kind, subject_slot, cause, \"values\" FROM events LIMIT 6")
    );
}

#[test]
fn the_tables_of_a_trace_are_listed() {
    let mut said = String::new();
    for table in sql_tables(full(1, 1).layout()) {
        let columns = table.columns.iter().map(|column| format!("{} {}", column.name, column.type_name));
        said.push_str(&format!("{}: {}\n", table.name, columns.collect::<Vec<_>>().join(", ")));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn scalars_are_those_of_the_rows_whatever_the_blocks() {
    for block_ticks in [1, 7, 4096] {
        let trace = full(60, block_ticks);
        for table in ["state", "checkpoint", "entities.creature", "step"] {
            let id = trace.layout().tables().iter().position(|schema| schema.name == table).map(TableId).unwrap();
            let mut expected = String::new();
            for block in 0..trace.index().blocks.len() {
                let rows = trace.block(block, ChannelSet::ALL).unwrap();
                for (position, tick) in rows.ticks().iter().enumerate() {
                    for row in rows.range(id, position) {
                        let cells: Vec<String> = row_values(&rows, id, row).iter().map(ToString::to_string).collect();
                        expected.push_str(&format!("{tick},{}\n", cells.join(",")));
                    }
                }
            }
            let found = csv(&trace, &format!("SELECT * FROM {table}"));
            let (_, found) = found.split_once('\n').unwrap();
            assert_eq!(found, expected, "{table} in blocks of {block_ticks}");
        }
    }
}

#[test]
fn only_channels_columns_and_blocks_that_matter_are_read() {
    let trace = full(2_000, 20);
    let stored = trace.stored_bytes().unwrap();
    let read = |sql: &str, window: &str| {
        let before = trace.source().read.load(Ordering::Relaxed);
        let answer = written(&trace, sql, window, RowFormat::Csv).unwrap();
        (String::from_utf8(answer).unwrap(), trace.source().read.load(Ordering::Relaxed) - before)
    };
    let (all, everything) = read("SELECT count(*) AS n, sum(a_u32) AS s FROM state", "..");
    assert!(all.starts_with("n,s\n2000,"), "{all}");
    // State alone of nine channels, the heads of the blocks besides.
    assert!(everything < stored / 2, "{everything} of {stored} bytes");
    for (sql, window) in [
        ("SELECT count(*) AS n FROM state WHERE tick >= 100 AND tick < 120", ".."),
        ("SELECT count(*) AS n FROM state WHERE 100 <= tick AND 119 >= tick", ".."),
        ("SELECT count(*) AS n FROM state WHERE tick BETWEEN 100 AND 119", ".."),
        ("SELECT count(*) AS n FROM state WHERE tick > 99 AND tick < 120 AND a_u32 >= 0", ".."),
        ("SELECT count(*) AS n FROM state", "100..120"),
        ("SELECT count(*) AS n FROM (SELECT * FROM state) s WHERE s.tick >= 100 AND s.tick < 120", ".."),
    ] {
        let (answer, few) = read(sql, window);
        assert_eq!(answer, "n\n20\n", "{sql}");
        assert!(few * 90 < everything, "{sql}: one block of a hundred is read, not {few} of {everything} bytes");
    }
    let (_, none) = read("SELECT count(*) AS n FROM state WHERE tick >= 5000", "..");
    assert_eq!(none, 0, "no block has such ticks");
}

#[test]
fn a_bound_that_is_no_tick_bounds_nothing() {
    let trace = full(50, 10);
    for (filter, count) in [
        ("tick > -1", 50),
        ("tick < 4294967296", 50),
        ("tick <> 7", 49),
        ("tick = 7 OR tick = 31", 2),
        ("NOT (tick < 40)", 10),
        ("tick + 10 < 20", 10),
        ("tick < 20.5", 21),
        ("tick >= 4294967295", 0),
        ("tick > 4294967295", 0),
        ("tick <= 4294967295", 50),
        ("CAST(tick AS TINYINT) < 5 OR tick > 48", 6),
    ] {
        let answer = csv(&trace, &format!("SELECT count(*) AS n FROM state WHERE {filter}"));
        assert_eq!(answer, format!("n\n{count}\n"), "{filter}");
    }
}

#[test]
fn a_table_that_is_read_twice_has_what_each_reading_needs() {
    let trace = full(100, 10);
    let sql = "SELECT a.tick AS first, b.tick AS second, a.a_u32, b.a_f32 \
               FROM (SELECT tick, a_u32 FROM state WHERE tick < 12) a \
               JOIN (SELECT tick, a_f32, tick - 88 AS other FROM state WHERE tick >= 95) b ON a.tick = b.other \
               ORDER BY first";
    let (_, rows) = csv(&trace, sql).split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let firsts: Vec<&str> = rows.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(firsts, ["7", "8", "9", "10", "11"]);
    assert!(rows.lines().all(|line| line.split(',').all(|cell| !cell.is_empty())), "{rows}");
}

#[test]
fn rows_are_joined_by_inequalities() {
    let trace = full(20, 6);
    let cells = csv(
        &trace,
        "SELECT tick, a_i32, seq FROM (SELECT s.tick, a_i32, seq FROM state s, rng r WHERE s.tick = r.tick)",
    );
    let rows: Vec<Vec<i64>> =
        cells.lines().skip(1).map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
    let joined = "SELECT s.tick, a_i32, seq FROM state s JOIN rng r ON s.tick = r.tick";
    type On = fn(&[i64], &[i64]) -> bool;
    let cases: [(&str, On); 5] = [
        ("a.tick < b.tick", |a, b| a[0] < b[0]),
        ("a.tick <= b.tick AND b.tick <= a.tick + 2", |a, b| a[0] <= b[0] && b[0] <= a[0] + 2),
        ("a.a_i32 > b.a_i32 AND a.seq < b.seq", |a, b| a[1] > b[1] && a[2] < b[2]),
        ("a.seq = b.seq AND a.tick > b.tick", |a, b| a[2] == b[2] && a[0] > b[0]),
        ("a.seq <> b.seq", |a, b| a[2] != b[2]),
    ];
    for (on, is_on) in cases {
        let pairs = rows.iter().map(|a| rows.iter().filter(|b| is_on(a, b)).count()).sum::<usize>();
        assert!(pairs > 0, "{on}");
        for from in
            [format!("({joined}) a JOIN ({joined}) b ON {on}"), format!("({joined}) a, ({joined}) b WHERE {on}")]
        {
            assert_eq!(csv(&trace, &format!("SELECT count(*) AS n FROM {from}")), format!("n\n{pairs}\n"), "{from}");
        }
    }
}

#[test]
fn division_is_that_of_numbers() {
    let trace = full(8, 4);
    let sql = "SELECT tick / 2 AS a, tick // 2 AS b, (tick - 10) // 2 AS c, (tick - 10) % 2 AS d, tick / 0 AS e, tick // 0 AS f, \
               tick % 0 AS g FROM state WHERE tick = 7";
    assert_eq!(csv(&trace, sql), "a,b,c,d,e,f,g\n3.5,3,-2,1,inf,,\n");
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let trace = full(5, 5);
    let mut said = String::new();
    for sql in [
        "",
        "SELECT",
        "SELECT 1; SELECT 2",
        "SELECT * FROM nothing",
        "SELECT * FROM entities.ghost",
        "SELECT hp FROM state",
        "SELECT tick FROM state WHERE score > 3",
        "SELECT nofunction(tick) FROM state",
        "SELECT tick + 'a' FROM state",
        "DELETE FROM state",
        "SELECT * FROM read_parquet('/etc/hostname')",
        "SELECT tick FROM state GROUP BY",
        "SELECT sum(CAST(tick AS INT)) FROM state",
        "SELECT length('abc') - 5 AS n",
        "SELECT CAST(tick AS SMALLINT) * 2 AS n FROM state",
        "SELECT s.tick FROM state s LEFT JOIN rng r ON s.tick = r.tick AND r.seq < 2",
        "SELECT CAST(a_u64 AS BIGINT) AS n FROM state",
        "SELECT CAST(tick AS INT UNSIGNED) + CAST(tick AS INT UNSIGNED) AS n FROM state",
        "SELECT CAST(tick AS UHUGEINT) - CAST(seq AS UHUGEINT) AS n FROM rng",
        "SELECT sum(CAST(tick AS INT)) OVER (ORDER BY tick ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS n FROM state",
        "SELECT length('abc') + 5 AS n FROM state",
        "SELECT tick FROM state WHERE EXISTS (SELECT tick FROM rng)",
        "SELECT tick, tick / 2 FROM state",
        &format!("SELECT {}", ["1"; 101].join(" + ")),
        &format!("SELECT '{}'", "x".repeat(1 << 16)),
    ] {
        let shown: String = sql.chars().take(90).collect();
        said.push_str(&format!("{shown}\n  {}\n", written(&trace, sql, "..", RowFormat::Csv).unwrap_err()));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn integers_do_not_wrap_around() {
    let trace = full(30, 7);
    for (sql, expected) in [
        ("SELECT seq - 2 AS n FROM rng LIMIT 1", "-1"),
        ("SELECT b.tick - a.tick AS n FROM state a JOIN state b ON a.tick = b.tick + 1 LIMIT 1", "-1"),
        ("SELECT count(*) - 31 AS n FROM state", "-1"),
        ("SELECT n - 31 AS n FROM (SELECT count(*) AS n FROM state) a", "-1"),
        ("SELECT count(DISTINCT slot) - 7 AS n FROM entities.creature", "-1"),
        ("SELECT count(*) AS n FROM (SELECT tick FROM state UNION ALL SELECT tick FROM checkpoint) a", "60"),
        (
            "SELECT max(r + CAST(1 AS BIGINT)) AS n FROM (SELECT row_number() OVER (ORDER BY tick) AS r FROM state) a",
            "31",
        ),
        ("SELECT max(r) AS n FROM (SELECT row_number() OVER (ORDER BY tick) AS r FROM state) a", "30"),
        ("SELECT sum(a_u64) AS n FROM state WHERE tick < 2", "36893488147419103229"),
        ("SELECT min(a_u64) - max(a_u64) AS n FROM state WHERE tick < 2", "-1"),
        ("SELECT tick AS n FROM state WHERE a_u64 = 18446744073709551614", "1"),
        ("SELECT a_i64 - 9223372036854775808 AS n FROM state WHERE tick = 1", "-9223372036854775809"),
        ("SELECT tick - a_u64 AS n FROM state WHERE a_u64 > tick LIMIT 1", "-18446744073709551615"),
        ("SELECT sum(CASE WHEN tick > 20 THEN 1 ELSE 0 END) AS n FROM state", "9"),
        ("SELECT count(*) FILTER (WHERE tick > 20) AS n FROM state", "9"),
        ("SELECT count(1) AS n FROM state", "30"),
        ("SELECT n FROM (SELECT tick, count(*) AS n FROM rng GROUP BY tick ORDER BY n DESC, tick LIMIT 1) a", "5"),
        ("SELECT max(n) AS n FROM (SELECT tick, count(*) AS n FROM rng GROUP BY tick) a", "5"),
        (
            "SELECT max(s) AS n FROM (SELECT sum(tick) OVER (ORDER BY tick ROWS BETWEEN UNBOUNDED PRECEDING AND \
             CURRENT ROW) AS s FROM state) a",
            "435",
        ),
        ("SELECT a.tick AS n FROM state a JOIN state b ON a.a_u64 = b.a_u64 WHERE a.a_u64 % 1000 = 613", "2"),
    ] {
        assert_eq!(csv(&trace, sql), format!("n\n{expected}\n"), "{sql}");
    }
}

#[test]
fn files_of_a_query_have_large_integers_as_decimals_and_exports_as_declared() {
    let trace = full(20, 6);
    let sql = "SELECT tick, a_u64, array_agg(a_i64) AS list FROM state GROUP BY tick, a_u64 ORDER BY tick";
    let types = [DataType::Int64, DataType::Decimal(38, 0), DataType::List(Box::new(DataType::Decimal(38, 0)))];
    let parquet = written(&trace, sql, "..", RowFormat::Parquet).unwrap();
    assert_eq!(ParquetReader::new(Cursor::new(parquet)).finish().unwrap().dtypes(), types);
    let arrow = written(&trace, sql, "..", RowFormat::Arrow).unwrap();
    let arrow = IpcReader::new(Cursor::new(arrow)).finish().unwrap();
    assert_eq!(arrow.dtypes(), types);
    let first = arrow.column("a_u64").unwrap().get(0).unwrap();
    assert_eq!(first.to_string(), "18446744073709551615");

    let folder = tempfile::tempdir().unwrap();
    let export = TableExport {
        // Who asks twice gets it once.
        tables: vec!["state".to_owned(), "state".to_owned()],
        window: Window::ALL,
        format: RowFormat::Parquet,
        destination: TableDestination::Folder(folder.path().to_owned()),
        overwrite: false,
    };
    let (exported, files) = export_tables(&trace, &export, &Unwatched).unwrap();
    NewFile::publish_all(files).unwrap();
    let file = std::fs::read(&exported[0].path).unwrap();
    let state = ParquetReader::new(Cursor::new(file)).finish().unwrap();
    assert_eq!(state.column("tick").unwrap().dtype(), &DataType::UInt32);
    assert_eq!(state.column("a_u64").unwrap().dtype(), &DataType::UInt64);
    assert_eq!(state.column("a_i64").unwrap().dtype(), &DataType::Int64);
    assert_eq!((state.height(), exported[0].rows), (20, 20));
}

#[test]
fn files_for_programs_have_the_same_rows() {
    let trace = full(40, 6);
    let sql = "SELECT * FROM events.hit";
    let lines = csv(&trace, sql).lines().count() - 1;
    let parquet = written(&trace, sql, "..", RowFormat::Parquet).unwrap();
    let arrow = written(&trace, sql, "..", RowFormat::Arrow).unwrap();
    let from_parquet = ParquetReader::new(Cursor::new(parquet)).finish().unwrap();
    let from_arrow = IpcReader::new(Cursor::new(arrow)).finish().unwrap();
    assert_eq!((from_parquet.height(), from_arrow.height()), (lines, lines));
    assert_eq!((from_parquet.width(), from_arrow.width()), (8, 8));
    assert!(lines > 0);
    for (a, b) in from_parquet.columns().iter().zip(from_arrow.columns()) {
        assert_eq!((a.name(), a.dtype()), (b.name(), b.dtype()));
        assert!(a.equals_missing(b), "{}", a.name());
    }
    let nothing = written(&trace, "SELECT * FROM state WHERE tick > 99", "..", RowFormat::Parquet).unwrap();
    let nothing = ParquetReader::new(Cursor::new(nothing)).finish().unwrap();
    assert_eq!((nothing.height(), nothing.width()), (0, 8), "no row, but the columns");
}

#[test]
fn a_damaged_block_is_told_and_gives_no_answer() {
    let mut bytes = write_plain(300, Options::LIVE, |_, _| {});
    let block = sections(&bytes).into_iter().find(|section| section.tag == *b"BLCK");
    let at = block.map(|section| section.tail.end - 1).unwrap();
    bytes[at] ^= 1;
    let trace = open(bytes);
    let last = trace.layout().tables().last().unwrap().name.clone();
    let mut query = Query::start(trace, &format!("SELECT * FROM {last}"), Window::ALL).unwrap();
    let error = loop {
        match query.next(&Unwatched) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the damage of {last} in {} went unseen", plain_layout().tables().len()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), QueryErrorKind::Trace);
    assert!(error.to_string().contains("the checksum of a column does not match"), "{error}");
}

/// Somebody who has seen enough.
struct Stop;

impl Watch for Stop {
    fn progress(&self, _: u64, _: Option<u64>) {}

    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn a_query_stops_on_request() {
    let mut query = Query::start(full(500, 5), "SELECT * FROM entities.creature", Window::ALL).unwrap();
    assert_eq!(query.next(&Stop).unwrap_err().kind(), QueryErrorKind::Stopped);
}

#[test]
fn a_filter_behind_a_limit_sees_what_the_limit_lets_through() {
    let trace = full(5, 5);
    let rows = |sql: &str| csv(&trace, sql).lines().count() - 1;
    assert_eq!(rows("SELECT tick FROM (SELECT tick FROM state LIMIT 3) WHERE tick > 3"), 0);
    assert_eq!(rows("WITH few AS (SELECT tick FROM state LIMIT 3) SELECT tick FROM few WHERE tick >= 2"), 1);
    assert_eq!(rows("SELECT tick FROM (SELECT tick FROM state WHERE tick > 1 LIMIT 3) WHERE tick > 3"), 1);
}

#[test]
fn a_call_without_a_result_has_none() {
    let trace = full(40, 5);
    let rows = |sql: &str| csv(&trace, sql).lines().count() - 1;
    assert!(rows("SELECT tick FROM calls WHERE result IS NULL") > 0);
    assert_eq!(rows("SELECT tick FROM calls WHERE result = ''"), 0);
    assert!(rows("SELECT tick FROM calls WHERE args = ''") > 0);
}
