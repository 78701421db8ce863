//! Bytes that may be a trace: opened, read in every way, examined and compared.

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use cdt_analysis::{DiffOptions, HealthVerdict, Verdict, diff, focus, health};
use cdt_projections::{Window, entity, tick};
use cdt_schema::{ChannelSet, KindId, Rows, Slot, Tick};
use cdt_testkit::{Numbers, all_ranges, surgery, write_full};
use cdt_trace::{BlockDecoder, Options, Trace, Unwatched};

use crate::{NAME, bounded, told};

/// Changes below which a mutation is left with wrong checksums, of [`ALL`].
const UNSEALED: u32 = 1;
/// Changes below which all of the bytes are changed as bytes, of [`ALL`].
const WHOLE: u32 = 3;
const ALL: u32 = 16;

type Memory = Trace<Vec<u8>>;

/// Opens a trace and does with it what can be done.
pub fn reader(bytes: &[u8]) {
    bounded(|| match Trace::from_source(bytes.to_vec(), Path::new(NAME)) {
        Ok(trace) => examine(&trace),
        Err(error) => told(error, Path::new(NAME)),
    });
}

fn examine(trace: &Memory) {
    let mut whole = true;
    let mut decoder = BlockDecoder::new();
    for block in 0..trace.index().blocks.len() {
        match trace.block_by(&mut decoder, block, ChannelSet::ALL) {
            Ok(rows) => {
                read_again(trace, block, &rows);
                decoder.recycle(rows);
            }
            Err(error) => {
                whole = false;
                told(error, Path::new(NAME));
            }
        }
    }
    for segment in 0..trace.segments() {
        let ticks = trace.segment_ticks(segment);
        match trace.digests(segment) {
            Ok(digests) => assert_eq!(digests.len() as u64, ticks),
            Err(error) => {
                whole = false;
                told(error, Path::new(NAME));
            }
        }
        if let Err(error) = all_ranges(trace, segment) {
            whole = false;
            told(error, Path::new(NAME));
        }
        match trace.summaries(segment) {
            Ok(summaries) => assert_eq!(summaries.len(), trace.blocks_of(segment).len()),
            Err(error) => {
                whole = false;
                told(error, Path::new(NAME));
            }
        }
    }
    project(trace, whole);
    compare(trace, whole);
}

/// What was read once is read again: by another decoder, and channel by channel.
fn read_again(trace: &Memory, block: usize, rows: &Rows) {
    let again = trace.block(block, ChannelSet::ALL).expect("what was read once can be read again");
    assert_eq!(*rows, again);
    drop(again);
    for channel in trace.layout().channels().iter() {
        let one = trace.block(block, [channel].into_iter().collect()).expect("a channel of what can be read");
        for (table, _) in trace.layout().tables_of(channel) {
            assert_eq!(rows.table(table), one.table(table));
        }
    }
}

/// Single ticks and entities.
fn project(trace: &Memory, whole: bool) {
    let Some((first, last)) = trace.index().tick_range() else { return };
    for at in [first, Tick(first.0 / 2 + last.0 / 2), last] {
        match tick(trace, at, ChannelSet::ALL) {
            Ok(view) => assert_eq!(view.is_some(), trace.index().has(at)),
            Err(error) => assert!(!whole && !error.to_string().is_empty(), "{error}"),
        }
    }
    for kind in 0..trace.layout().entity_kinds().len() {
        let kind = KindId(u16::try_from(kind).expect("at most 4096"));
        match entity(trace, kind, Slot(2), None, Window::ALL, &Unwatched) {
            Ok(_) => {}
            Err(error) => assert!(!whole && !error.to_string().is_empty(), "{error}"),
        }
    }
}

/// Its health, and what it is beside itself and beside a trace that is sound.
fn compare(trace: &Memory, whole: bool) {
    static SOUND: OnceLock<Memory> = OnceLock::new();
    let health = health(trace, &Unwatched).expect("memory can be read");
    let healthy = health.verdict != HealthVerdict::Unhealthy;
    assert!(whole || !healthy, "what cannot be read is not healthy");
    assert_eq!(health.problem_count == 0, healthy);
    // All of it, of which whole segments are passed over; and all but its first tick, so that the first segment's digests are read.
    let but_first = trace.index().tick_range().and_then(|(first, _)| first.next());
    let window = Window { start: but_first.unwrap_or(Tick(0)), end: None };
    for options in [DiffOptions::default(), DiffOptions { window, ..DiffOptions::default() }] {
        match diff(trace, trace, &options, &Unwatched) {
            Ok(report) => assert_ne!(report.verdict, Verdict::Diverged, "a trace is equal to itself"),
            Err(error) => assert!(!healthy, "what is healthy can be compared: {error}"),
        }
    }
    let options = DiffOptions::default();
    let sound = || Trace::from_source(write_full(6, 11, Options::LIVE), Path::new("sound")).expect("it is sound");
    let sound = SOUND.get_or_init(sound);
    for (reference, candidate) in [(sound, trace), (trace, sound)] {
        match diff(reference, candidate, &options, &Unwatched) {
            Ok(report) if report.verdict == Verdict::Diverged => {
                let _ = focus(reference, candidate, None, 3, &options, &Unwatched);
            }
            Ok(_) => {}
            Err(error) => assert!(!healthy, "what is healthy can be compared: {error}"),
        }
    }
}

/// Changes a trace: mostly one of its parts in place, and mostly so that its checksums are right afterwards, since they
/// would hide all else. `change` is how bytes are changed: it gets a buffer, how much of it is used and how much may be,
/// and gives how much is. Gives the trace's new length.
pub fn mutate_trace(
    data: &mut [u8],
    len: usize,
    most: usize,
    seed: u32,
    change: impl Fn(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mut numbers = Numbers(u64::from(seed));
    let parts = surgery::parts(&data[..len.min(most)]);
    let new_len = if parts.is_empty() || numbers.below(ALL) < WHOLE {
        change(data, len, most)
    } else {
        let part: Range<usize> = parts[numbers.below(u32::try_from(parts.len()).expect("few parts")) as usize].clone();
        let mut bytes = data[part.clone()].to_vec();
        change(&mut bytes, part.len(), part.len());
        data[part].copy_from_slice(&bytes);
        len.min(most)
    };
    if numbers.below(ALL) >= UNSEALED {
        surgery::reseal(&mut data[..new_len]);
    }
    new_len
}
