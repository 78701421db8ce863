//! The `.cdt` trace: one run, durable, columnar, read by tick, channel or digest. Floor 2 of the lab.
//!
//! [`Encoder`] turns rows into bytes and [`Opening`], [`TraceIndex`] and [`BlockDecoder`] turn bytes into rows; none of
//! them does I/O. [`TraceWriter`] and [`Trace`] put them onto files. `docs/format.md` specifies the bytes.
//!
//! This crate does not know who produced a trace, or why.

mod block;
mod codec;
mod compact;
mod draws;
mod encoder;
mod error;
mod extent;
mod file;
mod follow;
mod frame;
mod growing;
mod index;
mod index_writer;
mod locks;
mod meta;
mod new_file;
mod places;
mod ranges;
mod records;
mod recover;
mod section;
mod splice;
mod summary;
mod watch;

pub use block::BlockDecoder;
pub use compact::compact;
pub use encoder::{Encoder, Encoding, Options};
pub use error::{Error, ErrorKind};
pub use file::{Finished, SegmentDigests, SegmentRanges, SegmentSummaries, Source, Trace, TraceWriter};
pub use follow::{Follower, Section};
pub use growing::{GrowingTrace, Snapshot, WriterState};
pub use index::{BlockEntry, Opening, TickRun, TraceIndex};
pub use meta::{Loss, LossKind, Meta, Producer, Program, Run};
pub use new_file::NewFile;
pub use ranges::field_ranges;
pub use recover::{Recovered, Recovery, recover};
pub use section::MAGIC;
pub use splice::{Spliced, splice};
pub use summary::{BlockSummary, Change, Summarizer, Totals, diagnostic_channels};
pub use watch::{Unwatched, Watch};

/// The one version of the format that this crate writes and reads.
pub const FORMAT_VERSION: u32 = 1;
