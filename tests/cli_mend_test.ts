/** Mending from other replicas' logs: for each kind of damage, a dry run says what the run does, and the run restores all. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { cliHere, damageEntry, makeForgetful } from "./cli.ts";
import { DAMAGES, entriesOfLog, LAST_INDEX, makeDamageLog, makePeer, SNAPSHOT_INDEX } from "./cli_damages.ts";
import { entriesAt } from "./history.ts";
import { type Contents, contentsOf } from "./memory_disk.ts";
import { bytesOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** Damage of which another replica's entries can mend all. */
const MENDABLE = [
  "a bit in the command of an entry",
  "a bit in the header of an entry",
  "entries in two segments",
  "the command of the last entry",
  "a page of zeros",
  "a page of noise in the newest segment",
  "an older segment cut off",
  "an older segment emptied",
  "the oldest segment missing",
  "a segment missing in the middle",
  "two segments missing in a row",
  "both headers of an older segment",
  "both headers of the oldest segment",
  "a truncation with the frames around it",
  "another log's segment in the middle",
  "two segments swapped",
];

/** Without the last line, which says what to do next. */
function planOf(stdout: string): string {
  return stdout.replace(/Next: [^\n]*\n$/, "");
}

describe("wal-log repair", () => {
  for (const { name, damage } of DAMAGES) {
    for (const how of [["--from"], ["--cut"], ["--from", "--cut"]]) {
      it(`does with ${how.join(" ")} what its dry run says: ${name}`, async () => {
        await inTemporaryFolder(async (folder) => {
          const path = join(folder, "raft.wal");
          const other = join(folder, "other");
          makeDamageLog(path);
          makePeer(other);
          damage(path);
          const args = how.flatMap((option) => option === "--from" ? [option, other] : [option]);
          const [before, others] = [contentsOf(path), contentsOf(other)];
          const dry = await cliHere("repair", path, ...args, "--dry-run");
          assert.equal(dry.stderr, "");
          assertSameFiles(path, before);
          const { code, stdout, stderr } = await cliHere("repair", path, ...args);
          assert.equal(code, dry.code, `${dry.stdout}${stdout}${stderr}`);
          assert.ok(stdout.startsWith(planOf(dry.stdout)), `${dry.stdout}${stdout}`);
          assertSameFiles(other, others);
          const verified = await cliHere("verify", path);
          if (name === "bytes in LOCK") rmSync(join(path, "LOCK"));
          // A torn end is no damage, and opening the log puts it right.
          assert.equal(verified.code === 2 ? 2 : 0, code, verified.stdout);
          if (how.length === 1 && how[0] === "--from") assert.equal(code === 0, isMended(name), name);
          if (code === 0 && how[0] === "--from" && how.length === 1 && name !== "the latest vote") assertWhole(path);
          if (code === 2 && !stdout.includes("will refill")) assertSameFiles(path, before);
        });
      });
    }
  }

  function isMended(name: string): boolean {
    const harmless = ["none", "torn", "one copy", "next-segment", "index of", "IDENTITY", "LOCK"];
    return MENDABLE.includes(name) || name === "a truncation" || harmless.some((part) => name.includes(part));
  }

  it("takes nothing from a log of another cluster", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, other] = [join(folder, "raft.wal"), join(folder, "other")];
      makeDamageLog(path);
      const log = WalLog.openSync(other);
      log.foundCluster("00000000-0000-4000-8000-000000000001");
      log.append(entriesOfLog());
      log.closeSync();
      DAMAGES.find(({ name }) => name === "a segment missing in the middle")!.damage(path);
      const { code, stderr } = await cliHere("repair", path, "--from", other);
      assert.equal(code, 3);
      assert.match(stderr, /it belongs to another cluster/);
    });
  });

  it("writes a log anew with all that the node acknowledged, and does not tell the node to rejoin", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, other] = [join(folder, "raft.wal"), join(folder, "other")];
      makeDamageLog(path);
      makePeer(other);
      const before = WalLog.openSync(path, { readOnly: true });
      DAMAGES.find(({ name }) => name === "a segment missing in the middle")!.damage(path);
      const { stdout } = await cliHere("repair", path, "--from", other);
      assert.match(
        stdout,
        /will take indexes 74 to 98 \(25 entries\) from .*\nwill rewrite the log, and keep the old/,
      );
      assert.match(
        stdout,
        /the old files are in .*raft\.wal\.damaged-1\nrepaired: the log is clean, and ends at index 140\n/,
      );
      assert.match(stdout, /\nNext: nothing to do\n$/);
      const log = WalLog.openSync(path, { readOnly: true });
      assert.equal(log.identity.cluster, before.identity.cluster);
      // Its peers take it for the log that it was, because nothing is missing.
      assert.equal(log.identity.incarnation, before.identity.incarnation);
      assert.notEqual(log.identity.log, before.identity.log);
      log.closeSync();
      before.closeSync();
    });
  });

  for (const name of ["a bit in the snapshot", "the snapshot missing"]) {
    for (const index of [SNAPSHOT_INDEX, 60, 140]) {
      it(`takes the snapshot at index ${index} from another replica: ${name}`, async () => {
        await inTemporaryFolder(async (folder) => {
          const [path, other] = [join(folder, "raft.wal"), join(folder, "other")];
          makeDamageLog(path);
          makePeer(other, index);
          DAMAGES.find((one) => one.name === name)!.damage(path);
          const dry = await cliHere("repair", path, "--snapshot-from", other, "--dry-run");
          const { code, stdout, stderr } = await cliHere("repair", path, "--snapshot-from", other);
          assert.deepEqual([code, dry.code], [0, 0], stdout + stderr);
          assert.ok(stdout.startsWith(dry.stdout), stdout);
          assert.match(stdout, new RegExp(`will take the snapshot at index ${index} from `));
          const [log, peer] = [path, other].map((at) => WalLog.openSync(at, { readOnly: true }));
          assert.deepEqual(log!.snapshot(), peer!.snapshot());
          assert.deepEqual(log!.entries(1, 999), entriesOfLog().slice(index));
          assert.deepEqual(log!.hardState, { term: 4, votedFor: 2n });
          log!.closeSync();
          peer!.closeSync();
        });
      });
    }
  }

  it("takes entries and the snapshot, and refuses a snapshot that is missing, damaged or too old", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, other] = [join(folder, "raft.wal"), join(folder, "other")];
      makeDamageLog(path);
      makePeer(other, 30);
      damageEntry(path, 20, "header");
      damageEntry(path, 90, "header");
      const early = await cliHere("repair", path, "--from", other);
      assert.equal(early.code, 2);
      assert.match(early.stdout, /has index 20 only in its snapshot; give --snapshot-from .* too/);
      const bare = join(folder, "bare");
      WalLog.openSync(bare).closeSync();
      assert.match(
        (await cliHere("repair", path, "--snapshot-from", bare)).stdout,
        /cannot repair the snapshot: .* has none/,
      );
      const { code, stdout } = await cliHere("repair", path, "--from", other, "--snapshot-from", other);
      assert.equal(code, 0, stdout);
      assert.equal(
        (await cliHere("repair", other, "--snapshot-from", path)).stdout.split("\n")[0],
        "nothing to repair",
      );
      DAMAGES.find(({ name }) => name === "a bit in the snapshot")!.damage(other);
      const young = join(folder, "young");
      makePeer(young, 5);
      const old = await cliHere("repair", other, "--snapshot-from", young);
      assert.match(old.stdout, /cannot repair the snapshot: that of .* ends at index 5, below index 30\nNext: /);
      assert.equal(old.code, 2);
    });
  });

  it("refuses a snapshot of the same index and another term", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, other] = [join(folder, "raft.wal"), join(folder, "other")];
      makeTerms(path, 3, 10);
      makeTerms(other, 2, 10);
      damageSnapshot(path);
      const before = contentsOf(path);
      const { code, stdout } = await cliHere("repair", path, "--snapshot-from", other);
      assert.equal(code, 2, stdout);
      assert.match(
        stdout,
        /ends with an entry of term 2, and this log's with one of term 3, which is another history\n/,
      );
      assertSameFiles(path, before);
    });
  });

  it("refuses the snapshot of another cluster, whose index and term are the same", async () => {
    for (const index of [10, 15]) {
      await inTemporaryFolder(async (folder) => {
        const [path, other] = [join(folder, "raft.wal"), join(folder, "other")];
        makeTerms(path, 3, 10);
        makeTerms(other, 3, index, 50);
        damageSnapshot(path);
        const before = contentsOf(path);
        const { code, stdout } = await cliHere("repair", path, "--snapshot-from", other);
        assert.equal(code, 2, stdout);
        assert.match(
          stdout,
          new RegExp(`different entries of one term at index ${index + 1}: \\S+ belongs to another cluster\n`),
        );
        assertSameFiles(path, before);
      });
    }
  });

  it("names the entries that do not follow on a later snapshot, and sends the node to rejoin", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, other] = [join(folder, "raft.wal"), join(folder, "other")];
      makeTerms(path, 3, 10);
      makeTerms(other, 2, 15);
      damageSnapshot(path);
      const dry = await cliHere("repair", path, "--snapshot-from", other, "--dry-run");
      const { code, stdout } = await cliHere("repair", path, "--snapshot-from", other);
      assert.deepEqual([code, dry.code], [0, 0], stdout);
      assert.ok(stdout.startsWith(dry.stdout), stdout);
      assert.match(stdout, /\nwill cut indexes 16 to 20: 5 entries\nthe node had acknowledged these entries: /);
      assert.match(stdout, /\ncut: the log is clean, and ends at index 15\nNext: let its node rejoin /);
    });
  });

  it("sets a lost hard state only with --force, having said what that means, and never a lower term", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeForgetful(path);
      const before = contentsOf(path);
      const unforced = await cliHere("repair", path, "--hard-state", "2,8");
      assert.equal(unforced.code, 64);
      assert.match(unforced.stdout, /the node can vote twice in a term/);
      for (const wrong of ["0,8", "x", "2,", "2,99999999999999999999"]) {
        assert.equal((await cliHere("repair", path, "--hard-state", wrong, "--force")).code, 64, wrong);
      }
      assertSameFiles(path, before);
      const { code, stdout } = await cliHere("repair", path, "--hard-state", "2,8", "--force");
      assert.equal(code, 0, stdout);
      const log = WalLog.openSync(path, { readOnly: true });
      assert.deepEqual([log.recovery.verdict, log.hardState], ["clean", { term: 2, votedFor: 8n }]);
      assert.equal(log.lastIndex, 8);
      log.closeSync();
      const sound = join(folder, "sound");
      makeDamageLog(sound);
      damageEntry(sound, 90, "header");
      assert.match(
        (await cliHere("repair", sound, "--hard-state", "9", "--force")).stderr,
        /the log has not lost its own/,
      );
    });
  });

  it("mends a log without its newest segment if its vote is known, and cuts what is lost", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, other] = [join(folder, "raft.wal"), join(folder, "other")];
      makeDamageLog(path);
      makePeer(other);
      DAMAGES.find(({ name }) => name === "the newest segment missing")!.damage(path);
      const args = ["--hard-state", "4,2", "--force", "--cut"];
      const { code, stdout } = await cliHere("repair", path, ...args);
      assert.equal(code, 0, stdout);
      assert.match(stdout, /\nNext: let its node rejoin /);
      const log = WalLog.openSync(path, { readOnly: true });
      assert.deepEqual([log.hardState, log.recovery.verdict], [{ term: 4, votedFor: 2n }, "clean"]);
      log.closeSync();
    });
  });

  it("mends each kind that it can mend", () => {
    const names = DAMAGES.map(({ name }) => name);
    for (const name of MENDABLE) assert.ok(names.includes(name), name);
  });
});

/** Makes a log with entries 1 to 20 of one term, and a snapshot. */
function makeTerms(path: string, term: number, snapshotIndex: number, bytes?: number): void {
  const log = WalLog.openSync(path);
  log.setHardState({ term: 9, votedFor: 1n });
  log.append(entriesAt(1, 20, term, bytes));
  log.applySnapshot({ index: snapshotIndex, term, config: [1n], data: bytesOf(5000) });
  log.closeSync();
}

function damageSnapshot(path: string): void {
  const file = join(path, readdirSync(path).find((name) => name.endsWith(".snap"))!);
  const bytes = readFileSync(file);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(file, bytes);
}

/** Fails unless the files of a folder are as they were. Says which is not, and not how, which takes minutes. */
function assertSameFiles(path: string, before: Contents): void {
  const after = contentsOf(path);
  assert.deepEqual([...after.keys()], [...before.keys()]);
  for (const [name, bytes] of after) assert.ok(Buffer.compare(bytes, before.get(name)!) === 0, `${name} has changed`);
}

/** Fails unless a log has all that it ever had, before and after it is opened for writing. */
function assertWhole(path: string): void {
  for (const readOnly of [true, false]) {
    const log = WalLog.openSync(path, { readOnly });
    assert.notEqual(log.recovery.verdict, "corrupt");
    assert.deepEqual(log.hardState, { term: 4, votedFor: 2n });
    assert.deepEqual([log.snapshotIndex, log.lastIndex], [SNAPSHOT_INDEX, LAST_INDEX]);
    assert.deepEqual(log.entries(1, LAST_INDEX), entriesOfLog().slice(SNAPSHOT_INDEX));
    log.closeSync();
  }
}
