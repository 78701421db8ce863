//! What is written is what is read, whatever the blocks and encodings; and what is damaged is told, never believed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use cdt_schema::{Channel, ChannelSet, Digest, RowError, Scalar, TableId, TableKind, Tick};
use cdt_testkit::{full_layout, meta, plain_layout, write_full, write_plain};
use cdt_trace::{Encoder, Encoding, ErrorKind, Loss, LossKind, Options, Source, Trace};

fn open(bytes: Vec<u8>) -> Result<Trace<Vec<u8>>, cdt_trace::Error> {
    Trace::from_source(bytes, Path::new("fixture"))
}

fn options(block_ticks: usize, encoding: Encoding) -> Options {
    Options { encoding, block_bytes: usize::MAX, block_ticks }
}

/// A tick and its values as text.
type TickValues = (Tick, Vec<String>);

/// Every value of every tick but pages of memory, whose rows depend on the blocks; and every tick's digest.
fn everything(trace: &Trace<Vec<u8>>) -> Result<(Vec<TickValues>, Vec<Digest>), cdt_trace::Error> {
    let mut ticks = Vec::new();
    let mut digests = Vec::new();
    for block in 0..trace.index().blocks.len() {
        let rows = trace.block(block, ChannelSet::ALL)?;
        for (index, &tick) in rows.ticks().iter().enumerate() {
            let mut values = Vec::new();
            for (table, schema) in rows.layout().tables().iter().enumerate() {
                if schema.kind == TableKind::Memory {
                    continue;
                }
                for row in rows.range(TableId(table), index) {
                    for column in &rows.table(TableId(table)).columns {
                        values.push(match column {
                            cdt_schema::Column::Bytes(ragged) => format!("{:?}", ragged.get(row)),
                            _ => column.bits(row).to_string(),
                        });
                    }
                }
            }
            ticks.push((tick, values));
        }
    }
    for segment in 0..trace.segments() {
        digests.extend(trace.digests(segment)?);
        trace.summaries(segment)?;
    }
    Ok((ticks, digests))
}

#[test]
fn rows_and_digests_do_not_depend_on_blocks_or_encodings() {
    let reference = open(write_full(200, 3, options(4096, Encoding::Live))).unwrap();
    let expected = everything(&reference).unwrap();
    for block_ticks in [1, 3, 64, 4096] {
        for encoding in [Encoding::Live, Encoding::Archive] {
            let trace = open(write_full(200, 3, options(block_ticks, encoding))).unwrap();
            assert_eq!(everything(&trace).unwrap(), expected, "{block_ticks} {encoding:?}");
            assert_eq!(trace.index().content_digest, reference.index().content_digest);
            assert_eq!(trace.index().meta, meta());
            assert_eq!(**trace.layout(), full_layout());
        }
    }
    let other = open(write_full(200, 4, options(64, Encoding::Live))).unwrap();
    assert_ne!(other.index().content_digest, reference.index().content_digest);
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    for encoding in [Encoding::Live, Encoding::Archive] {
        assert_eq!(write_full(150, 9, options(32, encoding)), write_full(150, 9, options(32, encoding)));
    }
}

/// Notes which ranges were read.
struct Counting {
    bytes: Vec<u8>,
    reads: RefCell<Vec<Range<u64>>>,
}

impl Source for Counting {
    fn size(&self) -> io::Result<u64> {
        self.bytes.size()
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        self.reads.borrow_mut().push(range.clone());
        self.bytes.read(range)
    }
}

#[test]
fn a_probe_reads_only_what_it_asks_about() {
    let bytes = write_full(300, 5, options(32, Encoding::Live));
    let whole = open(bytes.clone()).unwrap();
    let source = Counting { bytes, reads: RefCell::default() };
    let trace = Trace::from_source(source, Path::new("fixture")).unwrap();
    let block = trace.index().block_of(Tick(100)).unwrap();
    let entry = trace.index().blocks[block];
    let one: ChannelSet = [Channel::State].into_iter().collect();
    let rows = trace.block(block, one).unwrap();
    let state = rows.layout().table(TableKind::State).unwrap();
    assert_eq!(rows.table(state), whole.block(block, ChannelSet::ALL).unwrap().table(state));
    assert_eq!(rows.loaded(), one);
    // Opening and one channel: the blocks but this one are never touched, nor is most of this one.
    let source_reads = |trace: &Trace<Counting>| trace.source().reads.borrow().clone();
    let inside: u64 = source_reads(&trace)
        .iter()
        .filter(|range| {
            range.start >= trace.index().blocks[0].offset && range.start < trace.index().blocks.last().unwrap().offset
        })
        .map(|range| range.end - range.start)
        .sum();
    assert!(inside < entry.stored_bytes(), "{inside} of {}", entry.stored_bytes());
    // Digests: one read for each segment.
    let before = source_reads(&trace).len();
    trace.digests(0).unwrap();
    assert_eq!(source_reads(&trace).len(), before + 1);
}

#[test]
fn ticks_may_have_gaps_and_a_trace_may_be_long_or_empty() {
    let layout = Arc::new(plain_layout());
    let numbers: Vec<u32> = (0..70_000).map(|n| if n < 40_000 { n } else { n + 5 }).collect();
    let mut encoder = Encoder::new(&meta(), layout.clone(), Options::LIVE);
    for &number in &numbers {
        encoder
            .append(Tick(number), |tick| -> Result<(), RowError> {
                tick.state(&[Scalar::U32(number), Scalar::F32(0.0)])
            })
            .unwrap();
    }
    let loss = Loss { kind: LossKind::DroppedTicks, from: Tick(40_000), to: Some(Tick(40_004)), detail: "slow".into() };
    encoder.record_loss(&loss);
    let trace = open(encoder.finish("complete").0).unwrap();
    let (ticks, digests) = everything(&trace).unwrap();
    assert!(ticks.iter().map(|(tick, _)| tick.0).eq(numbers.iter().copied()));
    assert_eq!((digests.len(), trace.segments()), (70_000, 2));
    assert_eq!(trace.index().tick_runs.len(), 2);
    assert_eq!(trace.index().loss, [loss]);
    assert_eq!(trace.index().block_of(Tick(70_005)), None);

    let empty = open(Encoder::new(&meta(), layout, Options::LIVE).finish("nothing").0).unwrap();
    assert_eq!((empty.index().ticks(), empty.index().tick_range(), empty.segments()), (0, None, 0));
}

#[test]
fn what_is_no_trace_is_told_as_such() {
    let message = |bytes: &[u8]| open(bytes.to_vec()).unwrap_err().to_string();
    let good = write_plain(20, Options::LIVE, |_, _| {});
    assert!(message(b"").starts_with("fixture: not a .cdt trace"));
    assert!(message(b"{\"event\":\"session_start\"}").contains("cdt finalize"));
    let mut other = good.clone();
    other[8] = 9;
    assert_eq!(
        message(&other),
        "fixture: a trace of format version 9, but this cdt reads version 1 alone; make the trace again with this cdt, or \
         read it with the one that wrote it"
    );
    let cut = open(good[..good.len() / 2].to_vec()).unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::Incomplete);
}

/// Reads all that can be read.
fn read_all(bytes: Vec<u8>) -> Result<impl PartialEq, cdt_trace::Error> {
    let trace = open(bytes)?;
    let rows = everything(&trace)?;
    let index = trace.index();
    let memory = index.layout.table(TableKind::Memory);
    let mut pages = Vec::new();
    for block in 0..index.blocks.len() {
        let rows = trace.block(block, ChannelSet::ALL)?;
        pages.extend(memory.map(|table| rows.table(table).clone()));
    }
    let summaries: Result<Vec<_>, _> = (0..trace.segments()).map(|segment| trace.summaries(segment)).collect();
    let facts = (index.meta.clone(), index.layout.digest(), index.loss.clone(), index.content_digest);
    Ok((rows, pages, summaries?, facts, index.end_reason.clone()))
}

/// A damaged trace is refused, or what it says is to the last value what the whole one says.
fn harmless_or_refused(good: &[u8], damaged: Vec<u8>, what: &str) {
    if let (Ok(expected), Ok(got)) = (read_all(good.to_vec()), read_all(damaged)) {
        assert!(expected == got, "{what} changed what the trace says, and nothing told");
    }
}

#[test]
fn a_cut_at_any_byte_is_told() {
    let good = write_full(5, 1, options(2, Encoding::Archive));
    for cut in 0..good.len() {
        assert!(read_all(good[..cut].to_vec()).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_flip_of_any_bit_is_told() {
    for encoding in [Encoding::Live, Encoding::Archive] {
        let good = write_full(2, 1, options(2, encoding));
        for bit in 0..good.len() * 8 {
            let mut damaged = good.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            harmless_or_refused(&good, damaged, &format!("bit {bit}"));
        }
    }
}
