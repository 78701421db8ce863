/* A session: the rows of docs/capture.md in their order, and the only way to write one. */

import type { Batches } from "./batches.js";
import { Refusal, u64 } from "./encode.js";
import type { ErrorRow, Layout, Producer, Program, RunEnd, RunStart, SessionEnd, SessionStart } from "./rows.js";
import type { Snapshot } from "./snapshot.js";
import { type Channels, texts } from "./told.js";

/** How a run begins. */
export type Beginning = Omit<RunStart, "event" | "run_id">;

/** Any row but a tick's. */
type Row = SessionStart | RunStart | RunEnd | ErrorRow | SessionEnd;

interface OpenRun {
  readonly id: string;
  readonly players: number;
  ticks: number;
}

/** Writes one session, a run after another. */
export class Session {
  private run: OpenRun | null = null;
  private runs = 0;
  private ticks = 0;
  private over = false;
  private thread: number | null = null;

  /** Of ticks with what is copied of memory and what the target tells. */
  constructor(
    private readonly id: string,
    private readonly told: Layout,
    private readonly snapshot: Snapshot,
    private readonly out: Batches,
  ) {}

  /** Begins the session: its first row. */
  begin(layout: Layout, producer: Producer, program: Program): void {
    this.row({ event: "session_start", capture_version: 1, session_id: this.id, producer, program, layout });
  }

  /** Whether there is nothing more to capture. */
  get isOver(): boolean {
    return this.over;
  }

  /** Begins a run, in the program's thread; one that is open ends. */
  beginRun(start: Beginning): void {
    if (this.over) {
      return;
    }
    this.endRun("the next run began");
    this.runs += 1;
    const id = `run-${this.runs}`;
    this.row({ event: "run_start", run_id: id, ...start });
    this.snapshot.begin();
    this.run = { id, players: start.players, ticks: 0 };
    this.out.wait();
  }

  /** Whether a run is open, so that its ticks are wanted. */
  get isRunning(): boolean {
    return this.run !== null && !this.over;
  }

  /** Players of the open run. */
  get players(): number {
    return this.run?.players ?? 0;
  }

  /** Writes the next tick of the open run: what is in memory now, and what is told. */
  tick(told: Channels): void {
    const run = this.run;
    if (run === null || this.over) {
      throw new Refusal("a tick came while no run was open");
    }
    if (told.step !== undefined && told.step.players.length !== run.players) {
      throw new Refusal(`step.players: ${run.players} players are expected, not ${told.step.players.length}`);
    }
    const thread = Process.getCurrentThreadId();
    this.thread ??= thread;
    if (thread !== this.thread) {
      throw new Refusal("a tick came of another thread than those before: ticks have to be of one");
    }
    this.out.tick((to) => this.snapshot.copy(to), texts(this.told, told));
    run.ticks += 1;
    this.ticks += 1;
    this.out.keepUp();
  }

  /** Ends the open run, if there is one. */
  endRun(reason: string): void {
    const run = this.run;
    if (run !== null) {
      this.run = null;
      this.row({ event: "run_end", run_id: run.id, ticks: run.ticks, reason });
    }
  }

  /** Ends the session. */
  end(reason: string): void {
    if (this.over) {
      return;
    }
    this.endRun(reason);
    this.row({ event: "session_end", session_id: this.id, ticks: u64(this.ticks) });
    this.over = true;
  }

  /** Ends the session where the host may be gone. */
  leave(reason: string): void {
    this.out.release();
    this.end(reason);
  }

  /** Gives up: what is open is not finished, and nothing more is captured. */
  fail(message: string): void {
    if (this.over) {
      return;
    }
    this.row({ event: "error", message, run_id: this.run?.id ?? null });
    this.over = true;
  }

  private row(row: Row): void {
    this.out.row(row);
  }
}
