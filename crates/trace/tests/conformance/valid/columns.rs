//! Columns that a writer encodes in each way that there is, with lanes of each width.

use cdt_schema::{Layout, Scalar, ScalarType};
use cdt_testkit::Numbers;
use cdt_testkit::surgery::Parts;
use cdt_trace::Options;

use crate::make::{Case, archive, case, column, live, state};

/// Lanes that fill a group of packed numbers and some of the next.
const PACKED: usize = 150;
/// Lanes from which on an archive has planes, and some.
const PLANES: usize = 300;

/// Lanes of which an archive has several contexts.
const CODED: usize = 800;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (width, scalar_type) in [("8", ScalarType::Bool), ("32", ScalarType::U32), ("64", ScalarType::U64)] {
        let mut add = |what: &str, options: Options, values: Vec<u64>| {
            let values = values.into_iter().map(|bits| Scalar::from_bits(scalar_type, bits));
            cases.push(case(format!("column-{what}-of-{width}-bits"), column(scalar_type, options, values)));
        };
        add("constant", live(PLANES), vec![1; 5]);
        if scalar_type == ScalarType::Bool {
            // More of them would be a dictionary.
            add("packed-0", live(PLANES), noise(70, 1));
            continue;
        }
        let wide = scalar_type == ScalarType::U64;
        add("plain", live(PLANES), noise(9, if wide { 64 } else { 32 }));
        let far_apart = noise(3, if wide { 60 } else { 30 });
        let picks = noise(PACKED, 32).into_iter().map(|pick| far_apart[usize::try_from(pick % 3).unwrap()]);
        add("dictionary", live(PLANES), picks.collect());
        for order in 0..4 {
            let packed = sums(order, noise(PACKED, 3));
            let planes = repeated(order, PLANES);
            add(&format!("packed-{order}-with-exceptions"), live(PLANES), with_jumps(packed.clone()));
            add(&format!("packed-{order}"), live(PLANES), packed);
            add(&format!("planes-{order}"), archive(PLANES), planes);
            if order > 0 {
                add(&format!("coded-{order}"), archive(CODED), sums(order, every_second(of_all_widths(CODED, 20))));
            }
        }
    }
    cases.push(largest_window());
    cases.extend(coded());
    cases
}

/// Coded frames that no writer of ours makes, of five lanes, of which the first three have the bytes of a packed group.
fn coded() -> Vec<Case> {
    let five =
        |name: &str, ty: ScalarType, lanes: [u64; 5], early: &[u8], codes: &[u8], lens: [u32; 3], streams: &[u8]| {
            let good = column(ty, live(8), lanes.map(|bits| Scalar::from_bits(ty, bits)));
            let layout = Layout::new(state(&[("value", ty)])).unwrap();
            let mut parts = Parts::of(&good);
            let lens = lens.map(u32::to_le_bytes).concat();
            parts.put_column(&layout, 0, "state.value", 13, &[early, codes, &lens, streams].concat());
            case(format!("coded-{name}"), parts.assemble())
        };
    let far = 1 << 31;
    vec![
        // The first lane is told as 14 in four bits; all the others are as the one before.
        five(
            "of-32-contexts",
            ScalarType::U32,
            [7; 5],
            &[4, 14, 0],
            &[&[32, 1, 0], [0; 31].as_slice()].concat(),
            [0; 3],
            &[],
        ),
        five("of-8-bits", ScalarType::Bool, [1; 5], &[2, 2], &[1, 1, 0], [0; 3], &[]),
        // Of widths of 0 and 1 with codes of one bit two times the former, and what has no meaning.
        five("with-bits-left", ScalarType::U32, [7; 5], &[4, 14, 0x50], &[1, 2, 0, 0x11], [1, 1, 0], &[0xfe, 0xa4]),
        // Residuals of 2^32 - 1: differences of -2^31. They are told by their width alone.
        five("of-all-bits", ScalarType::U32, [7, 7, 7, 7 + far, 7], &[4, 14, 0], &[1, 1, 32], [4, 4, 0], &[0; 8]),
    ]
}

/// A plane under zstd that says its window, the largest that there may be, and not its length.
fn largest_window() -> Case {
    let good = column(ScalarType::U32, live(8), [7, 8, 9].map(Scalar::U32));
    // Three bytes as they are: window of 2^(10 + 13), last block of three bytes.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 13 << 3, 3 << 3 | 1, 0, 0, 7, 8, 9];
    let planes = [&[2, 12, 0, 0, 0], frame.as_slice(), &[1, 0].repeat(3)].concat();
    let layout = Layout::new(state(&[("value", ScalarType::U32)])).unwrap();
    let mut parts = Parts::of(&good);
    parts.put_column(&layout, 0, "state.value", 8, &planes);
    case("planes-of-the-largest-window", parts.assemble())
}

/// Numbers of so many bits.
pub fn noise(count: usize, bits: u32) -> Vec<u64> {
    let mut numbers = Numbers(u64::from(bits));
    (0..count).map(|_| numbers.draw() >> (64 - bits)).collect()
}

/// Numbers whose differences of that order come again and again.
pub fn repeated(order: usize, count: usize) -> Vec<u64> {
    let pattern = if order == 0 { noise(97, 14) } else { every_second(noise(38, 9)) };
    sums(order, pattern.into_iter().cycle().take(count).collect())
}

/// Numbers of 1 to `bits` bits, about as wide as those before them.
pub fn of_all_widths(count: usize, bits: u32) -> Vec<u64> {
    let mut width = 1;
    let number = |(number, step): (u64, u64)| {
        width = (width + u32::try_from(step % 5).unwrap()).saturating_sub(2).clamp(1, bits);
        number >> (bits - width)
    };
    noise(count, bits).into_iter().zip(noise(count, 40)).map(number).collect()
}

/// Numbers of which every second one is 0, so that their differences are no smaller than they are.
pub fn every_second(mut numbers: Vec<u64>) -> Vec<u64> {
    numbers.iter_mut().step_by(2).for_each(|number| *number = 0);
    numbers
}

/// Numbers whose differences of that order are these, but for the first, which are 0 as those of lower orders are.
pub fn sums(order: usize, differences: Vec<u64>) -> Vec<u64> {
    let mut sums = [0; 3];
    let sum = |difference: u64| {
        sums[..order].iter_mut().rev().fold(difference, |value, sum| {
            *sum += value;
            *sum
        })
    };
    let differences = differences.into_iter().enumerate();
    differences.map(|(at, difference)| if at < order { 0 } else { difference }).map(sum).collect()
}

/// A few that do not follow.
fn with_jumps(mut numbers: Vec<u64>) -> Vec<u64> {
    for at in [20, 47, 140] {
        numbers[at] += 1 << 24;
    }
    numbers
}
