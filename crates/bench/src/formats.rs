//! The lines of the table that compare formats: size, write, reads, one tick, a count.

use cdt_schema::{Tick, TickBuilder};
use cdt_testkit::{Numbers, meta};
use cdt_trace::{Options, TraceWriter};
use tempfile::TempDir;

use crate::arrow::{self, Files};
use crate::clock::{Contender, Who, cpu, in_turns, in_turns_of, quantile, wall};
use crate::messages;
use crate::ours::{self, Memory};
use crate::table::{Ask, Figure, Line};
use crate::workload::Workload;

/// How often each format's turn comes to read single ticks, and how many it reads then.
const PROBES: [u32; 2] = [80, 6];

/// A workload in every format.
pub struct Written {
    mcap: Vec<u8>,
    parquet: Files,
    ipc: Files,
    live: Memory,
    archive: Memory,
}

impl Written {
    /// Writes the ticks in every format, and holds the digests of ours against each other.
    pub fn new<W: Workload>(ticks: &[W::Tick]) -> Written {
        let (live, of_live) = ours::write::<W>(ticks, false, Options::LIVE);
        let (archive, of_archive) = ours::write::<W>(ticks, false, Options::ARCHIVE);
        assert_eq!(of_live, of_archive, "live and archive have one digest");
        let (mcap, parquet, ipc) =
            (messages::write::<W>(ticks), arrow::write_parquet::<W>(ticks), arrow::write_ipc::<W>(ticks));
        let written = Written { mcap, parquet, ipc, live, archive };
        written.check::<W>(ticks);
        written
    }

    /// What each format says of the ticks must be the same.
    fn check<W: Workload>(&self, ticks: &[W::Tick]) {
        let last = u32::try_from(ticks.len() - 1).expect("the workload has fewer ticks");
        for number in [0, last / 2, last] {
            let tick = &ticks[number as usize];
            assert!(*tick == messages::tick::<W>(&self.mcap, number), "tick {number} in MCAP");
            assert!(*tick == ours::tick::<W>(&self.live, number), "tick {number} in live");
            assert!(*tick == ours::tick::<W>(&self.archive, number), "tick {number} in archive");
            assert_eq!(arrow::ipc_tick(&self.ipc, number), arrow::parquet_tick(&self.parquet, number));
        }
        let count: usize = ticks.iter().map(W::count).sum();
        assert_eq!(count, messages::read::<W>(&self.mcap, W::count));
        assert_eq!(count, arrow::parquet_count::<W>(&self.parquet));
        assert_eq!(count, ours::count::<W>(&self.live));
        assert_eq!(count, ours::count::<W>(&self.archive));
        let entities = arrow::read_ipc(&self.ipc);
        assert_eq!(entities, arrow::read_parquet(&self.parquet));
        assert_eq!(entities, ours::read(&self.live));
        assert_eq!(entities, ours::read(&self.archive));
    }
}

fn contender<'a, T>(who: Who, mut run: impl FnMut(u32) -> T + 'a) -> Contender<'a> {
    (who, Box::new(move |round| drop(std::hint::black_box(run(round)))))
}

/// The lines that compare formats.
pub fn lines<W: Workload>(ticks: &[W::Tick], written: &Written, rounds: u32) -> Vec<Line> {
    let mut lines = sizes::<W>(ticks, written);
    let write = in_turns(
        rounds,
        &mut [
            contender(Who::Mcap, |_| messages::write::<W>(ticks)),
            contender(Who::Parquet, |_| arrow::write_parquet::<W>(ticks)),
            contender(Who::Ipc, |_| arrow::write_ipc::<W>(ticks)),
            contender(Who::Live, |_| ours::write::<W>(ticks, false, Options::LIVE)),
            contender(Who::Archive, |_| ours::write::<W>(ticks, false, Options::ARCHIVE)),
        ],
    );
    let asks = [Some(Ask::Of(0.36, Who::Ipc)), Some(Ask::Of(0.60, Who::Ipc))];
    lines.push(Line::of_best("write, ms", &write, asks));
    let read = in_turns(
        rounds,
        &mut [
            contender(Who::Parquet, |_| arrow::read_parquet(&written.parquet)),
            contender(Who::Ipc, |_| arrow::read_ipc(&written.ipc)),
            contender(Who::Live, |_| ours::read(&written.live)),
            contender(Who::Archive, |_| ours::read(&written.archive)),
        ],
    );
    let asks = [Some(Ask::Of(0.40, Who::Ipc)), Some(Ask::Of(0.80, Who::Ipc))];
    lines.push(Line::of_best("read all as columns, ms", &read, asks));
    let read = in_turns(
        rounds,
        &mut [
            contender(Who::Mcap, |_| messages::read::<W>(&written.mcap, |_| 1)),
            contender(Who::Live, |_| ours::read_ticks::<W>(&written.live, |_| 1)),
            contender(Who::Archive, |_| ours::read_ticks::<W>(&written.archive, |_| 1)),
        ],
    );
    let asks = [Some(Ask::Of(0.38, Who::Mcap)), Some(Ask::Of(0.65, Who::Mcap))];
    lines.push(Line::of_best("read all as typed ticks, ms", &read, asks));
    lines.extend(one_tick::<W>(ticks, written));
    let count = in_turns(
        rounds,
        &mut [
            contender(Who::Mcap, |_| messages::read::<W>(&written.mcap, W::count)),
            contender(Who::Parquet, |_| arrow::parquet_count::<W>(&written.parquet)),
            contender(Who::Live, |_| ours::count::<W>(&written.live)),
            contender(Who::Archive, |_| ours::count::<W>(&written.archive)),
        ],
    );
    let asks = [Some(Ask::Of(0.33, Who::Parquet)), Some(Ask::Of(0.60, Who::Parquet))];
    lines.push(Line::of_best("count entities by two of their fields, ms", &count, asks));
    lines
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files")]
fn sizes<W: Workload>(ticks: &[W::Tick], written: &Written) -> Vec<Line> {
    let each = |bytes: usize| Some(bytes as f64 / ticks.len() as f64);
    let of_files = |files: &Files| each(files.iter().map(bytes::Bytes::len).sum());
    let values = [
        each(written.mcap.len()),
        of_files(&written.parquet),
        of_files(&written.ipc),
        each(written.live.0.len()),
        each(written.archive.0.len()),
    ];
    let asks = [Some(Ask::AtMost(750.0)), Some(Ask::AtMost(520.0))];
    let mut lines = vec![Line { name: "size, bytes a tick", values, asks }];
    if W::has_rng() {
        let declared = |options| each(ours::write::<W>(ticks, true, options).0.0.len());
        let values = [None, None, None, declared(Options::LIVE), declared(Options::ARCHIVE)];
        let asks = [Some(Ask::AtMost(750.0)), Some(Ask::AtMost(470.0))];
        lines.push(Line { name: "  where the rng algorithm is declared", values, asks });
    }
    lines
}

fn one_tick<W: Workload>(ticks: &[W::Tick], written: &Written) -> [Line; 3] {
    let count = u32::try_from(ticks.len()).expect("the workload has fewer ticks");
    let place = |run: u32| Numbers(run.into()).below(count);
    let [turns, runs] = PROBES;
    let (first, others) = in_turns_of(
        turns,
        runs,
        &mut [
            contender(Who::Mcap, |run| messages::tick::<W>(&written.mcap, place(run))),
            contender(Who::Parquet, |run| arrow::parquet_tick(&written.parquet, place(run))),
            contender(Who::Ipc, |run| arrow::ipc_tick(&written.ipc, place(run))),
            contender(Who::Live, |run| ours::tick::<W>(&written.live, place(run))),
            contender(Who::Archive, |run| ours::tick::<W>(&written.archive, place(run))),
        ],
    );
    let asks = [Some(Ask::Of(0.15, Who::Mcap)), Some(Ask::Of(0.40, Who::Mcap))];
    [
        Line::of_times("open and read one tick, µs", &others, (0.5, 1e3), asks),
        Line::of_times("  the first of each turn, µs", &first, (0.5, 1e3), [None, None]),
        Line::of_times("  p99 of the first, µs", &first, (0.99, 1e3), [Some(Ask::AtMost(1000.0)), None]),
    ]
}

/// How long a recorder's ticks pause the program: CPU of each append to a live trace on disk.
pub fn pauses<W: Workload>(ticks: &[W::Tick]) -> Vec<Figure> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("pauses.cdt");
    let layout = std::sync::Arc::new(W::layout(false));
    let mut writer = TraceWriter::create(&path, false, &meta(), layout, Options::LIVE).expect("a file");
    let (mut times, mut walls) = (Vec::with_capacity(ticks.len()), Vec::with_capacity(ticks.len()));
    for (number, tick) in (0..).zip(ticks) {
        let fill = |builder: &mut TickBuilder<'_>| {
            W::fill(tick, builder).expect("it obeys its layout");
            Ok(())
        };
        let (wall, (time, appended)) = wall(|| cpu(|| writer.append::<cdt_trace::Error>(Tick(number), fill)));
        appended.expect("the disk takes it");
        times.push(time.as_secs_f64() * 1e3);
        walls.push(wall.as_secs_f64() * 1e3);
    }
    writer.finish("complete").expect("the disk takes it");
    for times in [&mut times, &mut walls] {
        times.sort_by(f64::total_cmp);
    }
    let of = |part| quantile(&times, part).unwrap_or(0.0);
    let walls =
        format!("{:.3} and {:.2} ms", quantile(&walls, 0.999).unwrap_or(0.0), quantile(&walls, 1.0).unwrap_or(0.0));
    vec![
        Figure::at_most("append of one tick, p99.9", of(0.999), 1.0, "ms"),
        Figure::at_most("longest pause", of(1.0), 4.0, "ms"),
        Figure::told("  both on the wall", walls),
    ]
}
