//! A trace that is written as a capture finalizes to the same bytes; what a capture cannot say is refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;

use cdt_ingest::{CaptureEnd, Destination, ErrorKind, Finalize, Input, RunOutcome, finalize, write_capture};
use cdt_schema::Tick;
use cdt_testkit::{full_layout, meta, write_full, write_plain, write_w1};
use cdt_trace::{Encoder, Encoding, Loss, LossKind, Meta, Options, Trace, Unwatched};

fn written(trace: Vec<u8>) -> Result<(CaptureEnd, Vec<u8>), cdt_ingest::Error> {
    let trace = Trace::from_source(trace, Path::new("fixture")).unwrap();
    let mut capture = Vec::new();
    write_capture(&trace, &mut capture, &Unwatched).map(|end| (end, capture))
}

/// The trace that a capture of one run becomes.
fn finalized(capture: Vec<u8>, end: CaptureEnd, options: Options) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.cdt");
    let how = Finalize {
        destination: Destination::File(path.clone()),
        overwrite: false,
        truncated_tail: end == CaptureEnd::CutShort,
        options,
        threads: 1,
    };
    let report = finalize(Input::from_bytes("capture", capture).unwrap(), &how, &Unwatched).unwrap();
    assert!(matches!(report.runs[..], [ref run] if matches!(run.outcome, RunOutcome::Finalized { .. })), "{report:?}");
    std::fs::read(path).unwrap()
}

fn check(trace: Vec<u8>, options: Options, expected: CaptureEnd) {
    let (end, capture) = written(trace.clone()).unwrap();
    assert_eq!(end, expected);
    assert!(finalized(capture, end, options) == trace, "the bytes are the same");
}

#[test]
fn a_capture_of_a_trace_finalizes_to_its_bytes() {
    for encoding in [Encoding::Live, Encoding::Archive] {
        for block_ticks in [1, 7, 4096] {
            let options = Options { encoding, block_bytes: usize::MAX, block_ticks };
            check(write_full(120, 3, options), options, CaptureEnd::Whole);
        }
    }
    for options in [Options::LIVE, Options::ARCHIVE] {
        check(write_full(0, 3, options), options, CaptureEnd::Whole);
        check(write_plain(300, options, |_, _| {}), options, CaptureEnd::Whole);
        check(write_w1(300, true, options, |_, _| {}), options, CaptureEnd::Whole);
    }
}

#[test]
fn a_recorded_pair_finalizes_to_its_bytes() {
    for name in ["reference", "candidate"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../traces/demo/{name}.jsonl.zst"));
        let capture = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
        let trace = finalized(capture, CaptureEnd::Whole, Options::LIVE);
        check(trace, Options::LIVE, CaptureEnd::Whole);
    }
}

/// A trace of the full layout with some ticks, provenance and loss.
fn made(meta: &Meta, ticks: &[u32], loss: &[Loss], end: &str) -> Vec<u8> {
    let mut encoder = Encoder::new(meta, Arc::new(full_layout()), Options::LIVE);
    let mut scene = cdt_testkit::Scene::new(1);
    for &tick in ticks {
        encoder.append(Tick(tick), |tick| scene.fill(tick)).unwrap();
    }
    loss.iter().for_each(|loss| encoder.record_loss(loss));
    encoder.finish(end).0
}

fn loss(kind: LossKind, from: u32, detail: &str) -> Loss {
    Loss { kind, from: Tick(from), to: None, detail: detail.to_owned() }
}

#[test]
fn a_run_that_was_cut_short_is_cut_short_again() {
    let cut = loss(LossKind::TruncatedTail, 3, "the capture ends before the run does");
    check(made(&meta(), &[0, 1, 2], &[cut], "truncated"), Options::LIVE, CaptureEnd::CutShort);
}

#[test]
fn what_a_capture_cannot_say_is_refused() {
    let mut no_rate = meta();
    no_rate.run.tick_rate = None;
    let mut no_id = meta();
    no_id.run.id = "a b".to_owned();
    let dropped = loss(LossKind::DroppedTicks, 1, "the ring was full");
    let mut said = String::new();
    for trace in [
        made(&no_rate, &[0, 1], &[], "complete"),
        made(&no_id, &[0, 1], &[], "complete"),
        made(&meta(), &[0, 1, 3], &[], "complete"),
        made(&meta(), &[1, 2], &[], "complete"),
        made(&meta(), &[0, 1], &[dropped], "complete"),
    ] {
        let error = written(trace).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Line);
        said.push_str(&format!("{error}\n"));
    }
    insta::assert_snapshot!(said);
}
