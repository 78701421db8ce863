//! The loop on a program that knows nothing: the native original is captured from outside by an agent in the running process, the
//! rewrite is recorded from the same inputs, and the two are compared. Needs Linux, a C compiler and Python.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use arena::{Arena, Deviation};
use cdt_analysis::{CauseClass, DiffOptions, DiffReport, HealthVerdict, Verdict, diff, health};
use cdt_ingest::{Destination, Finalize, Input, RunOutcome, finalize};
use cdt_recorder::{End, Options, TraceSteps, record};
use cdt_schema::{Machine, RowWriter, Step, Tick};
use cdt_trace::{LossKind, Trace, TraceWriter, Unwatched};
use clap::ValueEnum;
use tempfile::TempDir;

/// Ticks of the movie.
const TICKS: u32 = 12_000;
/// Ticks that a difference must last.
const SUSTAIN: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn checked(command: &mut Command) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&text));
}

/// A Python that has what the host needs, installed when it is first asked for.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capture-python");
        fs::create_dir_all(&folder).unwrap();
        // Tests may run as processes of their own.
        let lock = File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        let python = folder.join("bin/python");
        let requirements = root().join("capture/requirements.txt");
        let done = folder.join("installed.txt");
        if fs::read(&done).ok() != fs::read(&requirements).ok() {
            checked(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
            let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
            checked(Command::new(&python).args(install).arg(&requirements));
            fs::copy(&requirements, &done).unwrap();
        }
        python
    })
}

/// A folder with the original, built as its README says.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = TempDir::new().unwrap();
        let sources = ["game.c", "main.c", "movie.c", "rng.c"].map(|file| root().join("capture/original").join(file));
        let mut cc = Command::new("cc");
        checked(
            cc.args(["-O2", "-std=c11", "-ffp-contract=off", "-o"])
                .arg(folder.path().join("arena"))
                .args(sources)
                .arg("-lm"),
        );
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn movie(&self) -> PathBuf {
        root().join("capture/original/movies/three-players.movie")
    }

    /// The host, in this folder.
    fn host(&self, words: &[&str]) -> Command {
        let mut command = Command::new(python());
        command.current_dir(self.folder.path()).arg(root().join("capture/host.py")).args(words).stdin(Stdio::null());
        command
    }

    /// The host with the original as it plays the movie, at once or in its own time.
    fn spawn(&self, out: &str, agent: &Path, fast: bool) -> Command {
        let mut command = self.host(&["spawn", "--output", out]);
        command.arg(agent).arg("./arena").arg("run").arg(self.movie()).args(fast.then_some("--fast"));
        command
    }

    /// A target like the original's, with a change.
    fn changed_target(&self, from: &str, to: &str) -> PathBuf {
        let text = fs::read_to_string(target()).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        // A target stands in a folder beside that of the agent's library.
        for folder in ["agent", "targets"] {
            fs::create_dir_all(self.path(folder)).unwrap();
        }
        for file in root().join("capture/agent").read_dir().unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), self.path("agent").join(file.file_name())).unwrap();
        }
        let path = self.path("targets/changed.ts");
        fs::write(&path, text.replace(from, to)).unwrap();
        path
    }

    fn finalize(&self, capture: &str, truncated_tail: bool) -> Vec<(String, RunOutcome)> {
        let out = self.path("traces");
        fs::create_dir_all(&out).unwrap();
        let destination = Destination::Folder(out);
        let options = cdt_trace::Options::LIVE;
        let how = Finalize { destination, overwrite: true, truncated_tail, options, threads: 2 };
        let finalized = finalize(Input::open(&self.path(capture)).unwrap(), &how, &Unwatched).unwrap();
        finalized.runs.into_iter().map(|run| (run.run_id, run.outcome)).collect()
    }

    fn trace(&self, run: &str) -> Trace {
        Trace::open(&self.path("traces").join(format!("{run}.cdt"))).unwrap()
    }
}

fn target() -> PathBuf {
    root().join("capture/targets/arena.ts")
}

fn told(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

/// Since when the two part for good, by comparing a game without and with a mistake tick by tick, and when they first differ: found
/// without traces, digests or analysis.
fn lockstep(reference: &Trace, deviation: Deviation) -> (Option<usize>, Option<usize>) {
    let mut machines = [None, Some(deviation)].map(|deviation| machine(reference, deviation));
    let mut rows = machines.each_ref().map(|machine| RowWriter::new(machine.layout()));
    let steps = TraceSteps::new(Trace::open(reference.name()).unwrap()).unwrap();
    let differs = |(tick, step): (u32, Step)| {
        for (machine, rows) in machines.iter_mut().zip(&mut rows) {
            machine.step(&step).unwrap();
            rows.begin_block();
            let mut builder = rows.tick(Tick(tick));
            builder.step(&step).unwrap();
            machine.observe(&mut builder).unwrap();
            builder.commit().unwrap();
        }
        rows[0].rows() != rows[1].rows()
    };
    let differ: Vec<bool> = (0..).zip(steps.map(Result::unwrap)).map(differs).collect();
    let lasts = differ.windows(SUSTAIN).position(|window| window.iter().all(|differs| *differs));
    (differ.iter().position(|differs| *differs), lasts)
}

fn machine(reference: &Trace, deviation: Option<Deviation>) -> Arena {
    let seed = u32::try_from(reference.index().meta.run.seed.unwrap()).unwrap();
    Arena::new(seed, reference.layout().spec().players, deviation).unwrap()
}

/// Records the rewrite from the steps of a reference.
fn rewrite(place: &Place, reference: &Trace, deviation: Option<Deviation>) -> Trace {
    let path = place.path("candidate.cdt");
    let mut machine = machine(reference, deviation);
    let options = cdt_trace::Options::LIVE;
    let writer = TraceWriter::create(&path, true, &reference.index().meta, machine.layout(), options).unwrap();
    let steps = TraceSteps::new(Trace::open(reference.name()).unwrap()).unwrap();
    let recorded = record(&mut machine, steps, writer, Options::default(), &Unwatched).unwrap();
    assert_eq!((recorded.ticks, &recorded.end), (TICKS, &End::Complete));
    recorded.trace.publish().unwrap();
    Trace::open(&path).unwrap()
}

fn compared(reference: &Trace, candidate: &Trace) -> DiffReport {
    diff(reference, candidate, &DiffOptions::default(), &Unwatched).unwrap()
}

/// What a mistake has to be taken for.
fn expected(deviation: Deviation) -> CauseClass {
    match deviation {
        Deviation::MissingDraw => CauseClass::RngShortfall,
        Deviation::ExtraDraw => CauseClass::RngExtra,
        Deviation::F64Intermediate | Deviation::FusedMultiplyAdd => CauseClass::FloatDrift,
        Deviation::SlotReuseOrder => CauseClass::Population,
        // The same values are drawn in the same order, and mean something else.
        Deviation::SwappedDraws
        | Deviation::LessForLessOrEqual
        | Deviation::TimerOffByOne
        | Deviation::DroppedInputBit
        | Deviation::UninitialisedField
        | Deviation::HealedBlip => CauseClass::State,
    }
}

/// Checks what is found of a mistake against what is true, and gives its line of the table.
fn found(place: &Place, reference: &Trace, deviation: Deviation) -> String {
    let report = compared(reference, &rewrite(place, reference, Some(deviation)));
    let (first, lasting) = lockstep(reference, deviation);
    let name = deviation.to_possible_value().unwrap();
    let tick = |mismatch: &cdt_analysis::Mismatch| mismatch.tick.0 as usize;
    assert_eq!(report.verdict, Verdict::Diverged, "{name:?}");
    assert_eq!(report.first_mismatch.as_ref().map(tick), first, "{name:?}");
    assert_eq!(report.first_sustained.as_ref().map(tick), lasting, "{name:?}");
    let first = report.first_mismatch.unwrap();
    let told = report.first_sustained.as_ref().unwrap_or(&first);
    assert_eq!((first.cause.class, told.cause.class), (expected(deviation), expected(deviation)), "{name:?}");
    let lasts = report.first_sustained.as_ref().map_or("healed".to_owned(), |lasting| lasting.tick.to_string());
    let (class, _) = told.cause.class.describe().split_once(':').unwrap();
    let help = name.get_help().unwrap();
    format!("| `{}` | {help} | {} | {lasts} | `{}` | {class} |\n", name.get_name(), first.tick, told.path)
}

#[test]
fn rows_are_made_of_copies() {
    checked(Command::new(python()).current_dir(root().join("capture")).args(["-B", "-m", "unittest", "test_ticks"]));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "`cargo xtask codegen` asks by it to write the file anew")]
fn the_rewrite_is_the_original_and_each_deviation_is_found_where_it_is() {
    let place = Place::new();
    let output = place.spawn("ref.jsonl.zst", &target(), true).output().unwrap();
    assert_eq!(told(&output), (Some(0), "ref.jsonl.zst: 12000 ticks in 1 runs\n".to_owned()));
    let runs = place.finalize("ref.jsonl.zst", false);
    assert!(matches!(&runs[..], [(_, RunOutcome::Finalized { ticks: 12_000, loss: None, .. })]), "{runs:?}");
    let reference = place.trace("run-1");
    assert_eq!(health(&reference, &Unwatched).unwrap().verdict, HealthVerdict::Healthy);

    let equal = compared(&reference, &rewrite(&place, &reference, None));
    assert_eq!(equal.verdict, Verdict::Equal);
    let channels: Vec<&str> = equal.channels.iter().map(|channel| channel.channel.name()).collect();
    assert_eq!(channels, ["step", "rng", "state", "entities", "checkpoint"]);
    let without_rows = equal.compared.never_compared.iter().map(|of| of.what.as_str());
    let declared: Vec<&str> = without_rows.filter(|what| what.contains('.')).collect();
    assert_eq!(declared, ["step.commands", "rng.caller"], "everything else was there and was compared");

    let mut table = String::new();
    for deviation in Deviation::value_variants() {
        write!(table, "{}", found(&place, &reference, *deviation)).unwrap();
    }
    let head = "# Mistakes, and what is found of them\n\n\
        The original of `capture/original` is captured from outside as it plays a movie of 12,000 ticks with three players. The rewrite \
        in `crates/arena`\nis recorded from the same inputs, and is its equal on every channel. With one of these mistakes switched on it \
        is not; `tests/capture.rs`\nholds what `cdt diff` finds against a comparison of the two games without any trace, and makes this \
        table.\n\n\
        | `--deviation` | the mistake | first differs at | lasts from | there | cause |\n|---|---|---|---|---|---|\n";
    let generated = format!("{head}{table}");
    let path = root().join("docs/deviations.md");
    if std::env::var_os("CDT_CODEGEN").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == generated,
        "docs/deviations.md is not what is found; run \
        `cargo xtask codegen`\n{generated}"
    );
}

/// Waits until a file has so many bytes.
fn wait_for(path: &Path, bytes: u64) {
    for _ in 0..600 {
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() >= bytes) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{} does not grow to {bytes} bytes", path.display());
}

fn signal(child: &Child, name: &str) {
    send(child.id(), name);
}

fn send(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// The process of the original that a host has started.
fn original_of(host: &Child) -> u32 {
    let tasks = PathBuf::from(format!("/proc/{}/task", host.id()));
    for _ in 0..600 {
        let children = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let found: String = tasks.read_dir().unwrap().map(|task| children(task.unwrap())).collect();
        let is_arena =
            |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "arena");
        if let Some(pid) = found.split_whitespace().find(is_arena) {
            return pid.parse().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the host has started no original");
}

/// Kept of a run that was cut short: its first ticks are those of the whole one.
fn kept(place: &Place, capture: &str) -> u64 {
    let refused = place.finalize(capture, false);
    assert!(refused.iter().all(|(_, outcome)| matches!(outcome, RunOutcome::Failed(_))), "{refused:?}");
    let runs = place.finalize(capture, true);
    let [(_, RunOutcome::Finalized { ticks, loss: Some(loss), .. })] = &runs[..] else { panic!("{runs:?}") };
    assert_eq!(loss.kind, LossKind::TruncatedTail);
    let trace = place.trace("run-1");
    let mut machine = machine(&trace, None);
    let path = place.path("again.cdt");
    let writer =
        TraceWriter::create(&path, true, &trace.index().meta, machine.layout(), cdt_trace::Options::LIVE).unwrap();
    let steps = TraceSteps::new(Trace::open(trace.name()).unwrap()).unwrap();
    record(&mut machine, steps, writer, Options::default(), &Unwatched).unwrap().trace.publish().unwrap();
    let report = compared(&trace, &Trace::open(&path).unwrap());
    assert_eq!((report.first_mismatch, report.compared.ticks), (None, *ticks));
    *ticks
}

#[test]
fn what_was_captured_of_a_killed_program_is_kept() {
    let place = Place::new();
    let host = place.spawn("killed.jsonl.zst", &target(), false).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&place.path("killed.jsonl.zst"), 20_000);
    send(original_of(&host), "KILL");
    let output = host.wait_with_output().unwrap();
    let (code, text) = told(&output);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("the capture was cut short"), "{text}");
    assert!(kept(&place, "killed.jsonl.zst") > 10);
}

#[test]
fn the_program_goes_on_when_its_host_is_killed() {
    let place = Place::new();
    // In its own time, and so fast that it waits for the host.
    for (ticks, kept_bytes, fast) in [(300, 3_000, None), (10_000_000, 200_000, Some("--fast"))] {
        let movie = format!("arena-movie 1\nseed 7\nplayers 1\n{ticks} 18\n");
        fs::write(place.path("alone.movie"), movie).unwrap();
        let capture = format!("orphan-{ticks}.jsonl.zst");
        let mut command = place.host(&["spawn", "--output", &capture]);
        let end = place.path(&format!("end-{ticks}.txt"));
        let words = ["./arena", "run", "alone.movie"].into_iter().chain(fast);
        let mut host = command.arg(target()).args(words).stdout(File::create(&end).unwrap()).spawn().unwrap();
        wait_for(&place.path(&capture), kept_bytes);
        host.kill().unwrap();
        host.wait().unwrap();
        wait_for(&end, 1);
        let said = fs::read_to_string(&end).unwrap();
        assert!(said.starts_with(&format!("ticks {ticks} ")), "{said}");
        assert!(kept(&place, &capture) > 5);
    }
}

#[test]
fn a_running_program_is_captured_until_it_is_enough() {
    let place = Place::new();
    let mut program = Command::new(place.path("arena"));
    let mut program = program.arg("run").arg(place.movie()).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let pid = program.id().to_string();
    let mut attach = place.host(&["attach", "--output", "live.jsonl"]);
    let host = attach.arg(target()).arg(&pid).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&place.path("live.jsonl"), 100_000);
    let second = place.host(&["attach", "--force", "--output", "live.jsonl"]).arg(target()).arg(&pid).output().unwrap();
    assert_eq!(told(&second), (Some(2), "host.py: another capture writes live.jsonl\n".to_owned()));
    signal(&host, "INT");
    let (code, text) = told(&host.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{text}");
    assert!(program.try_wait().unwrap().is_none(), "the program goes on");
    program.kill().unwrap();
    program.wait().unwrap();
    let runs = place.finalize("live.jsonl", false);
    assert!(matches!(&runs[..], [(_, RunOutcome::Finalized { loss: None, .. })]), "{runs:?}");
    assert_eq!(place.trace("run-1").index().meta.run.seed, None, "it began before");
}

#[test]
fn an_agent_that_fails_says_so_and_leaves_the_program_alone() {
    let place = Place::new();
    let mut said = String::new();
    for (from, to) in [
        // A hook that throws, in the middle of the run.
        ("session.tick({", "if (played++ > 100) boom();\n        session.tick({"),
        // A pool that is nowhere.
        (r#"at: symbol("creatures")"#, "at: () => ptr(0x1234)"),
        // A pool of another program: what stands there is no creature.
        (r#"at: symbol("bonuses")"#, r#"at: () => symbol("projectiles")().add(4)"#),
        // A generator whose state is nowhere.
        (r#"state: symbol("rng_state")"#, "state: () => ptr(0x1234)"),
        // A symbol that is not there.
        (r#"symbol("game_tick")"#, r#"symbol("game_tock")"#),
        // A channel that is there twice.
        ("told: { step: { commands: [] } }", "told: { step: { commands: [] }, state: [] }"),
        // A channel that is declared, and not told.
        ("told: { step: { commands: [] } }", "told: { step: { commands: [] }, events: [] }"),
        // A target that fails as it is loaded.
        (
            "const playersAt = symbol(",
            "if (PLAYERS === 4) throw new Error(\"it is wrong\");\nconst playersAt = symbol(",
        ),
        // A type that is another.
        ("  shake: \"f32\",", "  shake: \"float\","),
    ] {
        let mut agent = place.changed_target(from, to);
        if to.contains("boom") {
            let text = fs::read_to_string(&agent).unwrap();
            let helpers = "let played = 0;\nfunction boom(): never { throw new Error(\"the hook is wrong\"); }\n";
            fs::write(&agent, text + helpers).unwrap();
        }
        agent = agent.strip_prefix(place.folder.path()).unwrap().to_owned();
        let output = place.spawn("bad.jsonl", &agent, true).output().unwrap();
        let (code, text) = told(&output);
        let played = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("it did not play").to_owned();
        let runs = match fs::read(place.path("bad.jsonl")) {
            Ok(_) => {
                place.finalize("bad.jsonl", false).into_iter().map(|(_, outcome)| format!("{outcome:?}")).collect()
            }
            Err(_) => vec!["there is no capture".to_owned()],
        };
        let _ = fs::remove_file(place.path("bad.jsonl"));
        let runs = runs.join("\n").replace(place.folder.path().to_str().unwrap(), "");
        writeln!(said, "{to}\n{}: {text}{played}\n{runs}\n", code.unwrap()).unwrap();
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_full_disk_leaves_what_was_written_before() {
    let place = Place::new();
    fs::create_dir(place.path("full")).unwrap();
    let host = place.spawn("full/out.jsonl.zst", &target(), true);
    let words: Vec<String> = [host.get_program()]
        .into_iter()
        .chain(host.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let script = format!(
        "mount -t tmpfs -o size=64k none full && {{ {}; echo $? > code; cp full/out.jsonl.zst kept.jsonl.zst; }}",
        words.join(" ")
    );
    let mut shell = Command::new("unshare");
    shell.current_dir(place.folder.path()).args(["--map-root-user", "--mount", "sh", "-c", &script]);
    let output = shell.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(fs::read_to_string(place.path("code")).unwrap_or_default(), "2\n", "{text}");
    assert!(text.contains("host.py: cannot write full/out.jsonl.zst: No space left on device"), "{text}");
    assert!(kept(&place, "kept.jsonl.zst") > 10);
}

#[test]
fn a_capture_in_parts_is_one_capture() {
    let place = Place::new();
    let capture = |rotate: &str, force: Option<&str>| {
        let mut command = place.host(&["spawn", "--rotate", rotate, "--output", "parts.jsonl.zst"]);
        command.args(force).arg(target()).args(["./arena", "run"]).arg(place.movie()).arg("--fast").output().unwrap()
    };
    let parts = || {
        let entries = place.folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path());
        let mut parts: Vec<PathBuf> = entries.collect();
        parts.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("parts."));
        parts.sort();
        parts
    };
    assert_eq!(told(&capture("1", None)), (Some(0), "parts.*.jsonl.zst: 12000 ticks in 1 runs\n".to_owned()));
    let many = parts();
    assert!(many.len() > 3 && many[1].ends_with("parts.00001.jsonl.zst"), "{many:?}");
    let whole: Vec<u8> = many.iter().flat_map(|path| fs::read(path).unwrap()).collect();
    fs::write(place.path("whole.jsonl.zst"), whole).unwrap();
    let runs = place.finalize("whole.jsonl.zst", false);
    assert!(matches!(&runs[..], [(_, RunOutcome::Finalized { ticks: 12_000, loss: None, .. })]), "{runs:?}");

    let there = "host.py: parts.00000.jsonl.zst is there already; --force replaces it, and all parts beside it\n";
    assert_eq!(told(&capture("100", None)), (Some(2), there.to_owned()));
    assert_eq!(parts(), many, "nothing is touched");
    assert_eq!(told(&capture("100", Some("--force"))).0, Some(0));
    assert_eq!(parts(), many[..1], "nothing of the other capture is left beside the new one");
}

#[test]
fn what_cannot_be_captured_is_said() {
    let place = Place::new();
    fs::write(place.path("there.jsonl"), "").unwrap();
    let mut said = String::new();
    for words in [
        &["spawn", "--output", "there.jsonl", "TARGET", "./arena", "run"][..],
        &["spawn", "--output", "a.jsonl", "TARGET", "./nothing"],
        &["spawn", "--output", "nowhere/a.jsonl", "TARGET", "./arena", "run"],
        &["spawn", "--output", "a.jsonl", "none.ts", "./arena", "run"],
        &["spawn", "--output", "a.jsonl", "none.js", "./arena", "run"],
        &["attach", "--output", "a.jsonl", "TARGET", "999999999"],
        &["spawn", "--output", "a.jsonl", "TARGET"],
    ] {
        let target = target();
        let words = words.iter().map(|word| if *word == "TARGET" { target.to_str().unwrap() } else { word });
        let output = place.host(&words.collect::<Vec<_>>()).output().unwrap();
        let (code, text) = told(&output);
        let text = text.replace(root().to_str().unwrap(), "").replace(place.folder.path().to_str().unwrap(), "");
        assert_eq!(code, Some(2), "{text}");
        said += &format!("{text}\n");
    }
    insta::assert_snapshot!(said);
}
