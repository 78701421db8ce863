//! Measures the lab's traces and verdicts beside MCAP, Parquet and Arrow IPC, on the same rows and in the same run.
//! Prints the table of docs/benchmarks.md; ratios are what counts.

mod agents;
mod arrow;
mod capture;
mod clock;
mod formats;
mod ingest;
mod messages;
mod ours;
mod processes;
mod recorder;
mod table;
mod verdict;
mod w1;
mod w2;
mod workload;

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use cdt_trace::Options;
use workload::Workload;

const USAGE: &str = "usage: cdt-bench [--ticks N] [--rounds N] [--only w1|w2|formats|recorder|capture]... [--quick]";

/// How much is measured.
struct Request {
    ticks: u32,
    rounds: u32,
    /// Parts of the table; all of them if there is none.
    only: Vec<String>,
}

/// What is measured by itself.
const PARTS: [&str; 4] = ["w1", "w2", "recorder", "capture"];
/// Beside [`PARTS`]: of the workloads only the formats.
const FORMATS: &str = "formats";

impl Request {
    fn names(&self, part: &str) -> bool {
        self.only.iter().any(|only| only == part)
    }

    /// Whether a part is to be measured.
    fn wants(&self, part: &str) -> bool {
        let any = PARTS.iter().any(|part| self.names(part));
        self.names(part) || (!any && (!self.names(FORMATS) || part.starts_with('w')))
    }
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [first, command @ ..] = &arguments[..]
        && first == processes::PEAK_OF
    {
        processes::print_peak(command);
        return ExitCode::SUCCESS;
    }
    let words = arguments.into_iter().map(|word| word.to_string_lossy().into_owned());
    let Some(request) = parse(words) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    println!("commit   {}", commit());
    println!("machine  {}", machine());
    println!("CPU time, the best of {} rounds taken in turns; of single ticks the median\n", request.rounds);
    if request.wants("w1") {
        measure::<w1::W1>(&request);
    }
    if request.wants("w2") {
        measure::<w2::W2>(&request);
    }
    if request.wants("recorder") {
        let figures = recorder::figures(request.ticks / 20, request.rounds * 4);
        println!("Recording a machine of ours\n{}", table::figures(&figures));
    }
    if request.wants("capture") {
        println!("Capturing a program from outside\n{}", table::figures(&agents::figures(request.ticks)));
    }
    ExitCode::SUCCESS
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Request> {
    let mut request = Request { ticks: cdt_testkit::W1_TICKS, rounds: 7, only: Vec::new() };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--ticks" => request.ticks = words.next()?.parse().ok().filter(|&ticks| ticks >= 100)?,
            "--rounds" => request.rounds = words.next()?.parse().ok().filter(|&rounds| rounds > 0)?,
            "--quick" => (request.ticks, request.rounds) = (300, 1),
            "--only" => {
                let part = words.next()?;
                let is_part = PARTS.contains(&part.as_str()) || part == FORMATS;
                request.only.push(is_part.then_some(part)?);
            }
            _ => return None,
        }
    }
    Some(request)
}

fn measure<W: Workload>(request: &Request) {
    let ticks: Vec<W::Tick> = W::run().take(request.ticks as usize).collect();
    let raw: usize = ticks.iter().map(W::raw_bytes).sum();
    println!("{}\n{} ticks, {} bytes of rows a tick", W::TITLE, ticks.len(), raw / ticks.len());
    let written = formats::Written::new::<W>(&ticks);
    let mut lines = formats::lines::<W>(&ticks, &written, request.rounds);
    drop(written);
    let mut figures = formats::pauses::<W>(&ticks);
    if !request.names(FORMATS) {
        lines.extend(verdict::forks::<W>(&ticks, request.rounds));
        lines.push(verdict::equal::<W>(request.ticks * 10, request.rounds));
        let (_, digest) = ours::write::<W>(&ticks, true, Options::LIVE);
        figures.extend(ingest::figures::<W>(&ticks, digest, request.rounds));
        figures.extend(processes::figures::<W>(&ticks));
    }
    println!("{}", table::render(&lines, &figures));
}

/// The commit that is checked out, and whether the tree differs from it.
fn commit() -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    format!("{commit}{}", if changed { " and changes" } else { "" })
}

/// Processor, cores and operating system.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let system = read("/proc/sys/kernel/osrelease");
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{}, {cores} cores, {os} {} {arch}", model.unwrap_or("unknown processor"), system.trim())
}
