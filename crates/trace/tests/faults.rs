//! What befalls a writer or a reader from outside: it is killed, the disk is full or read-only, the file changes under its
//! hands. Nothing half-written ever stands under its final name, and no whole block is lost.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::SystemTime;

use cdt_schema::{ChannelSet, RowError, Scalar, Tick, TickBuilder};
use cdt_testkit::surgery::sections;
use cdt_testkit::{Numbers, all_ranges, meta, plain_layout, write_plain};
use cdt_trace::{Encoder, Error, ErrorKind, LossKind, Options, Trace, TraceWriter, Unwatched, compact, recover};

const KILLS: u32 = 1_000;
/// Blocks that the writer under fire writes before it rests; it is killed long before that, or while it rests.
const MOST_BLOCKS: u32 = 400;
const BLOCK_TICKS: u32 = 8;
const SMALL: Options = Options { block_ticks: BLOCK_TICKS as usize, ..Options::LIVE };

/// Set for the processes that the tests start.
const FOLDER_OF_CHILD: &str = "CDT_TEST_FOLDER";

#[expect(clippy::disallowed_methods, reason = "a child process is told its folder by the environment")]
fn folder_of_child() -> PathBuf {
    PathBuf::from(std::env::var_os(FOLDER_OF_CHILD).expect("the other half of this test runs it"))
}

/// An ignored test of this file, as a process of its own.
fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--ignored", "--nocapture", test]).env(FOLDER_OF_CHILD, folder);
    command
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn fill(number: u32) -> impl FnOnce(&mut TickBuilder<'_>) -> Result<(), Error> {
    let noise = number.wrapping_mul(2_654_435_761);
    move |tick| Ok(tick.state(&[Scalar::U32(noise), Scalar::F32(f32::from_bits(noise >> 3))])?)
}

/// The bytes that the writer under fire writes, and where its blocks end.
fn undisturbed() -> (Vec<u8>, Vec<usize>) {
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), SMALL);
    for tick in 0..MOST_BLOCKS * BLOCK_TICKS {
        let rows =
            |builder: &mut TickBuilder<'_>| fill(tick)(builder).map_err(|error| -> RowError { panic!("{error}") });
        encoder.append(Tick(tick), rows).unwrap();
    }
    let bytes = encoder.finish("complete").0;
    let ends =
        sections(&bytes).iter().filter(|section| &section.tag == b"BLCK").map(|section| section.tail.end).collect();
    (bytes, ends)
}

/// Starts the writer in a folder and kills it when it has told of `after` blocks.
fn kill_a_writer(folder: &Path, after: u32) {
    let mut writer = child("writes_until_it_is_killed", folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = 0;
    let mut output = writer.stdout.take().unwrap();
    let mut byte = [0];
    while told < after && output.read(&mut byte).unwrap() == 1 {
        told += u32::from(byte[0] == b'#');
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_eq!(told, after, "the writer ended before it was killed");
}

#[test]
fn a_thousand_killed_writers_lose_no_whole_block() {
    let (bytes, ends) = undisturbed();
    let scratch = tempfile::tempdir().unwrap();
    let one = |number: u32| {
        let folder = scratch.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        let after = Numbers(u64::from(number)).below(40);
        kill_a_writer(&folder, after);
        let (partial, out) = (folder.join("run.cdt.partial"), folder.join("run.cdt"));
        assert!(!out.exists(), "only what is complete gets its name");
        let left = fs::read(&partial).unwrap_or_default();
        assert!(bytes.starts_with(&left), "what was written is a beginning of the trace");
        let there = ends.iter().filter(|&&end| end <= left.len()).count();
        assert!(there >= after as usize, "{after} blocks were told of, {there} are in the file");
        if there == 0 {
            assert!(recover(&partial, &out, false, &Unwatched).is_err());
            assert!(!out.exists());
            return 0;
        }
        let (finished, recovered) = recover(&partial, &out, false, &Unwatched).unwrap();
        finished.publish().unwrap();
        let trace = Trace::open(&out).unwrap();
        let ticks = u32::try_from(there).unwrap() * BLOCK_TICKS;
        assert_eq!((recovered.ticks, trace.index().ticks()), (u64::from(ticks), u64::from(ticks)));
        let loss = &trace.index().loss;
        assert_eq!((loss.len(), loss[0].kind, loss[0].from), (1, LossKind::RecoveredPrefix, Tick(ticks)));
        assert_eq!(fs::read(&out).unwrap()[..ends[there - 1]], bytes[..ends[there - 1]]);
        fs::remove_dir_all(&folder).unwrap();
        1
    };
    let half = |from: u32| (from..KILLS).step_by(2).map(one).sum::<u32>();
    let recovered = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        half(0) + other.join().unwrap()
    });
    assert!(recovered > KILLS * 9 / 10, "{recovered} of {KILLS} had a block");
}

#[test]
#[ignore = "the other half of `a_thousand_killed_writers_lose_no_whole_block`, which runs it"]
fn writes_until_it_is_killed() {
    let path = folder_of_child().join("run.cdt");
    let mut writer = TraceWriter::create(&path, false, &meta(), Arc::new(plain_layout()), SMALL).unwrap();
    for tick in 0..MOST_BLOCKS * BLOCK_TICKS {
        writer.append(Tick(tick), fill(tick)).unwrap();
        if (tick + 1).is_multiple_of(BLOCK_TICKS) {
            io::stdout().write_all(b"#").unwrap();
            io::stdout().flush().unwrap();
        }
    }
    loop {
        std::thread::park();
    }
}

/// Runs an ignored test of this file with a file system of its own mounted in a folder.
#[cfg(target_os = "linux")]
fn on_a_file_system(options: &str, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o {options} none \"${FOLDER_OF_CHILD}\" && exec \"$0\" \"$@\"");
    let test = child(test, folder.path());
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .arg(test.get_program())
        .args(test.get_args())
        .env(FOLDER_OF_CHILD, folder.path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let advice =
        "this test mounts a tmpfs in a namespace of its own: run it as root, or where users may have namespaces";
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{advice}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    on_a_file_system("size=512k", "fills_its_disk");
}

#[test]
#[ignore = "the other half of `a_full_disk_is_told_and_leaves_nothing`, which runs it"]
fn fills_its_disk() {
    let folder = folder_of_child();
    let full = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("cannot write the trace: No space left on device"), "{error}");
    };
    let write = |name: &str, ticks: u32| {
        let path = folder.join(name);
        let mut writer = TraceWriter::create(&path, false, &meta(), Arc::new(plain_layout()), Options::LIVE)?;
        (0..ticks).try_for_each(|tick| writer.append(Tick(tick), fill(tick)))?;
        writer.finish("complete")
    };
    full(write("large.cdt", 1_000_000).unwrap_err());
    assert!(names(&folder).is_empty());
    write("small.cdt", 20_000).unwrap();
    let bytes = fs::read(folder.join("small.cdt")).unwrap();
    fs::write(folder.join("small.partial"), &bytes[..bytes.len() - 1_000]).unwrap();
    // What fills the disk leaves less than either needs.
    let mut filler = File::create(folder.join("filler")).unwrap();
    while filler.write_all(&[1; 4096]).is_ok() {}
    let before = names(&folder);
    let trace = Trace::open(&folder.join("small.cdt")).unwrap();
    full(compact(&trace, &folder.join("archive.cdt"), false, Options::ARCHIVE, &Unwatched).unwrap_err());
    full(compact(&trace, &folder.join("small.cdt"), true, Options::LIVE, &Unwatched).unwrap_err());
    full(recover(&folder.join("small.partial"), &folder.join("back.cdt"), false, &Unwatched).unwrap_err());
    assert_eq!(names(&folder), before);
    assert_eq!(fs::read(folder.join("small.cdt")).unwrap(), bytes);
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_folder_is_told_before_the_work() {
    on_a_file_system("ro", "writes_where_it_may_not");
}

#[test]
#[ignore = "the other half of `a_read_only_folder_is_told_before_the_work`, which runs it"]
fn writes_where_it_may_not() {
    let folder = folder_of_child();
    let out = folder.join("run.cdt");
    let scratch = tempfile::tempdir().unwrap();
    let whole = write_plain(200, SMALL, |_, _| {});
    let partial = scratch.path().join("run.cdt.partial");
    fs::write(&partial, &whole[..whole.len() - 100]).unwrap();
    let trace = Trace::from_source(whole, Path::new("fixture")).unwrap();
    let refused = [
        TraceWriter::create(&out, false, &meta(), Arc::new(plain_layout()), SMALL).unwrap_err(),
        compact(&trace, &out, false, Options::ARCHIVE, &Unwatched).unwrap_err(),
        recover(&partial, &out, false, &Unwatched).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("run.cdt: cannot create the trace: Read-only file system"), "{error}");
    }
    assert!(names(&folder).is_empty());
}

/// Two runs of the same shape, which differ in every block.
fn twins() -> (Vec<u8>, Vec<u8>) {
    let run = |seed: u32| write_plain(400, SMALL, |tick, plain| plain.score = tick.wrapping_mul(seed) & 0xff | 0x100);
    (run(3), run(5))
}

/// Reads everything; whatever is read must be of the trace that was opened.
fn read_all(trace: &Trace) -> Result<(), Error> {
    for segment in 0..trace.segments() {
        trace.digests(segment)?;
        all_ranges(trace, segment)?;
        trace.summaries(segment)?;
    }
    for block in 0..trace.index().blocks.len() {
        trace.block(block, ChannelSet::ALL)?;
    }
    trace.check_unchanged()
}

#[test]
fn a_trace_that_changes_while_it_is_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cdt");
    let (mine, other) = twins();
    let open = || {
        fs::write(&path, &mine).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        Trace::open(&path).unwrap()
    };
    // Another file under its name: what is open is still the old one.
    let trace = open();
    let replacement = folder.path().join("other.cdt");
    fs::write(&replacement, &other).unwrap();
    fs::rename(&replacement, &path).unwrap();
    read_all(&trace).unwrap();
    // Cut in place, anywhere.
    for len in [0, 100, mine.len() / 2, mine.len() - 1] {
        let trace = open();
        File::options().write(true).open(&path).unwrap().set_len(len as u64).unwrap();
        let error = read_all(&trace).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    }
    // Written over in place, by something else and by another trace, whole or in part.
    for bytes in [vec![0; mine.len()], other.clone(), [&mine[..mine.len() / 2], &other[other.len() / 2..]].concat()] {
        let trace = open();
        fs::write(&path, &bytes).unwrap();
        let error = read_all(&trace).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Changed | ErrorKind::Damaged { .. }), "{error}");
        assert_eq!(trace.check_unchanged().unwrap_err().kind(), ErrorKind::Changed);
    }
}
