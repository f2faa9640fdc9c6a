/**
 * The history of a log, step by step, to tell the states that a crash may leave from those that it must not leave.
 *
 * @module
 */

import assert from "node:assert/strict";
import { MemoryLog } from "../src/api/memory_log.ts";
import { decodeFrameHeader, FRAME_HEADER_BYTES, frameBytes, type FrameHeader } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import type { EntryKind, Index, LogEntry, RaftLog, Term } from "../src/api/types.ts";
import type { Random } from "../src/testing/random.ts";
import type { WalLog } from "../src/api/wal_log.ts";
import { assertSameState, bytesOf, type LogState, stateDifference, stateOf } from "./model.ts";

/**
 * Makes an entry that differs from all others.
 *
 * @param index Its index.
 * @param term Its term.
 * @param size Bytes of its command.
 * @param kind Its kind.
 * @param variant A different number gives a different command.
 * @returns The entry.
 */
export function entryAt(
  index: Index,
  term: Term = 1,
  size = 24,
  kind: EntryKind = "normal",
  variant = 0,
): LogEntry {
  return { term, index, kind, command: bytesOf(size, "noise", index * 1000 + term * 10 + variant) };
}

/**
 * The entries of a range, as {@link entryAt} makes them.
 *
 * @param from The first index.
 * @param to The last index, inclusive.
 * @param term Their term.
 * @param size Bytes of their commands.
 * @param variant A different number gives different commands.
 * @returns The entries.
 */
export function entriesAt(from: Index, to: Index, term: Term = 1, size = 24, variant = 0): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entryAt(from + i, term, size, "normal", variant));
}

/**
 * Writes a history of appends, truncations, hard states and snapshots, and flushes it.
 *
 * @param log An empty log.
 * @param random Random decisions.
 * @param steps The number of steps.
 */
export function writeRandomly(log: WalLog, random: Random, steps = 30): void {
  let term = 1;
  for (let step = 0; step < steps; step++) {
    const next = log.lastIndex + 1;
    const chance = random.below(10);
    if (chance < 6) {
      const count = 1 + random.below(5);
      log.append(Array.from({ length: count }, (_, i) => entryAt(next + i, term, random.below(200))));
    } else if (chance === 6 && next > log.snapshotIndex + 2) {
      log.truncate(Math.max(log.snapshotIndex + 1, next - 1 - random.below(8)));
      term++;
    } else if (chance === 7) log.setHardState({ term, votedFor: BigInt(random.below(5)) });
    else if (chance === 8 && random.chance(0.3)) {
      const index = Math.max(log.snapshotIndex + 1, next - 6 + random.below(9));
      const boundary = log.termAt(index) ?? term;
      log.applySnapshot({ index, term: boundary, config: [], data: new Uint8Array(index % 7) });
      if (log.lastTerm > term) term = log.lastTerm;
    } else log.syncSync();
  }
  log.syncSync();
}

/** The steps of a log and the state after each. */
export class History {
  /** The state after each step; the first is that of an empty log. */
  readonly states: LogState[];
  /** The number of steps that a completed flush covers. */
  durable = 0;
  readonly #log: WalLog;
  readonly #model = new MemoryLog();

  /**
   * Begins with an empty log.
   *
   * @param log The log.
   */
  constructor(log: WalLog) {
    this.#log = log;
    this.states = [stateOf(this.#model)];
  }

  /** The state after all steps. */
  get last(): LogState {
    return this.states.at(-1)!;
  }

  /** The expected log. */
  get model(): RaftLog {
    return this.#model;
  }

  /** Does the same to the log and the model. */
  do(...steps: ((log: RaftLog) => void)[]): this {
    for (const step of steps) {
      step(this.#log);
      step(this.#model);
      this.states.push(stateOf(this.#model));
    }
    return this;
  }

  /** Appends each entry as a separate step. */
  append(...entries: LogEntry[]): this {
    return this.do(...entries.map((entry) => (log: RaftLog) => log.append([entry])));
  }

  /** Flushes. */
  sync(): this {
    this.#log.syncSync();
    this.durable = this.states.length - 1;
    return this;
  }

  /**
   * Fails unless a state is the one after a step, not before the last flush.
   *
   * @param state The state found.
   * @param least The first allowed step.
   * @param when The last action, for the message.
   * @returns The step.
   */
  stepOf(state: LogState, least = this.durable, when = "after a crash"): number {
    for (let step = this.states.length - 1; step >= least; step--) {
      if (stateDifference(state, this.states[step]!) === undefined) return step;
    }
    assertSameState(state, this.states[least]!, `${when}: no state from step ${least} on; compared with that one`);
    throw new Error("unreachable");
  }
}

/** A frame and its position. */
export interface FrameAt extends FrameHeader {
  readonly offset: number;
  readonly end: number;
}

/**
 * The frames of an undamaged segment.
 *
 * @param segment The file's bytes.
 * @returns Its frames, up to the zeros that follow them.
 */
export function framesOf(segment: Uint8Array): FrameAt[] {
  const found: FrameAt[] = [];
  for (let offset = SEGMENT_HEADER_BYTES; offset + FRAME_HEADER_BYTES <= segment.length;) {
    const header = decodeFrameHeader(segment.subarray(offset, offset + FRAME_HEADER_BYTES));
    if (header.kind === 0) break;
    const end = offset + frameBytes(header.length);
    assert.ok(end <= segment.length, `the frame at ${offset} reaches past the end`);
    found.push({ ...header, offset, end });
    offset = end;
  }
  return found;
}

/**
 * Appends entries one by one, so that each has its own frame.
 *
 * @param log The log.
 * @param entries The entries.
 */
export function appendEach(log: RaftLog, entries: readonly LogEntry[]): void {
  for (const entry of entries) log.append([entry]);
}

/**
 * A copy of an array with one flipped bit.
 *
 * @param bytes The array.
 * @param at The byte.
 * @param bit The bit, 0 to 7.
 * @returns The copy.
 */
export function flipped(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = copy[at]! ^ 1 << bit;
  return copy;
}
