//! The corpus in `traces/conformance` is what this code writes, every valid trace in it says what the text beside it says,
//! and every invalid one is refused with the error beside it. `cargo xtask codegen` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod expected;
mod invalid;
mod make;
mod valid;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cdt_schema::ChannelSet;
use cdt_testkit::all_ranges;
use cdt_testkit::surgery::{BLOCK_COLUMNS, FRAME_RECORD, column_frames, elements, sections, u32_at};
use cdt_trace::{BlockDecoder, Error, ErrorKind, Trace};
use make::Case;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../traces/conformance").join(name)
}

/// Opens a trace under the name that its errors shall give, and reads all that there is.
fn read_all(name: &str, bytes: Vec<u8>) -> Result<Trace<Vec<u8>>, Error> {
    let trace = Trace::from_source(bytes, Path::new(name))?;
    for segment in 0..trace.segments() {
        trace.digests(segment)?;
        all_ranges(&trace, segment)?;
        trace.summaries(segment)?;
    }
    for (block, entry) in trace.index().blocks.iter().enumerate() {
        let whole = trace.block(block, ChannelSet::ALL);
        // A part is never refused where the whole is not.
        for tick in [entry.first_tick, entry.last_tick] {
            let part = trace.tick_by(&mut BlockDecoder::new(), tick, ChannelSet::ALL);
            assert!(part.is_ok_and(|part| part.is_some()) || whole.is_err(), "{name}: tick {tick}");
        }
        whole?;
    }
    Ok(trace)
}

/// The files that a case stands for: the trace and what is expected of it.
fn files(cases: Vec<Case>, expected: impl Fn(&str, Vec<u8>) -> String) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for Case { name, bytes } in cases {
        let trace = format!("{name}.cdt");
        let text = expected(&trace, bytes.clone());
        assert!(seen.insert(bytes.clone()), "{name} has the bytes of another");
        assert!(files.insert(trace, bytes).is_none(), "{name} is there twice");
        files.insert(format!("{name}.json"), text.into_bytes());
    }
    files
}

/// Holds a folder to exactly these files.
#[expect(clippy::disallowed_methods, reason = "`cargo xtask codegen` asks by it to write the files anew")]
fn hold(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    if std::env::var_os("CDT_CODEGEN").is_some() {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
        files.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).unwrap());
    }
    let entries = fs::read_dir(folder).unwrap();
    let names: BTreeSet<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().eq(files.keys()), "{} has other files; run `cargo xtask codegen`", folder.display());
    let differs = |(name, bytes): &(&String, &Vec<u8>)| fs::read(folder.join(name)).unwrap() != **bytes;
    let drifted: Vec<&String> = files.iter().filter(differs).map(|(name, _)| name).collect();
    assert!(drifted.is_empty(), "not what the code gives; run `cargo xtask codegen`: {drifted:?}");
}

#[test]
fn valid_traces_are_read() {
    let files = files(valid::cases(), |name, bytes| {
        let trace = read_all(name, bytes).unwrap_or_else(|error| panic!("{error}"));
        expected::content(&trace).unwrap()
    });
    assert!(files.len() >= 2 * 60, "{} files", files.len());
    hold(&folder("valid"), &files);
}

#[test]
fn invalid_traces_are_refused() {
    let mut kinds = BTreeSet::new();
    let cases = invalid::cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for Case { name, bytes } in &cases {
        let Err(error) = read_all(name, bytes.clone()) else { panic!("{name} is read") };
        // What was changed is hidden behind a checksum that is wrong.
        let is_of_checksums = error.to_string().contains("checksum");
        assert!(!is_of_checksums || name.contains("checksum"), "{name} stands for something else: {error}");
        kinds.insert(match error.kind() {
            ErrorKind::Damaged { .. } => "Damaged".to_owned(),
            kind => format!("{kind:?}"),
        });
    }
    let of_bytes = ["Damaged", "Incomplete", "NotATrace", "Version"];
    assert!(kinds.iter().eq(of_bytes), "the errors that bytes alone can cause are {of_bytes:?}, not {kinds:?}");
    let fault = |name: &str, bytes| expected::fault(&read_all(name, bytes).err().unwrap());
    hold(&folder("invalid"), &files(cases, fault));
}

/// The corpus is small, and each encoding of a column stands in it, packed ones with exceptions and without.
#[test]
fn every_encoding_occurs() {
    let mut found = BTreeSet::new();
    for Case { name, bytes } in valid::cases() {
        let layout = Trace::from_source(bytes.clone(), Path::new(&name)).unwrap().layout().clone();
        let frames = column_frames(&layout);
        for block in sections(&bytes).into_iter().filter(|section| &section.tag == b"BLCK") {
            let mut at = block.tail.start;
            for (record, frame) in
                elements(&bytes, block.head.end - BLOCK_COLUMNS, FRAME_RECORD).into_iter().zip(&frames)
            {
                let (encoding, len) = (bytes[record.start], u32_at(&bytes, record.start + 1));
                let exceptions = matches!(encoding, 4..=7) && len > 0 && bytes[at] & 0x80 != 0;
                found.insert((encoding, exceptions));
                let entity_order = frame.strip_prefix("entities.walker.order_");
                let expected = entity_order.zip(name.strip_prefix("entities-runs-"));
                if let Some((order, expected)) = expected.filter(|of| *of != ("0", "coded")) {
                    assert_eq!(told(encoding, false), format!("{expected}-{order}"), "{name}");
                }
                if let Some(expected) = name.strip_prefix("column-") {
                    assert_eq!(told(encoding, exceptions), expected.rsplit_once("-of-").unwrap().0, "{name}");
                }
                at += len;
            }
            assert_eq!(at, block.tail.end, "{name}");
        }
    }
    let plain = [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15].map(|encoding| (encoding, false));
    let exceptions = [4, 5, 6, 7].map(|encoding| (encoding, true));
    assert_eq!(found, plain.into_iter().chain(exceptions).collect());
}

/// An encoding as the names of the corpus say it.
fn told(encoding: u8, exceptions: bool) -> String {
    let with = if exceptions { "-with-exceptions" } else { "" };
    match encoding {
        0 => "plain".to_owned(),
        1 => "constant".to_owned(),
        2 => "dictionary".to_owned(),
        4..=7 => format!("packed-{}{with}", encoding - 4),
        8..=11 => format!("planes-{}", encoding - 8),
        13..=15 => format!("coded-{}", encoding - 12),
        _ => panic!("{encoding} is no encoding"),
    }
}
