//! Captures in, traces out: what is whole becomes a trace, what is not is told with its place.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use cdt_ingest::{Destination, Finalize, Finalized, Input, RunOutcome, finalize};
use cdt_schema::{ChannelSet, Scalar, TableKind, Tick};
use cdt_trace::{Options, Trace, Unwatched};

const START: &str = r#"{"event":"session_start","capture_version":1,"session_id":"s","producer":{"name":"p","version":"1","platform":"any","arch":"any"},"program":{"name":"g","build":null,"hash":null},"layout":{"stages":["update"],"rng":[{"name":"main","algorithm":"msvc_lcg"}],"calls":[{"module":"sys","name":"blit","version":1,"args":[{"name":"x","type":"i32"}],"result":"i32"}],"state":[{"name":"score","type":"u32"},{"name":"energy","type":"f32"},{"name":"money","type":"u64"}],"entities":[{"kind":"creature","fields":[{"name":"hp","type":"i32"}]}]}}"#;
const RUN: &str = r#"{"event":"run_start","run_id":"r","seed":"42","seed_source":"fixed","mode":0,"players":0,"tick_rate":60,"reason":"test"}"#;
const END: &str = r#"{"event":"run_end","run_id":"r","ticks":1,"reason":"complete"}"#;
const CLOSE: &str = r#"{"event":"session_end","session_id":"s","ticks":"1"}"#;
const TICK: &str = r#"{"event":"tick","run_id":"r","tick":0,"rng":[],"calls":[],"state":[1,0.5,"9"],"entities":[]}"#;

fn run(capture: &str, folder: &Path, truncated_tail: bool) -> Result<Finalized, String> {
    let how = Finalize {
        destination: Destination::Folder(folder.to_owned()),
        overwrite: false,
        truncated_tail,
        options: Options::LIVE,
        threads: 1,
    };
    let input = Input::from_bytes("capture", capture.as_bytes().to_vec()).unwrap();
    finalize(input, &how, &Unwatched).map_err(|error| error.to_string())
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// What is said of a session of one run with these rows; of a session that fails, the error.
fn said(rows: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    match run(&format!("{}\n", rows.join("\n")), folder.path(), false) {
        Err(error) => {
            assert!(files(folder.path()).is_empty(), "nothing is left behind");
            error
        }
        Ok(report) => {
            let mut lines: Vec<String> = report.faults;
            for run in report.runs {
                lines.push(match run.outcome {
                    RunOutcome::Failed(reason) => reason,
                    RunOutcome::Finalized { ticks, .. } => format!("{}: {ticks} ticks", run.run_id),
                });
            }
            let finalized = lines.iter().filter(|line| line.ends_with(" ticks")).count();
            assert_eq!(files(folder.path()).len(), finalized, "a trace for each run that was finalized, and no more");
            lines.join("\n")
        }
    }
}

/// What is said of a session whose only tick is `tick`.
fn said_of(tick: &str) -> String {
    said(&[START, RUN, tick, END, CLOSE])
}

#[test]
fn a_whole_session_becomes_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let rng = r#"{"stream":"main","seq":1,"value":41,"before":"1","after":"2745024","caller":7}"#;
    let call = r#"{"seq":1,"syscall":"sys.blit@1","stage":"update","args":[-3],"result":1,"decision":"allowed"}"#;
    let tick = format!(
        r#"{{"event":"tick","run_id":"r","tick":0,"rng":[{rng}],"calls":[{call}],"state":[1,-0.0,"18446744073709551615"],"entities":[{{"kind":"creature","slot":7,"generation":2,"fields":[-5]}}]}}"#
    );
    let report = run(&[START, RUN, &tick, END, CLOSE].join("\r\n"), folder.path(), false).unwrap();
    assert!(report.faults.is_empty());
    let trace = Trace::open(&folder.path().join("r.cdt")).unwrap();
    let rows = trace.block(0, ChannelSet::ALL).unwrap();
    assert_eq!(rows.ticks(), [Tick(0)]);
    let state = rows.layout().table(TableKind::State).unwrap();
    assert_eq!(rows.scalar(state, 1, 0), Scalar::F32(-0.0));
    assert_eq!(rows.scalar(state, 2, 0), Scalar::U64(u64::MAX));
    assert_eq!(trace.index().meta.run.seed, Some(42));
}

#[test]
fn every_fault_of_a_row_names_its_place() {
    let cases = [
        TICK.replace(r#""tick":0"#, r#""tick":1"#),
        TICK.replace("0.5", "\"0.5\""),
        TICK.replace("0.5", "1e99"),
        TICK.replace("[1,0.5", "[-1,0.5"),
        TICK.replace("\"9\"", "9"),
        TICK.replace(r#",0.5,"9""#, ""),
        TICK.replace(r#""state""#, r#""stat""#),
        TICK.replace(r#""state":[1,0.5,"9"],"#, ""),
        TICK.replace(r#""rng":[],"#, r#""rng":[],"rng":[],"#),
        TICK.replace(r#""entities":[]"#, r#""entities":[{"kind":"creatur","slot":0,"generation":0,"fields":[1]}]"#),
        TICK.replace(r#""entities":[]"#, r#""entities":[{"kind":"creature","slot":0,"generation":0,"fields":[1.5]}]"#),
        TICK.replace(r#""entities":[]"#, r#""entities":[],"timing":[]"#),
        TICK.replace(r#""entities":[]"#, r#""entities":[],"elapsed":"1""#),
        TICK.replace(r#""rng":[]"#, r#""rng":[{"stream":"main","seq":2,"value":41,"before":"1","after":"2745024","caller":7}]"#),
        TICK.replace(r#""rng":[]"#, r#""rng":[{"stream":"main","seq":1,"value":42,"before":"1","after":"2745024","caller":7}]"#),
        TICK.replace(r#""rng":[]"#, r#""rng":[{"stream":"main","seq":1,"value":42,"before":"01","after":"2745024","caller":7}]"#),
        TICK.replace(r#""calls":[]"#, r#""calls":[{"seq":1,"syscall":"sys.blit@2","stage":"update","args":[],"result":null,"decision":"denied"}]"#),
        TICK.replace(r#""calls":[]"#, r#""calls":[{"seq":1,"syscall":"sys.blit@1","stage":"update","args":[1],"result":null,"decision":"allowed"}]"#),
        TICK.replace(r#""event":"tick""#, r#""event":"tock""#),
        TICK.replace('}', ""),
        format!("{TICK} x"),
    ];
    let said: Vec<String> = cases.iter().map(|tick| said_of(tick)).collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn every_fault_of_a_session_names_its_place() {
    let cases: [Vec<&str>; 12] = [
        vec![""],
        vec!["not json"],
        vec![RUN],
        vec![&*START.replace(r#""capture_version":1"#, r#""capture_version":2"#).leak()],
        vec![&*START.replace(r#""type":"u32""#, r#""type":"u33""#).leak()],
        vec![&*START.replace(r#""name":"energy""#, r#""name":"score""#).leak()],
        vec![START, &*RUN.replace(r#""run_id":"r""#, r#""run_id":"../r""#).leak()],
        vec![START, &*RUN.replace("60", "0").leak(), TICK],
        vec![START, RUN, TICK, &*END.replace(":1", ":2").leak(), CLOSE],
        vec![START, RUN, TICK, END, &*CLOSE.replace("\"1\"", "\"2\"").leak()],
        vec![START, RUN, TICK, END],
        vec![START, RUN, TICK, r#"{"event":"error","message":"the target died","run_id":"r"}"#, CLOSE],
    ];
    let said: Vec<String> = cases.iter().map(|rows| said(rows)).collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_bad_run_does_not_cost_the_others() {
    let other = |row: &str| row.replace(r#""run_id":"r""#, r#""run_id":"q""#);
    let bad = other(TICK).replace("0.5", "null");
    let rows = [START, RUN, &other(RUN), TICK, &bad, &other(TICK), END, &other(END), CLOSE];
    let said = said(&rows);
    assert!(said.contains("r: 1 ticks"), "{said}");
    assert!(said.contains("capture:5:"), "{said}");
}

#[test]
fn a_line_that_belongs_to_no_run_costs_those_that_are_open() {
    let other = |row: &str| row.replace(r#""run_id":"r""#, r#""run_id":"q""#);
    let said = said(&[START, RUN, TICK, END, &other(RUN), "{\"event\":", &other(TICK), &other(END), CLOSE]);
    assert!(said.contains("r: 1 ticks") && said.contains("capture:6:"), "{said}");
}

#[test]
fn a_cut_tail_is_kept_only_on_request() {
    let cut = format!("{START}\n{RUN}\n{TICK}\n{}", &TICK.replace(r#""tick":0"#, r#""tick":1"#)[..40]);
    let folder = tempfile::tempdir().unwrap();
    let report = run(&cut, folder.path(), false).unwrap();
    let RunOutcome::Failed(reason) = &report.runs[0].outcome else { panic!("the run has no end") };
    assert!(reason.contains("--truncated-tail"), "{reason}");
    assert!(files(folder.path()).is_empty());
    let report = run(&cut, folder.path(), true).unwrap();
    let RunOutcome::Finalized { ticks, loss: Some(loss), .. } = &report.runs[0].outcome else { panic!("{report:?}") };
    assert_eq!((*ticks, loss.from, loss.to), (1, Tick(1), None));
    assert_eq!(Trace::open(&folder.path().join("r.cdt")).unwrap().index().loss, std::slice::from_ref(loss));
}

#[test]
fn nothing_is_overwritten_without_leave() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r.cdt"), "mine").unwrap();
    let error = run(&[START, RUN, TICK, END, CLOSE].join("\n"), folder.path(), false).unwrap_err();
    assert!(error.contains("--force"), "{error}");
    assert_eq!(std::fs::read(folder.path().join("r.cdt")).unwrap(), b"mine");
    assert_eq!(files(folder.path()), ["r.cdt"]);
}

#[test]
fn compressed_captures_are_told_by_their_first_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let capture = [START, RUN, TICK, END, CLOSE].join("\n");
    let packed = zstd::bulk::compress(capture.as_bytes(), 3).unwrap();
    let how = Finalize {
        destination: Destination::File(folder.path().join("x.cdt")),
        overwrite: false,
        truncated_tail: false,
        options: Options::ARCHIVE,
        threads: 1,
    };
    let input = Input::from_bytes("capture", packed.clone()).unwrap();
    assert_eq!(finalize(input, &how, &Unwatched).unwrap().runs.len(), 1);
    let cut = Input::from_bytes("capture", packed[..packed.len() - 20].to_vec()).unwrap();
    assert!(finalize(cut, &how, &Unwatched).is_err());
}

#[test]
fn a_cut_compressed_capture_ends() {
    let mut capture = format!("{START}\n{RUN}\n");
    let mut numbers = 1u64;
    for tick in 0..20_000 {
        numbers = numbers.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let state = format!("[{},0.5,\"{numbers}\"]", numbers >> 33);
        capture.push_str(&TICK.replace(r#""tick":0"#, &format!(r#""tick":{tick}"#)).replace(r#"[1,0.5,"9"]"#, &state));
        capture.push('\n');
    }
    let packed = zstd::bulk::compress(capture.as_bytes(), 1).unwrap();
    for truncated_tail in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let how = Finalize {
            destination: Destination::Folder(folder.path().to_owned()),
            overwrite: false,
            truncated_tail,
            options: Options::LIVE,
            threads: 2,
        };
        let input = Input::from_bytes("capture", packed[..packed.len() / 2].to_vec()).unwrap();
        let report = finalize(input, &how, &Unwatched).unwrap();
        let kept = matches!(&report.runs[0].outcome, RunOutcome::Finalized { ticks: 1.., loss: Some(_), .. });
        assert_eq!(kept, truncated_tail, "{report:?}");
        assert_eq!(files(folder.path()).len(), usize::from(truncated_tail));
    }
}

#[test]
fn what_is_told_does_not_grow_with_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(&[START, &"what\n".repeat(10_000), CLOSE].join("\n"), folder.path(), false).unwrap();
    assert_eq!(report.faults.len(), 101);
    // 10,000 such lines, as many empty ones as joining made, and the end whose total is not that of the runs.
    assert_eq!(report.faults[100], "capture: and 9902 more lines at fault");
    // What names runs that nobody began costs no run and is not kept either.
    let stray = |index: u32| TICK.replace("\"r\"", &format!("\"r{index}{}\"", "x".repeat(1000))) + "\n";
    let strays: String = (0..5_000).map(stray).collect();
    let report =
        run(&[START, "\n", RUN, "\n", &strays, TICK, "\n", END, "\n", CLOSE].concat(), folder.path(), false).unwrap();
    assert_eq!((report.runs.len(), report.faults.len()), (1, 101));
    assert!(matches!(report.runs[0].outcome, RunOutcome::Finalized { ticks: 1, .. }));
}

#[test]
fn only_transport_is_excused_by_the_truncated_tail() {
    let whole_but_wrong = [
        r#"{"event":"error","message":"hook lost","run_id":"r"}"#.to_owned(),
        END.replace(":1", ":2"),
        TICK.replace(r#""tick":0"#, r#""tick":7"#),
    ];
    for last in whole_but_wrong {
        let folder = tempfile::tempdir().unwrap();
        let report = run(&[START, RUN, TICK, &last].join("\n"), folder.path(), true).unwrap();
        assert!(matches!(report.runs[0].outcome, RunOutcome::Failed(_)), "{last}: {report:?}");
        assert!(files(folder.path()).is_empty());
    }
}

/// A session of so many runs, one after another or all begun before the first ends.
fn session_of(runs: u32, at_once: bool) -> String {
    let of = |row: &str, run: u32| row.replace("\"r\"", &format!("\"r{run}\"")) + "\n";
    let begin = |run| of(RUN, run);
    let rest = |run| of(TICK, run) + &of(END, run);
    let rows: String = if at_once {
        (0..runs).map(begin).chain((0..runs).map(rest)).collect()
    } else {
        (0..runs).map(|run| begin(run) + &rest(run)).collect()
    };
    format!("{START}\n{rows}{}\n", CLOSE.replace("\"1\"", &format!("\"{runs}\"")))
}

#[test]
fn more_runs_at_once_than_there_are_files_cost_those_alone() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(&session_of(203, true), folder.path(), false).unwrap();
    let failed: Vec<&str> = report
        .runs
        .iter()
        .filter_map(|run| match &run.outcome {
            RunOutcome::Failed(reason) => Some(reason.as_str()),
            RunOutcome::Finalized { .. } => None,
        })
        .collect();
    assert_eq!((failed.len(), files(folder.path()).len()), (3, 200));
    assert!(
        failed[0].contains("capture:202:") && failed[0].contains("at most 200 runs are open at once"),
        "{failed:?}"
    );
    assert!(report.faults.is_empty(), "{:?}", report.faults);
}

#[test]
fn runs_that_end_make_room_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let report = run(&session_of(450, false), folder.path(), false).unwrap();
    assert!(report.runs.iter().all(|run| matches!(run.outcome, RunOutcome::Finalized { ticks: 1, .. })));
    // Runs that fail do, too: by a row of their own, and by a line that costs all that are open.
    let of = |row: &str, run: u32| row.replace("\"r\"", &format!("\"r{run}\"")) + "\n";
    let bad = |run| of(RUN, run) + &of(&TICK.replace("0.5", "null"), run);
    let rows: String =
        (0..150).map(bad).chain((150..300).map(|run| of(RUN, run))).chain(["what\n".to_owned()]).collect();
    let rows = rows + &(300..500).map(|run| of(RUN, run)).collect::<String>() + &of(TICK, 499) + &of(END, 499);
    let folder = tempfile::tempdir().unwrap();
    let report = run(&format!("{START}\n{rows}{CLOSE}\n"), folder.path(), false).unwrap();
    assert_eq!((report.runs.len(), files(folder.path())), (500, vec!["r499.cdt".to_owned()]));
}
