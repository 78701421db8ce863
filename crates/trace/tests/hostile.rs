//! Bytes that somebody changed on purpose: every checksum above the change is made right again, so that nothing but the
//! decoder's own rules stands between it and a panic or an allocation that the file does not justify.
//!
//! One test alone, because the allocator's peak is measured for the whole process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use cdt_schema::{
    Channel, ChannelSet, ColumnType, Continuity, EntityKind, Field, Generation, KindId, Layout, LayoutSpec, RowError,
    Rows, Scalar, ScalarType, Slot, TableId, Tick, TickBuilder, TickDigester, Uid,
};
use cdt_testkit::surgery::{
    BLOCK_COLUMNS, BLOCK_ENTRY, BLOCK_ROWS, FRAME_RECORD, SEGMENT_BLOCKS, Section, checksum_into, elements,
    frame_checksum_into, frames, seal, seal_segment, sections,
};
use cdt_testkit::{Numbers, all_ranges, full_layout, meta, write_full};
use cdt_trace::{BlockDecoder, Encoder, Encoding, Error, Loss, LossKind, Options, Trace};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Most bytes that reading a small hostile trace may allocate at a time.
const MOST_BYTES: usize = 100 << 20;
const ROUNDS: u32 = 10_500;

/// Changes one to four bytes of a range.
fn scribble(bytes: &mut [u8], range: &Range<usize>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(4) {
        let at = range.start + numbers.below(u32::try_from(range.len()).unwrap()) as usize;
        bytes[at] = match numbers.below(6) {
            0 => 0,
            1 => 0xff,
            2 => bytes[at].wrapping_add(1),
            3 => bytes[at].wrapping_sub(1),
            4 => bytes[at] ^ 1 << numbers.below(8),
            _ => u8::try_from(numbers.below(256)).unwrap(),
        };
    }
}

/// The column frames of a block that have bytes, each with the place of its checksum.
fn filled_frames(bytes: &[u8], block: &Section) -> Vec<(Range<usize>, usize)> {
    frames(bytes, block).into_iter().filter(|(frame, _)| !frame.is_empty()).collect()
}

/// Changes something in one section and makes all checksums right; tells what.
fn mutate(bytes: &mut [u8], all: &[Section], numbers: &mut Numbers) -> String {
    let blocks: Vec<&Section> = all.iter().filter(|section| &section.tag == b"BLCK").collect();
    let block = blocks[numbers.below(u32::try_from(blocks.len()).unwrap()) as usize];
    let pick = |numbers: &mut Numbers, tag: &[u8; 4]| {
        let of: Vec<&Section> = all.iter().filter(|section| &section.tag == tag).collect();
        of[numbers.below(u32::try_from(of.len()).unwrap()) as usize].clone()
    };
    match numbers.below(16) {
        0..=6 => {
            let frames = filled_frames(bytes, block);
            let (frame, checksum) = frames[numbers.below(u32::try_from(frames.len()).unwrap()) as usize].clone();
            scribble(bytes, &frame, numbers);
            frame_checksum_into(bytes, frame, checksum);
            seal(bytes, block);
            "a column frame".to_owned()
        }
        7 | 8 => {
            let columns = elements(bytes, block.head.end - BLOCK_COLUMNS, FRAME_RECORD);
            let column = columns[numbers.below(u32::try_from(columns.len()).unwrap()) as usize].start;
            bytes[column] = u8::try_from(numbers.below(17)).unwrap();
            seal(bytes, block);
            "a column's encoding".to_owned()
        }
        9 => {
            let rows = elements(bytes, block.head.end - BLOCK_ROWS, 4);
            let row = rows[numbers.below(u32::try_from(rows.len()).unwrap()) as usize].clone();
            let scale = 1 << numbers.below(24);
            bytes[row].copy_from_slice(&numbers.below(scale).to_le_bytes());
            seal(bytes, block);
            "a row count".to_owned()
        }
        10 => {
            let segment = pick(numbers, b"SEGM");
            scribble(bytes, &segment.tail, numbers);
            seal_segment(bytes, &segment);
            "a segment's tail".to_owned()
        }
        kind => {
            let tag = [b"BLCK", b"SEGM", b"FOOT", b"META", b"LOSS"][kind as usize - 11];
            let section = pick(numbers, tag);
            scribble(bytes, &section.head, numbers);
            seal(bytes, &section);
            format!("the head of {}", String::from_utf8_lossy(tag))
        }
    }
}

/// Reads all that can be read, and does with the rows what their holders do.
fn use_all(bytes: Vec<u8>) -> Result<(), Error> {
    let trace = Trace::from_source(bytes, Path::new("fixture"))?;
    let index = trace.index();
    let mut continuity = Continuity::new(&index.layout);
    let mut digester = TickDigester::new(&index.layout);
    let mut fault = None;
    let mut decoder = BlockDecoder::new();
    for (block, entry) in index.blocks.iter().enumerate() {
        let whole = trace.block(block, ChannelSet::ALL);
        // A part may be sound without the others.
        let but_memory = index.layout.channels().iter().filter(|channel| *channel != Channel::Memory).collect();
        for tick in [entry.first_tick, entry.last_tick] {
            for channels in [ChannelSet::ALL, but_memory] {
                match trace.tick_by(&mut decoder, tick, channels) {
                    Ok(part) => use_cells(&part.unwrap()),
                    Err(error) => assert!(whole.is_err(), "a part of what is sound: {error}"),
                }
            }
        }
        for (table, schema) in index.layout.tables().iter().enumerate() {
            for column in [0, schema.columns.len() - 1] {
                match trace.table_by(&mut decoder, block, TableId(table), &[column]) {
                    Ok(rows) => assert_eq!(rows.ticks().len(), entry.ticks as usize),
                    Err(error) => assert!(whole.is_err(), "a column of what is sound: {error}"),
                }
            }
        }
        match whole {
            Ok(rows) => use_rows(&rows, &mut continuity, &mut digester),
            Err(error) => fault = Some(error),
        }
    }
    for segment in 0..trace.segments() {
        trace.digests(segment)?;
        all_ranges(&trace, segment)?;
        trace.summaries(segment)?;
    }
    assert!(index.tick_range().is_none_or(|(first, last)| index.block_of(first) <= index.block_of(last)));
    fault.map_or(Ok(()), Err)
}

/// Looks at every cell of the channels that are here.
fn use_cells(rows: &Rows) {
    for channel in rows.loaded().iter() {
        for (id, schema) in rows.layout().tables_of(channel) {
            for column in 0..schema.columns.len() {
                (0..rows.table(id).rows()).for_each(|row| use_cell(rows, id, column, row));
            }
        }
    }
}

fn use_rows(rows: &Rows, continuity: &mut Continuity, digester: &mut TickDigester) {
    for tick in 0..rows.ticks().len() {
        // What breaks continuity is for `health` to tell; the digests of admissible rows can be computed nevertheless.
        let _ = continuity.check(rows, tick);
        digester.digest(rows, tick);
    }
    use_cells(rows);
}

fn use_cell(rows: &Rows, id: TableId, column: usize, row: usize) {
    match rows.layout().tables()[id.0].columns[column].column_type {
        ColumnType::Scalar(_) => drop(rows.scalar(id, column, row)),
        ColumnType::Values => drop(rows.values(id, column, row)),
        ColumnType::Page => assert_eq!(rows.table(id).columns[column].bytes(row).len(), 64),
    }
}

fn fixture(encoding: Encoding) -> Vec<u8> {
    let options = Options { encoding, block_bytes: usize::MAX, block_ticks: 3 };
    let mut encoder = Encoder::new(&meta(), Arc::new(full_layout()), options);
    let mut scene = cdt_testkit::Scene::new(11);
    for tick in 0..6 {
        encoder.append(Tick(tick * (1 + tick / 5)), |tick| scene.fill(tick)).unwrap();
    }
    let detail = "a detail that is too long to stand in place".to_owned();
    encoder.record_loss(&Loss { kind: LossKind::TruncatedTail, from: Tick(10), to: None, detail });
    encoder.finish("complete").0
}

/// An archive of columns with lanes enough to be coded, of one run and of entities.
fn coded_fixture() -> Vec<u8> {
    let field = |name: &str, scalar_type| Field { name: name.to_owned(), scalar_type };
    let fields = vec![field("narrow", ScalarType::U32), field("wide", ScalarType::U64)];
    let kind = EntityKind { name: "creature".to_owned(), fields: fields.clone() };
    let spec = LayoutSpec { state: Some(fields), entities: Some(vec![kind]), ..LayoutSpec::default() };
    let layout = Arc::new(Layout::new(spec).unwrap());
    let options = Options { encoding: Encoding::Archive, block_bytes: usize::MAX, block_ticks: 300 };
    let mut encoder = Encoder::new(&meta(), layout, options);
    let mut numbers = Numbers(5);
    let mut sums = [0u64; 4];
    for tick in 0..300 {
        for sum in &mut sums {
            *sum += numbers.draw() >> (32 + numbers.below(32));
        }
        let scalars = |sum: u64| [Scalar::U32(u32::try_from(sum % (1 << 32)).unwrap()), Scalar::U64(sum)];
        let fill = |builder: &mut TickBuilder<'_>| {
            builder.state(&scalars(sums[0]))?;
            (0u32..).zip(&sums[1..]).filter(|(slot, _)| tick % 50 != *slot).try_for_each(|(slot, &sum)| {
                let uid = Uid { kind: KindId(0), slot: Slot(slot), generation: Generation((tick + 49 - slot) / 50) };
                builder.entity(uid, &scalars(sum))
            })
        };
        encoder.append::<RowError>(Tick(tick), fill).unwrap();
    }
    let loss = Loss { kind: LossKind::TruncatedTail, from: Tick(300), to: None, detail: "a detail".to_owned() };
    encoder.record_loss(&loss);
    let bytes = encoder.finish("complete").0;
    let block = sections(&bytes).into_iter().find(|section| &section.tag == b"BLCK").unwrap();
    let columns = elements(&bytes, block.head.end - BLOCK_COLUMNS, FRAME_RECORD);
    let coded = columns.iter().filter(|column| (13..=15).contains(&bytes[column.start])).count();
    assert_eq!(coded, 4, "columns that are coded");
    bytes
}

#[test]
fn no_change_behind_valid_checksums_makes_the_reader_panic_or_take_memory() {
    let fixtures = [(fixture(Encoding::Live), ROUNDS), (fixture(Encoding::Archive), ROUNDS), (coded_fixture(), 3_000)];
    for (encoding, (good, rounds)) in fixtures.into_iter().enumerate() {
        use_all(good.clone()).unwrap();
        let all = sections(&good);
        assert_eq!(all.last().unwrap().tail.end, good.len() - 24);
        let mut numbers = Numbers(encoding as u64);
        let (mut refused, mut past_checksums) = (0, 0);
        for round in 0..rounds {
            let mut bytes = good.clone();
            let mut what = mutate(&mut bytes, &all, &mut numbers);
            if round % 4 == 0 && sections_are(&bytes, &all) {
                what = format!("{what} and {}", mutate(&mut bytes, &all, &mut numbers));
            }
            let before = ALLOCATOR.current_usage();
            ALLOCATOR.reset_peak_usage();
            let outcome = std::panic::catch_unwind(|| use_all(bytes));
            let taken = ALLOCATOR.peak_usage().saturating_sub(before);
            assert!(taken <= MOST_BYTES, "round {round} of {encoding}: {what} takes {taken} bytes");
            let outcome = outcome.unwrap_or_else(|_| panic!("round {round} of {encoding}: {what} panics"));
            if let Err(error) = outcome {
                refused += 1;
                past_checksums += u32::from(!error.to_string().contains("checksum"));
            }
        }
        assert!(
            refused > rounds / 4 && past_checksums > refused * 9 / 10,
            "{refused} refused, {past_checksums} by rules"
        );
    }
    few_bytes_do_not_ask_for_many();
}

/// Whether a second change finds the records that it looks for.
fn sections_are(bytes: &[u8], all: &[Section]) -> bool {
    let is = |section: &Section| {
        let end = section.head.end;
        match &section.tag {
            b"BLCK" => {
                !filled_frames(bytes, section).is_empty()
                    && !elements(bytes, end - BLOCK_COLUMNS, FRAME_RECORD).is_empty()
                    && !elements(bytes, end - BLOCK_ROWS, 4).is_empty()
            }
            b"SEGM" => !elements(bytes, end - SEGMENT_BLOCKS, BLOCK_ENTRY).is_empty(),
            _ => true,
        }
    };
    all.iter().all(is)
}

/// Row counts that the bytes do not justify are refused before anything is made of them, and so are byte strings that
/// together exceed what a block may hold, though they cost a few bytes in the file.
fn few_bytes_do_not_ask_for_many() {
    let good = write_full(4, 1, Options { encoding: Encoding::Archive, block_bytes: usize::MAX, block_ticks: 4 });
    let all = sections(&good);
    let block = all.iter().find(|section| &section.tag == b"BLCK").unwrap();
    for table in 0..12 {
        for count in [1 << 20, 1 << 22, 1 << 24, u32::MAX] {
            let mut bytes = good.clone();
            let rows = elements(&bytes, block.head.end - BLOCK_ROWS, 4)[table].clone();
            bytes[rows].copy_from_slice(&count.to_le_bytes());
            seal(&mut bytes, block);
            let what = format!("{count} rows in table {table}");
            let error = measured(bytes, &what).unwrap_err().to_string();
            assert!(error.contains("rows") || error.contains("bytes") || error.contains("values"), "{what}: {error}");
        }
    }
    // As many as a block may hold are read before it is found that pages do not ascend.
    let error = measured(pages_of_zeros(&good, 640_000), "as many pages as fit").unwrap_err().to_string();
    assert!(error.contains("row 1 has page 0 after page 0"), "{error}");
    let error = measured(pages_of_zeros(&good, 1_000_000), "a million pages").unwrap_err().to_string();
    assert!(error.contains("no room for the block's other rows"), "{error}");
}

fn measured(bytes: Vec<u8>, what: &str) -> Result<(), Error> {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let outcome = use_all(bytes);
    let taken = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(taken <= MOST_BYTES, "{what}: {taken} bytes are taken");
    outcome
}

/// A trace of one block whose memory channel, the last of all, has `count` times the page 0 in its first tick, which a
/// few bytes tell.
fn pages_of_zeros(good: &[u8], count: u32) -> Vec<u8> {
    let all = sections(good);
    let [.., block, segment, footer] = all.as_slice() else { panic!("a block, a segment and a footer") };
    let mut bytes = good[..block.tail.end].to_vec();
    let memory = frames(good, block).iter().rev().take(4).map(|(frame, _)| frame.start).min().unwrap();
    bytes.truncate(memory);
    let counts = [count, 0, 0, 0].iter().flat_map(|count| count.to_le_bytes()).collect();
    // All of the pages' bytes are one plane, and all of its bytes one byte.
    let columns: [(u8, Vec<u8>); 4] =
        [(0, counts), (1, 0u32.to_le_bytes().to_vec()), (1, 64u32.to_le_bytes().to_vec()), (8, vec![1, 0])];
    let records = elements(good, block.head.end - BLOCK_COLUMNS, FRAME_RECORD);
    for ((encoding, column), record) in columns.into_iter().zip(&records[records.len() - 4..]) {
        bytes[record.start] = encoding;
        bytes[record.start + 1..record.start + 5].copy_from_slice(&u32::try_from(column.len()).unwrap().to_le_bytes());
        let start = bytes.len();
        bytes.extend(column);
        let end = bytes.len();
        frame_checksum_into(&mut bytes, start..end, record.start + 5);
    }
    let rows = elements(good, block.head.end - BLOCK_ROWS, 4).pop().unwrap();
    bytes[rows].copy_from_slice(&count.to_le_bytes());
    let end = bytes.len();
    let tail_len = end - block.tail.start;
    bytes[block.start + 8..block.start + 16].copy_from_slice(&(tail_len as u64).to_le_bytes());
    seal(&mut bytes, block);

    let moved = |section: &Section| {
        let moved = |at: usize| at - segment.start + end;
        let there = |range: &Range<usize>| moved(range.start)..moved(range.end);
        Section { start: moved(section.start), head: there(&section.head), tail: there(&section.tail), ..*section }
    };
    bytes.extend(&good[segment.start..]);
    let moved_segment = moved(segment);
    let entry = elements(&bytes, moved_segment.head.end - SEGMENT_BLOCKS, BLOCK_ENTRY)[0].start;
    bytes[entry + 12..entry + 16].copy_from_slice(&u32::try_from(tail_len).unwrap().to_le_bytes());
    seal(&mut bytes, &moved_segment);
    let footer = moved(footer);
    let entry = elements(&bytes, footer.head.end - 32, 16)[0].start;
    bytes[entry..entry + 8].copy_from_slice(&(moved_segment.start as u64).to_le_bytes());
    seal(&mut bytes, &footer);
    let trailer = bytes.len() - 24;
    bytes[trailer..trailer + 8].copy_from_slice(&(footer.start as u64).to_le_bytes());
    checksum_into(&mut bytes, trailer..trailer + 8, trailer + 8);
    bytes
}
