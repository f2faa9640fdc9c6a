/**
 * Claims of generations. They decide which of several archivers continues.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { claimKey, probeKey, PROBES } from "./keys.ts";
import type { ObjectStore, RequestOptions } from "./object_store.ts";

/** The age at which a probe counts as a leftover of a killed archiver, in milliseconds: a day. */
const PROBE_MS_MAX = 24 * 60 * 60 * 1000;
/** The highest generation: keys have 8 digits for it. */
const GENERATION_MAX = 99_999_999;
/** The most bytes of a claim. A whole one has less than 200. */
const CLAIM_BYTES_MAX = 64 * 1024;

/** The contents of a claim. */
export interface Claim {
  readonly layout: 1;
  readonly token: string;
  readonly uuid: string;
  readonly milliseconds: number;
}

/**
 * Fails if a store accepts a second `put if absent` of a key.
 *
 * @param store The store.
 * @param token A random name.
 * @param options A signal.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export async function probeStore(store: ObjectStore, token: string, options?: RequestOptions): Promise<void> {
  await removeOldProbes(store, options);
  const key = probeKey(Date.now(), token);
  await store.putIfAbsent(key, new TextEncoder().encode("1"), options);
  const second = await store.putIfAbsent(key, new TextEncoder().encode("2"), options);
  await store.delete(key, options);
  if (second.kind === "exists") return;
  const message =
    `Cannot archive to ${store.name}: the store does not refuse to write a key twice (If-None-Match: *), ` +
    "so that two archivers could mix their logs; use another store";
  throw new WalLogError("INVALID_ARGUMENT", message);
}

/** Deletes probes that killed archivers have left. Other archivers may need newer ones. */
async function removeOldProbes(store: ObjectStore, options: RequestOptions | undefined): Promise<void> {
  const old: string[] = [];
  for await (const { key } of store.list(PROBES, options)) {
    if (key < probeKey(Date.now() - PROBE_MS_MAX, "")) old.push(key);
  }
  for (const key of old) await store.delete(key, options);
}

/**
 * Claims the lowest generation above a number.
 *
 * @param store The store.
 * @param above The highest generation that is claimed already.
 * @param claim The contents of the claim. Its token is the archiver's own.
 * @param options A signal.
 * @returns The generation.
 * @throws {WalLogError} `INVALID_ARGUMENT` if the highest possible generation is claimed; `CORRUPT`, `STORE`.
 */
export async function claimGeneration(
  store: ObjectStore,
  above: number,
  claim: Claim,
  options?: RequestOptions,
): Promise<number> {
  const bytes = new TextEncoder().encode(JSON.stringify(claim));
  for (let generation = above + 1; generation <= GENERATION_MAX; generation++) {
    const result = await store.putIfAbsent(claimKey(generation), bytes, options);
    if (result.kind === "created") return generation;
    // If the reply to an earlier attempt was lost, the claim is the archiver's own.
    if ((await readClaim(store, generation, options))?.token === claim.token) return generation;
  }
  const last = claimKey(GENERATION_MAX);
  const message = `Cannot archive to ${store.name}: ${last} exists, and no generation is left above it; ` +
    "if no archiver wrote that object, delete it; otherwise, archive to another prefix";
  throw new WalLogError("INVALID_ARGUMENT", message);
}

/**
 * Whether there is a claim. Its contents are not read.
 *
 * @param store The store.
 * @param generation The generation.
 * @param options A signal.
 */
export async function isClaimed(store: ObjectStore, generation: number, options?: RequestOptions): Promise<boolean> {
  return (await store.get(claimKey(generation), { offset: 0, length: 1 }, options)).kind === "found";
}

/**
 * Reads a claim.
 *
 * @param store The store.
 * @param generation The generation.
 * @param options A signal.
 * @returns The claim; `undefined` if there is none.
 * @throws {WalLogError} `CORRUPT` if it is damaged or too large; `STORE`.
 */
export async function readClaim(
  store: ObjectStore,
  generation: number,
  options?: RequestOptions,
): Promise<Claim | undefined> {
  const found = await store.get(claimKey(generation), { offset: 0, length: CLAIM_BYTES_MAX }, options);
  if (found.kind === "absent") return undefined;
  const claim = found.size > CLAIM_BYTES_MAX ? undefined : parseClaim(new TextDecoder().decode(found.bytes));
  if (claim !== undefined) return claim;
  throw new WalLogError("CORRUPT", `Cannot read the claim ${claimKey(generation)} in ${store.name}: it is damaged`);
}

function parseClaim(text: string): Claim | undefined {
  try {
    const claim = JSON.parse(text);
    const isWhole = claim.layout === 1 && typeof claim.token === "string" && typeof claim.uuid === "string" &&
      typeof claim.milliseconds === "number";
    return isWhole ? claim : undefined;
  } catch {
    return undefined;
  }
}

/** An archiver's claim, and the means to check it. */
export interface OwnClaim {
  readonly store: ObjectStore;
  /** The log's folder, for messages. */
  readonly folder: string;
  readonly generation: number;
  readonly token: string;
  readonly options: RequestOptions;
}

/**
 * Fails if another archiver has claimed the next generation, or if the archiver's own claim is gone.
 *
 * @param own The claim.
 * @throws {WalLogError} `FENCED`, `NOT_FOUND`, `CORRUPT`, `STORE`.
 */
export async function requireUnfenced(own: OwnClaim): Promise<void> {
  const { store, generation, folder, options } = own;
  if (!await isClaimed(store, generation + 1, options)) return await requireClaim(own);
  const message = `Cannot go on archiving the log at ${folder} to ${store.name}: another archiver has taken over, ` +
    `with generation ${generation + 1}; the log itself goes on`;
  throw new WalLogError("FENCED", message, { path: folder });
}

/**
 * Fails if the archiver's own claim is gone. Another store may have taken the place of the one that it claimed: an
 * empty folder where a volume was, for example.
 */
async function requireClaim({ store, generation, token, folder, options }: OwnClaim): Promise<void> {
  const claim = await readClaim(store, generation, options);
  if (claim?.token === token) return;
  // A claim is never overwritten, so the reply is damaged. The next step asks again.
  if (claim !== undefined) throw new WalLogError("CORRUPT", `Cannot read the claim ${generation} in ${store.name}`);
  const message =
    `Cannot go on archiving the log at ${folder} to ${store.name}: the claim of generation ${generation} ` +
    `is missing, so this is another store, or it has lost objects; restore the store, and start the archiver again`;
  throw new WalLogError("NOT_FOUND", message, { path: folder });
}
