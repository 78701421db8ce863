//! A length is believed only as far as what was checked allows, also of a trace that nobody has finished: whoever recovers or
//! follows one spends no memory on what a header says that anybody can write.
//!
//! One test alone, because the allocator's peak is measured for the whole process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::path::Path;

use cdt_testkit::surgery::{BLOCK_COLUMNS, FRAME_RECORD, Section, elements, put_u32, seal, sections, segment_parts};
use cdt_testkit::write_full;
use cdt_trace::{ErrorKind, GrowingTrace, Options, Unwatched, recover};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Most bytes that reading a trace of a few KB may allocate at a time.
const MOST_BYTES: usize = 4 << 20;
/// Bytes that a file system need not store.
const HOLE: u64 = 3 << 30;

/// Puts a hole of some bytes behind the trace's first bytes, in place of the rest.
fn write_with_hole(path: &Path, bytes: &[u8], hole: u64) {
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_len(bytes.len() as u64 + hole).unwrap();
}

/// The header of a section with another length of its tail.
fn put_tail(bytes: &mut [u8], section: &Section, len: u64) {
    bytes[section.start + 8..section.start + 16].copy_from_slice(&len.to_le_bytes());
    seal(bytes, section);
}

#[test]
fn no_memory_is_spent_on_what_a_header_says() {
    let whole = write_full(20, 1, Options { block_ticks: 8, ..Options::LIVE });
    let all = sections(&whole);
    let first = |tag: &[u8; 4]| all.iter().find(|section| &section.tag == tag).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cdt.partial");
    let (block, segment) = (first(b"BLCK"), first(b"SEGM"));
    let cases: [(&str, &Section, u64); 4] = [
        ("a tail longer than any block's", block, HOLE),
        ("a tail that the head does not tell of", block, 90 << 20),
        ("a tail that the head tells of, and no block may have", block, HOLE - 1),
        ("summaries that nobody reads", segment, HOLE),
    ];
    for (what, section, tail) in cases {
        let mut bytes = whole[..section.head.end].to_vec();
        if tail == HOLE - 1 {
            let len = elements(&bytes, section.head.end - BLOCK_COLUMNS, FRAME_RECORD)[0].start + 1;
            let others = section.tail.len() - cdt_testkit::surgery::u32_at(&bytes, len);
            put_u32(&mut bytes, len, usize::try_from(tail).unwrap() - others);
        }
        put_tail(&mut bytes, section, tail);
        // The digests and ranges stand where they did.
        let [_, _, summaries] = segment_parts(&whole, section);
        let told = if section.tag == *b"SEGM" { &whole[section.tail.start..summaries.start] } else { &[] };
        bytes.extend(told);
        write_with_hole(&path, &bytes, tail - told.len() as u64);
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let followed = GrowingTrace::open(&path).and_then(|mut trace| trace.advance(&Unwatched));
        let recovered = recover(&path, &folder.path().join("run.cdt"), false, &Unwatched);
        let taken = ALLOCATOR.peak_usage().saturating_sub(before);
        assert!(taken <= MOST_BYTES, "{what}: {taken} bytes are taken");
        if section.tag == *b"SEGM" {
            assert!(followed.unwrap(), "{what}");
            assert_eq!(recovered.unwrap().1.ticks, 20, "{what}");
        } else {
            assert!(matches!(followed.unwrap_err().kind(), ErrorKind::Damaged { .. }), "{what}");
            assert_eq!(recovered.unwrap_err().kind(), ErrorKind::Incomplete, "{what}");
        }
    }
}
