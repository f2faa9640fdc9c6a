/**
 * Applies committed commands to the state machine, one page after another, and restores snapshots in between.
 *
 * @module
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import { WalLogError } from "../api/errors.ts";
import type { Index, SnapshotSource, Term } from "../api/types.ts";
import { decodeAnswer, encodeAnswer } from "./answers.ts";
import { Clients, type Slot, type Verdict } from "./clients.ts";
import { decodeCommand } from "./command.ts";
import { readHead, streamFrom } from "./snapshot_data.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Applied, StateMachine } from "./state_machine.ts";

/** The most commands in one call of the state machine. */
const PAGE_ENTRIES = 1024;
/** The most bytes of commands in one call, unless a single command has more. */
const PAGE_BYTES = 4 * 1024 * 1024;
/** The most bytes of waiting commands in memory. Further ones are read from the log when they are applied. */
const HELD_BYTES_MAX = 16 * 1024 * 1024;

/** A command to apply. */
interface ApplyTask {
  readonly type: "apply";
  readonly index: Index;
  readonly term: Term;
  /** `undefined`: to be read from the log. */
  readonly command: Uint8Array<ArrayBuffer> | undefined;
}

/** A committed command. */
interface Entry {
  readonly index: Index;
  readonly term: Term;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Something to do in the order of the log. */
type Task =
  | ApplyTask
  | { readonly type: "restore"; readonly index: Index; readonly source: SnapshotSource }
  | { readonly type: "call"; readonly call: () => void };

/**
 * The outcome of a committed command. `stale`: a later command of the client was applied before. `lost`: its answer is
 * no longer kept.
 */
export type Result<R> =
  | { readonly type: "answer"; readonly answer: R }
  | { readonly type: "stale"; readonly last: number }
  | { readonly type: "lost" };

/** The replica, as the applier sees it. */
export interface ApplierHost<R> {
  /** Reads a command from the log; `undefined` if a snapshot has replaced it. */
  readonly commandAt: (index: Index) => Uint8Array<ArrayBuffer> | undefined;
  /** A command was applied. */
  readonly applied: (index: Index, term: Term, result: Result<R>) => void;
  /** A snapshot was restored. */
  readonly restored: (index: Index) => void;
  /** Everything is applied. */
  readonly drained: () => void;
  /** The state machine failed. */
  readonly failed: (error: WalLogError) => void;
}

/** Applies commands. */
export class Applier<R> {
  readonly #machine: StateMachine<R>;
  readonly #snapshots: Snapshots;
  readonly #host: ApplierHost<R>;
  #tasks: Task[] = [];
  #clients = new Clients();
  #appliedIndex: Index = 0;
  #heldBytes = 0;
  #waiting = 0;
  #running: Promise<void> | undefined;
  #isStopped = false;
  /** Whether a leader's snapshot has replaced the next commands in the log. A later task restores it. */
  #awaitsSnapshot = false;
  /** Calls that must wait for that snapshot. */
  readonly #heldCalls: (() => void)[] = [];
  /** Whether there was a call since the last pause, so that callers may still have to run. */
  #hasCalled = false;

  constructor(machine: StateMachine<R>, snapshots: Snapshots, host: ApplierHost<R>) {
    this.#machine = machine;
    this.#snapshots = snapshots;
    this.#host = host;
  }

  /** The index of the last command, or of the snapshot, that the state machine has. */
  get appliedIndex(): Index {
    return this.#appliedIndex;
  }

  /** Commands that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Applies a command after all tasks before it. */
  apply(index: Index, term: Term, command: Uint8Array<ArrayBuffer>): void {
    const isHeld = this.#heldBytes + command.length <= HELD_BYTES_MAX;
    if (isHeld) this.#heldBytes += command.length;
    this.#waiting++;
    this.#add({ type: "apply", index, term, command: isHeld ? command : undefined });
  }

  /** Restores a snapshot after all tasks before it. */
  restore(index: Index, source: SnapshotSource): void {
    this.#add({ type: "restore", index, source });
  }

  /**
   * Calls back after all tasks before it, between two pages. The state machine gets no further page until callers that
   * wait for promises resolved by the callback have run.
   */
  call(call: () => void): void {
    this.#add({ type: "call", call });
  }

  /** Restores the snapshot that the log has when the replica starts. */
  async begin(source: SnapshotSource): Promise<void> {
    await this.#restore(source.index, source);
  }

  /**
   * Ends after the page that is being applied.
   *
   * @returns When no call of the state machine is under way.
   */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    for (const task of this.#tasks.splice(0)) discard(task);
  }

  #add(task: Task): void {
    if (this.#isStopped) return discard(task);
    this.#tasks.push(task);
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // The actions of steps that share a flush arrive one after another. Wait for all of them, so that they make one
    // page.
    await undefined;
    try {
      while (this.#tasks.length > 0 && !this.#isStopped) {
        const tasks = this.#tasks;
        this.#tasks = [];
        await this.#runAll(tasks);
      }
    } catch (cause) {
      this.#isStopped = true;
      this.#host.failed(asFailure(cause, this.#appliedIndex));
    }
    this.#running = undefined;
    if (!this.#isStopped) this.#host.drained();
  }

  async #runAll(tasks: readonly Task[]): Promise<void> {
    let at = 0;
    try {
      while (at < tasks.length && !this.#isStopped) {
        const task = tasks[at]!;
        if (task.type === "call") {
          at++;
          this.#callNow(task.call);
          continue;
        }
        // Let readers run first: they must see the present state.
        if (this.#hasCalled) await nextTurn();
        this.#hasCalled = false;
        if (task.type === "restore") {
          at++;
          await this.#restore(task.index, task.source);
          continue;
        }
        const page = this.#takePage(tasks, at);
        at += page.taken;
        await this.#applyPage(page.entries);
        // Let messages and ticks be processed.
        if (at < tasks.length) await nextTurn();
      }
    } finally {
      this.#tasks = [...tasks.slice(at), ...this.#tasks];
    }
  }

  /** Calls back now. If a snapshot must be restored first, calls back after that. */
  #callNow(call: () => void): void {
    if (this.#awaitsSnapshot) return void this.#heldCalls.push(call);
    this.#hasCalled = true;
    call();
  }

  /** Collects the next page: consecutive commands from a task on, as many as fit. */
  #takePage(tasks: readonly Task[], from: number): { readonly entries: readonly Entry[]; readonly taken: number } {
    const entries: Entry[] = [];
    let room = PAGE_BYTES;
    let at = from;
    for (; at < tasks.length && entries.length < PAGE_ENTRIES && room > 0; at++) {
      const task = tasks[at]!;
      if (task.type !== "apply") break;
      const bytes = this.#awaitsSnapshot ? undefined : task.command ?? this.#host.commandAt(task.index);
      // Commands after it must wait for the snapshot too, even if they are in memory.
      if (bytes === undefined) this.#awaitsSnapshot = true;
      else if (entries.length > 0 && bytes.length > room) break;
      else {
        entries.push({ index: task.index, term: task.term, bytes });
        room -= bytes.length;
      }
      if (task.command !== undefined) this.#heldBytes -= task.command.length;
      this.#waiting--;
    }
    return { entries, taken: at - from };
  }

  async #applyPage(page: readonly Entry[]): Promise<void> {
    const fresh: Applied[] = [];
    const verdicts: (Verdict | undefined)[] = [];
    for (const { index, term, bytes } of page) {
      const { id, command } = decodeCommand(bytes);
      const verdict = id === undefined ? undefined : this.#clients.judge(id);
      verdicts.push(verdict);
      if (verdict === undefined || verdict.type === "new") fresh.push({ index, term, command });
      this.#snapshots.count(bytes.length);
    }
    const answers = fresh.length === 0 ? [] : await this.#machine.apply(fresh);
    requireAnswers(answers, fresh);
    let next = 0;
    for (const [i, { index, term }] of page.entries()) {
      const verdict = verdicts[i];
      if (verdict?.type === "stale") this.#host.applied(index, term, verdict);
      else if (verdict?.type === "repeated") this.#host.applied(index, term, keptAnswer(verdict.slot));
      else {
        const answer = answers[next++]!;
        if (verdict !== undefined) this.#clients.answer(verdict.slot, encodeAnswer(answer));
        this.#host.applied(index, term, { type: "answer", answer });
      }
    }
    const last = page.at(-1);
    if (last === undefined) return;
    this.#appliedIndex = last.index;
    this.#snapshots.beginIfDue(this.#appliedIndex, this.#clients);
  }

  async #restore(index: Index, source: SnapshotSource): Promise<void> {
    // A snapshot of an earlier state is no longer needed.
    await this.#snapshots.abort();
    try {
      const { clients, offset } = readHead(source);
      await this.#machine.restore(streamFrom(source, offset));
      this.#clients = clients;
      this.#snapshots.restored(source.dataBytes);
    } finally {
      source.close();
    }
    this.#awaitsSnapshot = false;
    this.#appliedIndex = index;
    this.#host.restored(index);
    for (const call of this.#heldCalls.splice(0)) this.#callNow(call);
  }
}

/** Frees a task that will not be done. */
function discard(task: Task): void {
  if (task.type === "restore") task.source.close();
}

function keptAnswer<R>({ answer }: Slot): Result<R> {
  return answer === undefined ? { type: "lost" } : { type: "answer", answer: decodeAnswer(answer) as R };
}

function requireAnswers(answers: readonly unknown[], fresh: readonly Applied[]): void {
  if (Array.isArray(answers) && answers.length === fresh.length) return;
  const found = Array.isArray(answers) ? `${answers.length} answers` : typeof answers;
  throw new TypeError(`apply() must return one answer for each command: expected ${fresh.length}, found ${found}`);
}

function asFailure(cause: unknown, index: Index): WalLogError {
  if (cause instanceof WalLogError && cause.isFatal) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new WalLogError(
    "STATE_MACHINE",
    `Cannot apply the commands after index ${index}: the state machine failed: ${message}; correct it and start the replica again`,
    { cause },
  );
}
