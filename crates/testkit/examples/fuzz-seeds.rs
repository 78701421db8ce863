//! Writes small traces of every sort into the folders `reader` and `recover` of one folder, for the fuzzer to begin with;
//! the latter gets them without their ends and cut in the middle as well.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdt_testkit::surgery::sections;
use cdt_testkit::{full_layout, meta, write_full, write_lossy, write_plain, write_w1};
use cdt_trace::{Encoder, Options};

fn main() -> io::Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).expect("usage: fuzz-seeds FOLDER").into();
    for (name, options) in [("live", Options::LIVE), ("archive", Options::ARCHIVE)] {
        let write = |sort: &str, bytes: Vec<u8>| write(&folder, &format!("{name}-{sort}"), &bytes);
        let blocks = Options { block_ticks: 2, ..options };
        write("one", write_full(1, 11, options))?;
        write("full", write_full(6, 11, options))?;
        write("blocks", write_full(6, 11, blocks))?;
        write("plain", write_plain(5, blocks, |_, _| {}))?;
        write("lossy", write_lossy(blocks))?;
        write("w1", write_w1(2, true, options, |_, _| {}))?;
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
