//! What is written is what is read, whatever the blocks and encodings; and what is damaged is told, never believed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use cdt_schema::{
    Channel, ChannelSet, Column, ContentDigest, Continuity, Digest, DigestSequence, EntityKind, KindId, Layout,
    LayoutSpec, MemoryLayout, PageId, RowError, Rows, Scalar, TableId, TableKind, Tick, TickBuilder, TickDigester,
};
use cdt_testkit::surgery::{
    BLOCK_ENTRY, Parts, SEGMENT_BLOCKS, SEGMENT_TICK_RUNS, elements, put_u32, remove_last, seal_segment, sections,
};
use cdt_testkit::{all_ranges, full_layout, meta, plain_layout, write_full, write_plain, write_w1};
use cdt_trace::{
    BlockDecoder, BlockSummary, Change, Encoder, Encoding, ErrorKind, Loss, LossKind, Options, Source, Totals, Trace,
};

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
                            Column::Bytes(ragged) => format!("{:?}", ragged.get(row)),
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
        all_ranges(trace, segment)?;
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
fn columns_read_alone_are_those_of_the_whole_block() {
    for encoding in [Encoding::Live, Encoding::Archive] {
        let trace = open(write_full(200, 3, options(64, encoding))).unwrap();
        let mut decoder = BlockDecoder::new();
        for block in 0..trace.index().blocks.len() {
            let whole = trace.block(block, ChannelSet::ALL).unwrap();
            for (index, schema) in trace.layout().tables().iter().enumerate() {
                let id = TableId(index);
                let all = 0..schema.columns.len();
                let each = all.clone().map(|column| vec![column]);
                for asked in each.chain([Vec::new(), all.clone().step_by(2).collect(), all.clone().collect()]) {
                    let rows = trace.table_by(&mut decoder, block, id, &asked).unwrap();
                    let (found, expected) = (rows.table(id), whole.table(id));
                    assert_eq!((rows.ticks(), &found.ends), (whole.ticks(), &expected.ends), "{}", schema.name);
                    for column in all.clone() {
                        let name = format!("{} column {column} of {asked:?}", schema.name);
                        if asked.contains(&column) || !schema.columns_stand_alone() {
                            assert_eq!(found.columns[column], expected.columns[column], "{name}");
                        } else {
                            assert!(found.columns[column].is_empty(), "{name}");
                        }
                    }
                    decoder.recycle(rows);
                }
            }
        }
    }
}

#[test]
fn the_rows_of_a_tick_are_those_of_its_block() {
    for encoding in [Encoding::Live, Encoding::Archive] {
        let trace = open(write_full(300, 5, options(150, encoding))).unwrap();
        let mut decoder = BlockDecoder::new();
        for number in (0..300).step_by(7) {
            let rows = trace.tick_by(&mut decoder, Tick(number), ChannelSet::ALL).unwrap().unwrap();
            let whole = trace.block(trace.index().block_of(Tick(number)).unwrap(), ChannelSet::ALL).unwrap();
            // With memory, whose rows say what changed, those of the ticks before it in the block.
            assert_eq!(rows.ticks(), &whole.ticks()[..rows.ticks().len()]);
            assert_eq!(rows.ticks().last(), Some(&Tick(number)));
            let [mut of_rows, mut of_whole] = [(); 2].map(|()| TickDigester::new(trace.layout()));
            for tick in 0..rows.ticks().len() {
                assert_eq!(of_rows.digest(&rows, tick), of_whole.digest(&whole, tick));
            }
            let index = rows.ticks().len() - 1;
            decoder.recycle(rows);
            let but_memory: ChannelSet =
                Channel::ALL.into_iter().filter(|&channel| channel != Channel::Memory).collect();
            let rows = trace.tick_by(&mut decoder, Tick(number), but_memory).unwrap().unwrap();
            assert_eq!(rows.ticks(), [Tick(number)]);
            for channel in trace.layout().channels().iter().filter(|&channel| but_memory.contains(channel)) {
                assert_eq!(of_rows.channel(&rows, channel, 0), of_whole.channel(&whole, channel, index));
                assert_eq!(of_rows.diagnostics(&rows, channel, 0), of_whole.diagnostics(&whole, channel, index));
            }
            decoder.recycle(rows);
        }
        assert!(trace.tick_by(&mut decoder, Tick(300), ChannelSet::ALL).unwrap().is_none());
    }
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    for encoding in [Encoding::Live, Encoding::Archive] {
        assert_eq!(write_full(150, 9, options(32, encoding)), write_full(150, 9, options(32, encoding)));
    }
}

#[test]
fn digests_are_read_in_pieces() {
    let bytes = write_plain(20_000, Options::LIVE, |_, _| {});
    let lent = open(bytes.clone()).unwrap();
    let source = Counting { bytes, reads: RefCell::default() };
    let trace = Trace::from_source(source, Path::new("fixture")).unwrap();
    let reads = || std::mem::take(&mut *trace.source().reads.borrow_mut()).len();
    reads();
    let all = lent.digests(0).unwrap();
    assert_eq!((trace.digests(0).unwrap(), reads()), (all.clone(), 3));
    let mut digests = trace.segment_digests(0);
    let first = |bytes: &[u8]| u64::from_le_bytes(*bytes.first_chunk().unwrap());
    // The third piece is first read for the check, before tick 9,001, and once more for what it holds.
    let wanted = [(0, 1), (8_191, 0), (8_192, 1), (9_000, 0), (9_001, 1), (16_384, 1), (19_999, 0)];
    for (tick, count) in wanted {
        if tick == 9_001 {
            digests.check().unwrap();
            digests.check().unwrap();
        }
        let found = first(digests.starting_at(tick).unwrap());
        assert_eq!((found, reads()), (all[usize::try_from(tick).unwrap()].0, count), "from tick {tick} on");
    }
}

#[test]
fn digests_that_change_after_their_check_are_told() {
    let source = Changing { bytes: write_plain(20_000, Options::LIVE, |_, _| {}), change: Cell::new(None) };
    let trace = Trace::from_source(source, Path::new("fixture")).unwrap();
    let digest = trace.digests(0).unwrap()[16_500].0.to_le_bytes();
    let mut digests = trace.segment_digests(0);
    digests.starting_at(0).unwrap();
    digests.check().unwrap();
    let at = trace.source().bytes.windows(8).position(|bytes| bytes == digest).unwrap();
    trace.source().change.set(Some(at as u64));
    assert_eq!(digests.starting_at(16_400).unwrap_err().kind(), ErrorKind::Changed);
}

/// Changes a byte of what is read.
struct Changing {
    bytes: Vec<u8>,
    change: Cell<Option<u64>>,
}

impl Source for Changing {
    fn size(&self) -> io::Result<u64> {
        self.bytes.size()
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        self.bytes.read(range.clone(), into)?;
        if let Some(at) = self.change.get().filter(|at| range.contains(at)) {
            into[usize::try_from(at - range.start).unwrap()] ^= 1;
        }
        Ok(())
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

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        self.reads.borrow_mut().push(range.clone());
        self.bytes.read(range, into)
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
    let spans: Vec<Range<u64>> =
        trace.index().blocks.iter().map(|block| block.offset..block.offset + block.stored_bytes()).collect();
    let touched =
        |span: &Range<u64>| source_reads(&trace).iter().any(|read| read.start < span.end && span.start < read.end);
    assert!(spans.iter().enumerate().all(|(index, span)| touched(span) == (index == block)));
    // One tick of all channels equals the same tick of the whole, which the blocks around do not change.
    let (all, index) = (trace.block(block, ChannelSet::ALL).unwrap(), rows.index_of(Tick(100)).unwrap());
    assert_eq!((all.ticks()[index], &all), (Tick(100), &whole.block(block, ChannelSet::ALL).unwrap()));
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
    let no_trace = "fixture: not a .cdt trace: it does not begin with the trace's signature; `cdt finalize` makes traces \
                    from JSONL captures, `cdt import` from text logs";
    for bytes in [b"".as_slice(), b"{\"event\":\"session_start\"}", &good[1..], &good[..7]] {
        assert_eq!(message(bytes), no_trace);
    }
    let mut other = good.clone();
    other[8] = 9;
    assert_eq!(
        message(&other),
        "fixture: a trace of format version 9, but this cdt reads version 1 alone; make the trace again with this cdt, or \
         read it with the one that wrote it"
    );
    let unfinished = "fixture: the trace is not finished: its end is missing. If its writer is still at work, follow it \
                      with `cdt health --follow` or `cdt diff --follow`; if not, `cdt recover` brings back every complete \
                      block";
    assert_eq!(message(&good[..good.len() / 2]), unfinished);
    assert_eq!(open(good[..good.len() - 1].to_vec()).unwrap_err().kind(), ErrorKind::Incomplete);
    let in_header = "fixture: the trace is not finished: it ends inside its header; record or finalize it again";
    assert_eq!(message(&good[..40]), in_header);
    let mut damaged = good.clone();
    damaged[100] ^= 1;
    assert_eq!(
        message(&damaged),
        "fixture: damaged at byte 48: the checksum of the section's head does not match; make the trace again from its \
         source, or bring back what is whole with `cdt recover`"
    );
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
    let ranges: Result<Vec<_>, _> = (0..trace.segments()).map(|segment| all_ranges(&trace, segment)).collect();
    let facts = (index.meta.clone(), index.layout.digest(), index.loss.clone(), index.content_digest);
    Ok((rows, pages, ranges?, summaries?, facts, index.end_reason.clone()))
}

#[test]
fn a_cut_at_any_byte_is_told() {
    for encoding in [Encoding::Live, Encoding::Archive] {
        let good = write_full(5, 1, options(2, encoding));
        for cut in 0..good.len() {
            assert!(read_all(good[..cut].to_vec()).is_err(), "cut at {cut}");
        }
    }
}

/// A damaged trace is refused, or what it says is to the last value what the whole one says.
#[test]
fn a_flip_of_any_bit_is_told() {
    for encoding in [Encoding::Live, Encoding::Archive] {
        let good = write_full(2, 1, options(2, encoding));
        let expected = read_all(good.clone()).unwrap();
        let mut damaged = good.clone();
        for bit in 0..good.len() * 8 {
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(got) = read_all(damaged.clone()) {
                assert!(expected == got, "bit {bit} changed what the trace says, and nothing told");
            }
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// The rows of every block.
fn blocks(trace: &Trace<Vec<u8>>) -> Vec<Rows> {
    (0..trace.index().blocks.len()).map(|block| trace.block(block, ChannelSet::ALL).unwrap()).collect()
}

#[test]
fn digests_and_summaries_are_those_of_the_rows() {
    for (block_ticks, encoding) in [(7, Encoding::Live), (64, Encoding::Archive)] {
        let trace = open(write_full(150, 2, options(block_ticks, encoding))).unwrap();
        let layout = trace.layout();
        let (stored, summaries) = (trace.digests(0).unwrap(), trace.summaries(0).unwrap());
        let mut digester = TickDigester::new(layout);
        let mut continuity = Continuity::new(layout);
        let mut content = ContentDigest::new(layout);
        let mut computed = Vec::new();
        for (rows, summary) in blocks(&trace).iter().zip(&summaries) {
            let mut channels = vec![DigestSequence::default(); 9];
            for (index, &tick) in rows.ticks().iter().enumerate() {
                continuity.check(rows, index).unwrap();
                let digests = digester.digest(rows, index);
                content.push(tick, digests.tick);
                computed.push(digests.tick);
                channels.iter_mut().zip(digests.channels).for_each(|(sequence, digest)| sequence.push(digest));
            }
            let channels: Vec<Digest> = channels.iter().map(DigestSequence::finish).collect();
            assert_eq!(summary.channel_digests, channels);
            let with_input = (0..rows.ticks().len()).filter(|&tick| rows.has_input(tick)).count();
            assert_eq!(usize::try_from(summary.totals.ticks_with_input).unwrap(), with_input);
        }
        assert_eq!(computed, stored);
        assert_eq!(content.finish(), trace.index().content_digest);
        check_changes(&blocks(&trace), &summaries);
    }
}

#[test]
fn totals_are_the_same_however_ticks_are_cut_into_blocks() {
    let totals = |ticks, seed, block_ticks, encoding| {
        let trace = open(write_full(ticks, seed, options(block_ticks, encoding))).unwrap();
        let mut summed = Totals::none(trace.layout());
        for summary in trace.summaries(0).unwrap() {
            summed.add(trace.layout(), &summary.totals);
        }
        assert_eq!(&summed, trace.totals(0));
        assert!(summed.diagnostics.iter().all(|digest| *digest != Digest(0)));
        // Every block begins with all pages, so their rows depend on how many blocks there are.
        let memory = trace.layout().table(TableKind::Memory).unwrap();
        summed.rows[memory.0] = 0;
        summed
    };
    let whole = totals(150, 2, 4096, Encoding::Live);
    assert_eq!(whole.diagnostics.len(), 3, "of rng, timing and events");
    assert_eq!(totals(150, 2, 7, Encoding::Archive), whole);
    assert_ne!(totals(150, 3, 7, Encoding::Archive).diagnostics, whole.diagnostics);
    assert_ne!(totals(149, 2, 7, Encoding::Archive).diagnostics, whole.diagnostics);
}

/// What the summaries say of rows and changes, against a walk over all values.
fn check_changes(blocks: &[Rows], summaries: &[BlockSummary]) {
    let mut last: BTreeMap<(usize, usize), String> = BTreeMap::new();
    for (rows, summary) in blocks.iter().zip(summaries) {
        let mut changes = summary.totals.changed.iter();
        for table in 0..rows.layout().tables().len() {
            let counted = rows.behavioural_rows(TableId(table), 0..rows.table(TableId(table)).rows());
            assert_eq!(usize::try_from(summary.totals.rows[table]).unwrap(), counted.len());
            for (number, column) in rows.table(TableId(table)).columns.iter().enumerate() {
                let (mut within, mut entered) = (false, false);
                for (index, &row) in counted.iter().enumerate() {
                    let value = match column {
                        Column::Bytes(ragged) => format!("{:?}", ragged.get(row)),
                        _ => column.bits(row).to_string(),
                    };
                    let changed = last.insert((table, number), value.clone()).is_some_and(|last| last != value);
                    if index == 0 { entered = changed } else { within |= changed }
                }
                assert_eq!(changes.next(), Some(&Change { within, entered }), "column {number} of table {table}");
            }
        }
        assert_eq!(changes.next(), None);
    }
}

#[test]
fn every_block_begins_with_all_of_memory() {
    let trace = open(write_full(40, 6, options(8, Encoding::Live))).unwrap();
    let memory = trace.layout().table(TableKind::Memory).unwrap();
    let mut image = BTreeMap::new();
    for rows in blocks(&trace) {
        assert_eq!(rows.range(memory, 0).len(), 4);
        let columns = &rows.table(memory).columns;
        // Only pages that the block's first tick changed may differ from what the blocks before left.
        let stale = |row: usize| image.get(&columns[0].bits(row)).is_some_and(|page| page != columns[1].bytes(row));
        assert!(rows.range(memory, 0).filter(|&row| stale(row)).count() < 4);
        for row in 0..rows.table(memory).rows() {
            image.insert(columns[0].bits(row), columns[1].bytes(row).to_vec());
        }
    }
}

#[test]
fn every_kind_of_loss_comes_back() {
    let layout = Arc::new(plain_layout());
    let mut encoder = Encoder::new(&meta(), layout, Options::LIVE);
    let losses = LossKind::ALL.map(|kind| Loss {
        kind,
        from: Tick(kind as u32),
        to: (kind != LossKind::TruncatedTail).then_some(Tick(u32::MAX)),
        detail: format!("{} happened, as one sees", kind.name()),
    });
    for (loss, tick) in losses.iter().zip(0..) {
        encoder.record_loss(loss);
        encoder.append(Tick(tick), |tick| tick.state(&[Scalar::U32(0), Scalar::F32(0.0)])).unwrap();
    }
    let trace = open(encoder.finish("complete").0).unwrap();
    assert_eq!(trace.index().loss, losses);
    assert_eq!((trace.index().ticks(), trace.index().blocks.len()), (4, 4));
}

#[test]
fn the_last_tick_is_known_at_the_end_of_a_segment_too() {
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), Options::LIVE);
    assert_eq!(encoder.last_tick(), None);
    for number in 0..65_536 {
        encoder.append(Tick(number), |tick| tick.state(&[Scalar::U32(0), Scalar::F32(0.0)])).unwrap();
    }
    assert_eq!(encoder.last_tick(), Some(Tick(65_535)));
}

#[test]
fn the_largest_memory_is_written_and_read() {
    let memory = Some(MemoryLayout { page_size: 64, pages: 1 << 18 });
    let layout = Arc::new(Layout::new(LayoutSpec { memory, ..LayoutSpec::default() }).unwrap());
    let options = Options { encoding: Encoding::Live, block_bytes: usize::MAX, block_ticks: 65_536 };
    let mut encoder = Encoder::new(&meta(), layout, options);
    for number in 0..3u8 {
        let fill =
            |tick: &mut TickBuilder<'_>| (0..1 << 18).try_for_each(|page| tick.page(PageId(page), &[number; 64]));
        encoder.append(Tick(number.into()), fill).unwrap();
    }
    let trace = open(encoder.finish("complete").0).unwrap();
    assert_eq!(trace.index().blocks.len(), 2, "a block ends at 22 MiB of rows whatever the options say");
    assert_eq!(blocks(&trace).len(), 2);
}

#[test]
fn the_memory_that_blocks_begin_with_does_not_make_them_short() {
    let memory = Some(MemoryLayout { page_size: 256, pages: 4096 });
    let layout = Arc::new(Layout::new(LayoutSpec { memory, ..LayoutSpec::default() }).unwrap());
    let mut encoder = Encoder::new(&meta(), layout, Options::LIVE);
    for number in 0..1000u32 {
        let pages = if number == 0 { 4096 } else { 1 };
        let content = [u8::try_from(number % 256).unwrap(); 256];
        let fill = |tick: &mut TickBuilder<'_>| (0..pages).try_for_each(|page| tick.page(PageId(page), &content));
        encoder.append(Tick(number), fill).unwrap();
    }
    let trace = open(encoder.finish("complete").0).unwrap();
    assert_eq!(trace.index().blocks.len(), 2, "768 ticks of one page fill a block");
}

/// Ticks 0, 1, 5 and 9 in one block, whose index says 4 for 5, behind checksums that are right.
#[test]
fn an_index_with_other_ticks_than_the_blocks_is_told() {
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), Options::LIVE);
    for number in [0, 1, 5, 9] {
        encoder.append(Tick(number), |tick| tick.state(&[Scalar::U32(0), Scalar::F32(0.0)])).unwrap();
    }
    let mut bytes = encoder.finish("complete").0;
    let segment = sections(&bytes).into_iter().find(|section| &section.tag == b"SEGM").unwrap();
    let run = elements(&bytes, segment.head.end - SEGMENT_TICK_RUNS, 8)[1].start;
    assert_eq!(bytes[run], 5);
    bytes[run] = 4;
    seal_segment(&mut bytes, &segment);
    let error = open(bytes).unwrap().block(0, ChannelSet::ALL).unwrap_err();
    assert!(error.to_string().contains("ticks are not those that the index gives"), "{error}");
}

#[test]
fn a_section_that_nothing_names_is_told() {
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), Options::LIVE);
    encoder.record_loss(&Loss { kind: LossKind::CappedRows, from: Tick(0), to: None, detail: String::new() });
    let bytes = encoder.finish("complete").0;
    open(bytes.clone()).unwrap();
    let mut parts = Parts::of(&bytes);
    remove_last(&mut parts.section(b"FOOT", 0).head, &[32, 24], 12);
    let error = open(parts.assemble()).unwrap_err();
    assert!(error.to_string().contains("no section that the index names"), "{error}");
}

/// Blocks of other sizes after another by one decoder, against blocks by a decoder of their own.
#[test]
fn a_decoder_that_is_used_again_gives_the_same_rows() {
    let trace = open(write_full(60, 3, options(7, Encoding::Archive))).unwrap();
    let mut decoder = BlockDecoder::new();
    let few: ChannelSet = [Channel::Rng, Channel::Entities].into_iter().collect();
    for block in 0..trace.index().blocks.len() {
        for channels in [ChannelSet::ALL, few] {
            let rows = trace.block_by(&mut decoder, block, channels).unwrap();
            assert_eq!(rows, trace.block(block, channels).unwrap());
            decoder.recycle(rows);
        }
    }
    // What another layout's rows left is of no use.
    let plain = open(write_plain(20, options(7, Encoding::Live), |_, _| {})).unwrap();
    assert_eq!(plain.block_by(&mut decoder, 1, ChannelSet::ALL).unwrap(), plain.block(1, ChannelSet::ALL).unwrap());
}

/// What the format is made for: smooth motion, slow counters, draws of a known algorithm, slots that are used again.
#[test]
fn a_game_is_small() {
    let size = |declared: bool, options: Options| {
        let bytes = write_w1(10_000, declared, options, |_, _| {});
        let trace = open(bytes.clone()).unwrap();
        let ticks: usize = blocks(&trace).iter().map(|rows| rows.ticks().len()).sum();
        (ticks, bytes.len() / 10_000, trace.index().content_digest)
    };
    for (declared, live, archive) in [(true, 750, 470), (false, 750, 520)] {
        let (a, b) = (size(declared, Options::LIVE), size(declared, Options::ARCHIVE));
        assert!(a.1 <= live && b.1 <= archive, "{} and {} bytes a tick", a.1, b.1);
        assert_eq!(((a.0, a.2), b.0), ((10_000, b.2), 10_000));
    }
}

/// Who compares digests alone never opens the block, so its entry is checked.
#[test]
fn the_index_gives_no_block_more_ticks_than_one_may_have() {
    let mut encoder = Encoder::new(&meta(), Arc::new(plain_layout()), options(65_536, Encoding::Live));
    for tick in 0..65_536 {
        encoder.append(Tick(tick), |rows| rows.state(&[Scalar::U32(0), Scalar::F32(0.0)])).unwrap();
    }
    let good = encoder.finish("complete").0;
    // Its entry takes one more, and so do the runs, the footer and the digests.
    let mut parts = Parts::of(&good);
    let head = &mut parts.section(b"SEGM", 0).head;
    let entry = elements(head, head.len() - SEGMENT_BLOCKS, BLOCK_ENTRY).remove(0);
    put_u32(head, entry.start + 20, 65_536);
    put_u32(head, entry.start + 24, 65_537);
    let run = elements(head, head.len() - SEGMENT_TICK_RUNS, 8).remove(0);
    put_u32(head, run.start + 4, 65_537);
    parts.section(b"SEGM", 0).tail.splice(..0, [0; 8]);
    let footer = &mut parts.section(b"FOOT", 0).head;
    let entry = elements(footer, footer.len() - 32, 16).remove(0);
    put_u32(footer, entry.start + 12, 65_537);
    let error = open(parts.assemble()).unwrap_err().to_string();
    assert!(error.contains("block 0 of the index has 65537 ticks"), "{error}");
}

/// Entities that are all replaced cost no more than as many that stay: what stands for them is found in one pass, on either side. It takes
/// less than a second; a pass for each of them would take minutes.
#[test]
fn entities_may_all_be_replaced_at_every_tick() {
    const ENTITIES: u32 = 400_000;
    let kind = EntityKind { name: "mote".to_owned(), fields: Vec::new() };
    let layout = Arc::new(Layout::new(LayoutSpec { entities: Some(vec![kind]), ..LayoutSpec::default() }).unwrap());
    // In the last tick half of them are new, every second one.
    let generation = |tick: u32, slot: u32| tick.min(2) + u32::from(tick == 3 && slot.is_multiple_of(2));
    let slots: Vec<u32> = (0..ENTITIES).collect();
    let mut encoder = Encoder::new(&meta(), layout, options(4, Encoding::Live));
    for tick in 0..4 {
        let generations: Vec<u32> = slots.iter().map(|&slot| generation(tick, slot)).collect();
        encoder.append(Tick(tick), |rows| rows.entities(KindId(0), &slots, &generations, &[])).unwrap();
    }
    let trace = open(encoder.finish("complete").0).unwrap();
    let rows = trace.block(0, ChannelSet::ALL).unwrap();
    for tick in 0..4 {
        let range = rows.range(TableId(0), tick);
        assert_eq!(range.len(), ENTITIES as usize);
        let tick = u32::try_from(tick).unwrap();
        let [Column::W32(slots), Column::W32(generations)] = &rows.table(TableId(0)).columns[..] else {
            panic!("keys")
        };
        let keys = slots[range.clone()].iter().zip(&generations[range]);
        assert!(keys.zip(0..).all(|((&slot, &told), row)| (slot, told) == (row, generation(tick, row))));
    }
}
