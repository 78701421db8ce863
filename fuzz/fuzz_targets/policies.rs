//! Calls [`cdt_fuzz::policies`].

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cdt_fuzz::policies(bytes));
