//! Whatever is left of a trace, its whole blocks come back and the rest is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use cdt_schema::{ChannelSet, Scalar, Tick};
use cdt_testkit::surgery::{
    BLOCK_ENTRY, SEGMENT_BLOCKS, SEGMENT_TICK_RUNS, Section, elements, reseal, seal, seal_segment, sections,
    segment_parts,
};
use cdt_testkit::{Numbers, Scene, all_ranges, full_layout, meta, plain_layout, write_full};
use cdt_trace::{
    Encoder, Error, ErrorKind, GrowingTrace, Loss, LossKind, Options, Recovered, Recovery, Trace, Unwatched,
    WriterState, recover,
};

const BLOCK_TICKS: usize = 8;

fn fixture(ticks: u32) -> Vec<u8> {
    write_full(ticks, 3, Options { block_ticks: BLOCK_TICKS, ..Options::LIVE })
}

/// What comes back of some bytes, and the whole trace of it.
fn brought_back(bytes: &[u8]) -> Result<(Vec<u8>, Recovered), Error> {
    let mut recovery = Recovery::new();
    let mut out = Vec::new();
    let len = bytes.len() as u64;
    while let Some(range) = recovery.want().filter(|range| range.end <= len) {
        let at = |offset| usize::try_from(offset).unwrap();
        recovery.feed(&bytes[at(range.start)..at(range.end)])?;
        out.extend_from_slice(recovery.output());
        recovery.clear_output();
    }
    let index = open_if_whole(bytes);
    let rest = &bytes[usize::try_from(recovery.end()).unwrap()..];
    let rest = &rest[..rest.len().min(32)];
    let (end, recovered) = recovery.finish(len, rest, index.as_ref().map(Trace::index))?;
    out.extend(end);
    Ok((out, recovered))
}

fn open(bytes: &[u8]) -> Trace<Vec<u8>> {
    Trace::from_source(bytes.to_vec(), Path::new("recovered")).unwrap()
}

fn open_if_whole(bytes: &[u8]) -> Option<Trace<Vec<u8>>> {
    Trace::from_source(bytes.to_vec(), Path::new("broken")).ok()
}

/// Reads every row, digest, range and summary.
fn read_all(trace: &Trace<Vec<u8>>) {
    (0..trace.index().blocks.len()).for_each(|block| drop(trace.block(block, ChannelSet::ALL).unwrap()));
    for segment in 0..trace.segments() {
        trace.digests(segment).unwrap();
        all_ranges(trace, segment).unwrap();
        trace.summaries(segment).unwrap();
    }
}

fn of<'a>(all: &'a [Section], tag: &[u8; 4]) -> Vec<&'a Section> {
    all.iter().filter(|section| &section.tag == tag).collect()
}

#[test]
fn every_cut_gives_back_the_blocks_before_it() {
    let whole = fixture(100);
    let all = sections(&whole);
    let blocks = of(&all, b"BLCK");
    let footer = of(&all, b"FOOT")[0].head.end;
    for cut in (0..whole.len()).step_by(5).chain([footer - 1, footer, whole.len() - 1, whole.len()]) {
        let there = blocks.iter().filter(|block| block.tail.end <= cut).count();
        let outcome = brought_back(&whole[..cut]);
        if there == 0 {
            let error = outcome.unwrap_err();
            assert!(error.to_string().starts_with("nothing can be brought back: "), "{error}");
            continue;
        }
        let (bytes, recovered) = outcome.unwrap();
        let trace = open(&bytes);
        read_all(&trace);
        let ticks = (there * BLOCK_TICKS).min(100) as u64;
        assert_eq!((trace.index().ticks(), recovered.ticks), (ticks, ticks), "cut at {cut}");
        assert_eq!(
            (recovered.bounds, recovered.content_digest),
            (Some((Tick(0), Tick(u32::try_from(ticks).unwrap() - 1))), trace.index().content_digest)
        );
        if cut >= footer {
            assert_eq!((recovered.loss, bytes == whole), (None, true), "a footer says that nothing is missing");
            continue;
        }
        let end = blocks[there - 1].tail.end;
        assert!(bytes[..end] == whole[..end], "the blocks are the very bytes that were written");
        let loss = recovered.loss.unwrap();
        // What has no whole header may have been of the ledger.
        let from = Tick(u32::try_from(ticks).unwrap());
        assert_eq!((loss.kind, loss.from, loss.to), (LossKind::RecoveredPrefix, from, None), "cut at {cut}");
        assert_eq!(trace.index().loss, [loss]);
    }
}

#[test]
fn damage_costs_what_stands_behind_it_and_digests_cost_nothing() {
    let whole = fixture(100);
    let all = sections(&whole);
    let damaged = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let block = of(&all, b"BLCK")[4];
    for at in [block.start, block.start + 9, block.head.start + 3, block.tail.start + 40, block.tail.end - 1] {
        let (bytes, recovered) = brought_back(&damaged(at)).unwrap();
        read_all(&open(&bytes));
        let loss = recovered.loss.unwrap();
        assert_eq!((recovered.ticks, loss.from), (32, Tick(32)));
        assert!(
            loss.detail.starts_with("damaged at byte ") && loss.detail.contains("bytes from byte"),
            "{}",
            loss.detail
        );
        assert_eq!(recovered.left_out, (whole.len() - block.start) as u64);
    }
    // Of a segment that is whole but for its header it is known what it is; of others it need not be.
    let segment = of(&all, b"SEGM")[0];
    for at in (segment.start..segment.head.start).chain([segment.head.start, segment.tail.start, segment.tail.end - 1])
    {
        let (bytes, recovered) = brought_back(&damaged(at)).unwrap();
        assert!(bytes == whole && recovered.loss.is_none(), "digests are made anew");
    }
    let mut bytes = damaged(segment.start + 20);
    bytes[segment.tail.start] ^= 1;
    let loss = brought_back(&bytes).unwrap().1.loss.unwrap();
    assert!(loss.from == Tick(0) && loss.detail.contains("checksum of the SEGM section's header"), "{loss:?}");
    // A ledger that stands behind the damage is in the index, and what cannot be read of it may tell of any tick.
    let mut encoder = Encoder::new(&meta(), Arc::new(full_layout()), Options { block_ticks: 2, ..Options::LIVE });
    let mut scene = Scene::new(1);
    for tick in 0..10 {
        encoder.append(Tick(tick), |tick| scene.fill(tick)).unwrap();
    }
    let early = Loss { kind: LossKind::CappedRows, from: Tick(0), to: Some(Tick(0)), detail: "full".to_owned() };
    encoder.record_loss(&early);
    let lossy = encoder.finish("complete").0;
    let parts = sections(&lossy);
    let mut bytes = lossy.clone();
    bytes[of(&parts, b"BLCK")[3].tail.start] ^= 1;
    let (whole_again, recovered) = brought_back(&bytes).unwrap();
    assert_eq!((recovered.ticks, recovered.ledger.len(), &recovered.ledger[0]), (6, 2, &early));
    assert_eq!(open(&whole_again).index().loss, recovered.ledger);
    for at in [of(&parts, b"LOSS")[0].head.start + 1, of(&parts, b"LOSS")[0].start] {
        let mut bytes = lossy.clone();
        bytes[at] ^= 1;
        let loss = brought_back(&bytes).unwrap().1.loss.unwrap();
        assert_eq!((loss.from, loss.to), (Tick(0), None));
    }
    // Without an index nobody knows what the ledger had: of an entry that is cut, or behind a block that is damaged.
    let entry = of(&parts, b"LOSS")[0];
    let mut unfinished = lossy[..entry.tail.end].to_vec();
    for cut in [entry.start + 1, entry.start + 8, entry.head.start, entry.tail.end - 4] {
        let loss = brought_back(&unfinished[..cut]).unwrap().1.loss.unwrap();
        assert_eq!((loss.from, loss.to), (Tick(0), None), "cut at {cut}");
    }
    let (_, recovered) = brought_back(&unfinished).unwrap();
    assert_eq!((recovered.ledger[0].clone(), recovered.loss.unwrap().from), (early.clone(), Tick(10)));
    unfinished[of(&parts, b"BLCK")[3].tail.start] ^= 1;
    let (_, recovered) = brought_back(&unfinished).unwrap();
    assert_eq!((recovered.ticks, recovered.loss.unwrap().from), (6, Tick(0)));
    // Nothing stands behind the last block of a file.
    let last = of(&parts, b"BLCK")[3];
    for at in [last.head.start, last.tail.start] {
        let mut bytes = lossy[..last.tail.end].to_vec();
        bytes[at] ^= 1;
        let (_, recovered) = brought_back(&bytes).unwrap();
        assert_eq!((recovered.ticks, recovered.loss.unwrap().from), (6, Tick(6)));
    }
    let recovered = brought_back(&lossy).unwrap().1;
    assert_eq!((recovered.loss, recovered.ledger), (None, vec![early]), "complete, and lossy as it was");
    // A block that is gone as a whole is missed by the footer's digest.
    let mut without = whole.clone();
    without.drain(block.start..block.tail.end);
    let loss = brought_back(&without).unwrap().1.loss.unwrap();
    assert_eq!((loss.from, loss.to), (Tick(0), Some(Tick(99))));
}

#[test]
fn hostile_bytes_are_told_and_bring_back_no_tick_of_their_own() {
    let whole = fixture(60);
    let reference = open(&whole);
    let mut numbers = Numbers(11);
    let (mut shorter, mut refused) = (0, 0);
    for _ in 0..4_000 {
        let mut bytes = whole.clone();
        let all = sections(&bytes);
        let section = &all[numbers.below(u32::try_from(all.len()).unwrap()) as usize];
        let len = u32::try_from(section.tail.end - section.start).unwrap();
        let at = section.start + numbers.below(len) as usize;
        bytes[at] = u8::try_from(numbers.below(256)).unwrap();
        // Every second one has its checksums made right again, as far as its head goes.
        if numbers.below(2) == 0 && (section.start + 32..section.head.end).contains(&at) {
            seal(&mut bytes, section);
        }
        match brought_back(&bytes) {
            Err(_) => refused += 1,
            Ok((bytes, recovered)) => {
                let trace = open(&bytes);
                read_all(&trace);
                shorter += u32::from(recovered.loss.is_some());
                let known = |tick: u32| reference.index().has(Tick(tick));
                let (first, last) = recovered.bounds.unwrap();
                assert!((first.0..=last.0).all(known) || recovered.loss.is_some());
            }
        }
    }
    assert!(shorter > 1_000 && refused > 10, "{shorter} with loss, {refused} refused");
}

/// The kind and message of an error, without the folder's name.
#[track_caller]
fn refused<T>(result: Result<T, Error>, folder: &Path) -> (ErrorKind, String) {
    let Err(error) = result else { panic!("it was not refused") };
    let prefix = format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR);
    (error.kind(), error.to_string().replace(&prefix, ""))
}

#[test]
fn files_are_recovered_beside_and_never_over_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = fixture(100);
    fs::write(path("run.cdt.partial"), &whole[..whole.len() - 10_000]).unwrap();
    let (finished, recovered) = recover(&path("run.cdt.partial"), &path("run.cdt"), false, &Unwatched).unwrap();
    assert!(!path("run.cdt").exists());
    finished.publish().unwrap();
    assert_eq!(Trace::open(&path("run.cdt")).unwrap().index().ticks(), recovered.ticks);
    assert_eq!(fs::read(path("run.cdt.partial")).unwrap().len(), whole.len() - 10_000);

    // How far a damaged trace went is known from its index.
    let mut damaged = whole.clone();
    let all = sections(&whole);
    damaged[of(&all, b"BLCK")[2].tail.start] ^= 1;
    fs::write(path("damaged.cdt"), damaged).unwrap();
    let (_, recovered) = recover(&path("damaged.cdt"), &path("mended.cdt"), false, &Unwatched).unwrap();
    assert_eq!(recovered.loss.map(|loss| (loss.from, loss.to)), Some((Tick(16), Some(Tick(99)))));

    let message = refused(recover(&path("damaged.cdt"), &path("damaged.cdt"), true, &Unwatched), folder.path());
    let rule = "damaged.cdt: this is what is read, which nothing may take the place of; choose another name";
    assert_eq!(message, (ErrorKind::Exists, rule.to_owned()));
    let (kind, _) = refused(recover(&path("damaged.cdt"), &path("run.cdt"), false, &Unwatched), folder.path());
    assert_eq!(kind, ErrorKind::Exists);
    fs::write(path("junk.partial"), "junk, and then more of it").unwrap();
    let (kind, message) = refused(recover(&path("junk.partial"), &path("junk"), false, &Unwatched), folder.path());
    assert!(
        kind == ErrorKind::NotATrace && message.starts_with("junk.partial: nothing can be brought back: "),
        "{message}"
    );
    fs::write(path("begun.partial"), &whole[..200]).unwrap();
    let (kind, _) = refused(recover(&path("begun.partial"), &path("begun"), false, &Unwatched), folder.path());
    assert_eq!(kind, ErrorKind::Incomplete);
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["begun.partial", "damaged.cdt", "junk.partial", "run.cdt", "run.cdt.partial"]);
}

#[test]
fn ranges_that_are_not_those_of_the_rows_are_told_anew() {
    let whole = write_full(40, 1, Options { block_ticks: 4, ..Options::LIVE });
    let all = sections(&whole);
    let segment = of(&all, b"SEGM")[0];
    let [_, ranges, _] = segment_parts(&whole, segment);
    let mut bytes = whole.clone();
    // The field is a float, so another last bit is another value, and still a range.
    bytes[ranges.start + 8] ^= 1;
    seal_segment(&mut bytes, segment);
    let ranges_of = |bytes: &[u8]| all_ranges(&open_if_whole(bytes).unwrap(), 0).unwrap();
    assert_ne!(ranges_of(&bytes), ranges_of(&whole));
    let (recovered, _) = brought_back(&bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(ranges_of(&recovered), ranges_of(&whole));
}

#[test]
fn a_growing_trace_is_read_as_far_as_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cdt.partial");
    let whole = fixture(200);
    let all = sections(&whole);
    let blocks = of(&all, b"BLCK");
    let mut file = fs::File::create(&path).unwrap();
    let mut growing = GrowingTrace::open(&path).unwrap();
    assert_eq!((growing.advance(&Unwatched).unwrap(), growing.snapshot(None).unwrap().is_none()), (false, true));
    let mut numbers = Numbers(5);
    let mut written = 0;
    while written < whole.len() {
        let next = (written + numbers.below(3_000) as usize).min(whole.len());
        file.write_all(&whole[written..next]).unwrap();
        written = next;
        growing.advance(&Unwatched).unwrap();
        let there = blocks.iter().filter(|block| block.tail.end <= written).count();
        assert_eq!(growing.ticks(), (there * BLOCK_TICKS).min(200) as u64);
        assert_eq!(growing.is_finished(), written == whole.len());
        let Some(trace) = growing.snapshot(None).unwrap() else {
            assert!(written < blocks[0].start);
            continue;
        };
        assert_eq!((trace.index().blocks.len(), trace.index().ticks()), (there, growing.ticks()));
        (0..there).for_each(|block| drop(trace.block(block, ChannelSet::ALL).unwrap()));
        let digests: usize = (0..trace.segments()).map(|segment| trace.digests(segment).unwrap().len()).sum();
        assert_eq!(digests as u64, growing.ticks());
        let lost = growing.snapshot(Some("why")).unwrap().unwrap();
        assert_eq!(lost.index().loss.len(), usize::from(!growing.is_finished()));
    }
    assert_eq!(growing.snapshot(None).unwrap().unwrap().index().content_digest, open(&whole).index().content_digest);
}

#[test]
fn a_long_trace_comes_back_over_all_of_its_segments() {
    let layout = Arc::new(plain_layout());
    let mut encoder = Encoder::new(&meta(), layout, Options::LIVE);
    for tick in 0..200_000u32 {
        let values = [Scalar::U32(tick / 9), Scalar::F32(0.5)];
        encoder.append::<cdt_schema::RowError>(Tick(tick), |builder| builder.state(&values)).unwrap();
    }
    let whole = encoder.finish("complete").0;
    let all = sections(&whole);
    let (segments, last_block) = (of(&all, b"SEGM"), of(&all, b"BLCK").last().copied().unwrap().clone());
    assert_eq!(segments.len(), 4);
    let cut = last_block.tail.end - 1;
    let (bytes, recovered) = brought_back(&whole[..cut]).unwrap();
    assert!(bytes[..last_block.start] == whole[..last_block.start], "the segments are written anew as they were");
    read_all(&open(&bytes));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cdt.partial");
    fs::write(&path, &whole[..cut]).unwrap();
    let mut growing = GrowingTrace::open(&path).unwrap();
    assert!(growing.advance(&Unwatched).unwrap());
    let snapshot = growing.snapshot(None).unwrap().unwrap();
    assert_eq!((snapshot.segments(), growing.ticks()), (3, recovered.ticks));
    assert_eq!(snapshot.index().content_digest, recovered.content_digest);
    // Damage to the header of a segment in the middle costs no block behind it.
    for at in (0..32).map(|at| segments[1].start + at) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        let (bytes, recovered) = brought_back(&bytes).unwrap();
        assert!(bytes == whole && recovered.loss.is_none(), "byte {at}");
    }
    // A segment that leaves out blocks before it is no index of them; recovery makes its own.
    let mut foreign = whole[..segments[0].start].to_vec();
    foreign.extend_from_slice(&whole[segments[0].tail.end..cut]);
    fs::write(&path, &foreign).unwrap();
    let (kind, message) = refused(GrowingTrace::open(&path).unwrap().advance(&Unwatched), folder.path());
    assert!(matches!(kind, ErrorKind::Damaged { .. }) && message.contains("the segment's blocks"), "{message}");
    assert_eq!(brought_back(&foreign).unwrap().1.content_digest, recovered.content_digest);
}

#[test]
fn what_stands_behind_the_end_is_told() {
    let whole = fixture(20);
    let (bytes, recovered) = brought_back(&[&whole[..], &whole[..]].concat()).unwrap();
    let loss = recovered.loss.unwrap();
    let len = whole.len();
    let detail = format!("the trace is complete, but {len} bytes from byte {len} on, behind its end, are left out");
    assert_eq!((loss.from, loss.to, &loss.detail), (Tick(20), None, &detail));
    assert_eq!((recovered.ticks, recovered.left_out, open(&bytes).index().loss.len()), (20, len as u64, 1));
    // A trailer that is damaged or cut is none of the trace's content, and is made anew.
    for (cut, flip) in [(1, 30), (23, 30), (0, 20), (0, 1)] {
        let mut bytes = whole[..len - cut].to_vec();
        bytes[len - flip] ^= u8::from(cut == 0);
        let (bytes, recovered) = brought_back(&bytes).unwrap();
        assert_eq!((bytes == whole, recovered.loss), (true, None));
    }
}

#[test]
fn a_trace_without_ticks_is_complete_too() {
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), Options::LIVE);
    let loss = Loss { kind: LossKind::CappedRows, from: Tick(0), to: None, detail: "all of it".to_owned() };
    encoder.record_loss(&loss);
    let whole = encoder.finish("complete").0;
    let (bytes, recovered) = brought_back(&whole).unwrap();
    assert_eq!((bytes == whole, recovered.bounds, recovered.loss), (true, None, None));
    assert_eq!(recovered.ledger, [loss]);
    // Without its footer nobody knows whether it is.
    let footer = of(&sections(&whole), b"FOOT")[0].start;
    let error = brought_back(&whole[..footer]).unwrap_err().to_string();
    assert_eq!(error, "nothing can be brought back: it ends before its first block does");
    let section = sections(&whole).remove(1);
    let without = [&whole[..section.start], &whole[section.tail.end..]].concat();
    let error = brought_back(&without).unwrap_err().to_string();
    assert!(error.ends_with("the footer tells of other ticks or losses than there are"), "{error}");
}

#[test]
fn what_is_no_trace_is_told_by_its_first_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("run.cdt.partial"), folder.path().join("run.cdt"));
    fs::write(&path, "hello").unwrap();
    let advanced = GrowingTrace::open(&path).and_then(|mut trace| trace.advance(&Unwatched));
    assert_eq!(refused(advanced, folder.path()).0, ErrorKind::NotATrace);
    assert_eq!(refused(recover(&path, &out, false, &Unwatched), folder.path()).0, ErrorKind::NotATrace);
    for len in [0, 3, 12] {
        fs::write(&path, &fixture(1)[..len]).unwrap();
        assert!(!GrowingTrace::open(&path).unwrap().advance(&Unwatched).unwrap(), "more may come");
        let (kind, _) = refused(recover(&path, &out, false, &Unwatched), folder.path());
        assert_eq!(kind, ErrorKind::Incomplete);
    }
}

#[test]
fn a_growing_trace_that_is_damaged_cut_or_foreign_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cdt.partial");
    let whole = fixture(100);
    let all = sections(&whole);
    let block = of(&all, b"BLCK")[3];
    let mut bytes = whole.clone();
    bytes[block.tail.start + 30] ^= 1;
    // Without its trailer, so that it is not taken for finished.
    let end = whole.len() - 24;
    fs::write(&path, &bytes[..end]).unwrap();
    let (kind, _) = refused(GrowingTrace::open(&path).unwrap().advance(&Unwatched), folder.path());
    assert!(matches!(kind, ErrorKind::Damaged { .. }));

    // A segment that tells of other digests than the rows have.
    let mut bytes = whole.clone();
    bytes[of(&all, b"SEGM")[0].tail.start] ^= 1;
    fs::write(&path, &bytes[..end]).unwrap();
    let (_, message) = refused(GrowingTrace::open(&path).unwrap().advance(&Unwatched), folder.path());
    assert!(message.contains("the segment's digests are not those of the rows before it"), "{message}");

    // One that tells of other ranges of fields.
    let [_, ranges, _] = segment_parts(&whole, of(&all, b"SEGM")[0]);
    let mut bytes = whole.clone();
    bytes[ranges.start] ^= 1;
    reseal(&mut bytes);
    fs::write(&path, &bytes[..end]).unwrap();
    let (_, message) = refused(GrowingTrace::open(&path).unwrap().advance(&Unwatched), folder.path());
    assert!(message.contains("the segment's ranges are not those of the rows before it"), "{message}");

    // One that tells of other ticks than the blocks have, all checksums right.
    let head = of(&all, b"SEGM")[0].head.end;
    for lie in [
        elements(&whole, head - SEGMENT_BLOCKS, BLOCK_ENTRY)[3].end - 8,
        elements(&whole, head - SEGMENT_TICK_RUNS, 8)[0].start + 4,
    ] {
        let mut bytes = whole.clone();
        bytes[lie] ^= 1;
        reseal(&mut bytes);
        fs::write(&path, &bytes[..end]).unwrap();
        let (_, message) = refused(GrowingTrace::open(&path).unwrap().advance(&Unwatched), folder.path());
        assert!(message.contains("the segment's blocks are not those before it"), "{message}");
    }

    fs::write(&path, &whole).unwrap();
    let mut finished = GrowingTrace::open(&path).unwrap();
    assert!(finished.is_finished() && !finished.advance(&Unwatched).unwrap());
    assert_eq!((finished.ticks(), finished.snapshot(Some("why")).unwrap().unwrap().index().loss.len()), (100, 0));
    // Another trace behind the end of this one.
    fs::write(&path, [&whole[..], &whole[..]].concat()).unwrap();
    let (_, message) =
        refused(GrowingTrace::open(&path).and_then(|mut trace| trace.advance(&Unwatched)), folder.path());
    assert!(message.contains("stand behind the end of the trace"), "{message}");
    fs::write(&path, &whole[..block.tail.end]).unwrap();
    let mut growing = GrowingTrace::open(&path).unwrap();
    growing.advance(&Unwatched).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    assert_eq!(refused(growing.advance(&Unwatched), folder.path()).0, ErrorKind::Changed);
}

#[test]
fn a_writer_is_seen_at_work_and_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cdt.partial");
    let layout = Arc::new(plain_layout());
    let writer = cdt_trace::TraceWriter::create(&folder.path().join("run.cdt"), false, &meta(), layout, Options::LIVE);
    let writer = writer.unwrap();
    let mut growing = GrowingTrace::open(&path).unwrap();
    assert_eq!(growing.writer(), WriterState::AtWork);
    let (kind, message) = refused(recover(&path, &folder.path().join("x.cdt"), false, &Unwatched), folder.path());
    let rule = "run.cdt.partial: its writer is still at work; wait for it, or follow it with `cdt health --follow`";
    assert_eq!((kind, message.as_str()), (ErrorKind::Exists, rule));
    writer.finish("complete").unwrap();
    assert_eq!(growing.writer(), WriterState::Gone);
    assert!(growing.advance(&Unwatched).unwrap() && growing.is_finished(), "a rename does not lose the file");
    assert_eq!(GrowingTrace::open(&folder.path().join("run.cdt")).unwrap().writer(), WriterState::Unseen);
}
