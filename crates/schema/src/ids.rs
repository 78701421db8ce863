//! One newtype for every axis of a trace, so that a slot is never taken for a tick.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($repr:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Number of one advance of a machine; strictly increasing inside a trace.
    Tick(u32)
}
id! {
    /// Position of a row among its channel's rows of one tick, from 1.
    Seq(u32)
}
id! {
    /// Place in a pool that an entity occupies.
    Slot(u32)
}
id! {
    /// How often a slot had been allocated when its entity was made. 0 is an entity that was seeded directly.
    Generation(u32)
}
id! {
    /// Index into the layout's entity kinds, command kinds or event kinds.
    KindId(u16)
}
id! {
    /// Index into the layout's stages.
    StageId(u16)
}
id! {
    /// Index into the layout's rng streams.
    StreamId(u8)
}
id! {
    /// Index into the layout's syscalls.
    SyscallId(u32)
}
id! {
    /// Index of a player, from 0.
    PlayerId(u8)
}
id! {
    /// Index of a page of memory.
    PageId(u32)
}

impl Tick {
    /// The tick after this one, or `None` after the last that a trace can hold.
    pub fn next(self) -> Option<Tick> {
        self.0.checked_add(1).map(Tick)
    }
}

/// Identity of one entity for the whole of its life. Ordered by kind, then slot, then generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid {
    /// Which of the layout's entity kinds.
    pub kind: KindId,
    /// Which place of that kind's pool.
    pub slot: Slot,
    /// Which of the slot's successive tenants.
    pub generation: Generation,
}
