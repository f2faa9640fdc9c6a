/** The entries that an archive releases for compaction. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { archive, MemoryStore, type ObjectBody } from "../src/archive/mod.ts";
import { textEntry } from "./archived_log.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** A store that calls back before it writes. */
class PausingStore extends MemoryStore {
  onPut: (key: string) => void = () => {};

  override put(key: string, body: ObjectBody): Promise<void> {
    this.onPut(key);
    return super.put(key, body);
  }
}

describe("an archive", () => {
  it("does not release entries that replaced archived ones while they were written to the store", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = new PausingStore();
      await using log = await WalLog.open(join(folder, "log"));
      log.append([1, 2, 3, 4, 5].map((index) => textEntry(index)));
      await log.sync();
      await using archiving = archive(log, store, { intervalMilliseconds: 5 });
      const { promise: seen, resolve } = Promise.withResolvers<number>();
      store.onPut = (key) => {
        if (!key.includes("/segments/") || !key.includes("-0000000000000006-")) return;
        store.onPut = () => resolve(archiving.archivedIndex);
        // The piece has entries 1 to 5 of term 1.
        log.truncate(3);
        log.append([3, 4, 5].map((index) => textEntry(index, 2)));
        log.syncSync();
      };
      assert((await seen) <= 2, `reported ${await seen}`);
      await archiving.archived(5);
      assert.equal(archiving.archivedIndex, 5);
    });
  });
});
