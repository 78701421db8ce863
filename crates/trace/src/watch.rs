//! How long work is watched and stopped. Work reports and asks; doors draw the bar and catch the signal.

/// Watches long work.
pub trait Watch {
    /// `done` of `total` units are done; the units are the work's own, the total may be unknown.
    fn progress(&self, done: u64, total: Option<u64>);

    /// Whether the work shall stop as soon as it can, leaving nothing behind.
    fn cancelled(&self) -> bool;

    /// From here on the work is not to be broken off either: files get their names, all of them or none.
    fn point_of_no_return(&self) {}
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn progress(&self, _done: u64, _total: Option<u64>) {}

    fn cancelled(&self) -> bool {
        false
    }
}
