/**
 * `classic-level` (LevelDB): commands as values under big-endian keys.
 *
 * @module
 */

import { join } from "node:path";
import { loadPeer } from "./peers.ts";
import type { Scanned, Store, StoreKind } from "./store.ts";

/** The number of entries that an iterator returns at once. */
const ITERATE_ENTRIES = 1000;
/** The most bytes that an iterator returns at once. More than those entries have in any benchmark. */
const ITERATE_BYTES = 64 * 1024 * 1024;

interface Iterator {
  nextv(size: number): Promise<[Uint8Array, Uint8Array][]>;
  close(): Promise<void>;
}

interface Put {
  readonly type: "put";
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The used part of a database. */
interface Database {
  open(): Promise<void>;
  batch(operations: readonly Put[], options: { sync: boolean }): Promise<void>;
  put(key: Uint8Array, value: Uint8Array, options: { sync: boolean }): Promise<void>;
  getSync(key: Uint8Array): Uint8Array;
  iterator(options: { gte?: Uint8Array; lte?: Uint8Array; highWaterMarkBytes: number }): Iterator;
  close(): Promise<void>;
}

class ClassicLevelStore implements Store {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  append(first: number, commands: readonly Uint8Array[]): Promise<void> {
    return this.#write(first, commands, false);
  }

  commit(first: number, commands: readonly Uint8Array[]): Promise<void> {
    return this.#write(first, commands, true);
  }

  commitShared(first: number, command: Uint8Array): Promise<void> {
    return this.#database.put(keyOf(first), command, { sync: true });
  }

  #write(first: number, commands: readonly Uint8Array[], sync: boolean): Promise<void> {
    if (commands.length === 1) {
      return this.#database.put(keyOf(first), commands[0]!, { sync });
    }
    const puts = commands.map((value, i) => ({ type: "put", key: keyOf(first + i), value }) as const);
    return this.#database.batch(puts, { sync });
  }

  async scan(): Promise<Scanned> {
    let entries = 0;
    let bytes = 0;
    const iterator = this.#database.iterator({ highWaterMarkBytes: ITERATE_BYTES });
    for (let read; (read = await iterator.nextv(ITERATE_ENTRIES)).length > 0;) {
      entries += read.length;
      for (const [, value] of read) bytes += value.length;
    }
    await iterator.close();
    return { entries, bytes };
  }

  get(index: number): Uint8Array {
    return this.#database.getSync(keyOf(index));
  }

  async range(from: number, to: number): Promise<Uint8Array[]> {
    const iterator = this.#database.iterator({ gte: keyOf(from), lte: keyOf(to), highWaterMarkBytes: ITERATE_BYTES });
    const read = await iterator.nextv(to - from + 1);
    await iterator.close();
    return read.map(([, value]) => value);
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(4);
  key[0] = index >>> 24;
  key[1] = index >>> 16;
  key[2] = index >>> 8;
  key[3] = index;
  return key;
}

/** LevelDB. */
export const classicLevel: StoreKind = {
  name: "classic-level",
  title: "classic-level",
  note: '`keyEncoding` and `valueEncoding` `"view"`, `put` and `batch` with or without `sync`, `nextv` of ' +
    `${ITERATE_ENTRIES}, \`getSync\``,
  load() {
    const { ClassicLevel } = loadPeer("classic-level");
    return Promise.resolve(async (folder) => {
      const database: Database = new ClassicLevel(join(folder, "level"), {
        keyEncoding: "view",
        valueEncoding: "view",
      });
      await database.open();
      return new ClassicLevelStore(database);
    });
  },
};
