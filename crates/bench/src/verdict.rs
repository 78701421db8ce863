//! The lines of the table about verdicts: where two runs fork, and that two long ones are equal.

use std::borrow::Borrow;
use std::path::Path;
use std::sync::Arc;

use cdt_analysis::{BisectOptions, DiffOptions, DiffReport, Mismatch, Verdict, bisect, diff};
use cdt_schema::{Tick, TickBuilder};
use cdt_testkit::meta;
use cdt_trace::{Options, Trace, TraceWriter, Unwatched};
use tempfile::TempDir;

use crate::clock::{Contender, Who, in_turns};
use crate::table::{Ask, Line};
use crate::workload::Workload;
use crate::{arrow, messages};

/// Part of the ticks after which the two runs fork: 70,000 of 100,000.
const FORK: (usize, usize) = (7, 10);

/// Writes a trace to a file.
fn save<W: Workload>(ticks: impl Iterator<Item = impl Borrow<W::Tick>>, path: &Path, options: Options) {
    let layout = Arc::new(W::layout(false));
    let mut writer = TraceWriter::create(path, false, &meta(), layout, options).expect("a file");
    for (number, tick) in (0..).zip(ticks) {
        let fill = |builder: &mut TickBuilder<'_>| {
            W::fill(tick.borrow(), builder).expect("it obeys its layout");
            Ok(())
        };
        writer.append::<cdt_trace::Error>(Tick(number), fill).expect("the disk takes it");
    }
    writer.finish("complete").expect("the disk takes it");
}

fn compare(a: &Path, b: &Path) -> DiffReport {
    let [a, b] = [a, b].map(|path| Trace::open(path).expect("our own trace"));
    diff(&a, &b, &DiffOptions::default(), &Unwatched).expect("our own traces")
}

/// As `cdt bisect` does, which stops at the first sustained fork.
fn first_fork(a: &Path, b: &Path) -> Mismatch {
    let [a, b] = [a, b].map(|path| Trace::open(path).expect("our own trace"));
    let options = BisectOptions { diff: DiffOptions::default(), before: 0, after: 1, command: String::new() };
    let report = bisect(&a, &b, &options, &Unwatched).expect("our own traces");
    report.first_sustained.expect("they fork")
}

/// The first sustained fork: one field of one entity from 70 % on, both files opened, the field named. The peers stop there
/// too, by the first row that differs. Then the whole verdict, which looks at every row that differs behind it.
pub fn forks<W: Workload>(ticks: &[W::Tick], rounds: u32) -> [Line; 2] {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let from = ticks.len() * FORK.0 / FORK.1;
    let mut forked = ticks.to_vec();
    forked[from..].iter_mut().for_each(W::fork);
    let (mut contenders, mut verdicts): (Vec<Contender<'_>>, Vec<Contender<'_>>) = (Vec::new(), Vec::new());
    let messages = [ticks, &forked].map(messages::write::<W>);
    contenders.push((
        Who::Mcap,
        Box::new(move |_| {
            let fork = messages::fork::<W>(&messages[0], &messages[1]).expect("they fork");
            assert_eq!(fork.0, from as u64);
        }),
    ));
    let tables = [ticks, &forked].map(arrow::write_parquet::<W>);
    contenders.push((
        Who::Parquet,
        Box::new(move |_| {
            let fork = arrow::parquet_fork(&tables[0], &tables[1]).expect("they fork");
            assert_eq!(fork.0 as usize, from);
        }),
    ));
    for (who, options) in [(Who::Live, Options::LIVE), (Who::Archive, Options::ARCHIVE)] {
        let paths = [path(&format!("{who}-a.cdt")), path(&format!("{who}-b.cdt"))];
        save::<W>(ticks.iter(), &paths[0], options);
        save::<W>(forked.iter(), &paths[1], options);
        let check = move |found: &Mismatch| assert_eq!(found.tick.0 as usize, from, "{}", found.path);
        let again = paths.clone();
        contenders.push((who, Box::new(move |_| check(&first_fork(&paths[0], &paths[1])))));
        let whole = move |_| check(&compare(&again[0], &again[1]).first_sustained.expect("they fork"));
        verdicts.push((who, Box::new(whole)));
    }
    let asks = [Some(Ask::AtMost(1.2)), Some(Ask::AtMost(2.5))];
    let line = |name, contenders, asks| Line::of_best(name, &in_turns(rounds, contenders), asks);
    [
        line("first sustained fork, field named, ms", &mut contenders, asks),
        line("  the whole verdict, ms", &mut verdicts, [None, None]),
    ]
}

/// Two equal traces of that many ticks, both files opened.
pub fn equal<W: Workload>(ticks: u32, rounds: u32) -> Line {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for (who, options) in [(Who::Live, Options::LIVE), (Who::Archive, Options::ARCHIVE)] {
        let paths = [path(&format!("{who}-a.cdt")), path(&format!("{who}-b.cdt"))];
        save::<W>(W::run().take(ticks as usize), &paths[0], options);
        std::fs::copy(&paths[0], &paths[1]).expect("the disk takes it");
        contenders.push((who, Box::new(move |_| assert_eq!(compare(&paths[0], &paths[1]).verdict, Verdict::Equal))));
    }
    let times = in_turns(rounds, &mut contenders);
    let asks = [Some(Ask::AtMost(5.0)), Some(Ask::AtMost(5.0))];
    Line::of_best("equal traces of ten times the ticks, ms", &times, asks)
}
