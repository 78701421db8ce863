//! Episodes: maximal runs of consecutive ticks on which two runs differ.

use cdt_schema::{Channel, ChannelSet};

use crate::report::{Counts, EpisodeKind, EpisodeReport, Episodes};
use crate::ticks::PairedTick;

/// Gathers episodes from the moments that differ, which come in their order.
#[derive(Debug)]
pub(crate) struct EpisodeTracker {
    sustain: u32,
    /// How many moments are compared, to tell an episode that their end cuts short.
    total: u64,
    limit: usize,
    open: Option<OpenEpisode>,
    first_lasting: Option<PairedTick>,
    parted: Option<PairedTick>,
    episodes: Episodes,
}

#[derive(Debug)]
struct OpenEpisode {
    start: PairedTick,
    last: PairedTick,
    channels: ChannelSet,
}

impl OpenEpisode {
    /// Moments that differ, which may be fewer than the numbers of their ticks.
    fn moments(&self) -> u64 {
        self.last.position - self.start.position + 1
    }
}

impl EpisodeTracker {
    pub(crate) fn new(sustain: u32, total: u64, limit: usize) -> EpisodeTracker {
        EpisodeTracker {
            sustain,
            total,
            limit,
            open: None,
            first_lasting: None,
            parted: None,
            episodes: Episodes::default(),
        }
    }

    /// A moment differs in these channels.
    pub(crate) fn differs(&mut self, at: PairedTick, channels: ChannelSet) {
        match &mut self.open {
            Some(open) if open.last.position + 1 == at.position => {
                open.last = at;
                channels.iter().for_each(|channel| open.channels.insert(channel));
            }
            _ => {
                self.close();
                self.open = Some(OpenEpisode { start: at, last: at, channels });
            }
        }
    }

    /// Where the first episode began that lasts, if what came so far settles it.
    pub(crate) fn settled(&self) -> Option<PairedTick> {
        let lasts = |open: &&OpenEpisode| open.moments() >= u64::from(self.sustain);
        self.first_lasting.or_else(|| self.open.as_ref().filter(lasts).map(|open| open.start))
    }

    fn close(&mut self) {
        let Some(episode) = self.open.take() else { return };
        let moments = episode.moments();
        let OpenEpisode { start, last, channels } = episode;
        let end = u64::from(last.tick().0) + 1;
        let to_the_end = last.position + 1 == self.total;
        let kind = if moments >= u64::from(self.sustain) {
            EpisodeKind::Sustained
        } else if to_the_end {
            EpisodeKind::Open
        } else {
            EpisodeKind::Healed
        };
        let counts = &mut self.episodes.counts;
        counts.count += 1;
        match kind {
            EpisodeKind::Healed => counts.healed += 1,
            EpisodeKind::Sustained => counts.sustained += 1,
            EpisodeKind::Open => counts.open += 1,
        }
        if kind != EpisodeKind::Healed {
            self.first_lasting.get_or_insert(start);
        }
        self.parted = to_the_end.then_some(start);
        if self.episodes.listed.len() < self.limit {
            let channels: Vec<Channel> = channels.iter().collect();
            self.episodes.listed.push(EpisodeReport { start: start.tick(), end, kind, to_the_end, channels });
        }
    }

    /// All episodes; where the first one began that lasts or that the window's end cut short; and where the one began that
    /// reaches the window's end.
    pub(crate) fn finish(mut self) -> (Episodes, Option<PairedTick>, Option<PairedTick>) {
        self.close();
        (self.episodes, self.first_lasting, self.parted)
    }

    /// The numbers alone.
    pub(crate) fn counts(self) -> Counts {
        self.finish().0.counts
    }
}

#[cfg(test)]
mod tests {
    use cdt_schema::Tick;

    use super::*;

    /// Start, end, kind, and whether it reaches the window's end.
    type Listed = (u32, u64, EpisodeKind, bool);

    fn moment(position: u64, tick: u32) -> PairedTick {
        PairedTick { position, reference: Some(Tick(tick)), candidate: None }
    }

    /// Episodes of the given differing ticks in a window of ticks 0..=100, with sustain 5.
    fn episodes(ticks: &[u32]) -> (Vec<Listed>, Option<u32>) {
        let mut tracker = EpisodeTracker::new(5, 101, 10);
        ticks.iter().for_each(|&tick| tracker.differs(moment(u64::from(tick), tick), ChannelSet::EMPTY));
        let (episodes, first, _) = tracker.finish();
        let listed = episodes.listed.iter().map(|e| (e.start.0, e.end, e.kind, e.to_the_end)).collect();
        (listed, first.map(|first| first.tick().0))
    }

    #[test]
    fn a_blip_heals_and_a_fork_lasts() {
        use EpisodeKind::{Healed, Open, Sustained};
        assert_eq!(episodes(&[]), (vec![], None));
        assert_eq!(episodes(&[0]), (vec![(0, 1, Healed, false)], None));
        assert_eq!(episodes(&[3, 4, 5, 6]), (vec![(3, 7, Healed, false)], None));
        assert_eq!(episodes(&[3, 4, 5, 6, 7]), (vec![(3, 8, Sustained, false)], Some(3)));
        assert_eq!(episodes(&[1, 99, 100]), (vec![(1, 2, Healed, false), (99, 101, Open, true)], Some(99)));
        let all: Vec<u32> = (90..=100).collect();
        assert_eq!(episodes(&all), (vec![(90, 101, Sustained, true)], Some(90)));
    }

    #[test]
    fn an_episode_lasts_as_many_ticks_as_differ() {
        let mut tracker = EpisodeTracker::new(60, 1_000, 10);
        tracker.differs(moment(7, 60), ChannelSet::EMPTY);
        tracker.differs(moment(8, 120), ChannelSet::EMPTY);
        assert_eq!(tracker.counts().healed, 1);
    }

    #[test]
    fn the_list_has_a_limit_and_the_counts_do_not() {
        let mut tracker = EpisodeTracker::new(5, 101, 2);
        (0..40).step_by(2).for_each(|tick| tracker.differs(moment(u64::from(tick), tick), ChannelSet::EMPTY));
        let (episodes, ..) = tracker.finish();
        assert_eq!((episodes.counts.count, episodes.listed.len()), (20, 2));
    }
}
