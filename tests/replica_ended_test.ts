/** Calls of replicas that are closed or fail meanwhile, and calls that are aborted before they begin. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLogError } from "../mod.ts";
import { MemoryTransport, RaftNode } from "../src/raft/mod.ts";
import { Conditions } from "../src/replica/conditions.ts";
import { commandOf, failsWith, Journal, withReplicas } from "./replica_nodes.ts";
import { until } from "./transports.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

describe("a change of the cluster", () => {
  it(
    "has an unknown outcome if the replica is closed while the log has it",
    withReplicas(async (replicas) => {
      const { replica } = await replicas.start(1n);
      await replica.propose(commandOf("a"));
      const adding = replica.addMember(2n, "memory:2");
      const rejected = assert.rejects(adding, failsWith("CLOSED", "unknown"));
      await replicas.close(1n);
      await rejected;
      const again = await replicas.start(1n);
      assert.deepEqual(again.replica.status().learners, [2n]);
    }, [1n]),
  );

  it(
    "has an unknown outcome if the replica fails while the log has it",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica, journal } = await replicas.leader();
      await replica.propose(commandOf("a"));
      const { replica: { id } } = await replicas.follower();
      let removing: Promise<void> | undefined;
      journal.before = () => {
        removing = assert.rejects(replica.removeMember(id), failsWith("CLOSED", "unknown"));
        throw new Error("a fault of the state machine");
      };
      await assert.rejects(replica.propose(commandOf("b")), failsWith("CLOSED", "unknown"));
      await removing;
    }),
  );

  it(
    "has an unknown outcome if the new replica is a learner, and its vote is refused",
    withReplicas(async (replicas) => {
      const fileSystem = new WatchedFileSystem();
      const { replica } = await replicas.start(1n, { log: { fileSystem } });
      await replica.propose(commandOf("a"));
      await replicas.start(2n, { joining: true });
      fileSystem.fail = ({ operation }) => {
        const { learners, commitIndex, lastIndex } = replica.status();
        if (operation === "write" && learners.includes(2n) && commitIndex === lastIndex) throw systemError("ENOSPC");
      };
      await assert.rejects(replica.addMember(2n, "memory:2"), failsWith("NO_SPACE", "unknown"));
      await assert.rejects(replica.addMember(2n, "memory:2"), failsWith("NO_SPACE", "unknown"));
      await assert.rejects(replica.removeMember(2n), failsWith("NO_SPACE", "not-applied"));
      fileSystem.fail = () => {};
      await replica.addMember(2n, "memory:2");
      assert.deepEqual(replica.status().members, [1n, 2n]);
    }, [1n]),
  );
});

describe("the end of a replica", () => {
  it(
    "closes the log although the transport cannot be closed",
    withReplicas(async (replicas) => {
      const transport = new MemoryTransport(1n, replicas.network);
      const close = transport.close.bind(transport);
      const failure = new Error("the socket is stuck");
      transport.close = async () => {
        await close();
        throw failure;
      };
      const { replica } = await replicas.start(1n, { transport });
      await assert.rejects(replica.close(), failure);
      replicas.all.delete(1n);
      // A log that is still open would be locked.
      await replicas.start(1n, { log: { lockTimeout: 0 } });
    }, [1n]),
  );

  it(
    "leaves nothing open if the snapshot cannot be restored at the start",
    withReplicas(async (replicas) => {
      const { replica } = await replicas.start(1n, { snapshotBytes: 1000 });
      for (let i = 0; i < 20; i++) await replica.propose(commandOf("a"));
      await until(() => replica.status().snapshotIndex > 0, "a snapshot");
      await replicas.close(1n);
      const stateMachine = new Journal();
      const cause = new Error("a fault of the state machine");
      stateMachine.restore = () => Promise.reject(cause);
      await assert.rejects(replicas.start(1n, { stateMachine }), (error) => {
        assert.ok(error instanceof WalLogError);
        assert.match(error.message, /snapshot at index \d+.*a fault of the state machine/);
        assert.deepEqual([error.code, error.cause], ["STATE_MACHINE", cause]);
        return true;
      });
      const again = await replicas.start(1n);
      await again.replica.read();
      assert.equal(again.journal.commands.length, 20);
    }, [1n]),
  );

  it(
    "is reported by an event if its disk fails, and close resolves afterwards",
    withReplicas(async (replicas) => {
      const fileSystem = new WatchedFileSystem();
      const { replica, events } = await replicas.start(1n, { log: { fileSystem } });
      await replica.propose(commandOf("a"));
      fileSystem.fail = ({ operation }) => {
        if (operation === "sync" || operation === "syncAsync") throw systemError("EIO");
      };
      await assert.rejects(replica.propose(commandOf("b")), failsWith("CLOSED", "unknown"));
      await until(() => events.some(({ type }) => type === "fatal"), "the event");
      assert.equal(replica.status().failure?.code, "POISONED");
      await replica.close();
      assert.equal(replica.status().state, "failed");
    }, [1n]),
  );

  it(
    "comes after a call of the state machine that is under way",
    withReplicas(async (replicas) => {
      const { replica, journal } = await replicas.start(1n);
      let release = () => {};
      const held = new Promise<void>((resolve) => release = resolve);
      let isCalled = false;
      journal.before = () => {
        isCalled = true;
        return held;
      };
      const proposal = assert.rejects(replica.propose(commandOf("a")), failsWith("CLOSED", "unknown"));
      await until(() => isCalled, "a call");
      let isClosed = false;
      const closing = replica.close().then(() => isClosed = true);
      await proposal;
      // Without the call, closing takes a few milliseconds.
      await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, 300))]);
      assert.equal(isClosed, false);
      release();
      await closing;
      assert.equal(isClosed, true);
    }, [1n]),
  );
});

describe("a condition", () => {
  it("rejects at once after the end, unless it is true already", async () => {
    const conditions = new Conditions();
    const waiting = assert.rejects(conditions.wait("wait", () => false, undefined), failsWith("CLOSED", "unknown"));
    conditions.end(undefined);
    await waiting;
    await assert.rejects(conditions.wait("wait", () => false, undefined), failsWith("CLOSED", "unknown"));
    await conditions.wait("wait", () => true, undefined);
  });
});

describe("a call with a signal that is aborted already", () => {
  it(
    "rejects with the reason, and does nothing",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      await replica.propose(commandOf("a"));
      const { replica: { id } } = await replicas.follower();
      // Until then, the node refuses a change anyway.
      await until(() => replica.status().commitIndex === replica.status().lastIndex, "everything is committed");
      const { lastIndex } = replica.status();
      const signal = AbortSignal.abort(new Error("no longer needed"));
      for (
        const call of [
          () => replica.propose(commandOf("b"), { signal }),
          () => replica.read({ signal }),
          () => replica.addMember(4n, "memory:4", { signal }),
          () => replica.addLearner(4n, "memory:4", { signal }),
          () => replica.replaceMember(id, 4n, "memory:4", { signal }),
          () => replica.removeMember(id, { signal }),
          () => replica.transferLeadership(id, { signal }),
        ]
      ) await assert.rejects(call(), { message: "no longer needed" });
      const status = replica.status();
      assert.deepEqual([status.lastIndex, status.transferTarget, status.role], [lastIndex, null, "leader"]);
    }),
  );
});

/** The members to which leaders begin to transfer their leadership while something happens. */
async function targetsDuring(action: (targets: readonly bigint[]) => Promise<void>): Promise<readonly bigint[]> {
  const targets: bigint[] = [];
  const { stepAsync } = RaftNode.prototype;
  RaftNode.prototype.stepAsync = function (event) {
    if (event.type === "transferLeadership") targets.push(event.target);
    return stepAsync.call(this, event);
  };
  try {
    await action(targets);
  } finally {
    RaftNode.prototype.stepAsync = stepAsync;
  }
  return targets;
}

describe("a leader that is closed", () => {
  it(
    "hands over to a member that is there",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      const { replica } = await replicas.leader();
      const [first, second] = [1n, 2n, 3n].filter((id) => id !== replica.id);
      await replicas.close(first!);
      assert.deepEqual(await targetsDuring(() => replicas.close(replica.id)), [second]);
    }),
  );

  it(
    "hands over to another member if the first one does not answer",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      const { replica } = await replicas.leader();
      const targets = await targetsDuring(async (begun) => {
        replicas.network.passes = (_, to, { type }) => type !== "timeoutNow" || to !== begun[0];
        await replicas.close(replica.id);
      });
      assert.deepEqual([...targets].sort(), [1n, 2n, 3n].filter((id) => id !== replica.id));
    }),
  );
});
