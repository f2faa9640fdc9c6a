/**
 * `lmdb` (lmdb-js): commands as binary values under 32-bit integer keys.
 *
 * @module
 */

import { join } from "node:path";
import { loadPeer } from "./peers.ts";
import type { Scanned, Store, StoreKind } from "./store.ts";

/** The used part of a database. */
interface Database {
  readonly flushed: Promise<unknown>;
  put(key: number, value: Uint8Array, options: { append: boolean }): Promise<unknown>;
  putSync(key: number, value: Uint8Array, options: { append: boolean }): void;
  transactionSync(body: () => void): void;
  getBinary(key: number): Uint8Array;
  /** Returns a buffer that the next call overwrites. */
  getBinaryFast(key: number): Uint8Array | undefined;
  getRange(options: { start?: number; end?: number }): Iterable<{ key: number; value: Uint8Array }>;
  close(): Promise<void>;
}

const APPEND = { append: true };

class LmdbStore implements Store {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  append(first: number, commands: readonly Uint8Array[]): void {
    this.#database.transactionSync(() => {
      for (let i = 0; i < commands.length; i++) {
        this.#database.putSync(first + i, commands[i]!, APPEND);
      }
    });
  }

  commit(first: number, commands: readonly Uint8Array[]): void {
    this.append(first, commands);
  }

  async commitShared(first: number, command: Uint8Array): Promise<void> {
    await this.#database.put(first, command, APPEND);
    await this.#database.flushed;
  }

  /** Three times as fast as `getRange`, which makes an object for each entry. */
  scan(): Scanned {
    let entries = 0;
    let bytes = 0;
    for (let value; (value = this.#database.getBinaryFast(entries + 1)) !== undefined;) {
      entries++;
      bytes += value.length;
    }
    return { entries, bytes };
  }

  get(index: number): Uint8Array {
    return this.#database.getBinary(index);
  }

  range(from: number, to: number): Uint8Array[] {
    const commands: Uint8Array[] = [];
    for (const { value } of this.#database.getRange({ start: from, end: to + 1 })) commands.push(value);
    return commands;
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

/** LMDB. */
export const lmdb: StoreKind = {
  name: "lmdb",
  title: "lmdb",
  note: '`encoding: "binary"`, `keyEncoding: "uint32"`; without sync: `noSync`; one commit at a time: ' +
    "`transactionSync` with `overlappingSync: false`; many at a time: `put` and `flushed`. It has no checksums",
  load() {
    const { open } = loadPeer("lmdb");
    return Promise.resolve((folder, { isDurable, isShared }) => {
      const options = {
        encoding: "binary",
        keyEncoding: "uint32",
        noSync: !isDurable,
        overlappingSync: isShared === true,
      };
      return new LmdbStore(open({ path: join(folder, "lmdb.mdb"), ...options }));
    });
  },
};
