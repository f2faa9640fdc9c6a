/** Logs that earlier versions wrote, kept in `golden/`. They must stay readable for ever. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { WalLog } from "../mod.ts";
import { FORMAT_VERSION } from "../src/format/segment_header.ts";
import { entryAt } from "./history.ts";
import { assertSameContents, contentsOf, MemoryDisk } from "./memory_disk.ts";
import { stateJson } from "./state_json.ts";

const GOLDEN = fileURLToPath(new URL("./golden/", import.meta.url));
/** Format version 1 was never released. */
const VERSIONS = readdirSync(GOLDEN).filter((name) => /^v\d+$/.test(name) && name !== "v1");

describe("a golden log", () => {
  it("exists for this format version", () => {
    assert.ok(VERSIONS.includes(`v${FORMAT_VERSION}`), `golden logs of ${VERSIONS.join(", ")}`);
  });

  it("of an unreleased format is refused with its version, and not changed", () => {
    const folder = join(GOLDEN, "v1", "raft.wal");
    const files = contentsOf(folder);
    for (const options of [{}, { readOnly: true }, { onDamage: "keep" }] as const) {
      const disk = new MemoryDisk(files);
      assert.throws(
        () => WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk, ...options }),
        { code: "UNSUPPORTED_VERSION", message: /it is in format version 1, this library reads version 2/ },
      );
      assert.deepEqual(disk.contents(), files);
    }
  });

  for (const version of VERSIONS) {
    const folder = join(GOLDEN, version, "raft.wal");
    const files = contentsOf(folder);
    const expected = JSON.parse(readFileSync(join(GOLDEN, version, "expected.json"), "utf8"));

    for (const verify of ["full", "tail"] as const) {
      it(`of format ${version} reads as when it was written, verify "${verify}"`, () => {
        const log = WalLog.openSync(folder, { readOnly: true, verify });
        assert.deepEqual(JSON.parse(stateJson(log)), expected.state);
        assert.deepEqual(log.identity, expected.identity);
        for (const [name, value] of Object.entries(expected.recovery)) {
          assert.equal(log.recovery[name as keyof typeof log.recovery], value, `recovery.${name}`);
        }
        log.closeSync();
        assertSameContents(contentsOf(folder), files, "reading changes nothing");
      });

      it(`of format ${version} can be written, verify "${verify}"`, () => {
        const disk = new MemoryDisk(files);
        let log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk, verify });
        assert.deepEqual(JSON.parse(stateJson(log)), expected.state);
        const next = log.lastIndex + 1;
        log.append([entryAt(next, log.lastTerm)]);
        log.closeSync();
        log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk, verify });
        assert.equal(log.lastIndex, next);
        log.truncate(next);
        assert.deepEqual(JSON.parse(stateJson(log)), expected.state);
        log.closeSync();
      });
    }

    it(`of format ${version} reports its damage, and reads the rest`, () => {
      const { damage, whole } = expected.damaged;
      const disk = new MemoryDisk(contentsOf(join(GOLDEN, version, "damaged.wal")));
      assert.throws(() => WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk }), { code: "CORRUPT" });
      const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk, onDamage: "keep", readOnly: true });
      assert.deepEqual(log.damaged.map(({ kind, firstIndex, lastIndex }) => [kind, firstIndex, lastIndex]), damage);
      assert.throws(() => log.entry(1), { code: "DAMAGED_ENTRY" });
      const repaired = WalLog.openSync(join(GOLDEN, version, "repaired.wal"), { readOnly: true });
      assert.equal(repaired.recovery.verdict, "clean");
      assert.deepEqual(JSON.parse(stateJson(repaired)), whole);
      assert.deepEqual(log.entries(13, 14), repaired.entries(13, 14));
    });

    it(`of format ${version} contains everything that it should`, () => {
      const names = [...files.keys()];
      assert.ok(names.filter((name) => name.endsWith(".seg")).length >= 4, names.join());
      assert.ok(names.some((name) => name.endsWith(".snap")), names.join());
      assert.ok([...files.values()].reduce((sum, { length }) => sum + length, 0) < 200 * 1024, "it is small");
    });
  }
});
