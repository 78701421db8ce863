//! From one encoding to another: the same ticks, digests, loss and provenance in other blocks.

use std::path::Path;

use cdt_schema::ChannelSet;

use crate::section::TRAILER;
use crate::{BlockDecoder, Error, ErrorKind, Finished, Options, Source, Trace, TraceWriter, Watch};

/// Writes the ticks of `trace` as another trace that will stand at `path`, in the asked encoding. Recorded ticks that are
/// brought back to the encoding they were recorded in are the same bytes again.
///
/// Holds one block of either trace at a time. Progress counts blocks of `trace`.
///
/// # Errors
/// A block cannot be read or is damaged, the rows do not have the content digest that the trace tells, the output cannot be
/// written, or the work was stopped. Nothing is left behind.
pub fn compact<S: Source>(
    trace: &Trace<S>,
    path: &Path,
    overwrite: bool,
    options: Options,
    watch: &dyn Watch,
) -> Result<Finished, Error> {
    let index = trace.index();
    let mut writer = TraceWriter::create(path, overwrite, &index.meta, index.layout.clone(), options)?;
    let mut losses = index.loss.iter().zip(&index.loss_offsets).peekable();
    let mut decoder = BlockDecoder::new();
    for (number, block) in index.blocks.iter().enumerate() {
        watch.progress(number as u64, Some(index.blocks.len() as u64));
        if watch.cancelled() {
            return Err(Error::cancelled());
        }
        // An entry of the loss ledger ends a block, so it keeps its place among the ticks.
        while let Some((loss, _)) = losses.next_if(|(_, offset)| **offset < block.offset) {
            writer.record_loss(loss)?;
        }
        let rows = trace.block_by(&mut decoder, number, ChannelSet::ALL)?;
        for tick in 0..rows.ticks().len() {
            writer.append_rows(&rows, tick).map_err(|error| match error.kind() {
                ErrorKind::Row => error.in_file(trace.name()),
                _ => error,
            })?;
        }
        decoder.recycle(rows);
    }
    for (loss, _) in losses {
        writer.record_loss(loss)?;
    }
    let finished = writer.complete(&index.end_reason)?;
    if finished.digest() != index.content_digest {
        let (told, found) = (index.content_digest, finished.digest());
        let rule = format!("the footer gives the content digest {told}, but the rows have {found}");
        return Err(Error::damaged(trace.stored_bytes()? - TRAILER, rule).in_file(trace.name()));
    }
    Ok(finished)
}
