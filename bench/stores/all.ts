/**
 * Every store by its name.
 *
 * @module
 */

import { bare } from "./bare.ts";
import { classicLevel } from "./classic_level.ts";
import { fsHashWasm } from "./fs_hash_wasm.ts";
import { lmdb } from "./lmdb.ts";
import { betterSqlite3, nodeSqlite } from "./sqlite.ts";
import type { StoreKind } from "./store.ts";
import { wallog } from "./wallog.ts";

/** The other stores that can keep a log. */
export const PEERS: readonly StoreKind[] = [lmdb, classicLevel, betterSqlite3, nodeSqlite, fsHashWasm];

/** All of them. */
export const STORES: readonly StoreKind[] = [wallog, bare, ...PEERS];

/** The store with a name. */
export function storeNamed(name: string): StoreKind {
  const kind = STORES.find((kind) => kind.name === name);
  if (kind === undefined) throw new RangeError(`no such store: ${name}`);
  return kind;
}
