//! Calls [`cdt_fuzz::recover`].

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| cdt_fuzz::recover(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    cdt_fuzz::mutate_trace(data, size, max_size, seed, fuzzer_mutate)
});
