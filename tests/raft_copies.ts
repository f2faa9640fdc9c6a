/**
 * Members of a simulated cluster that return with an older copy of their own log, made with `cp`. Such a copy has the
 * incarnation of the original, so only the leader that counted the later acknowledgements can detect it.
 */

import { LOST } from "../src/raft/behind.ts";
import { MembershipHistory } from "../src/raft/membership.ts";
import type { NodeId } from "../mod.ts";
import { exchange } from "./raft_calm.ts";
import { diskWith } from "./raft_faults.ts";
import { CALM_ROUNDS_MAX, FOLDER, type Machine } from "./raft_machines.ts";
import type { RaftWorld } from "./raft_world.ts";

/** Rounds without faults, in which a leader settles and all members acknowledge what they have. */
const PRELUDE_ROUNDS = 30;

/** Copies the files of a machine's log, or lets a machine return with such a copy. */
export async function copyOrReturn(world: RaftWorld): Promise<void> {
  if (world.copies!.chance(0.7)) copy(world);
  else await returnWithCopy(world);
}

/** Copies the files of a log, as they are after a flush. The lock is not part of the log. */
function copy(world: RaftWorld): void {
  if (world.running.length === 0) return;
  const machine = world.copies!.pick(world.running);
  const { disk, node } = machine;
  try {
    node!.log.syncSync();
  } catch {
    // A failed disk ends the node at its next step.
    return;
  }
  const paths = disk.files().filter((path) => path.startsWith(FOLDER) && !path.endsWith("LOCK"));
  const files = new Map(paths.map((path) => [path.slice(FOLDER.length), disk.content(path)]));
  machine.copy = { files, lastIndex: node!.log.lastIndex };
  world.tell(`${machine.id} is copied, last ${node!.log.lastIndex}`);
  world.count("copied");
}

/**
 * Lets a member return with an older copy, while nothing else goes wrong until the leader has detected that, and the
 * member knows it. Without such a leader nobody can know, and the documentation promises nothing.
 */
async function returnWithCopy(world: RaftWorld): Promise<void> {
  if ([...world.machines.values()].some(({ isLost }) => isLost)) return;
  const { trouble, loss } = world;
  world.trouble = world.loss = 0;
  world.sides.clear();
  world.letters = [];
  for (const machine of world.machines.values()) {
    machine.disk.heal();
    if (machine.node === undefined) world.start(machine);
  }
  for (let round = 0; round < PRELUDE_ROUNDS; round++) await exchange(world);
  const leader = leaderOf(world);
  const machine = leader === undefined ? undefined : olderCopy(world, leader);
  if (machine !== undefined) await returnTo(world, leader!, machine);
  Object.assign(world, { trouble, loss });
  // The worst moment for a leader to fail is when only it has known.
  if (machine !== undefined && world.copies!.chance(0.7)) world.stop(leader!, true);
}

/** The leader, if the members do not change and it does not hand over. */
function leaderOf(world: RaftWorld): Machine | undefined {
  const leader = world.running.filter(({ node }) => node!.isLeader).sort((a, b) => b.node!.term - a.node!.term)[0];
  if (leader === undefined) return undefined;
  const { transferTarget, replacement } = leader.node!.status();
  const { index, members } = membershipOf(leader);
  const isSettled = transferTarget === null && replacement === null && index <= leader.node!.commitIndex;
  return isSettled && members.length > 2 && members.includes(leader.id) ? leader : undefined;
}

const membershipOf = ({ log, node }: Machine) => new MembershipHistory(log!, node!.members).latest;

/** A member with a copy of its log that lacks entries which it has acknowledged to the leader. */
function olderCopy(world: RaftWorld, leader: Machine): Machine | undefined {
  const peers = leader.node!.status().peers.filter(({ id, isMember, match }) => {
    const { copy, isNew } = world.machines.get(id)!;
    return isMember && !isNew && copy !== undefined && copy.lastIndex < match;
  });
  return peers.length === 0 ? undefined : world.machines.get(world.copies!.pick(peers).id);
}

/** Restarts a member on its copy, and waits until the cluster has recorded that it is lost, and it knows that itself. */
async function returnTo(world: RaftWorld, leader: Machine, machine: Machine): Promise<void> {
  const { id, copy } = machine;
  const { term } = leader.node!;
  world.stop(machine, true);
  machine.disk = diskWith(world.copies!.next(), copy!.files);
  machine.state = { index: 0, digest: "" };
  machine.isLost = true;
  world.tell(`${id} returns with a copy of its own log, last ${copy!.lastIndex}`);
  world.start(machine);
  for (let round = 0; !isRecorded(leader, id) || !isRecorded(machine, id); round++) {
    world.safety.require(
      round < CALM_ROUNDS_MAX && leader.node!.isLeader && leader.node!.term === term,
      "Older copies are detected",
      () => `${id} has entries up to ${copy!.lastIndex}; ${leader.id} is a ${leader.node!.role} after ${round} rounds`,
    );
    // A leader records nothing before an entry of its term is committed.
    if (round % 20 === 5) world.step(leader, world.clients.propose(), true);
    await exchange(world);
    if (world.failure !== undefined) throw world.failure;
  }
  world.count("copy-detected");
}

/** Whether a machine durably knows that the loss of a member is committed. */
function isRecorded(machine: Machine, id: NodeId): boolean {
  const { index, incarnations } = membershipOf(machine);
  machine.node!.log.syncSync();
  return incarnations?.get(id) === LOST && index <= machine.node!.commitIndex;
}
