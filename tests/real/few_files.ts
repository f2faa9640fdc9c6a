/**
 * Tests a log and a node in a process that has used up its file descriptors. It prints `ok` for each part, and fails
 * with an error. Run it under a low limit: `ulimit -n 256`.
 *
 *     few_files.ts FOLDER
 *
 * @module
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { WalLog, WalLogError } from "../../mod.ts";
import { type Action, type Message, RaftNode } from "../../src/raft/mod.ts";

/** More than any limit under which this runs. */
const DESCRIPTORS_MAX = 5000;
/** The most descriptors that creating a segment or a snapshot takes at once. */
const LEFT_MAX = 3;

const root = process.argv[2]!;

/** Opens files until the limit is met, leaves some descriptors, and runs an action. */
function withDescriptors<T>(left: number, action: () => T): T {
  const taken: number[] = [];
  try {
    while (taken.length < DESCRIPTORS_MAX) taken.push(fs.openSync("/dev/null", "r"));
    throw new Error("the limit on descriptors is too high for this test");
  } catch (error) {
    if ((error as { code?: string }).code !== "EMFILE") throw error;
  }
  for (let i = 0; i < left; i++) fs.closeSync(taken.pop()!);
  try {
    return action();
  } finally {
    for (const descriptor of taken) fs.closeSync(descriptor);
  }
}

function attempt(action: () => void): "done" | "refused" {
  try {
    action();
    return "done";
  } catch (error) {
    assert.ok(error instanceof WalLogError && error.code === "NO_SPACE", `${error}`);
    assert.match(error.message, /too many open files/);
    return "refused";
  }
}

const commandOf = (index: number) => new Uint8Array(3000).fill(index);
const open = (name: string) => WalLog.openSync(join(root, name), { segmentBytes: 8192 });

/** Appends in a log whose segments have two or three entries. */
function refusesASegment(): void {
  const results = new Set<string>();
  let log = open("segments");
  for (let round = 0; round < 40; round++) {
    const index = log.lastIndex + 1;
    const append = () => log.append([{ term: 1, index, command: commandOf(index) }]);
    const left = Math.floor(round / 10);
    const result = withDescriptors(left, () => attempt(append));
    results.add(`${left} ${result}`);
    if (result === "refused") append();
  }
  assert.equal(log.syncSync(), 40);
  assert.ok(results.has("0 refused") && results.has("1 refused") && results.has(`${LEFT_MAX} done`), `${[...results]}`);
  assert.ok(!results.has(`${LEFT_MAX} refused`), `${[...results]}`);
  log.closeSync();
  log = open("segments");
  assert.deepEqual([log.recovery.verdict, log.lastIndex], ["clean", 40]);
  for (let index = 1; index <= 40; index++) assert.deepEqual(log.entry(index)!.command, commandOf(index));
  log.closeSync();
}

function refusesASnapshot(): void {
  const log = open("snapshots");
  for (let index = 1; index <= 9; index++) log.append([{ term: 1, index, command: commandOf(index) }]);
  const snapshot = () => log.compact(5, { data: commandOf(5) });
  assert.equal(withDescriptors(0, () => attempt(snapshot)), "refused");
  assert.equal(log.snapshotIndex, 0);
  snapshot();
  assert.deepEqual(log.snapshot()!.data, commandOf(5));
  log.closeSync();
}

/** A leader refuses a command, a follower does not acknowledge an entry, and both go on. */
function keepsANode(): void {
  const config = { checkQuorum: true, noOp: true };
  const leading = RaftNode.withLog({ id: 1n, peers: [], ...config }, open("leader"));
  while (!leading.isLeader) leading.step({ type: "tick" });
  const following = RaftNode.withLog({ id: 2n, peers: [1n], joining: true, ...config }, open("follower"));
  const tell = (message: Message): Action[] => following.step({ type: "message", message });
  const append = (index: number): Message => ({
    ...{ type: "appendEntries", term: 1, leader: 1n, prevLogIndex: index - 1, prevLogTerm: index > 1 ? 1 : 0 },
    ...{ entries: [{ term: 1, index, kind: "normal", command: commandOf(index) }], leaderCommit: index - 1 },
  });
  const counts = { refused: 0, logFailed: 0 };
  for (let index = 1; index <= 12; index++) {
    const propose = () => void leading.step({ type: "propose", command: commandOf(index) });
    if (withDescriptors(0, () => attempt(propose)) === "refused") {
      counts.refused++;
      propose();
    }
    const actions = withDescriptors(0, () => tell(append(index)));
    if (!actions.some(({ type }) => type === "logFailed")) continue;
    counts.logFailed++;
    assert.ok(actions.every(({ type }) => type !== "send"), "it acknowledges nothing that it has not written");
    assert.ok(tell(append(index)).some(({ type }) => type === "send"));
  }
  assert.ok(counts.refused > 2 && counts.logFailed > 2, JSON.stringify(counts));
  assert.ok(leading.isLeader);
  for (const { log } of [leading, following]) {
    assert.equal((log as WalLog).entries(1, log.lastIndex).filter(({ kind }) => kind === "normal").length, 12);
    (log as WalLog).closeSync();
  }
}

for (
  const [title, part] of [
    ["a segment", refusesASegment],
    ["a snapshot", refusesASnapshot],
    ["a node", keepsANode],
  ] as const
) {
  part();
  console.log(`ok ${title}`);
}
