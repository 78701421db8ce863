//! Groups of 128 numbers of one bit width. A whole group stands in rows of 128 bits, so that the machine codes several
//! numbers at once: number i is in lane i mod L and has the bits (i div L)·w to (i div L + 1)·w − 1 of that lane, where L is how
//! many of the numbers' own width 128 bits have. What is left of a column stands bit after bit: number i has the bits i·w to
//! (i+1)·w − 1 of little-endian words.

use wide::u32x4;

use super::Lane;

/// Numbers of a group.
pub(super) const GROUP: usize = 128;
/// Numbers that fill whole 64-bit words whatever their width.
const HALF: usize = 64;

/// Writes `$body` out for 64 numbers, so that each width's shifts are constants.
macro_rules! for_each_number {
    ($number:ident => $body:expr) => {
        for_each_number!(@ $number $body;
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63)
    };
    (@ $number:ident $body:expr; $($value:literal)*) => {
        $({ const $number: usize = $value; $body })*
    };
}

/// Writes `$body` out for the 32 rows that a group's 32-bit numbers stand in when they are not packed.
macro_rules! for_each_row {
    ($row:ident => $body:expr) => {
        for_each_number!(@ $row $body; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)
    };
}

/// Calls `$function::<L, W>` with the constant that equals `$width`.
macro_rules! with_width {
    ($width:expr, $function:ident, $lane:tt, ($($argument:expr),*)) => {
        with_width!(@ $width, $function, $lane, ($($argument),*);
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64)
    };
    (@ $width:expr, $function:ident, $lane:tt, $arguments:tt; $($value:literal)*) => {
        match $width {
            $($value => with_width!(@call $function, $lane, $value, $arguments),)*
            width => unreachable!("a width of {width} bits"),
        }
    };
    (@call $function:ident, $lane:tt, $value:literal, ($($argument:expr),*)) => {
        $function::<$lane, $value>($($argument),*)
    };
}

/// Lanes whose whole groups stand in rows.
pub(crate) trait Rows: Sized {
    /// Writes the low `width` bits of a group to their 16 bytes a bit of width, which are zero.
    fn pack_rows(numbers: &[Self; GROUP], width: u32, out: &mut [u8]);
    /// Reads a group.
    fn unpack_rows(bytes: &[u8], width: u32, numbers: &mut [Self; GROUP]);
}

macro_rules! rows {
    ($lane:ident) => {
        impl Rows for $lane {
            fn pack_rows(numbers: &[$lane; GROUP], width: u32, out: &mut [u8]) {
                const LANES: usize = GROUP / $lane::BITS as usize;
                let mut words = out.as_chunks_mut::<{ size_of::<$lane>() }>().0.as_chunks_mut::<LANES>().0.iter_mut();
                let mask = $lane::MAX.checked_shr($lane::BITS - width).unwrap_or(0);
                let (mut row, mut shift) = ([0; LANES], 0);
                for numbers in numbers.as_chunks::<LANES>().0 {
                    let numbers = numbers.map(|number| number & mask);
                    row.iter_mut().zip(numbers).for_each(|(word, number)| *word |= number.wrapping_shl(shift));
                    shift += width;
                    if shift >= $lane::BITS {
                        let Some(word) = words.next() else { break };
                        *word = row.map($lane::to_le_bytes);
                        shift -= $lane::BITS;
                        // What did not fit; of a number that ended with its word, nothing.
                        row = numbers.map(|number| number.checked_shr(width - shift).unwrap_or(0));
                    }
                }
            }

            fn unpack_rows(bytes: &[u8], width: u32, numbers: &mut [$lane; GROUP]) {
                const LANES: usize = GROUP / $lane::BITS as usize;
                let mut words = bytes.as_chunks::<{ size_of::<$lane>() }>().0.as_chunks::<LANES>().0.iter();
                let mask = $lane::MAX.checked_shr($lane::BITS - width).unwrap_or(0);
                let (mut row, mut shift) = ([0; LANES], $lane::BITS);
                for numbers in numbers.as_chunks_mut::<LANES>().0 {
                    let low = row.map(|word: $lane| word.checked_shr(shift).unwrap_or(0));
                    shift += width;
                    *numbers = low;
                    if shift > $lane::BITS {
                        shift -= $lane::BITS;
                        row = words.next().map_or([0; LANES], |words| words.map($lane::from_le_bytes));
                        let up = width - shift;
                        numbers.iter_mut().zip(row).for_each(|(number, word)| *number |= word.wrapping_shl(up));
                    }
                    numbers.iter_mut().for_each(|number| *number &= mask);
                }
            }
        }
    };
}
rows!(u8);
rows!(u64);

/// Words of a row of 32-bit numbers.
const WORDS: usize = 4;

/// Most numbers have 32 bits, so that each of their widths has code of its own.
impl Rows for u32 {
    fn pack_rows(numbers: &[u32; GROUP], width: u32, out: &mut [u8]) {
        with_width!(width, pack_rows_of, u32, (numbers, out.as_chunks_mut().0));
    }

    fn unpack_rows(bytes: &[u8], width: u32, numbers: &mut [u32; GROUP]) {
        with_width!(width, unpack_rows_of, u32, (bytes.as_chunks().0, numbers));
    }
}

#[inline(never)]
fn pack_rows_of<L: Lane, const W: usize>(numbers: &[u32; GROUP], rows: &mut [[u8; 16]]) {
    if W == 0 || W > 32 {
        return;
    }
    let rows = &mut rows[..W];
    let zero = u32x4::new([0; WORDS]);
    let mask = u32x4::new([u32::MAX >> (32 - W); WORDS]);
    let mut row = zero;
    for_each_row!(I => {
        let four = u32x4::new(numbers.as_chunks().0[I]) & mask;
        row |= four << (I * W % 32) as u64;
        if I * W % 32 + W >= 32 {
            rows[I * W / 32] = bytes_of_row(row);
            row = if I * W % 32 + W > 32 { four >> (32 - I * W % 32) as u64 } else { zero };
        }
    });
    debug_assert_eq!(row, zero, "32 numbers of each lane fill whole words");
}

#[inline(never)]
fn unpack_rows_of<L: Lane, const W: usize>(rows: &[[u8; 16]], numbers: &mut [u32; GROUP]) {
    if W == 0 || W > 32 {
        *numbers = [0; GROUP];
        return;
    }
    let rows = &rows[..W];
    let mask = u32x4::new([u32::MAX >> (32 - W); WORDS]);
    let numbers = numbers.as_chunks_mut().0;
    for_each_row!(I => {
        let mut four = row_of(&rows[I * W / 32]) >> (I * W % 32) as u64;
        if I * W % 32 + W > 32 {
            four |= row_of(&rows[I * W / 32 + 1]) << (32 - I * W % 32) as u64;
        }
        numbers[I] = (four & mask).to_array();
    });
}

#[inline(always)]
fn row_of(bytes: &[u8; 16]) -> u32x4 {
    let words = bytes.as_chunks::<4>().0;
    u32x4::new(std::array::from_fn(|word| u32::from_le_bytes(words[word])))
}

#[inline(always)]
fn bytes_of_row(row: u32x4) -> [u8; 16] {
    let words = row.to_array().map(u32::to_le_bytes);
    std::array::from_fn(|byte| words[byte / 4][byte % 4])
}

/// Bytes that `count` numbers of a width need.
pub(super) const fn bytes_of(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Appends the low `width` bits of the first `count` numbers of a group; the others are zero.
pub(super) fn pack<L: Lane>(numbers: &[L; GROUP], count: usize, width: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + GROUP * width as usize / 8, 0);
    if count == GROUP {
        return L::pack_rows(numbers, width, &mut out[start..]);
    }
    let halves = numbers.as_chunks::<HALF>().0;
    for (half, words) in halves.iter().zip(out[start..].chunks_exact_mut((HALF / 8 * width as usize).max(1))) {
        with_width!(width, pack_words, L, (half, words.as_chunks_mut::<8>().0));
    }
    out.truncate(start + bytes_of(count, width));
}

/// Reads the first `count` numbers of a group.
pub(super) fn unpack<L: Lane>(bytes: &[u8], count: usize, width: u32, numbers: &mut [L; GROUP]) {
    if count == GROUP {
        return L::unpack_rows(bytes, width, numbers);
    }
    let mut padded = [0; GROUP * 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    let halves = numbers.as_chunks_mut::<HALF>().0.iter_mut().take(count.div_ceil(HALF));
    for (index, half) in halves.enumerate() {
        let words = &padded.as_chunks::<8>().0[index * width as usize..][..width as usize];
        with_width!(width, unpack_words, L, (words, half));
    }
}

#[inline(never)]
fn pack_words<L: Lane, const W: usize>(numbers: &[L; HALF], words: &mut [[u8; 8]]) {
    if W == 0 || W > L::BITS as usize {
        return;
    }
    let words = &mut words[..W];
    let mask = u64::MAX >> (64 - W);
    let mut word = 0u64;
    for_each_number!(I => {
        let number = numbers[I].into() & mask;
        word |= number << (I * W % 64);
        if I * W % 64 + W >= 64 {
            words[I * W / 64] = word.to_le_bytes();
            word = if I * W % 64 + W > 64 { number >> (64 - I * W % 64) } else { 0 };
        }
    });
    debug_assert_eq!(word, 0, "64 numbers fill whole words");
}

#[inline(never)]
fn unpack_words<L: Lane, const W: usize>(words: &[[u8; 8]], numbers: &mut [L; HALF]) {
    if W == 0 || W > L::BITS as usize {
        *numbers = [L::truncate(0); HALF];
        return;
    }
    let words = &words[..W];
    let mask = u64::MAX >> (64 - W);
    let word = |index: usize| u64::from_le_bytes(words[index]);
    for_each_number!(I => {
        let low = word(I * W / 64) >> (I * W % 64);
        let high = if I * W % 64 + W > 64 { word(I * W / 64 + 1) << (64 - I * W % 64) } else { 0 };
        numbers[I] = L::truncate((low | high) & mask);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<L: Lane + std::fmt::Debug>() {
        for width in 0..=L::BITS {
            for count in [1, 63, 64, 65, 127, GROUP] {
                let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
                let number = |index: usize| {
                    let bits = twox_hash::XxHash3_64::oneshot(&index.to_le_bytes()) & mask;
                    L::truncate(if index < count { bits } else { 0 })
                };
                let numbers: [L; GROUP] = std::array::from_fn(number);
                let mut bytes = vec![9];
                pack(&numbers, count, width, &mut bytes);
                assert_eq!(bytes.len(), 1 + bytes_of(count, width));
                let mut back = [L::truncate(1); GROUP];
                unpack(&bytes[1..], count, width, &mut back);
                assert_eq!(numbers[..count], back[..count], "{count} of {width} bits");
            }
        }
    }

    #[test]
    fn every_width_comes_back() {
        round_trip::<u8>();
        round_trip::<u32>();
        round_trip::<u64>();
    }

    #[test]
    fn bits_stand_where_the_format_says() {
        let mut numbers = [0u32; GROUP];
        (numbers[0], numbers[1], numbers[22]) = (5, 6, 7);
        let mut bytes = Vec::new();
        pack(&numbers, 100, 3, &mut bytes);
        // Number 22 has the bits 66 to 68: bits 2 to 4 of byte 8.
        let mut expected = [0; 38];
        (expected[0], expected[8]) = (5 | 6 << 3, 7 << 2);
        assert_eq!(bytes, expected);
        bytes.clear();
        pack(&numbers, GROUP, 7, &mut bytes);
        // Of four lanes of 32 bits, number 22 is in lane 2 and is its fifth: bits 35 to 41, so bits 3 to 9 of its second word.
        let mut expected = [0; 16 * 7];
        (expected[0], expected[4], expected[16 + 8]) = (5, 6, 7 << 3);
        assert_eq!(bytes, expected);
    }
}
