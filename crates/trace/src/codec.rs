//! How the values of one column become bytes. Every encoding gives back exactly the lanes that went in.
//!
//! A column is cut into runs (an entity's successive ticks; one run for everything else), because a value is predicted
//! from its own past and not from its neighbour's.

use crate::frame::Cursor;

/// Residuals that share a bit width.
const GROUP: usize = 128;

/// How a column's lanes are stored. The number is what the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ColumnEncoding {
    /// Every lane, little-endian.
    Plain = 0,
    /// One lane, little-endian, that every row has.
    Constant = 1,
    /// Bit-packed lanes.
    Packed0 = 2,
    /// Bit-packed differences to the lane before.
    Packed1 = 3,
    /// Bit-packed second differences.
    Packed2 = 4,
}

impl ColumnEncoding {
    pub(crate) fn from_number(number: u8) -> Option<ColumnEncoding> {
        use ColumnEncoding::{Constant, Packed0, Packed1, Packed2, Plain};
        [Plain, Constant, Packed0, Packed1, Packed2].into_iter().find(|encoding| *encoding as u8 == number)
    }
}

/// A fixed-width unsigned lane.
pub(crate) trait Lane: Copy + PartialEq + Into<u64> {
    const BITS: u32;
    fn truncate(bits: u64) -> Self;
}

macro_rules! lane {
    ($type:ty) => {
        impl Lane for $type {
            const BITS: u32 = <$type>::BITS;
            #[allow(clippy::cast_possible_truncation, trivial_numeric_casts, reason = "that is what it is for")]
            fn truncate(bits: u64) -> Self {
                bits as $type
            }
        }
    };
}
lane!(u8);
lane!(u32);
lane!(u64);

/// Encodes a column in the smallest of the encodings. `runs` are the lengths of its runs; they sum to `lanes.len()`.
pub(crate) fn encode<L: Lane>(lanes: &[L], runs: &[u32], out: &mut Vec<u8>) -> ColumnEncoding {
    debug_assert_eq!(runs.iter().map(|&run| run as usize).sum::<usize>(), lanes.len());
    if let Some(&first) = lanes.first().filter(|&&first| lanes.iter().all(|&lane| lane == first)) {
        out.extend_from_slice(&first.into().to_le_bytes()[..L::BITS as usize / 8]);
        return ColumnEncoding::Constant;
    }
    let plain = lanes.len() * L::BITS as usize / 8;
    let candidates = [(ColumnEncoding::Packed0, 0), (ColumnEncoding::Packed1, 1), (ColumnEncoding::Packed2, 2)];
    let mut streams = Streams::default();
    let mut best: Option<(usize, ColumnEncoding, u32)> = None;
    for (encoding, order) in candidates {
        differences(lanes, runs, order, &mut streams);
        let size = streams.iter().map(|residuals| packed_size(residuals)).sum();
        if best.is_none_or(|(smallest, ..)| size < smallest) {
            best = Some((size, encoding, order));
        }
    }
    match best.filter(|&(size, ..)| size < plain) {
        Some((_, encoding, order)) => {
            differences(lanes, runs, order, &mut streams);
            streams.iter().for_each(|residuals| pack(residuals, out));
            encoding
        }
        None => {
            lanes.iter().for_each(|&lane| out.extend_from_slice(&lane.into().to_le_bytes()[..L::BITS as usize / 8]));
            ColumnEncoding::Plain
        }
    }
}

/// Decodes a column of `count` lanes, which must use up `bytes`.
///
/// # Errors
/// The rule that the bytes break.
pub(crate) fn decode<L: Lane>(
    encoding: ColumnEncoding,
    bytes: &[u8],
    count: usize,
    runs: &[u32],
) -> Result<Vec<L>, String> {
    let width = L::BITS as usize / 8;
    let expect = |expected: usize| {
        if bytes.len() == expected {
            Ok(())
        } else {
            Err(format!("{expected} bytes are expected, not {}", bytes.len()))
        }
    };
    match encoding {
        ColumnEncoding::Constant => {
            expect(width)?;
            Ok(vec![lane_of(bytes); count])
        }
        ColumnEncoding::Plain => {
            expect(width * count)?;
            Ok(bytes.chunks_exact(width).map(lane_of).collect())
        }
        ColumnEncoding::Packed0 => undo(bytes, count, runs, 0),
        ColumnEncoding::Packed1 => undo(bytes, count, runs, 1),
        ColumnEncoding::Packed2 => undo(bytes, count, runs, 2),
    }
}

fn lane_of<L: Lane>(bytes: &[u8]) -> L {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    L::truncate(u64::from_le_bytes(wide))
}

/// The residuals of a column in three streams, packed apart: the first lanes of its runs, the second ones, and all
/// others. A run's first lanes are larger than what follows, and would widen every group they stood in.
type Streams = [Vec<u64>; 3];

/// Fills the streams. With order 0 they are the lanes themselves, in the last stream. With order 1 or 2 a run's first lane
/// is told as its difference to the first lane of the run before; the others as the difference to the lane before (order
/// 1) or to the line through the two lanes before (order 2, whose second lanes have only one before them).
fn differences<L: Lane>(lanes: &[L], runs: &[u32], order: u32, streams: &mut Streams) {
    streams.iter_mut().for_each(Vec::clear);
    let [heads, seconds, rest] = streams;
    if order == 0 {
        rest.extend(lanes.iter().map(|&lane| lane.into()));
        return;
    }
    let mut last_head = 0;
    let mut at = 0;
    for &run in runs.iter().filter(|&&run| run > 0) {
        let run = &lanes[at..at + run as usize];
        at += run.len();
        let mut before: u64 = run[0].into();
        heads.push(zigzag::<L>(before, last_head));
        last_head = before;
        let mut slope = 0u64;
        for (index, &lane) in run.iter().enumerate().skip(1) {
            let now = lane.into();
            let residual = zigzag::<L>(now, before.wrapping_add(slope));
            if order == 2 {
                slope = now.wrapping_sub(before);
                if index == 1 { seconds.push(residual) } else { rest.push(residual) }
            } else {
                rest.push(residual);
            }
            before = now;
        }
    }
}

/// Undoes [`differences`] on packed bytes.
fn undo<L: Lane>(bytes: &[u8], count: usize, runs: &[u32], order: u32) -> Result<Vec<L>, String> {
    let mut cursor = Cursor::new(bytes);
    let longer = |len: u32| runs.iter().filter(|&&run| run > len).count();
    let first = if order == 0 { 0 } else { longer(0) };
    let second = if order == 2 { longer(1) } else { 0 };
    let mut heads = Packed::take(&mut cursor, first)?;
    let mut seconds = Packed::take(&mut cursor, second)?;
    let mut rest = Packed::take(&mut cursor, count - first - second)?;
    cursor.finish()?;
    let mut lanes: Vec<L> = Vec::with_capacity(count);
    if order == 0 {
        for bits in rest {
            lanes.push(fitting(bits)?);
        }
        return Ok(lanes);
    }
    let mut last_head = 0u64;
    for &run in runs.iter().filter(|&&run| run > 0) {
        let mut before = last_head.wrapping_add(unzigzag(heads.next().expect("one for each run")));
        last_head = before;
        lanes.push(L::truncate(before));
        let mut slope = 0u64;
        for index in 1..run {
            let stream = if order == 2 && index == 1 { &mut seconds } else { &mut rest };
            let now = before.wrapping_add(slope).wrapping_add(unzigzag(stream.next().expect("one for each lane")));
            if order == 2 {
                slope = now.wrapping_sub(before);
            }
            before = now;
            lanes.push(L::truncate(now));
        }
    }
    Ok(lanes)
}

/// A lane that was stored as it is.
fn fitting<L: Lane>(bits: u64) -> Result<L, String> {
    if L::BITS < 64 && bits >> L::BITS != 0 {
        return Err(format!("{bits} does not fit {} bits", L::BITS));
    }
    Ok(L::truncate(bits))
}

/// The difference `now - predicted` in the lane's width, small in magnitude made small as a number.
fn zigzag<L: Lane>(now: u64, predicted: u64) -> u64 {
    let unused = 64 - L::BITS;
    let difference = (now.wrapping_sub(predicted) << unused).cast_signed() >> unused;
    (difference << 1 ^ difference >> 63).cast_unsigned()
}

fn unzigzag(residual: u64) -> u64 {
    residual >> 1 ^ (residual & 1).wrapping_neg()
}

fn width_of(group: &[u64]) -> u32 {
    64 - group.iter().fold(0, |all, &residual| all | residual).leading_zeros()
}

fn packed_size(residuals: &[u64]) -> usize {
    residuals.chunks(GROUP).map(|group| 1 + (group.len() * width_of(group) as usize).div_ceil(8)).sum()
}

/// Appends groups of residuals: the bit width as u8, then the residuals, least significant bits first.
fn pack(residuals: &[u64], out: &mut Vec<u8>) {
    for group in residuals.chunks(GROUP) {
        let width = width_of(group);
        out.push(u8::try_from(width).expect("at most 64"));
        let mut pending = 0u128;
        let mut bits = 0;
        for &residual in group {
            pending |= u128::from(residual) << bits;
            bits += width;
            while bits >= 64 {
                #[allow(clippy::cast_possible_truncation, reason = "the low 64 bits are what is due")]
                out.extend_from_slice(&(pending as u64).to_le_bytes());
                pending >>= 64;
                bits -= 64;
            }
        }
        out.extend_from_slice(&pending.to_le_bytes()[..(bits as usize).div_ceil(8)]);
    }
}

/// Residuals that are unpacked a group at a time, because few bytes may stand for very many of them.
struct Packed<'a> {
    groups: Cursor<'a>,
    /// Residuals that stand in `groups`.
    packed: usize,
    unpacked: Vec<u64>,
    at: usize,
}

impl<'a> Packed<'a> {
    /// Takes the groups of `count` residuals, and checks that they are there.
    fn take(cursor: &mut Cursor<'a>, count: usize) -> Result<Packed<'a>, String> {
        // Every 128 residuals cost a byte at least.
        if count.div_ceil(GROUP) > cursor.left() {
            return Err(format!("{count} values cannot stand in {} bytes", cursor.left()));
        }
        let groups = cursor.clone();
        let mut left = count;
        while left > 0 {
            let group = GROUP.min(left);
            let width = cursor.take(1)?[0];
            if width > 64 {
                return Err(format!("a bit width is at most 64, not {width}"));
            }
            cursor.take((group * usize::from(width)).div_ceil(8))?;
            left -= group;
        }
        Ok(Packed { groups, packed: count, unpacked: Vec::new(), at: 0 })
    }

    fn unpack(&mut self) {
        let group = GROUP.min(self.packed);
        self.packed -= group;
        let mut take = |count| self.groups.take(count).expect("the groups were checked");
        let width = u32::from(take(1)[0]);
        self.unpacked.clear();
        self.at = 0;
        unpack_group(take((group * width as usize).div_ceil(8)), width, group, &mut self.unpacked);
    }
}

impl Iterator for Packed<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.at == self.unpacked.len() {
            if self.packed == 0 {
                return None;
            }
            self.unpack();
        }
        self.at += 1;
        Some(self.unpacked[self.at - 1])
    }
}

fn unpack_group(packed: &[u8], width: u32, group: usize, residuals: &mut Vec<u64>) {
    if width == 0 {
        residuals.extend(std::iter::repeat_n(0, group));
        return;
    }
    let mask = u64::MAX >> (64 - width);
    let mut pending = 0u128;
    let mut bits = 0;
    let mut words = packed.chunks(8);
    for _ in 0..group {
        if bits < width {
            let mut word = [0; 8];
            let chunk = words.next().expect("the length was computed from the width");
            word[..chunk.len()].copy_from_slice(chunk);
            pending |= u128::from(u64::from_le_bytes(word)) << bits;
            bits += 64;
        }
        #[allow(clippy::cast_possible_truncation, reason = "the mask keeps at most 64 bits")]
        residuals.push(pending as u64 & mask);
        pending >>= width;
        bits -= width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes, decodes, and says which encoding was taken and how many bytes it needed.
    fn round_trip<L: Lane + std::fmt::Debug>(lanes: &[L], runs: &[u32]) -> (ColumnEncoding, usize) {
        let mut bytes = Vec::new();
        let encoding = encode(lanes, runs, &mut bytes);
        assert_eq!(decode::<L>(encoding, &bytes, lanes.len(), runs).unwrap(), lanes);
        for cut in 0..bytes.len() {
            assert!(decode::<L>(encoding, &bytes[..cut], lanes.len(), runs).is_err(), "cut at {cut}");
        }
        (encoding, bytes.len())
    }

    #[test]
    fn the_smallest_encoding_is_taken_and_comes_back() {
        assert_eq!(round_trip(&[7u8; 300], &[300]), (ColumnEncoding::Constant, 1));
        assert_eq!(round_trip::<u64>(&[], &[]), (ColumnEncoding::Plain, 0));
        let mut at = 1_000_000;
        let walk = |i: u32| {
            at += i.wrapping_mul(2_654_435_761) >> 28;
            at - 7
        };
        let uneven: Vec<u32> = (0..300).map(walk).collect();
        assert_eq!(round_trip(&uneven, &[300]).0, ColumnEncoding::Packed1);
        assert_eq!(round_trip(&(0..300u64).map(|i| i * i).collect::<Vec<_>>(), &[300]).0, ColumnEncoding::Packed2);
        let noise: Vec<u64> = (1..300u64).map(|i| xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes())).collect();
        assert_eq!(round_trip(&noise, &[299]), (ColumnEncoding::Plain, 299 * 8));
        let small: Vec<u32> = (0..300u32).map(|i| i.wrapping_mul(2_654_435_761) >> 28).collect();
        assert_eq!(round_trip(&small, &[300]).0, ColumnEncoding::Packed0);
        round_trip(&[u64::MAX, 0, u64::MAX, 1], &[4]);
        round_trip(&[255u8, 0, 128, 1], &[4]);
    }

    #[test]
    fn a_jump_between_runs_costs_one_head() {
        let lanes: Vec<u32> = (0..4u32).flat_map(|run| (0..64).map(move |i| run * 1_000_000 + i)).collect();
        let (_, apart) = round_trip(&lanes, &[64; 4]);
        let (_, together) = round_trip(&lanes, &[256]);
        assert!(apart * 3 < together, "{apart} against {together}");
    }

    #[test]
    fn a_count_that_the_bytes_do_not_justify_is_refused() {
        assert!(decode::<u32>(ColumnEncoding::Packed0, &[0], usize::MAX, &[]).is_err());
        assert!(decode::<u8>(ColumnEncoding::Packed0, &[9, 0xff, 0xff], 1, &[1]).unwrap_err().contains("does not fit"));
    }
}
