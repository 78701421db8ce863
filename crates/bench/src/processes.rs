//! The lines of the table about `cdt` as a process: how much memory it takes, and how soon it starts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};
use tempfile::TempDir;

use crate::clock::{quantile, wall};
use crate::table::Figure;
use crate::workload::Workload;

/// The argument by which this program runs another one and tells its peak memory: only the child of a small process can
/// be told from its parent.
pub const PEAK_OF: &str = "--peak-of";
/// How often the start is measured.
const STARTS: usize = 21;
const MIB: f64 = 1024.0 * 1024.0;

/// Runs a command to its end and prints its peak memory in bytes.
pub fn print_peak(command: &[OsString]) {
    let status = Command::new(&command[0]).args(&command[1..]).stdout(Stdio::null()).status();
    assert!(status.expect("the command starts").success(), "{command:?} succeeds");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system tells it");
    // Linux counts in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    println!("{}", usage.max_rss() * unit);
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
/// Runs a command to its end and gives the peak memory of it and what it has waited for, the larger.
pub fn peak_mib(command: &[OsString], folder: &Path) -> f64 {
    let this = std::env::current_exe().expect("this program is somewhere");
    let output = Command::new(this).arg(PEAK_OF).args(command).current_dir(folder).output();
    let output = output.expect("this program starts");
    let text = String::from_utf8(output.stdout).expect("a number");
    text.trim().parse::<u64>().expect("a number") as f64 / MIB
}

/// The `cdt` that was built beside this program.
fn cdt() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    Some(this.with_file_name(format!("cdt{}", std::env::consts::EXE_SUFFIX))).filter(|path| path.is_file())
}

/// Peak memory and start of `cdt`; nothing if it was not built.
pub fn figures<W: Workload>(ticks: &[W::Tick]) -> Vec<Figure> {
    let Some(cdt) = cdt() else {
        return vec![Figure::told("cdt as a process", "not built".to_owned())];
    };
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("run.jsonl"), W::capture(ticks)).expect("the disk takes it");
    let peak = |words: &[&Path]| {
        let command: Vec<OsString> = [cdt.as_path()].iter().chain(words).map(|word| word.as_os_str().into()).collect();
        peak_mib(&command, folder.path())
    };
    let [trace, other] = [path("run.cdt"), path("other.cdt")];
    let finalize = peak(&["finalize".as_ref(), &path("run.jsonl"), "-o".as_ref(), &trace]);
    std::fs::copy(&trace, &other).expect("the trace was written");
    let diff = peak(&["diff".as_ref(), &trace, &other]);
    let health = peak(&["health".as_ref(), &trace]);
    let query = peak(&["query".as_ref(), &trace, W::QUERY.as_ref()]);
    let demo = peak(&["demo".as_ref()]);
    vec![
        Figure::at_most("peak memory of finalize", finalize, 256.0, "MiB"),
        Figure::at_most("peak memory of diff", diff, 256.0, "MiB"),
        Figure::at_most("peak memory of health", health, 256.0, "MiB"),
        Figure::at_most("peak memory of query", query, 256.0, "MiB"),
        Figure::at_most("peak memory of demo", demo, 150.0, "MiB"),
        Figure::at_most("cdt --help starts in", start(&cdt), 20.0, "ms"),
    ]
}

/// Median wall time of `cdt --help`, in milliseconds.
fn start(cdt: &Path) -> f64 {
    let run = |_| {
        let (time, status) = wall(|| Command::new(cdt).arg("--help").stdout(Stdio::null()).status());
        assert!(status.expect("it starts").success(), "--help succeeds");
        time.as_secs_f64() * 1e3
    };
    let mut times: Vec<f64> = (0..STARTS).map(run).collect();
    times.sort_by(f64::total_cmp);
    quantile(&times, 0.5).unwrap_or(f64::INFINITY)
}
