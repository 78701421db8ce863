//! Residuals whose widths are told by prefix codes. A residual is about as wide as the one before it in its run, so each width of
//! that one is a context with a code of its own: what a code costs is what is not known beforehand. The bits below a number's
//! highest one are noise and stand as they are.
//!
//! First the early residuals, packed. Then the number of contexts (u8) and each one's code: how many widths it tells (u8), the
//! first of them (u8) if there is any, and the length of each one's code (4 bits each; 0 of one that is not told) if there are
//! several. Then the lengths of all streams but the last (u32 each) and the streams. Numbers are dealt to them in turn, so that the
//! machine reads several at once: a number is its width's code and then the bits below its highest one.
//!
//! What stands there is the number and one more, so that zero is no case of its own and differences of one magnitude have one width.

use std::ops::Range;

use cdt_schema::vectorized;

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
/// Places in lists by width: so many that a width's lowest bits are always one of them.
const PLACES: usize = 128;
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

/// How many of the residuals of so many lanes are early. All of those are read, even if fewer are asked for.
pub(super) fn early_of(places: Option<&Places>, lanes: usize) -> usize {
    places.map_or(lanes.min(EARLY as usize), |places| places.early.len())
}

/// The first row of each tick of the rows that are not early, with how many rows there are and how far back the same entities' last ones
/// are.
fn ticks_of(places: &Places) -> impl Iterator<Item = (usize, usize, usize)> {
    places.stretches.iter().flat_map(|&Stretch { row, len, ticks, back }| {
        (0..ticks).map(move |tick| ((row + tick * len) as usize, len as usize, back[0] as usize))
    })
}

/// Makes room for a byte of each row that numbers come from.
fn make_rows(rows: &mut Vec<u8>, places: &Places) {
    rows.resize(places.ends.last().map_or(0, |&end| end as usize), 0);
}

/// The bits that numbers need when one code tells all their widths.
pub(super) fn cost<L: Lane>(numbers: &[L]) -> u64 {
    let mut counts = [0; PLACES];
    let mut widths = [0; PLACES];
    for numbers in numbers.chunks(PLACES) {
        let widths = &mut widths[..numbers.len()];
        vectorized!(L::widths(numbers, L::truncate(1), widths));
        widths.iter().for_each(|&width| counts[usize::from(below_highest::<L>(width)) % PLACES] += 1);
    }
    let costs = code_lengths(&counts).into_iter().zip(0u64..).map(|(len, width)| u64::from(len) + width);
    counts.iter().zip(costs).map(|(&count, cost)| u64::from(count) * cost).sum()
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
    pub(super) fn encode<L: Lane>(&mut self, residuals: &[L], places: Option<&Places>, out: &mut Vec<u8>) {
        let (early, rest) = residuals.split_at(early_of(places, residuals.len()));
        packed::pack(early, out);
        self.find_contexts(early, rest, places);
        let mut counts = [[0u32; PLACES]; CONTEXTS];
        for (&context, &width) in self.contexts.iter().zip(&self.widths) {
            counts[usize::from(context) % CONTEXTS][usize::from(width) % PLACES] += 1;
        }
        let used = counts.iter().rposition(|counts| *counts != [0; PLACES]).map_or(1, |last| last + 1);
        out.push(byte(used));
        let mut codes = [[Code::default(); PLACES]; CONTEXTS];
        for (counts, codes) in counts[..used].iter().zip(&mut codes) {
            let lengths = code_lengths(counts);
            put_lengths(counts, &lengths, out);
            each_code(&lengths, &many_of(&lengths), |width, len, bits| codes[width] = Code { bits, len });
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
    fn find_contexts<L: Lane>(&mut self, early: &[L], rest: &[L], places: Option<&Places>) {
        let Coder { rows, widths, contexts } = self;
        widths.resize(rest.len(), 0);
        vectorized!({
            L::widths(rest, L::truncate(1), widths);
            widths.iter_mut().for_each(|width| *width = below_highest::<L>(*width));
        });
        let last = byte((rest.len() / NUMBERS_OF_A_CONTEXT).clamp(1, CONTEXTS) - 1);
        contexts.clear();
        let Some(places) = places else {
            let before = early.last().map(|&number| width(number)).into_iter().chain(widths.iter().copied());
            contexts.extend(before.map(|width| width.min(last)).take(rest.len()));
            return;
        };
        make_rows(rows, places);
        for &Early { row, index, .. } in &places.early {
            rows[row as usize] = width(early[index as usize]).min(last);
        }
        let mut rest = &widths[..];
        for (row, len, back) in ticks_of(places) {
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
        vectorized!(for ((numbers, widths), contexts) in numbers.iter().zip(widths).zip(contexts) {
            bits.put(codes, contexts[STREAM], numbers[STREAM], widths[STREAM]);
        });
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

/// By context and width.
type Codes = [[Code; PLACES]; CONTEXTS];

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
        let Code { bits, len } = codes[usize::from(context) % CONTEXTS][usize::from(width) % PLACES];
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
        self.out[self.len..self.len + 8].copy_from_slice(&self.rest.to_le_bytes());
        let whole = self.count / 8;
        self.len += whole as usize;
        self.rest >>= whole * 8;
        self.count %= 8;
    }
}

/// The lengths of the codes of widths that occur so often, none longer than [`MAX_CODE`], which together cost least; 0 of those that
/// do not occur, or are alone.
fn code_lengths(counts: &[u32; PLACES]) -> [u8; WIDTHS] {
    let mut lengths = [0; WIDTHS];
    let mut widths = [(0, 0); WIDTHS];
    let mut many = 0;
    for (&count, width) in counts[..WIDTHS].iter().zip(0..).filter(|(count, _)| **count > 0) {
        widths[many] = (count, width);
        many += 1;
    }
    let widths = &mut widths[..many];
    widths.sort_unstable();
    if many > 1 && !huffman(widths, &mut lengths) {
        package_merge(widths, &mut lengths);
    }
    lengths
}

/// Finds the lengths of the codes of widths that occur so often, ascending, by pairing the two rarest items again and again (Huffman,
/// 1952; in two queues, van Leeuwen, 1976). Says whether none is longer than [`MAX_CODE`]; if one is, no length is set.
fn huffman(widths: &[(u32, usize)], lengths: &mut [u8; WIDTHS]) -> bool {
    let many = widths.len();
    // Of single widths, then of pairs: how often they occur, and in which pair they are.
    let (mut counts, mut pairs) = ([0; 2 * WIDTHS], [0; 2 * WIDTHS]);
    counts.iter_mut().zip(widths).for_each(|(to, &(count, _))| *to = count);
    let (mut next_single, mut next_pair) = (0, many);
    for pair in many..2 * many - 1 {
        for _ in 0..2 {
            let is_single = next_single < many && (next_pair == pair || counts[next_single] <= counts[next_pair]);
            let next = if is_single { &mut next_single } else { &mut next_pair };
            pairs[*next] = pair;
            counts[pair] += counts[*next];
            *next += 1;
        }
    }
    let mut depths = [0; 2 * WIDTHS];
    for item in (0..2 * many - 2).rev() {
        depths[item] = depths[pairs[item]] + 1;
    }
    let fit = u32::from(depths[0]) <= MAX_CODE;
    if fit {
        widths.iter().zip(depths).for_each(|(&(_, width), depth)| lengths[width] = depth);
    }
    fit
}

/// Finds the lengths of the cheapest codes of at most [`MAX_CODE`] bits of widths that occur so often, ascending, in place of zeros.
///
/// This is package-merge (Larmore and Hirschberg, 1990): of the cheapest items that are bought, how many are single widths at each
/// length tells how many widths have codes at least that long.
fn package_merge(widths: &[(u32, usize)], lengths: &mut [u8; WIDTHS]) {
    // As many items are bought of the shortest length, and never more.
    let most = 2 * widths.len() - 2;
    // What the cheapest items of a length cost, and for each length from the longest on which of them are single widths, a bit each.
    let (mut items, mut longer) = ([0; 2 * WIDTHS], [0; 2 * WIDTHS]);
    let mut singles = [0u128; MAX_CODE as usize];
    let mut len = 0;
    for singles_of in &mut singles {
        std::mem::swap(&mut items, &mut longer);
        let mut pairs = longer[..len].as_chunks::<2>().0.iter().map(|[one, other]| one + other).peekable();
        let mut counts = widths.iter().map(|&(count, _)| count).peekable();
        len = 0;
        while len < most {
            let cost = match (counts.peek(), pairs.peek()) {
                (Some(count), Some(pair)) if pair < count => pairs.next(),
                (Some(_), _) => {
                    *singles_of |= 1 << len;
                    counts.next()
                }
                (None, _) => pairs.next(),
            };
            let Some(cost) = cost else { break };
            items[len] = cost;
            len += 1;
        }
    }
    let mut bought = u32::try_from(most).expect("at most 128");
    for singles_of in singles.iter().rev() {
        let are_bought = u128::MAX.checked_shr(u128::BITS - bought).unwrap_or(0);
        let many = (singles_of & are_bought).count_ones();
        widths[..many as usize].iter().for_each(|&(_, width)| lengths[width] += 1);
        bought = 2 * (bought - many);
    }
}

/// Appends the lengths of a context's codes.
fn put_lengths(counts: &[u32; PLACES], lengths: &[u8; WIDTHS], out: &mut Vec<u8>) {
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

/// How many codes have each length.
type Many = [usize; MAX_CODE as usize + 1];

fn many_of(lengths: &[u8]) -> Many {
    let mut many = [0; MAX_CODE as usize + 1];
    lengths.iter().for_each(|&len| many[usize::from(len)] += 1);
    many[0] = 0;
    many
}

/// Calls `of` with each width that has a code, ascending, with the code's length and its bits, of which the first one is the lowest.
/// Codes are numbered in the order of their lengths and then of widths; `many` is [`many_of`] the lengths.
fn each_code(lengths: &[u8], many: &Many, mut of: impl FnMut(usize, u8, u8)) {
    // The next code of each length, with zeros behind it.
    let mut next = [0; MAX_CODE as usize + 1];
    for len in 1..next.len() {
        next[len] = next[len - 1] + (many[len - 1] << MAX_CODE >> (len - 1));
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
/// context that the number is for the next one of its run, with [`FLAW`] where the table's context tells no width (16 to 23), and the
/// code's length and the width together (24 to 31). A word is shifted by an entry as it is, for only its lowest bits count.
type Table = [u32; ENTRIES];

/// Set in a context that tells no width.
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
    /// Reads the first of `count` residuals into `out`, which they fill: all that are early, and those that follow up to the end of a tick.
    ///
    /// # Errors
    /// The rule that the bytes break.
    pub(super) fn decode<L: Lane>(
        &mut self,
        cursor: &mut Cursor<'_>,
        places: Option<&Places>,
        count: usize,
        out: &mut [L],
    ) -> Result<(), String> {
        let is_all = out.len() == count;
        let (early, rest) = out.split_at_mut(early_of(places, count));
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
        let ends = self.read_streams(cursor)?;
        let mut reader = Reader {
            bytes: &self.streams,
            at: ends.each_ref().map(|range| range.start * 8),
            tables: self.tables.first_chunk().expect("there is room for all"),
        };
        let context_of = |number: L| width(number).min(byte(contexts - 1));
        let flaws = match places {
            None => vectorized!(reader.one_run(early.last().map_or(0, |&last| context_of(last)), rest)),
            Some(places) => {
                make_rows(&mut self.rows, places);
                for &Early { row, index, .. } in &places.early {
                    self.rows[row as usize] = context_of(early[index as usize]);
                }
                vectorized!(reader.runs(places, &mut self.rows, rest))
            }
        };
        if flaws & FLAW != 0 {
            return Err("a width is needed where its context tells none".to_owned());
        }
        for ((stream, at), Range { end, .. }) in reader.at.into_iter().enumerate().zip(ends) {
            if at > end * 8 || is_all && at + 8 <= end * 8 {
                return Err(format!(
                    "stream {stream} of the codes ends at bit {at} of all, not within its last byte, before bit {}",
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
    let no_code = || "the lengths of a context's codes are of no code".to_owned();
    if lengths.iter().any(|&len| u32::from(len) > MAX_CODE) {
        return Err(no_code());
    }
    let many = many_of(lengths);
    if many.iter().enumerate().map(|(len, many)| (many * ENTRIES) >> len).sum::<usize>() != ENTRIES {
        return Err(no_code());
    }
    // In the order of lengths: where those of each length begin, and then where the next of them stands.
    let (mut codes, mut entries) = ([0; WIDTHS + 1], [0; WIDTHS + 1]);
    let mut places = many;
    let mut end = 0;
    for place in &mut places {
        end += std::mem::replace(place, end);
    }
    each_code(lengths, &many, |width, len, bits| {
        let place = &mut places[usize::from(len)];
        codes[*place] = bits;
        entries[*place] = entry(first + width, len, contexts);
        *place += 1;
    });
    // Bit by bit: what shorter codes begin is the same whatever bit follows, and what longer ones begin is not told yet.
    let mut entries = codes.iter().zip(&entries);
    for (len, &many) in many.iter().enumerate().skip(1) {
        table.copy_within(..1 << (len - 1), 1 << (len - 1));
        entries.by_ref().take(many).for_each(|(&bits, &entry)| table[usize::from(bits)] = entry);
    }
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
    /// Reads the numbers of one run, of which the first has that context; gives all contexts that they are, one over the other.
    #[inline(always)]
    fn one_run<L: Lane>(&mut self, mut context: u8, numbers: &mut [L]) -> u8 {
        let mut all = 0;
        for numbers in numbers.chunks_mut(STREAMS) {
            for (at, to) in self.at.iter_mut().zip(numbers) {
                (*to, context) = number(self.bytes, at, self.tables, context);
                all |= context;
            }
        }
        all
    }

    /// Reads the numbers of entity runs up to the end of a tick; gives all contexts of those rows, one over the other. `contexts` are by row
    /// and hold those of early rows.
    #[inline(always)]
    fn runs<L: Lane>(&mut self, places: &Places, contexts: &mut [u8], mut numbers: &mut [L]) -> u8 {
        let (mut read, mut rows) = (0, 0);
        for (row, len, back) in ticks_of(places) {
            if numbers.is_empty() {
                break;
            }
            let (of_tick, more) = numbers.split_at_mut(len);
            numbers = more;
            let (past, now) = contexts.split_at_mut(row);
            self.tick(read, &past[row - back..][..len], &mut now[..len], of_tick);
            (read, rows) = (read + len, row + len);
        }
        contexts[..rows].iter().fold(0, |all, context| all | context)
    }

    /// Reads some successive numbers, of which the first one is number `first` of all, and the context that each is for the next one of
    /// its run, from those that they have themselves.
    #[inline(always)]
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
    #[inline(always)]
    fn some<L: Lane>(&mut self, stream: usize, before: &[u8], contexts: &mut [u8], numbers: &mut [L]) {
        let streams = self.at[stream..].iter_mut();
        for (((at, &before), context), to) in streams.zip(before).zip(contexts).zip(numbers) {
            (*to, *context) = number(self.bytes, at, self.tables, before);
        }
    }
}

/// Reads the number at a bit, and the context that it is. Behind the last byte all bits are 0: that a stream went there is found when all is
/// read.
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
    fn encoded<L: Lane + std::fmt::Debug>(residuals: &[L], places: Option<&Places>) -> Vec<u8> {
        let (mut coder, mut decoder) = (Coder::default(), Decoder::default());
        let mut bytes = Vec::new();
        coder.encode(residuals, places, &mut bytes);
        let mut back = vec![L::truncate(7); residuals.len()];
        for cut in 0..bytes.len() {
            let read = decoder.decode(&mut Cursor::new(&bytes[..cut]), places, residuals.len(), &mut back);
            assert!(read.is_err(), "cut at {cut}");
        }
        // What was left in buffers does not matter.
        let mut cursor = Cursor::new(&bytes);
        decoder.decode(&mut cursor, places, residuals.len(), &mut back).unwrap();
        cursor.finish().unwrap();
        assert_eq!(back, residuals);
        bytes
    }

    fn noise(index: usize) -> u64 {
        twox_hash::XxHash3_64::oneshot(&index.to_le_bytes())
    }

    fn of_all_lanes(numbers: &[u64], places: Option<&Places>) {
        encoded(numbers, places);
        encoded(&numbers.iter().map(|&number| u32::truncate(number)).collect::<Vec<_>>(), places);
        encoded(&numbers.iter().map(|&number| u8::truncate(number)).collect::<Vec<_>>(), places);
    }

    #[test]
    fn numbers_of_every_width_come_back() {
        let every_width = |index: usize| noise(index) >> (noise(index * 7) % 64);
        for len in [1, 2, 3, 4, 5, 7, 8, 300, 2100] {
            of_all_lanes(&(0..len).map(every_width).collect::<Vec<_>>(), None);
            of_all_lanes(&vec![0; len], None);
            of_all_lanes(&vec![u64::MAX; len], None);
            let ends = |index: usize| [0, u64::MAX, 1, u64::MAX - 1][index % 4];
            of_all_lanes(&(0..len).map(ends).collect::<Vec<_>>(), None);
        }
        let places = Places::of_lens(&[300, 1, 2, 3, 4, 280, 300, 5]);
        let rows = *places.ends.last().unwrap() as usize;
        of_all_lanes(&(0..rows).map(every_width).collect::<Vec<_>>(), Some(&places));
    }

    #[test]
    fn a_width_is_told_by_the_width_before() {
        // Wide and narrow in turn: no code has any bit.
        let numbers: Vec<u32> =
            (0..1003u32).map(|index| if index % 2 == 0 { 1023 + index % 1000 } else { 0 }).collect();
        // The early group, the contexts and the lengths of streams take less than a hundred bytes.
        assert!(encoded(&numbers, None).len() < 500 * 10 / 8 + 100);
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
        // Of all complete codes of at most 8 bits, found by trying, none is cheaper.
        let cost: u32 = doubling.iter().zip(&limited).map(|(count, len)| count * u32::from(*len)).sum();
        assert_eq!(cost, cheapest(&doubling));
        assert_eq!(lengths(&[1; 65]).iter().map(|len| ENTRIES >> len).sum::<usize>(), ENTRIES);
    }

    #[test]
    fn both_ways_to_lengths_cost_the_same() {
        let mut both = 0;
        for round in 0..2000 {
            let count = |index: usize| u32::truncate(noise(round * 100 + index) >> (38 + noise(round) % 24));
            let mut widths: Vec<(u32, usize)> = (0..2 + round % 64).map(|index| (1 + count(index), index)).collect();
            widths.sort_unstable();
            let cost = |lengths: &[u8; WIDTHS]| -> u64 {
                widths.iter().map(|&(count, width)| u64::from(count) * u64::from(lengths[width])).sum()
            };
            let (mut free, mut limited) = ([0; WIDTHS], [0; WIDTHS]);
            package_merge(&widths, &mut limited);
            if huffman(&widths, &mut free) {
                assert_eq!(cost(&free), cost(&limited), "{widths:?}");
                both += 1;
            }
            assert_eq!(widths.iter().map(|&(_, width)| ENTRIES >> limited[width]).sum::<usize>(), ENTRIES);
        }
        assert!((500..1900).contains(&both), "{both} of 2000 had no code that is too long");
    }

    /// What the cheapest code of at most [`MAX_CODE`] bits costs for ascending counts, whose lengths descend.
    fn cheapest(counts: &[u32]) -> u32 {
        // By how much of the code is left: the least cost of the counts that were seen.
        let mut costs = vec![None; ENTRIES + 1];
        costs[ENTRIES] = Some((0, MAX_CODE));
        for count in counts {
            let mut next: Vec<Option<(u32, u32)>> = vec![None; ENTRIES + 1];
            for (left, cost) in costs.iter().enumerate().filter_map(|(left, cost)| Some((left, (*cost)?))) {
                for len in 1..=MAX_CODE {
                    let Some(rest) = left.checked_sub(ENTRIES >> len) else { continue };
                    let new = cost.0 + count * len;
                    if next[rest].is_none_or(|(least, _)| new < least) {
                        next[rest] = Some((new, len));
                    }
                }
            }
            costs = next;
        }
        costs[0].unwrap().0
    }

    #[test]
    fn widths_of_several_numbers_are_those_of_each() {
        let around = (0..32u32).flat_map(|bit| [-1, 0, 1].map(|off| (1u32 << bit).wrapping_add_signed(off)));
        let numbers: Vec<u32> = around.chain([u32::MAX, u32::MAX - 1]).collect();
        for more in [0, 1] {
            let mut widths = vec![0; numbers.len()];
            u32::widths(&numbers, more, &mut widths);
            let each = numbers.iter().map(|number| 32 - number.wrapping_add(more).leading_zeros());
            assert!(widths.iter().map(|&width| u32::from(width)).eq(each));
        }
    }

    #[test]
    fn bits_stand_where_the_format_says() {
        let bytes = encoded(&[0u32, 0, 0, 0, 4, 0, 0, 5], None);
        // One group of no bits. One context: three widths from 0 on, of which the first and the last have codes, 0 and 1.
        let head = [0, 1, 3, 0, 0x01, 0x01];
        // The first stream has 0 (its code is 0) and 5 (code 1, then the low bits of 6: 2 in two bits); the second has 4 (1 and 1).
        let streams = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0b1010, 0b011, 0, 0];
        assert_eq!(bytes, [&head[..], &streams].concat());
    }
}
