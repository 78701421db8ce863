//! What the end-to-end tests share: running the binary, captures, and traces.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub fn cdt(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cdt"));
    command.current_dir(folder).args(words).stdin(Stdio::null()).output().unwrap()
}

/// Runs a command and gives its exit code and what it printed, standard error first.
pub fn said(folder: &Path, line: &str) -> (i32, String) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let output = cdt(folder, &words);
    let text = [output.stderr, output.stdout].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// Runs a command that cannot be done, and gives it with what it printed.
pub fn refused(folder: &Path, line: &str) -> String {
    let (code, text) = said(folder, line);
    assert_eq!(code, 2, "cdt {line}\n{text}");
    format!("$ cdt {line}\n{text}\n")
}

/// Runs a command that must end with this code, and gives what it printed on standard output.
pub fn expect(folder: &Path, code: i32, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let output = cdt(folder, &words);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "cdt {line}\n{out}\n{err}");
    if words.contains(&"--json") {
        check_report(line, &out);
    }
    out
}

/// A report is what its schema in `docs/schemas` says, without a member that is not in there.
pub fn check_report(line: &str, report: &str) {
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    let name = report["schema"].as_str().and_then(|name| name.strip_prefix("cdt.")?.strip_suffix("/1")).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/schemas/{name}.json"));
    let mut schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    close(&mut schema);
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "cdt {line}\n{}", errors.join("\n"));
}

/// Forbids members that a schema does not name.
fn close(schema: &mut serde_json::Value) {
    if let Some(object) = schema.as_object_mut() {
        if object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".to_owned(), false.into());
        }
        object.values_mut().for_each(close);
    } else if let Some(list) = schema.as_array_mut() {
        list.iter_mut().for_each(close);
    }
}

pub fn demo_capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../traces/demo").join(format!("{name}.jsonl.zst"))
}

/// A folder with the two traces of the demo.
pub fn demo_traces() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["reference", "candidate"] {
        let line = format!("finalize {} -o {name}.cdt", demo_capture(name).display());
        expect(folder.path(), 0, &line);
    }
    folder
}

pub fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn zstd_cat(path: &Path) -> Vec<u8> {
    zstd::stream::decode_all(std::fs::File::open(path).unwrap()).unwrap()
}

/// A session's first row, with this layout.
pub fn session_start(layout: &str) -> String {
    let about = concat!(
        r#""producer":{"name":"p","version":"1","platform":"any","arch":"any"},"#,
        r#""program":{"name":"g","build":null,"hash":null}"#
    );
    let head = r#"{"event":"session_start","capture_version":1,"session_id":"s""#;
    format!("{head},{about},\"layout\":{layout}}}\n")
}

/// A run's rows, each tick with these further members.
pub fn run_rows(run: &str, ticks: u32, members: impl Fn(u32) -> String) -> String {
    let head = r#""seed":"1","seed_source":"fixed","mode":0,"players":0,"tick_rate":60,"reason":"test""#;
    let mut rows = format!("{{\"event\":\"run_start\",\"run_id\":\"{run}\",{head}}}\n");
    for tick in 0..ticks {
        let row = format!("\"run_id\":\"{run}\",\"tick\":{tick},{}", members(tick));
        rows.push_str(&format!("{{\"event\":\"tick\",{row}}}\n"));
    }
    let end = format!("\"run_id\":\"{run}\",\"ticks\":{ticks},\"reason\":\"complete\"");
    rows + &format!("{{\"event\":\"run_end\",{end}}}\n")
}

pub fn session_end(ticks: u32) -> String {
    format!("{{\"event\":\"session_end\",\"session_id\":\"s\",\"ticks\":\"{ticks}\"}}\n")
}

/// The capture of a run of two creatures, whose hit points are a function of the tick and the slot.
pub fn creatures_capture(hp_type: &str, hp: impl Fn(u32, u32) -> i64) -> String {
    let fields = format!(r#"[{{"name":"x","type":"f32"}},{{"name":"hp","type":"{hp_type}"}}]"#);
    let layout = format!(r#"{{"entities":[{{"kind":"creature","fields":{fields}}}]}}"#);
    let creature = |tick: u32, slot: u32| {
        let values = format!("[{}.5,{}]", tick / 7, hp(tick, slot));
        format!(r#"{{"kind":"creature","slot":{slot},"generation":1,"fields":{values}}}"#)
    };
    let members = |tick| format!("\"entities\":[{},{}]", creature(tick, 3), creature(tick, 4));
    session_start(&layout) + &run_rows("r", 8_000, members) + &session_end(8_000)
}

/// Finalizes the run of two creatures.
pub fn creatures(folder: &Path, name: &str, hp_type: &str, hp: impl Fn(u32, u32) -> i64) {
    let capture = creatures_capture(hp_type, hp);
    std::fs::write(folder.join(format!("{name}.jsonl")), capture).unwrap();
    expect(folder, 0, &format!("finalize {name}.jsonl -o {name}.cdt"));
}
