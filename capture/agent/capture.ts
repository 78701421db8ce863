/* The frame of a target: begins the session when the host says so, keeps every failure in, and ends cleanly. */

import { Batches } from "./batches.js";
import { Refusal } from "./encode.js";
import type { Place } from "./memory.js";
import type { Layout } from "./rows.js";
import { Session } from "./session.js";
import { type InMemory, layoutOf, planOf, Snapshot } from "./snapshot.js";
import { channelsOf } from "./told.js";

export type { Generator } from "./draws.js";
export { u64 } from "./encode.js";
export { type Column, offset, type Place, pool, region, Struct, symbol } from "./memory.js";
export type * from "./rows.js";
export { type Beginning, Session } from "./session.js";
export type { InMemory } from "./snapshot.js";
export type { Channels } from "./told.js";

/** What is done when the program calls a function. What fails in it ends the capture, and the program goes on without. */
export interface Hooked {
  readonly enter?: (args: InvocationArguments) => void;
  readonly leave?: (result: InvocationReturnValue) => void;
}

/** Hooks a function of the program. */
export type Hook = (of: Place, hooked: Hooked) => void;

/** A program that is captured. */
export interface Target {
  /** Channels that the host makes of what is in memory when a tick is over. */
  readonly memory: InMemory;
  /** Channels that the target tells by value with each tick, as the layout declares them. */
  readonly told: Layout;
  /** Hooks the functions that begin a run and play a tick. */
  readonly install: (session: Session, hook: Hook) => void;
}

/** What the host knows of the program. */
interface Start {
  readonly session_id: string;
  readonly name: string;
  readonly build: string | null;
  readonly hash: string | null;
}

/** Makes a target known to the host. The last line of a target's file. */
export function capture({ memory, told, install }: Target): void {
  let session: Session | null = null;
  const guard = (work: () => void) => {
    if (session?.isOver ?? true) {
      return;
    }
    try {
      work();
    } catch (error) {
      Interceptor.detachAll();
      session?.fail(error instanceof Error ? error.message : String(error));
    }
  };
  const hook: Hook = (of, { enter, leave }) => {
    Interceptor.attach(of(), {
      ...(enter !== undefined && { onEnter: (args) => guard(() => enter(args)) }),
      ...(leave !== undefined && { onLeave: (result) => guard(() => leave(result)) }),
    });
  };
  rpc.exports = {
    start({ session_id, name, build, hash }: Start): void {
      const producer = { name: "cdt-frida", version: Frida.version, platform: Process.platform, arch: Process.arch };
      const snapshot = new Snapshot(memory);
      const copied = layoutOf(memory);
      const begun = new Session(session_id, told, snapshot, new Batches(planOf(memory, told), snapshot.most));
      begun.begin({ ...told, ...copied }, producer, { name, build, hash });
      session = begun;
      guard(() => {
        if (Process.pointerSize !== 8) {
          throw new Refusal("programs of 64 bits are expected: others have their structs laid out otherwise");
        }
        const both = channelsOf(told).find((channel) => copied[channel] !== undefined);
        if (both !== undefined) {
          throw new Refusal(`${both}: it is told, and copied from memory as well`);
        }
        snapshot.hook();
        install(begun, hook);
      });
    },
    stop(reason: string): void {
      Interceptor.detachAll();
      session?.end(reason);
    },
    dispose(): void {
      session?.leave("the program ended");
    },
  };
}
