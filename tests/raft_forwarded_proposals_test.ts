/** Commands that a node forwards to the leader. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type RaftConfig, RaftNode } from "../src/raft/mod.ts";
import type { NodeId } from "../mod.ts";
import { Cluster } from "./raft_cluster.ts";
import { actionsOf, bytes, refuses } from "./raft_nodes.ts";

const CONFIG = { noOp: true, forwardProposals: true, electionTimeout: [10, 20] } as const;
const command = (text: string, id: number) => ({ type: "propose", command: bytes(text), id }) as const;
const proposed = (id: number, index: number, term = 1) => ({ type: "proposed", id, index, term });
const failed = (id: number, outcome: string, code: string | null) => ({ type: "proposalFailed", id, outcome, code });

function three(config: Partial<RaftConfig> = {}): Cluster {
  const cluster = new Cluster([1n, 2n, 3n], { ...CONFIG, ...config });
  cluster.elect(1n);
  return cluster;
}

/** The outcomes of a node's proposals. */
const outcomes = (cluster: Cluster, node: NodeId): unknown[] =>
  cluster.done.filter((one) => one.node === node && /^propos/.test(one.action.type)).map(({ action }) => action);

test("a follower passes a command on, and learns its index and term before it is applied", () => {
  const cluster = three();
  cluster.step(2n, command("x", 7));
  cluster.tick(3, [1n]);
  assert.deepEqual(outcomes(cluster, 2n), [proposed(7, 2)]);
  const types = cluster.done.filter(({ node }) => node === 2n).map(({ action }) => action.type);
  assert.deepEqual(types, ["proposed", "apply"]);
  assert.deepEqual(cluster.applied.get(2n), new Map([[2, "x"]]));
});

test("a leader also reports its own command before it is applied", () => {
  const node = new RaftNode({ id: 1n });
  while (!node.isLeader) node.step({ type: "tick" });
  const actions = node.step(command("x", 3));
  assert.deepEqual(actions.map(({ type }) => type), ["proposed", "apply"]);
  assert.deepEqual(actions[0], proposed(3, 1));
  assert.deepEqual(node.step({ type: "propose", command: bytes("y") }).map(({ type }) => type), ["apply"]);
});

test("a duplicated request is accepted once, also after another request", () => {
  const cluster = three();
  cluster.step(2n, command("x", 1));
  cluster.step(2n, command("y", 2));
  const requests = cluster.sent.filter(({ message }) => message.type === "proposeRequest");
  for (const { message } of [...requests, ...requests]) cluster.step(1n, { type: "message", message });
  cluster.tick(3, [1n]);
  assert.deepEqual([...cluster.applied.get(1n)!.values()], ["x", "y"]);
  assert.deepEqual(outcomes(cluster, 2n), [proposed(1, 2), proposed(2, 3)]);
});

test("requests may overtake each other, and a restarted node begins a session that ends the earlier one", () => {
  const cluster = three();
  cluster.passes = () => false;
  for (const [i, text] of ["a", "b", "c"].entries()) cluster.step(2n, command(text, i));
  const [a, b, c] = cluster.sent.flatMap(({ message }) => message.type === "proposeRequest" ? [message] : []);
  const { log } = cluster.node(2n);
  cluster.passes = () => true;
  for (const message of [c!, a!]) cluster.step(1n, { type: "message", message });
  cluster.start(2n, [1n, 3n], log);
  cluster.tick(3, [1n]);
  cluster.step(2n, command("d", 9));
  for (const message of [b!, a!]) cluster.step(1n, { type: "message", message });
  cluster.step(2n, command("e", 10));
  assert.deepEqual([...cluster.applied.get(1n)!.values()], ["c", "a", "d", "e"]);
});

test("a leader that is overloaded, too small or in a transfer rejects the command", () => {
  const cluster = three({ maxUncommittedBytes: 100, transferTimeout: 50, maxMessageBytes: 6000 });
  cluster.passes = ({ message }) => message.type.startsWith("propose");
  cluster.step(2n, command("x", 1));
  cluster.step(2n, command("y", 2));
  refuses(() => cluster.node(2n).step({ type: "propose", command: new Uint8Array(3000), id: 3 }), "ENTRY_TOO_LARGE");
  cluster.step(1n, { type: "transferLeadership", target: 3n });
  cluster.step(2n, command("z", 4));
  assert.deepEqual(outcomes(cluster, 2n), [
    proposed(1, 2),
    failed(2, "not-applied", "OVERLOADED"),
    failed(4, "not-applied", "NOT_LEADER"),
  ]);
  const again = cluster.sent.filter(({ message }) => message.type === "proposeRequest");
  // The transfer fails, and the same node stays the leader.
  cluster.passes = ({ message }) => message.type !== "timeoutNow";
  cluster.tick(60, [1n]);
  assert.ok(cluster.node(1n).isLeader);
  for (const { message } of again) cluster.step(1n, { type: "message", message });
  assert.deepEqual([...cluster.applied.get(1n)!.values()], ["x"], "a refused request is never taken");
});

test("if the request or its answer is lost, the outcome is unknown after the greatest election timeout", () => {
  for (const lost of ["proposeRequest", "proposeReply"]) {
    const cluster = three();
    cluster.passes = ({ message }) => message.type !== lost;
    cluster.step(2n, command("x", 1));
    cluster.passes = () => true;
    for (let tick = 0; tick < 19; tick++) cluster.tick(1, [1n, 2n]);
    assert.deepEqual(outcomes(cluster, 2n), []);
    cluster.tick(1, [2n]);
    assert.deepEqual(outcomes(cluster, 2n), [failed(1, "unknown", null)]);
    const late = cluster.sent.findLast(({ message }) => message.type === "proposeReply");
    if (late !== undefined) cluster.step(2n, { type: "message", message: late.message });
    assert.equal(outcomes(cluster, 2n).length, 1, "a late answer changes nothing");
    assert.equal(cluster.applied.get(1n)!.size, lost === "proposeReply" ? 1 : 0);
  }
});

test("a change of leader leaves the outcome unknown, and the old leader is silent", () => {
  const cluster = three();
  cluster.passes = ({ message }) => message.type !== "proposeReply";
  cluster.step(2n, command("x", 1));
  cluster.elect(3n);
  assert.deepEqual(outcomes(cluster, 2n), [failed(1, "unknown", null)]);
  cluster.passes = () => true;
  const { message } = cluster.sent.find(({ message }) => message.type === "proposeRequest")!;
  const replies = cluster.sent.filter(({ message }) => message.type === "proposeReply").length;
  for (const id of [1n, 3n]) cluster.step(id, { type: "message", message });
  assert.equal(cluster.sent.filter(({ message }) => message.type === "proposeReply").length, replies);
  cluster.tick(3, [3n]);
  assert.deepEqual([...cluster.applied.get(3n)!.values()], ["x"]);
});

test("an answer of a node that was not asked changes nothing", () => {
  const cluster = three();
  cluster.passes = () => false;
  cluster.step(2n, command("x", 1));
  const { message } = cluster.sent.at(-1)!;
  assert.ok(message.type === "proposeRequest");
  const answer = {
    type: "proposeReply",
    term: 1,
    from: 3n,
    request: message.request,
    index: 9,
    refusal: null,
  } as const;
  cluster.step(2n, { type: "message", message: answer });
  assert.deepEqual(outcomes(cluster, 2n), []);
});

test("a command is rejected without id, leader or forwardProposals, or from a stranger", () => {
  const cluster = three();
  refuses(() => cluster.node(2n).propose(bytes("x")), "NOT_LEADER");
  refuses(() => new RaftNode({ ...CONFIG, id: 1n, peers: [2n] }).step(command("x", 1)), "NOT_LEADER");
  refuses(() => three({ forwardProposals: false }).node(2n).step(command("x", 1)), "NOT_LEADER");
  const [session, request] = [1, 2];
  const message = { type: "proposeRequest", term: 1, from: 9n, session, request, command: bytes("x") } as const;
  assert.deepEqual(cluster.step(1n, { type: "message", message }), []);
  assert.deepEqual(actionsOf(cluster, "apply"), []);
});
