//! Text logs as other people's programs write them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::Cell;
use std::path::{Path, PathBuf};

use cdt_ingest::{ErrorKind, Import, Imported, Input, LineFormat, LogFormat, import};
use cdt_schema::{Channel, ChannelSet, TableKind};
use cdt_trace::{LossKind, Trace, Unwatched, Watch};

const LINE_A: &str = "8000  A9 10     LDA #$10                        A:00 X:01 Y:02 P:24 SP:FD";
const LINE_B: &str = "8002  85 20     STA $20 = 7F                    A:10 X:01 Y:02 P:24 SP:FD";
const LINE_C: &str = "8004  4C 00 80  JMP $8000 = A9                  A:10 X:01 Y:02 P:24 SP:FD";
const DOCTOR: &str = "A:01 F:B0 B:00 C:13 D:00 E:D8 H:01 L:4D SP:FFFE PC:0100 PCMEM:00,C3,13,02";

fn take(format: &LogFormat, log: &[u8], truncated_tail: bool, out: &Path) -> Result<Imported, String> {
    let how = Import { format, out, overwrite: false, truncated_tail };
    import(Input::from_bytes("log", log.to_vec()).unwrap(), &how, &Unwatched).map_err(|error| error.to_string())
}

/// Imports a nestest log; the state rows, the host's events and the report, as text.
fn nestest(log: &[u8]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("t.cdt");
    let report = take(&LogFormat::Nestest, log, false, &out);
    assert_eq!(out.exists(), report.is_ok());
    assert!(report.is_ok() || std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is left behind");
    report.map(|report| {
        let trace = Trace::open(&out).unwrap();
        let rows = trace.block(0, ChannelSet::ALL).unwrap();
        let mut text = format!("{} ticks, {} noise", report.ticks, report.noise_lines);
        for tick in 0..rows.ticks().len() {
            for kind in [TableKind::State, TableKind::Checkpoint, TableKind::Events] {
                let Some(table) = rows.layout().table(kind) else { continue };
                for row in rows.range(table, tick) {
                    let values = if kind == TableKind::Events {
                        let kind = rows.scalar(table, 0, row).to_string();
                        let names: [&str; 2] = ["noise", "operand"];
                        let values = rows.values(table, 6, row);
                        let values: Vec<String> = values.iter().map(|(_, value)| value.to_string()).collect();
                        vec![format!("{}={}", names[kind.parse::<usize>().unwrap()], values.join("x"))]
                    } else {
                        let columns = 0..rows.table(table).columns.len();
                        columns.map(|column| format!("{:x}", rows.scalar(table, column, row).bits())).collect()
                    };
                    text.push_str(&format!("; {}", values.join(" ")));
                }
            }
        }
        text
    })
}

#[test]
fn registers_are_state_and_what_is_shown_besides_is_evidence() {
    let log = [LINE_A, LINE_B, LINE_C].join("\n");
    assert_eq!(
        nestest(log.as_bytes()).unwrap(),
        "3 ticks, 0 noise; 8000 a910 2 0 1 2 24 fd; 8002 8520 2 10 1 2 24 fd; operand=127; 8004 4c0080 3 10 1 2 24 fd"
    );
}

#[test]
fn further_columns_are_counters() {
    let with = |tail: &str| nestest(format!("{LINE_A} {tail}\n").as_bytes()).unwrap();
    assert!(with("PPU:  0, 21 CYC:7").ends_with("; 0 15 7"));
    assert!(with("PPU: 21,  0").ends_with("; 15 0"));
    assert!(with("CYC:7").ends_with("; 7"));
    assert!(with("CYC: 30 SL:241").ends_with("; f1 1e"));
    assert!(with("CYC: 30 SL:-1").ends_with("; 105 1e"));
}

#[test]
fn logs_come_in_many_wrappings() {
    let plain = nestest(format!("{LINE_A}\n{LINE_B}\n").as_bytes()).unwrap();
    let wrapped = |log: &[u8]| assert_eq!(nestest(log).unwrap(), plain, "{}", String::from_utf8_lossy(log));
    wrapped(format!("{LINE_A}\r\n{LINE_B}\r\n").as_bytes());
    wrapped(format!("{LINE_A}\n{LINE_B}").as_bytes());
    wrapped(format!("\u{feff}{LINE_A}\n{LINE_B}\n").as_bytes());
    wrapped(format!("[INFO] {LINE_A}\n[INFO] {LINE_B}\n").as_bytes());
    wrapped(format!("   1: {LINE_A}\n   2: {LINE_B}\n").as_bytes());
    wrapped(format!("\n{LINE_A}\n\n{LINE_B}\n\n").as_bytes());
    wrapped(format!("{LINE_A}\r\n{LINE_B}\r").as_bytes());
    wrapped(format!("2024  10 {LINE_A}\n2024  11 {LINE_B}\n").as_bytes());
    let utf16: Vec<u16> = format!("{LINE_A}\n{LINE_B}\n").encode_utf16().collect();
    let little: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    wrapped(&[&[0xff, 0xfe], little.as_slice()].concat());
    wrapped(&[&[0xfe, 0xff], big.as_slice()].concat());
    wrapped(&little);
    wrapped(&big);
}

#[test]
fn chatter_is_left_out_and_accounted_for() {
    let log =
        format!("compiling…\nloaded 8000  10 banks\n{LINE_A}\nread from nowhere: 0x4015\n\nagain\n{LINE_B}\nbye\n");
    let said = nestest(log.as_bytes()).unwrap();
    assert!(said.starts_with("2 ticks, 5 noise"), "{said}");
    assert!(said.contains("fd; noise=1x2; noise=4x2; 8002") && said.ends_with("operand=127; noise=8x1"), "{said}");
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let cases = [
        String::new(),
        "hello\n".to_owned(),
        format!("{LINE_A}\n{}\n", &LINE_B[..60]),
        format!("{LINE_A}\n{}\n", LINE_B.replace("Y:02", "Y:2")),
        format!("{LINE_A}\n{} what\n", LINE_B),
        format!("{LINE_A}\n{LINE_B} CYC:7\n"),
        format!("{LINE_A} PPU:  0\n"),
        format!("{LINE_A}\n{}", &LINE_B[..70]),
        format!("{LINE_A}\n{}\n", &LINE_B[20..]),
    ];
    let said: Vec<String> = cases.iter().map(|log| nestest(log.as_bytes()).unwrap_err()).collect();
    insta::assert_snapshot!(said.join("\n"));
}

/// Every way in which the last line of a log can lack its end without being sure to be whole.
fn cut_logs() -> Vec<(LogFormat, String)> {
    let with = |tail: &str| format!("{LINE_A} PPU:  0, 21 CYC:7\n{LINE_B} PPU:  0, 30 CYC:{tail}");
    vec![
        (LogFormat::Nestest, format!("{LINE_A}\n{}", &LINE_B[..70])),
        (LogFormat::Nestest, format!("{LINE_A}\n{}", &LINE_B[..3])),
        (LogFormat::Nestest, format!("{LINE_A}\n ")),
        (LogFormat::Nestest, with("1")),
        (LogFormat::Nestest, with("10")),
        (LogFormat::Nestest, with("10").replace(" CYC:10", "")),
        (LogFormat::Nestest, with("10").replace(" PPU:  0, 30 CYC:10", "")),
        (LogFormat::GameboyDoctor, format!("{DOCTOR}\n{}", &DOCTOR[..DOCTOR.len() - 1])),
        (LogFormat::GameboyDoctor, format!("{DOCTOR}\n{}", &DOCTOR[..5])),
    ]
}

#[test]
fn a_cut_line_is_a_recorded_loss_on_request_and_an_error_without() {
    for (format, log) in cut_logs() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("t.cdt");
        let refused = take(&format, log.as_bytes(), false, &out).unwrap_err();
        assert!(refused.contains("log:2:") && refused.contains("--truncated-tail"), "{log}: {refused}");
        let report = take(&format, log.as_bytes(), true, &out).unwrap();
        assert_eq!((report.ticks, report.noise_lines), (1, 0), "{log}");
        let kinds: Vec<LossKind> = Trace::open(&out).unwrap().index().loss.iter().map(|loss| loss.kind).collect();
        assert_eq!(kinds, [LossKind::TruncatedTail], "{log}");
    }
}

#[test]
fn the_only_line_of_a_log_may_lack_columns() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("t.cdt");
    assert!(take(&LogFormat::Nestest, LINE_A.as_bytes(), false, &out).unwrap_err().contains("--truncated-tail"));
}

#[test]
fn noise_costs_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let log = format!("{LINE_A}\n{}{LINE_B}\n", "x\n".repeat(2_000_000));
    let report = take(&LogFormat::Nestest, log.as_bytes(), false, &folder.path().join("t.cdt")).unwrap();
    assert_eq!((report.ticks, report.noise_lines, report.first_noise.len()), (2, 2_000_000, 5));
}

#[test]
fn a_compressed_log_that_was_cut_says_so_whatever_its_last_line() {
    let log = [DOCTOR, DOCTOR, ""].join("\n").repeat(4000);
    let packed = zstd::encode_all(log.as_bytes(), 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("t.cdt");
    for cut in packed.len() - 40..packed.len() {
        assert!(take(&LogFormat::GameboyDoctor, &packed[..cut], false, &out).is_err(), "{cut}");
    }
    let report = take(&LogFormat::GameboyDoctor, &packed[..packed.len() - 1], true, &out).unwrap();
    assert_eq!(report.loss.unwrap().kind, LossKind::TruncatedTail);
}

#[test]
fn gameboy_doctor_lines_are_read_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("t.cdt");
    let said = |log: &str| take(&LogFormat::GameboyDoctor, log.as_bytes(), false, &out);
    let bad =
        [DOCTOR.replace("PC:0100", "PC:010"), DOCTOR.replace(",02", ""), DOCTOR[5..].to_owned(), LINE_A.to_owned()];
    let messages: Vec<String> = bad.iter().map(|line| said(&format!("{line}\n")).unwrap_err()).collect();
    insta::assert_snapshot!(messages.join("\n"));
    assert_eq!(said(&format!("{DOCTOR}\nnoise\n{DOCTOR}\n")).unwrap().ticks, 2);
    let trace = Trace::open(&out).unwrap();
    let rows = trace.block(0, [Channel::State].into_iter().collect()).unwrap();
    let state = rows.layout().table(TableKind::State).unwrap();
    let values: Vec<u64> = (0..11).map(|column| rows.scalar(state, column, 1).bits()).collect();
    assert_eq!(values, [1, 0xb0, 0, 0x13, 0, 0xd8, 1, 0x4d, 0xfffe, 0x100, 0x00c3_1302]);
}

/// The folder of real logs, which stands beside a checkout where it is to be had; they are not the project's to ship.
fn real_logs() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let found = folder.is_dir();
    if !found {
        eprintln!("{}: not there, so no real log was read", folder.display());
    }
    found.then_some(folder)
}

#[test]
fn real_logs_have_the_ticks_that_are_known() {
    let Some(data) = real_logs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let known = [
        ("nes/nestest-reference.log", LogFormat::Nestest, 8_991, 0),
        ("nes/nestest-reference-no-cycles.log", LogFormat::Nestest, 8_991, 0),
        ("nes/candidate-a.log", LogFormat::Nestest, 8_993, 10),
        ("nes/candidate-b.log", LogFormat::Nestest, 4_994, 0),
        ("nes/candidate-c.log", LogFormat::Nestest, 8_992, 0),
        ("gb/truth-02.log.zst", LogFormat::GameboyDoctor, 161_057, 0),
        ("gb/truth-06.log.zst", LogFormat::GameboyDoctor, 241_011, 0),
    ];
    for (index, (name, format, ticks, noise)) in known.into_iter().enumerate() {
        let out = folder.path().join(format!("{index}.cdt"));
        let how = Import { format: &format, out: &out, overwrite: false, truncated_tail: false };
        let report = import(Input::open(&data.join(name)).unwrap(), &how, &Unwatched).unwrap();
        assert_eq!((report.ticks, report.noise_lines), (ticks, noise), "{name}");
    }
}

/// A format string for nestest logs, as somebody would write it.
const NESTEST_STRING: &str = "{pc:hex4} {*} A:{a:hex2} X:{x:hex2} Y:{y:hex2} P:{p:hex2} SP:{sp:hex2}\
                              [ PPU:{counter.line:u64},{counter.dot:u64} CYC:{counter.cycles:u64}]";

/// Lines as the format says, among others.
fn lines(format: &str) -> LogFormat {
    LogFormat::Lines(LineFormat::parse(format).unwrap().skipping_others())
}

/// What a log becomes under a format string: its columns, its rows and the lines left out; or why it is refused.
fn by_format(format: &str, log: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("t.cdt");
    let report = match take(&lines(format), log, false, &out) {
        Err(error) => return format!("{error}\n"),
        Ok(report) => report,
    };
    let trace = Trace::open(&out).unwrap();
    let rows = trace.block(0, ChannelSet::ALL).unwrap();
    let mut text = String::new();
    for kind in [TableKind::State, TableKind::Checkpoint] {
        let Some(id) = rows.layout().table(kind) else { continue };
        let schema = &rows.layout().tables()[id.0];
        for row in 0..rows.table(id).rows() {
            let cell = |column: usize| format!("{}={}", schema.columns[column].name, rows.scalar(id, column, row));
            let cells: Vec<String> = (0..schema.columns.len()).map(cell).collect();
            text.push_str(&format!("{} {}\n", schema.name, cells.join(" ")));
        }
    }
    text + &format!("{} lines left out: {:?}\n", report.noise_lines, report.first_noise)
}

#[test]
fn a_format_string_says_how_lines_read() {
    let cases: &[(&str, &str)] = &[
        ("{frame:u32}: x={x:f32} y={y:f32} alive={alive:bool}", "0: x=1.5 y=-0.0 alive=1\n1: x=1e-3 y=2 alive=false\n"),
        ("{frame:u32},{seed:hex8},{big:i64}", "frame,seed,big\n7,DEADBEEF,-9223372036854775808\n8,0000002a,3\n"),
        ("PC:{pc:hex4} SP:{sp:hex}{*}", "boot v1.2\r\n[info] PC:C000 SP:FD rest\r\n12: PC:C002 SP:1FF\r\n\r\nbye\r\n"),
        ("A:{a:hex2}[ CYC:{counter.cyc:u64}]", "A:01 CYC:  7\nA:02 CYC: 10\n"),
        ("A:{a:hex2}[ CYC:{counter.cyc:u64}]", "A:01\nA:02\n"),
        ("{{{n:i32}}} [[{m:u64}]]", "{-4} [18446744073709551615]\n"),
        ("{*} pc={pc:hex8}", "mov r0, pc ; pc=08000000\nadd ; pc=08000004\n"),
        ("x {a:u32}", "x\t 3  \n"),
    ];
    let mut said = String::new();
    for (format, log) in cases {
        said.push_str(&format!("{format}\n{}\n", by_format(format, log.as_bytes())));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn logs_in_other_encodings_read_the_same() {
    let (format, log) = ("f={f:u32} name={*} hp={hp:i32}", "f=0 name=Zo\u{eb} hp=3\nf=1 name=x hp=-1\n");
    let expected = by_format(format, log.as_bytes());
    let latin: Vec<u8> = log.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let utf16: Vec<u8> = "\u{feff}".chars().chain(log.chars()).flat_map(|c| (c as u16).to_le_bytes()).collect();
    let marked = [&b"\xef\xbb\xbf"[..], log.as_bytes()].concat();
    let crlf = log.replace('\n', "\r\n").into_bytes();
    for other in [latin, utf16, marked, crlf] {
        assert_eq!(by_format(format, &other), expected);
    }
}

#[test]
fn lines_that_do_not_fit_are_told() {
    let format = "{pc:hex4} A:{a:hex2} N:{n:u32}[ E:{e:f32}]";
    let good = "C000 A:01 N:1\n";
    let mut said = String::new();
    for log in [
        "",
        "no line of it\n",
        &format!("{good}C002 A:0 N:2\n"),
        &format!("{good}C002 A:01 N:-2\n"),
        &format!("{good}C002 A:01 N:4294967296\n"),
        &format!("{good}C002 A:01\n"),
        &format!("{good}C002 A:01 N:2 more\n"),
        &format!("{good}C002 A:01 N:2 E:nan\n"),
        &format!("{good}C002 A:01 N:2 E:1.5\n"),
        &format!("{good}C002 A:01 N:2"),
    ] {
        said.push_str(&by_format(format, log.as_bytes()));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn bad_format_strings_are_told() {
    let mut said = String::new();
    for format in [
        "",
        "no field",
        "{pc}",
        "{pc:hex4",
        "{pc:hex0}",
        "{pc:hex17}",
        "{pc:word}",
        "{p c:u32}",
        "{:u32}",
        "{a:u32} {a:u32}",
        "a} {a:u32}",
        "[{a:u32}",
        "{a:u32}]",
        "[{a:u32} [{b:u32}]]",
        "[{*}{a:u32}]",
        "{*}{a:u32}",
        "{*}{*} {a:u32}",
        "{*}[{a:u32}] {b:u32}",
        "{*}[ {a:u32}]{b:u32}",
        "[x={a:u32}]",
        "{counter.a:f32}",
        &format!("{{a:u32}}{}", "[ x]".repeat(33)),
    ] {
        said.push_str(&format!("{format}\n  {}\n", LineFormat::parse(format).unwrap_err()));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_number_is_read_whole_or_not_at_all() {
    let mut said = String::new();
    for (format, line) in [
        ("t={t:f32}{*}", "t=16.6ms"),
        ("t={t:f32}ms", "t=16.6ms"),
        ("x={x:f32}{*}", "x=1e40 y"),
        ("x={x:f32} y", "x=-1.5e-3 y"),
        ("p={x:f32}-{y:f32}", "p=1.5-2.5"),
        ("took {x:f32}.{*}", "took 1.25. next"),
        ("v={v:i32},{w:u64}", "v=-7,18446744073709551615"),
        ("hp={hp:i32}{*}", "hp=3 left"),
        ("hp={hp:i32}{*}", "hp=3, left"),
        ("hp={hp:i32}{*}", "hp=3each"),
        ("hp={hp:i32}{*}", "hp=3.7"),
        ("hp={hp:i32}{*}", "hp=1e3"),
        ("hp={hp:i32}{*}", "hp=1,000"),
        ("hp={hp:i32}{*}", "hp=0x1F"),
        ("v={v:f32}{*}", "v=1_000"),
        ("v={v:f32}{*}", "v=0x1F"),
        ("[v={v:i32}].{w:i32}", "v=3.7"),
        ("f={f:u32}{*}hp={hp:i32}{*}", "f=1 hp=3.7 maxhp=5 x"),
        ("f={f:u32}{*} hp={hp:i32}{*}", "f=1 hp=3.7 was hp=5"),
        ("f={f:u32}{*} hp={hp:i32}{*}", "f=1 hp=none, hp=5"),
        ("x={x:i32}[, y={y:i32}]{*}", "x=1,000 gold"),
        ("x={x:i32}[,{y:i32}]{*}", "x=1,000 gold"),
        ("x={x:i32}[.{part:i32} ok]{*}", "x=3.7"),
        ("x={x:i32}[.{part:i32} ok]{*}", "x=3.7 ok"),
        ("v={v:u32}!", "v=4294967296!"),
        ("{a:u32}", "-5"),
        ("{a:u32} {b:u32}", "1.5 2"),
        ("{a:bool}", "true"),
    ] {
        said.push_str(&format!("{format}  of  {line}\n{}", by_format(format, format!("{line}\n").as_bytes())));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_line_that_begins_like_the_log_is_never_left_out() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("v={v:i32}", "v=1", &["v=abc", "v=99999999999", "v=", "v=1 v=2", "[x] v=1.5"]),
        ("{a:u32}", "1", &["-5", "4294967296", "1.5", "1 2", "[x] 1"]),
        ("{a:u32} {b:u32}", "7 8", &["7 8 9", "7", "7 x", "-7 8", "x 7 8", "1: 7 8", "1.5 2"]),
        ("{a:u32} {b:u32} {c:u32}", "7 8 9", &["7 x 9", "7 8", "4294967296 8 9", "7 x 8 9 1"]),
        ("{a:f32},{b:f32}", "1,2", &["nan,1", "-inf,1", "1e40,1", "1,2,3", "1"]),
        ("{pc:hex4} A:{a:hex2}", "C000 A:01", &["C00 A:01", "C0000 A:01", "FFFE B:01", "FFFE", "[x] C000 A:01"]),
        ("f={f:u32} x={x:f32}", "f=0 x=1", &["f=-1 x=1", "f=abc x=1", "f=1", "x f=1 x=", "f=1 f=2 x=3"]),
        ("[[{n:u32}]] x={x:i32}", "[0] x=1", &["[-3] x=4", "[3] x=", "[3] y=4", "[info] [3] y=4"]),
        ("{*} {a:u32} {b:u32}", "x 7 8", &["x 7 y", "x 7 y 8"]),
        ("{*} pc={pc:hex4}", "nop pc=C000", &["nop pc=zz", "nop pc=C000 x"]),
        ("[{n:u32}: ]x={x:i32}", "x=1", &["x=", "3: x=", "3: y=1"]),
    ];
    let mut said = String::new();
    for (format, good, bad) in cases {
        said.push_str(&format!("{format}\n"));
        for bad in *bad {
            let told = by_format(format, format!("{good}\n{bad}\n{good}\n").as_bytes());
            assert!(told.starts_with("log:2:"), "{format} of {bad}: {told}");
            said.push_str(&format!("  {bad}\n    {}\n", told.split("; the format string").next().unwrap()));
        }
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_line_that_does_not_read_is_an_error_unless_others_are_expected() {
    for (format, log, bad, left_out) in [
        ("{*} {v:i32}", "log 1\nlog abc\nlog 4\n", 2, true),
        ("{*} {v:i32}", "log 1\n\nlog 99999999999\n", 3, true),
        ("{pc:hex4} A:{a:hex2}", "C000 A:1F\nDEA A:1F\nC002 A:1F\n", 2, true),
        (" x={x:i32}", " x=1\nx=2\n x=3\n", 2, true),
        ("{alive:bool} x={x:i32}", "true x=1\nTRUE x=3\n", 2, true),
        ("{x:u32} y={y:u32}", "1 y=1\nnan y=2\n", 2, true),
        ("x={x:u32}", "boot\nx=1\n", 1, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let strict = LogFormat::Lines(LineFormat::parse(format).unwrap());
        let error = take(&strict, log.as_bytes(), false, &folder.path().join("t.cdt")).unwrap_err();
        assert!(error.starts_with(&format!("log:{bad}: this line does not look like one of the log;")), "{error}");
        assert!(error.contains("--skip-other-lines"), "{error}");
        let told = by_format(format, log.as_bytes());
        let is_left_out = told.contains("1 lines left out");
        assert_eq!(is_left_out, left_out, "{format}: {told}");
        assert!(is_left_out || told.starts_with(&format!("log:{bad}:")), "{told}");
    }
}

#[test]
fn what_is_unlike_the_log_is_left_out() {
    let chatter = [
        "compiling…",
        "loaded the rom",
        "Read from unmapped address: 0x4015",
        "frame,seed,big",
        "--- 1.5 ---",
        "[info] boot",
        "1: a warning",
        "dead: code",
        "if=3",
        "(player)",
        "+",
        "",
    ];
    for (format, good) in [
        ("f={f:u32} x={x:f32}", "f=0 x=1"),
        ("{frame:u32},{seed:hex8}", "7,DEADBEEF"),
        ("{pc:hex4} {*} A:{a:hex2}", "C000 nop A:01"),
        ("{*} A:{a:hex2}", "nop A:01"),
        ("[[{n:u32}]] x={x:i32}", "[0] x=1"),
        ("({x:f32}, {y:f32})", "moved (player) to (1.5, 2)"),
    ] {
        let log = format!("{}\n{good}\n{0}\n{good}\n", chatter.join("\n"));
        let told = by_format(format, log.as_bytes());
        assert!(told.ends_with("22 lines left out: [1, 2, 3, 4, 5]\n"), "{format}: {told}");
    }
}

/// Lines that cost a matcher the square of their length if it looks again from each of their bytes.
#[test]
fn a_long_line_takes_no_longer_than_its_length_says() {
    let long = |unit: &str| unit.repeat(1_000_000 / unit.len());
    for (format, line) in [
        ("x={x:u32}{*}y={y:u32}", long("x=1 ")),
        ("x={x:u32} {*} y={y:u32} {*} z={z:u32}", long("x=1 y=2 ")),
        ("{x:u32} y={y:u32}", long("1.")),
        ("{x:u32} y={y:u32}", long("1 ")),
        ("{x:u32} y={y:u32}", long(" ")[..500_000].to_owned() + &long("a ")[..500_000]),
        ("{x:f64}!", long("1")),
        ("{*} {a:u32}", long(" ")),
        ("{*}[ b]c={c:u32}", long(" ")),
        ("{*}x{a:u32}", long("x ") + &long(" ")[..40_000]),
        ("[[{*}]] x={x:u32}", long("[")),
        ("[[{a:u32}]] x={x:u32}", long("[ [")),
        ("{*}1{a:f64}!", long("1")[..40_000].to_owned()),
        ("{a:hex2} {*} b={b:bool} {*} c={c:i64}", long("00 b=1 ")),
    ] {
        let told = by_format(format, format!("{line}\n").as_bytes());
        assert!(told.starts_with("log:") && told.len() < 500, "{format}: {told}");
    }
}

/// Asks how often the work looks whether it shall stop, and stops it at one of them.
struct StopsAt {
    look: u32,
    looks: Cell<u32>,
}

impl Watch for StopsAt {
    fn progress(&self, _done: u64, _total: Option<u64>) {}

    fn cancelled(&self) -> bool {
        self.looks.set(self.looks.get() + 1);
        self.looks.get() >= self.look
    }
}

#[test]
fn a_log_of_long_lines_can_be_stopped_and_a_file_without_lines_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("t.cdt");
    let format = lines("x={x:u32}{*}");
    let how = Import { format: &format, out: &out, overwrite: false, truncated_tail: false };
    let log = format!("x=1 {}\n", "y".repeat(600_000)).repeat(10).into_bytes();
    let watch = StopsAt { look: 5, looks: Cell::new(0) };
    let error = import(Input::from_bytes("log", log.clone()).unwrap(), &how, &watch).unwrap_err();
    assert_eq!((error.kind(), watch.looks.get()), (ErrorKind::Cancelled, 5));
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is left behind");
    assert_eq!(take(&format, &log, false, &out).unwrap().ticks, 10);
    assert_eq!(
        by_format("x={x:u32}{*}", &[b"x=1\n".to_vec(), vec![b'x'; 3 << 20]].concat()),
        "log:2: the line is longer than 1 MiB; lines end with a line break\n"
    );
}

#[test]
fn the_cut_end_of_a_log_by_format_string_is_a_loss_on_request() {
    for (format, good, cut) in [
        ("f={f:u32} x={x:f32}", "f=0 x=1.5", "f=1 x=1"),
        ("f={f:u32} x={x:f32}", "f=0 x=1.5", "f=1 "),
        ("f={f:u32} x={x:f32}", "f=0 x=1.5", "b"),
        ("A:{a:hex2}[ C:{counter.c:u64}]", "A:01 C:1", "A:02"),
        ("A:{a:hex2}{*}", "A:01 x", "A:02"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("t.cdt");
        let log = format!("{good}\n{cut}");
        let refused = take(&lines(format), log.as_bytes(), false, &out).unwrap_err();
        assert!(refused.contains("log:2:") && refused.contains("--truncated-tail"), "{log}: {refused}");
        let report = take(&lines(format), log.as_bytes(), true, &out).unwrap();
        assert_eq!((report.ticks, report.loss.map(|loss| loss.kind)), (1, Some(LossKind::TruncatedTail)), "{log}");
    }
    // What ends with a number of fixed width is whole, and what has its line break is never a loss.
    let folder = tempfile::tempdir().unwrap();
    let whole = |name: &str, log: &[u8]| take(&lines("A:{a:hex2}"), log, true, &folder.path().join(name)).unwrap();
    for (name, log) in [("a", "A:01\nA:02"), ("b", "A:01\nA:02\n")] {
        let report = whole(name, log.as_bytes());
        assert_eq!((report.ticks, report.loss), (2, None));
    }
    let refused = take(&lines("A:{a:hex2}"), b"A:01\nA:2\n", true, &folder.path().join("c")).unwrap_err();
    assert!(refused.starts_with("log:2:3:"), "{refused}");
}

#[test]
fn an_import_replaces_a_trace_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (log, out) = (folder.path().join("x.log"), folder.path().join("t.cdt"));
    std::fs::write(&log, format!("{DOCTOR}\n")).unwrap();
    std::fs::write(&out, "mine").unwrap();
    let format = LogFormat::from_name("gameboy-doctor").unwrap();
    let import_to = |out: &Path, overwrite| {
        let how = Import { format: &format, out, overwrite, truncated_tail: false };
        import(Input::open(&log).unwrap(), &how, &Unwatched).map_err(|error| error.to_string())
    };
    let refused = import_to(&out, false).unwrap_err();
    assert!(refused.contains("--force") && std::fs::read(&out).unwrap() == b"mine", "{refused}");
    assert_eq!(import_to(&out, true).unwrap().ticks, 1);
    assert_eq!(Trace::open(&out).unwrap().index().ticks(), 1);
    let refused = import_to(&log, true).unwrap_err();
    assert!(
        refused.ends_with("this is what is read, which nothing may take the place of; choose another name"),
        "{refused}"
    );
    assert_eq!(LogFormat::from_name("text"), None, "such a format has a string and no name");
}

#[test]
fn every_type_of_a_format_string_is_read() {
    let format = "{a:bool} {b:i32} {c:u32} {d:i64} {e:u64} {f:f32} {g:f64} {h:hex} {i:hex1} {j:hex9} {k:hex16} \
                  {counter.l:u32} {counter.m:hex8}";
    let log = "true -2147483648 4294967295 -9223372036854775808 18446744073709551615 -0.0 1e300 FF a 123456789 \
               FFFFFFFFFFFFFFFF 7 0000000F\n";
    insta::assert_snapshot!(by_format(format, log.as_bytes()));
    let packed = zstd::encode_all(log.as_bytes(), 1).unwrap();
    assert_eq!(by_format(format, &packed), by_format(format, log.as_bytes()));
    insta::assert_snapshot!("counters_alone", by_format("n={counter.n:u64}", b"n=1\nn=2\n"));
}

#[test]
fn a_format_string_reads_the_logs_of_others() {
    let Some(data) = real_logs() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (index, (name, ticks, noise)) in [
        ("nes/nestest-reference.log", 8_991, 0),
        ("nes/nestest-reference-no-cycles.log", 8_991, 0),
        ("nes/candidate-a.log", 8_993, 10),
        ("nes/candidate-b.log", 4_994, 0),
        ("nes/candidate-c.log", 8_992, 0),
    ]
    .into_iter()
    .enumerate()
    {
        let log = std::fs::read(data.join(name)).unwrap();
        let report = take(&lines(NESTEST_STRING), &log, false, &folder.path().join(format!("{index}.cdt")));
        let report = report.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((report.ticks, report.noise_lines), (ticks, noise), "{name}");
    }
}
