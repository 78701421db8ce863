//! Numbers in groups of 64, each group at the bit width that costs least, with the few that are wider told apart: one
//! jump must not widen its 63 neighbours.
//!
//! A group is a byte (bit width in bits 0 to 6, bit 7 when there are exceptions), with exceptions their count and the
//! bit width of their upper parts (a byte each), the numbers' low bits, and with exceptions their places (a byte each)
//! and their upper parts.

use super::Lane;
use super::bits::{self, GROUP};
use crate::frame::Cursor;

/// Set in a group's first byte when numbers in it are wider than its width.
const EXCEPTIONS: u8 = 0x80;
/// Most exceptions that a writer makes; a reader takes as many as there are numbers.
const MOST_EXCEPTIONS: u32 = 20;

/// Appends numbers.
pub(super) fn pack<L: Lane>(numbers: &[L], out: &mut Vec<u8>) {
    let (groups, rest) = numbers.as_chunks::<GROUP>();
    for group in groups {
        pack_group(group, GROUP, out);
    }
    if !rest.is_empty() {
        let mut group = [L::truncate(0); GROUP];
        group[..rest.len()].copy_from_slice(rest);
        pack_group(&group, rest.len(), out);
    }
}

/// Appends a group of which `count` numbers are used and the others zero.
fn pack_group<L: Lane>(group: &[L; GROUP], count: usize, out: &mut Vec<u8>) {
    let shape = Shape::of(group, count);
    let width = shape.width;
    if shape.exceptions == 0 {
        out.push(byte(width));
        pack_low(group, count, width, out);
        return;
    }
    out.extend_from_slice(&[byte(width) | EXCEPTIONS, byte(shape.exceptions), byte(shape.upper)]);
    let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
    let (mut low, mut places, mut uppers, mut wide) = (*group, [0u8; GROUP], [0u64; GROUP], 0);
    for (place, number) in (0u8..).zip(&mut low) {
        let bits: u64 = (*number).into();
        *number = L::truncate(bits & mask);
        // Written in any case and kept only if it counts: a jump for every number would cost more.
        places[wide] = place;
        uppers[wide] = bits >> width;
        wide += usize::from(bits > mask);
    }
    pack_low(&low, count, width, out);
    out.extend_from_slice(&places[..wide]);
    let mut pending = 0u128;
    let mut bits = 0;
    for &upper in &uppers[..wide] {
        pending |= u128::from(upper) << bits;
        bits += shape.upper;
        while bits >= 8 {
            out.push((pending & 0xff) as u8);
            pending >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push((pending & 0xff) as u8);
    }
}

fn byte(number: u32) -> u8 {
    u8::try_from(number).expect("at most 64")
}

fn pack_low<L: Lane>(group: &[L; GROUP], count: usize, width: u32, out: &mut Vec<u8>) {
    let start = out.len();
    bits::pack(group, width, out);
    out.truncate(start + low_bytes(count, width));
}

/// Bytes of the low bits of `count` numbers.
fn low_bytes(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
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
    fn of<L: Lane>(group: &[L; GROUP], count: usize) -> Shape {
        let count = u32::try_from(count).expect("at most 64");
        let all = group.iter().fold(0, |all, &number| all | number.into());
        let widest = width_of(all);
        let mut best = Shape { width: widest, exceptions: 0, upper: 0 };
        if widest <= 1 {
            return best;
        }
        let mut counts = [0u8; 65];
        for &number in group {
            counts[width_of(number.into()) as usize] += 1;
        }
        let mut least = count * widest;
        let mut exceptions = 0;
        for width in (0..widest).rev() {
            exceptions += u32::from(counts[width as usize + 1]);
            if exceptions > MOST_EXCEPTIONS {
                break;
            }
            let cost = 16 + count * width + exceptions * (8 + widest - width);
            if cost < least {
                least = cost;
                best = Shape { width, exceptions, upper: widest - width };
            }
        }
        best
    }
}

/// Bits that numbers would need when packed.
pub(super) fn cost<L: Lane>(numbers: &[L]) -> u64 {
    let of = |group: &[L; GROUP], count: usize| {
        let Shape { width, exceptions, upper } = Shape::of(group, count);
        count as u64 * u64::from(width) + u64::from(8 + if exceptions > 0 { 16 + exceptions * (8 + upper) } else { 0 })
    };
    let (groups, rest) = numbers.as_chunks::<GROUP>();
    let mut tail = [L::truncate(0); GROUP];
    tail[..rest.len()].copy_from_slice(rest);
    groups.iter().map(|group| of(group, GROUP)).sum::<u64>() + of(&tail, rest.len())
}

fn width_of(number: u64) -> u32 {
    64 - number.leading_zeros()
}

/// Reads `count` numbers, appending them to `out`.
///
/// # Errors
/// The rule that the bytes break. No more is allocated than the bytes justify: 64 numbers cost a byte at least.
pub(super) fn unpack<L: Lane>(cursor: &mut Cursor<'_>, count: usize, out: &mut Vec<L>) -> Result<(), String> {
    if count.div_ceil(GROUP) > cursor.left() {
        return Err(format!("{count} values cannot stand in {} bytes", cursor.left()));
    }
    out.reserve(count);
    let mut left = count;
    let mut group = [L::truncate(0); GROUP];
    while left > 0 {
        let here = GROUP.min(left);
        unpack_group(cursor, here, &mut group)?;
        out.extend_from_slice(&group[..here]);
        left -= here;
    }
    Ok(())
}

fn unpack_group<L: Lane>(cursor: &mut Cursor<'_>, count: usize, group: &mut [L; GROUP]) -> Result<(), String> {
    let head = cursor.take(1)?[0];
    let width = u32::from(head & !EXCEPTIONS);
    if width > L::BITS {
        return Err(format!("a value has at most {} bits, not {width}", L::BITS));
    }
    if head & EXCEPTIONS == 0 {
        bits::unpack(cursor.take(low_bytes(count, width))?, width, group);
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
    bits::unpack(cursor.take(low_bytes(count, width))?, width, group);
    let places = cursor.take(exceptions)?;
    let packed = cursor.take((exceptions * upper as usize).div_ceil(8))?;
    let mut bytes = packed.iter();
    let mut pending = 0u128;
    let mut bits = 0;
    let mask = u64::MAX >> (64 - upper);
    let mut last = None;
    for &place in places {
        if usize::from(place) >= count || last.is_some_and(|last| last >= place) {
            return Err(format!("an exception cannot stand at place {place}"));
        }
        last = Some(place);
        while bits < upper {
            pending |= u128::from(*bytes.next().expect("as many as the widths need")) << bits;
            bits += 8;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the mask keeps at most 64 bits")]
        let part = pending as u64 & mask;
        pending >>= upper;
        bits -= upper;
        let number = &mut group[usize::from(place)];
        *number = L::truncate((*number).into() | part << width);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<L: Lane + std::fmt::Debug>(numbers: &[L]) -> usize {
        let mut bytes = Vec::new();
        pack(numbers, &mut bytes);
        let mut back: Vec<L> = Vec::new();
        let mut cursor = Cursor::new(&bytes);
        unpack(&mut cursor, numbers.len(), &mut back).unwrap();
        cursor.finish().unwrap();
        assert_eq!(back, numbers);
        for cut in 0..bytes.len() {
            assert!(
                unpack::<L>(&mut Cursor::new(&bytes[..cut]), numbers.len(), &mut Vec::new()).is_err(),
                "cut at {cut}"
            );
        }
        bytes.len()
    }

    #[test]
    fn numbers_of_every_shape_come_back() {
        for len in [0, 1, 2, 63, 64, 65, 200] {
            let mixed = |index: u64| xxhash_rust::xxh3::xxh3_64(&index.to_le_bytes()) >> (index * 7 % 64);
            let numbers: Vec<u64> = (0..len).map(mixed).collect();
            round_trip(&numbers);
            round_trip(&numbers.iter().map(|&number| u32::truncate(number)).collect::<Vec<_>>());
            round_trip(&numbers.iter().map(|&number| u8::truncate(number)).collect::<Vec<_>>());
        }
        round_trip(&[u64::MAX; 70]);
        round_trip(&[u64::MAX, 0, 0, u64::MAX, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_jump_does_not_widen_its_neighbours() {
        let mut numbers = vec![3u32; 64];
        let level = round_trip(&numbers);
        numbers[40] = u32::MAX;
        assert!(round_trip(&numbers) <= level + 7);
    }

    #[test]
    fn bytes_that_no_writer_makes_are_refused() {
        let refused =
            |bytes: &[u8], count: usize| unpack::<u32>(&mut Cursor::new(bytes), count, &mut Vec::new()).unwrap_err();
        assert_eq!(refused(&[33], 1), "a value has at most 32 bits, not 33");
        assert!(refused(&[0x80, 0, 1], 1).starts_with("0 values of 0 + 1 bits"));
        assert!(refused(&[0x81, 2, 1, 0], 1).starts_with("2 values of 1 + 1 bits"));
        assert!(refused(&[0x81, 1, 32, 0], 1).starts_with("1 values of 1 + 32 bits"));
        assert_eq!(refused(&[0x81, 1, 1, 0, 1, 1], 1), "an exception cannot stand at place 1");
        assert_eq!(refused(&[0x81, 2, 1, 0, 0, 0, 3], 2), "an exception cannot stand at place 0");
        assert_eq!(refused(&[], usize::MAX), format!("{} values cannot stand in 0 bytes", usize::MAX));
    }
}
