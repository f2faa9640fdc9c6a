/** A step flushes its writes before it returns its actions. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, RaftNode } from "../src/raft/mod.ts";
import { type FileSystem, type LogEntry, WalLog, WalLogError } from "../mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { RecordingLog } from "./raft_traces.ts";
import { elected, propose, refuses, TICK } from "./raft_nodes.ts";

test("a step flushes its writes before it returns, and does not flush without writes", () => {
  const log = new RecordingLog();
  const node = elected(log);
  log.calls = [];
  node.step(propose("x"));
  assert.deepEqual(log.calls, [["append", "1", "1"], ["sync"]]);
  log.calls = [];
  node.step(TICK);
  assert.deepEqual(log.calls, []);
});

/** A log whose flushes end when the test releases them. */
class SlowLog extends MemoryLog {
  readonly flushes: { readonly upTo: number; end: () => void; fail: (error: unknown) => void }[] = [];
  override sync(): Promise<number> {
    const upTo = this.lastIndex;
    return new Promise((resolve, reject) => this.flushes.push({ upTo, end: () => resolve(upTo), fail: reject }));
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

test("steps during a flush share the next one, and no action precedes its flush", async () => {
  const log = new SlowLog();
  const node = elected(log);
  const handedOut: number[] = [];
  const give = (text: string) =>
    node.stepAsync(propose(text)).then((actions) => {
      for (const action of actions) if (action.type === "apply") handedOut.push(action.index);
    });
  const steps = [give("a"), give("b")];
  await turn();
  assert.deepEqual(log.flushes.map(({ upTo }) => upTo), [2], "steps of one turn share a flush");
  for (const text of ["c", "d", "e"]) steps.push(give(text));
  // This step writes nothing, but depends on the writes of earlier steps.
  const quiet = node.stepAsync(TICK).then(() => handedOut.push(0));
  await turn();
  assert.equal(log.flushes.length, 1);
  assert.deepEqual(handedOut, []);
  log.flushes[0]!.end();
  await turn();
  assert.deepEqual(handedOut, [1, 2]);
  assert.deepEqual(log.flushes.map(({ upTo }) => upTo), [2, 5]);
  log.flushes[1]!.end();
  await Promise.all([...steps, quiet]);
  assert.deepEqual(handedOut, [1, 2, 3, 4, 5, 0]);
  await node.stepAsync(TICK);
  assert.equal(log.flushes.length, 2, "a step after which nothing is unflushed needs no flush");
});

test("a step during a flush that depends on nothing newer ends with that flush", async () => {
  const log = new SlowLog();
  const node = elected(log);
  const ended: string[] = [];
  const give = (name: string, event: Parameters<RaftNode["step"]>[0]) => {
    void node.stepAsync(event).then(() => ended.push(name));
  };
  give("first", propose("a"));
  await turn();
  give("tick", TICK);
  give("second", propose("b"));
  give("later tick", TICK);
  log.flushes[0]!.end();
  await turn();
  assert.deepEqual(ended, ["first", "tick"]);
  assert.equal(log.flushes.length, 2);
  log.flushes[1]!.end();
  await turn();
  assert.deepEqual(ended, ["first", "tick", "second", "later tick"]);
});

test("step refuses to overtake steps of stepAsync", async () => {
  const log = new SlowLog();
  const node = elected(log);
  const step = node.stepAsync(propose("a"));
  refuses(() => node.step(TICK), "BUSY");
  await turn();
  refuses(() => node.step(TICK), "BUSY");
  log.flushes[0]!.end();
  await step;
  assert.deepEqual(node.step(TICK), []);
});

test("step refuses to overtake a flushed step whose actions were not returned yet", async () => {
  const log = new SlowLog();
  const node = elected(log);
  const applied: number[] = [];
  const carryOut = (actions: Action[]) => {
    for (const action of actions) if (action.type === "apply") applied.push(action.index);
  };
  const first = node.stepAsync(propose("a")).then((actions) => {
    carryOut(actions);
    refuses(() => carryOut(node.step(propose("c"))), "BUSY");
  });
  const second = node.stepAsync(propose("b")).then((actions) => {
    carryOut(actions);
    carryOut(node.step(propose("d")));
  });
  await turn();
  log.flushes[0]!.end();
  await Promise.all([first, second]);
  assert.deepEqual(applied, [1, 2, 3]);

  // This also holds in a turn between the end of the flush and the arrival of the last step.
  const last = node.stepAsync(propose("e")).then(carryOut);
  await turn();
  log.flushes[1]!.end();
  while (applied.length < 5) {
    await undefined;
    try {
      carryOut(node.step(propose("f")));
    } catch (error) {
      assert.equal((error as WalLogError).code, "BUSY");
    }
  }
  await last;
  assert.deepEqual(applied, [1, 2, 3, 4, 5]);
});

test("a failed flush ends the node and rejects waiting and later steps", async () => {
  const log = new SlowLog();
  const node = elected(log);
  const broken = new Error("the disk is gone");
  const isFatal = (error: unknown) =>
    error instanceof WalLogError && error.code === "POISONED" && error.isFatal && error.cause === broken;
  const first = assert.rejects(node.stepAsync(propose("a")), isFatal);
  await turn();
  const second = assert.rejects(node.stepAsync(propose("b")), isFatal);
  log.flushes[0]!.fail(broken);
  await first;
  await second;
  assert.throws(() => node.step(TICK), isFatal);
  await assert.rejects(node.stepAsync(TICK), isFatal);
});

test("a write that fails ends the node, but not a command that is too large", () => {
  class FullLog extends MemoryLog {
    error: unknown;
    override append(entries: readonly LogEntry[]): void {
      if (this.error !== undefined) throw this.error;
      super.append(entries);
    }
  }
  const log = new FullLog();
  const node = elected(log);
  log.error = new WalLogError("ENTRY_TOO_LARGE", "too large");
  refuses(() => node.step(propose("a")), "ENTRY_TOO_LARGE");
  log.error = new WalLogError("POISONED", "failed earlier");
  assert.equal(refuses(() => node.step(propose("a")), "POISONED").cause, log.error);
  log.error = undefined;
  refuses(() => node.step(propose("a")), "POISONED");
});

test("on a WalLog, steps during a flush share the next one", async () => {
  const { fileSystem } = new SimulatedDisk({ seed: 1 });
  let gate = Promise.resolve();
  let begun = 0;
  const slow: FileSystem = {
    ...fileSystem,
    open: (path, mode) => {
      const file = fileSystem.open(path, mode);
      const syncAsync = async () => {
        begun++;
        await gate;
        await file.syncAsync();
      };
      return { ...file, syncAsync };
    },
  };
  const log = await WalLog.open("/raft.wal", { fileSystem: slow });
  const node = RaftNode.withLog({ id: 1n }, log);
  while (!node.isLeader) await node.stepAsync(TICK);
  begun = 0;
  const { flushes } = log.stats();
  let open = () => {};
  gate = new Promise((resolve) => open = resolve);
  const steps = [node.stepAsync(propose("0"))];
  while (begun === 0) await turn();
  for (let i = 1; i <= 100; i++) steps.push(node.stepAsync(propose(`${i}`)));
  await turn();
  assert.deepEqual([begun, log.durableIndex], [1, 0]);
  open();
  const actions = (await Promise.all(steps)).flat();
  assert.deepEqual(
    actions.map((action) => action.type === "apply" && action.index),
    Array.from({ length: 101 }, (_, i) => i + 1),
  );
  assert.deepEqual([begun, log.stats().flushes - flushes, log.durableIndex], [2, 2, 101]);
  await log.close();
});

test("a node flushes unflushed entries of its log before it acknowledges them", () => {
  const disk = new SimulatedDisk();
  const log = WalLog.openSync("/raft.wal", { fileSystem: disk.fileSystem });
  log.setHardState({ term: 1, votedFor: null });
  log.syncSync();
  log.append([{ term: 1, index: 1, command: new Uint8Array(1) }]);
  const node = RaftNode.withLog({ id: 1n, peers: [2n] }, log);
  const place = { leader: 2n, prevLogIndex: 1, prevLogTerm: 1, entries: [], leaderCommit: 0 };
  const actions = node.step({ type: "message", message: { type: "appendEntries", term: 1, ...place } });
  assert.deepEqual(actions.map((action) => action.type === "send" && action.message.type), ["appendEntriesReply"]);
  assert.equal(log.durableIndex, 1);
});
