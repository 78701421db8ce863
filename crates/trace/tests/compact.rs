//! A trace in another encoding is the same trace, and back in its own it is the same bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use cdt_schema::{ChannelSet, Digest, DigestSequence, Tick, TickDigester};
use cdt_testkit::{Scene, full_layout, meta, write_full, write_w1};
use cdt_trace::{Encoder, ErrorKind, Loss, LossKind, Options, Source, Trace, Unwatched, Watch, compact};

/// Stops the work at a look.
struct StopAt(Cell<u32>);

impl Watch for StopAt {
    fn progress(&self, _done: u64, _total: Option<u64>) {}

    fn cancelled(&self) -> bool {
        self.0.set(self.0.get().saturating_sub(1));
        self.0.get() == 0
    }
}

/// The bytes of a trace in another encoding.
fn repacked(bytes: &[u8], options: Options) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.cdt");
    let trace = Trace::from_source(bytes.to_vec(), Path::new("fixture")).unwrap();
    compact(&trace, &out, false, options, &Unwatched).unwrap().publish().unwrap();
    fs::read(&out).unwrap()
}

/// The digest of every tick as it is stored, and of every channel over all ticks as its rows have it.
fn digests<S: Source>(trace: &Trace<S>) -> (Vec<Digest>, Vec<Digest>) {
    let stored = (0..trace.segments()).flat_map(|segment| trace.digests(segment).unwrap()).collect();
    let mut digester = TickDigester::new(trace.layout());
    let mut channels: Vec<_> = trace.layout().channels().iter().map(|c| (c, DigestSequence::default())).collect();
    for block in 0..trace.index().blocks.len() {
        let rows = trace.block(block, ChannelSet::ALL).unwrap();
        for tick in 0..rows.ticks().len() {
            let digests = digester.digest(&rows, tick);
            channels.iter_mut().for_each(|(channel, all)| all.push(digests.channels[*channel as usize]));
        }
    }
    (stored, channels.iter().map(|(_, all)| all.finish()).collect())
}

/// Losses of every kind, some of which cut a block short where nothing else would.
fn lossy() -> Vec<u8> {
    let mut encoder = Encoder::new(&meta(), Arc::new(full_layout()), Options::LIVE);
    let mut scene = Scene::new(5);
    let loss = |kind, from| Loss { kind, from: Tick(from), to: None, detail: "lost".to_owned() };
    for tick in 0..900 {
        if [0, 77, 300].contains(&tick) {
            encoder.record_loss(&loss(LossKind::CappedRows, tick));
            encoder.record_loss(&loss(LossKind::DroppedTicks, tick + 1));
        }
        encoder.append(Tick(tick), |tick| scene.fill(tick)).unwrap();
    }
    encoder.record_loss(&loss(LossKind::TruncatedTail, 900));
    encoder.finish("truncated").0
}

#[test]
fn live_to_archive_and_back_is_the_same_bytes() {
    for live in [
        write_full(3_000, 7, Options::LIVE),
        lossy(),
        write_w1(1_500, true, Options::LIVE, |_, _| {}),
        write_full(0, 1, Options::LIVE),
    ] {
        let archive = repacked(&live, Options::ARCHIVE);
        let open = |bytes: &[u8]| Trace::from_source(bytes.to_vec(), Path::new("fixture")).unwrap();
        assert!(archive.len() < live.len() || open(&live).index().blocks.is_empty());
        assert!(repacked(&archive, Options::LIVE) == live);
        assert!(repacked(&live, Options::LIVE) == live && repacked(&archive, Options::ARCHIVE) == archive);
        let (before, after) = (open(&live), open(&archive));
        assert_eq!(digests(&before), digests(&after));
        let facts = |trace: &Trace<Vec<u8>>| {
            let index = trace.index();
            (index.content_digest, index.loss.clone(), index.meta.clone(), index.end_reason.clone(), index.ticks())
        };
        assert_eq!(facts(&before), facts(&after));
    }
}

#[test]
fn what_is_made_an_archive_is_the_archive_that_would_have_been_written() {
    let (live, archive) = (write_full(2_000, 9, Options::LIVE), write_full(2_000, 9, Options::ARCHIVE));
    assert!(repacked(&live, Options::ARCHIVE) == archive && repacked(&archive, Options::LIVE) == live);
}

#[test]
fn a_stopped_or_refused_compaction_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.cdt");
    let small = Options { block_ticks: 16, ..Options::LIVE };
    let bytes = write_full(200, 3, small);
    let trace = Trace::from_source(bytes.clone(), Path::new("fixture")).unwrap();
    for look in [1, 2, 7] {
        let stopped = compact(&trace, &out, false, Options::ARCHIVE, &StopAt(Cell::new(look))).unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Cancelled);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    let mut damaged = bytes;
    let at = usize::try_from(trace.index().blocks[5].offset).unwrap() + 600;
    damaged[at] ^= 1;
    let damaged = Trace::from_source(damaged, Path::new("fixture")).unwrap();
    let error = compact(&damaged, &out, false, Options::ARCHIVE, &Unwatched).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Damaged { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
