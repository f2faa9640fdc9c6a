/** `wal-log dump --follow`, beside a writer in this process. */

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { endOf, startCli } from "./cli.ts";
import { entriesAt } from "./history.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** The indexes that a dump in JSON writes, as they come. */
async function* indexesOf(child: ChildProcess): AsyncGenerator<number> {
  for await (const line of createInterface({ input: child.stdout! })) yield JSON.parse(line).index;
}

describe("wal-log dump --follow", () => {
  it("writes each entry when it is durable, and ends with --to", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = WalLog.openSync(path);
      log.append(entriesAt(1, 3));
      log.closeSync();
      const writer = WalLog.openSync(path);
      const child = startCli(["dump", path, "--follow", "--from", "2", "--to", "6", "-f", "json"]);
      const ended = once(child, "close");
      const indexes = indexesOf(child);
      assert.equal((await indexes.next()).value, 2);
      assert.equal((await indexes.next()).value, 3);
      for (let index = 4; index <= 9; index++) {
        writer.append(entriesAt(index, index));
        await writer.sync();
        if (index <= 6) assert.equal((await indexes.next()).value, index);
      }
      assert.equal((await indexes.next()).done, true);
      assert.equal((await ended)[0], 0);
      await writer.close();
    }));

  it("ends with 3, and says where to go on, when the log is compacted past the next entry", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const writer = WalLog.openSync(path, { segmentBytes: 4096 });
      writer.append(entriesAt(1, 3));
      await writer.sync();
      writer.setHardState({ term: 1, votedFor: null });
      const child = startCli(["dump", path, "--follow", "-f", "json"]);
      const ended = endOf(child);
      await once(child.stdout!, "data");
      writer.applySnapshot({ index: 90, term: 2, config: [], data: new Uint8Array(1) });
      const { code, stderr } = await ended;
      assert.equal(code, 3);
      assert.match(stderr, /follow from index 91/);
      await writer.close();
    }));
});
