/** Repair from the command line: which entries it accepts, which ones it refuses, and which files it leaves alone. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { cli, damageEntry, makeForgetful, makeLog } from "./cli.ts";
import { appendEach, entriesAt, entryAt } from "./history.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { assertSameState, bytesOf, type LogState, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** Runs a test with a log, a replica's log of other segments, and the state of both. */
function withReplica(test: (paths: { path: string; other: string; folder: string; state: LogState }) => Promise<void>) {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const other = join(folder, "other");
      makeLog(path);
      const log = WalLog.openSync(path, { readOnly: true });
      const replica = WalLog.openSync(other);
      replica.setHardState({ term: 4, votedFor: 9n });
      replica.applySnapshot(log.snapshot()!);
      for (const entry of log.iterate()) replica.append([entry]);
      replica.append([entryAt(121, 4)]);
      replica.closeSync();
      const state = stateOf(log);
      log.closeSync();
      await test({ path, other, folder, state });
    });
}

/** Fails unless a log is clean and in the given state, before and after it is opened for writing. */
function assertClean(path: string, state: LogState): void {
  for (const readOnly of [true, false]) {
    const log = WalLog.openSync(path, { readOnly });
    assert.equal(log.recovery.verdict, "clean");
    assertSameState(stateOf(log), state);
    log.closeSync();
  }
}

describe("wal-log repair --from", () => {
  it(
    "prints its plan, carries it out, and does not change the other log",
    withReplica(async ({ path, other, state }) => {
      damageEntry(path, 50, "payload");
      for (const index of [70, 71]) damageEntry(path, index, "header");
      damageEntry(path, 100, "payload");
      const before = contentsOf(path);
      const dry = await cli("repair", path, "--from", other, "--dry-run");
      assert.equal(dry.code, 0, dry.stderr);
      assert.match(dry.stdout, /will refill 0+\d+\.seg: .*index 50.*\(.*entr/);
      assertSameContents(contentsOf(path), before, "a dry run changes nothing");

      const others = contentsOf(other);
      const { code, stdout, stderr } = await cli("repair", path, "--from", other);
      assert.equal(code, 0, stderr + stdout);
      assert.ok(stdout.startsWith(dry.stdout), "the plan is what was said before");
      assert.match(stdout, /repaired: the log is clean, and ends at index 120\nNext: nothing to do\n$/);
      assertSameContents(contentsOf(other), others);
      assertClean(path, state);
      const again = await cli("repair", path, "--from", other);
      assert.deepEqual([again.code, again.stdout], [0, "nothing to repair\nNext: nothing to do\n"]);
    }),
  );

  it(
    "does not change an undamaged log",
    withReplica(async ({ path, other }) => {
      const before = contentsOf(path);
      const { code, stdout } = await cli("repair", path, "--from", other);
      assert.deepEqual([code, stdout], [0, "nothing to repair\nNext: nothing to do\n"]);
      assertSameContents(contentsOf(path), before);
    }),
  );

  it(
    "accepts no entries from a log that differs, ends too early, has the same damage, or has only a snapshot of them",
    withReplica(
      async ({ path, folder }) => {
        damageEntry(path, 50, "header");
        const before = contentsOf(path);
        const cases: [name: string, expected: RegExp, make: (log: WalLog) => void][] = [
          ["foreign", /differ at index 49/, (log) => log.append(entriesAt(1, 120, 1, 7))],
          // The log of a deposed leader: the same terms up to the hole, and other entries after it.
          ["deposed", /differ at index 51/, (log) => {
            log.append([...entriesAt(1, 30, 1, 100), ...entriesAt(31, 49, 2, 200), ...entriesAt(50, 60, 2, 200, 5)]);
          }],
          [
            "short",
            /ends at index 40/,
            (log) => log.append([...entriesAt(1, 30, 1, 100), ...entriesAt(31, 40, 2, 200)]),
          ],
          ["compacted", /index 50 only in its snapshot/, (log) => {
            log.applySnapshot({ index: 60, term: 2, config: [], data: bytesOf(3) });
          }],
          ["holed", /index 50 is damaged in .* too/, (log) => {
            appendEach(log, [...entriesAt(1, 30, 1, 100), ...entriesAt(31, 60, 2, 200)]);
          }],
        ];
        for (const [name, expected, make] of cases) {
          const other = join(folder, name);
          const log = WalLog.openSync(other);
          make(log);
          log.closeSync();
          if (name === "holed") {
            damageEntry(other, 50, "payload");
          }
          const { code, stdout } = await cli("repair", path, "--from", other);
          assert.equal(code, 2, name);
          assert.match(stdout, expected);
          assertSameContents(contentsOf(path), before, name);
        }
      },
    ),
  );

  it(
    "accepts an entry whose checksum survives even if no later entry confirms it, and refuses one whose header is lost",
    withReplica(
      async ({ path, other, state }) => {
        damageEntry(path, 120, "payload");
        assert.equal((await cli("repair", path, "--from", other)).code, 0);
        assertClean(path, state);
        damageEntry(path, 120, "header");
        const { code, stdout } = await cli("repair", path, "--from", other);
        assert.equal(code, 2);
        assert.match(stdout, /no intact entry after it proves that both logs agree/);
      },
    ),
  );

  it(
    "refuses the log itself, a folder with no log, and a log in use",
    withReplica(async ({ path, other, folder }) => {
      damageEntry(path, 50, "payload");
      assert.equal((await cli("repair", path, "--from", path)).code, 64);
      assert.equal((await cli("repair", path, "--from", join(folder, "nowhere"))).code, 3);
      const log = WalLog.openSync(path, { onDamage: "keep" });
      const { code, stderr } = await cli("repair", path, "--from", other);
      log.closeSync();
      assert.equal(code, 3);
      assert.match(stderr, /(this|another) process.* has it open for writing/);
    }),
  );

  it(
    "repairs what it can",
    withReplica(async ({ path, other }) => {
      damageEntry(path, 50, "payload");
      const [snapshot] = readdirSync(path).filter((name) => name.endsWith(".snap"));
      rmSync(join(path, snapshot!));
      const { code, stdout } = await cli("repair", path, "--from", other);
      assert.equal(code, 2);
      assert.match(stdout, /cannot repair .*give --snapshot-from, or let the leader send a snapshot/);
      assert.match(stdout, /still damaged snapshot at index 10/);
      const verified = (await cli("verify", path)).stdout;
      assert.ok(!verified.includes("index 50"), verified);
    }),
  );

  it(
    "does not guess a lost hard state",
    withReplica(async ({ folder, other }) => {
      const path = join(folder, "forgetful");
      makeForgetful(path);
      const before = contentsOf(path);
      for (const how of [["--from", other], ["--cut"]]) {
        const { code, stdout } = await cli("repair", path, ...how);
        assert.equal(code, 2);
        assert.match(stdout, /cannot repair the latest hard state: no other replica knows this node's vote\nNext: /);
        assertSameContents(contentsOf(path), before);
      }
    }),
  );
});

describe("wal-log repair --cut", () => {
  it(
    "keeps the evidence, and everything before the first damaged entry",
    withReplica(async ({ path, folder }) => {
      for (const [index, where] of [[70, "header"], [50, "payload"], [100, "payload"]] as const) {
        damageEntry(path, index, where);
      }
      const founding = WalLog.openSync(path, { onDamage: "keep" });
      founding.foundCluster("00112233-4455-6677-8899-aabbccddeeff");
      founding.closeSync();
      const before = contentsOf(path);
      const dry = await cli("repair", path, "--cut", "--dry-run");
      assert.equal(dry.code, 0);
      assert.match(
        dry.stdout,
        /will rewrite the log, and keep the old files in a folder beside it\nwill cut indexes 50 to 120: 71 entries\n/,
      );
      assert.deepEqual(readdirSync(folder).sort(), ["other", "raft.wal"]);
      assertSameContents(contentsOf(path), before);

      const { code, stdout, stderr } = await cli("repair", path, "--cut");
      assert.equal(code, 0, stderr);
      assert.ok(stdout.startsWith(dry.stdout));
      assert.match(stdout, /cut: the log is clean, and ends at index 49\nNext: /);
      assert.deepEqual(readdirSync(folder).sort(), ["other", "raft.wal", "raft.wal.damaged-1"]);
      assertSameContents(contentsOf(join(folder, "raft.wal.damaged-1")), before);
      const damaged = WalLog.openSync(join(folder, "raft.wal.damaged-1"), { readOnly: true, onDamage: "keep" });
      const log = WalLog.openSync(path);
      assert.equal(log.recovery.verdict, "clean");
      assert.deepEqual(log.entries(1, 200), damaged.entries(1, 49));
      assert.deepEqual(log.snapshot(), damaged.snapshot());
      assert.deepEqual(log.hardState, damaged.hardState);
      assert.equal(log.identity.cluster, damaged.identity.cluster);
      assert.notEqual(log.identity.incarnation, damaged.identity.incarnation);
      log.append([entryAt(50, 4)]);
      log.closeSync();
      damaged.closeSync();
      assert.equal((await cli("verify", path)).code, 0);
    }),
  );

  it(
    "cuts all entries if the first is damaged, and uses a different name for the second evidence folder",
    withReplica(
      async ({ path, folder }) => {
        damageEntry(path, 100, "header");
        assert.equal((await cli("repair", path, "--cut")).code, 0);
        damageEntry(path, 11, "header");
        assert.equal((await cli("repair", path, "--cut")).code, 0);
        const log = WalLog.openSync(path, { readOnly: true });
        assert.deepEqual([log.lastIndex, log.snapshotIndex, log.lastTerm], [10, 10, 1]);
        log.closeSync();
        assert.equal(
          readdirSync(folder).filter((name) => name.includes("damaged")).join(),
          "raft.wal.damaged-1,raft.wal.damaged-2",
        );
      },
    ),
  );

  it(
    "uses no predictable name for the new log",
    withReplica(async ({ path, folder }) => {
      damageEntry(path, 50, "payload");
      const foreign = [`${path}.wal-log-cut`, join(folder, ".raft.wal.wal-log.tmp")];
      for (const name of foreign) {
        mkdirSync(name);
        writeFileSync(join(name, "precious"), "");
      }
      const { code, stderr } = await cli("repair", path, "--cut");
      assert.equal(code, 0, stderr);
      for (const name of foreign) assert.deepEqual(readdirSync(name), ["precious"]);
      assert.equal(readdirSync(folder).length, 3 + foreign.length, "and nothing is left");
    }),
  );

  it(
    "refuses a log in use, and a log with a damaged snapshot",
    withReplica(async ({ path, folder }) => {
      damageEntry(path, 50, "payload");
      const log = WalLog.openSync(path, { onDamage: "keep" });
      const used = await cli("repair", path, "--cut");
      log.closeSync();
      assert.equal(used.code, 3);
      const [snapshot] = readdirSync(path).filter((name) => name.endsWith(".snap"));
      rmSync(join(path, snapshot!));
      const { code, stdout } = await cli("repair", path, "--cut");
      assert.equal(code, 2);
      assert.match(
        stdout,
        /cannot repair .*snapshot, index 10, .*: give --snapshot-from, or let the leader send a snapshot/,
      );
      assert.deepEqual(readdirSync(folder).sort(), ["other", "raft.wal"]);
    }),
  );
});
