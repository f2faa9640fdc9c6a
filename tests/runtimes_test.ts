/** A log of each runtime can be read and continued by the others. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { WalLog } from "../mod.ts";
import { locateRuntime, RUNTIME_NAMES, type RuntimeName } from "../scripts/runtimes.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { writeEverything } from "./everything.ts";
import { entriesAt } from "./history.ts";
import { stateJson } from "./state_json.ts";
import { inTemporaryFolder } from "./temporary.ts";

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));

/** Runs `child.ts` in a runtime; returns its output. */
function child(name: RuntimeName, command: string, folder: string): string {
  const [binary, ...prefix] = locateRuntime(name).run;
  const { status, stdout, stderr } = spawnSync(binary, [...prefix, CHILD, command, folder], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  assert.equal(status, 0, `${name} ${command}: ${stderr}`);
  return stdout.trimEnd();
}

function expectedState(extended: number): string {
  const model = new MemoryLog();
  writeEverything(model);
  for (let time = 0; time < extended; time++) {
    const { lastIndex, lastTerm } = model;
    model.append(
      entriesAt(lastIndex + 1, lastIndex + 22, lastTerm, 300).map((entry, i) =>
        i < 20 ? entry : entriesAt(entry.index, entry.index, lastTerm, 30)[0]!
      ),
    );
  }
  return stateJson(model);
}

describe("a log", () => {
  for (const writer of RUNTIME_NAMES) {
    it(`written by ${writer} is the same for all three, closed or not`, async () => {
      await inTemporaryFolder((folder) => {
        const path = join(folder, "raft.wal");
        child(writer, "write", path);
        for (const reader of RUNTIME_NAMES) assert.equal(child(reader, "read", path), expectedState(0), reader);
        child(writer, "extend", path);
        for (const reader of RUNTIME_NAMES) assert.equal(child(reader, "read", path), expectedState(1), reader);
      });
    });
  }

  it("passes from one runtime to the next without a close", async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      child("node", "write", path);
      for (const name of RUNTIME_NAMES) child(name, "extend", path);
      const log = WalLog.openSync(path);
      assert.equal(stateJson(log), expectedState(RUNTIME_NAMES.length));
      assert.equal(log.recovery.closed, false);
      assert.equal(log.recovery.verdict, "clean");
      log.closeSync();
    });
  });
});
