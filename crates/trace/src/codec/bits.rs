//! Groups of 64 numbers of one bit width: number i has the bits i·w to (i+1)·w − 1 of w little-endian 64-bit words.

use super::Lane;

/// Numbers of a group.
pub(super) const GROUP: usize = 64;

/// Writes `$body` out for every number of a group, so that each width's shifts are constants.
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

/// Calls `$function::<L, W>` with the constant that equals `$width`.
macro_rules! with_width {
    ($width:expr, $function:ident, $lane:ty, ($($argument:expr),*)) => {
        with_width!(@ $width, $function, $lane, ($($argument),*);
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
            32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64)
    };
    (@ $width:expr, $function:ident, $lane:ty, $arguments:tt; $($value:literal)*) => {
        match $width {
            $($value => with_width!(@call $function, $lane, $value, $arguments),)*
            width => unreachable!("a width of {width} bits"),
        }
    };
    (@call $function:ident, $lane:ty, $value:literal, ($($argument:expr),*)) => {
        $function::<$lane, $value>($($argument),*)
    };
}

/// Appends a group; no number may have more than `width` bits.
pub(super) fn pack<L: Lane>(numbers: &[L; GROUP], width: u32, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + width as usize * 8, 0);
    with_width!(width, pack_words, L, (numbers, out[start..].as_chunks_mut::<8>().0));
}

/// Reads a group, of which the last bytes may be missing where not all of its numbers are used.
pub(super) fn unpack<L: Lane>(bytes: &[u8], width: u32, numbers: &mut [L; GROUP]) {
    let words = bytes.as_chunks::<8>().0;
    if words.len() == width as usize {
        with_width!(width, unpack_words, L, (words, numbers));
        return;
    }
    let mut padded = [0; GROUP * 8];
    padded[..bytes.len()].copy_from_slice(bytes);
    with_width!(width, unpack_words, L, (&padded.as_chunks::<8>().0[..width as usize], numbers));
}

#[inline(never)]
fn pack_words<L: Lane, const W: usize>(numbers: &[L; GROUP], words: &mut [[u8; 8]]) {
    if W == 0 || W > L::BITS as usize {
        return;
    }
    let words = &mut words[..W];
    let mut word = 0u64;
    for_each_number!(I => {
        let number: u64 = numbers[I].into();
        word |= number << (I * W % 64);
        if I * W % 64 + W >= 64 {
            words[I * W / 64] = word.to_le_bytes();
            word = if I * W % 64 + W > 64 { number >> (64 - I * W % 64) } else { 0 };
        }
    });
    debug_assert_eq!(word, 0, "64 numbers fill whole words");
}

#[inline(never)]
fn unpack_words<L: Lane, const W: usize>(words: &[[u8; 8]], numbers: &mut [L; GROUP]) {
    if W == 0 || W > L::BITS as usize {
        *numbers = [L::truncate(0); GROUP];
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
            let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
            let number = |index: u64| L::truncate(xxhash_rust::xxh3::xxh3_64(&index.to_le_bytes()) & mask);
            let numbers: [L; GROUP] = std::array::from_fn(|index| number(index as u64));
            let mut bytes = vec![9];
            pack(&numbers, width, &mut bytes);
            assert_eq!(bytes.len(), 1 + width as usize * 8);
            let mut back = [L::truncate(1); GROUP];
            unpack(&bytes[1..], width, &mut back);
            assert_eq!(numbers, back, "{width} bits");
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
        pack(&numbers, 3, &mut bytes);
        // Number 22 has the bits 66 to 68: bits 2 to 4 of the second word.
        let mut expected = [0; 24];
        (expected[0], expected[8]) = (5 | 6 << 3, 7 << 2);
        assert_eq!(bytes, expected);
    }
}
