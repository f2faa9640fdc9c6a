/** The text of recovery reports. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Damage, describeDamage, describeRecovery, WalLog, WalLogError } from "../mod.ts";
import { entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

const PATH = MemoryDisk.PATH;

function damageOf(firstIndex: number | undefined, lastIndex: number | undefined): Damage {
  return {
    kind: "segment",
    path: "raft.wal/000000000002.seg",
    offset: 0,
    bytes: 96,
    firstIndex,
    lastIndex,
    term: undefined,
    reason: "the file is missing",
  };
}

/** A log that has lost the newest of several segments, and the index of the first entry in it. */
function withoutNewestSegment(): { disk: MemoryDisk; firstIndex: number } {
  const written = new MemoryDisk();
  const log = WalLog.openSync(PATH, { fileSystem: written, segmentBytes: 4096 });
  let firstIndex = 1;
  for (let index = 1; index <= 40; index++) {
    const { segmentsSealed } = log.stats();
    log.append([entryAt(index, 1, 500)]);
    if (log.stats().segmentsSealed > segmentsSealed) firstIndex = index;
  }
  log.closeSync();
  const contents = new Map(written.contents());
  contents.delete([...contents.keys()].filter((name) => name.endsWith(".seg")).sort().at(-1)!);
  return { disk: new MemoryDisk(contents), firstIndex };
}

describe("a damage report as text", () => {
  const cases: [title: string, first: number | undefined, last: number | undefined, range: string][] = [
    ["one entry", 5, 5, "index 5, "],
    ["several entries", 5, 8, "indexes 5 to 8, "],
    ["entries of which the last is unknown", 5, undefined, "from index 5 on, "],
    ["no entry", undefined, undefined, ""],
  ];
  for (const [title, first, last, range] of cases) {
    it(`names the range of ${title}`, () => {
      assert.equal(
        describeDamage(damageOf(first, last)),
        `raft.wal/000000000002.seg at byte 0: segment, ${range}96 bytes (the file is missing)`,
      );
    });
  }
});

describe("a log whose newest segment is missing", () => {
  it("reports the first lost index", () => {
    const { disk, firstIndex } = withoutNewestSegment();
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep", readOnly: true });
    const lost = log.recovery.damage.find(({ firstIndex, lastIndex }) => firstIndex !== undefined && !lastIndex)!;
    assert.equal(lost.firstIndex, firstIndex);
    const line = describeRecovery(log.recovery).split("\n").find((line) => line.startsWith("damaged: "))!;
    assert.match(line, new RegExp(`: segment, from index ${firstIndex} on, `));
    log.closeSync();
  });

  it("gives the first lost index in its error, and advice to follow before a restore", () => {
    const { disk, firstIndex } = withoutNewestSegment();
    assert.throws(() => WalLog.openSync(PATH, { fileSystem: disk }), (error) => {
      assert.ok(error instanceof WalLogError && error.code === "CORRUPT", `${error}`);
      assert.match(error.message, new RegExp(`, from index ${firstIndex} on, `));
      assert.match(
        error.message,
        /\. If the file system has shut down or become read-only after an I\/O error, remount it or reboot, and open /,
      );
      return true;
    });
  });
});
