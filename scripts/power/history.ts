/**
 * The histories that the guest writes, and a model of their effect. The guest and the judge both run this file, and the
 * judge needs nothing else: it shares no code with the library.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { COMMAND_MARKER } from "./marker.ts";
import type { Random } from "./random.ts";

/** The marker is repeated at this distance in bytes, so that no sector of a command lacks it. */
const MARKER_DISTANCE = 256;
/** More entries than this above the snapshot make compaction likelier. It keeps logs small. */
const ENTRIES_WANTED = 60;

/** An entry, with its command in hexadecimal. */
export interface Entry {
  readonly term: number;
  readonly kind: "normal" | "config";
  readonly command: string;
}

/** The contents of a log, in the form that `docs/decode.py` prints. */
export interface Contents {
  readonly hardState: { readonly term: number; readonly votedFor: string | null };
  readonly snapshot:
    | { readonly index: number; readonly term: number; config: readonly string[]; meta: string; data: string }
    | null;
  readonly entries: Readonly<Record<string, Entry>>;
}

/** A step of a history. The last kinds do not change the contents. */
export type Step =
  | { readonly kind: "append"; readonly first: number; readonly entries: readonly Entry[] }
  | { readonly kind: "truncate"; readonly from: number }
  | { readonly kind: "hard state"; readonly term: number; readonly votedFor: string | null }
  | { readonly kind: "compact"; readonly index: number; readonly data: string; readonly config: readonly string[] }
  | {
    readonly kind: "install";
    readonly index: number;
    readonly term: number;
    readonly data: string;
    readonly config: readonly string[];
  }
  | { readonly kind: "sync" | "sync and wait" | "syncSync" | "rest" | "reopen" };

/** The contents of a log without anything. */
export const NOTHING: Contents = { hardState: { term: 0, votedFor: null }, snapshot: null, entries: {} };

/**
 * The contents of a log in a few words.
 *
 * @param contents The contents.
 * @returns The words.
 */
export function inWords({ hardState, snapshot, entries }: Contents): string {
  const indexes = Object.keys(entries).map(Number);
  const range = indexes.length === 0 ? "no entries" : `entries ${Math.min(...indexes)} to ${Math.max(...indexes)}`;
  return `[${range}, snapshot ${snapshot?.index ?? 0}, term ${hardState.term}, vote ${hardState.votedFor}]`;
}

/** Contents that steps change. */
export class Model {
  #hardState: Contents["hardState"];
  #snapshot: Contents["snapshot"];
  readonly #entries: Map<number, Entry>;

  /**
   * Makes a model.
   *
   * @param contents Its first contents.
   */
  constructor(contents: Contents = NOTHING) {
    this.#hardState = contents.hardState;
    this.#snapshot = contents.snapshot;
    this.#entries = new Map(Object.entries(contents.entries).map(([index, entry]) => [Number(index), entry]));
  }

  /** The index of the snapshot; 0 if there is none. */
  get snapshotIndex(): number {
    return this.#snapshot?.index ?? 0;
  }

  /** The last index. */
  get lastIndex(): number {
    return this.snapshotIndex + this.#entries.size;
  }

  /** The term at the last index. */
  get lastTerm(): number {
    return this.termAt(this.lastIndex)!;
  }

  /** The term of the hard state. */
  get hardTerm(): number {
    return this.#hardState.term;
  }

  /** The term at an index; `undefined` if the log has none there. */
  termAt(index: number): number | undefined {
    if (index === this.snapshotIndex) return this.#snapshot?.term ?? 0;
    return this.#entries.get(index)?.term;
  }

  /** The contents, which later steps do not change. */
  contents(): Contents {
    const indexes = [...this.#entries.keys()].sort((a, b) => a - b);
    return {
      hardState: this.#hardState,
      snapshot: this.#snapshot,
      entries: Object.fromEntries(indexes.map((index) => [index, this.#entries.get(index)!])),
    };
  }

  /**
   * Does a step.
   *
   * @param step The step.
   */
  apply(step: Step): void {
    if (step.kind === "append") step.entries.forEach((entry, i) => this.#entries.set(step.first + i, entry));
    else if (step.kind === "truncate") this.#drop((index) => index >= step.from);
    else if (step.kind === "hard state") this.#hardState = { term: step.term, votedFor: step.votedFor };
    else if (step.kind === "compact" || step.kind === "install") {
      if (step.index <= this.snapshotIndex) return;
      const term = step.kind === "install" ? step.term : this.termAt(step.index)!;
      const keepsTail = this.termAt(step.index) === term;
      this.#drop((index) => index <= step.index || !keepsTail);
      this.#snapshot = { index: step.index, term, config: step.config, meta: "", data: step.data };
    }
  }

  #drop(isDropped: (index: number) => boolean): void {
    for (const index of [...this.#entries.keys()]) if (isDropped(index)) this.#entries.delete(index);
  }
}

/**
 * The next step of a history.
 *
 * @param random Decides.
 * @param model The contents after all steps before.
 * @returns The step.
 */
export function nextStep(random: Random, model: Model): Step {
  const dice = random.below(1000);
  const { lastIndex, snapshotIndex } = model;
  if (lastIndex - snapshotIndex > ENTRIES_WANTED && dice < 250) return compaction(random, model);
  if (dice < 430) return appending(random, model);
  if (dice < 500) {
    return { kind: "truncate", from: Math.max(snapshotIndex + 1, lastIndex + 1 - random.below(6)) };
  }
  if (dice < 600) {
    const votedFor = random.chance(0.2) ? null : Buffer.from(random.bytes(8)).readBigUInt64BE(0).toString();
    return { kind: "hard state", term: model.hardTerm + random.below(3), votedFor };
  }
  if (dice < 640) return compaction(random, model);
  if (dice < 670) return installation(random, model);
  if (dice < 760) return { kind: "sync" };
  if (dice < 860) return { kind: "sync and wait" };
  if (dice < 950) return { kind: "syncSync" };
  if (dice < 970) return { kind: "rest" };
  return { kind: "reopen" };
}

function appending(random: Random, model: Model): Step {
  const count = random.chance(0.7) ? 1 + random.below(3) : 1 + random.below(12);
  const most = random.chance(0.6) ? 100 : random.chance(0.9) ? 1000 : 9000;
  const term = Math.max(1, model.lastTerm + Number(random.chance(0.1)));
  const entries = Array.from({ length: count }, (): Entry => ({
    term,
    kind: random.chance(0.1) ? "config" : "normal",
    command: commandOf(random, random.below(most)),
  }));
  return { kind: "append", first: model.lastIndex + 1, entries };
}

function compaction(random: Random, model: Model): Step {
  const index = Math.max(model.snapshotIndex, model.lastIndex - random.below(12));
  return { kind: "compact", index, data: commandOf(random, random.below(6000)), config: ["1", "2", "3"] };
}

/** A leader's snapshot: at an entry that the log has, or beyond its end. */
function installation(random: Random, model: Model): Step {
  const isBeyond = random.chance(0.4);
  const index = isBeyond ? model.lastIndex + 1 + random.below(20) : Math.max(1, model.lastIndex - random.below(5));
  const term = isBeyond ? model.lastTerm + 1 : Math.max(1, model.termAt(index) ?? model.lastTerm);
  return { kind: "install", index, term, data: commandOf(random, random.below(3000)), config: ["4", "5"] };
}

function commandOf(random: Random, length: number): string {
  const bytes = Buffer.from(random.bytes(length));
  for (let at = 0; at < length; at += MARKER_DISTANCE) bytes.write(COMMAND_MARKER, at, "latin1");
  return bytes.toString("hex");
}
