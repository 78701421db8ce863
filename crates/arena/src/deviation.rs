//! The mistakes that people make when they write a game again, each to be switched on by its name.

use clap::ValueEnum;

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Deviation {
    /// Whether a shot is a strong one is not drawn while rapid fire lasts.
    MissingDraw,
    /// A blast draws where it begins, which the original does not.
    ExtraDraw,
    /// A new creature's side is drawn before its kind.
    SwappedDraws,
    /// Creatures steer in f64, and are rounded at the end.
    F64Intermediate,
    /// Players gain speed by fused multiply-add.
    FusedMultiplyAdd,
    /// A level is reached above its experience, not at it.
    LessForLessOrEqual,
    /// The next dash comes a tick early.
    TimerOffByOne,
    /// A projectile takes the last free slot, not the first.
    SlotReuseOrder,
    /// The dash button is masked out.
    DroppedInputBit,
    /// A new creature keeps the windup of the one that had its slot.
    UninitialisedField,
    /// The screen shakes no further than by 2 when somebody is hit, which fades away.
    HealedBlip,
}
