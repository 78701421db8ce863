//! The kinds of evidence that a tick carries, in causal order.

use std::fmt;

/// One typed kind of evidence. The order of the variants is the causal order in which a divergence is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Channel {
    /// What drove the tick: dt, inputs, commands.
    Step = 0,
    /// Ordered draws from the rng streams.
    Rng = 1,
    /// Ordered syscalls with arguments and results.
    Calls = 2,
    /// The declared scalars.
    State = 3,
    /// Every live entity with its kind's fields.
    Entities = 4,
    /// Digests and counters that the machine knows of itself.
    Checkpoint = 5,
    /// What the stages cost.
    Timing = 6,
    /// Ordered events of guest, host and debugger.
    Events = 7,
    /// Pages of memory that changed.
    Memory = 8,
}

impl Channel {
    /// Every channel, in causal order.
    pub const ALL: [Channel; 9] = [
        Channel::Step,
        Channel::Rng,
        Channel::Calls,
        Channel::State,
        Channel::Entities,
        Channel::Checkpoint,
        Channel::Timing,
        Channel::Events,
        Channel::Memory,
    ];

    /// The channel's name in reports, paths and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Channel::Step => "step",
            Channel::Rng => "rng",
            Channel::Calls => "calls",
            Channel::State => "state",
            Channel::Entities => "entities",
            Channel::Checkpoint => "checkpoint",
            Channel::Timing => "timing",
            Channel::Events => "events",
            Channel::Memory => "memory",
        }
    }

    /// Whether its rows carry anything beside behaviour: callers of draws, wall time, events of the host.
    pub fn has_diagnostics(self) -> bool {
        matches!(self, Channel::Rng | Channel::Timing | Channel::Events)
    }

    /// The channel of that name.
    pub fn from_name(name: &str) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A set of channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelSet(u16);

impl ChannelSet {
    /// No channel.
    pub const EMPTY: ChannelSet = ChannelSet(0);
    /// Every channel there is.
    pub const ALL: ChannelSet = ChannelSet(0x1ff);

    /// Whether `channel` is a member.
    pub fn contains(self, channel: Channel) -> bool {
        self.0 & (1 << channel as u8) != 0
    }

    /// Makes `channel` a member.
    pub fn insert(&mut self, channel: Channel) {
        self.0 |= 1 << channel as u8;
    }

    /// The members, in causal order.
    pub fn iter(self) -> impl Iterator<Item = Channel> {
        Channel::ALL.into_iter().filter(move |&channel| self.contains(channel))
    }
}

impl FromIterator<Channel> for ChannelSet {
    fn from_iter<I: IntoIterator<Item = Channel>>(channels: I) -> Self {
        let mut set = ChannelSet::EMPTY;
        for channel in channels {
            set.insert(channel);
        }
        set
    }
}
