//! Calls [`cdt_fuzz::sql`].

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cdt_fuzz::sql(bytes));
