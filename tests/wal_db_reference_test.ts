/** Imports, exports and reimports logs that wal-db itself has written. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { MemoryLog, WalLog } from "../mod.ts";
import { exportWalDb, importWalDb } from "../src/wal_db/mod.ts";
import { assertSameState, stateOf } from "./model.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { LARGEST, refused } from "./wal_db_log.ts";
import { recordsOf, type Reference, references, stateAsExpected } from "./wal_db_records.ts";

describe("the logs of the reference", () => {
  const found = references();
  if (found.length === 0) {
    it("are imported", { skip: skipReason("the recorded logs of wal-db are not beside this repository") }, () => {});
    return;
  }
  const isTooLarge = ({ expected }: Reference) => BigInt(expected.last_term) > BigInt(LARGEST);

  it("are complete", () => {
    const scenarios = new Set(found.map(({ name }) => name.replace(/-\d+$/, "")));
    assert.ok(scenarios.size >= 14, [...scenarios].join());
    assert.ok(found.some(isTooLarge) && found.filter((one) => !isTooLarge(one)).length > 20);
  });

  for (const reference of found) {
    if (isTooLarge(reference)) {
      it(`${reference.name}: is refused because of its numbers, and the first one is reported`, async () => {
        const error = await refused(readFileSync(reference.path), "INVALID_ARGUMENT");
        const [, number] = /is (\d+), which is past 9007199254740991/.exec(error.message) ?? [];
        assert.ok(BigInt(number!) > BigInt(LARGEST), error.message);
        assert.equal(typeof error.offset, "number");
        await refused(readFileSync(reference.path), "INVALID_ARGUMENT", { onDamage: "cut" });
      });
      continue;
    }
    it(`${reference.name}: is imported, exported, and imported again with the same state`, async () => {
      await inTemporaryFolder(async (folder) => {
        const model = new MemoryLog();
        const first = await importWalDb(reference.path, model);
        assert.deepEqual(stateAsExpected(model), reference.expected);
        assert.equal(first.verdict, "clean");
        assert.equal(first.cut, undefined);
        assert.equal(first.bytes, readFileSync(reference.path).length);
        assert.equal(first.records, recordsOf(readFileSync(reference.path)).length);

        const path = join(folder, "log");
        const file = join(folder, "again.wal");
        const log = await WalLog.open(path, { segmentBytes: 64 * 1024 });
        await importWalDb(pathToFileURL(reference.path), log);
        assert.equal(log.durableIndex, log.lastIndex);
        await log.close();

        const reopened = await WalLog.open(path, { readOnly: true });
        assert.equal(reopened.recovery.verdict, "clean");
        assertSameState(stateOf(reopened), stateOf(model), "imported into a WalLog");
        const exported = await exportWalDb(reopened, file);
        await reopened.close();
        const records = recordsOf(readFileSync(file));
        assert.equal(exported.records, records.length);
        assert.equal(exported.entries, reference.expected.entries.length);
        assert.equal(exported.bytes, readFileSync(file).length);

        const again = new MemoryLog();
        assert.equal((await importWalDb(file, again)).verdict, "clean");
        assertSameState(stateOf(again), stateOf(model), "imported again");
      });
    });
  }
});
