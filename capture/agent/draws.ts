/* The draws of generators: gathered where the program draws, in C, for a program may draw thousands of times a tick. */

import { type Place, reading } from "./memory.js";
import type { RngStream } from "./rows.js";

/** What is known of a generator. */
export interface Generator {
  /** Name of its stream in the layout. */
  readonly name: string;
  readonly algorithm: RngStream["algorithm"];
  /** The function that draws; its result, a whole number of at most 32 bits, is the value. */
  readonly next: Place;
  /** Its state, which has to stay where it is from the beginning of the capture. */
  readonly state: Place;
  readonly type: "u32" | "u64";
}

/** Draws that a tick may have. */
const CAPACITY = 16_384;
/** Bytes of one: before, after: u64; value, caller, stream, nothing: u32. */
const DRAW_BYTES = 32;
/** Bytes of what a hook knows of its generator. */
const GENERATOR_BYTES = 24;

const SOURCE = `
#include <gum/guminterceptor.h>

typedef struct {
  guint64 before, after;
  guint32 value, caller, stream, nothing;
} Draw;

typedef struct {
  gsize base, thread;
  guint32 count, capacity, is_mixed, nothing;
  Draw drawn[];
} Draws;

typedef struct {
  Draws * draws;
  gconstpointer state;
  guint32 is_wide, stream;
} Generator;

static guint64
state_of (const Generator * generator)
{
  return generator->is_wide ? *(const guint64 *) generator->state : *(const guint32 *) generator->state;
}

void
on_enter (GumInvocationContext * context)
{
  const Generator * generator = GUM_IC_GET_FUNC_DATA (context, Generator *);
  *GUM_IC_GET_INVOCATION_DATA (context, guint64) = state_of (generator);
}

void
on_leave (GumInvocationContext * context)
{
  const Generator * generator = GUM_IC_GET_FUNC_DATA (context, Generator *);
  Draws * draws = generator->draws;
  gsize thread = gum_invocation_context_get_thread_id (context);
  if (draws->thread == 0)
    draws->thread = thread;
  if (draws->thread != thread)
    draws->is_mixed = 1;
  if (draws->count < draws->capacity)
  {
    Draw * draw = &draws->drawn[draws->count];
    draw->before = *GUM_IC_GET_INVOCATION_DATA (context, guint64);
    draw->after = state_of (generator);
    draw->value = (guint32) (gsize) gum_invocation_context_get_return_value (context);
    draw->caller = (guint32) ((gsize) gum_invocation_context_get_return_address (context) - draws->base);
    draw->stream = generator->stream;
  }
  draws->count++;
}
`;

/** Gathers the draws since the last tick. They have to be of one thread: of two that draw at once the order would be nobody's. */
export class Draws {
  /** Bytes that a copy takes at most. */
  static readonly MOST = 4 + CAPACITY * DRAW_BYTES;
  /** As `Draws` of the source. */
  private readonly draws = Memory.alloc(32 + CAPACITY * DRAW_BYTES);
  private readonly thread = this.draws.add(8);
  private readonly count = this.draws.add(16);
  private readonly isMixed = this.draws.add(24);
  private readonly drawn = this.draws.add(32);
  /** Each as `Generator` of the source. */
  private readonly generators: NativePointer;
  private readonly hooks = new CModule(SOURCE);

  /** Of these generators. */
  constructor(private readonly of: readonly Generator[]) {
    this.draws.writePointer(Process.mainModule.base);
    this.count.add(4).writeU32(CAPACITY);
    this.clear();
    this.generators = Memory.alloc(GENERATOR_BYTES * of.length);
  }

  /** Hooks them. */
  hook(): void {
    const { on_enter: onEnter, on_leave: onLeave } = this.hooks as unknown as Record<string, NativePointer>;
    this.of.forEach(({ name, next, state, type }, stream) => {
      const [at, isWide] = [state(), type === "u64"];
      // A state that cannot be read says so here; in the hook it would end the program.
      reading(`rng.${name}`, () => (isWide ? at.readU64() : at.readU32()));
      const generator = this.generators.add(GENERATOR_BYTES * stream);
      generator.writePointer(this.draws).add(8).writePointer(at).add(8).writeU32(isWide ? 1 : 0).add(4).writeU32(stream);
      Interceptor.attach(next(), { onEnter: onEnter!, onLeave: onLeave! }, generator);
    });
  }

  /** Forgets the draws so far. */
  clear(): void {
    this.thread.writePointer(NULL);
    this.count.writeU32(0);
    this.isMixed.writeU32(0);
  }

  /** Copies the draws since the last time behind their number, and gives the bytes. */
  take(to: NativePointer): number {
    const count = this.count.readU32();
    if (count > CAPACITY) {
      throw new Error(`rng: ${count} draws in one tick are more than the ${CAPACITY} that there is room for`);
    }
    if (this.isMixed.readU32() !== 0) {
      throw new Error("rng: two threads drew in one tick: in which order, nobody can say");
    }
    this.clear();
    to.writeU32(count);
    Memory.copy(to.add(4), this.drawn, count * DRAW_BYTES);
    return 4 + count * DRAW_BYTES;
  }
}
