//! Files as a person meets them: packed, cut short, damaged, still being written, stopped half-way.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cdt_schema::{Generation, KindId, Scalar, Slot, Tick, Uid};
use cdt_testkit::{meta, plain_layout, w1_layout, write_w1};
use cdt_trace::{Error, Loss, LossKind, Options, Trace, TraceWriter};
use support::*;

/// Longest wait for something that another process does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a wait has an end")]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn start(folder: &Path, line: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cdt"));
    command.current_dir(folder).args(line.split_whitespace());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a process and gives its exit code and what it printed, standard error first.
fn end(child: Child) -> (i32, String) {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code().unwrap_or(-1), String::from_utf8([stderr, stdout].concat()).unwrap())
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

/// Starts a writer of `NAME.cdt` and feeds it these rows of a capture; it waits for more.
fn writer(folder: &Path, name: &str, rows: &str) -> Child {
    let mut child = start(folder, &format!("finalize - -o {name}.cdt"));
    child.stdin.as_mut().unwrap().write_all(rows.as_bytes()).unwrap();
    child
}

/// The first rows of a capture, up to this tick.
fn rows_before(capture: &str, tick: u32) -> &str {
    &capture[..capture.find(&format!("\"tick\":{tick},")).map(|at| capture[..at].rfind('\n').unwrap() + 1).unwrap()]
}

/// Waits until the first block of `NAME.cdt` is in its file while it is written; `reference.cdt` has the same block.
fn wait_for_a_block(folder: &Path, name: &str) {
    let reference = Trace::open(&folder.join("reference.cdt")).unwrap();
    let first = reference.index().blocks[0];
    let partial = folder.join(format!("{name}.cdt.partial"));
    let is_there = || std::fs::metadata(&partial).is_ok_and(|file| file.len() >= first.offset + first.stored_bytes());
    wait_until("the first block", is_there);
}

/// Starts a command that follows a trace, and waits until it does.
fn follower(folder: &Path, line: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = start(folder, line);
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let traces = line.split_whitespace().filter(|word| word.contains(".cdt")).count();
    for _ in 0..traces {
        let mut text = String::new();
        said.read_line(&mut text).unwrap();
        assert!(text.starts_with("cdt: following "), "{text}");
    }
    (child, said)
}

fn hp(tick: u32, _: u32) -> i64 {
    1_000 - i64::from(tick / 100)
}

#[test]
fn a_compacted_trace_is_smaller_and_comes_back_as_it_was() {
    let folder = demo_traces();
    let path = folder.path();
    let read = |name: &str| std::fs::read(path.join(name)).unwrap();
    let out = expect(path, 0, "compact reference.cdt -o small.cdt");
    let sizes = format!("{} % of", read("small.cdt").len() * 100 / read("reference.cdt").len());
    assert!(out.starts_with("compacted small.cdt (archive, 3,000 ticks, digest 9674244b082b9938)\n"), "{out}");
    assert!(out.contains(" bytes became ") && out.contains(sizes.trim_end_matches(" of")), "{out}");
    assert!(read("small.cdt").len() < read("reference.cdt").len());
    expect(path, 0, "diff reference.cdt small.cdt --whole");
    expect(path, 0, "compact small.cdt --to live -o back.cdt");
    assert!(read("back.cdt") == read("reference.cdt"));
    expect(path, 0, "compact back.cdt --in-place");
    assert!(read("back.cdt") == read("small.cdt"));
    let report = expect(path, 0, "compact back.cdt --in-place --to live --json");
    assert!(report.contains("\"schema\": \"cdt.compact/1\"") && report.contains("\"encoding\": \"live\""), "{report}");
    assert!(read("back.cdt") == read("reference.cdt"));
}

#[test]
fn what_cannot_be_compacted_or_recovered_is_said() {
    let folder = demo_traces();
    let path = folder.path();
    let whole = std::fs::read(path.join("reference.cdt")).unwrap();
    std::fs::write(path.join("half.cdt"), &whole[..5_000]).unwrap();
    std::fs::write(path.join("begun.cdt.partial"), &whole[..300]).unwrap();
    std::fs::write(path.join("junk.cdt"), "junk, and more of it than a header").unwrap();
    let before = files(path);
    let mut all = String::new();
    for line in [
        "compact half.cdt -o x.cdt",
        "compact reference.cdt",
        "compact reference.cdt -o ./reference.cdt --force",
        "compact reference.cdt -o candidate.cdt",
        "compact reference.cdt -o x.cdt --in-place",
        "compact missing.cdt -o x.cdt",
        "recover missing.cdt -o x.cdt",
        "recover junk.cdt -o x.cdt",
        "recover half.cdt",
        "recover half.cdt -o half.cdt --force",
        "recover half.cdt -o candidate.cdt",
        "recover begun.cdt.partial",
        "recover . -o x.cdt",
        "health --idle-timeout 3 reference.cdt",
        "health --follow missing.cdt --idle-timeout 1",
        "diff --follow reference.cdt . --idle-timeout 1",
    ] {
        all.push_str(&refused(path, line));
    }
    assert_eq!(files(path), before);
    insta::assert_snapshot!(all);
}

#[test]
fn a_killed_writer_is_recovered_and_its_loss_is_told_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    creatures(path, "reference", "i32", hp);
    let capture = creatures_capture("i32", hp);
    let mut killed = writer(path, "run", rows_before(&capture, 5_000));
    wait_for_a_block(path, "run");
    let (code, text) = said(path, "recover run.cdt.partial");
    assert!(code == 2 && text.contains("its writer is still at work"), "{text}");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut all = String::new();
    for (code, line) in [
        (3, "recover run.cdt.partial"),
        (3, "health run.cdt"),
        (0, "diff reference.cdt run.cdt"),
        (3, "diff reference.cdt run.cdt --whole"),
        (0, "focus reference.cdt run.cdt --tick 7"),
        (0, "tick run.cdt 7"),
        (0, "entity run.cdt creature:3 --ticks ..2"),
        (3, "recover run.cdt.partial --force --json"),
        (3, "compact run.cdt --in-place --json"),
    ] {
        let out = expect(path, code, line);
        let is_volatile = |line: &&str| !line.contains("\"bytes_");
        let shown: Vec<&str> = out.lines().filter(is_volatile).collect();
        all.push_str(&format!("$ cdt {line}\n{}\n\n", shown.join("\n")));
    }
    insta::assert_snapshot!(all);
    assert!(expect(path, 3, "info run.cdt").contains("recovered_prefix from tick 4096 on"));
    let (code, text) = said(path, "tick run.cdt 5000");
    assert!(code == 2 && text.contains("lost: recovered_prefix from tick 4096 on"), "{text}");
    // A complete trace under the name of an unfinished one is only given its name.
    std::fs::copy(path.join("reference.cdt"), path.join("done.cdt.partial")).unwrap();
    let out = expect(path, 0, "recover done.cdt.partial");
    assert!(out.contains("nothing is left out: the trace was complete"), "{out}");
    assert!(std::fs::read(path.join("done.cdt")).unwrap() == std::fs::read(path.join("reference.cdt")).unwrap());
}

#[test]
fn what_stands_behind_an_end_is_told_and_a_trace_without_ticks_is_recovered() {
    let folder = demo_traces();
    let path = folder.path();
    let whole = std::fs::read(path.join("reference.cdt")).unwrap();
    std::fs::write(path.join("two.cdt"), [&whole[..], &whole[..]].concat()).unwrap();
    let text = expect(path, 3, "recover two.cdt -o one.cdt");
    assert!(text.contains("behind its end, are left out") && !text.contains("nothing is left out"), "{text}");
    let text = refused(path, "diff --follow two.cdt reference.cdt");
    assert!(text.contains("bytes stand behind the end of the trace"), "{text}");
    let empty = concat!(env!("CARGO_MANIFEST_DIR"), "/../../traces/conformance/valid/ticks-none.cdt");
    std::fs::copy(empty, path.join("empty.cdt")).unwrap();
    let text = expect(path, 0, "recover empty.cdt -o again.cdt");
    assert!(text.contains("(0 ticks, digest") && text.contains("nothing is left out"), "{text}");
    let json = expect(path, 0, "recover empty.cdt -o again.cdt --force --json");
    assert!(json.contains("\"first_tick\": null"), "{json}");
}

/// A trace of 100 plain ticks with a loss in its ledger.
fn with_loss(path: &Path, loss: Option<&Loss>) {
    let mut writer = TraceWriter::create(path, true, &meta(), Arc::new(plain_layout()), Options::LIVE).unwrap();
    for tick in 0..100 {
        let uid = Uid { kind: KindId(0), slot: Slot(1), generation: Generation(0) };
        let fill = |builder: &mut cdt_schema::TickBuilder<'_>| -> Result<(), Error> {
            builder.state(&[Scalar::U32(tick), Scalar::F32(0.5)])?;
            Ok(builder.entity(uid, &[Scalar::F32(1.0), Scalar::F32(2.0), Scalar::I32(3)])?)
        };
        writer.append(Tick(tick), fill).unwrap();
    }
    loss.iter().for_each(|loss| writer.record_loss(loss).unwrap());
    writer.finish("complete").unwrap();
}

#[test]
fn every_kind_of_loss_is_shown_by_every_command_and_spoils_its_own_ticks_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    with_loss(&path.join("whole.cdt"), None);
    for kind in LossKind::ALL {
        let loss = Loss { kind, from: Tick(40), to: Some(Tick(49)), detail: "the reason".to_owned() };
        with_loss(&path.join("lossy.cdt"), Some(&loss));
        let text = format!("{} from tick 40 to 49: the reason", kind.name());
        for (code, line) in [
            (3, "info lossy.cdt"),
            (3, "health lossy.cdt"),
            (3, "diff whole.cdt lossy.cdt"),
            (3, "diff lossy.cdt whole.cdt --ticks 49..60"),
            (0, "diff whole.cdt lossy.cdt --ticks ..40"),
            (0, "diff lossy.cdt whole.cdt --ticks 50.."),
            (3, "focus whole.cdt lossy.cdt --tick 45"),
            (0, "focus whole.cdt lossy.cdt --tick 39"),
            (0, "tick lossy.cdt 39"),
            (0, "tick lossy.cdt 45"),
            (0, "entity lossy.cdt creature:1 --ticks ..3"),
            (3, "compact lossy.cdt --in-place"),
        ] {
            assert!(expect(path, code, line).contains(&text), "cdt {line}: {text}");
            if !line.starts_with("compact") {
                let json = expect(path, code, &format!("{line} --json"));
                assert!(json.contains(&format!("\"{}\"", kind.name())), "cdt {line} --json\n{json}");
            }
        }
    }
}

#[test]
fn two_writers_do_not_share_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    creatures(path, "reference", "i32", hp);
    let capture = creatures_capture("i32", hp);
    let mut first = writer(path, "run", rows_before(&capture, 5_000));
    wait_for_a_block(path, "run");
    for (line, rule) in [
        ("finalize reference.jsonl -o run.cdt", "another writer is at work there, or one was killed"),
        ("finalize reference.jsonl -o run.cdt --force", "another writer is at work there; wait for it or stop it"),
        ("compact reference.cdt -o run.cdt --force", "another writer is at work there; wait for it or stop it"),
    ] {
        let (code, text) = said(path, line);
        assert!(code == 2 && text.contains(rule), "cdt {line}\n{text}");
    }
    let rest = &capture[rows_before(&capture, 5_000).len()..];
    first.stdin.take().unwrap().write_all(rest.as_bytes()).unwrap();
    assert_eq!(end(first).0, 0);
    assert!(std::fs::read(path.join("run.cdt")).unwrap() == std::fs::read(path.join("reference.cdt")).unwrap());
    assert_eq!(files(path), ["reference.cdt", "reference.jsonl", "run.cdt"]);
}

#[test]
fn a_fork_is_told_while_the_candidate_still_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    creatures(path, "reference", "i32", hp);
    let faulty = |tick, slot| hp(tick, slot) - i64::from(slot == 4 && (tick == 77 || tick >= 500));
    let capture = creatures_capture("i32", faulty);
    let mut running = writer(path, "candidate", rows_before(&capture, 5_000));
    // The name that it will have does, too.
    for name in ["candidate.cdt.partial", "candidate.cdt"] {
        let (code, text) = end(start(path, &format!("diff --follow reference.cdt {name}")));
        assert_eq!((code, running.try_wait().unwrap()), (1, None), "{text}");
        let headline = "DIVERGED as far as is known at tick 500: entities.creature[slot=4,gen=1].hp\n";
        assert!(text.contains(headline) && text.contains("ticks 77..78 healed"), "{text}");
        assert!(text.contains("from tick 4096 on: it was still being written when the verdict was settled"), "{text}");
        let next =
            "next          cdt focus reference.cdt candidate.cdt (when the writers are done, or after `cdt recover`)";
        assert!(text.contains(next), "{text}");
    }
    drop(running.stdin.take());
    assert_eq!(end(running).0, 2);
    assert_eq!(files(path), ["reference.cdt", "reference.jsonl"]);
}

#[test]
fn what_is_followed_to_its_end_gets_the_ordinary_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    creatures(path, "reference", "i32", hp);
    let capture = creatures_capture("i32", hp);
    let mut running = writer(path, "candidate", rows_before(&capture, 5_000));
    wait_for_a_block(path, "candidate");
    let (diff, _) = follower(path, "diff --follow reference.cdt candidate.cdt --whole");
    let (health, _) = follower(path, "health --follow candidate.cdt.partial");
    let (both, _) = follower(path, "diff --follow candidate.cdt candidate.cdt.partial");
    // Of a window that both have reached a loss may still be recorded.
    let (mut window, _) = follower(path, "diff --follow reference.cdt candidate.cdt --ticks ..2000");
    let rest = &capture[rows_before(&capture, 5_000).len()..];
    assert_eq!(window.try_wait().unwrap(), None);
    running.stdin.take().unwrap().write_all(rest.as_bytes()).unwrap();
    assert_eq!(end(running).0, 0);
    let (code, text) = end(window);
    assert!(code == 0 && text.starts_with("EQUAL") && text.contains("2,000 ticks"), "{text}");
    assert!(!text.contains("still being written"), "{text}");
    for (child, headline) in [(diff, "EQUAL"), (health, "HEALTHY"), (both, "EQUAL")] {
        let (code, text) = end(child);
        assert!(code == 0 && text.starts_with(headline), "{text}");
        assert!(!text.contains("loss") && text.contains("8,000 ticks"), "{text}");
    }
}

#[test]
fn a_followed_writer_that_is_killed_or_rests_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    creatures(path, "reference", "i32", hp);
    let capture = creatures_capture("i32", hp);
    let mut killed = writer(path, "run", rows_before(&capture, 5_000));
    wait_for_a_block(path, "run");
    let (rests, _) = follower(path, "health --follow run.cdt.partial --idle-timeout 1");
    let (code, text) = end(rests);
    assert!(code == 3 && text.contains("no block was added for 1 s, and there is no end"), "{text}");
    let (health, _) = follower(path, "health --follow run.cdt.partial");
    let (diff, _) = follower(path, "diff --follow reference.cdt run.cdt.partial");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let (code, text) = end(health);
    let rule =
        "recovered_prefix from tick 4096 on: its writer is gone, and left no end; `cdt recover` makes a trace of it";
    assert!(code == 3 && text.starts_with("LOSSY run.cdt.partial") && text.contains(rule), "{text}");
    let (code, text) = end(diff);
    assert!(code == 3 && text.starts_with("EQUAL") && text.contains(rule), "{text}");
}

/// Whether a process has a handler for Ctrl-C.
#[cfg(target_os = "linux")]
fn heeds_interrupts(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim().to_owned();
    u64::from_str_radix(&caught, 16).unwrap() & 0b10 != 0
}

/// Two runs of W1 that differ in every tick, so that every command has work for a while.
fn long_runs(folder: &Path) {
    // Every tick of the two differs, within what the comparisons below allow.
    for (name, off) in [("reference", 0.0), ("candidate", 0.25)] {
        let bytes = write_w1(12_000, true, Options::LIVE, |_, tick| {
            tick.entities.iter_mut().for_each(|entity| entity.floats[0] += off);
        });
        std::fs::write(folder.join(format!("{name}.cdt")), bytes).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_stops_every_long_command_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    long_runs(path);
    let kind = w1_layout(true).entity_kinds()[0].name.clone();
    let before = files(path);
    for line in [
        "compact reference.cdt -o x.cdt",
        "compact reference.cdt --in-place",
        "recover reference.cdt -o x.cdt",
        "health reference.cdt",
        "diff reference.cdt candidate.cdt --tolerance entities.*.x=absolute:1",
        "diff --prove reference.cdt candidate.cdt --tolerance entities.*.x=absolute:1",
        "focus reference.cdt candidate.cdt --tolerance entities.*.x=absolute:1",
        &format!("entity reference.cdt {kind}:1"),
    ] {
        let child = start(path, line);
        wait_until("the handler", || heeds_interrupts(&child));
        interrupt(&child);
        let (code, text) = end(child);
        assert!(code == 2 && text.contains("stopped on request"), "cdt {line}: {code}\n{text}");
        assert_eq!(files(path), before, "cdt {line}");
    }
    // What reads a pipe stops at the next rows that come.
    let pcmem = "A:01 F:B0 B:00 C:13 D:00 E:D8 H:01 L:4D SP:FFFE PC:0100 PCMEM:00,C3,13,02\n".repeat(1_000);
    let row = |tick: u32| format!("{{\"event\":\"tick\",\"run_id\":\"r\",\"tick\":{tick},\"state\":[{tick}]}}\n");
    let rows = (0..10_000).map(row).collect::<String>();
    let run = run_rows("r", 0, |_| String::new());
    let begin = session_start(r#"{"state":[{"name":"score","type":"u32"}]}"#) + run.lines().next().unwrap() + "\n";
    for (line, head, more) in [
        ("finalize - -o x.cdt", begin + &rows, "\n".to_owned()),
        ("import --format gameboy-doctor - -o x.cdt", pcmem.clone(), pcmem),
    ] {
        let mut child = start(path, line);
        let mut input = child.stdin.take().unwrap();
        input.write_all(head.as_bytes()).unwrap();
        wait_until("the unfinished trace", || path.join("x.cdt.partial").exists());
        interrupt(&child);
        while input.write_all(more.as_bytes()).is_ok() {}
        let (code, text) = end(child);
        assert!(code == 2 && text.contains("stopped on request"), "cdt {line}: {code}\n{text}");
        assert_eq!(files(path), before, "cdt {line}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_waits_for_a_pipe_ends_at_the_second_interrupt_or_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    for line in ["finalize - -o x.cdt", "import --format nestest - -o x.cdt"] {
        // Two at once are what GNU timeout sends, and count as one.
        for pause in [None, Some(Duration::ZERO), Some(Duration::from_millis(400))] {
            let mut child = start(folder.path(), line);
            let input = child.stdin.take();
            wait_until("the handler", || heeds_interrupts(&child));
            #[expect(clippy::disallowed_methods, reason = "a test of how long something takes")]
            let began = Instant::now();
            interrupt(&child);
            if let Some(pause) = pause {
                std::thread::sleep(pause);
                interrupt(&child);
            }
            let (code, text) = end(child);
            let was_patient = began.elapsed() > Duration::from_secs(4);
            assert!(was_patient || pause.is_some_and(|pause| !pause.is_zero()), "{pause:?}");
            assert!(code == 2 && text.starts_with("cdt: broken off; a file that ends in .partial"), "{text}");
            drop(input);
        }
    }
}

#[test]
fn a_pipe_is_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    for line in ["info pipe", "health pipe", "health --follow pipe", "recover pipe -o x.cdt", "diff pipe pipe"] {
        let said = refused(folder.path(), line);
        assert!(said.contains("pipe: this is no regular file, so it cannot be a trace"), "{said}");
    }
}

#[test]
fn nothing_takes_the_place_of_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    creatures(path, "reference", "i32", hp);
    std::os::unix::fs::symlink("reference.cdt", path.join("link.cdt")).unwrap();
    std::fs::copy(path.join("reference.cdt"), path.join("run.cdt.partial")).unwrap();
    std::fs::write(path.join("rows.cdt"), creatures_capture("i32", hp)).unwrap();
    std::fs::write(path.join("more.cdt.partial"), creatures_capture("i32", hp)).unwrap();
    let before = contents(path);
    for line in [
        "query reference.cdt SELECT(1) --format csv -f -o reference.cdt",
        "query reference.cdt SELECT(1) -f -o link.cdt",
        "query run.cdt.partial SELECT(1) --format csv -f -o run.cdt",
        "export reference.cdt --format jsonl -f -o reference.cdt",
        "export reference.cdt --format mcap -f -o link.cdt",
        "export link.cdt --format parquet --table state -f -o reference.cdt",
        "export run.cdt.partial --format mcap -f -o run.cdt",
        "export run.cdt.partial --format arrow --table state -f -o ./run.cdt",
        "recover link.cdt -f -o reference.cdt",
        "compact reference.cdt -f -o link.cdt",
        "compact run.cdt.partial -f -o run.cdt",
        "finalize rows.cdt -f -o rows.cdt",
        "finalize more.cdt.partial -f -o more.cdt",
        "import --format-string {x:u32} more.cdt.partial -f -o more.cdt",
    ] {
        let said = refused(path, line);
        assert!(said.contains(": this is what is read"), "{said}");
        assert!(contents(path) == before, "{line}");
    }
}

/// Every file of a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    files(folder).into_iter().map(|name| (name.clone(), std::fs::read(folder.join(name)).unwrap())).collect()
}

/// What has no room is named, and nothing half-written stands under a name of its own.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_with_the_file_that_has_no_room() {
    let folder = demo_traces();
    std::fs::create_dir(folder.path().join("full")).unwrap();
    let lines = [
        "man -o full",
        "demo --dir full",
        "export reference.cdt --format jsonl -o full/a.jsonl",
        "export reference.cdt --format mcap -o full/a.mcap",
        "export reference.cdt --format parquet --table inputs --table entities.box -o full",
        "query reference.cdt SELECT(tick),(elapsed)FROM(step) --format csv -o full/ticks.csv",
        "query reference.cdt SELECT(tick)FROM(step) --format table --rows 3000 -o full/ticks.txt",
        "bisect reference.cdt candidate.cdt -o full/report",
        "finalize reference.jsonl.zst -o full/a.cdt",
        "compact reference.cdt -o full/a.cdt",
    ];
    std::fs::copy(demo_capture("reference"), folder.path().join("reference.jsonl.zst")).unwrap();
    let run = lines.map(|line| format!("echo '$ cdt {line}'; \"$0\" {} 2>&1; echo \"exit $?\"\n", quoted(line)));
    let script = format!("mount -t tmpfs -o size=16k none full && {}find full", run.concat());
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_cdt")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let advice =
        "this test mounts a tmpfs in a namespace of its own: run it as root, or where users may have namespaces";
    assert!(said.contains("exit 2"), "{said}\n{advice}");
    insta::assert_snapshot!(said);
}

/// The words of a command line, as the shell takes them.
fn quoted(line: &str) -> String {
    line.split_whitespace().map(|word| format!("'{word}' ")).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_follower_says_what_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    creatures(path, "reference", "i32", hp);
    let capture = creatures_capture("i32", hp);
    let mut running = writer(path, "run", rows_before(&capture, 5_000));
    wait_for_a_block(path, "run");
    for (line, headline) in [("health --follow run.cdt", "LOSSY"), ("diff --follow reference.cdt run.cdt", "EQUAL")] {
        let (child, _) = follower(path, line);
        interrupt(&child);
        let (code, text) = end(child);
        let rule = "it was still being written when the following was stopped";
        assert!(code == 3 && text.starts_with(headline) && text.contains(rule), "cdt {line}: {code}\n{text}");
    }
    running.kill().unwrap();
    running.wait().unwrap();
}

/// Those that come to be complete first are held until all have their names; of others their place may be taken, which is found out.
#[test]
fn complete_runs_that_wait_for_their_names_are_not_lost_in_silence() {
    let folder = demo_traces();
    let path = folder.path();
    let run = |number: u32| run_rows(&format!("r{number}"), 2, |tick| format!("\"state\":[{tick}]"));
    let mut rows = session_start(r#"{"state":[{"name":"score","type":"u32"}]}"#);
    (0..20).for_each(|number| rows.push_str(&run(number)));
    std::fs::create_dir(path.join("runs")).unwrap();
    let mut child = start(path, "finalize - -o runs");
    child.stdin.as_mut().unwrap().write_all(rows.as_bytes()).unwrap();
    wait_until("the last run is complete", || path.join("runs/r19.cdt.partial").exists());
    let said = refused(path, "compact reference.cdt -o runs/r0.cdt --force");
    assert!(said.contains("runs/r0.cdt.partial: another writer is at work there"), "{said}");
    expect(path, 0, "compact reference.cdt -o runs/r18.cdt --force");
    child.stdin.as_mut().unwrap().write_all(session_end(40).as_bytes()).unwrap();
    let (code, said) = end(child);
    assert!(code == 2 && said.contains("runs/r18.cdt.partial: another writer took the place"), "{said}");
    assert_eq!(files(&path.join("runs")), ["r18.cdt"]);
}

#[test]
fn a_session_has_more_runs_than_a_process_may_have_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let runs: String =
        (0..300).map(|run| run_rows(&format!("r{run}"), 2, |tick| format!("\"state\":[{tick}]"))).collect();
    let session = session_start(r#"{"state":[{"name":"score","type":"u32"}]}"#) + &runs + &session_end(600);
    std::fs::write(path.join("s.jsonl"), session).unwrap();
    std::fs::create_dir(path.join("runs")).unwrap();
    let script = "ulimit -n 64; exec \"$0\" finalize s.jsonl -o runs";
    let mut shell = Command::new("sh");
    let output = shell.current_dir(path).args(["-c", script, env!("CARGO_BIN_EXE_cdt")]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(files(&path.join("runs")).len(), 300);
}
