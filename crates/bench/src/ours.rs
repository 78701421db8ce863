//! A workload as our traces, live and archive.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cdt_schema::{ChannelSet, Digest, KindId, Rows, TableKind, Tick};
use cdt_testkit::meta;
use cdt_trace::{BlockDecoder, Encoder, Options, Source, Trace};

use crate::workload::{Workload, lanes32, room};

/// Bytes that are gathered before they are taken, as a file's writer does.
const TAKEN: usize = 1 << 18;

/// The bytes of a trace in memory, shared and not copied.
#[derive(Clone)]
pub struct Memory(pub Bytes);

impl Source for Memory {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read(&self, range: Range<u64>, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        into.extend_from_slice(self.lend(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn lend(&self, range: Range<u64>) -> Option<&[u8]> {
        self.0.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
    }
}

/// Writes a trace, digests and all.
pub fn write<W: Workload>(ticks: &[W::Tick], declared: bool, options: Options) -> (Memory, Digest) {
    let mut encoder = Encoder::new(&meta(), Arc::new(W::layout(declared)), options);
    let mut bytes = room::<W>(ticks);
    for (number, tick) in (0..).zip(ticks) {
        encoder.append(Tick(number), |builder| W::fill(tick, builder)).expect("the workload obeys its layout");
        if encoder.output().len() >= TAKEN {
            bytes.extend_from_slice(encoder.output());
            encoder.clear_output();
        }
    }
    let (rest, digest) = encoder.finish("complete");
    bytes.extend_from_slice(&rest);
    (Memory(Bytes::from(bytes)), digest)
}

/// Opens a trace in memory.
pub fn open(memory: &Memory) -> Trace<Memory> {
    Trace::from_source(memory.clone(), Path::new("memory")).expect("our own trace")
}

/// Reads the blocks of a trace one after another and gives the sum of what `of` says of each.
fn blocks<S: Source>(
    trace: &Trace<S>,
    read: impl FnMut(&mut BlockDecoder, usize) -> Result<Rows, cdt_trace::Error>,
    of: impl FnMut(&Rows) -> usize,
) -> usize {
    sum_of(0..trace.index().blocks.len(), read, of)
}

/// The same of some blocks.
fn sum_of(
    blocks: impl Iterator<Item = usize>,
    mut read: impl FnMut(&mut BlockDecoder, usize) -> Result<Rows, cdt_trace::Error>,
    mut of: impl FnMut(&Rows) -> usize,
) -> usize {
    let mut decoder = BlockDecoder::new();
    let block = |block| {
        let rows = read(&mut decoder, block).expect("our own trace");
        let sum = of(std::hint::black_box(&rows));
        decoder.recycle(rows);
        sum
    };
    blocks.map(block).sum()
}

fn entities(rows: &Rows) -> usize {
    let table = rows.layout().table(TableKind::Entities(KindId(0))).expect("the workload has entities");
    rows.table(table).rows()
}

/// Reads every column of every block and gives the number of entities.
pub fn read(memory: &Memory) -> usize {
    let trace = open(memory);
    blocks(&trace, |decoder, block| trace.block_by(decoder, block, ChannelSet::ALL), entities)
}

/// Reads every tick as a typed tick and gives the sum of what `of` says of each.
pub fn read_ticks<W: Workload>(memory: &Memory, of: impl Fn(&W::Tick) -> usize) -> usize {
    let trace = open(memory);
    let mut tick = W::Tick::default();
    let read = |decoder: &mut BlockDecoder, block| trace.block_by(decoder, block, ChannelSet::ALL);
    blocks(&trace, read, |rows| {
        let each = |index| {
            W::read(rows, index, &mut tick);
            of(std::hint::black_box(&tick))
        };
        (0..rows.ticks().len()).map(each).sum()
    })
}

/// Opens the trace and reads one tick.
pub fn tick<W: Workload>(memory: &Memory, number: u32) -> W::Tick {
    let trace = open(memory);
    let rows = trace.tick_by(&mut BlockDecoder::new(), Tick(number), ChannelSet::ALL).expect("our own trace");
    let rows = rows.expect("the tick is there");
    let mut tick = W::Tick::default();
    W::read(&rows, rows.ticks().len() - 1, &mut tick);
    tick
}

/// Counts entities by two of their columns, in the blocks whose ranges say that there may be any.
pub fn count<W: Workload>(memory: &Memory) -> usize {
    let trace = open(memory);
    let table = trace.layout().table(TableKind::Entities(KindId(0))).expect("the workload has entities");
    let schema = &trace.layout().tables()[table.0];
    let columns = W::COUNTED.map(|name| schema.column(name).expect("a column of that name"));
    let held = (0..trace.segments()).flat_map(|segment| {
        let ranges = trace.ranges(segment).expect("our own trace");
        let has_any = |number: usize| {
            let range = ranges.field(number, table, columns[0] - schema.key_columns()).expect("our own trace");
            range.is_some_and(|(low, _)| W::may_count(u32::try_from(low).expect("the counted columns are 32-bit")))
        };
        let blocks = trace.blocks_of(segment).enumerate().filter(|(number, _)| has_any(*number));
        blocks.map(|(_, block)| block).collect::<Vec<usize>>()
    });
    let read = |decoder: &mut BlockDecoder, block| trace.table_by(decoder, block, table, &columns);
    sum_of(held, read, |rows| {
        let [first, second] = columns.map(|column| lanes32(rows, table, column));
        let counted = first.iter().zip(second).map(|(&first, &second)| u32::from(W::counts(first, second)));
        counted.sum::<u32>() as usize
    })
}
