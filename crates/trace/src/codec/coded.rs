//! Residuals whose widths are told by prefix codes. A residual is about as wide as the one before it in its run, so each width of
//! that one is a context with a code of its own: what a code costs is what is not known beforehand. The bits below a number's
//! highest one are noise and stand as they are.
//!
//! First the early residuals, packed. Then the number of contexts (u8) and each one's code: how many widths it tells (u8), the
//! least of them (u8) if there is any, and the length of each one's code (4 bits each; 0 of one that is not told) if there are
//! several. Then the lengths of all streams but the last (u32 each) and the streams. Numbers are dealt to them in turn, so that the
//! machine reads several at once: a number is its width's code and then the bits below its highest one.
//!
//! What stands there is the number and one more, so that zero is no case of its own and differences of one magnitude have one width.

use std::ops::Range;

use super::{Lane, packed};
use crate::frame::Cursor;
use crate::places::{EARLY, Early, Places, Stretch};

/// Longest code.
const MAX_CODE: u32 = 8;
/// Entries of a table that is looked up with the next bits.
const ENTRIES: usize = 1 << MAX_CODE;
/// Most contexts.
const MAX_CONTEXTS: usize = 32;
/// Contexts that a writer makes: more cost more to tell than they gain, and their tables leave the machine's nearest cache.
const CONTEXTS: usize = 16;
/// Numbers that a writer has at least for each context.
const NUMBERS_OF_A_CONTEXT: usize = 256;
const STREAMS: usize = 4;
/// Bytes of the lengths of all streams but the last.
const LENS: usize = 4 * (STREAMS - 1);
/// How many widths there are.
const WIDTHS: usize = 65;
/// Zeros behind the streams, so that a number near their end is read like any other.
const PADDING: usize = 16;

/// The bits below the highest one of a number and one more: 0 to as many as the lane has.
#[inline(always)]
fn width<L: Lane>(number: L) -> u8 {
    below_highest::<L>(number.plus(L::truncate(1)).width())
}

/// The bits below the highest one of so many. Of none the number had one bit more than the lane.
#[inline(always)]
fn below_highest<L: Lane>(bits: u8) -> u8 {
    bits.wrapping_sub(1).min(byte(L::BITS as usize))
}

/// In which order residuals stand, and which of them come before which in a run.
pub(super) struct Walk<'a> {
    early: &'a [Early],
    stretches: &'a [Stretch],
}

/// The parts of the walk through a run of all lanes.
pub(super) struct OneRun {
    early: [Early; EARLY as usize],
    count: usize,
    stretch: Stretch,
}

impl OneRun {
    pub(super) fn of(lanes: usize) -> OneRun {
        let count = lanes.min(EARLY as usize);
        OneRun {
            early: [0, 1, 2].map(|row| Early { row, index: row }),
            count,
            stretch: Stretch {
                row: EARLY,
                len: 1,
                ticks: u32::try_from(lanes - count).expect("a block has fewer rows"),
                back: [1, 2, 3],
            },
        }
    }

    pub(super) fn walk(&self) -> Walk<'_> {
        let stretches = if self.stretch.ticks > 0 { std::slice::from_ref(&self.stretch) } else { &[] };
        Walk { early: &self.early[..self.count], stretches }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn of(places: &'a Places) -> Walk<'a> {
        Walk { early: &places.early, stretches: &places.stretches }
    }

    /// How many residuals are early. All of them are read, even if fewer are asked for.
    pub(super) fn early(&self) -> usize {
        self.early.len()
    }

    /// Rows as far as the walk goes.
    fn rows(&self) -> usize {
        let early = self.early.last().map_or(0, |early| early.row + 1);
        let rest = self.stretches.last().map_or(0, |last| last.row + last.len * last.ticks);
        early.max(rest) as usize
    }

    /// The first row of each tick of the stretches, with how many rows there are and how far back the same entities' last ones are.
    fn ticks(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.stretches.iter().flat_map(|&Stretch { row, len, ticks, back }| {
            (0..ticks).map(move |tick| ((row + tick * len) as usize, len as usize, back[0] as usize))
        })
    }
}

/// About the bits that numbers need, without what tells their widths.
pub(super) fn cost<L: Lane>(numbers: &[L]) -> u64 {
    let mut widths = [0; 128];
    let mut of = |numbers: &[L]| {
        let widths = &mut widths[..numbers.len()];
        L::widths(numbers, L::truncate(1), widths);
        widths.iter().map(|&width| u64::from(below_highest::<L>(width))).sum::<u64>()
    };
    numbers.chunks(128).map(&mut of).sum()
}

/// Writes codes, with buffers that are reused.
#[derive(Debug, Default)]
pub(crate) struct Coder {
    /// The context that each row is for the next one of its run.
    rows: Vec<u8>,
    /// Of each number that is not early, the width and the context.
    widths: Vec<u8>,
    contexts: Vec<u8>,
}

type PutStream<L> = fn(&Coder, &[L], &Codes, &mut Vec<u8>);

impl Coder {
    /// Appends residuals.
    pub(super) fn encode<L: Lane>(&mut self, residuals: &[L], walk: &Walk<'_>, out: &mut Vec<u8>) {
        let (early, rest) = residuals.split_at(walk.early.len());
        packed::pack(early, out);
        self.find_contexts(early, rest, walk);
        let mut counts = [[0u32; 128]; CONTEXTS];
        for (&context, &width) in self.contexts.iter().zip(&self.widths) {
            counts[usize::from(context) % CONTEXTS][usize::from(width) % 128] += 1;
        }
        let used = counts.iter().rposition(|counts| *counts != [0; 128]).map_or(1, |last| last + 1);
        out.push(byte(used));
        let mut codes = [[Code::default(); 128]; CONTEXTS];
        for (counts, codes) in counts[..used].iter().zip(&mut codes) {
            let lengths = code_lengths(counts);
            put_lengths(counts, &lengths, out);
            each_code(&lengths, |width, len, bits| codes[width] = Code { bits, len });
        }
        let lens_at = out.len();
        out.resize(lens_at + LENS, 0);
        let mut start = out.len();
        let put_streams: [PutStream<L>; STREAMS] =
            [Self::put_stream::<L, 0>, Self::put_stream::<L, 1>, Self::put_stream::<L, 2>, Self::put_stream::<L, 3>];
        for (stream, put_stream) in put_streams.iter().enumerate() {
            put_stream(self, rest, &codes, out);
            let len = u32::try_from(out.len() - start).expect("a column is far below 4 GiB");
            if let Some(to) = out[lens_at..lens_at + LENS].as_chunks_mut().0.get_mut(stream) {
                *to = len.to_le_bytes();
            }
            start = out.len();
        }
    }

    /// Finds the width and the context of each number that is not early.
    fn find_contexts<L: Lane>(&mut self, early: &[L], rest: &[L], walk: &Walk<'_>) {
        let Coder { rows, widths, contexts } = self;
        widths.resize(rest.len(), 0);
        L::widths(rest, L::truncate(1), widths);
        widths.iter_mut().for_each(|width| *width = below_highest::<L>(*width));
        let last = byte((rest.len() / NUMBERS_OF_A_CONTEXT).clamp(1, CONTEXTS) - 1);
        rows.resize(walk.rows(), 0);
        contexts.clear();
        for &Early { row, index } in walk.early {
            rows[row as usize] = width(early[index as usize]).min(last);
        }
        let mut rest = &widths[..];
        for (row, len, back) in walk.ticks() {
            let (widths, more) = rest.split_at(len);
            rest = more;
            let (past, now) = rows.split_at_mut(row);
            contexts.extend_from_slice(&past[row - back..][..len]);
            now.iter_mut().zip(widths).for_each(|(row, &width)| *row = width.min(last));
        }
    }

    /// Appends one of the streams.
    fn put_stream<L: Lane, const STREAM: usize>(&self, rest: &[L], codes: &Codes, out: &mut Vec<u8>) {
        let start = out.len();
        let most = rest.len().div_ceil(STREAMS) * (MAX_CODE + L::BITS) as usize / 8;
        out.resize(start + most + 2 * size_of::<u64>(), 0);
        let mut bits = Bits { out: &mut out[start..], len: 0, rest: 0, count: 0 };
        let (numbers, last_number) = rest.as_chunks::<STREAMS>();
        let (widths, last_width) = self.widths.as_chunks::<STREAMS>();
        let (contexts, last_context) = self.contexts.as_chunks::<STREAMS>();
        for ((numbers, widths), contexts) in numbers.iter().zip(widths).zip(contexts) {
            bits.put(codes, contexts[STREAM], numbers[STREAM], widths[STREAM]);
        }
        if let Some(&number) = last_number.get(STREAM) {
            bits.put(codes, last_context[STREAM], number, last_width[STREAM]);
        }
        let len = bits.len + usize::from(bits.count > 0);
        out.truncate(start + len);
    }
}

fn byte(number: usize) -> u8 {
    u8::try_from(number).expect("what becomes a byte is below 256")
}

/// The code of a width. Its first bit is the lowest.
#[derive(Clone, Copy, Debug, Default)]
struct Code {
    bits: u8,
    len: u8,
}

/// By context and width, of which there is room for more than there are, so that each index is one of them.
type Codes = [[Code; 128]; CONTEXTS];

/// A stream that is written.
struct Bits<'a> {
    /// As large as the stream may become, and then some.
    out: &'a mut [u8],
    len: usize,
    /// Less than eight bits that are not among the bytes yet.
    rest: u64,
    count: u32,
}

impl Bits<'_> {
    /// Appends a number of some width.
    #[inline(always)]
    fn put<L: Lane>(&mut self, codes: &Codes, context: u8, number: L, width: u8) {
        let Code { bits, len } = codes[usize::from(context) % CONTEXTS][usize::from(width) % 128];
        let (code, len, width) = (u64::from(bits), u32::from(len), u32::from(width));
        // Without its highest one, which a number of 64 bits and one more has no place for.
        let low = number.into().wrapping_add(1) ^ 1u64.checked_shl(width).unwrap_or(0);
        if L::BITS < u64::BITS {
            self.push(code | low << len, len + width);
        } else {
            let half = width / 2;
            self.push(code | (low & !(u64::MAX << half)) << len, len + half);
            self.push(low >> half, width - half);
        }
    }

    /// Appends at most 56 bits.
    #[inline(always)]
    fn push(&mut self, bits: u64, count: u32) {
        self.rest |= bits << self.count;
        self.count += count;
        let Some(word) = self.out.get_mut(self.len..self.len + 8) else { return };
        word.copy_from_slice(&self.rest.to_le_bytes());
        let whole = self.count / 8;
        self.len += whole as usize;
        self.rest >>= whole * 8;
        self.count %= 8;
    }
}

/// The lengths of the codes of widths that occur so often, none longer than [`MAX_CODE`], which together cost least; 0 of those that
/// do not occur, or are alone.
///
/// This is package-merge (Larmore and Hirschberg, 1990): of the cheapest items that are bought, how many are single widths at each
/// length tells how many widths have codes at least that long.
fn code_lengths(counts: &[u32; 128]) -> [u8; WIDTHS] {
    let mut lengths = [0; WIDTHS];
    let mut widths: Vec<(u32, usize)> =
        counts[..WIDTHS].iter().copied().zip(0..).filter(|&(count, _)| count > 0).collect();
    widths.sort_unstable();
    if widths.len() < 2 {
        return lengths;
    }
    // For each length from the longest on: what the items cost, and whether each is a single width.
    let mut levels: Vec<Vec<(u32, bool)>> = Vec::with_capacity(MAX_CODE as usize);
    for _ in 0..MAX_CODE {
        let pairs = levels.last().map_or(&[][..], |level| level.as_chunks::<2>().0);
        let mut pairs = pairs.iter().map(|[one, other]| one.0 + other.0).peekable();
        let mut level = Vec::with_capacity(2 * widths.len());
        for &(count, _) in &widths {
            level.extend(std::iter::from_fn(|| pairs.next_if(|pair| *pair < count)).map(|pair| (pair, false)));
            level.push((count, true));
        }
        level.extend(pairs.map(|pair| (pair, false)));
        levels.push(level);
    }
    let mut bought = 2 * widths.len() - 2;
    for level in levels.iter().rev() {
        let single = level[..bought].iter().filter(|(_, is_single)| *is_single).count();
        widths[..single].iter().for_each(|&(_, width)| lengths[width] += 1);
        bought = 2 * (bought - single);
    }
    lengths
}

/// Appends the lengths of a context's codes.
fn put_lengths(counts: &[u32; 128], lengths: &[u8; WIDTHS], out: &mut Vec<u8>) {
    let occurs = |count: &u32| *count > 0;
    let (Some(first), Some(last)) = (counts.iter().position(occurs), counts.iter().rposition(occurs)) else {
        return out.push(0);
    };
    let told = &lengths[first..=last];
    out.extend([byte(told.len()), byte(first)]);
    if told.len() > 1 {
        out.extend(told.chunks(2).map(|two| two[0] | two.get(1).unwrap_or(&0) << 4));
    }
}

/// Hands out codes in the order of their lengths and then of widths: calls `of` with each width that has one, its length and its bits,
/// of which the first one is the lowest.
fn each_code(lengths: &[u8], mut of: impl FnMut(usize, u8, u8)) {
    // The next code of each length, with zeros behind it.
    let mut next = [0; MAX_CODE as usize + 2];
    for &len in lengths.iter().filter(|len| **len > 0) {
        next[usize::from(len) + 1] += ENTRIES >> len;
    }
    for len in 1..next.len() {
        next[len] += next[len - 1];
    }
    for (width, &len) in lengths.iter().enumerate().filter(|(_, len)| **len > 0) {
        let next = &mut next[usize::from(len)];
        of(width, len, byte(*next).reverse_bits());
        *next += ENTRIES >> len;
    }
}

/// Reads codes, with buffers that are reused.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The context that each row is for the next one of its run, and [`FLAW`].
    rows: Vec<u8>,
    tables: Vec<Table>,
    streams: Vec<u8>,
}

/// By the next bits of a stream, what they begin with. An entry is the length of the code (bits 0 to 7), the width (8 to 15), the
/// context that the number is for the next one of its run, with [`FLAW`] where no code begins so (16 to 23), and the code's length and
/// the width together (24 to 31).
type Table = [u32; ENTRIES];

/// Set in a context: no code tells a width there.
const FLAW: u8 = 0x80;
const NO_CODE: u32 = (FLAW as u32) << 16;

fn entry(width: usize, code: u8, contexts: usize) -> u32 {
    u32::from_le_bytes([code, byte(width), byte(width.min(contexts - 1)), code + byte(width)])
}

/// Numbers of so many bits, all of which are set.
const FULL: [u64; 256] = {
    let mut full = [u64::MAX; 256];
    let mut bits = 0;
    while bits < 64 {
        full[bits] = !(u64::MAX << bits);
        bits += 1;
    }
    full
};

impl Decoder {
    /// Reads the first of `count` residuals into `out`, which they fill: all that are early, and some of those that follow.
    ///
    /// # Errors
    /// The rule that the bytes break.
    pub(super) fn decode<L: Lane>(
        &mut self,
        cursor: &mut Cursor<'_>,
        walk: &Walk<'_>,
        count: usize,
        out: &mut [L],
    ) -> Result<(), String> {
        let is_all = out.len() == count;
        let (early, rest) = out.split_at_mut(walk.early.len());
        packed::check_count(cursor, early.len())?;
        packed::unpack(cursor, early.len(), early)?;
        let contexts = usize::from(cursor.take(1)?[0]);
        if contexts == 0 || contexts > MAX_CONTEXTS {
            return Err(format!("there are {contexts} contexts; 1 to {MAX_CONTEXTS} are expected"));
        }
        self.tables.resize(MAX_CONTEXTS, [NO_CODE; ENTRIES]);
        for table in &mut self.tables[..contexts] {
            read_table::<L>(cursor, contexts, table)?;
        }
        self.rows.resize(walk.rows(), 0);
        for &Early { row, index } in walk.early {
            self.rows[row as usize] = width(early[index as usize]).min(byte(contexts - 1));
        }
        let ends = self.read_streams(cursor)?;
        let mut reader = Reader {
            bytes: &self.streams,
            at: ends.each_ref().map(|range| range.start * 8),
            tables: self.tables.first_chunk().expect("there is room for all"),
        };
        let mut left = &mut *rest;
        let (mut read, mut rows) = (0, 0);
        for (row, len, back) in walk.ticks() {
            let Some((numbers, more)) = left.split_at_mut_checked(len) else { break };
            left = more;
            let (past, now) = self.rows.split_at_mut(row);
            reader.tick(read, &past[row - back..][..len], &mut now[..len], numbers);
            (read, rows) = (read + len, row + len);
        }
        if self.rows[..rows].iter().fold(0, |all, context| all | context) & FLAW != 0 {
            return Err("a width is told where no code tells one".to_owned());
        }
        for (at, Range { end, .. }) in reader.at.into_iter().zip(ends) {
            if at > end * 8 || is_all && at + 8 <= end * 8 {
                return Err(format!(
                    "a stream of codes ends at bit {at}, not within its last byte before bit {}",
                    end * 8
                ));
            }
        }
        Ok(())
    }

    /// Takes the streams, and says where each of them stands.
    fn read_streams(&mut self, cursor: &mut Cursor<'_>) -> Result<[Range<usize>; STREAMS], String> {
        let mut ranges = [const { 0..0 }; STREAMS];
        let mut end = 0;
        for (range, len) in ranges.iter_mut().zip(cursor.take(LENS)?.as_chunks::<4>().0) {
            *range = end..end + u32::from_le_bytes(*len) as usize;
            end = range.end;
        }
        let left = cursor.left();
        if end > left {
            return Err(format!("streams of {end} bytes are expected, but {left} are left"));
        }
        ranges[STREAMS - 1] = end..left;
        self.streams.clear();
        self.streams.extend_from_slice(cursor.take(left)?);
        self.streams.extend_from_slice(&[0; PADDING]);
        Ok(ranges)
    }
}

/// Reads the code of a context.
fn read_table<L: Lane>(cursor: &mut Cursor<'_>, contexts: usize, table: &mut Table) -> Result<(), String> {
    let told = usize::from(cursor.take(1)?[0]);
    if told == 0 {
        table.fill(NO_CODE);
        return Ok(());
    }
    let first = usize::from(cursor.take(1)?[0]);
    if first + told > L::BITS as usize + 1 {
        return Err(format!("a value of {} bits has no width of {}", L::BITS, first + told - 1));
    }
    if told == 1 {
        table.fill(entry(first, 0, contexts));
        return Ok(());
    }
    let mut lengths = [0; WIDTHS + 1];
    for (two, byte) in lengths.as_chunks_mut::<2>().0.iter_mut().zip(cursor.take(told.div_ceil(2))?) {
        *two = [byte & 15, byte >> 4];
    }
    let lengths = &lengths[..told];
    let share = |len: &u8| if u32::from(*len) <= MAX_CODE { ENTRIES >> len } else { 2 * ENTRIES };
    if lengths.iter().filter(|len| **len > 0).map(share).sum::<usize>() != ENTRIES {
        return Err("the lengths of a context's codes are of no code".to_owned());
    }
    each_code(lengths, |width, len, bits| {
        let entry = entry(first + width, len, contexts);
        table[usize::from(bits)..].iter_mut().step_by(1 << len).for_each(|to| *to = entry);
    });
    Ok(())
}

/// Reads numbers off all streams in turn.
struct Reader<'a> {
    bytes: &'a [u8],
    /// The next bit of each stream.
    at: [usize; STREAMS],
    tables: &'a [Table; MAX_CONTEXTS],
}

impl Reader<'_> {
    /// Reads some successive numbers, of which the first one is number `first` of all, and the context that each is for the next one of
    /// its run, from those that they have themselves.
    fn tick<L: Lane>(&mut self, first: usize, before: &[u8], contexts: &mut [u8], numbers: &mut [L]) {
        // Up to the first stream's next turn one by one, then all streams at once, then what is left.
        let lead = (first.wrapping_neg() % STREAMS).min(numbers.len());
        let (lead_before, before) = before.split_at(lead);
        let (lead_contexts, contexts) = contexts.split_at_mut(lead);
        let (lead_numbers, numbers) = numbers.split_at_mut(lead);
        self.some(first % STREAMS, lead_before, lead_contexts, lead_numbers);
        let (before, last_before) = before.as_chunks();
        let (contexts, last_contexts) = contexts.as_chunks_mut();
        let (numbers, last_numbers) = numbers.as_chunks_mut();
        let (bytes, tables) = (self.bytes, self.tables);
        let [mut a, mut b, mut c, mut d] = self.at;
        for ((before, contexts), numbers) in before.iter().zip(contexts).zip(numbers) {
            let before: &[u8; STREAMS] = before;
            let first = number(bytes, &mut a, tables, before[0]);
            let second = number(bytes, &mut b, tables, before[1]);
            let third = number(bytes, &mut c, tables, before[2]);
            let fourth = number(bytes, &mut d, tables, before[3]);
            *numbers = [first.0, second.0, third.0, fourth.0];
            *contexts = [first.1, second.1, third.1, fourth.1];
        }
        self.at = [a, b, c, d];
        self.some(0, last_before, last_contexts, last_numbers);
    }

    /// Reads some numbers one by one, beginning with that stream.
    fn some<L: Lane>(&mut self, stream: usize, before: &[u8], contexts: &mut [u8], numbers: &mut [L]) {
        let streams = self.at[stream..].iter_mut();
        for (((at, &before), context), to) in streams.zip(before).zip(contexts).zip(numbers) {
            (*to, *context) = number(self.bytes, at, self.tables, before);
        }
    }
}

/// Reads the number at a bit, and the context that it is.
#[inline(always)]
fn number<L: Lane>(bytes: &[u8], at: &mut usize, tables: &[Table; MAX_CONTEXTS], before: u8) -> (L, u8) {
    let (first, shift) = (*at / 8, *at % 8);
    let table = &tables[usize::from(before) % MAX_CONTEXTS];
    let (entry, bits);
    #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are meant")]
    if L::BITS == u64::BITS {
        let word = bytes.get(first..first + 16).and_then(|bytes| bytes.first_chunk());
        let word = word.map_or(0, |word| u128::from_le_bytes(*word)) >> shift;
        entry = table[usize::from(word as u8)];
        bits = word.wrapping_shr(entry) as u64;
    } else {
        let word = bytes.get(first..first + 8).and_then(|bytes| bytes.first_chunk());
        let word = word.map_or(0, |word| u64::from_le_bytes(*word)) >> shift;
        entry = table[usize::from(word as u8)];
        bits = word.wrapping_shr(entry);
    }
    let [_, width, context, both] = entry.to_le_bytes();
    *at += usize::from(both);
    // With its highest one, less the one that was added.
    let full = FULL[usize::from(width)];
    (L::truncate((bits & full).wrapping_add(full)), context)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frame of residuals at some places.
    fn encoded<L: Lane + std::fmt::Debug>(residuals: &[L], walk: &Walk<'_>) -> Vec<u8> {
        let (mut coder, mut decoder) = (Coder::default(), Decoder::default());
        let mut bytes = Vec::new();
        coder.encode(residuals, walk, &mut bytes);
        let mut back = vec![L::truncate(7); residuals.len()];
        let mut cursor = Cursor::new(&bytes);
        decoder.decode(&mut cursor, walk, residuals.len(), &mut back).unwrap();
        cursor.finish().unwrap();
        assert_eq!(back, residuals);
        for cut in 0..bytes.len() {
            let read = decoder.decode(&mut Cursor::new(&bytes[..cut]), walk, residuals.len(), &mut back);
            assert!(read.is_err(), "cut at {cut}");
        }
        bytes
    }

    fn noise(index: usize) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&index.to_le_bytes())
    }

    fn of_all_lanes(numbers: &[u64], walk: &Walk<'_>) {
        encoded(numbers, walk);
        encoded(&numbers.iter().map(|&number| u32::truncate(number)).collect::<Vec<_>>(), walk);
        encoded(&numbers.iter().map(|&number| u8::truncate(number)).collect::<Vec<_>>(), walk);
    }

    #[test]
    fn numbers_of_every_width_come_back() {
        let every_width = |index: usize| noise(index) >> (noise(index * 7) % 64);
        for len in [1, 2, 3, 4, 5, 7, 8, 300, 2100] {
            let one_run = OneRun::of(len);
            of_all_lanes(&(0..len).map(every_width).collect::<Vec<_>>(), &one_run.walk());
            of_all_lanes(&vec![0; len], &one_run.walk());
            of_all_lanes(&vec![u64::MAX; len], &one_run.walk());
            let ends = |index: usize| [0, u64::MAX, 1, u64::MAX - 1][index % 4];
            of_all_lanes(&(0..len).map(ends).collect::<Vec<_>>(), &one_run.walk());
        }
        let places = Places::of_lens(&[300, 1, 2, 3, 4, 280, 300, 5]);
        let rows = *places.ends.last().unwrap() as usize;
        of_all_lanes(&(0..rows).map(every_width).collect::<Vec<_>>(), &Walk::of(&places));
    }

    #[test]
    fn a_width_is_told_by_the_width_before() {
        // Wide and narrow in turn: no code has any bit.
        let one_run = OneRun::of(1003);
        let numbers: Vec<u32> =
            (0..1003u32).map(|index| if index % 2 == 0 { 1023 + index % 1000 } else { 0 }).collect();
        // The early group, the contexts and the lengths of streams take less than a hundred bytes.
        assert!(encoded(&numbers, &one_run.walk()).len() < 500 * 10 / 8 + 100);
    }

    #[test]
    fn codes_are_the_cheapest_that_there_are() {
        let counts_of = |some: &[u32]| {
            let mut counts = [0; 128];
            counts[..some.len()].copy_from_slice(some);
            counts
        };
        let lengths = |some: &[u32]| code_lengths(&counts_of(some))[..some.len()].to_vec();
        assert_eq!(lengths(&[8, 4, 2, 1, 1]), [1, 2, 3, 4, 4]);
        assert_eq!(lengths(&[0, 3, 0, 3, 3, 3]), [0, 2, 0, 2, 2, 2]);
        assert_eq!(lengths(&[0, 5]), [0, 0]);
        assert_eq!(lengths(&[]), []);
        // Without a longest code these would need 1 to 19 bits.
        let doubling: Vec<u32> = (0..20).map(|power| 1 << power).collect();
        let limited = lengths(&doubling);
        assert_eq!(*limited.iter().max().unwrap(), 8);
        assert_eq!(limited.iter().map(|len| ENTRIES >> len).sum::<usize>(), ENTRIES);
        assert!(limited.is_sorted_by(|len, next| len >= next));
        assert_eq!(lengths(&[1; 65]).iter().map(|len| ENTRIES >> len).sum::<usize>(), ENTRIES);
    }

    #[test]
    fn bits_stand_where_the_format_says() {
        let one_run = OneRun::of(8);
        let bytes = encoded(&[0u32, 0, 0, 0, 4, 0, 0, 5], &one_run.walk());
        // One group of no bits. One context: three widths from 0 on, of which the codes are 0, none and 1.
        let head = [0, 1, 3, 0, 0x01, 0x01];
        // The first stream has 0 (its code is 0) and 5 (code 1, then the low bits of 6: 2 in two bits); the second has 4 (1 and 1).
        let streams = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0b1010, 0b011, 0, 0];
        assert_eq!(bytes, [&head[..], &streams].concat());
    }
}
