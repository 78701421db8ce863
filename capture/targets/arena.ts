/* The target of capture/original: where things stand in the game, and when a tick is over. */

import { capture, pool, region, Struct, symbol, type U64, u64 } from "../agent/capture.js";

const TICK_RATE = 60;
const DT = Math.fround(1 / TICK_RATE);
const PLAYERS = 4;

const world = new Struct({
  tick: "u32",
  wave: "u32",
  to_come: "i32",
  pause: "i32",
  killed: "u32",
  shots: "u32",
  shake: "f32",
  over: "i32",
});
const player = new Struct({
  in_game: "i32",
  x: "f32",
  y: "f32",
  vx: "f32",
  vy: "f32",
  aim_x: "f32",
  aim_y: "f32",
  hp: "f32",
  cooldown: "i32",
  dash: "i32",
  rapid: "i32",
  doubled: "i32",
  down: "i32",
  score: "u32",
  experience: "u32",
  level: "u32",
});
const creature = new Struct({
  active: "i32",
  kind: "i32",
  x: "f32",
  y: "f32",
  vx: "f32",
  vy: "f32",
  hp: "f32",
  windup: "i32",
  mark: "i32",
});
const projectile = new Struct({
  active: "i32",
  owner: "i32",
  x: "f32",
  y: "f32",
  vx: "f32",
  vy: "f32",
  damage: "f32",
  life: "i32",
});
const bonus = new Struct({ active: "i32", kind: "i32", x: "f32", y: "f32", life: "i32" });

const playersAt = symbol("players");
const active = { taken: "active", hidden: ["active"] } as const;
const memory = {
  state: [region({ at: symbol("world"), struct: world, hidden: ["tick"] })],
  generators: [
    { name: "main", algorithm: "msvc_lcg", next: symbol("rng_next"), state: symbol("rng_state"), type: "u32" } as const,
  ],
  pools: [
    pool({ kind: "player", at: playersAt, struct: player, slots: PLAYERS, taken: "in_game", hidden: ["in_game"] }),
    pool({ kind: "creature", at: symbol("creatures"), struct: creature, slots: 64, ...active }),
    pool({
      kind: "projectile",
      at: symbol("projectiles"),
      struct: projectile,
      slots: 96,
      ...active,
      // A blast begins after projectiles have moved, so it may take a slot that was given up in the same tick. In flight nothing changes
      // but the place, and life falls by one.
      same: ["owner", "vx", "vy", "damage"],
      falls: "life",
    }),
    pool({ kind: "bonus", at: symbol("bonuses"), struct: bonus, slots: 12, ...active }),
  ],
};

/** How many play. */
function playing(): number {
  const isPlaying = (slot: number) => playersAt().add(slot * player.size).readS32() !== 0;
  return Array.from({ length: PLAYERS }, (_, slot) => slot).filter(isPlaying).length;
}

capture({
  memory,
  told: { step: { commands: [] } },
  install(session, hook) {
    const begin = (players: number, seed: U64 | null, seed_source: string, reason: string) =>
      session.beginRun({ seed, seed_source, mode: 0, players, tick_rate: TICK_RATE, reason });
    hook(symbol("game_begin"), {
      enter(args) {
        const [seed, players] = [args[0]!.toUInt32(), args[1]!.toInt32()];
        begin(players, u64(seed), "the argument of game_begin", "game_begin was called");
      },
    });

    const still = { move_x: 0, move_y: 0, aim_x: 0, aim_y: 0 };
    let buttons = new Uint8Array(PLAYERS);
    hook(symbol("game_tick"), {
      enter(args) {
        if (!session.isRunning) {
          begin(playing(), null, "it was seeded before", "the game was running already");
        }
        buttons = new Uint8Array(args[0]!.readByteArray(PLAYERS)!);
      },
      leave() {
        const inputs = Array.from(buttons.subarray(0, session.players), (buttons) => ({ buttons, ...still }));
        session.tick({ step: { dt: DT, mode: 0, players: inputs, commands: [] } });
      },
    });
  },
});
