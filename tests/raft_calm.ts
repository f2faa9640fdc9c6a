/** The end of a history: there are no more faults, and the members must agree. */

import type { RaftNode } from "../src/raft/mod.ts";
import type { Index } from "../mod.ts";
import type { WatchedLog } from "./raft_safety.ts";
import { CALM_ROUNDS_MAX, encode, type Machine } from "./raft_machines.ts";
import type { RaftWorld } from "./raft_world.ts";

/** Lets running flushes make progress. */
export async function settle(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await undefined;
}

/** Without further faults, the members must soon agree and commit new commands. */
export async function calm(world: RaftWorld): Promise<void> {
  world.loss = world.trouble = 0;
  world.sides.clear();
  await settle(50);
  if (world.failure !== undefined) throw world.failure;
  world.letters = [];
  for (const machine of world.machines.values()) {
    machine.disk.heal();
    // All nodes restart: a transfer without a time limit would otherwise block its leader's commands for ever.
    if (machine.node !== undefined) world.stop(machine, false);
    world.start(machine);
  }
  if (!await agreement(world, world.safety.committedIndex + 1)) return;
  await replaceLost(world);
  await serve(world);
  for (const { id, node, announced } of world.running) {
    world.safety.require(
      (announced?.leader ?? null) === node!.leader && (announced?.role ?? "follower") === node!.role,
      "Leaders are announced",
      () => `${id} is a ${node!.role} with leader ${node!.leader}, announced was ${announced?.leader}`,
    );
  }
  for (const { node } of world.running) if (node!.isDamaged) world.count("stayed-out");
  world.count("calm");
}

/** Waits until the members agree, with a limit. Returns whether they do: without `finishRemoval`, they need not. */
async function agreement(world: RaftWorld, wanted: Index): Promise<boolean> {
  for (let round = 0; !agrees(world, wanted); round++) {
    if (round >= CALM_ROUNDS_MAX && world.config.finishRemoval !== true) {
      world.count("stuck-by-removal");
      return false;
    }
    world.safety.require(round < CALM_ROUNDS_MAX, "Progress", () => describe(world));
    await exchange(world);
    const leader = world.running.find(({ node }) => node!.isLeader);
    if (round % 40 === 30 && leader !== undefined) {
      world.step(leader, world.clients.propose(), true);
    }
    // A snapshot of the committed state replaces entries that cannot be repaired.
    if (round % 40 === 39 && leader !== undefined && world.running.some(({ node }) => node!.isDamaged)) {
      world.count("snapshot-to-heal");
      world.step(leader, world.clients.propose(), true);
      const { index } = leader.state;
      if (index > 0) world.step(leader, { type: "snapshot", index, data: encode(JSON.stringify(leader.state)) });
    }
    await settle(50);
    if (world.failure !== undefined) throw world.failure;
  }
  return true;
}

/** An operator stops a machine that has lost its log, and replaces it by a new one. */
async function replaceLost(world: RaftWorld): Promise<void> {
  const lost = [...world.machines.values()].find(({ isLost }) => isLost);
  const leaderOf = () => world.running.find(({ node }) => node!.isLeader);
  if (lost === undefined || !leaderOf()!.node!.members.includes(lost.id)) return;
  world.stop(lost, false);
  const by = [...world.machines.keys()].at(-1)! + 1n;
  world.addMachine(by, true);
  const isReplaced = () => {
    const members = leaderOf()?.node?.members;
    return members !== undefined && members.includes(by) && !members.includes(lost.id);
  };
  for (let round = 0; !isReplaced() || !agrees(world, world.safety.committedIndex); round++) {
    world.safety.require(round < CALM_ROUNDS_MAX, "Lost members are replaced", () => describe(world));
    const leader = leaderOf();
    if (round % 20 === 0 && leader !== undefined && leader.node!.members.includes(lost.id)) {
      world.step(leader, { type: "replaceServer", id: lost.id, by, address: `${by}` });
    }
    await exchange(world);
    if (world.failure !== undefined) throw world.failure;
  }
  world.count("lost-replaced");
}

/** Ticks all nodes, and delivers all messages. */
export async function exchange(world: RaftWorld): Promise<void> {
  for (const machine of world.running) world.step(machine, { type: "tick" });
  await settle(50);
  const letters = world.letters.splice(0);
  for (const { to, message, origin } of letters) {
    const machine = world.machines.get(to);
    if (machine?.node !== undefined) world.step(machine, { type: "message", message, origin });
    if (world.isAsync) await settle(4);
  }
}

/** Each undamaged member must soon be able to answer a read and accept a command, if it may ask the leader. */
async function serve(world: RaftWorld): Promise<void> {
  const leader = world.running.find(({ node }) => node!.isLeader)!;
  for (const id of leader.node!.members) {
    const machine = world.machines.get(id)!;
    if (machine.isLost || machine.node!.isDamaged) continue;
    if (world.config.forwardReads === true) await answer(world, machine, reading(world, machine));
    if (world.config.forwardProposals === true) await answer(world, machine, proposing(world, machine));
  }
}

/** A request that a client repeats until it succeeds. */
interface Request {
  readonly name: string;
  /** Sends the request. Returns a function that returns its answer so far. */
  readonly begin: () => () => "done" | "failed" | undefined;
}

function reading(world: RaftWorld, machine: Machine): Request {
  const outcomes = { readReady: "done", readFailed: "failed" } as const;
  const begin = () => {
    const read = world.read(machine);
    return () => read.answer && outcomes[read.answer];
  };
  return { name: "read-at-the-end", begin };
}

function proposing(world: RaftWorld, machine: Machine): Request {
  const begin = () => {
    const event = world.clients.propose();
    world.step(machine, event);
    return () => {
      const answer = world.clients.answerOf(event.id);
      return answer === undefined ? undefined : answer.includes("@") ? "done" : "failed";
    };
  };
  return { name: "proposed-at-the-end", begin };
}

async function answer(world: RaftWorld, { id }: Machine, request: Request): Promise<void> {
  let outcome = request.begin();
  for (let round = 0; outcome() !== "done"; round++) {
    world.safety.require(round < CALM_ROUNDS_MAX, "Requests are answered", () => `${id}: ${describe(world)}`);
    await exchange(world);
    if (outcome() === "failed") outcome = request.begin();
  }
  world.count(request.name);
}

/** Whether a leader and all of its members have applied everything, a new command included. */
function agrees(world: RaftWorld, wanted: Index): boolean {
  const leader = world.running.filter(({ node }) => node!.isLeader).sort((a, b) => b.node!.term - a.node!.term)[0];
  if (leader === undefined) return false;
  const { members, commitIndex, log } = leader.node!;
  if (leader.node!.status().replacement !== null) return false;
  if (commitIndex < wanted || commitIndex < log.lastIndex) return false;
  return members.every((id) => {
    const { node, isLost } = world.machines.get(id)!;
    return isLost || node!.lastApplied === commitIndex || hasLostItsEnd(node!);
  });
}

function describe(world: RaftWorld): string {
  return world.running.map(({ id, node }) =>
    `${id} ${node!.role} term ${node!.term} leader ${node!.leader} commit ${node!.commitIndex} ` +
    `last ${node!.log.lastIndex} members ${node!.members}` +
    `${node!.isDamaged ? ` damaged ${JSON.stringify((node!.log as WatchedLog).damaged)}` : ""}`
  ).join("; ");
}

/** Whether the end of a node's log is unknown, so that it cannot take part until it is replaced. */
function hasLostItsEnd(node: RaftNode): boolean {
  return node.isDamaged &&
    (node.log as WatchedLog).damaged.some(({ kind, firstIndex, lastIndex }) =>
      lastIndex === undefined && (firstIndex !== undefined || kind.startsWith("segment"))
    );
}
