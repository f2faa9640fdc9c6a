/** Restoring into the folder of an interrupted restore. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { restore } from "../src/archive/mod.ts";
import { ArchivedLog } from "./archived_log.ts";

describe("restoring into a folder with unfinished files", () => {
  it("does not complete an interrupted restore of another log", async () => {
    const [one, other] = [new ArchivedLog(), new ArchivedLog(undefined, {}, 2)];
    for (const archived of [one, other]) {
      archived.append(10);
      await archived.archive();
    }
    const { fileSystem } = one.disk;
    const failing = Object.create(fileSystem, {
      rename: {
        value: (from: string, to: string) => {
          if (!to.endsWith(".restore")) throw new Error("interrupted");
          fileSystem.rename(from, to);
        },
      },
    });
    await assert.rejects(restore(one.store, "/again.wal", { fileSystem: failing }), { message: /interrupted/ });
    const first = fileSystem.list("/again.wal").sort();
    assert(first.includes("REPORT.restore"));
    // Only with a file that has its final name, the rest is complete.
    fileSystem.rename("/again.wal/IDENTITY.restore", "/again.wal/IDENTITY");
    await assert.rejects(restore(other.store, "/again.wal", { fileSystem }), {
      code: "INVALID_ARGUMENT",
      message: /a restore of another log was interrupted/,
    });
    assert.equal((await restore(one.store, "/again.wal", { fileSystem })).lastIndex, 10);
  });
});
