/**
 * Lists the objects of an archive.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { highestFloor, isBelow, NO_FLOOR } from "./floor.ts";
import { highest, historyOf } from "./history.ts";
import {
  type ArchivedIdentity,
  type ArchivedSnapshot,
  type Base,
  claimedGeneration,
  CLAIMS,
  type Floor,
  type GenerationKey,
  GENERATIONS,
  type Piece,
  readKey,
  sizeInKey,
} from "./keys.ts";
import type { ObjectStore, RequestOptions } from "./object_store.ts";

/** The objects of a generation. */
export interface Generation {
  /** Whether it has a base. It is written first. */
  hasBase: boolean;
  /** Whether a step of its archiver has ended. Before that, it is not the newest state of the log. */
  isComplete: boolean;
  /** Its base; `undefined` if it continues no other generation. */
  base: Base | undefined;
  readonly pieces: Piece[];
  readonly snapshots: ArchivedSnapshot[];
  readonly identities: ArchivedIdentity[];
}

/** The objects of an archive. Those below its floor are left out. */
export interface Survey {
  /** The highest generation that was claimed; 0 if none was. */
  readonly claimed: number;
  /** The generations whose claims are there. */
  readonly claims: ReadonlySet<number>;
  readonly generations: ReadonlyMap<number, Generation>;
  /** The highest floor. */
  readonly floor: Floor;
  /** The keys of objects whose size is not the one in the key. A store writes objects completely, so they are damaged. */
  readonly wrongSizes: ReadonlySet<string>;
}

/**
 * Lists the objects of an archive.
 *
 * @param store The store.
 * @param options A signal.
 * @returns The objects.
 */
export async function surveyStore(store: ObjectStore, options?: RequestOptions): Promise<Survey> {
  const keys: GenerationKey[] = [];
  const wrong: { readonly key: string; readonly read: GenerationKey }[] = [];
  // Floors come last in the list. So if an object was deleted before it was listed, its floor is listed.
  for await (const { key, size } of store.list(GENERATIONS, options)) {
    const read = readKey(key, size);
    keys.push(read);
    if (size !== (sizeInKey(read) ?? size)) wrong.push({ key, read });
  }
  // A generation is claimed before it has objects. So the claims of all listed objects are listed after them.
  const claims = new Set<number>();
  for await (const { key } of store.list(CLAIMS, options)) claims.add(claimedGeneration(key) ?? 0);
  const survey = surveyOf(claims, keys);
  const wrongSizes = wrong.filter(({ read }) => !isBelow(read, survey.floor)).map(({ key }) => key);
  return { ...survey, wrongSizes: new Set(wrongSizes) };
}

/**
 * The objects of an archive, by their keys.
 *
 * @param claims The generations whose claims are there.
 * @param keys The keys of generations, and the floors.
 * @returns The objects that are not below a floor.
 */
export function surveyOf(claims: ReadonlySet<number>, keys: readonly GenerationKey[]): Survey {
  const floor = keys.reduce((floor, key) => key.kind === "floor" ? highestFloor(floor, key.floor) : floor, NO_FLOOR);
  const generations = new Map<number, Generation>();
  const of = (generation: number) => {
    const known = generations.get(generation);
    if (known !== undefined) return known;
    const made: Generation = {
      ...{ hasBase: false, isComplete: false, base: undefined },
      ...{ pieces: [], snapshots: [], identities: [] },
    };
    generations.set(generation, made);
    return made;
  };
  for (const key of keys) {
    if (isBelow(key, floor)) continue;
    if (key.kind === "piece") of(key.piece.generation).pieces.push(key.piece);
    else if (key.kind === "snapshot") of(key.snapshot.generation).snapshots.push(key.snapshot);
    else if (key.kind === "identity") of(key.identity.generation).identities.push(key.identity);
    else if (key.kind === "base") Object.assign(of(key.generation), { hasBase: true, base: key.base });
  }
  for (const one of generations.values()) one.isComplete = one.pieces.some(({ ended }) => ended);
  // A lost claim is not claimed again, because its generation has objects.
  const claimed = highest([...claims, ...generations.keys()]);
  return { claimed, claims, generations, floor, wrongSizes: new Set() };
}

/**
 * The objects that an archive has with one more floor.
 *
 * @param survey The objects.
 * @param floor The floor.
 */
export function withFloor({ claims, generations, floor: before, wrongSizes }: Survey, floor: Floor): Survey {
  const keys = [...generations].flatMap(([generation, { hasBase, base, pieces, snapshots, identities }]) => [
    ...(hasBase ? [{ kind: "base", generation, base } as const] : []),
    ...pieces.map((piece) => ({ kind: "piece", piece } as const)),
    ...snapshots.map((snapshot) => ({ kind: "snapshot", snapshot } as const)),
    ...identities.map((identity) => ({ kind: "identity", identity } as const)),
  ]);
  const survey = surveyOf(claims, [...keys, { kind: "floor", floor: before }, { kind: "floor", floor }]);
  return { ...survey, wrongSizes };
}

/** The number of attempts to list objects while an archiver merges them. */
const CALM_ATTEMPTS_MAX = 20;

/**
 * Lists the objects of an archive that may be in use. If an archiver merges pieces while they are listed, the list may
 * have neither all pieces nor the merged one. So the objects are listed again until nothing was deleted in between.
 *
 * @param store The store.
 * @param options A signal.
 * @returns The objects.
 * @throws {WalLogError} `CHANGING`, `STORE`.
 */
export async function surveyInUse(store: ObjectStore, options?: RequestOptions): Promise<Survey> {
  let before = await surveyStore(store, options);
  for (let attempt = 1; attempt < CALM_ATTEMPTS_MAX; attempt++) {
    const survey = await surveyStore(store, options);
    const keys = new Set(keysOf(survey));
    const old = keysOf(before);
    // A list may show a new piece, and not the one before it. So a loss counts only if nothing is new.
    const isCertain = keys.size === old.length || historyOf(survey).lostTail === undefined;
    if (isCertain && old.every((key) => keys.has(key))) return survey;
    before = survey;
  }
  throw new WalLogError(
    "CHANGING",
    `Cannot list the archive in ${store.name}: an archiver merges its objects; try again`,
  );
}

/** The keys of all objects. For a base, the number of its generation. */
function keysOf({ generations }: Survey): string[] {
  return [...generations].flatMap(([generation, { hasBase, pieces, snapshots, identities }]) => [
    ...(hasBase ? [String(generation)] : []),
    ...[...pieces, ...snapshots, ...identities].map(({ key }) => key),
  ]);
}
