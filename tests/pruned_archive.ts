/** An archive with states of several seconds, which tests prune. */

import assert from "node:assert/strict";
import { WalLogError } from "../mod.ts";
import {
  MemoryStore,
  type ObjectBody,
  type ObjectRange,
  type RequestOptions,
  type RestoreOptions,
} from "../src/archive/mod.ts";
import { ArchivedLog } from "./archived_log.ts";
import { fingerprint } from "./simulated_log.ts";

/** The beginning of the clock of a simulated disk, in milliseconds since 1970. */
const BEGINNING = Date.UTC(2026);

/** A time, by the clock of the log. */
export function at(milliseconds: number): number {
  return BEGINNING + milliseconds;
}

/** The entries of a round. */
const ROUND_ENTRIES = 100;
/** The entries that a round leaves after its snapshot. */
const ROUND_LEFT = 10;

/** A store that fails to write or delete some objects, and calls back before it reads. */
export class WatchedStore extends MemoryStore {
  fails: (key: string) => boolean = () => false;
  onList: (prefix: string) => void = () => {};
  isHidden: (key: string) => boolean = () => false;
  onGet: (key: string) => Promise<void> = () => Promise.resolve();

  override async put(key: string, body: ObjectBody): Promise<void> {
    this.#check(key);
    await super.put(key, body);
  }

  override async delete(key: string): Promise<void> {
    this.#check(key);
    await super.delete(key);
  }

  override async *list(prefix: string, options?: RequestOptions) {
    this.onList(prefix);
    for await (const found of super.list(prefix, options)) if (!this.isHidden(found.key)) yield found;
  }

  override async get(key: string, range?: ObjectRange) {
    await this.onGet(key);
    return await super.get(key, range);
  }

  /** The keys that contain a text, in order. */
  keys(part: string): string[] {
    return [...this.objects.keys()].filter((key) => key.includes(part)).sort();
  }

  #check(key: string): void {
    if (this.fails(key)) throw new WalLogError("STORE", `Cannot write ${key}: the connection was lost`);
  }
}

/** An archived log whose clock stands still, unless a test sets it. */
export class PrunedArchive extends ArchivedLog {
  declare readonly store: WatchedStore;
  /** The time of the log's clock, in milliseconds since its beginning. */
  time = 1000;

  constructor() {
    super(new WatchedStore());
    Object.assign(this.disk.fileSystem, { now: () => at(this.time) });
  }

  /**
   * Writes 100 entries at a time, archives them, and compacts all of them but 10.
   *
   * @param time The time.
   */
  async round(time: number): Promise<void> {
    this.time = time;
    for (let part = 0; part < 2; part++) {
      this.append(ROUND_ENTRIES / 2);
      await this.archive();
    }
    this.log.compact(this.log.lastIndex - ROUND_LEFT, { data: new TextEncoder().encode(`at ${time}`) });
    await this.archive();
  }

  /** The contents of the restored log; the code of the error if it cannot be restored. */
  async state(options: RestoreOptions = {}): Promise<string> {
    try {
      return fingerprint(await this.restored(options));
    } catch (error) {
      assert(error instanceof WalLogError);
      return error.code;
    }
  }
}

/** An archive with snapshots at the indexes 90, 190, ..., each at the next second, by one archiver. */
export async function withRounds(rounds: number): Promise<PrunedArchive> {
  const archived = new PrunedArchive();
  for (let round = 1; round <= rounds; round++) await archived.round(round * 1000);
  return archived;
}

/**
 * An archive of a log that began without a snapshot. At 3000, the log was compacted twice; only the second snapshot, at
 * index 4, is archived. An incomplete older generation can be pruned.
 */
export async function withSkippedSnapshot(): Promise<PrunedArchive> {
  const archived = new PrunedArchive();
  const { store, log } = archived;
  await archived.archive();
  // A generation without a piece is not complete, so the next archiver begins a history of its own.
  for (const key of store.keys("/segments/")) store.objects.delete(key);
  archived.archiver = archived.newArchiver();
  archived.append(5);
  archived.prove();
  archived.time = 3000;
  for (const index of [3, 4]) log.compact(index, { data: new Uint8Array(3) });
  await archived.archive();
  return archived;
}
