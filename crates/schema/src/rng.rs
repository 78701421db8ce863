//! The random number generators whose transitions can be checked.
//!
//! Sources: Microsoft C runtime `rand` (multiplier 214013, increment 2531011, 15 bits from bit 16); M. O'Neill,
//! "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms" (XSH-RR 64/32, multiplier
//! 6364136223846793005); S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled"
//! (xorshift64*, shifts 12, 25, 27, multiplier 2685821657736338717); G. Steele, D. Lea, C. Flood, "Fast Splittable
//! Pseudorandom Number Generators" (SplitMix64, gamma 0x9e3779b97f4a7c15).

const PCG_MULTIPLIER: u64 = 6_364_136_223_846_793_005;

/// Algorithm of an rng stream, as the layout declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RngAlgorithm {
    /// Microsoft C runtime `rand`: 32 bits of state (the upper half of before and after is zero), 15-bit values.
    MsvcLcg = 0,
    /// PCG XSH-RR 64/32. The stream's increment is the one that its first draw shows.
    Pcg32 = 1,
    /// xorshift64*, whose 64-bit output gives its upper 32 bits as the value.
    Xorshift64Star = 2,
    /// SplitMix64, whose 64-bit output gives its upper 32 bits as the value.
    SplitMix64 = 3,
    /// Not known to the lab: draws are recorded, transitions are not checked.
    Opaque = 4,
}

impl RngAlgorithm {
    /// Every algorithm.
    pub const ALL: [RngAlgorithm; 5] = [
        RngAlgorithm::MsvcLcg,
        RngAlgorithm::Pcg32,
        RngAlgorithm::Xorshift64Star,
        RngAlgorithm::SplitMix64,
        RngAlgorithm::Opaque,
    ];

    /// Name in layouts.
    pub fn name(self) -> &'static str {
        match self {
            RngAlgorithm::MsvcLcg => "msvc_lcg",
            RngAlgorithm::Pcg32 => "pcg32",
            RngAlgorithm::Xorshift64Star => "xorshift64star",
            RngAlgorithm::SplitMix64 => "splitmix64",
            RngAlgorithm::Opaque => "opaque",
        }
    }
}

/// What is known of one stream between two draws.
#[derive(Clone, Copy, Debug, Default)]
pub struct RngChain {
    last_after: Option<u64>,
    pcg_increment: Option<u64>,
}

impl RngChain {
    /// Checks one draw against the algorithm and the draw before it, and remembers it.
    ///
    /// # Errors
    /// The rule that the draw breaks, with the expected numbers.
    pub fn check(&mut self, algorithm: RngAlgorithm, before: u64, value: u32, after: u64) -> Result<(), String> {
        if algorithm == RngAlgorithm::Opaque {
            return Ok(());
        }
        if let Some(last) = self.last_after.filter(|&last| last != before) {
            return Err(format!(
                "the draw begins at state {before}, but the stream's last draw left {last}: a draw or a reseed is missing"
            ));
        }
        let (expected_value, expected_after) = self.transition(algorithm, before, after)?;
        if expected_after != after || expected_value != value {
            return Err(format!(
                "{} from state {before} gives value {expected_value} and state {expected_after}, not value {value} and \
                 state {after}",
                algorithm.name()
            ));
        }
        self.last_after = Some(after);
        Ok(())
    }

    /// Forgets the last draw: the next may begin anywhere. Used where ticks are missing.
    pub fn interrupt(&mut self) {
        self.last_after = None;
    }

    /// Value and next state from `before`. PCG takes its increment from `after` of its first draw.
    fn transition(&mut self, algorithm: RngAlgorithm, before: u64, after: u64) -> Result<(u32, u64), String> {
        if algorithm == RngAlgorithm::MsvcLcg && before > u64::from(u32::MAX) {
            return Err(format!("msvc_lcg has 32 bits of state, but the draw begins at {before}"));
        }
        let mut increment = 0;
        if algorithm == RngAlgorithm::Pcg32 {
            increment = *self.pcg_increment.get_or_insert(algorithm.increment(before, after));
            if increment.is_multiple_of(2) {
                return Err(format!("pcg32 needs an odd increment; from {before} to {after} it would be {increment}"));
            }
        }
        Ok(algorithm.next(before, increment))
    }
}

impl RngAlgorithm {
    /// Value and next state of a draw that begins at `before`; of an opaque stream, zeros. Only PCG has an increment.
    #[expect(clippy::cast_possible_truncation, reason = "generators cut their state by definition")]
    pub fn next(self, before: u64, increment: u64) -> (u32, u64) {
        match self {
            RngAlgorithm::MsvcLcg => {
                let next = (before as u32).wrapping_mul(214_013).wrapping_add(2_531_011);
                (next >> 16 & 0x7fff, u64::from(next))
            }
            RngAlgorithm::Pcg32 => {
                let shifted = ((before >> 18 ^ before) >> 27) as u32;
                let next = before.wrapping_mul(PCG_MULTIPLIER).wrapping_add(increment);
                (shifted.rotate_right((before >> 59) as u32), next)
            }
            RngAlgorithm::Xorshift64Star => {
                let mut x = before;
                x ^= x >> 12;
                x ^= x << 25;
                x ^= x >> 27;
                ((x.wrapping_mul(2_685_821_657_736_338_717) >> 32) as u32, x)
            }
            RngAlgorithm::SplitMix64 => {
                let next = before.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = next;
                z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                (((z ^ z >> 31) >> 32) as u32, next)
            }
            RngAlgorithm::Opaque => (0, 0),
        }
    }

    /// The increment that a draw shows; zero for all but PCG.
    pub fn increment(self, before: u64, after: u64) -> u64 {
        match self {
            RngAlgorithm::Pcg32 => after.wrapping_sub(before.wrapping_mul(PCG_MULTIPLIER)),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(algorithm: RngAlgorithm, draws: &[(u64, u32, u64)]) -> Result<(), String> {
        let mut chain = RngChain::default();
        draws.iter().try_for_each(|&(before, value, after)| chain.check(algorithm, before, value, after))
    }

    #[test]
    fn known_outputs_are_accepted() {
        // srand(1); rand() of the Microsoft C runtime gives 41, 18467.
        check(RngAlgorithm::MsvcLcg, &[(1, 41, 2_745_024), (2_745_024, 18_467, 3_357_800_067)]).unwrap();
        // SplitMix64 seeded with 1234567 gives 6457827717110365317 first.
        let first = 6_457_827_717_110_365_317_u64;
        let value = u32::try_from(first >> 32).unwrap();
        check(RngAlgorithm::SplitMix64, &[(1_234_567, value, 1_234_567_u64.wrapping_add(0x9e37_79b9_7f4a_7c15))])
            .unwrap();
        // pcg32 of the reference demo, seeded with (42, 54), gives 0xa15c02b7 first.
        let increment = 54 << 1 | 1;
        let step = |state: u64| state.wrapping_mul(PCG_MULTIPLIER).wrapping_add(increment);
        let seeded = step(step(0).wrapping_add(42));
        check(RngAlgorithm::Pcg32, &[(seeded, 0xa15c_02b7, step(seeded))]).unwrap();
        // xorshift64* seeded with 1 gives 5180492295206395165 first.
        let value = u32::try_from(5_180_492_295_206_395_165_u64 >> 32).unwrap();
        check(RngAlgorithm::Xorshift64Star, &[(1, value, 33_554_433)]).unwrap();
    }

    #[test]
    fn a_wrong_draw_and_a_gap_are_named() {
        let wrong = check(RngAlgorithm::MsvcLcg, &[(1, 42, 2_745_024)]).unwrap_err();
        assert_eq!(wrong, "msvc_lcg from state 1 gives value 41 and state 2745024, not value 42 and state 2745024");
        let gap = check(RngAlgorithm::MsvcLcg, &[(1, 41, 2_745_024), (1, 41, 2_745_024)]).unwrap_err();
        assert!(gap.starts_with("the draw begins at state 1, but the stream's last draw left 2745024"), "{gap}");
        let wide = check(RngAlgorithm::MsvcLcg, &[(1 << 32, 0, 0)]).unwrap_err();
        assert!(wide.contains("32 bits of state"), "{wide}");
        let even = check(RngAlgorithm::Pcg32, &[(0, 0, 2)]).unwrap_err();
        assert!(even.contains("odd increment"), "{even}");
    }

    #[test]
    fn opaque_draws_are_taken_as_they_are() {
        check(RngAlgorithm::Opaque, &[(1, 2, 3), (9, 9, 9)]).unwrap();
    }
}
