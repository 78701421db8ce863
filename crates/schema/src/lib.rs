//! What a tick is: identifiers, channels, the layout that a trace declares, the rows its ticks carry, their canonical
//! digests, and the [`Machine`] trait. Floor 1 of the lab.
//!
//! This crate does not know files, bytes on disk, JSON or clocks: it holds typed values and the rules they obey. Rows
//! enter through [`RowWriter`], which checks every rule once; whoever holds [`Rows`] may rely on them.

mod admissible;
mod channel;
mod continuity;
mod digest;
mod ids;
mod layout;
mod machine;
mod path;
mod rng;
mod row_writer;
mod rows;
mod scalar;
mod table;
mod values;
mod vectors;

pub use channel::{Channel, ChannelSet};
pub use continuity::Continuity;
pub use digest::{ContentDigest, Digest, DigestSequence, TickDigester, TickDigests};
pub use ids::{Generation, KindId, PageId, PlayerId, Seq, Slot, StageId, StreamId, SyscallId, Tick, Uid};
pub use layout::{
    CheckpointLayout, CommandKind, EntityKind, EventKind, Field, Layout, LayoutDifference, LayoutError, LayoutSpec,
    MemoryLayout, RngStream, StepLayout, Syscall,
};
pub use machine::{FieldTarget, Machine};
pub use path::Path;
pub use rng::{RngAlgorithm, RngChain};
pub use row_writer::{
    Call, Checkpoint, Command, Decision, Draw, Event, Input, Origin, RowError, RowWriter, Step, TickBuilder,
    TimingSample,
};
pub use rows::{Column, Ragged, Rows, Table};
pub use scalar::{Scalar, ScalarType};
pub use table::columns;
pub use table::{Arity, ColumnSchema, ColumnType, Role, TableId, TableKind, TableSchema};
pub use values::Values;
pub use vectors::run_vectorized;

#[cfg(test)]
mod row_writer_tests;
