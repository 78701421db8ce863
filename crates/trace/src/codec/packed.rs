//! Numbers in groups of 128, each group at the bit width that costs least, with the few that are wider told apart: one
//! jump must not widen its neighbours.
//!
//! A group is a byte (bit width in bits 0 to 6, bit 7 when there are exceptions), with exceptions their count and the
//! bit width of their upper parts (a byte each), the numbers' low bits, and with exceptions their places (a byte each)
//! and their upper parts.

use cdt_schema::vectorized;

use super::Lane;
use super::bits::{self, GROUP, bytes_of};
use crate::frame::Cursor;

/// Set in a group's first byte when numbers in it are wider than its width.
const EXCEPTIONS: u8 = 0x80;
/// Most exceptions that a writer makes; a reader takes as many as there are numbers.
const MOST_EXCEPTIONS: u32 = 40;
/// Bits that an exception must save beyond what it costs: it takes a reader longer than a number that fits.
const TELLING: u32 = 8;

/// Appends numbers.
pub(super) fn pack<L: Lane>(numbers: &[L], out: &mut Vec<u8>) {
    vectorized!(each_shape(
        numbers,
        #[inline(always)]
        |group, count, widths, shape| pack_group(group, count, widths, shape, out)
    ));
}

/// Calls `of` with every group, how many of its numbers are used, their widths, and its shape.
#[inline(always)]
fn each_shape<L: Lane>(numbers: &[L], mut of: impl FnMut(&[L; GROUP], usize, &Widths, Shape)) {
    for numbers in numbers.chunks(GROUP) {
        let padded;
        let group = match numbers.first_chunk() {
            Some(group) => group,
            None => {
                padded = with_zeros(numbers);
                &padded
            }
        };
        let widths = Widths::of(group);
        of(group, numbers.len(), &widths, Shape::of::<L>(&widths, numbers.len()));
    }
}

/// A group of which the first are used and the others zero.
fn with_zeros<L: Lane>(numbers: &[L]) -> [L; GROUP] {
    let mut group = [L::truncate(0); GROUP];
    group[..numbers.len()].copy_from_slice(numbers);
    group
}

/// Appends a group of which `count` numbers are used and the others zero.
#[inline(always)]
fn pack_group<L: Lane>(group: &[L; GROUP], count: usize, widths: &Widths, shape: Shape, out: &mut Vec<u8>) {
    let width = shape.width;
    if shape.exceptions == 0 {
        out.push(byte(width));
        bits::pack(group, count, width, out);
        return;
    }
    out.extend_from_slice(&[byte(width) | EXCEPTIONS, byte(shape.exceptions), byte(shape.upper)]);
    bits::pack(group, count, width, out);
    let wide = widths.above(width);
    let exceptions = shape.exceptions as usize;
    let start = out.len();
    let end = start + exceptions + bytes_of(exceptions, shape.upper);
    // The last word may reach beyond the end.
    out.resize(end + 8, 0);
    let (told, parts) = out[start..].split_at_mut(exceptions);
    // A word is written once: to add to bytes that were just written takes the machine longer than all else here.
    let mut words = parts.chunks_mut(8).map_while(|bytes| bytes.first_chunk_mut::<8>());
    let (mut word, mut used) = (0u64, 0);
    for (told, place) in told.iter_mut().zip(places(wide)) {
        *told = byte(place);
        let part = group[place as usize % GROUP].into() >> width;
        word |= part << used;
        used += shape.upper;
        if used >= u64::BITS {
            if let Some(bytes) = words.next() {
                *bytes = word.to_le_bytes();
            }
            used -= u64::BITS;
            word = part.checked_shr(shape.upper - used).unwrap_or(0);
        }
    }
    let last = words.next();
    debug_assert!(last.is_some(), "the last word has room behind the end");
    if let Some(bytes) = last {
        *bytes = word.to_le_bytes();
    }
    out.truncate(end);
}

/// The `width` bits from the `at`-th of `bytes` on, which are a part of a lane. Eight bytes more stand behind the last.
#[inline(always)]
fn bits_at<L: Lane>(bytes: &[u8], at: usize, width: u32) -> u64 {
    let (byte, shift) = (at / 8, at % 8);
    let word = bytes.get(byte..byte + 8).and_then(|bytes| bytes.first_chunk());
    let mut bits = word.map_or(0, |word| u64::from_le_bytes(*word)) >> shift;
    // Of one that begins within a byte a ninth may be needed.
    if L::BITS > 56 && width > 56 && shift > 0 {
        bits |= u64::from(bytes[byte + 8]) << (64 - shift);
    }
    bits & u64::MAX >> (64 - width)
}

/// The places of the bits that are set, ascending.
fn places(mut bits: u128) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (place < u128::BITS).then_some(place)
    })
}

fn byte(number: u32) -> u8 {
    u8::try_from(number).expect("at most 127")
}

/// How a group is cut into low bits and exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    width: u32,
    exceptions: u32,
    /// Bits of the exceptions' upper parts.
    upper: u32,
}

impl Shape {
    /// The cheapest for a group; of equal ones the widest.
    #[inline(always)]
    fn of<L: Lane>(widths: &Widths, count: usize) -> Shape {
        let mut narrower = widths.occurring::<L>();
        let widest = u64::BITS - narrower.leading_zeros();
        let mut best = Shape { width: widest, exceptions: 0, upper: 0 };
        let mut least = best.bits(count);
        while narrower != 0 {
            narrower ^= 1 << (u64::BITS - 1 - narrower.leading_zeros());
            // Between two widths that occur, each bit less is a gain, or nothing where all are exceptions.
            let width = u64::BITS - narrower.leading_zeros();
            let exceptions = widths.count_above(width);
            if exceptions > MOST_EXCEPTIONS {
                break;
            }
            let shape = Shape { width, exceptions, upper: widest - width };
            let bits = shape.bits(count);
            if bits < least {
                (best, least) = (shape, bits);
            }
        }
        best
    }

    /// What a group of `count` numbers costs in this shape, in bits.
    #[inline(always)]
    fn bits(self, count: usize) -> u32 {
        let low = bits_of(count, self.width);
        if self.exceptions == 0 { low } else { low + 16 + self.exceptions * (8 + self.upper + TELLING) }
    }
}

/// How many bits each number of a group has. Bytes, because the machine compares many of them at once.
struct Widths([u8; GROUP]);

impl Widths {
    #[inline(always)]
    fn of<L: Lane>(group: &[L; GROUP]) -> Widths {
        let mut widths = [0; GROUP];
        L::widths(group, L::truncate(0), &mut widths);
        Widths(widths)
    }

    /// The widths that occur: 1 in the lowest bit, and so on.
    #[inline(always)]
    fn occurring<L: Lane>(&self) -> u64 {
        // Of fewer bits the machine takes more at once.
        if L::BITS > 32 {
            let bit = |width: u8| 1u64.checked_shl(u32::from(width).wrapping_sub(1)).unwrap_or(0);
            return self.0.iter().fold(0, |all, &width| all | bit(width));
        }
        let bit = |width: u8| 1u32.checked_shl(u32::from(width).wrapping_sub(1)).unwrap_or(0);
        u64::from(self.0.iter().fold(0, |all, &width| all | bit(width)))
    }

    /// How many numbers have more bits.
    #[inline(always)]
    fn count_above(&self, width: u32) -> u32 {
        let width = byte(width);
        u32::from(self.0.iter().fold(0u8, |many, &other| many + u8::from(other > width)))
    }

    /// The numbers with more bits, a bit each.
    #[inline(always)]
    fn above(&self, width: u32) -> u128 {
        let flags = self.0.map(|other| u8::from(u32::from(other) > width));
        // Gathers the lowest bits of eight bytes in the highest byte.
        const GATHER: u64 = 0x0102_0408_1020_4080;
        let bytes = flags.as_chunks::<8>().0;
        let gathered = bytes.iter().map(|bytes| u64::from_le_bytes(*bytes).wrapping_mul(GATHER) >> 56);
        gathered.rev().fold(0, |all, eight| all << 8 | u128::from(eight))
    }
}

/// Bits of a group of `count` numbers of a width, with its first byte.
fn bits_of(count: usize, width: u32) -> u32 {
    8 + u32::try_from(count).expect("at most 128") * width
}

/// Bits that numbers would need when packed.
pub(super) fn cost<L: Lane>(numbers: &[L]) -> u64 {
    let mut bits = 0;
    vectorized!(each_shape(numbers, |_, count, _, shape| bits += u64::from(shape.bits(count))));
    bits
}

/// Reads the first of `count` numbers into `out`, which they fill.
///
/// # Errors
/// The rule that the bytes break.
pub(super) fn unpack<L: Lane>(cursor: &mut Cursor<'_>, count: usize, out: &mut [L]) -> Result<(), String> {
    vectorized!(unpack_groups(cursor, count, out))
}

#[inline(always)]
fn unpack_groups<L: Lane>(cursor: &mut Cursor<'_>, count: usize, out: &mut [L]) -> Result<(), String> {
    let before_last = out.len() / GROUP * GROUP;
    let (groups, rest) = out.as_chunks_mut::<GROUP>();
    for group in groups {
        unpack_group(cursor, GROUP, group)?;
    }
    if !rest.is_empty() {
        let mut group = [L::truncate(0); GROUP];
        unpack_group(cursor, GROUP.min(count - before_last), &mut group)?;
        rest.copy_from_slice(&group[..rest.len()]);
    }
    Ok(())
}

/// That `count` numbers may stand in what is left; a reader must know before it makes room for them.
///
/// # Errors
/// They may not.
pub(super) fn check_count(cursor: &Cursor<'_>, count: usize) -> Result<(), String> {
    if count.div_ceil(GROUP) > cursor.left() {
        return Err(format!("{count} values cannot stand in {} bytes", cursor.left()));
    }
    Ok(())
}

#[inline(always)]
fn unpack_group<L: Lane>(cursor: &mut Cursor<'_>, count: usize, group: &mut [L; GROUP]) -> Result<(), String> {
    let head = cursor.take(1)?[0];
    let width = u32::from(head & !EXCEPTIONS);
    if width > L::BITS {
        return Err(format!("a value has at most {} bits, not {width}", L::BITS));
    }
    if head & EXCEPTIONS == 0 {
        bits::unpack(cursor.take(bytes_of(count, width))?, count, width, group);
        return Ok(());
    }
    let shape = cursor.take(2)?;
    let (exceptions, upper) = (usize::from(shape[0]), u32::from(shape[1]));
    if exceptions == 0 || exceptions > count || upper == 0 || width + upper > L::BITS {
        return Err(format!(
            "{exceptions} values of {width} + {upper} bits cannot be among {count} of {} bits",
            L::BITS
        ));
    }
    bits::unpack(cursor.take(bytes_of(count, width))?, count, width, group);
    let places = cursor.take(exceptions)?;
    let len = bytes_of(exceptions, upper);
    let with_more = cursor.peek(len + 8);
    let packed = cursor.take(len)?;
    let mut padded;
    let parts = match with_more {
        Some(with_more) => with_more,
        None => {
            padded = [0; bytes_of(GROUP, 64) + 8];
            padded[..len].copy_from_slice(packed);
            &padded[..]
        }
    };
    let (mut at, mut free, mut ascend) = (0, 0, true);
    for &place in places {
        let part = bits_at::<L>(parts, at, upper);
        at += upper as usize;
        let place = usize::from(place);
        ascend &= place >= free;
        free = place + 1;
        let number = &mut group[place % GROUP];
        *number = number.or(L::truncate(part << width));
    }
    if !ascend || free > count {
        let is_wrong = |at: &usize| usize::from(places[*at]) >= count || *at > 0 && places[at - 1] >= places[*at];
        let place = (0..exceptions).find(is_wrong).map_or(0, |at| places[at]);
        return Err(format!("an exception cannot stand at place {place}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<L: Lane + std::fmt::Debug>(numbers: &[L]) -> usize {
        let mut bytes = Vec::new();
        pack(numbers, &mut bytes);
        let mut back = vec![L::truncate(1); numbers.len()];
        let mut cursor = Cursor::new(&bytes);
        unpack(&mut cursor, numbers.len(), &mut back).unwrap();
        cursor.finish().unwrap();
        assert_eq!(back, numbers);
        for cut in 0..bytes.len() {
            assert!(unpack::<L>(&mut Cursor::new(&bytes[..cut]), numbers.len(), &mut back).is_err(), "cut at {cut}");
        }
        bytes.len()
    }

    #[test]
    fn numbers_of_every_shape_come_back() {
        for len in [0, 1, 2, 63, 64, 65, 127, 128, 129, 300] {
            let mixed = |index: u64| twox_hash::XxHash3_64::oneshot(&index.to_le_bytes()) >> (index * 7 % 64);
            let numbers: Vec<u64> = (0..len).map(mixed).collect();
            round_trip(&numbers);
            round_trip(&numbers.iter().map(|&number| u32::truncate(number)).collect::<Vec<_>>());
            round_trip(&numbers.iter().map(|&number| u8::truncate(number)).collect::<Vec<_>>());
        }
        round_trip(&[u64::MAX; 70]);
        round_trip(&[u64::MAX, 0, 0, u64::MAX, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn the_shape_is_the_cheapest_of_all() {
        for seed in 0..200u64 {
            let noise = |index: u64| twox_hash::XxHash3_64::oneshot(&(seed << 32 | index).to_le_bytes());
            let count = [GROUP, GROUP, 100, 7][usize::try_from(noise(1000) % 4).unwrap()];
            let mut group = [0u64; GROUP];
            for (number, index) in group[..count].iter_mut().zip(0..) {
                // Most below some width, and some wider.
                let narrow = noise(index) >> (64 - noise(1001) % 20).min(63);
                *number = if noise(index + 500) % 100 < noise(1002) % 40 {
                    noise(index) >> (noise(1003) % 60)
                } else {
                    narrow
                };
            }
            let widths = Widths::of(&group);
            let widest = group.iter().map(|number| u64::BITS - number.leading_zeros()).max().unwrap_or(0);
            let shape = |width: u32| {
                let is_wider = |number: &&u64| u64::BITS - number.leading_zeros() > width;
                let exceptions = u32::try_from(group.iter().filter(is_wider).count()).unwrap();
                Shape { width, exceptions, upper: if exceptions > 0 { widest - width } else { 0 } }
            };
            let all = (0..=widest).rev().map(shape).filter(|shape| shape.exceptions <= MOST_EXCEPTIONS);
            let least = all.map(|shape| shape.bits(count)).min();
            let taken = Shape::of::<u64>(&widths, count);
            assert_eq!((Some(taken.bits(count)), taken), (least, shape(taken.width)), "seed {seed}");
        }
    }

    #[test]
    fn a_jump_does_not_widen_its_neighbours() {
        let mut numbers = vec![3u32; 128];
        let level = round_trip(&numbers);
        numbers[40] = u32::MAX;
        assert!(round_trip(&numbers) <= level + 7);
    }

    #[test]
    fn bytes_that_no_writer_makes_are_refused() {
        let refused = |bytes: &[u8], count: usize| {
            unpack::<u32>(&mut Cursor::new(bytes), count, &mut vec![0; count]).unwrap_err()
        };
        assert_eq!(refused(&[33], 1), "a value has at most 32 bits, not 33");
        assert!(refused(&[0x80, 0, 1], 1).starts_with("0 values of 0 + 1 bits"));
        assert!(refused(&[0x81, 2, 1, 0], 1).starts_with("2 values of 1 + 1 bits"));
        assert!(refused(&[0x81, 1, 32, 0], 1).starts_with("1 values of 1 + 32 bits"));
        assert_eq!(refused(&[0x81, 1, 1, 0, 1, 1], 1), "an exception cannot stand at place 1");
        assert_eq!(refused(&[0x81, 2, 1, 0, 0, 0, 3], 2), "an exception cannot stand at place 0");
        let refused = check_count(&Cursor::new(&[]), usize::MAX).unwrap_err();
        assert_eq!(refused, format!("{} values cannot stand in 0 bytes", usize::MAX));
    }
}
