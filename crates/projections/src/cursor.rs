//! Walking a trace tick by tick while decoding every block once.

use cdt_schema::{Channel, ChannelSet, Digest, Rows, Tick, TickDigester};
use cdt_trace::{BlockDecoder, Error, Source, Trace};

/// The rows around the tick that was asked for last.
#[derive(Debug)]
pub struct BlockCursor<'a, S> {
    trace: &'a Trace<S>,
    decoder: BlockDecoder,
    loaded: Option<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    block: usize,
    rows: Rows,
    /// By channel number, the digests of the block's ticks, where they were asked for.
    digests: [Option<Vec<Digest>>; Channel::ALL.len()],
}

impl<'a, S: Source> BlockCursor<'a, S> {
    /// A cursor that has read nothing.
    pub fn new(trace: &'a Trace<S>) -> BlockCursor<'a, S> {
        BlockCursor { trace, decoder: BlockDecoder::new(), loaded: None }
    }

    /// The trace that it walks.
    pub fn trace(&self) -> &'a Trace<S> {
        self.trace
    }

    /// The rows of the block that holds `tick`, with at least these channels, and the tick's index in them; `None` if the
    /// trace has no such tick.
    ///
    /// # Errors
    /// The block cannot be read or is damaged.
    pub fn at(&mut self, tick: Tick, channels: ChannelSet) -> Result<Option<(&Rows, usize)>, Error> {
        Ok(self.load(tick, channels)?.map(|(loaded, index)| (&loaded.rows, index)))
    }

    /// The digest of a declared channel at `tick`; `None` if the trace has no such tick.
    ///
    /// # Errors
    /// The block cannot be read or is damaged.
    pub fn digest(&mut self, tick: Tick, channel: Channel) -> Result<Option<Digest>, Error> {
        let Some((loaded, index)) = self.load(tick, [channel].into_iter().collect())? else { return Ok(None) };
        let Loaded { rows, digests, .. } = loaded;
        let digests = digests[channel as usize].get_or_insert_with(|| {
            let mut digester = TickDigester::new(rows.layout());
            (0..rows.ticks().len()).map(|tick| digester.channel(rows, channel, tick)).collect()
        });
        Ok(Some(digests[index]))
    }

    fn load(&mut self, tick: Tick, channels: ChannelSet) -> Result<Option<(&mut Loaded, usize)>, Error> {
        let Some(block) = self.trace.index().block_of(tick) else { return Ok(None) };
        let declared = self.trace.layout().channels();
        let wanted = |channel: &Channel| channels.contains(*channel) && declared.contains(*channel);
        let here = self.loaded.take_if(|loaded| {
            loaded.block != block
                || channels.iter().filter(wanted).any(|channel| !loaded.rows.loaded().contains(channel))
        });
        if let Some(past) = here {
            // What is loaded of this very block stays asked for.
            let kept = if past.block == block { past.rows.loaded() } else { ChannelSet::EMPTY };
            self.decoder.recycle(past.rows);
            self.decode(block, channels.iter().chain(kept.iter()).collect())?;
        } else if self.loaded.is_none() {
            self.decode(block, channels)?;
        }
        let loaded = self.loaded.as_mut().expect("loaded above");
        Ok(loaded.rows.index_of(tick).map(|index| (loaded, index)))
    }

    fn decode(&mut self, block: usize, channels: ChannelSet) -> Result<(), Error> {
        let rows = self.trace.block_by(&mut self.decoder, block, channels)?;
        self.loaded = Some(Loaded { block, rows, digests: Default::default() });
        Ok(())
    }
}
