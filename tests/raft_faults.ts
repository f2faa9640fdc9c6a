/** Faults of a simulated Raft cluster: bit rot, lost disks, partitions, crashes. */

import { MembershipHistory } from "../src/raft/membership.ts";
import { CHECKPOINT_BYTES } from "../src/format/checkpoint.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { resolve } from "node:path";
import type { Index } from "../mod.ts";
import { FOLDER, type Machine } from "./raft_machines.ts";
import type { RaftWorld } from "./raft_world.ts";

/** Stops a machine, damages its disk, and restarts it. */
export function rot(world: RaftWorld): void {
  for (const machine of world.running) machine.isRotten &&= machine.node!.isDamaged;
  // A cluster must survive damage on a minority.
  const rotten = [...world.machines.values()].filter(({ isRotten }) => isRotten).length;
  const sound = world.running.filter(({ isRotten }) => !isRotten);
  if (sound.length === 0 || rotten >= (world.founders.length - 1) / 2) return;
  const machine = world.random.pick(sound);
  const { disk, log } = machine;
  machine.node = machine.log = undefined;
  try {
    // From here on, the last flush is proven: see the exception for the last flush in the README.
    log!.closeSync();
  } catch {
    // Its disk failed, so the last flush is not proven.
    return world.stop(machine, !disk.hasPower);
  }
  disk.restart();
  machine.isRotten = true;
  const path = world.random.pick(disk.files().filter((name) => /\.(seg|snap)$/.test(name)));
  const size = disk.content(path).findLastIndex((byte) => byte !== 0) + 1;
  const offset = world.random.below(size);
  // Mostly small damage, so that the node knows the missing entries and can be repaired.
  const kind = world.random.chance(0.9) ? "a bit" : world.random.pick(["a stretch", "the file"] as const);
  if (kind === "a bit") disk.flip(path, offset, 1 << world.random.below(8));
  else if (kind === "the file") disk.lose(path);
  // Zeros over the end of a log look like a shorter log. The documentation names this as damage that cannot be
  // detected.
  else if (offset < size - CHECKPOINT_BYTES) {
    disk.zero(path, offset, 1 + world.random.below(size - CHECKPOINT_BYTES - offset));
  }
  world.tell(`${machine.id}: ${path} rots: ${kind} at byte ${offset} of ${size}`);
  world.count("rotten");
  world.start(machine);
}

/**
 * Whether the others durably know a machine's log, and can continue without it. They must know it from a committed entry:
 * any other can be truncated.
 */
function isKnownToAll({ id, log }: Machine, machines: readonly Machine[], leader: Machine): boolean {
  const { incarnation } = log!.identity;
  const isCommitted = ({ node, log }: Machine, index: Index): boolean =>
    index <= Math.max(node!.commitIndex, log!.snapshotIndex) ||
    (index <= leader.node!.commitIndex && log!.termAt(index) === leader.log!.termAt(index));
  try {
    return machines.every((one) => {
      const { log, node, isNew } = one;
      log!.syncSync();
      // A node that has heard from no other node requests no votes.
      if (isNew && log!.lastIndex === 0) return true;
      const { index, members, incarnations, replacement } = new MembershipHistory(log!, node!.members).latest;
      if (!isCommitted(one, index)) return false;
      // The leader continues a replacement. It could remove a member that is needed without the lost one.
      return members.length > 2 && replacement === undefined && incarnations?.get(id) === incarnation;
    });
  } catch {
    // A disk has failed, and its node will detect that.
    return false;
  }
}

const COPY = resolve("/copy.wal");

/** Backs up the log of a machine. */
export async function backUp(world: RaftWorld): Promise<void> {
  if (world.running.length === 0) return;
  const machine = world.random.pick(world.running);
  const { disk, log } = machine;
  const files = () => disk.files().filter((path) => path.startsWith(COPY));
  try {
    await log!.backup(COPY);
    machine.backup = new Map(files().map((path) => [path.slice(COPY.length), disk.content(path)]));
    world.tell(`${machine.id} is backed up, last ${log!.lastIndex}`);
    world.count("backed-up");
  } catch {
    // A failed disk ends the node at its next step.
  }
  for (const path of files()) disk.lose(path);
}

/** A disk with a backup, or an empty one. */
export function diskWith(seed: number, backup: Machine["backup"]): SimulatedDisk {
  const disk = new SimulatedDisk({ seed });
  for (const [name, bytes] of backup ?? []) {
    const file = disk.fileSystem.open(`${FOLDER}${name}`, "create");
    file.write(bytes, 0);
    file.sync();
    file.close();
  }
  disk.fileSystem.syncDirectory(FOLDER);
  return disk;
}

/** Gives a machine an empty disk, or one with an old copy of its log, and restarts it as if nothing had happened. */
export function loseDisk(world: RaftWorld): void {
  const machines = [...world.machines.values()];
  if (machines.some(({ isLost }) => isLost)) return;
  for (const machine of machines) if (machine.node === undefined) world.start(machine);
  const leader = machines.find(({ node }) => node!.isLeader);
  if (leader === undefined) return;
  // The worst case: a node loses entries that the leader has counted, just before the leader fails.
  const founders = machines.filter(({ isNew, id }) => !isNew && id !== leader.id);
  const last = Math.max(...founders.map(({ log }) => log!.lastIndex));
  const machine = world.random.pick(founders.filter(({ log }) => log!.lastIndex === last));
  if (!isKnownToAll(machine, machines, leader)) return;
  world.stop(machine, true);
  const backup = world.random.chance(0.9) ? machine.backup : undefined;
  machine.disk = diskWith(world.random.next(), backup);
  machine.state = { index: 0, digest: "" };
  machine.isLost = true;
  world.tell(`${machine.id} has lost its disk, and has ${backup === undefined ? "nothing" : "an old copy"}`);
  world.count(backup === undefined ? "disk-lost" : "old-copy");
  world.start(machine);
  if (world.random.chance(0.7)) world.stop(leader, true);
}

export function partition(world: RaftWorld): void {
  const count = world.random.chance(world.trouble) ? world.random.pick([1, 2, 3]) : 1;
  for (const id of world.machines.keys()) world.sides.set(id, world.random.below(count));
  world.tell(`the network is in ${count} parts: ${[...world.sides].map(([id, side]) => `${id}:${side}`).join(" ")}`);
  if (count > 1) world.count("partition");
}

export function disturb(world: RaftWorld): void {
  const stopped = [...world.machines.values()].filter(({ node }) => node === undefined);
  if (stopped.length > 0 && world.random.chance(0.7)) return world.start(world.random.pick(stopped));
  if (!world.random.chance(world.trouble) || world.running.length === 0) return;
  const machine = world.random.pick(world.running);
  if (world.random.chance(0.1)) {
    // The node must survive this fault.
    world.tell(`${machine.id}: no file can be created`);
    world.count("no-files");
    machine.disk.failAfter("EMFILE", world.random.below(2), "create");
  } else if (world.random.chance(0.4)) {
    const fault = world.random.pick(["crash", "crash", "EIO", "ENOSPC"] as const);
    world.tell(`${machine.id}: ${fault} to come`);
    machine.disk.failAfter(fault, world.random.below(6));
  } else if (world.running.length > world.machines.size / 2 || world.random.chance(0.3)) {
    world.stop(machine, world.random.chance(0.6));
  }
}

/** Stops a leader, or isolates it with some of the others, and restarts stopped nodes. */
export function fell(world: RaftWorld): void {
  for (const machine of world.machines.values()) if (machine.node === undefined) world.start(machine);
  const leaders = world.running.filter(({ node }) => node!.isLeader);
  if (leaders.length === 0) return;
  const leader = world.random.pick(leaders);
  if (world.random.chance(0.5)) return world.stop(leader, true);
  for (const id of world.machines.keys()) world.sides.set(id, world.random.chance(0.3) ? 1 : 0);
  world.sides.set(leader.id, 1);
  world.tell(`${leader.id} is cut off, with some of the others`);
  world.count("cut-off");
}
