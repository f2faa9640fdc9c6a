/**
 * Faults: each damages the files of a log in one place.
 *
 * @module
 */

import type { Random } from "../../src/testing/mod.ts";
import { type Blot, blot, cutFile, type Files, flipBit, isChanged, usedBytes } from "./contents.ts";
import {
  type Frame,
  FRAMES_AT,
  framesOf,
  HEADER_COPIES,
  isSegment,
  isSnapshot,
  NEXT_POINTERS,
  type Stretch,
} from "./layout.ts";
import type { EntryPlace } from "./places.ts";

/** A log to damage. */
export class Scene {
  /** The files. A fault changes them. */
  readonly files: Files;
  readonly random: Random;
  /** The positions of the acknowledged entries. */
  readonly places: readonly EntryPlace[];
  /** The files before any fault. A second fault also picks its place in these. */
  private readonly before: Files;

  constructor(files: Files, random: Random, places: readonly EntryPlace[]) {
    this.before = files;
    this.files = new Map(files);
    this.random = random;
    this.places = places;
  }

  /** The segments, oldest first. */
  get segments(): string[] {
    return [...this.before.keys()].filter(isSegment).sort();
  }

  /** The newest segment. */
  get newest(): string {
    return this.segments.at(-1)!;
  }

  /** The frames of a segment. */
  frames(path: string): Frame[] {
    return framesOf(this.before.get(path)!);
  }

  /** The length of a file without the zeros at its end. */
  used(path: string): number {
    return usedBytes(this.before.get(path)!);
  }

  /**
   * The end of the range in which damage leaves the evidence of how far the log was durable. In the newest segment, the
   * last frame is that evidence.
   */
  safeEnd(path: string): number {
    if (path !== this.newest) return this.used(path);
    return this.frames(path).at(-1)?.from ?? FRAMES_AT;
  }

  /** Whether the newest segment is missing, and the pointer of the newest remaining one is damaged. */
  get isNewestForgotten(): boolean {
    const left = this.segments.findLast((path) => this.files.has(path));
    if (left === undefined || left === this.newest) return false;
    return NEXT_POINTERS.some(({ from, to }) => isChanged(this.before, this.files, left, from, to));
  }

  /** Any of several; `undefined` if there is none. */
  pick<T>(choices: readonly T[]): T | undefined {
    return choices.length === 0 ? undefined : this.random.pick(choices);
  }

  /** Overwrites a stretch of a file with zeros or noise; `false` if an earlier fault removed the file. */
  blot(path: string, { from, to }: Stretch, how: Blot = this.random.pick(["zeros", "noise"])): boolean {
    if (from >= to || !this.files.has(path)) return false;
    blot(this.files, path, from, to, how, this.random);
    return true;
  }

  /** Flips one bit in a stretch of a file; `false` if an earlier fault removed the file. */
  flip(path: string, { from, to }: Stretch): boolean {
    if (from >= to || !this.files.has(path)) return false;
    flipBit(this.files, path, from + this.random.below(to - from), this.random.below(8));
    return true;
  }

  /** Flips one bit, or overwrites all of a stretch. */
  harm(path: string, stretch: Stretch): boolean {
    return this.random.chance(0.4) ? this.flip(path, stretch) : this.blot(path, stretch);
  }
}

/** A fault; `false` if the log has no place for it. */
export type Fault = (scene: Scene) => boolean;

/** One bit in the command of an entry. */
export const flipEntry: Fault = (scene) => {
  const place = scene.pick(scene.places);
  return place !== undefined && scene.flip(place.path, { from: place.at, to: place.at + place.entry.command.length });
};

/** One bit in the header of a frame. The last frame of the newest segment stays intact. */
export const flipHeader: Fault = (scene) => {
  const path = scene.random.pick(scene.segments);
  const frame = scene.pick(scene.frames(path).filter(({ to }) => to <= scene.safeEnd(path)));
  return frame !== undefined && scene.flip(path, frame.header);
};

/** An aligned block of any segment. The last frame of the newest segment stays intact. */
function block(bytes: number, how: Blot): Fault {
  return (scene) => {
    const path = scene.random.pick(scene.segments);
    const first = Math.floor(FRAMES_AT / bytes);
    const blocks = Math.floor(scene.safeEnd(path) / bytes) - first;
    if (blocks < 1) return false;
    const from = (first + scene.random.below(blocks)) * bytes;
    return scene.blot(path, { from, to: from + bytes }, how);
  };
}

/** A sector of zeros. */
export const zeroSector: Fault = block(512, "zeros");
/** A page of zeros. */
export const zeroPage: Fault = block(4096, "zeros");
/** A page of noise, such as a block of another file. */
export const noisePage: Fault = block(4096, "noise");

/** A range within the last 16 KiB of the newest segment, before its last frame. */
export const tail16K: Fault = (scene) => {
  const path = scene.newest;
  const end = scene.safeEnd(path);
  const first = Math.max(FRAMES_AT, scene.used(path) - 16 * 1024);
  if (first >= end) return false;
  const from = first + scene.random.below(end - first);
  const to = Math.min(end, from + 1 + scene.random.below(scene.random.chance(0.5) ? 300 : 8192));
  return scene.harm(path, { from, to });
};

/** The same including the last frame, which is the evidence of how far the log was durable. */
export const tail16KWithEnd: Fault = (scene) => {
  const path = scene.newest;
  const to = scene.used(path);
  const last = scene.safeEnd(path);
  const first = Math.max(FRAMES_AT, to - 16 * 1024);
  if (first >= to) return false;
  const from = scene.random.chance(0.5) ? first + scene.random.below(to - first) : last;
  return from <= last ? scene.blot(path, { from, to }) : scene.harm(path, { from, to });
};

/** The last 72 to 4,096 bytes of the newest segment, zeroed or cut off. */
export const fileEnd: Fault = (scene) => {
  const path = scene.newest;
  const used = scene.used(path);
  const bytes = 72 + scene.random.below(scene.random.chance(0.6) ? 400 : 4025);
  const from = Math.max(FRAMES_AT, used - bytes);
  if (from >= used) return false;
  if (scene.random.chance(0.5)) return scene.blot(path, { from, to: used }, "zeros");
  cutFile(scene.files, path, from);
  return true;
};

/** A gap over a number of checkpoints in a row. Those around them stay. */
export function checkpoints(count: number): Fault {
  return (scene) => {
    const { random } = scene;
    const path = random.pick(scene.segments);
    const frames = scene.frames(path);
    const at = frames.flatMap(({ holds }, i) => holds === "checkpoint" ? [i] : []);
    const candidates = at.slice(0, at.length - count + 1).map((_, i) => i).filter((i) =>
      frames[at[i + count - 1]!]!.to <= scene.safeEnd(path)
    );
    const first = scene.pick(candidates);
    if (first === undefined) return false;
    const lowest = first === 0 ? 0 : at[first - 1]! + 1;
    const highest = (at[first + count] ?? frames.length) - 1;
    const from = lowest + random.below(at[first]! - lowest + 1);
    const to = at[first + count - 1]! + random.below(highest - at[first + count - 1]! + 1);
    return scene.blot(path, { from: frames[from]!.from, to: Math.min(frames[to]!.to, scene.safeEnd(path)) });
  };
}

/** A gap over every checkpoint of a segment. */
function allCheckpoints(choose: (scene: Scene) => string | undefined): Fault {
  return (scene) => {
    const { random } = scene;
    const path = choose(scene);
    if (path === undefined) return false;
    const frames = scene.frames(path);
    const first = frames.findIndex(({ holds }) => holds === "checkpoint");
    const last = frames.findLastIndex(({ holds }) => holds === "checkpoint");
    if (first < 0) return false;
    const from = frames[random.below(first + 1)]!.from;
    const to = frames[last + random.below(frames.length - last)]!.to;
    return scene.blot(path, { from, to });
  };
}

/** All checkpoints of a segment that another one follows. */
export const allCheckpointsOfSealed: Fault = allCheckpoints((scene) => scene.pick(scene.segments.slice(0, -1)));
/** All checkpoints of the newest segment, the last one included. */
export const allCheckpointsOfNewest: Fault = allCheckpoints((scene) => scene.newest);

/** Segments that are missing. */
function missing(choose: (segments: readonly string[], random: Random) => readonly string[]): Fault {
  return (scene) => {
    const chosen = choose(scene.segments, scene.random).filter((path) => scene.files.has(path));
    for (const path of chosen) scene.files.delete(path);
    return chosen.length > 0;
  };
}

/** The oldest of several segments. */
export const missingOldest: Fault = missing((all) => all.length < 2 ? [] : all.slice(0, 1));
/** The newest of several segments. */
export const missingNewest: Fault = missing((all) => all.length < 2 ? [] : all.slice(-1));
/** A segment between others. */
export const missingMiddle: Fault = missing((all, random) =>
  all.length < 3 ? [] : [all[1 + random.below(all.length - 2)]!]
);
/** Two segments in a row, of at least three. */
export const missingTwo: Fault = missing((all, random) => {
  if (all.length < 3) return [];
  const first = random.below(all.length - 1);
  return all.slice(first, first + 2);
});

/** One copy of a segment's header. */
export const headerCopy: Fault = (scene) =>
  scene.harm(scene.random.pick(scene.segments), scene.random.pick(HEADER_COPIES));

/** All copies of a segment's header. */
export const headerCopies: Fault = (scene) => {
  const path = scene.random.pick(scene.segments);
  return HEADER_COPIES.every((copy) => scene.harm(path, copy));
};

/** All copies of a next-segment pointer. */
export const nextPointer: Fault = (scene) => {
  const path = scene.random.pick(scene.segments);
  return NEXT_POINTERS.every((copy) => scene.harm(path, copy));
};

/**
 * One copy of the pointer that makes the newest segment part of the log, and frames of which the newest segment has
 * copies.
 */
export const pointerAndTail: Fault = (scene) => {
  const [path, newest] = scene.segments.slice(-2);
  if (path === undefined || newest === undefined) return false;
  const copies = scene.frames(newest).length;
  const frames = scene.frames(path);
  if (copies === 0 || frames.length < copies) return false;
  const from = frames[frames.length - 1 - scene.random.below(copies)]!.from;
  return scene.blot(path, scene.random.pick(NEXT_POINTERS), "zeros") &&
    scene.blot(path, { from, to: frames.at(-1)!.to });
};

/** The newest segment is missing, and one copy of the pointer to it is damaged. */
export const pointerAndNewest: Fault = (scene) => {
  const [path, newest] = scene.segments.slice(-2);
  if (path === undefined || newest === undefined) return false;
  return scene.files.delete(newest) && scene.blot(path, scene.random.pick(NEXT_POINTERS));
};

/** The index of a sealed segment. */
export const segmentIndex: Fault = (scene) => {
  const path = scene.random.pick(scene.segments);
  const frame = scene.frames(path).find(({ holds }) => holds === "segment index");
  if (frame === undefined) return false;
  const from = frame.from + scene.random.below(frame.to - frame.from);
  return scene.harm(path, { from, to: Math.min(frame.to, from + 1 + scene.random.below(200)) });
};

/** The latest snapshot: a bit, a range, the end, or the whole file. */
export const snapshotFile: Fault = (scene) => someFile(scene, [...scene.files.keys()].filter(isSnapshot).sort().at(-1));

/** The identity file. */
export const identity: Fault = (scene) =>
  someFile(scene, [...scene.files.keys()].find((path) => path.endsWith("IDENTITY")));

function someFile(scene: Scene, path: string | undefined): boolean {
  if (path === undefined) return false;
  const { random } = scene;
  const used = scene.used(path);
  const from = random.below(used);
  const kind = random.below(4);
  if (kind === 0) return scene.files.delete(path);
  if (kind === 1) {
    cutFile(scene.files, path, from);
    return true;
  }
  return scene.harm(path, { from, to: Math.min(used, from + 1 + random.below(600)) });
}

/** Faults that, alone, leave the evidence of how far the log was durable. */
const SINGLE: readonly Fault[] = [
  flipEntry,
  flipHeader,
  zeroSector,
  zeroPage,
  noisePage,
  tail16K,
  checkpoints(1),
  checkpoints(2),
  allCheckpointsOfSealed,
  missingOldest,
  missingMiddle,
  missingNewest,
  missingTwo,
  headerCopy,
  headerCopies,
  nextPointer,
  segmentIndex,
  snapshotFile,
  identity,
];

/** Any one of these faults. */
export const anyFault: Fault = (scene) => scene.random.pick(SINGLE)(scene);

/** Several faults at once. Those of {@link pointerAndNewest} are a kind of their own. */
export function faults(count: number): Fault {
  return (scene) => {
    for (let i = 0; i < count; i++) if (!anyFault(scene)) return false;
    return !scene.isNewestForgotten;
  };
}
