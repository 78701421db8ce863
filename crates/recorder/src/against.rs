//! Comparing digests with a reference while its candidate is recorded.

use std::fmt;

use cdt_schema::{Digest, Layout, Tick};
use cdt_trace::Trace;

use crate::Error;

/// A reference, and since when the ticks of a candidate differ from it. Two ticks differ exactly where their digests do, so this finds
/// what an ordinary comparison without a policy finds: the first difference that lasts.
pub struct Against {
    reference: Trace,
    sustain: u32,
    /// Those of the segment that the last tick stands in, and where that segment begins.
    digests: Vec<Digest>,
    begins: u32,
    segment: usize,
    /// The first of the ticks that differ without a gap up to now.
    since: Option<Tick>,
    compared: u32,
}

impl fmt::Debug for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Against { reference, sustain, since, .. } = self;
        let mut shown = f.debug_struct("Against");
        shown
            .field("reference", &reference.name())
            .field("sustain", sustain)
            .field("since", since)
            .finish_non_exhaustive()
    }
}

impl Against {
    /// A comparison that ends when `sustain` ticks one after another have differed.
    ///
    /// # Errors
    /// The reference does not begin at tick 0, or lacks a tick.
    pub fn new(reference: Trace, sustain: u32) -> Result<Against, Error> {
        crate::steps::check_contiguous(&reference)?;
        Ok(Against { reference, sustain, digests: Vec::new(), begins: 0, segment: 0, since: None, compared: 0 })
    }

    /// Holds the reference's layout against a candidate's.
    pub(crate) fn check_layout(&self, layout: &Layout) -> Result<(), Error> {
        let differences = self.reference.layout().differences(layout);
        let Some(first) = differences.first() else { return Ok(()) };
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "absent".to_owned());
        Err(Error::unsuitable(format!(
            "{}: its layout is another one, so digests cannot be compared: {} is {} there and {} here; record without a reference, \
             then compare with `cdt diff`",
            self.reference.name().display(),
            first.what,
            side(&first.reference),
            side(&first.candidate),
        )))
    }

    /// Takes the digest of the candidate's next tick, and tells since when the two have parted for good: for as many ticks as are asked
    /// for, or to the reference's end. Ticks that the reference does not have are no difference.
    pub(crate) fn tick(&mut self, tick: Tick, digest: Digest) -> Result<Option<Tick>, Error> {
        let Some(reference) = self.digest_of(tick)? else { return Ok(self.since) };
        self.compared += 1;
        if reference == digest {
            self.since = None;
            return Ok(None);
        }
        let since = *self.since.get_or_insert(tick);
        Ok(Some(since).filter(|since| tick.0 - since.0 + 1 >= self.sustain))
    }

    /// Since when the two differ at the candidate's end.
    pub(crate) fn since(&self) -> Option<Tick> {
        self.since
    }

    /// How many ticks both had.
    pub(crate) fn compared(&self) -> u32 {
        self.compared
    }

    fn digest_of(&mut self, tick: Tick) -> Result<Option<Digest>, Error> {
        while (tick.0 - self.begins) as usize >= self.digests.len() {
            if self.segment == self.reference.segments() {
                return Ok(None);
            }
            self.begins += u32::try_from(self.digests.len()).expect("a trace has at most 2^32 ticks");
            self.digests = self.reference.digests(self.segment)?;
            self.segment += 1;
        }
        Ok(Some(self.digests[(tick.0 - self.begins) as usize]))
    }
}
