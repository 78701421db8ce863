//! The machine's wider vectors and bit instructions, where it has them.

/// Evaluates an expression by code for AVX2 and BMI2 where the machine has them, else by code for what every machine has. What the
/// expression calls is sure to take part only if it is `#[inline(always)]`. The value is the same: nothing but the compiler knows
/// of the instructions. A `?`, a `return` or a `break` does not leave the expression, which becomes a closure.
#[macro_export]
macro_rules! vectorized {
    ($work:expr) => {
        $crate::run_vectorized(
            #[inline(always)]
            || $work,
        )
    };
}

/// What [`vectorized!`] stands for, of a closure that is inlined.
#[doc(hidden)]
#[inline(always)]
pub fn run_vectorized<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(machine) = fearless_simd::Level::new().as_avx2() {
        return fearless_simd::Simd::vectorize(machine, work);
    }
    work()
}
