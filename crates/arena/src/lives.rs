//! Telling the lives of a slot apart by what stands in it at the end of each tick: all that can be seen of the original, so the rewrite
//! counts in the same way. What is born and dies within one tick is nobody's life.

use rkyv::{Archive, Deserialize, Serialize};

use crate::pools::{Bonus, Creature, Projectile};

/// What lives in a slot.
pub trait Life: Copy + Default {
    /// Whether the slot is taken.
    fn is_alive(&self) -> bool;

    /// Whether this is what was there a tick ago, rather than what took its slot within the tick.
    fn goes_on_from(&self, before: &Self) -> bool;
}

/// Waves come before anything dies: a slot that is given up stays empty for the rest of the tick.
impl Life for Creature {
    fn is_alive(&self) -> bool {
        self.active
    }

    fn goes_on_from(&self, _: &Creature) -> bool {
        true
    }
}

/// A blast begins after projectiles have moved, so it may take a slot that was given up in the same tick. In flight only the place
/// changes, and life falls by one.
impl Life for Projectile {
    fn is_alive(&self) -> bool {
        self.active
    }

    fn goes_on_from(&self, before: &Projectile) -> bool {
        let flight = |of: &Projectile| (of.owner, [of.vx, of.vy, of.damage].map(f32::to_bits));
        self.life == before.life - 1 && flight(self) == flight(before)
    }
}

/// They are dropped before they are picked up: a slot that is given up stays empty for the rest of the tick.
impl Life for Bonus {
    fn is_alive(&self) -> bool {
        self.active
    }

    fn goes_on_from(&self, _: &Bonus) -> bool {
        true
    }
}

/// The generations of a pool's slots.
#[derive(Clone, Debug, Archive, Serialize, Deserialize)]
pub struct Lives<T, const N: usize> {
    generations: [u32; N],
    before: [T; N],
}

impl<T: Life, const N: usize> Lives<T, N> {
    /// Of a pool nobody was in.
    pub fn new() -> Lives<T, N> {
        Lives { generations: [0; N], before: [T::default(); N] }
    }

    /// The pool is like this at the end of a tick.
    pub fn see(&mut self, pool: &[T; N]) {
        for ((generation, before), now) in self.generations.iter_mut().zip(&mut self.before).zip(pool) {
            if now.is_alive() && !(before.is_alive() && now.goes_on_from(before)) {
                *generation += 1;
            }
            *before = *now;
        }
    }

    /// By slot; of a slot that is not taken, the last one's.
    pub fn generations(&self) -> &[u32; N] {
        &self.generations
    }
}
