/**
 * One case: a history, damage to its log, and the figures of its recovery.
 *
 * @module
 */

import { Random } from "../../src/testing/mod.ts";
import type { Files } from "./contents.ts";
import { anyFault, type Fault, Scene } from "./damage.ts";
import {
  addFigures,
  type Figures,
  figuresOf,
  figuresOfRefusal,
  fit,
  lostUnnamed,
  noFigures,
  notesOf,
} from "./figures.ts";
import { goOn } from "./going_on.ts";
import type { Kind } from "./kinds.ts";
import { findEntries, type Touch, touchOf } from "./places.ts";
import { openFiles, type Way, WAYS } from "./reading.ts";
import { type Open, writeHistory, type Written } from "./writing.ts";

/** The most histories in a row without a place for a kind of damage. */
const ATTEMPTS_MAX = 200;

/** The result of a case. */
export interface CaseResult {
  readonly figures: Figures;
  /** The losses that figure 1 counts, and unexpected errors. */
  readonly notes: readonly string[];
  /** The error of a log that `onDamage: "keep"` does not open. */
  readonly refusal?: string;
}

/** A damaged log. */
export interface Damaged {
  readonly written: Written;
  readonly after: Files;
  /** The bytes that the damage changed of each acknowledged entry, by the entry's word. */
  readonly touches: Map<string, Touch>;
}

/** The seed of an attempt at a case. */
export function seedOf(id: string, seed: number, attempt: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return new Random(hash ^ Math.imul(seed, 0x85ebca6b) ^ Math.imul(attempt, 0xc2b2ae35)).next();
}

/**
 * Damages a log.
 *
 * @param written The log.
 * @param fault The fault.
 * @param random Picks the place.
 * @returns The damaged log; `undefined` if it has no place for the fault, or no byte changed.
 */
export function damage(written: Written, fault: Fault, random: Random): Damaged | undefined {
  const { files, states } = written;
  const acknowledged = states[0]!.entries;
  const places = findEntries(acknowledged, files);
  const scene = new Scene(files, random, [...places.values()]);
  if (!fault(scene) || isSame(files, scene.files)) return undefined;
  const touches = new Map([...places].map(([word, place]) => [word, touchOf(place, files, scene.files)]));
  return { written, after: scene.files, touches };
}

function isSame(before: Files, after: Files): boolean {
  return before.size === after.size && [...before].every(([path, content]) => {
    const now = after.get(path);
    return now === content || (now?.length === content.length && content.every((byte, at) => now[at] === byte));
  });
}

/**
 * Runs a case.
 *
 * @param kind The kind of damage.
 * @param seed The seed of the case.
 * @param open Opens logs.
 */
export function runCase(kind: Kind, seed: number, open: Open): CaseResult {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const random = new Random(seedOf(kind.id, seed, attempt));
    const written = writeHistory(random, kind.shape);
    const first = damage(written, kind.fault, random);
    if (first === undefined) continue;
    if (kind.goesOn !== true) return judge(first, random.next(), open);
    const gone = goOn(first, random, open);
    if ("figures" in gone) return gone;
    const second = damage(gone, anyFault, random);
    if (second !== undefined) return judge(join(first, second), random.next(), open);
  }
  throw new Error(`No history of kind ${kind.id} and seed ${seed} has a place for the damage`);
}

/** Joins the damage of two rounds: an entry keeps the worse of the two. */
function join(first: Damaged, second: Damaged): Damaged {
  const touches = new Map(second.touches);
  for (const { word } of second.written.states[0]!.entries) {
    const touch = first.touches.get(word);
    if (touch === "entry" || (touch === "frame" && touches.get(word) !== "entry")) touches.set(word, touch);
  }
  return { ...second, touches };
}

/** Opens a damaged log in every way. Figure 1 is that of the worst way; the other figures are those of `keep`. */
export function judge(damaged: Damaged, seed: number, open: Open): CaseResult {
  const { written: { states, segmentBytes, end }, after, touches } = damaged;
  const figures = noFigures();
  const notes: string[] = [];
  let worst = noFigures();
  let refusal: string | undefined;
  for (const way of WAYS) {
    const { figures: found, notes: said, refusal: why } = judgeWay(damaged, way, seed, open);
    for (const note of said) notes.push(`${way}: ${note}`);
    figures.failures += found.failures;
    if (lostUnnamed(found) > lostUnnamed(worst)) worst = found;
    if (way === "keep") {
      refusal = why;
      addFigures(figures, { ...found, lostEntries: 0, lostSnapshots: 0, lostHardStates: 0, failures: 0 });
    }
  }
  figures.histories = 1;
  figures.acknowledged = states[0]!.entries.length;
  for (const touch of touches.values()) if (touch === "entry") figures.hit++;
  figures.lostEntries = worst.lostEntries;
  figures.lostSnapshots = worst.lostSnapshots;
  figures.lostHardStates = worst.lostHardStates;
  if (notes.length > 0) notes.unshift(`${end}, segments of ${segmentBytes} bytes, ${after.size} files`);
  return { figures, notes, refusal };
}

function judgeWay({ written, after, touches }: Damaged, way: Way, seed: number, open: Open): CaseResult {
  const opened = openFiles(after, written.segmentBytes, way, open, seed);
  if (opened.outcome === "refused") {
    return { figures: figuresOfRefusal(touches), notes: [], refusal: opened.message };
  }
  if (opened.outcome === "failed") return { figures: { ...noFigures(), failures: 1 }, notes: [opened.message] };
  const { seen } = opened;
  const comparison = fit(seen, written.states);
  return { figures: figuresOf(seen, comparison, touches), notes: notesOf(comparison) };
}
