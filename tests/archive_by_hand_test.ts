/** Restores a pruned archive by hand, as docs/ARCHIVE.md describes it, and reads it with docs/decode.py. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { prune } from "../src/archive/mod.ts";
import { compare, decode, skip } from "./format_decoder.ts";
import { at, type WatchedStore, withRounds } from "./pruned_archive.ts";
import { fingerprint } from "./simulated_log.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** Makes the files of a log from the objects of one generation, from their keys alone. */
function joinPieces({ objects }: WatchedStore, folder: string): void {
  mkdirSync(folder);
  const keys = [...objects.keys()].sort();
  const floors = keys.map((key) => /^generations\/floors\/\d+-(\d+)-(\d+)-\d+$/.exec(key)).filter((found) =>
    found !== null
  );
  const [segment, snapshot] = [1, 2].map((field) => Math.max(0, ...floors.map((floor) => Number(floor[field]))));
  const files = new Map<string, Buffer>();
  for (const key of keys) {
    const [, number, from] = /\/segments\/(\d+)-[^/]*\/(\d+)-/.exec(key) ?? [];
    if (number === undefined || Number(number) < segment!) continue;
    const before = files.get(`${number}.seg`) ?? Buffer.alloc(0);
    // A merged piece comes after a shorter one that begins at the same offset.
    if (Number(from) <= before.length) {
      const joined = Buffer.concat([before.subarray(0, Number(from)), objects.get(key)!]);
      if (joined.length > before.length) files.set(`${number}.seg`, joined);
    }
  }
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  const newest = keys.findLast((key) => key.includes("/snapshots/"))!;
  // Numbers in the names of files have 12 digits, and 16 in keys.
  const [, index, term] = /\/snapshots\/0{4}(\d+)-0{4}(\d+)-/.exec(newest)!;
  assert(Number(index) >= snapshot!);
  writeFileSync(join(folder, `${index}-${term}.snap`), objects.get(newest)!);
}

describe("an archive that is restored by hand", { skip }, () => {
  it("has the log, also if it was pruned, or its pruning was interrupted", () =>
    inTemporaryFolder(async (folder) => {
      const archived = await withRounds(5);
      const { store } = archived;
      const paths = ["whole", "interrupted", "pruned"].map((name) => join(folder, name));
      joinPieces(store, paths[0]!);
      const ending = new AbortController();
      const options = { keepSince: at(4500) };
      await prune(store, { ...options, onProgress: () => ending.abort(), signal: ending.signal }).catch(() => {});
      joinPieces(store, paths[1]!);
      assert((await prune(store, options)).objects > 1);
      joinPieces(store, paths[2]!);
      const found = decode(...paths);
      for (const [i, path] of paths.entries()) {
        assert.notEqual(compare(path, found[i]!, path), "corrupt", path);
        await using log = await WalLog.open(path, { readOnly: true, create: false });
        assert.equal(fingerprint(log), fingerprint(archived.log), path);
      }
    }));
});
