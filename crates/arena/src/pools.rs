//! The game's memory: the world, and pools whose slots are used again. Field by field as the original has it, because what it does
//! with them is what has to be the same.

use cdt_schema::{KindId, RowError, Scalar, ScalarType, TickBuilder, Values};
use rkyv::{Archive, Deserialize, Serialize};

/// Slots for players.
pub const PLAYERS: usize = 4;
/// Slots for creatures.
pub const CREATURES: usize = 64;
/// Slots for projectiles.
pub const PROJECTILES: usize = 96;
/// Slots for bonuses.
pub const BONUSES: usize = 12;

/// The fields of a struct that a trace carries, in the order of the layout.
pub trait Fields {
    /// Their names and types.
    const FIELDS: &'static [(&'static str, ScalarType)];

    /// Their values.
    fn values(&self) -> impl AsRef<[Scalar]>;

    /// Reports those that are in some slots of a pool, of which each has its generation: field after field, as tables of a trace have it.
    ///
    /// # Errors
    /// The layout is another, or a value is none.
    fn report<const N: usize>(
        pool: &[Self; N],
        kind: KindId,
        slots: &[u32],
        generations: &[u32],
        tick: &mut TickBuilder<'_>,
    ) -> Result<(), RowError>
    where
        Self: Sized;

    /// Writes one; false if there is none such, or it has another type.
    fn set(&mut self, index: usize, value: Scalar) -> bool;
}

/// Declares a struct of the game, all of whose fields after the bar are carried by traces.
macro_rules! record {
    (
        $(#[$attribute:meta])*
        struct $record:ident {
            $($(#[$hidden_attribute:meta])* $hidden:ident: $hidden_type:ty,)*
            |
            $($(#[$field_attribute:meta])* $field:ident: $type:ident as $variant:ident,)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Archive, Serialize, Deserialize)]
        pub struct $record {
            $($(#[$hidden_attribute])* pub $hidden: $hidden_type,)*
            $($(#[$field_attribute])* pub $field: $type,)*
        }

        impl Fields for $record {
            const FIELDS: &'static [(&'static str, ScalarType)] =
                &[$((stringify!($field), ScalarType::$variant)),*];

            fn values(&self) -> impl AsRef<[Scalar]> {
                [$(Scalar::$variant(self.$field)),*]
            }

            fn report<const N: usize>(
                pool: &[Self; N],
                kind: KindId,
                slots: &[u32],
                generations: &[u32],
                tick: &mut TickBuilder<'_>,
            ) -> Result<(), RowError> {
                $(
                    let mut $field = [<$type>::default(); N];
                    $field.iter_mut().zip(slots).for_each(|(value, slot)| *value = pool[*slot as usize].$field);
                )*
                let count = slots.len();
                tick.entities(kind, slots, generations, &[$(Values::$variant(&$field[..count])),*])
            }

            fn set(&mut self, index: usize, value: Scalar) -> bool {
                let mut at = 0;
                $(
                    if at == index {
                        let Scalar::$variant(value) = value else { return false };
                        self.$field = value;
                        return true;
                    }
                    at += 1;
                )*
                let _ = at;
                false
            }
        }
    };
}

record! {
    /// What is the game's and nobody's in it.
    struct World {
        /// Ticks so far.
        tick: u32,
        |
        /// Of the script, from 0.
        wave: u32 as U32,
        /// Creatures of the wave that are not there yet.
        to_come: i32 as I32,
        /// Ticks until the next one.
        pause: i32 as I32,
        /// Creatures, by players.
        killed: u32 as U32,
        /// By players.
        shots: u32 as U32,
        /// Of the screen; it fades.
        shake: f32 as F32,
        /// Ticks since the last player fell; 0 while one stands.
        over: i32 as I32,
    }
}

record! {
    /// A player; the slot is who.
    struct Player {
        /// Whether somebody plays it.
        in_game: bool,
        |
        /// Where, to the right.
        x: f32 as F32,
        /// Where, down.
        y: f32 as F32,
        /// A tick.
        vx: f32 as F32,
        /// A tick.
        vy: f32 as F32,
        /// Where it fires, of length 1.
        aim_x: f32 as F32,
        /// Where it fires.
        aim_y: f32 as F32,
        /// Up to 100.
        hp: f32 as F32,
        /// Ticks until the next shot.
        cooldown: i32 as I32,
        /// Ticks until the next dash.
        dash: i32 as I32,
        /// Ticks of rapid fire that are left.
        rapid: i32 as I32,
        /// Ticks of double points that are left.
        doubled: i32 as I32,
        /// Ticks until a fallen player stands up.
        down: i32 as I32,
        /// Points.
        score: u32 as U32,
        /// Points that were not doubled.
        experience: u32 as U32,
        /// Makes shots stronger.
        level: u32 as U32,
    }
}

record! {
    /// What comes in waves.
    struct Creature {
        /// Whether the slot is taken.
        active: bool,
        |
        /// Which of [`crate::game::Kind`].
        kind: i32 as I32,
        /// Where, to the right.
        x: f32 as F32,
        /// Where, down.
        y: f32 as F32,
        /// A tick.
        vx: f32 as F32,
        /// A tick.
        vy: f32 as F32,
        /// Hits that it takes.
        hp: f32 as F32,
        /// Ticks until it bites or spits.
        windup: i32 as I32,
        /// The player that it is after, or -1.
        mark: i32 as I32,
    }
}

record! {
    /// What flies.
    struct Projectile {
        /// Whether the slot is taken.
        active: bool,
        |
        /// A player, or -1 for a creature's.
        owner: i32 as I32,
        /// Where, to the right.
        x: f32 as F32,
        /// Where, down.
        y: f32 as F32,
        /// A tick.
        vx: f32 as F32,
        /// A tick.
        vy: f32 as F32,
        /// To what it hits.
        damage: f32 as F32,
        /// Ticks that are left.
        life: i32 as I32,
    }
}

record! {
    /// What lies there to be picked up.
    struct Bonus {
        /// Whether the slot is taken.
        active: bool,
        |
        /// 0 health, 1 rapid fire, 2 double points, 3 a blast.
        kind: i32 as I32,
        /// Where, to the right.
        x: f32 as F32,
        /// Where, down.
        y: f32 as F32,
        /// Ticks that are left.
        life: i32 as I32,
    }
}
