//! Writes small traces of every sort into the folders `reader` and `recover` of one folder, for the fuzzer to begin with;
//! the latter gets them without their ends and cut in the middle as well.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdt_schema::Tick;
use cdt_testkit::surgery::sections;
use cdt_testkit::{Scene, W1, full_layout, meta, w1_layout, write_full, write_plain};
use cdt_trace::{Encoder, Loss, LossKind, Options};

fn main() -> io::Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).expect("usage: fuzz-seeds FOLDER").into();
    for (name, options) in [("live", Options::LIVE), ("archive", Options::ARCHIVE)] {
        let write = |sort: &str, bytes: Vec<u8>| write(&folder, &format!("{name}-{sort}"), &bytes);
        let blocks = Options { block_ticks: 2, ..options };
        write("one", write_full(1, 11, options))?;
        write("full", write_full(6, 11, options))?;
        write("blocks", write_full(6, 11, blocks))?;
        write("plain", write_plain(5, blocks, |_, _| {}))?;
        write("lossy", lossy(blocks))?;
        write("w1", w1(options))?;
        write("empty", Encoder::new(&meta(), Arc::new(full_layout()), options).finish("complete").0)?;
    }
    Ok(())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let footer = sections(bytes).last().expect("a trace has a footer").start;
    fs::create_dir_all(folder.join("reader"))?;
    fs::create_dir_all(folder.join("recover"))?;
    fs::write(folder.join("reader").join(name), bytes)?;
    fs::write(folder.join("recover").join(name), bytes)?;
    fs::write(folder.join("recover").join(format!("{name}-open")), &bytes[..footer])?;
    fs::write(folder.join("recover").join(format!("{name}-cut")), &bytes[..footer / 2])
}

/// A run with a gap and two losses.
fn lossy(options: Options) -> Vec<u8> {
    let mut encoder = Encoder::new(&meta(), Arc::new(full_layout()), options);
    let mut scene = Scene::new(11);
    for tick in [0, 1, 2, 7, 8] {
        encoder.append(Tick(tick), |tick| scene.fill(tick)).expect("the fixture obeys its layout");
        if tick == 2 {
            let detail = "a detail that is too long to stand in place".to_owned();
            encoder.record_loss(&Loss { kind: LossKind::DroppedTicks, from: Tick(3), to: Some(Tick(6)), detail });
        }
    }
    encoder.record_loss(&Loss { kind: LossKind::TruncatedTail, from: Tick(9), to: None, detail: "cut".to_owned() });
    encoder.finish("truncated").0
}

fn w1(options: Options) -> Vec<u8> {
    let mut encoder = Encoder::new(&meta(), Arc::new(w1_layout(true)), options);
    let mut run = W1::new();
    for number in 0..2 {
        let row = run.next_tick();
        encoder.append(Tick(number), |tick| row.fill(tick)).expect("the fixture obeys its layout");
    }
    encoder.finish("complete").0
}
