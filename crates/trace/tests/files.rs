//! What happens on disk: a trace appears whole or not at all, and nobody's file is touched unasked.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdt_schema::{RowError, Scalar, Tick, TickBuilder};
use cdt_testkit::{meta, plain_layout};
use cdt_trace::{Encoder, Error, ErrorKind, Finished, Loss, LossKind, Options, Trace, TraceWriter};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn create(path: &Path, overwrite: bool) -> Result<TraceWriter, Error> {
    TraceWriter::create(path, overwrite, &meta(), Arc::new(plain_layout()), Options::LIVE)
}

fn fill(tick: &mut TickBuilder<'_>) -> Result<(), Error> {
    Ok(tick.state(&[Scalar::U32(1), Scalar::F32(0.5)])?)
}

/// The names that stand in a folder, ascending.
fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The kind of an error and its message without the folder's own name.
#[track_caller]
fn refused<T>(result: Result<T, Error>, folder: &TempDir) -> (ErrorKind, String) {
    let Err(error) = result else { panic!("it was not refused") };
    let prefix = format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR);
    (error.kind(), error.to_string().replace(&prefix, ""))
}

#[test]
fn a_trace_takes_its_name_when_it_is_complete() {
    let folder = folder();
    let path = folder.path().join("run.cdt");
    let mut writer = create(&path, false).unwrap();
    writer.append::<Error>(Tick(4), fill).unwrap();
    assert_eq!(writer.last_tick(), Some(Tick(4)));
    writer.record_loss(&Loss { kind: LossKind::CappedRows, from: Tick(4), to: None, detail: String::new() }).unwrap();
    assert_eq!(names(&folder), ["run.cdt.partial"]);
    let finished = writer.complete("complete").unwrap();
    assert_eq!((finished.path(), names(&folder)), (&*path, vec!["run.cdt.partial".to_owned()]));
    let digest = finished.digest();
    finished.publish().unwrap();
    assert_eq!(names(&folder), ["run.cdt"]);
    let trace = Trace::open(&path).unwrap();
    assert_eq!((trace.index().content_digest, trace.index().ticks()), (digest, 1));
    assert_eq!(trace.stored_bytes().unwrap(), fs::metadata(&path).unwrap().len());
}

#[test]
fn a_file_and_a_stream_have_the_same_bytes() {
    let folder = folder();
    let path = folder.path().join("run.cdt");
    let mut writer = create(&path, false).unwrap();
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), Options::LIVE);
    for tick in 0..50_000u32 {
        let fill = |builder: &mut TickBuilder<'_>| -> Result<(), RowError> {
            builder.state(&[Scalar::U32(tick.wrapping_mul(2_654_435_761)), Scalar::F32(0.5)])
        };
        writer.append::<Error>(Tick(tick), |builder| Ok(fill(builder)?)).unwrap();
        encoder.append(Tick(tick), fill).unwrap();
    }
    writer.finish("complete").unwrap();
    assert!(fs::read(&path).unwrap() == encoder.finish("complete").0);
}

#[test]
fn an_existing_file_is_left_alone_unless_it_is_to_be_replaced() {
    let folder = folder();
    let path = folder.path().join("run.cdt");
    fs::write(&path, "mine").unwrap();
    let message = "run.cdt: a file stands there already; pass --force to replace it, or choose another name";
    assert_eq!(refused(create(&path, false), &folder), (ErrorKind::Exists, message.to_owned()));
    let mut writer = create(&path, true).unwrap();
    writer.append::<Error>(Tick(0), fill).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    drop(writer);
    assert_eq!((fs::read(&path).unwrap(), names(&folder)), (b"mine".to_vec(), vec!["run.cdt".to_owned()]));
    create(&path, true).unwrap().finish("complete").unwrap();
    assert_eq!(Trace::open(&path).unwrap().index().end_reason, "complete");

    // A file that came to stand there meanwhile is nobody's to replace either.
    let late = folder.path().join("late.cdt");
    let writer = create(&late, false).unwrap();
    fs::write(&late, "mine").unwrap();
    let (kind, _) = refused(writer.finish("complete"), &folder);
    assert_eq!((kind, fs::read(&late).unwrap()), (ErrorKind::Exists, b"mine".to_vec()));
    assert_eq!(names(&folder), ["late.cdt", "run.cdt"]);
}

#[test]
fn several_traces_get_their_names_together_or_not_at_all() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let finished = |name: &str, overwrite| create(&path(name), overwrite).unwrap().complete("complete").unwrap();
    fs::write(path("a.cdt"), "good").unwrap();
    let all = vec![finished("a.cdt", true), finished("b.cdt", true), finished("c.cdt", false)];
    fs::write(path("c.cdt"), "mine").unwrap();
    let (kind, _) = refused(Finished::publish_all(all), &folder);
    assert_eq!((kind, names(&folder)), (ErrorKind::Exists, vec!["a.cdt".to_owned(), "c.cdt".to_owned()]));
    assert_eq!(
        (fs::read(path("a.cdt")).unwrap(), fs::read(path("c.cdt")).unwrap()),
        (b"good".to_vec(), b"mine".to_vec())
    );
    fs::write(path("a.cdt.replaced"), "mine").unwrap();
    let left = Finished::publish_all(vec![finished("a.cdt", true), finished("b.cdt", true)]).unwrap();
    assert_eq!(
        (left.len(), names(&folder)),
        (0, ["a.cdt", "a.cdt.replaced", "b.cdt", "c.cdt"].map(str::to_owned).to_vec())
    );
    assert_eq!(Trace::open(&path("a.cdt")).unwrap().index().end_reason, "complete");
}

#[test]
fn a_trace_whose_place_was_taken_while_it_waited_takes_nobodys() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let finished = |name: &str| create(&path(name), false).unwrap().complete("complete").unwrap().close().unwrap();
    let waiting = vec![finished("a.cdt"), finished("b.cdt"), finished("c.cdt")];
    // They are closed, so a writer that is told to begin anew does.
    let other = create(&path("b.cdt"), true).unwrap();
    let message = "b.cdt.partial: another writer took the place of the unfinished trace";
    assert_eq!(refused(Finished::publish_all(waiting), &folder), (ErrorKind::Exists, message.to_owned()));
    assert_eq!(names(&folder), ["b.cdt.partial"]);
    other.finish("the other").unwrap();
    assert_eq!(Trace::open(&path("b.cdt")).unwrap().index().end_reason, "the other");
    // Nor does one that is given up.
    let waiting = finished("d.cdt");
    let other = create(&path("d.cdt"), true).unwrap();
    drop(waiting);
    other.finish("the other").unwrap();
    // What is gone cannot be named.
    let waiting = finished("e.cdt");
    fs::remove_file(path("e.cdt.partial")).unwrap();
    assert_eq!(refused(waiting.publish(), &folder).0, ErrorKind::Exists);
    assert_eq!(names(&folder), ["b.cdt", "d.cdt"]);
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let folder = folder();
    let path = folder.path().join("run.cdt");
    let mut writer = create(&path, false).unwrap();
    writer.append::<Error>(Tick(0), fill).unwrap();
    drop(writer);
    drop(create(&path, false).unwrap().complete("complete").unwrap());
    assert!(names(&folder).is_empty());
}

#[test]
fn a_refused_tick_leaves_the_trace_as_before() {
    let folder = folder();
    let path = folder.path().join("run.cdt");
    let mut writer = create(&path, false).unwrap();
    writer.append::<Error>(Tick(0), fill).unwrap();
    assert_eq!(refused(writer.append::<Error>(Tick(0), fill), &folder).0, ErrorKind::Row);
    assert_eq!(refused(writer.append::<Error>(Tick(1), |_| Ok(())), &folder).0, ErrorKind::Row);
    writer.append::<Error>(Tick(1), fill).unwrap();
    writer.finish("complete").unwrap();
    assert_eq!(Trace::open(&path).unwrap().index().ticks(), 2);
}

#[test]
fn a_second_writer_of_the_same_trace_is_refused() {
    let folder = folder();
    let path = folder.path().join("run.cdt");
    let first = create(&path, false).unwrap();
    let message = "run.cdt.partial: another writer is at work there, or one was killed; wait for it, or pass --force to \
                   begin anew";
    assert_eq!(refused(create(&path, false), &folder), (ErrorKind::Exists, message.to_owned()));
    let message = "run.cdt.partial: another writer is at work there; wait for it or stop it";
    assert_eq!(refused(create(&path, true), &folder), (ErrorKind::Exists, message.to_owned()));
    first.finish("complete").unwrap();
    assert_eq!(names(&folder), ["run.cdt"]);
}

#[test]
fn what_a_killed_writer_left_is_replaced_only_when_asked() {
    let folder = folder();
    let path = folder.path().join("run.cdt");
    fs::write(folder.path().join("run.cdt.partial"), "half a trace").unwrap();
    assert_eq!(refused(create(&path, false), &folder).0, ErrorKind::Exists);
    assert_eq!(fs::read(folder.path().join("run.cdt.partial")).unwrap(), b"half a trace");
    create(&path, true).unwrap().finish("complete").unwrap();
    assert_eq!(names(&folder), ["run.cdt"]);
    Trace::open(&path).unwrap();
}

#[test]
fn what_cannot_be_a_trace_is_told_before_the_work_begins() {
    let folder = folder();
    let missing = folder.path().join("missing").join("run.cdt");
    let (kind, message) = refused(create(&missing, false), &folder);
    assert_eq!(kind, ErrorKind::Io);
    assert!(message.contains("run.cdt: cannot create the trace: "), "{message}");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    for overwrite in [false, true] {
        let expected = (ErrorKind::Io, "inner: this is a folder, not a trace".to_owned());
        assert_eq!(refused(create(&inner, overwrite), &folder), expected);
    }
    assert_eq!(refused(create(&PathBuf::from(""), false), &folder).1, ": this is not the name of a file");
    assert_eq!(names(&folder), ["inner"]);
    assert_eq!(refused(Trace::open(&inner), &folder).1, "inner: this is a folder, not a trace");
    let (kind, message) = refused(Trace::open(&missing), &folder);
    assert_eq!(kind, ErrorKind::Io);
    assert!(message.contains("run.cdt: cannot open the trace: "), "{message}");
}

/// Set for the process that [`a_failed_write_leaves_nothing`] starts.
#[cfg(unix)]
const FOLDER_OF_CHILD: &str = "CDT_TEST_FOLDER";

/// Files of a process may be bounded in size; the write past the bound fails as a full disk does.
#[cfg(unix)]
#[test]
fn a_failed_write_leaves_nothing() {
    let folder = folder();
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact --ignored --nocapture writes_until_it_fails";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER_OF_CHILD, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(names(&folder).is_empty());
}

#[cfg(unix)]
#[test]
#[ignore = "the other half of `a_failed_write_leaves_nothing`, which runs it"]
#[expect(clippy::disallowed_methods, reason = "a child process is told its folder by the environment")]
fn writes_until_it_fails() {
    let folder = PathBuf::from(std::env::var_os(FOLDER_OF_CHILD).expect("run by a_failed_write_leaves_nothing"));
    let mut writer = create(&folder.join("run.cdt"), false).unwrap();
    let mut outcome = Ok(());
    for tick in 0..200_000u32 {
        let noise = tick.wrapping_mul(2_654_435_761);
        outcome = writer.append(Tick(tick), |builder| -> Result<(), Error> {
            Ok(builder.state(&[Scalar::U32(noise), Scalar::F32(f32::from_bits(noise >> 3))])?)
        });
        if outcome.is_err() {
            break;
        }
    }
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("run.cdt: cannot write the trace: "), "{error}");
    drop(writer);
    let mut finished = create(&folder.join("run.cdt"), false).unwrap();
    for tick in 0..12_000u32 {
        let noise = tick.wrapping_mul(2_654_435_761);
        let fill = |builder: &mut TickBuilder<'_>| -> Result<(), Error> {
            Ok(builder.state(&[Scalar::U32(noise), Scalar::F32(f32::from_bits(noise >> 3))])?)
        };
        finished.append(Tick(tick), fill).unwrap();
    }
    assert_eq!(finished.finish("complete").unwrap_err().kind(), ErrorKind::Io);
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_replaced_and_links_are_followed() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    let (kind, message) = refused(create(&path("socket"), true), &folder);
    assert_eq!(
        (kind, message.as_str()),
        (ErrorKind::Io, "socket: this is no regular file, and cannot be replaced by a trace")
    );
    drop(socket);
    fs::write(path("real.cdt"), "old").unwrap();
    std::os::unix::fs::symlink(path("real.cdt"), path("link.cdt")).unwrap();
    create(&path("link.cdt"), true).unwrap().finish("complete").unwrap();
    assert!(fs::symlink_metadata(path("link.cdt")).unwrap().is_symlink());
    assert_eq!(Trace::open(&path("real.cdt")).unwrap().index().end_reason, "complete");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_told_before_the_work_begins() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("gone.cdt", path("link.cdt")).unwrap();
    for overwrite in [false, true] {
        let rule = "link.cdt: this is a link to gone.cdt, where nothing stands; name that file, or remove the link";
        assert_eq!(refused(create(&path("link.cdt"), overwrite), &folder), (ErrorKind::Io, rule.to_owned()));
    }
    assert_eq!(names(&folder), ["link.cdt"]);
    assert!(fs::symlink_metadata(path("link.cdt")).unwrap().is_symlink());
}

#[cfg(unix)]
#[test]
fn a_writer_whose_file_was_removed_leaves_the_next_one_s_alone() {
    let folder = folder();
    let path = folder.path().join("run.cdt");
    let first = create(&path, false).unwrap();
    fs::remove_file(folder.path().join("run.cdt.partial")).unwrap();
    let mut second = create(&path, false).unwrap();
    second.append::<Error>(Tick(0), fill).unwrap();
    drop(first);
    second.finish("complete").unwrap();
    assert_eq!((names(&folder), Trace::open(&path).unwrap().index().ticks()), (vec!["run.cdt".to_owned()], 1));
}

#[cfg(unix)]
#[test]
fn who_reads_what_was_left_is_not_taken_for_a_writer() {
    let folder = folder();
    let path = folder.path().join("run.cdt");
    fs::write(folder.path().join("run.cdt.partial"), "half a trace").unwrap();
    let reader = fs::File::open(folder.path().join("run.cdt.partial")).unwrap();
    reader.lock_shared().unwrap();
    let message =
        "run.cdt.partial: somebody reads there what a killed writer left, to follow or recover it; wait for that";
    assert_eq!(refused(create(&path, true), &folder), (ErrorKind::Exists, message.to_owned()));
    drop(reader);
    create(&path, true).unwrap().finish("complete").unwrap();
    assert_eq!(names(&folder), ["run.cdt"]);
}

/// Of writers that all mean to begin anew on what a killed one left, one does; it finishes, and no other's file is lost.
#[cfg(unix)]
#[test]
fn writers_that_clear_one_place_together_lose_no_file() {
    for _ in 0..50 {
        let folder = folder();
        let path = folder.path().join("run.cdt");
        fs::write(folder.path().join("run.cdt.partial"), "half a trace").unwrap();
        let barrier = std::sync::Barrier::new(4);
        let begun = std::thread::scope(|scope| {
            let begin = || {
                barrier.wait();
                create(&path, true).ok()
            };
            let all: Vec<_> = (0..4).map(|_| scope.spawn(begin)).collect();
            all.into_iter().filter_map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(begun.len(), 1, "so many writers hold one place");
        for writer in begun {
            writer.finish("complete").unwrap();
            Trace::open(&path).unwrap();
        }
    }
}

#[cfg(unix)]
#[test]
fn a_trace_whose_place_was_taken_is_not_named() {
    let folder = folder();
    let path = folder.path().join("run.cdt");
    let finished = create(&path, false).unwrap().complete("complete").unwrap();
    let partial = folder.path().join("run.cdt.partial");
    fs::remove_file(&partial).unwrap();
    fs::write(&partial, "another's").unwrap();
    let (kind, message) = refused(finished.publish(), &folder);
    assert!(kind == ErrorKind::Exists && message.contains("another writer"), "{message}");
    assert!(!path.exists() && partial.exists());
}
