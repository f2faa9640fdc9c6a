/**
 * Clusters on simulated disks and a simulated network. Messages are lost, duplicated, reordered and blocked by
 * partitions. Clocks run at different speeds. Nodes crash and lose their page cache. Disks fail, are lost or return
 * from a backup. Members return with older copies of their logs. Members are added and removed, and clusters meet. In
 * all these cases, the properties in `raft_safety.ts` must hold. When the faults end, the cluster must make progress.
 *
 * A seed repeats a history. A failure is thrown with the seed and the most recent events.
 */

import type { RaftEvent } from "../src/raft/mod.ts";
import type { NodeId } from "../mod.ts";
import { type Counts, STEPS } from "./raft_machines.ts";
import { RaftWorld } from "./raft_world.ts";
import { copyOrReturn } from "./raft_copies.ts";
import { backUp, disturb, fell, loseDisk, partition, rot } from "./raft_faults.ts";
import { calm, settle } from "./raft_calm.ts";

export type { Counts } from "./raft_machines.ts";

function tick(world: RaftWorld): void {
  const running = world.running;
  if (running.length === 0) return;
  let machine = world.random.pick(running);
  const other = world.random.pick(running);
  if (other.pace > machine.pace) machine = other;
  world.step(machine, { type: "tick" });
}

/** A client sends a request to the node that it believes to be the leader. */
function ask(world: RaftWorld, event: (id: NodeId) => RaftEvent): void {
  const running = world.running;
  const leaders = running.filter(({ node }) => node!.isLeader);
  if (running.length === 0) return;
  const machine = world.random.pick(leaders.length > 0 && world.random.chance(0.9) ? leaders : running);
  const made = event(machine.id);
  if (made.type !== "propose") world.tell(`${machine.id} is asked to ${made.type}`);
  world.step(machine, made, made.type === "propose");
}

function propose(world: RaftWorld): void {
  if (world.config.forwardProposals !== true) return ask(world, () => world.clients.propose());
  // Any node forwards it.
  if (world.running.length > 0) world.step(world.random.pick(world.running), world.clients.propose(), true);
}

function reconfigure(world: RaftWorld): void {
  if (world.rots) return rot(world);
  // The remaining machines must still be enough without it.
  if ([...world.machines.values()].some(({ isLost }) => isLost)) return;
  const ids = [...world.machines.keys()];
  if (world.config.promoteLearners !== true && world.random.chance(0.3)) return replace(world);
  const kind = world.random.pick(["addServer", "addServer", "addLearner", "removeServer", "removeServer"] as const);
  if (kind !== "removeServer" && world.machines.size < world.founders.length + 3 && world.random.chance(0.7)) {
    const id = ids.at(-1)! + 1n;
    world.addMachine(id, true);
    return ask(world, () => ({ type: kind === "addServer" ? added(world, id) : kind, id }));
  }
  const id = world.random.pick(ids);
  ask(world, () => ({ type: kind === "addServer" ? added(world, id) : kind, id }));
}

/** A node whose log belongs to no cluster grants no votes. So it is added as a learner first, as in the guide. */
function added(world: RaftWorld, id: NodeId): "addServer" | "addLearner" {
  const isOfNone = world.cluster !== undefined && world.machines.get(id)!.log?.identity.cluster === undefined;
  return isOfNone ? "addLearner" : "addServer";
}

/** Replaces a member by a new machine, or by one that was there before. */
function replace(world: RaftWorld): void {
  const ids = [...world.machines.keys()];
  const isNew = world.machines.size < world.founders.length + 3;
  const by = isNew ? ids.at(-1)! + 1n : world.random.pick(ids);
  if (isNew) world.addMachine(by, true);
  ask(world, () => ({ type: "replaceServer", id: world.random.pick(ids), by, address: `${by}` }));
}

async function play(world: RaftWorld): Promise<void> {
  const dice = world.random.below(1000);
  if (world.isStormy && world.random.chance(0.02)) fell(world);
  if (dice < 430) world.deliver();
  else if (dice < 850) tick(world);
  else if (dice < 930) propose(world);
  else if (dice < 945) read(world);
  else if (dice < 960) disturb(world);
  else if (dice < 975) reconfigure(world);
  else if (dice >= 996 && world.losesDisks && world.copies === undefined) await backUp(world);
  else if (dice >= 994 && world.losesDisks && world.copies === undefined) loseDisk(world);
  else if (dice < 980) {
    ask(world, () => ({ type: "transferLeadership", target: world.random.pick([...world.machines.keys()]) }));
  } else if (dice < 985) partition(world);
  else if (dice < 988) world.loss = world.random.pick([0, 0, 0.1, 0.4]);
  else if (dice < 994) { for (const { disk } of world.running) disk.idle(); }
  if (world.copies?.chance(0.004) === true) await copyOrReturn(world);
  if (world.isAsync && world.random.chance(0.7)) await settle(world.random.below(8));
  if (world.failure !== undefined) throw world.failure;
}

/**
 * Delivers a message to the node of the same id in another cluster, as if an address had been given to the wrong
 * machine.
 */
function mislead(from: RaftWorld, to: RaftWorld): void {
  if (!from.random.chance(0.05) || from.letters.length === 0) return;
  const letter = from.random.pick(from.letters);
  const machine = to.machines.get(letter.to);
  // Until a log belongs to a cluster, its node cannot detect this.
  if (machine?.node === undefined || machine.log!.identity.cluster === undefined) return;
  if (letter.origin.cluster === undefined) return;
  from.count("misled");
  to.step(machine, { type: "message", message: letter.message, origin: letter.origin });
}

async function run(worlds: readonly [RaftWorld, RaftWorld?]): Promise<void> {
  const [world, other] = worlds;
  try {
    for (let step = 0; step < STEPS; step++) {
      await play(world);
      if (other === undefined) continue;
      await play(other);
      mislead(world, other);
      mislead(other, world);
    }
    for (const one of worlds) if (one !== undefined) await calm(one);
  } catch (error) {
    const story = worlds.map((one) => one?.story.join("\n  ") ?? "").join("\n  the other cluster:\n  ");
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n  ${story}`, { cause: error });
  }
}

/** Makes the cluster of a history. In some histories, it meets another cluster whose nodes have the same ids. */
function worldsOf(seed: number, counts: Counts): [RaftWorld, RaftWorld?] {
  const id = (digit: string) => `${digit.repeat(8)}-0000-4000-8000-000000000000`;
  const meets = seed % 5 === 0;
  const world = new RaftWorld(seed, counts, meets || seed % 3 === 0 ? id("1") : undefined);
  return meets ? [world, new RaftWorld(seed + 2 ** 35, counts, id("2"), world)] : [world];
}

/** A client reads from the node that it believes to be the leader, or from any node if that is allowed. */
function read(world: RaftWorld): void {
  const { running } = world;
  const leaders = running.filter(({ node }) => node!.isLeader);
  if (running.length === 0) return;
  const mayAskAnyone = world.config.forwardReads === true && world.random.chance(0.7);
  world.read(world.random.pick(leaders.length > 0 && !mayAskAnyone ? leaders : running));
}

/**
 * Runs a history.
 *
 * @param seed The seed.
 * @param counts The counts of events, which the history increases.
 */
export async function simulateRaft(seed: number, counts: Counts): Promise<void> {
  try {
    await run(worldsOf(seed, counts));
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
