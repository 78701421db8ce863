//! Nothing: `Cargo.toml` says what it is for.
