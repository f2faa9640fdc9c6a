/** Snapshots of replicas, and what a state machine or a disk can do to them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, type WalLogError } from "../mod.ts";
import { commandOf, failsWith, type Replicas, withReplicas } from "./replica_nodes.ts";
import { until } from "./transports.ts";

/** With this, a snapshot is due after about 15 commands. */
const SMALL = { snapshotBytes: 1000, log: { segmentBytes: 4096 } };

async function proposeMany(replicas: Replicas, from: number, to: number): Promise<void> {
  for (let i = from; i <= to; i++) await replicas.propose(`${i}`);
}

function textsTo(last: number): string[] {
  return Array.from({ length: last }, (_, i) => `${i + 1}`);
}

describe("a snapshot of a replica", () => {
  it(
    "replaces the log, and is restored at the next start",
    withReplicas(async (replicas) => {
      const { replica, events } = await replicas.start(1n, SMALL);
      await proposeMany(replicas, 1, 60);
      await until(() => events.filter(({ type }) => type === "snapshotMade").length >= 2, "two snapshots");
      const { snapshotIndex } = replica.status();
      assert.ok(snapshotIndex > 20);
      await replicas.close(1n);
      const again = await replicas.start(1n, SMALL);
      assert.equal(again.journal.restores, 1);
      assert.equal(await again.replica.propose(commandOf("61")), "61:61");
      assert.deepEqual(again.journal.commands, textsTo(61));
      assert.ok(again.journal.indexes[0]! > snapshotIndex, "commands in the snapshot are not applied again");
    }, [1n]),
  );

  it(
    "is of the state when it began, although commands are applied while it is written",
    withReplicas(async (replicas) => {
      const { replica, journal, events } = await replicas.start(1n, SMALL);
      let release = () => {};
      journal.duringSnapshot = () => new Promise((resolve) => release = resolve);
      await proposeMany(replicas, 1, 20);
      await until(() => replica.status().isSnapshotting, "begun");
      await proposeMany(replicas, 21, 40);
      assert.equal(replica.status().isSnapshotting, true);
      release();
      journal.duringSnapshot = () => {};
      await until(() => events.some(({ type }) => type === "snapshotMade"), "made");
      await replicas.close(1n);
      const again = await replicas.start(1n);
      assert.equal(await again.replica.propose(commandOf("41")), "41:41");
      assert.deepEqual(again.journal.commands, textsTo(41));
    }, [1n]),
  );

  it(
    "is of the state between two pages of commands that wait",
    withReplicas(async (replicas) => {
      const { replica, journal, events } = await replicas.start(1n, SMALL);
      await replica.propose(commandOf("1"));
      let release = () => {};
      const held = new Promise<void>((resolve) => release = resolve);
      journal.before = () => held;
      const waiting = Array.from({ length: 4000 }, (_, i) => replica.propose(commandOf(`${i + 2}`)));
      await until(() => replica.status().waitingCommands > 2500, "pages wait");
      release();
      await Promise.all(waiting);
      await until(() => events.some(({ type }) => type === "snapshotMade"), "made");
      await replicas.close(1n);
      assert.ok(journal.pages.length > 3, `${journal.pages.length} pages`);
      const again = await replicas.start(1n);
      await again.replica.read();
      assert.deepEqual(again.journal.commands, textsTo(4001));
    }, [1n]),
  );

  it(
    "brings a new member up to date",
    withReplicas(async (replicas) => {
      const { events } = await replicas.start(1n, SMALL);
      await proposeMany(replicas, 1, 60);
      await until(() => events.some(({ type }) => type === "snapshotMade"), "made");
      await replicas.close(1n);
      // After a restart, the log keeps no entries behind its snapshot.
      const { replica } = await replicas.start(1n, SMALL);
      await replica.propose(commandOf("61"));
      const added = await replicas.start(2n, { ...SMALL, joining: true });
      await replica.addMember(2n, "memory:2");
      await until(() => added.journal.commands.length === 61, "up to date");
      assert.deepEqual(added.journal.commands, textsTo(61));
      assert.equal(added.journal.restores, 1);
      assert.equal(added.events.filter(({ type }) => type === "snapshotRestored").length, 1);
      assert.equal(added.replica.status().appliedIndex, replica.status().appliedIndex);
    }, [1n]),
  );

  it(
    "that fails is tried again, and ends nothing",
    withReplicas(async (replicas) => {
      const { replica, journal, events } = await replicas.start(1n, { ...SMALL, tickMilliseconds: 2 });
      let failures = 0;
      journal.duringSnapshot = () => {
        if (failures++ < 2) throw new Error("cannot read the state");
      };
      for (let i = 1; !events.some(({ type }) => type === "snapshotMade"); i++) {
        assert.equal(await replica.propose(commandOf(`${i}`)), `${i}:${i}`);
      }
      const failed = events.filter((event) => event.type === "snapshotFailed");
      assert.equal(failed.length, 2);
      assert.equal((failed[0]!.error as Error).message, "cannot read the state");
    }, [1n]),
  );

  it(
    "is given up when the replica is closed",
    withReplicas(async (replicas) => {
      const { replica, journal, events } = await replicas.start(1n, SMALL);
      journal.duringSnapshot = (signal) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      await proposeMany(replicas, 1, 30);
      await until(() => replica.status().isSnapshotting, "begun");
      await replicas.close(1n);
      assert.ok(!events.some(({ type }) => type === "snapshotFailed"));
      const log = await WalLog.open(replicas.folderOf(1n));
      assert.equal(log.snapshotIndex, 0);
      await log.close();
    }, [1n]),
  );
});

describe("a replica", () => {
  it(
    "ends if its state machine throws, skips no command, and goes on after a restart",
    withReplicas(async (replicas) => {
      const { replica, journal, events } = await replicas.start(1n);
      assert.equal(await replica.propose(commandOf("a")), "1:a");
      journal.before = () => {
        throw new Error("out of order");
      };
      const waiting = [replica.propose(commandOf("b")), replica.propose(commandOf("c"))];
      for (const proposal of waiting) await assert.rejects(proposal, failsWith("CLOSED", "unknown"));
      const [fatal] = events.filter((event) => event.type === "fatal");
      assert.equal(fatal!.error.code, "STATE_MACHINE");
      assert.match(fatal!.error.message, /index \d+.*out of order/);
      await assert.rejects(replica.propose(commandOf("d")), failsWith("CLOSED", "not-applied"));
      assert.equal(replica.status().state, "failed");
      await replicas.close(1n);
      assert.deepEqual(journal.commands, ["a"]);
      const again = await replicas.start(1n);
      await again.replica.read();
      assert.deepEqual(again.journal.commands, ["a", "b", "c"]);
    }, [1n]),
  );

  it(
    "ends if its state machine gives another number of answers than there were commands",
    withReplicas(async (replicas) => {
      const { replica, journal, events } = await replicas.start(1n);
      journal.apply = () => [];
      await assert.rejects(replica.propose(commandOf("a")), failsWith("CLOSED", "unknown"));
      const [fatal] = events.filter((event) => event.type === "fatal");
      assert.match((fatal!.error as WalLogError).message, /expected 1, found 0 answers/);
    }, [1n]),
  );
});
