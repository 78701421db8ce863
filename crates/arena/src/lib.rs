//! Arena, the game of `capture/original`, written again in Rust as a [`cdt_schema::Machine`]: an example of how anybody's program is
//! recorded, and the candidate of the loop from capture to verdict. It is the original's equal bit for bit, unless one of the
//! mistakes is switched on that people make when they port a game. It is no part of the lab.

mod deviation;
pub mod game;
mod lives;
mod machine;
pub mod pools;
#[cfg(test)]
mod tests;

pub use deviation::Deviation;
pub use machine::{Arena, ArenaError, layout};
