//! The `cdt` binary.
fn main() {}
