/* Ticks on their way to the host: many at a time, and never more than the host keeps up with. */

import type { Plan } from "./snapshot.js";

/** Bytes after which ticks are sent. */
const BATCH_BYTES = 256 * 1024;
/** Milliseconds after which they are sent anyway: so much is lost at most when the program is killed. */
const BATCH_MS = 50;
/** Batches that the host may not have written yet. After that the program waits for it. */
const AHEAD = 16;
/** Seconds between looks whether the host has written one. */
const LOOK = 0.0005;

/** What the host is sent. Rows and ticks come in their order. */
export type Message =
  /** The first: how the copies are laid out. */
  | { readonly type: "plan"; readonly plan: Plan }
  | { readonly type: "row"; readonly row: object }
  /** So many ticks: copies of memory one behind the other as the message's bytes, and of each tick the texts of what is told. */
  | { readonly type: "ticks"; readonly count: number; readonly told: readonly string[] };

/** Gathers ticks and sends them. */
export class Batches {
  private readonly bytes: NativePointer;
  private filled = 0;
  private count = 0;
  private told: string[] = [];
  private toldChars = 0;
  private since = 0;
  private unwritten = 0;
  private isWaited = true;

  /** For ticks whose copies are laid out like this, and take `most` bytes or less. */
  constructor(plan: Plan, most: number) {
    this.bytes = Memory.alloc(BATCH_BYTES + most);
    this.send({ type: "plan", plan }, null);
    const written = () => {
      this.unwritten -= 1;
      recv("written", written);
    };
    recv("written", written);
    setInterval(() => {
      if (this.isDue() && this.unwritten < AHEAD) {
        this.flush();
      }
    }, BATCH_MS);
  }

  /** From now on nothing waits for the host, which is gone or about to be. */
  release(): void {
    this.isWaited = false;
  }

  /** Sends a row, after the ticks before it. */
  row(row: object): void {
    this.flush();
    this.send({ type: "row", row }, null);
  }

  /** Adds a tick. One whose copy fails is not there. */
  tick(copy: (to: NativePointer) => number, told: readonly string[]): void {
    this.filled += copy(this.bytes.add(this.filled));
    this.count += 1;
    for (const text of told) {
      this.told.push(text);
      this.toldChars += text.length;
    }
    if (this.count === 1) {
      this.since = Date.now();
    }
  }

  /** Sends what is due, in the program's thread, which waits here when the host does not keep up. */
  keepUp(): void {
    if (this.isDue()) {
      this.wait();
      this.flush();
    }
  }

  /** Waits until the host keeps up, in the program's thread. */
  wait(): void {
    // Asleep it lets the agent's own thread hear of the host. To wait for a message of it would never end where the host is killed.
    while (this.unwritten >= AHEAD && this.isWaited) {
      Thread.sleep(LOOK);
    }
  }

  private isDue(): boolean {
    return this.filled + this.toldChars >= BATCH_BYTES || Date.now() - this.since >= BATCH_MS;
  }

  private flush(): void {
    if (this.count === 0) {
      return;
    }
    this.send({ type: "ticks", count: this.count, told: this.told }, this.bytes.readByteArray(this.filled));
    this.unwritten += 1;
    [this.filled, this.count, this.told, this.toldChars] = [0, 0, [], 0];
  }

  private send(message: Message, bytes: ArrayBuffer | null): void {
    send(message, bytes);
  }
}
