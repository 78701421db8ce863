/* Channels that a target tells by value: their text, each value checked against what the layout declares. */

import { Refusal, checked, json, list, u32, u64OrNull } from "./encode.js";
import type { Layout, TickRow } from "./rows.js";

/** Channels of a tick. */
export type Channels = Omit<TickRow, "event" | "run_id" | "tick" | "elapsed">;
export type Channel = keyof Channels;

type Text<C extends Channel> = (declared: Required<Layout>[C], told: Required<Channels>[C]) => string;

/** In the order of rows. */
const TEXTS: { readonly [C in Channel]: Text<C> } = {
  step: (declared, step) => {
    const inputs = step.players.map((input, index) => {
      const place = `step.players[${index}]`;
      const axis = (name: "move_x" | "move_y" | "aim_x" | "aim_y") =>
        `"${name}":${checked("f32", input[name], `${place}.${name}`)}`;
      const axes = [axis("move_x"), axis("move_y"), axis("aim_x"), axis("aim_y")];
      return `{"buttons":${u32(input.buttons, `${place}.buttons`)},${axes.join(",")}}`;
    });
    const commands = step.commands.map((command, index) => {
      const place = `step.commands[${index}]`;
      const args = found(declared.commands, (kind) => kind.name === command.kind, place).args;
      const player = u32(command.player, `${place}.player`);
      return `{"player":${player},"kind":${json(command.kind)},"args":${list(args, command.args, place)}}`;
    });
    const dt = checked("f32", step.dt, "step.dt");
    return `{"dt":${dt},"mode":${u32(step.mode, "step.mode")},"players":[${inputs}],"commands":[${commands}]}`;
  },
  rng: (_, draws) => {
    const rows = draws.map((draw, index) => {
      const place = `rng[${index}]`;
      const [before, after] = [u64OrNull(draw.before, place), u64OrNull(draw.after, place)];
      const head = `{"stream":${json(draw.stream)},"seq":${index + 1},"value":${u32(draw.value, place)}`;
      return `${head},"before":${before},"after":${after},"caller":${u32(draw.caller, place)}}`;
    });
    return `[${rows}]`;
  },
  calls: (declared, calls) => {
    const rows = calls.map((call, index) => {
      const place = `calls[${index}]`;
      const is = (of: (typeof declared)[number]) => `${of.module}.${of.name}@${of.version}` === call.syscall;
      const { args, result } = found(declared, is, place);
      if (call.result !== null && result === null) {
        throw new Refusal(`${place}: ${call.syscall} has a result, and the layout declares none`);
      }
      const given = call.result === null ? "null" : checked(result!, call.result, place);
      const head = `{"seq":${index + 1},"syscall":${json(call.syscall)},"stage":${json(call.stage)}`;
      return `${head},"args":${list(args, call.args, place)},"result":${given},"decision":"${call.decision}"}`;
    });
    return `[${rows}]`;
  },
  state: (fields, values) => list(fields, values, "state"),
  entities: (kinds, entities) => {
    const rows = entities.map((entity) => {
      const place = `entities.${entity.kind}[${entity.slot}]`;
      const { fields } = found(kinds, (of) => of.kind === entity.kind, place);
      const [slot, generation] = [u32(entity.slot, place), u32(entity.generation, place)];
      const head = `{"kind":${json(entity.kind)},"slot":${slot},"generation":${generation}`;
      return `${head},"fields":${list(fields, entity.fields, place)}}`;
    });
    return `[${rows}]`;
  },
  checkpoint: (_, of) => {
    const wide = (values: readonly `${bigint}`[], name: string) =>
      `[${values.map((value) => checked("u64", value, `checkpoint.${name}`))}]`;
    const rng = of.rng_state === null ? "null" : wide(of.rng_state, "rng_state");
    const counts = of.entity_counts?.map((count) => u32(count, "checkpoint.entity_counts"));
    const fuel = u64OrNull(of.fuel, "checkpoint.fuel");
    const head = `{"digests":${wide(of.digests, "digests")},"rng_state":${rng}`;
    const entities = counts === undefined ? "null" : `[${counts}]`;
    return `${head},"entity_counts":${entities},"fuel":${fuel},"counters":${wide(of.counters, "counters")}}`;
  },
  timing: (_, samples) => {
    const rows = samples.map((sample, index) => {
      const [fuel, wall] = [u64OrNull(sample.fuel, `timing[${index}]`), u64OrNull(sample.wall_ns, `timing[${index}]`)];
      return `{"stage":${json(sample.stage)},"fuel":${fuel},"wall_ns":${wall}}`;
    });
    return `[${rows}]`;
  },
  events: (kinds, events) => {
    const rows = events.map((event, index) => {
      const place = `events[${index}]`;
      const values = list(found(kinds, (of) => of.name === event.kind, place).values, event.values, place);
      const subject = event.subject === null ? "null" : json(event.subject);
      const cause = event.cause === null ? "null" : u32(event.cause, `${place}.cause`);
      const head = `{"seq":${index + 1},"kind":${json(event.kind)},"origin":"${event.origin}","subject":${subject}`;
      return `${head},"values":${values},"cause":${cause}}`;
    });
    return `[${rows}]`;
  },
  memory: (_, pages) => {
    const rows = pages.map((page) => `{"page":${u32(page.page, "memory.page")},"content":${json(page.content)}}`);
    return `[${rows}]`;
  },
};

const CHANNELS = Object.keys(TEXTS) as Channel[];

/** Channels that a layout declares, in the order of rows. */
export function channelsOf(layout: Layout): readonly Channel[] {
  return CHANNELS.filter((channel) => layout[channel] !== undefined);
}

/** The text of each channel that the layout declares. */
export function texts(layout: Layout, told: Channels): string[] {
  const out: string[] = [];
  for (const channel of CHANNELS) {
    const text = textOf(channel, layout, told);
    if (text !== null) {
      out.push(text);
    }
  }
  return out;
}

/** A channel is told exactly when the layout declares it. */
function textOf<C extends Channel>(channel: C, layout: Layout, told: Channels): string | null {
  const [declared, value] = [layout[channel], told[channel]];
  if (declared === undefined && value === undefined) {
    return null;
  }
  if (declared === undefined || value === undefined) {
    const rule = declared === undefined ? "the target does not declare it as told" : "it is declared, and not told";
    throw new Refusal(`${channel}: ${rule}`);
  }
  const text: Text<C> = TEXTS[channel];
  return text(declared as Required<Layout>[C], value as Required<Channels>[C]);
}

/** The declaration that fits. */
function found<T>(declared: readonly T[], is: (of: T) => boolean, place: string): T {
  const of = declared.find(is);
  if (of === undefined) {
    throw new Refusal(`${place}: the layout declares nothing of that name`);
  }
  return of;
}
