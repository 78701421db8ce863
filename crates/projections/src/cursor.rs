//! Walking a trace tick by tick while decoding every block once.

use cdt_schema::{Channel, ChannelSet, Digest, Rows, Tick, TickDigester};
use cdt_trace::{BlockDecoder, Error, Source, Trace};

/// The rows around the tick that was asked for last, with the digests of their channels.
#[derive(Debug)]
pub struct BlockCursor<'a, S> {
    trace: &'a Trace<S>,
    channels: ChannelSet,
    decoder: BlockDecoder,
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    block: usize,
    rows: Rows,
    /// By tick and channel number; zero where the channel is not loaded.
    digests: Vec<[Digest; Channel::ALL.len()]>,
}

impl<'a, S: Source> BlockCursor<'a, S> {
    /// A cursor over some channels of a trace.
    pub fn new(trace: &'a Trace<S>, channels: ChannelSet) -> BlockCursor<'a, S> {
        BlockCursor { trace, channels, decoder: BlockDecoder::new(), loaded: None }
    }

    /// The rows of the block that holds `tick`, and the tick's index in them; `None` if the trace has no such tick.
    ///
    /// # Errors
    /// The block cannot be read or is damaged.
    pub fn at(&mut self, tick: Tick) -> Result<Option<(&Rows, usize)>, Error> {
        Ok(self.load(tick)?.map(|(loaded, index)| (&loaded.rows, index)))
    }

    /// The digest of every loaded channel at `tick`, by the channel's number.
    ///
    /// # Errors
    /// The block cannot be read or is damaged.
    pub fn digests(&mut self, tick: Tick) -> Result<Option<[Digest; Channel::ALL.len()]>, Error> {
        Ok(self.load(tick)?.map(|(loaded, index)| loaded.digests[index]))
    }

    fn load(&mut self, tick: Tick) -> Result<Option<(&Loaded, usize)>, Error> {
        let Some(block) = self.trace.index().block_of(tick) else { return Ok(None) };
        if self.loaded.as_ref().is_none_or(|loaded| loaded.block != block) {
            if let Some(past) = self.loaded.take() {
                self.decoder.recycle(past.rows);
            }
            let rows = self.trace.block_by(&mut self.decoder, block, self.channels)?;
            let mut digester = TickDigester::new(rows.layout());
            let digests = |tick| {
                let mut digests = [Digest::default(); Channel::ALL.len()];
                for channel in rows.loaded().iter() {
                    digests[channel as usize] = digester.channel(&rows, channel, tick);
                }
                digests
            };
            let digests = (0..rows.ticks().len()).map(digests).collect();
            self.loaded = Some(Loaded { block, rows, digests });
        }
        let loaded = self.loaded.as_ref().expect("loaded above");
        Ok(loaded.rows.index_of(tick).map(|index| (loaded, index)))
    }
}
