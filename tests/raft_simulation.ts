/**
 * Clusters on simulated disks and a simulated network: messages are lost, doubled, overtaken and cut off, clocks run at
 * different speeds, nodes crash and lose their page cache, disks fail, members come and go. Whatever happens, the
 * properties in `raft_safety.ts` must hold; and when it stops happening, the cluster must get on.
 *
 * A seed repeats a history. What fails is thrown with the seed and the last things that happened.
 */

import type { RaftEvent } from "../src/raft/mod.ts";
import type { NodeId } from "../mod.ts";
import { type Counts, STEPS } from "./raft_machines.ts";
import { RaftWorld } from "./raft_world.ts";
import { disturb, fell, loseDisk, partition, rot } from "./raft_faults.ts";
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

/** A client asks whoever it takes for the leader. */
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
  // Anyone passes it on.
  if (world.running.length > 0) world.step(world.random.pick(world.running), world.clients.propose(), true);
}

function reconfigure(world: RaftWorld): void {
  if (world.rots) return rot(world);
  // Those who are left must stay enough without it.
  if ([...world.machines.values()].some(({ isLost }) => isLost)) return;
  const ids = [...world.machines.keys()];
  if (world.config.promoteLearners !== true && world.random.chance(0.3)) return replace(world);
  const kind = world.random.pick(["addServer", "addServer", "addLearner", "removeServer", "removeServer"] as const);
  if (kind !== "removeServer" && world.machines.size < world.founders.length + 3 && world.random.chance(0.7)) {
    const id = ids.at(-1)! + 1n;
    world.addMachine(id, true);
    return ask(world, () => ({ type: kind, id }));
  }
  ask(world, () => ({ type: kind, id: world.random.pick(ids) }));
}

/** A member is replaced by a new machine, or by one that was there before. */
function replace(world: RaftWorld): void {
  const ids = [...world.machines.keys()];
  const isNew = world.machines.size < world.founders.length + 3;
  const by = isNew ? ids.at(-1)! + 1n : world.random.pick(ids);
  if (isNew) world.addMachine(by, true);
  ask(world, () => ({ type: "replaceServer", id: world.random.pick(ids), by, address: `${by}` }));
}

async function run(world: RaftWorld): Promise<void> {
  try {
    for (let step = 0; step < STEPS; step++) {
      const dice = world.random.below(1000);
      if (world.isStormy && world.random.chance(0.02)) fell(world);
      if (dice < 430) world.deliver();
      else if (dice < 850) tick(world);
      else if (dice < 930) propose(world);
      else if (dice < 945) read(world);
      else if (dice < 960) disturb(world);
      else if (dice < 975) reconfigure(world);
      else if (dice >= 994 && world.losesDisks) loseDisk(world);
      else if (dice < 980) {
        ask(world, () => ({ type: "transferLeadership", target: world.random.pick([...world.machines.keys()]) }));
      } else if (dice < 985) partition(world);
      else if (dice < 988) world.loss = world.random.pick([0, 0, 0.1, 0.4]);
      else if (dice < 994) { for (const { disk } of world.running) disk.idle(); }
      if (world.isAsync && world.random.chance(0.7)) await settle(world.random.below(8));
      if (world.failure !== undefined) throw world.failure;
    }
    await calm(world);
  } catch (error) {
    const story = world.story.join("\n  ");
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n  ${story}`, { cause: error });
  }
}

/** A client reads from whoever it takes for the leader, or from anyone if that is allowed. */
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
 * @param seed Which.
 * @param counts What happens in it is added to these.
 */
export async function simulateRaft(seed: number, counts: Counts): Promise<void> {
  try {
    await run(new RaftWorld(seed, counts));
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
