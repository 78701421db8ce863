//! The binary as a person or a script meets it: what it prints, its exit codes, and what it leaves behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::*;

#[test]
fn the_demo_finds_the_fork() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(expect(folder.path(), 0, "demo"));
    expect(folder.path(), 0, "demo");
    let names = ["candidate.cdt", "candidate.jsonl.zst", "reference.cdt", "reference.jsonl.zst"];
    assert_eq!(files(&folder.path().join("cdt-demo")), names);
}

#[test]
fn every_help_has_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let commands = [
        "finalize",
        "import",
        "info",
        "health",
        "diff",
        "bisect",
        "focus",
        "tick",
        "entity",
        "compact",
        "recover",
        "query",
        "export",
        "demo",
        "completions",
        "man",
    ];
    let mut all = expect(folder.path(), 0, "--help");
    for command in commands {
        all.push_str(&format!(
            "\n==> cdt {command} --help\n{}",
            expect(folder.path(), 0, &format!("{command} --help"))
        ));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn reports_read_well() {
    let folder = demo_traces();
    let mut all = String::new();
    for (code, line) in [
        (0, "info reference.cdt"),
        (0, "tick reference.cdt 128 --channels state"),
        (0, "entity reference.cdt box:11 --ticks 126..130"),
        (0, "focus reference.cdt candidate.cdt --tick 136 --history 2"),
        (0, "diff reference.cdt candidate.cdt --ticks ..128"),
        (3, "diff reference.cdt candidate.cdt --channels rng"),
        (3, "diff reference.cdt candidate.cdt --ticks 5000.."),
        (1, "bisect reference.cdt candidate.cdt --before 2 --after 3"),
        (0, "bisect reference.cdt reference.cdt"),
        (1, "diff reference.cdt candidate.cdt --prove"),
        (1, "diff reference.cdt candidate.cdt --tolerance *=absolute:2 --leave-out *.spin=cosmetic"),
        (3, "diff reference.cdt candidate.cdt --align rng"),
    ] {
        all.push_str(&format!("$ cdt {line}\n{}\n", expect(folder.path(), code, line)));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn json_has_the_names_of_the_contract() {
    let folder = demo_traces();
    insta::assert_snapshot!(expect(folder.path(), 1, "diff reference.cdt candidate.cdt --json"));
    let capture = demo_capture("reference");
    std::fs::write(folder.path().join("nestest.log"), NESTEST).unwrap();
    for (code, line) in [
        (0, "info reference.cdt --json"),
        (0, "health reference.cdt --json"),
        (0, "focus reference.cdt candidate.cdt --json"),
        (0, "bisect reference.cdt reference.cdt --json"),
        (1, "bisect reference.cdt candidate.cdt --json"),
        (0, "tick reference.cdt 5 --json"),
        (0, "entity reference.cdt box:11 --ticks 1..3 --json"),
        (1, "diff reference.cdt candidate.cdt --json --prove --tolerance *=ulp:4 --leave-out *.spin"),
        (3, "diff reference.cdt candidate.cdt --json --align step"),
        (0, &format!("finalize {} -o again.cdt --json", capture.display())),
        (0, "import --format nestest nestest.log -o nestest.cdt --json"),
    ] {
        expect(folder.path(), code, line);
    }
}

/// Two instructions.
const NESTEST: &str = "\
C000  4C F5 C5  JMP $C5F5                       A:00 X:00 Y:00 P:24 SP:FD PPU:  0, 21 CYC:7
C5F5  A2 00     LDX #$00                        A:00 X:00 Y:00 P:24 SP:FD PPU:  0, 30 CYC:10
";

#[test]
fn the_same_trace_twice_is_equal() {
    let folder = demo_traces();
    let out = expect(folder.path(), 0, "diff reference.cdt reference.cdt");
    assert!(out.starts_with("EQUAL in everything that was compared"), "{out}");
    assert!(out.contains("3,000 ticks, 186,000 rows"), "{out}");
}

#[test]
fn the_same_capture_gives_the_same_bytes_and_archives_have_the_same_digest() {
    let folder = demo_traces();
    let capture = demo_capture("reference");
    expect(folder.path(), 0, &format!("finalize {} -o again.cdt", capture.display()));
    expect(folder.path(), 0, &format!("finalize {} -o small.cdt --encoding archive", capture.display()));
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("reference.cdt"), read("again.cdt"));
    assert!(read("small.cdt").len() < read("reference.cdt").len());
    expect(folder.path(), 0, "diff reference.cdt small.cdt");
}

#[test]
fn what_cannot_be_done_is_said_once_and_leaves_nothing() {
    let folder = demo_traces();
    let path = folder.path();
    std::fs::write(path.join("junk.cdt"), "junk").unwrap();
    std::fs::write(path.join("junk.jsonl"), "{\"event\":1}\n").unwrap();
    std::fs::write(path.join("half.cdt"), &std::fs::read(path.join("reference.cdt")).unwrap()[..5000]).unwrap();
    let before = files(path);
    let mut all = String::new();
    for line in [
        "",
        "diff reference.cdt",
        "diff reference.cdt missing.cdt",
        "diff reference.cdt junk.cdt",
        "diff reference.cdt half.cdt",
        "diff reference.cdt .",
        "diff reference.cdt candidate.cdt --ticks 9..3",
        "diff reference.cdt candidate.cdt --channels stat",
        "diff reference.cdt candidate.cdt --sustain 0",
        "focus reference.cdt candidate.cdt --tick 3000",
        "tick reference.cdt 3000",
        "tick reference.cdt -1",
        "tick reference.cdt 1 --channels rng",
        "entity reference.cdt ball:1",
        "entity reference.cdt box",
        "finalize missing.jsonl",
        "finalize junk.jsonl -o x.cdt",
        "finalize junk.jsonl -o nowhere/x.cdt",
        "finalize junk.jsonl -o nowhere",
        "finalize . -o x.cdt",
        "finalize junk.jsonl -o ./junk.jsonl --force",
        "finalize half.cdt -o half.cdt --force",
        "import junk.jsonl --format nestest -o junk.jsonl --force",
        "import junk.jsonl --format nestest -o x.cdt",
        "import junk.jsonl --format other -o x.cdt",
        "info junk.cdt",
        "health half.cdt",
    ] {
        all.push_str(&refused(path, line));
    }
    assert_eq!(files(path), before);
    insta::assert_snapshot!(all);
}

#[test]
fn nothing_is_replaced_without_force() {
    let folder = demo_traces();
    let line = format!("finalize {} -o reference.cdt", demo_capture("candidate").display());
    let before = std::fs::read(folder.path().join("reference.cdt")).unwrap();
    let (code, text) = said(folder.path(), &line);
    assert!(code == 2 && text.contains("--force"), "{text}");
    assert_eq!(std::fs::read(folder.path().join("reference.cdt")).unwrap(), before);
    let out = expect(folder.path(), 0, &format!("{line} --force"));
    assert!(out.starts_with("finalized reference.cdt ("), "{out}");
    expect(folder.path(), 0, "diff reference.cdt candidate.cdt");
}

#[test]
fn captures_come_from_standard_input_and_keep_what_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let capture = zstd_cat(&demo_capture("reference"));
    let cut = &capture[..capture.len() / 2];
    let finalize = |words: &[&str], input: &[u8]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cdt"));
        command.current_dir(folder.path()).args(words).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    };
    assert_eq!(finalize(&["finalize", "-", "-o", "whole.cdt"], &capture).status.code(), Some(0));
    assert_eq!(finalize(&["finalize", "-", "-o", "cut.cdt"], cut).status.code(), Some(2));
    assert_eq!(files(folder.path()), ["whole.cdt"]);
    let output = finalize(&["finalize", "-", "-o", "cut.cdt", "--truncated-tail"], cut);
    assert_eq!(output.status.code(), Some(3), "done, but with recorded loss");
    expect(folder.path(), 3, "health cut.cdt");
    let out = expect(folder.path(), 0, "diff whole.cdt cut.cdt");
    assert!(out.contains("truncated_tail") && out.contains("the candidate lacks"), "{out}");
    // With --whole the lost tail is part of what is asked about, so nothing can be said.
    expect(folder.path(), 3, "diff whole.cdt cut.cdt --whole");
}

/// A session of runs of one tick each.
fn session_of(runs: u32) -> String {
    let mut capture = session_start(r#"{"state":[{"name":"score","type":"u32"}]}"#);
    for run in 0..runs {
        capture.push_str(&run_rows(&format!("r{run}"), 1, |_| format!("\"state\":[{run}]")));
    }
    capture + &session_end(runs)
}

#[test]
fn a_healed_blip_and_a_sustained_fault_are_both_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let hp = |tick: u32, _: u32| 1_000 - i64::from(tick / 100);
    creatures(path, "reference", "i32", hp);
    let faulty = |tick, slot| hp(tick, slot) - i64::from(slot == 4 && (tick == 500 || tick >= 7_000));
    creatures(path, "candidate", "i32", faulty);
    creatures(path, "other", "u32", hp);
    let mut all = String::new();
    for (code, line) in [
        (1, "diff reference.cdt candidate.cdt"),
        (0, "diff reference.cdt reference.cdt"),
        (3, "diff reference.cdt other.cdt"),
    ] {
        all.push_str(&format!("$ cdt {line}\n{}\n", expect(path, code, line)));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn colours_are_for_whoever_asks_for_them() {
    let folder = demo_traces();
    let line = ["diff", "reference.cdt", "candidate.cdt", "--color"];
    let colored = |when: &str| cdt(folder.path(), &[&line[..], &[when]].concat()).stdout.contains(&0x1b);
    assert_eq!([colored("always"), colored("never"), colored("auto")], [true, false, false]);
}

/// Runs a command of the shell on a terminal of 60 columns and gives what that showed.
#[cfg(unix)]
fn on_a_terminal(folder: &Path, command: &str) -> String {
    let script = "\
import fcntl, os, pty, struct, sys, termios
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 60, 0, 0))
    os.execvp('sh', ['sh', '-c', sys.argv[1]])
shown = b''
try:
    while part := os.read(terminal, 65536):
        shown += part
except OSError:
    pass
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";
    let mut python = Command::new("python3");
    let output = python.current_dir(folder).args(["-c", script, command]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(unix)]
#[test]
fn a_terminal_gets_colours_lines_that_fit_and_progress() {
    let folder = demo_traces();
    let diff = format!("{} diff reference.cdt candidate.cdt", env!("CARGO_BIN_EXE_cdt"));
    let shown = on_a_terminal(folder.path(), &diff);
    assert!(shown.contains("\x1b[1m\x1b[31mDIVERGED for good at tick 128"), "{shown}");
    let plain = on_a_terminal(folder.path(), &format!("NO_COLOR=1 {diff}"));
    assert!(!plain.contains('\x1b'), "{plain}");
    let compared = plain.lines().skip_while(|line| !line.contains("not compared"));
    let widest = compared.map(|line| line.trim_end().chars().count()).max().unwrap();
    assert!((30..=60).contains(&widest), "{widest} columns\n{plain}");

    // A bar is drawn when the work takes over a second, as it does when its input is slow.
    let capture = zstd_cat(&demo_capture("reference"));
    std::fs::write(folder.path().join("c.jsonl"), capture).unwrap();
    let slow = "(head -n 600 c.jsonl; sleep 1.3; tail -n +601 c.jsonl)";
    let finalize = format!("{slow} | {} finalize - -o slow.cdt", env!("CARGO_BIN_EXE_cdt"));
    let shown = on_a_terminal(folder.path(), &finalize);
    assert!(shown.contains("finalizing") && shown.contains("finalized"), "{shown}");
}

#[test]
fn text_of_a_capture_does_not_reach_the_terminal_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let capture = session_of(1).replace(r#""name":"g""#, r#""name":"g\u001b[2J\nHEALTHY""#);
    std::fs::write(folder.path().join("c.jsonl"), capture).unwrap();
    expect(folder.path(), 0, "finalize c.jsonl -o t.cdt");
    let out = expect(folder.path(), 0, "info t.cdt");
    assert!(out.contains(r"g\u{1b}[2J\nHEALTHY"), "{out}");
}

#[test]
fn what_to_do_next_asks_the_same_question() {
    let folder = demo_traces();
    std::fs::rename(folder.path().join("candidate.cdt"), folder.path().join("the candidate.cdt")).unwrap();
    let words = ["diff", "reference.cdt", "the candidate.cdt", "--ticks", "..2000", "--sustain", "9", "--whole"];
    let out = String::from_utf8(cdt(folder.path(), &words).stdout).unwrap();
    let next = "cdt focus reference.cdt 'the candidate.cdt' --ticks 0..2000 --sustain 9 --whole";
    assert!(out.contains(next), "{out}");
}

#[cfg(unix)]
#[test]
fn a_session_may_have_more_runs_than_the_usual_limit_of_open_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("many.jsonl"), session_of(200)).unwrap();
    let script = format!("ulimit -S -n 64; exec {} finalize many.jsonl -o .", env!("CARGO_BIN_EXE_cdt"));
    let output = Command::new("sh").current_dir(folder.path()).args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(files(folder.path()).len(), 201);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = demo_traces();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cdt"));
    let mut child = command
        .current_dir(folder.path())
        .args(["entity", "reference.cdt", "box:1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}

/// Real logs of other people's emulators, which stand beside a checkout where they are to be had.
#[test]
fn real_logs_are_told_apart() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/nes");
    if !data.is_dir() {
        eprintln!("{}: not there, so no real log was compared", data.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["nestest-reference", "nestest-reference-no-cycles", "candidate-a", "candidate-b", "candidate-c"] {
        expect(folder.path(), 0, &format!("import --format nestest {}/{name}.log -o {name}.cdt", data.display()));
    }
    let diff = |code, line: &str| -> Diff {
        serde_json::from_str(&expect(folder.path(), code, &format!("diff --json {line}"))).unwrap()
    };
    for (candidate, ticks, after) in [("candidate-a", 8_991, 2), ("candidate-c", 8_991, 1)] {
        let report = diff(0, &format!("nestest-reference-no-cycles.cdt {candidate}.cdt"));
        assert_eq!((report.verdict.as_str(), report.compared.ticks), ("equal", ticks));
        assert_eq!(report.ends.candidate_only.after, after);
        let report = diff(0, &format!("nestest-reference.cdt {candidate}.cdt --channels state"));
        assert_eq!(report.verdict, "equal");
    }
    let report = diff(1, "nestest-reference-no-cycles.cdt candidate-b.cdt");
    let first = report.first_sustained.unwrap();
    assert_eq!((first.tick, first.path.as_str()), (4_270, "state.x"));
    assert_eq!((report.compared.ticks, report.ends.reference_only.after), (4_994, 3_997));
    assert_eq!(diff(3, "nestest-reference.cdt candidate-a.cdt").verdict, "not_comparable");
}

#[derive(serde::Deserialize)]
struct Diff {
    verdict: String,
    first_sustained: Option<Mismatch>,
    compared: Compared,
    ends: Ends,
}

#[derive(serde::Deserialize)]
struct Mismatch {
    tick: u32,
    path: String,
}

#[derive(serde::Deserialize)]
struct Compared {
    ticks: u64,
}

#[derive(serde::Deserialize)]
struct Ends {
    reference_only: OneSided,
    candidate_only: OneSided,
}

#[derive(serde::Deserialize)]
struct OneSided {
    after: u64,
}

#[test]
fn a_bisect_leaves_a_report_that_stands_alone() {
    let folder = demo_traces();
    let line = "bisect reference.cdt candidate.cdt -o report";
    let printed = expect(folder.path(), 1, line);
    let read = |name: &str| std::fs::read_to_string(folder.path().join("report").join(name)).unwrap();
    assert_eq!(read("bisect.txt"), printed);
    assert_eq!(files(&folder.path().join("report")), ["bisect.json", "bisect.txt"]);
    let (code, refused) = said(folder.path(), line);
    assert!(code == 2 && refused.contains("bisect.json: a file stands there already; pass --force"), "{refused}");
    // The command that it names makes it again.
    let again = printed.lines().find_map(|line| line.trim().strip_prefix("again").map(str::trim)).unwrap();
    let again = again.strip_prefix("cdt ").unwrap();
    assert_eq!(expect(folder.path(), 1, &format!("{again} --json")), read("bisect.json"));
    expect(folder.path(), 1, &format!("{line} --force"));
    assert_eq!(files(&folder.path().join("report")), ["bisect.json", "bisect.txt"]);
    // Whoever may read the traces may read the report.
    #[cfg(unix)]
    for name in ["bisect.json", "bisect.txt"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&folder.path().join("report").join(name)), mode(&folder.path().join("reference.cdt")));
    }
    // Where one of the two cannot stand, neither does.
    std::fs::create_dir_all(folder.path().join("half/bisect.txt")).unwrap();
    let (code, refused) = said(folder.path(), "bisect reference.cdt candidate.cdt -o half --force");
    assert!(code == 2 && refused.contains("half/bisect.txt: this is a folder"), "{refused}");
    assert_eq!(files(&folder.path().join("half")), ["bisect.txt"]);
}

/// A session of one run that draws and counts; of the run of 200 ticks these are left out.
fn drawing(left_out: std::ops::Range<u32>) -> String {
    let ticks: Vec<u32> = (0..200).filter(|tick| !left_out.contains(tick)).collect();
    let members = |number: u32| {
        let moment = ticks[number as usize];
        let draw = format!(r#"{{"stream":"main","seq":1,"value":{},"before":"0","after":"0","caller":0}}"#, moment * 7);
        format!("\"rng\":[{draw}],\"state\":[{moment}]")
    };
    let layout = r#"{"state":[{"name":"x","type":"u32"}],"rng":[{"name":"main","algorithm":"opaque"}]}"#;
    let count = u32::try_from(ticks.len()).unwrap();
    session_start(layout) + &run_rows("r", count, members) + &session_end(count)
}

#[test]
fn what_the_candidate_lacks_stands_in_the_first_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (name, left_out) in [("whole", 0..0), ("short", 150..200), ("gap", 60..90)] {
        std::fs::write(path.join("c.jsonl"), drawing(left_out)).unwrap();
        expect(path, 0, &format!("finalize c.jsonl -o {name}.cdt"));
    }
    let mut all = String::new();
    for (code, line) in [
        (0, "diff whole.cdt short.cdt"),
        (0, "bisect whole.cdt short.cdt"),
        (0, "diff whole.cdt gap.cdt --align rng"),
        (0, "bisect whole.cdt gap.cdt --align rng"),
        (0, "bisect gap.cdt whole.cdt --align rng"),
        (3, "diff whole.cdt gap.cdt --align rng --ticks 60..70"),
    ] {
        all.push_str(&format!("$ cdt {line}\n{}\n", expect(path, code, line)));
    }
    insta::assert_snapshot!(all);
    let report: Diff = serde_json::from_str(&expect(path, 0, "bisect whole.cdt short.cdt --json")).unwrap();
    assert_eq!((report.verdict.as_str(), report.ends.reference_only.after), ("equal", 50));
}

#[test]
fn a_proof_that_is_not_whole_is_not_relied_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let fields = r#"[{"name":"x","type":"u32"},{"name":"ok","type":"bool"}]"#;
    for (name, off) in [("reference", 0), ("candidate", 1)] {
        let run = run_rows("r", 100, |tick| format!("\"state\":[{},true]", tick + off));
        std::fs::write(
            path.join("c.jsonl"),
            session_start(&format!("{{\"state\":{fields}}}")) + &run + &session_end(100),
        )
        .unwrap();
        expect(path, 0, &format!("finalize c.jsonl -o {name}.cdt"));
    }
    insta::assert_snapshot!(expect(path, 3, "diff reference.cdt candidate.cdt --prove"));
    expect(path, 3, "diff reference.cdt candidate.cdt --prove --json");
    // Nothing is lacking where the field is left out, or the two agree.
    expect(path, 0, "diff reference.cdt candidate.cdt --prove --leave-out state.x=known");
    expect(path, 0, "diff reference.cdt reference.cdt --prove");
}

#[test]
fn a_policy_file_says_what_is_left_out() {
    let folder = demo_traces();
    let policy = "schema = \"cdt.policy/1\"\n\
        [[leave_out]]\nwhat = \"entities.box\"\nreason = \"the boxes are known to drift\"\n\
        [[tolerance]]\nwhat = \"state.kinetic_energy\"\nrelative = 0.5\nreason = \"follows from the boxes\"\n";
    std::fs::write(folder.path().join("policy.toml"), policy).unwrap();
    insta::assert_snapshot!(expect(folder.path(), 1, "diff reference.cdt candidate.cdt --policy policy.toml"));
    std::fs::write(folder.path().join("bad.toml"), policy.replace("relative", "relatively")).unwrap();
    let (code, text) = said(folder.path(), "diff reference.cdt candidate.cdt --policy bad.toml");
    assert!(code == 2 && text.contains("bad.toml: line 7, column 1: unknown field"), "{text}");
    let (code, text) = said(folder.path(), "diff reference.cdt candidate.cdt --policy none.toml");
    assert!(code == 2 && text.contains("none.toml: cannot read the policy"), "{text}");
}

/// A session of one run of 100 ticks that counts.
fn counting(count: impl Fn(u32) -> u32) -> String {
    let run = run_rows("r", 100, |tick| format!("\"state\":[{}]", count(tick)));
    session_start(r#"{"state":[{"name":"score","type":"u32"}]}"#) + &run + &session_end(100)
}

#[test]
fn git_bisect_run_finds_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let git = |words: &[&str]| -> String {
        let mut command = Command::new("git");
        command.current_dir(path).args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(words);
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    std::fs::write(path.join("ref.jsonl"), counting(|tick| tick * 3)).unwrap();
    expect(path, 0, "finalize ref.jsonl -o ref.cdt");
    // Each commit brings its capture; the sixth counts otherwise, the fourth brings none.
    git(&["init", "--quiet", "."]);
    let mut commits = Vec::new();
    for commit in 1..=8 {
        let text = counting(|tick| tick * 3 + u32::from(commit >= 6 && tick >= 20));
        let text = if commit == 4 { "it does not build".to_owned() } else { text };
        std::fs::write(path.join("run.jsonl"), text).unwrap();
        git(&["add", "run.jsonl"]);
        git(&["commit", "--quiet", "--allow-empty", "-m", &format!("commit {commit}")]);
        commits.push(git(&["rev-parse", "HEAD"]).trim().to_owned());
    }
    git(&["bisect", "start", "HEAD", &commits[0]]);
    let cdt = env!("CARGO_BIN_EXE_cdt");
    let script =
        format!("{cdt} finalize run.jsonl -o cand.cdt --force || exit 125; {cdt} diff --git-bisect ref.cdt cand.cdt");
    let out = git(&["bisect", "run", "sh", "-c", &script]);
    assert!(out.contains(&format!("{} is the first bad commit", commits[5])), "{out}");
    let (code, text) = said(path, "diff --git-bisect ref.cdt nowhere.cdt");
    assert!(code == 125 && text.contains("nowhere.cdt"), "{text}");
    assert_eq!(said(path, "diff --git-bisect ref.cdt ref.cdt").0, 0);
    assert_eq!(said(path, "diff --git-bisect ref.cdt ref.cdt --channels rng").0, 125);
    // A question that cannot be asked is no commit's fault.
    assert_eq!(said(path, "diff --git-bisect ref.cdt ref.cdt --chanels rng").0, 125);
    assert_eq!(said(path, "diff --git-bisect ref.cdt").0, 125);
    assert_eq!(said(path, "diff --git-bisect --help").0, 0);
}

#[test]
fn shells_and_manuals_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = expect(folder.path(), 0, &format!("completions {shell}"));
        assert!(script.contains("git-bisect") && script.contains("finalize"), "{shell}");
    }
    // What a shell would offer, asked of a shell.
    let bash = expect(folder.path(), 0, "completions bash");
    std::fs::write(folder.path().join("cdt.bash"), bash).unwrap();
    let script = "source cdt.bash; COMP_WORDS=(cdt fi); COMP_CWORD=1; _cdt cdt fi cdt; echo ${COMPREPLY[@]}";
    let output = Command::new("bash").current_dir(folder.path()).args(["-c", script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "finalize");
    let page = expect(folder.path(), 0, "man");
    assert!(page.contains(".TH cdt 1") && page.contains("Exit codes"), "{page}");
    expect(folder.path(), 0, "man -o man1");
    let pages = files(&folder.path().join("man1"));
    assert!(["cdt.1", "cdt-diff.1", "cdt-man.1"].iter().all(|page| pages.contains(&(*page).to_owned())), "{pages:?}");
}

fn cdt_in_words(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = cdt(folder, words);
    let text = [output.stderr, output.stdout].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn a_trace_answers_in_sql() {
    let folder = demo_traces();
    let mut all = String::new();
    for words in [
        &["query", "reference.cdt"][..],
        &[
            "query",
            "reference.cdt",
            "SELECT tick, slot, spin FROM entities.box WHERE slot = 11 AND tick BETWEEN 126 AND 129",
        ],
        &["query", "reference.cdt", "SELECT count(*) AS n FROM entities.box", "--ticks", "..10"],
        &["query", "reference.cdt", "SELECT tick FROM state", "--rows", "2"],
        &["query", "reference.cdt", "SELECT * FROM state LIMIT 2", "--json"],
        &["query", "reference.cdt", "SELECT * FROM state LIMIT 2", "--format", "csv"],
        &["query", "reference.cdt", "SELECT * FROM state LIMIT 2", "--format", "jsonl"],
        &["query", "reference.cdt", "SELECT mass FROM entities.box"],
        &["query", "reference.cdt", "SELECT * FROM ball"],
        &["query", "reference.cdt", "SELECT"],
        &["query", "missing.cdt", "SELECT 1"],
    ] {
        let (code, said) = cdt_in_words(folder.path(), words);
        if words.contains(&"--json") {
            check_report(&words.join(" "), &said);
        }
        let line: Vec<String> = words
            .iter()
            .map(|word| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() })
            .collect();
        all.push_str(&format!("$ cdt {}\n{said}exit code {code}\n\n", line.join(" ")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn answers_and_exports_are_files_that_are_whole_or_not_there() {
    let folder = demo_traces();
    let path = folder.path();
    let before = files(path);
    let query = |rest: &[&str]| {
        let words = [&["query", "reference.cdt", "SELECT * FROM state"], rest].concat();
        cdt_in_words(path, &words)
    };
    assert_eq!(query(&["--format", "parquet", "-o", "state.parquet"]), (0, String::new()));
    let (code, said) = query(&["--format", "parquet", "-o", "state.parquet"]);
    assert!(code == 2 && said.contains("pass --force"), "{said}");
    assert_eq!(query(&["--format", "parquet", "-o", "state.parquet", "--force"]).0, 0);
    assert_eq!(&std::fs::read(path.join("state.parquet")).unwrap()[..4], b"PAR1");
    let (code, said) = cdt_in_words(path, &["query", "reference.cdt", "SELECT nope FROM state", "-o", "bad.csv"]);
    assert_eq!(code, 2, "{said}");
    std::fs::create_dir(path.join("tables")).unwrap();
    let out = expect(path, 0, "export reference.cdt --format arrow -o tables");
    assert!(out.contains("exported tables/state.arrow (3,000 rows)"), "{out}");
    assert_eq!(
        files(&path.join("tables")),
        ["commands.arrow", "entities.box.arrow", "inputs.arrow", "state.arrow", "step.arrow"]
    );
    expect(path, 2, "export reference.cdt --format arrow -o tables");
    expect(path, 2, "export reference.cdt --format arrow -o nowhere/tables");
    expect(path, 2, "export reference.cdt --format parquet --table ball -o ball.parquet");
    expect(path, 0, "export reference.cdt --format mcap -o reference.mcap");
    let mut after = before;
    after.extend(["state.parquet", "tables", "reference.mcap"].map(str::to_owned));
    after.sort();
    assert_eq!(files(path), after, "nothing else is left");
}

#[test]
fn an_exported_capture_finalizes_to_the_same_trace() {
    let folder = demo_traces();
    let path = folder.path();
    expect(path, 0, "export candidate.cdt --format jsonl -o again.jsonl");
    expect(path, 0, "finalize again.jsonl -o again.cdt");
    let read = |name: &str| std::fs::read(path.join(name)).unwrap();
    assert!(read("again.cdt") == read("candidate.cdt"));
    let (code, said) = said(path, "export candidate.cdt --format jsonl --ticks 1..5 -o some.jsonl");
    assert!(code == 2 && said.contains("leave --ticks out"), "{said}");
}

#[test]
fn what_was_lost_is_told_with_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let capture = zstd::decode_all(std::fs::File::open(demo_capture("reference")).unwrap()).unwrap();
    let lines: Vec<&[u8]> = capture.split(|&byte| byte == b'\n').take(12).collect();
    std::fs::write(path.join("cut.jsonl"), [lines.join(&b'\n'), b"\n".to_vec()].concat()).unwrap();
    expect(path, 3, "finalize cut.jsonl --truncated-tail -o cut.cdt");
    let (code, said) = cdt_in_words(path, &["query", "cut.cdt", "SELECT count(*) AS n FROM state", "--format", "csv"]);
    assert_eq!(code, 3);
    insta::assert_snapshot!(said);
    assert_eq!(cdt_in_words(path, &["query", "cut.cdt", "SELECT 1 AS one", "--ticks", "..5"]).0, 0, "before the loss");
    let report = expect(path, 3, "export cut.cdt --format jsonl -o again.jsonl");
    assert!(report.contains("finalize the capture with --truncated-tail"), "{report}");
    expect(path, 3, "finalize again.jsonl --truncated-tail -o again.cdt");
    assert!(std::fs::read(path.join("again.cdt")).unwrap() == std::fs::read(path.join("cut.cdt")).unwrap());
}

#[test]
fn a_log_is_imported_by_a_format_string() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("game.log"), "boot\r\n[1] f=0 x=1.5 hp=3\r\n[2] f=1 x=-0.0 hp=2\r\n").unwrap();
    let import = |format: &str, more: &[&str]| {
        let words = ["import", "--format-string", format, "game.log", "-o", "game.cdt", "--force"];
        cdt_in_words(path, &[&words, more].concat())
    };
    let mut all = String::new();
    let format = "f={frame:u32} x={x:f32} hp={hp:i32}";
    for (format, more) in [
        (format, ""),
        (format, "--skip-other-lines"),
        ("f={frame:u32} x={x:u32} hp={hp:i32}", "--skip-other-lines"),
        ("f={frame}", ""),
    ] {
        let more: Vec<&str> = more.split_whitespace().collect();
        let (code, said) = import(format, &more);
        let more: String = more.iter().map(|word| format!(" {word}")).collect();
        all.push_str(&format!("$ cdt import --format-string '{format}' game.log{more}\n{said}exit code {code}\n\n"));
    }
    insta::assert_snapshot!(all);
}
