/* What of the program's memory is copied at the end of each tick, and what the host needs to know of it. */

import { Draws, type Generator } from "./draws.js";
import { type Columns, declared, type Place, type Pool, reading, type Region } from "./memory.js";
import type { Layout } from "./rows.js";
import { type Channel, channelsOf } from "./told.js";

/** Channels that the host makes of what is in memory: `state`, `rng`, `entities`, and a checkpoint of the states of generators and the
 * numbers of entities. */
export interface InMemory {
  readonly state?: readonly Region[];
  readonly generators?: readonly Generator[];
  readonly pools?: readonly Pool[];
}

/** How a copy is laid out, for `capture/ticks.py`: the structs of the state, the pools, the generators' states, then the draws. */
export interface Plan {
  readonly state: readonly Columns[];
  readonly pools: readonly Omit<Pool, "at">[];
  readonly generators: readonly Pick<Generator, "name" | "type">[];
  /** Channels that come as text, in the order of rows. */
  readonly told: readonly Channel[];
}

/** How copies of what is in memory are laid out, beside channels that are told. */
export function planOf({ state = [], pools = [], generators = [] }: InMemory, told: Layout): Plan {
  return {
    state: state.map(({ size, columns }) => ({ size, columns })),
    pools: pools.map(({ at: _, ...plan }) => plan),
    generators: generators.map(({ name, type }) => ({ name, type })),
    told: channelsOf(told),
  };
}

/** What of a layout comes from memory. */
export function layoutOf(memory: InMemory): Layout {
  const { state = [], generators = [], pools = [] } = memory;
  const has = { rng_state: generators.length > 0, entity_counts: pools.length > 0 };
  return {
    ...(generators.length > 0 && { rng: generators.map(({ name, algorithm }) => ({ name, algorithm })) }),
    ...(state.length > 0 && { state: state.flatMap(({ columns }) => declared(columns)) }),
    ...(pools.length > 0 && { entities: pools.map(({ kind, columns }) => ({ kind, fields: declared(columns) })) }),
    ...((has.rng_state || has.entity_counts) && { checkpoint: { digests: [], ...has, fuel: false, counters: [] } }),
  };
}

/** Bytes at a place. */
interface Source {
  readonly name: string;
  readonly at: Place;
  readonly size: number;
}

/** Copies what a target wants of memory. */
export class Snapshot {
  /** Bytes that a copy takes at most. */
  readonly most: number;
  private readonly sources: readonly Source[];
  private readonly draws: Draws | null;

  /** Of what a target wants. */
  constructor({ state = [], generators = [], pools = [] }: InMemory) {
    const width = ({ type }: Generator) => (type === "u64" ? 8 : 4);
    this.sources = [
      ...state.map(({ at, size }) => ({ name: "state", at, size })),
      ...pools.map(({ kind, at, size, slots }) => ({ name: `entities.${kind}`, at, size: size * slots })),
      ...generators.map((of) => ({ name: `rng.${of.name}`, at: of.state, size: width(of) })),
    ];
    this.draws = generators.length > 0 ? new Draws(generators) : null;
    const fixed = this.sources.reduce((sum, { size }) => sum + size, 0);
    this.most = fixed + (this.draws === null ? 0 : Draws.MOST);
  }

  /** Hooks the generators. */
  hook(): void {
    this.draws?.hook();
  }

  /** A run begins: what was drawn before is not of it. */
  begin(): void {
    this.draws?.clear();
  }

  /** Copies what there is now, and gives the bytes. */
  copy(to: NativePointer): number {
    let filled = 0;
    for (const { name, at, size } of this.sources) {
      reading(name, () => Memory.copy(to.add(filled), at(), size));
      filled += size;
    }
    return this.draws === null ? filled : filled + this.draws.take(to.add(filled));
  }
}
