//! The game as a machine: its layout, what a tick reports, snapshots, and writing single fields.

use std::fmt;
use std::sync::Arc;

use cdt_schema::{
    Checkpoint, CheckpointLayout, Draw, EntityKind, Field, FieldTarget, Generation, KindId, Layout, LayoutSpec,
    Machine, RngAlgorithm, RngStream, RowError, Scalar, Slot, Step, StepLayout, TickBuilder, Uid,
};
use rkyv::{Archive, Deserialize, Serialize, rancor};

use crate::Deviation;
use crate::game::Game;
use crate::lives::{Life, Lives};
use crate::pools::{BONUSES, Bonus, CREATURES, Creature, Fields, PLAYERS, PROJECTILES, Player, Projectile, World};

/// The generation of players, who stay in the game whatever happens to them.
const ONLY_LIFE: u32 = 1;

/// Kinds of creatures, and of bonuses.
const KINDS: i32 = 4;

/// What a trace of the game carries, of a run of so many players.
///
/// # Panics
/// Never: the layout is sound for any number.
pub fn layout(players: u8) -> Layout {
    fn fields<T: Fields>() -> Vec<Field> {
        T::FIELDS.iter().map(|&(name, scalar_type)| Field { name: name.to_owned(), scalar_type }).collect()
    }
    let kind = |name: &str, fields| EntityKind { name: name.to_owned(), fields };
    let spec = LayoutSpec {
        players,
        step: Some(StepLayout::default()),
        rng: Some(vec![RngStream { name: "main".to_owned(), algorithm: RngAlgorithm::MsvcLcg }]),
        state: Some(fields::<World>()),
        entities: Some(vec![
            kind("player", fields::<Player>()),
            kind("creature", fields::<Creature>()),
            kind("projectile", fields::<Projectile>()),
            kind("bonus", fields::<Bonus>()),
        ]),
        checkpoint: Some(CheckpointLayout { rng_state: true, entity_counts: true, ..CheckpointLayout::default() }),
        ..LayoutSpec::default()
    };
    Layout::new(spec).expect("the game's layout is sound")
}

/// The game as a machine.
#[derive(Clone, Debug)]
pub struct Arena {
    layout: Arc<Layout>,
    whole: Whole,
    /// Of the last tick.
    draws: Vec<Draw>,
    deviation: Option<Deviation>,
}

/// All that the future depends on, and all that a trace tells beside the draws of a tick.
#[derive(Clone, Debug, Archive, Serialize, Deserialize)]
struct Whole {
    game: Game,
    creatures: Lives<Creature, CREATURES>,
    projectiles: Lives<Projectile, PROJECTILES>,
    bonuses: Lives<Bonus, BONUSES>,
}

/// Why the machine cannot do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaError(String);

impl fmt::Display for ArenaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ArenaError {}

impl Arena {
    /// A game about to begin.
    ///
    /// # Errors
    /// There are more players than places for them, or none.
    pub fn new(seed: u32, players: u8, deviation: Option<Deviation>) -> Result<Arena, ArenaError> {
        if !(1..=PLAYERS).contains(&usize::from(players)) {
            return Err(ArenaError(format!("1 to {PLAYERS} players are expected, not {players}")));
        }
        let whole = Whole {
            game: Game::new(seed, usize::from(players)),
            creatures: Lives::new(),
            projectiles: Lives::new(),
            bonuses: Lives::new(),
        };
        Ok(Arena { layout: Arc::new(layout(players)), whole, draws: Vec::new(), deviation })
    }

    /// The record that an entity's fields stand in, if it lives.
    fn entity(&mut self, uid: Uid) -> Option<&mut dyn SetField> {
        let Slot(slot) = uid.slot;
        let slot = usize::try_from(slot).ok()?;
        let Generation(generation) = uid.generation;
        let Whole { game, creatures, projectiles, bonuses } = &mut self.whole;
        match uid.kind.0 {
            0 => game.players.get_mut(slot).filter(|of| of.in_game && generation == ONLY_LIFE).map(|of| of as _),
            1 => living(&mut game.creatures, creatures, slot, generation),
            2 => living(&mut game.projectiles, projectiles, slot, generation),
            3 => living(&mut game.bonuses, bonuses, slot, generation),
            _ => None,
        }
    }
}

/// [`Fields::set`] of any record.
trait SetField {
    fn set_field(&mut self, index: usize, value: Scalar) -> bool;
}

impl<T: Fields> SetField for T {
    fn set_field(&mut self, index: usize, value: Scalar) -> bool {
        T::FIELDS.get(index).is_some_and(|(name, _)| admits(name, value)) && self.set(index, value)
    }
}

/// Whether a field can hold a value: numbers of players and kinds are looked up by it, and floats are some.
fn admits(field: &str, value: Scalar) -> bool {
    match (field, value) {
        ("mark" | "owner", Scalar::I32(player)) => player == -1 || usize::try_from(player).is_ok_and(|of| of < PLAYERS),
        ("kind", Scalar::I32(kind)) => (0..KINDS).contains(&kind),
        (_, Scalar::F32(value)) => value.is_finite(),
        _ => true,
    }
}

fn living<'a, T: Life + Fields, const N: usize>(
    pool: &'a mut [T; N],
    lives: &Lives<T, N>,
    slot: usize,
    generation: u32,
) -> Option<&'a mut dyn SetField> {
    let is_same = *lives.generations().get(slot)? == generation;
    pool.get_mut(slot).filter(|of| of.is_alive() && is_same).map(|of| of as _)
}

/// Reports those of a pool that are there, each with its generation, and how many they are.
fn report<T: Fields, const N: usize>(
    pool: &[T; N],
    kind: u16,
    generations: &[u32; N],
    is_there: impl Fn(&T) -> bool,
    tick: &mut TickBuilder<'_>,
) -> Result<u32, RowError> {
    let mut count = 0;
    let (mut slots, mut lives) = ([0; N], [0; N]);
    for ((slot, record), generation) in (0..).zip(pool).zip(generations) {
        // Written over by the next one, if nobody is there.
        (slots[count], lives[count]) = (slot, *generation);
        count += usize::from(is_there(record));
    }
    T::report(pool, KindId(kind), &slots[..count], &lives[..count], tick)?;
    Ok(u32::try_from(count).expect("pools are small"))
}

impl Machine for Arena {
    type Error = ArenaError;

    fn layout(&self) -> Arc<Layout> {
        self.layout.clone()
    }

    fn step(&mut self, step: &Step) -> Result<(), ArenaError> {
        let expected = usize::from(self.layout.spec().players);
        if step.inputs.len() != expected {
            let came = step.inputs.len();
            return Err(ArenaError(format!("the input of {expected} players is expected, not of {came}")));
        }
        let mut buttons = [0; PLAYERS];
        buttons.iter_mut().zip(&step.inputs).for_each(|(buttons, input)| *buttons = input.buttons);
        let Whole { game, creatures, projectiles, bonuses } = &mut self.whole;
        game.tick(buttons, &mut self.draws, self.deviation);
        creatures.see(&game.creatures);
        projectiles.see(&game.projectiles);
        bonuses.see(&game.bonuses);
        Ok(())
    }

    fn observe(&self, tick: &mut TickBuilder<'_>) -> Result<(), RowError> {
        let Whole { game, creatures, projectiles, bonuses } = &self.whole;
        tick.draws(&self.draws)?;
        tick.state(game.world.values().as_ref())?;
        let entity_counts = [
            report(&game.players, 0, &[ONLY_LIFE; PLAYERS], |player| player.in_game, tick)?,
            report(&game.creatures, 1, creatures.generations(), Life::is_alive, tick)?,
            report(&game.projectiles, 2, projectiles.generations(), Life::is_alive, tick)?,
            report(&game.bonuses, 3, bonuses.generations(), Life::is_alive, tick)?,
        ];
        let rng_state = [u64::from(game.rng_state)];
        tick.checkpoint(&Checkpoint { rng_state: &rng_state, entity_counts: &entity_counts, ..Checkpoint::default() })
    }

    fn snapshot(&self) -> Vec<u8> {
        rkyv::to_bytes::<rancor::Error>(&self.whole).expect("plain numbers can be archived").to_vec()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), ArenaError> {
        let whole = rkyv::from_bytes::<Whole, rancor::Error>(snapshot);
        self.whole = whole.map_err(|error| ArenaError(format!("this is no snapshot of the game: {error}")))?;
        self.draws.clear();
        Ok(())
    }

    fn write_field(&mut self, target: FieldTarget, value: Scalar) -> Result<(), ArenaError> {
        let (record, index): (&mut dyn SetField, usize) = match target {
            FieldTarget::State(index) => (&mut self.whole.game.world, index),
            FieldTarget::Entity(uid, index) => {
                let there = self.entity(uid);
                (there.ok_or_else(|| ArenaError(format!("there is no entity {uid:?}")))?, index)
            }
        };
        let is_set = record.set_field(index, value);
        if is_set { Ok(()) } else { Err(ArenaError(format!("{target:?} is no field that takes {value:?}"))) }
    }
}
