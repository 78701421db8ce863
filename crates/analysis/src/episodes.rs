//! Episodes: maximal runs of consecutive ticks on which two runs differ.

use cdt_schema::{Channel, ChannelSet, Tick};

use crate::report::{Counts, EpisodeKind, EpisodeReport, Episodes};

/// Gathers episodes from the ticks that differ, which come in ascending order.
#[derive(Debug)]
pub(crate) struct EpisodeTracker {
    sustain: u32,
    /// The last tick that either run has in the window, to tell an episode that it cuts short.
    last_of_window: Tick,
    limit: usize,
    open: Option<OpenEpisode>,
    first_lasting: Option<Tick>,
    parted: Option<Tick>,
    episodes: Episodes,
}

#[derive(Debug)]
struct OpenEpisode {
    start: Tick,
    last: Tick,
    /// Ticks that differ, which are fewer than the numbers from `start` to `last` where numbers are skipped.
    ticks: u64,
    channels: ChannelSet,
}

impl EpisodeTracker {
    pub(crate) fn new(sustain: u32, last_of_window: Tick, limit: usize) -> EpisodeTracker {
        EpisodeTracker {
            sustain,
            last_of_window,
            limit,
            open: None,
            first_lasting: None,
            parted: None,
            episodes: Episodes::default(),
        }
    }

    /// A tick differs in these channels. `previous` is the tick before it that either run has.
    pub(crate) fn differs(&mut self, tick: Tick, previous: Option<Tick>, channels: ChannelSet) {
        match &mut self.open {
            Some(open) if Some(open.last) == previous => {
                open.last = tick;
                open.ticks += 1;
                channels.iter().for_each(|channel| open.channels.insert(channel));
            }
            _ => {
                self.close();
                self.open = Some(OpenEpisode { start: tick, last: tick, ticks: 1, channels });
            }
        }
    }

    fn close(&mut self) {
        let Some(OpenEpisode { start, last, ticks, channels }) = self.open.take() else { return };
        let end = u64::from(last.0) + 1;
        let to_the_end = last == self.last_of_window;
        let kind = if ticks >= u64::from(self.sustain) {
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
            self.episodes.listed.push(EpisodeReport { start, end, kind, to_the_end, channels });
        }
    }

    /// All episodes; where the first one began that lasts or that the window's end cut short; and where the one began that
    /// reaches the window's end.
    pub(crate) fn finish(mut self) -> (Episodes, Option<Tick>, Option<Tick>) {
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
    use super::*;

    /// Start, end, kind, and whether it reaches the window's end.
    type Listed = (u32, u64, EpisodeKind, bool);

    /// Episodes of the given differing ticks in a window of ticks 0..=100, with sustain 5.
    fn episodes(ticks: &[u32]) -> (Vec<Listed>, Option<u32>) {
        let mut tracker = EpisodeTracker::new(5, Tick(100), 10);
        for &tick in ticks {
            tracker.differs(Tick(tick), tick.checked_sub(1).map(Tick), ChannelSet::EMPTY);
        }
        let (episodes, first, _) = tracker.finish();
        let listed = episodes.listed.iter().map(|e| (e.start.0, e.end, e.kind, e.to_the_end)).collect();
        (listed, first.map(|tick| tick.0))
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
        let mut tracker = EpisodeTracker::new(60, Tick(1_000), 10);
        tracker.differs(Tick(60), None, ChannelSet::EMPTY);
        tracker.differs(Tick(120), Some(Tick(60)), ChannelSet::EMPTY);
        assert_eq!(tracker.counts().healed, 1);
    }

    #[test]
    fn the_list_has_a_limit_and_the_counts_do_not() {
        let mut tracker = EpisodeTracker::new(5, Tick(100), 2);
        (0..40).step_by(2).for_each(|tick| tracker.differs(Tick(tick), None, ChannelSet::EMPTY));
        let (episodes, ..) = tracker.finish();
        assert_eq!((episodes.counts.count, episodes.listed.len()), (20, 2));
    }
}
