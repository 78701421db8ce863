//! Bytes that went wrong by themselves: every truncation, every flipped bit, and ranges that were overwritten, of small
//! traces that use every feature. A reader either tells, or gives what it would have given.
//!
//! One test alone, because the allocator's peak is measured for the whole process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use cdt_analysis::{HealthVerdict, ProblemCode, health};
use cdt_schema::{ChannelSet, Digest, Field, Layout, LayoutSpec, Rows, Scalar, ScalarType, Tick};
use cdt_testkit::surgery::{parts, sections};
use cdt_testkit::{Numbers, all_ranges, full_layout, meta, write_full, write_lossy, write_plain, write_w1};
use cdt_trace::{BlockDecoder, BlockSummary, Encoder, Encoding, Error, Loss, Meta, Options, Totals, Trace, Unwatched};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Overwritten ranges, of each trace.
const OVERWRITTEN: u32 = 500;
/// Cuts and flips at random places, of a trace that is too large for every place.
const SAMPLED: u32 = 500;
/// Memory that reading a damaged trace may take beyond what the sound one does: an error's text.
const BEYOND: usize = 16 << 10;

/// All that a reader gives.
#[derive(Debug, PartialEq)]
struct Contents {
    meta: Meta,
    layout: Arc<Layout>,
    loss: Vec<Loss>,
    end_reason: String,
    content_digest: Digest,
    digests: Vec<Digest>,
    ranges: Vec<Option<(u64, u64)>>,
    summaries: Vec<BlockSummary>,
    totals: Vec<Totals>,
    rows: Vec<Rows>,
}

fn open(bytes: Vec<u8>) -> Result<Trace<Vec<u8>>, Error> {
    Trace::from_source(bytes, Path::new("fixture"))
}

fn read(trace: &Trace<Vec<u8>>) -> Result<Contents, Error> {
    let index = trace.index();
    let mut contents = Contents {
        meta: index.meta.clone(),
        layout: index.layout.clone(),
        loss: index.loss.clone(),
        end_reason: index.end_reason.clone(),
        content_digest: index.content_digest,
        digests: Vec::new(),
        ranges: Vec::new(),
        summaries: Vec::new(),
        totals: Vec::new(),
        rows: Vec::new(),
    };
    for segment in 0..trace.segments() {
        contents.digests.extend(trace.digests(segment)?);
        contents.ranges.extend(all_ranges(trace, segment)?);
        contents.summaries.extend(trace.summaries(segment)?);
        contents.totals.push(trace.totals(segment).clone());
    }
    let mut decoder = BlockDecoder::new();
    for block in 0..index.blocks.len() {
        contents.rows.push(trace.block_by(&mut decoder, block, ChannelSet::ALL)?);
    }
    Ok(contents)
}

/// A trace, what a reader gives of it, and what has been done to it.
struct Subject {
    name: String,
    good: Vec<u8>,
    contents: Contents,
    /// Memory that reading it takes at a time.
    takes: usize,
    detected: u32,
    harmless: u32,
}

/// What the work gives, and what memory it held at a time.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let done = work();
    (done, ALLOCATOR.peak_usage().saturating_sub(before))
}

impl Subject {
    fn new(name: String, good: Vec<u8>) -> Subject {
        let bytes = good.clone();
        let ((trace, contents), takes) = measured(|| {
            let trace = open(bytes).unwrap();
            let contents = read(&trace).unwrap();
            (trace, contents)
        });
        let health = health(&trace, &Unwatched).unwrap();
        let sound = health.problems.iter().all(|problem| problem.code == ProblemCode::Empty);
        assert!(sound, "{name}: {:?}", health.problems);
        Subject { name, good, contents, takes, detected: 0, harmless: 0 }
    }

    /// Reads changed bytes: that they were is told by the reader, told by `health`, or of no account.
    fn check(&mut self, bytes: Vec<u8>, what: &dyn Fn() -> String) {
        if bytes == self.good {
            return;
        }
        let most = self.takes + bytes.len() + BEYOND;
        let work = || open(bytes).and_then(|trace| read(&trace).map(|contents| (trace, contents)));
        let (outcome, taken) = measured(|| catch_unwind(AssertUnwindSafe(work)));
        let name = &self.name;
        assert!(taken <= most, "{name}, {}: {taken} bytes of memory are taken, {} when sound", what(), self.takes);
        match outcome.unwrap_or_else(|_| panic!("{name}, {}: reading panics", what())) {
            Err(error) => {
                assert!(error.to_string().starts_with("fixture: "), "{name}, {}: {error}", what());
                self.detected += 1;
            }
            Ok((_, contents)) if contents == self.contents => self.harmless += 1,
            Ok((trace, _)) => {
                let verdict = health(&trace, &Unwatched).unwrap().verdict;
                assert_eq!(verdict, HealthVerdict::Unhealthy, "{name}, {}: it reads as another trace", what());
                self.detected += 1;
            }
        }
    }

    fn truncate(&mut self, len: usize) {
        let bytes = self.good[..len].to_vec();
        self.check(bytes, &|| format!("cut to {len} bytes"));
    }

    fn flip(&mut self, at: usize, bit: u32) {
        let mut bytes = self.good.clone();
        bytes[at] ^= 1 << bit;
        self.check(bytes, &|| format!("bit {bit} of byte {at} flipped"));
    }

    /// Every length that it could be cut to, and every bit flipped.
    fn everywhere(&mut self) {
        for at in 0..self.good.len() {
            self.truncate(at);
            (0..8).for_each(|bit| self.flip(at, bit));
        }
    }

    /// Cuts and flips at random places, and in each part and section header.
    fn here_and_there(&mut self, numbers: &mut Numbers) {
        let headers = sections(&self.good).into_iter().map(|section| section.start..section.head.start);
        for range in headers.chain(parts(&self.good)) {
            let at = range.start + below(numbers, range.len());
            self.truncate(at);
            self.flip(at, numbers.below(8));
        }
        for _ in 0..SAMPLED {
            let at = below(numbers, self.good.len());
            self.truncate(at);
            self.flip(at, numbers.below(8));
        }
    }

    /// Overwrites a range: with one byte, with noise, or with other bytes of the trace; or takes it out, or doubles it.
    fn overwrite(&mut self, numbers: &mut Numbers) {
        let mut bytes = self.good.clone();
        let most = if numbers.below(2) == 0 { 32 } else { bytes.len() };
        let len = 1 + below(numbers, most.min(bytes.len()));
        let range = range_of(numbers, len, bytes.len());
        let other = range_of(numbers, len, bytes.len());
        let kind = numbers.below(6);
        match kind {
            0 => bytes[range.clone()].fill(0),
            1 => bytes[range.clone()].fill(0xff),
            2 => bytes[range.clone()].iter_mut().for_each(|byte| *byte = numbers.draw().to_le_bytes()[0]),
            3 => bytes.copy_within(other.clone(), range.start),
            4 => drop(bytes.drain(range.clone())),
            _ => drop(bytes.splice(range.start..range.start, self.good[other.clone()].iter().copied())),
        }
        self.check(bytes, &|| format!("change {kind} of {range:?}, of {other:?}"));
    }
}

fn below(numbers: &mut Numbers, limit: usize) -> usize {
    numbers.below(u32::try_from(limit).unwrap()) as usize
}

fn range_of(numbers: &mut Numbers, len: usize, all: usize) -> Range<usize> {
    let start = below(numbers, all - len + 1);
    start..start + len
}

/// As many ticks as take two segments, of next to nothing.
fn two_segments(encoding: Encoding) -> Vec<u8> {
    let state = Some(vec![Field { name: "on".to_owned(), scalar_type: ScalarType::Bool }]);
    let layout = Layout::new(LayoutSpec { state, ..LayoutSpec::default() }).unwrap();
    let options = Options { encoding, block_bytes: usize::MAX, block_ticks: 32_768 };
    let mut encoder = Encoder::new(&meta(), Arc::new(layout), options);
    for number in 0..65_600 {
        encoder.append(Tick(number), |tick| tick.state(&[Scalar::Bool(number % 1000 == 0)])).unwrap();
    }
    encoder.finish("complete").0
}

#[test]
fn every_change_is_detected_or_harmless() {
    let mut numbers = Numbers(1);
    let (mut detected, mut harmless) = (0, 0);
    for (name, options) in [("live", Options::LIVE), ("archive", Options::ARCHIVE)] {
        let blocks = Options { block_ticks: 2, ..options };
        let small = [
            ("every channel", write_full(1, 11, options)),
            ("blocks and losses", write_lossy(blocks)),
            ("plain", write_plain(3, blocks, |_, _| {})),
            ("no tick", Encoder::new(&meta(), Arc::new(full_layout()), options).finish("complete").0),
        ];
        let large = [("w1", write_w1(3, true, options, |_, _| {})), ("two segments", two_segments(options.encoding))];
        let small = small.map(|trace| (trace, true));
        for ((sort, good), everywhere) in small.into_iter().chain(large.map(|trace| (trace, false))) {
            let mut subject = Subject::new(format!("{name}, {sort}"), good);
            if everywhere {
                subject.everywhere()
            } else {
                subject.here_and_there(&mut numbers)
            }
            (0..OVERWRITTEN).for_each(|_| subject.overwrite(&mut numbers));
            println!("{}: {} bytes, {} detected", subject.name, subject.good.len(), subject.detected);
            detected += subject.detected;
            harmless += subject.harmless;
        }
    }
    println!("{detected} changes detected, {harmless} harmless");
    assert!(detected >= 20_000, "{detected} changes detected");
    // Every byte of a trace is under a checksum, or has but one value.
    assert_eq!(harmless, 0);
}
