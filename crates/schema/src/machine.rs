//! The machine: anything that advances one tick at a time from a step.

use std::sync::Arc;

use crate::{Layout, RowError, Scalar, Step, TickBuilder, Uid};

/// Where a single value can be written into a machine between two ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldTarget {
    /// A declared state scalar, by its index in the layout.
    State(usize),
    /// A declared field of a live entity, by its index among the kind's fields.
    Entity(Uid, usize),
}

/// Step, observe, snapshot, restore, write one field: all that recording, time travel, transplants and shrinking need.
///
/// Stepping must depend on nothing but the machine's state and the step. Restoring a snapshot and stepping on must be
/// bit-identical to never having stopped.
pub trait Machine {
    /// Why the machine cannot go on.
    type Error: std::error::Error;

    /// What the machine's ticks carry; the same for its whole life.
    fn layout(&self) -> Arc<Layout>;

    /// Advances one tick.
    ///
    /// # Errors
    /// The machine has stopped for good, deterministically: the same steps stop it at the same tick.
    fn step(&mut self, step: &Step) -> Result<(), Self::Error>;

    /// Reports what the last tick did: every declared channel but `step`, which whoever drives the machine reports.
    ///
    /// # Errors
    /// What the machine reported does not obey its own layout.
    fn observe(&self, tick: &mut TickBuilder<'_>) -> Result<(), RowError>;

    /// Everything that the machine's future depends on.
    fn snapshot(&self) -> Vec<u8>;

    /// Puts the machine into the state that a snapshot of it holds.
    ///
    /// # Errors
    /// The bytes are not a snapshot of such a machine; its state is as before.
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Self::Error>;

    /// Writes one declared value.
    ///
    /// # Errors
    /// There is no such field or entity, or the type is another; the state is as before.
    fn write_field(&mut self, target: FieldTarget, value: Scalar) -> Result<(), Self::Error>;
}
