/** Followers of a log in a real folder: woken by the system, or polling. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";
import { isWaiting } from "./followed_log.ts";
import { entryAt } from "./history.ts";
import { inTemporaryFolder } from "./temporary.ts";

describe("a follower in a real folder", () => {
  it("is woken by the system, and sees the checkpoint of an idle log", () =>
    inTemporaryFolder(async (folder) => {
      const writer = WalLog.openSync(folder);
      const reader = WalLog.openSync(folder, { readOnly: true });
      const next = reader.follow({ from: 1 }).next();
      assert(await isWaiting(next));
      writer.append([entryAt(1)]);
      await writer.sync();
      assert.deepEqual((await next).value, entryAt(1));
      await reader.close();
      await writer.close();
    }));

  it("polls if the system reports no changes", () =>
    inTemporaryFolder(async (folder) => {
      const { watch: _, ...silent } = nodeFileSystem;
      const writer = WalLog.openSync(folder);
      const reader = WalLog.openSync(folder, { readOnly: true, fileSystem: silent });
      const next = reader.follow({ from: 1 }).next();
      assert(await isWaiting(next));
      writer.append([entryAt(1)]);
      await writer.sync();
      const alive = setInterval(() => {}, 1000);
      assert.deepEqual((await next).value, entryAt(1));
      clearInterval(alive);
      await reader.close();
      await writer.close();
    }));
});
