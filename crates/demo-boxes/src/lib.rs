//! Drops sixty boxes in one of two versions of rapier2d and writes the run as a capture: the producer of traces/demo.
//! It is no part of the lab and knows none of its crates; the wire contract, docs/capture.md, is all that they share.

pub mod capture;
pub mod scene;
pub mod world;
