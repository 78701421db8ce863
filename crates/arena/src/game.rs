//! The rules, as `capture/original/game.c` has them: what is drawn, added and compared in which order is the original's.

use cdt_schema::{Draw, StreamId};
use rkyv::{Archive, Deserialize, Serialize};

use crate::Deviation;
use crate::pools::{BONUSES, Bonus, CREATURES, Creature, PLAYERS, PROJECTILES, Player, Projectile, World};

/// Ticks a second.
pub const TICK_RATE: i32 = 60;
/// Of the arena.
const WIDTH: f32 = 320.0;
/// Of the arena.
const HEIGHT: f32 = 184.0;

/// What a player may press.
pub mod buttons {
    #![expect(missing_docs, reason = "the names are the whole story")]
    pub const UP: u32 = 1;
    pub const DOWN: u32 = 2;
    pub const LEFT: u32 = 4;
    pub const RIGHT: u32 = 8;
    pub const FIRE: u32 = 16;
    pub const DASH: u32 = 32;
}

/// Kinds of creatures, by the number that [`Creature::kind`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the whole story")]
pub enum Kind {
    Crawler,
    Runner,
    Spitter,
    Brute,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Crawler, Kind::Runner, Kind::Spitter, Kind::Brute];

    /// Of a creature, whatever stands in its field.
    fn of(creature: &Creature) -> Kind {
        usize::try_from(creature.kind).ok().and_then(|kind| Kind::ALL.get(kind).copied()).unwrap_or(Kind::Crawler)
    }

    fn nature(self) -> Nature {
        let nature = |hp, speed, radius, bite, windup, points| Nature { hp, speed, radius, bite, windup, points };
        match self {
            Kind::Crawler => nature(2.0, 0.42, 7.0, 5.0, 30, 10),
            Kind::Runner => nature(1.5, 0.8, 6.0, 3.0, 20, 15),
            Kind::Spitter => nature(3.0, 0.35, 7.0, 6.0, 100, 25),
            Kind::Brute => nature(10.0, 0.28, 11.0, 15.0, 50, 60),
        }
    }
}

/// What all creatures of a kind have in common.
struct Nature {
    hp: f32,
    speed: f32,
    radius: f32,
    bite: f32,
    windup: i32,
    points: u32,
}

/// How many of each kind, of eight, come in a wave; the last one again and again.
const SCRIPT: [[i32; 4]; 5] = [[8, 0, 0, 0], [6, 2, 0, 0], [4, 3, 1, 0], [3, 3, 2, 0], [2, 3, 2, 1]];

const SQRT_3_2: f32 = 0.866_025_4;
/// A ring without an angle: the corners of a dodecagon.
const RING: [[f32; 2]; 12] = [
    [1.0, 0.0],
    [SQRT_3_2, 0.5],
    [0.5, SQRT_3_2],
    [0.0, 1.0],
    [-0.5, SQRT_3_2],
    [-SQRT_3_2, 0.5],
    [-1.0, 0.0],
    [-SQRT_3_2, -0.5],
    [-0.5, -SQRT_3_2],
    [0.0, -1.0],
    [0.5, -SQRT_3_2],
    [SQRT_3_2, -0.5],
];

/// Who draws: the attribution in a trace, which is evidence and no behaviour.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
enum Caller {
    SpawnKind = 1,
    SpawnSide = 2,
    SpawnPlace = 3,
    NextSpawn = 4,
    Spread = 5,
    StrongShot = 6,
    Wobble = 7,
    Drop = 8,
    BonusKind = 9,
    Blast = 10,
}

/// The game: all that its future depends on.
#[derive(Clone, Debug, Archive, Serialize, Deserialize)]
pub struct Game {
    /// What is nobody's.
    pub world: World,
    /// By slot.
    pub players: [Player; PLAYERS],
    /// By slot.
    pub creatures: [Creature; CREATURES],
    /// By slot.
    pub projectiles: [Projectile; PROJECTILES],
    /// By slot.
    pub bonuses: [Bonus; BONUSES],
    /// State of the generator.
    pub rng_state: u32,
}

/// A tick in the making.
struct Play<'a> {
    game: &'a mut Game,
    draws: &'a mut Vec<Draw>,
    deviation: Option<Deviation>,
}

impl Game {
    /// A game about to begin.
    pub fn new(seed: u32, players: usize) -> Game {
        let mut game = Game {
            world: World { to_come: 6, ..World::default() },
            players: [Player::default(); PLAYERS],
            creatures: [Creature::default(); CREATURES],
            projectiles: [Projectile::default(); PROJECTILES],
            bonuses: [Bonus::default(); BONUSES],
            rng_state: seed,
        };
        let mut place = -1.5;
        for player in game.players.iter_mut().take(players) {
            player.in_game = true;
            player.x = WIDTH * 0.5 + 16.0 * place;
            player.y = HEIGHT * 0.5;
            player.aim_x = 1.0;
            player.hp = 100.0;
            place += 1.0;
        }
        game
    }

    /// Plays a tick, in which these buttons are pressed and these draws are made.
    pub fn tick(&mut self, buttons: [u32; PLAYERS], draws: &mut Vec<Draw>, deviation: Option<Deviation>) {
        draws.clear();
        Play { game: self, draws, deviation }.tick(buttons);
    }

    fn nearest_player(&self, x: f32, y: f32) -> i32 {
        let (mut found, mut least) = (-1, 1e9);
        for (number, player) in (0..).zip(&self.players) {
            if player.in_game && player.down == 0 {
                let away = distance(player.x - x, player.y - y);
                if away < least {
                    (found, least) = (number, away);
                }
            }
        }
        found
    }
}

/// Those of C for numbers: what compares as neither stays.
fn clamp(value: f32, low: f32, high: f32) -> f32 {
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

fn distance(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

impl Play<'_> {
    fn is(&self, deviation: Deviation) -> bool {
        self.deviation == Some(deviation)
    }

    fn draw(&mut self, caller: Caller) -> i32 {
        let before = self.game.rng_state;
        let after = before.wrapping_mul(214_013).wrapping_add(2_531_011);
        self.game.rng_state = after;
        let value = after >> 16 & 0x7fff;
        let (before, after) = (u64::from(before), u64::from(after));
        self.draws.push(Draw { stream: StreamId(0), value, before, after, caller: caller as u32 });
        value.cast_signed()
    }

    /// From 0 to below 1.
    #[expect(clippy::cast_precision_loss, reason = "15 bits")]
    fn draw_unit(&mut self, caller: Caller) -> f32 {
        self.draw(caller) as f32 / 32768.0
    }

    fn tick(&mut self, buttons: [u32; PLAYERS]) {
        self.run_script();
        for (number, pressed) in buttons.into_iter().enumerate() {
            if self.game.players[number].in_game {
                self.move_player(number, pressed);
            }
        }
        for slot in 0..CREATURES {
            if self.game.creatures[slot].active {
                self.move_creature(slot);
            }
        }
        for slot in 0..PROJECTILES {
            if self.game.projectiles[slot].active {
                self.move_projectile(slot);
            }
        }
        for slot in 0..BONUSES {
            if self.game.bonuses[slot].active {
                self.move_bonus(slot);
            }
        }
        let is_over = self.game.nearest_player(0.0, 0.0) < 0;
        let world = &mut self.game.world;
        world.shake = if world.shake < 0.01 { 0.0 } else { world.shake * 0.8 };
        world.over = if is_over { world.over + 1 } else { 0 };
        world.tick += 1;
    }

    fn run_script(&mut self) {
        let world = &mut self.game.world;
        if world.pause > 0 {
            world.pause -= 1;
        } else if world.to_come > 0 {
            self.spawn_creature();
            self.game.world.pause = 8 + self.draw(Caller::NextSpawn) % 20;
        } else if self.game.creatures.iter().all(|creature| !creature.active) {
            let world = &mut self.game.world;
            world.wave += 1;
            world.to_come = (6 + 3 * world.wave.cast_signed()).min(48);
            world.pause = 2 * TICK_RATE;
        }
    }

    fn draw_kind(&mut self) -> Kind {
        let wave = usize::try_from(self.game.world.wave).unwrap_or(usize::MAX);
        let mut left = self.draw(Caller::SpawnKind) % 8;
        for (kind, of) in Kind::ALL.into_iter().zip(SCRIPT[wave.min(SCRIPT.len() - 1)]) {
            left -= of;
            if left < 0 {
                return kind;
            }
        }
        Kind::Crawler
    }

    #[expect(clippy::cast_precision_loss, reason = "waves are few")]
    fn spawn_creature(&mut self) {
        let Some(slot) = self.game.creatures.iter().position(|creature| !creature.active) else { return };
        let (kind, side) = if self.is(Deviation::SwappedDraws) {
            let side = self.draw(Caller::SpawnSide) & 3;
            (self.draw_kind(), side)
        } else {
            (self.draw_kind(), self.draw(Caller::SpawnSide) & 3)
        };
        let along = self.draw_unit(Caller::SpawnPlace);
        let (x, y) = match side {
            0 => (along * WIDTH, 0.0),
            1 => (along * WIDTH, HEIGHT),
            2 => (0.0, along * HEIGHT),
            _ => (WIDTH, along * HEIGHT),
        };
        let nature = kind.nature();
        let keeps_windup = self.is(Deviation::UninitialisedField);
        let windup = if keeps_windup { self.game.creatures[slot].windup } else { nature.windup };
        self.game.creatures[slot] = Creature {
            active: true,
            kind: kind as i32,
            x,
            y,
            vx: 0.0,
            vy: 0.0,
            hp: nature.hp + 0.25 * self.game.world.wave as f32,
            windup,
            mark: self.game.nearest_player(x, y),
        };
        self.game.world.to_come -= 1;
    }

    fn spawn_projectile(&mut self, projectile: Projectile) {
        let pool = &mut self.game.projectiles;
        let mut free = pool.iter().enumerate().filter(|(_, old)| !old.active).map(|(slot, _)| slot);
        let slot = if self.deviation == Some(Deviation::SlotReuseOrder) { free.next_back() } else { free.next() };
        if let Some(slot) = slot {
            pool[slot] = Projectile { active: true, ..projectile };
        }
    }

    fn spawn_bonus(&mut self, x: f32, y: f32) {
        let kind = self.draw(Caller::BonusKind) % 4;
        if let Some(bonus) = self.game.bonuses.iter_mut().find(|bonus| !bonus.active) {
            *bonus = Bonus { active: true, kind, x, y, life: 10 * TICK_RATE };
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "levels are few")]
    fn fire(&mut self, number: usize) {
        let spread = (self.draw_unit(Caller::Spread) - 0.5) * 0.2;
        let Player { x, y, aim_x, aim_y, level, rapid, .. } = self.game.players[number];
        let (vx, vy) = (aim_x - aim_y * spread, aim_y + aim_x * spread);
        let mut damage = 1.0 + 0.25 * level as f32;
        let draws = !(self.is(Deviation::MissingDraw) && rapid > 0);
        // One shot of sixteen is a strong one.
        if draws && self.draw(Caller::StrongShot) & 15 == 0 {
            damage *= 3.0;
        }
        let owner = i32::try_from(number).expect("there are four");
        let shot = Projectile { active: true, owner, x, y, vx: vx * 4.0, vy: vy * 4.0, damage, life: 60 };
        self.spawn_projectile(shot);
        self.game.players[number].cooldown = if rapid > 0 { 4 } else { 8 };
        self.game.world.shots += 1;
    }

    fn move_player(&mut self, number: usize, pressed: u32) {
        let is_dash_dropped = self.is(Deviation::DroppedInputBit);
        let is_fused = self.is(Deviation::FusedMultiplyAdd);
        let dash = if self.is(Deviation::TimerOffByOne) { 49 } else { 50 };
        let player = &mut self.game.players[number];
        if player.down > 0 {
            player.down -= 1;
            if player.down == 0 {
                player.hp = 60.0;
            }
            return;
        }
        let pressed = if is_dash_dropped { pressed & !buttons::DASH } else { pressed };
        let is = |button| pressed & button != 0;
        let axis = |more, less| f32::from(u8::from(is(more))) - f32::from(u8::from(is(less)));
        let (mut ax, mut ay) = (axis(buttons::RIGHT, buttons::LEFT), axis(buttons::DOWN, buttons::UP));
        let length = distance(ax, ay);
        if length > 0.0 {
            ax /= length;
            ay /= length;
            if !is(buttons::FIRE) {
                (player.aim_x, player.aim_y) = (ax, ay);
            }
        }
        if player.dash > 0 {
            player.dash -= 1;
        }
        let mut push = 0.24;
        if is(buttons::DASH) && player.dash == 0 && length > 0.0 {
            push = 4.0;
            player.dash = dash;
        }
        let gain =
            |speed: f32, by: f32| if is_fused { speed.mul_add(0.86, by * push) } else { speed * 0.86 + by * push };
        (player.vx, player.vy) = (gain(player.vx, ax), gain(player.vy, ay));
        player.x = clamp(player.x + player.vx, 4.0, WIDTH - 4.0);
        player.y = clamp(player.y + player.vy, 4.0, HEIGHT - 4.0);
        for timer in [&mut player.rapid, &mut player.doubled, &mut player.cooldown] {
            if *timer > 0 {
                *timer -= 1;
            }
        }
        if is(buttons::FIRE) && player.cooldown == 0 {
            self.fire(number);
        }
    }

    fn hurt_player(&mut self, number: usize, damage: f32) {
        let is_capped = self.is(Deviation::HealedBlip);
        let player = &mut self.game.players[number];
        player.hp -= damage;
        if player.hp <= 0.0 {
            player.hp = 0.0;
            player.down = 5 * TICK_RATE;
            (player.vx, player.vy) = (0.0, 0.0);
        }
        let shake = self.game.world.shake + damage * 0.25;
        self.game.world.shake = if is_capped { shake.min(2.0) } else { shake };
    }

    #[expect(clippy::cast_possible_truncation, reason = "the deviation's rounding")]
    fn move_creature(&mut self, slot: usize) {
        let in_f64 = self.is(Deviation::F64Intermediate);
        let creature = self.game.creatures[slot];
        let is_marked = |game: &Game, mark: i32| usize::try_from(mark).is_ok_and(|mark| game.players[mark].down == 0);
        if !is_marked(self.game, creature.mark) || self.game.world.tick & 31 == 0 {
            self.game.creatures[slot].mark = self.game.nearest_player(creature.x, creature.y);
        }
        let Ok(mark) = usize::try_from(self.game.creatures[slot].mark) else { return };
        let kind = Kind::of(&creature);
        let nature = kind.nature();
        let player = &self.game.players[mark];
        let (dx, dy) = (player.x - creature.x, player.y - creature.y);
        let away = distance(dx, dy) + 0.001;
        let speed = if kind == Kind::Spitter && away < 90.0 { -nature.speed } else { nature.speed };
        let gain = |velocity: f32, towards: f32| {
            if in_f64 {
                let towards = f64::from(towards) / f64::from(away) * f64::from(speed);
                (f64::from(velocity) * f64::from(0.9f32) + towards * f64::from(0.1f32)) as f32
            } else {
                velocity * 0.9 + towards / away * speed * 0.1
            }
        };
        let (mut vx, mut vy) = (gain(creature.vx, dx), gain(creature.vy, dy));
        if kind == Kind::Runner {
            vx += (self.draw_unit(Caller::Wobble) - 0.5) * 0.2;
            vy += (self.draw_unit(Caller::Wobble) - 0.5) * 0.2;
        }
        let creature = &mut self.game.creatures[slot];
        (creature.vx, creature.vy) = (vx, vy);
        creature.x = clamp(creature.x + vx, 0.0, WIDTH);
        creature.y = clamp(creature.y + vy, 0.0, HEIGHT);
        if creature.windup > 0 {
            creature.windup -= 1;
        } else if kind == Kind::Spitter {
            creature.windup = nature.windup;
            let (x, y) = (creature.x, creature.y);
            let (vx, vy) = (dx / away * 1.6, dy / away * 1.6);
            self.spawn_projectile(Projectile { active: true, owner: -1, x, y, vx, vy, damage: nature.bite, life: 150 });
        } else if away <= nature.radius + 3.0 {
            creature.windup = nature.windup;
            self.hurt_player(mark, nature.bite);
        }
    }

    fn kill_creature(&mut self, slot: usize, by: usize) {
        let strictly = self.is(Deviation::LessForLessOrEqual);
        let creature = &mut self.game.creatures[slot];
        creature.active = false;
        let (x, y, points) = (creature.x, creature.y, Kind::of(creature).nature().points);
        self.game.world.killed += 1;
        let player = &mut self.game.players[by];
        player.score += if player.doubled > 0 { 2 * points } else { points };
        player.experience += points;
        let next = 100 * (player.level + 1) * (player.level + 1);
        if player.experience > next || (player.experience == next && !strictly) {
            player.level += 1;
            player.hp = clamp(player.hp + 25.0, 0.0, 100.0);
        }
        if self.draw(Caller::Drop) % 100 < 12 {
            self.spawn_bonus(x, y);
        }
    }

    fn move_projectile(&mut self, slot: usize) {
        let projectile = &mut self.game.projectiles[slot];
        projectile.x += projectile.vx;
        projectile.y += projectile.vy;
        projectile.life -= 1;
        let Projectile { x, y, vx, vy, damage, life, owner, .. } = *projectile;
        if life <= 0 || x < 0.0 || y < 0.0 || x > WIDTH || y > HEIGHT {
            projectile.active = false;
            return;
        }
        let Ok(owner) = usize::try_from(owner) else {
            let is_hit = |of: &Player| of.in_game && of.down == 0 && distance(of.x - x, of.y - y) <= 5.0;
            if let Some(hit) = self.game.players.iter().position(is_hit) {
                self.hurt_player(hit, damage);
                self.game.projectiles[slot].active = false;
            }
            return;
        };
        let is_hit = |of: &Creature| of.active && distance(of.x - x, of.y - y) <= Kind::of(of).nature().radius;
        let Some(hit) = self.game.creatures.iter().position(is_hit) else { return };
        self.game.projectiles[slot].active = false;
        let creature = &mut self.game.creatures[hit];
        creature.hp -= damage;
        creature.vx += vx * 0.1;
        creature.vy += vy * 0.1;
        if creature.hp <= 0.0 {
            self.kill_creature(hit, owner);
        }
    }

    fn move_bonus(&mut self, slot: usize) {
        let bonus = &mut self.game.bonuses[slot];
        bonus.life -= 1;
        if bonus.life <= 0 {
            bonus.active = false;
            return;
        }
        let Bonus { x, y, kind, .. } = *bonus;
        let is_near = |of: &Player| of.in_game && of.down == 0 && distance(of.x - x, of.y - y) < 9.0;
        if let Some(number) = self.game.players.iter().position(is_near) {
            self.game.bonuses[slot].active = false;
            self.take_bonus(number, kind);
        }
    }

    fn take_bonus(&mut self, number: usize, kind: i32) {
        let player = &mut self.game.players[number];
        match kind {
            0 => player.hp = clamp(player.hp + 40.0, 0.0, 100.0),
            1 => player.rapid = 8 * TICK_RATE,
            2 => player.doubled = 12 * TICK_RATE,
            _ => {
                let (x, y) = (player.x, player.y);
                if self.is(Deviation::ExtraDraw) {
                    self.draw(Caller::Blast);
                }
                let owner = i32::try_from(number).expect("there are four");
                for [vx, vy] in RING.map(|corner| corner.map(|along| along * 3.0)) {
                    let shot = Projectile { active: true, owner, x, y, vx, vy, damage: 4.0, life: 40 };
                    self.spawn_projectile(shot);
                }
                self.game.world.shake += 4.0;
            }
        }
    }
}
