/**
 * Clusters on simulated disks and a simulated network: messages are lost, doubled, overtaken and cut off, clocks run at
 * different speeds, nodes crash and lose their page cache, disks fail, members come and go. Whatever happens, the
 * properties in `raft_safety.ts` must hold; and when it stops happening, the cluster must get on.
 *
 * A seed repeats a history. What fails is thrown with the seed and the last things that happened.
 */

import { resolve } from "node:path";
import { MembershipHistory } from "../src/raft/membership.ts";
import { type Action, type Message, type Origin, type RaftConfig, type RaftEvent, RaftNode } from "../src/raft/mod.ts";
import { type Index, type NodeId, type Term, WalLog, WalLogError } from "../mod.ts";
import { CHECKPOINT_BYTES } from "../src/format/checkpoint.ts";
import { PowerLoss, Random, SimulatedDisk } from "../src/testing/mod.ts";
import { Safety, WatchedLog } from "./raft_safety.ts";

const FOLDER = resolve("/raft.wal");
const STEPS = 3000;
/** The most messages on their way: beyond, the oldest is lost. */
const LETTERS_MAX = 200;
/** Rounds of ticks within which a cluster that nothing disturbs must agree. */
const CALM_ROUNDS_MAX = 400;
/** Things that happened which a failure tells of. */
const STORY_LINES = 40;

/** How often what happened, over all histories. */
export type Counts = Record<string, number>;

interface Letter {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: Message;
  /** The log that it comes from. */
  readonly origin: Origin;
}

/** A machine with its disk, and the process on it, if one runs. */
interface Machine {
  readonly id: NodeId;
  disk: SimulatedDisk;
  /** How fast its clock runs: how likely it is to be the next one to tick. */
  readonly pace: number;
  readonly isNew: boolean;
  log: WalLog | undefined;
  node: RaftNode | undefined;
  /** Whether its disk has rotted since it was last seen to be whole. */
  isRotten: boolean;
  /** Whether it has lost its disk, and was started again as if it had not. */
  isLost: boolean;
  /** The application: a digest of everything applied, and up to where. */
  state: { index: Index; digest: string };
}

/** What a node takes itself for after a step, of which nothing has left it yet. */
interface Claims {
  /** The term that it leads in, if it does. */
  readonly leads: Term | undefined;
  readonly commitIndex: Index;
}

function claimsOf({ isLeader, term, commitIndex }: RaftNode): Claims {
  return { leads: isLeader ? term : undefined, commitIndex };
}

/** A read under way: what had been acknowledged when it was asked for. */
interface Read {
  readonly acknowledged: Index;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

class Simulation {
  readonly #random: Random;
  readonly #counts: Counts;
  readonly #safety = new Safety();
  readonly #config: Partial<RaftConfig>;
  readonly #machines = new Map<NodeId, Machine>();
  readonly #founders: readonly NodeId[];
  /** Whether nodes are stepped with `stepAsync`, and with `step` now and then, where that is possible. */
  readonly #isAsync: boolean;
  /**
   * Whether leaders fall as soon as they have got something across, before they get it to all: the histories in which
   * entries of several terms lie about, some on a majority.
   */
  readonly #isStormy: boolean;
  /** Whether bytes rot on the disks, one machine at a time. Members then do not change: they are needed to heal. */
  readonly #rots: boolean;
  /** Whether a machine may lose its disk. */
  readonly #losesDisks: boolean;
  /** How likely it is that reads of a log begin to fail. */
  readonly #readLoss: number;
  /** Whether the application's state survives a restart by itself. */
  readonly #isKept: boolean;
  /** How likely it is that what can go wrong does. */
  #trouble: number;
  readonly #story: string[] = [];
  #letters: Letter[] = [];
  /** Which side of the cut each node is on; all on one if the network is whole. */
  #sides = new Map<NodeId, number>();
  #loss = 0;
  #commands = 0;
  #acknowledged: Index = 0;
  readonly #reads: Read[] = [];

  constructor(seed: number, counts: Counts) {
    const random = this.#random = new Random(seed);
    this.#counts = counts;
    this.#isAsync = random.chance(0.5);
    this.#trouble = random.pick([0.2, 0.5, 1]);
    this.#isStormy = random.chance(0.4);
    this.#rots = random.chance(0.25);
    this.#readLoss = random.pick([0, 0, 0.01]);
    this.#isKept = !this.#rots && random.chance(0.3);
    this.#losesDisks = !this.#rots && seed % 2 === 0;
    const size = this.#isStormy ? 5 : random.pick([3, 3, 5, 7]);
    const base = random.pick([0n, 2n ** 53n, 2n ** 64n - 30n]);
    this.#founders = Array.from({ length: size }, (_, i) => base + BigInt(i + 1));
    this.#config = {
      electionTimeout: [5, 10],
      heartbeatInterval: 2,
      maxBatch: random.pick([1, 3, 64]),
      snapshotThreshold: random.pick([0, 5, 15]),
      ...random.chance(0.3) ? { maxBatchBytes: 20 } : {},
      ...random.chance(0.5) ? { maxInflightMessages: random.pick([1, 3, 1024]) } : {},
      ...random.chance(0.3) ? { maxUncommittedBytes: 500 } : {},
      ...random.chance(0.3) ? { maxApplyBytes: random.pick([1, 300]) } : {},
      ...random.chance(0.5) ? { snapshotChunkBytes: 8 } : {},
      ...trailingOf(new Random(-seed)),
      strictMembership: seed % 2 === 0,
      ...random.chance(0.5) ? { checkQuorum: true } : {},
      ...random.chance(this.#isStormy ? 0.1 : 0.5) ? { noOp: true } : {},
      ...random.chance(0.7) ? { transferTimeout: 15 } : {},
      finishRemoval: random.chance(0.8),
    };
    for (const id of this.#founders) this.#addMachine(id, false);
  }

  #count(event: string): void {
    this.#counts[event] = (this.#counts[event] ?? 0) + 1;
  }

  #tell(line: string): void {
    this.#story.push(line);
    if (this.#story.length > STORY_LINES) this.#story.shift();
  }

  #addMachine(id: NodeId, isNew: boolean): void {
    const machine: Machine = {
      id,
      disk: new SimulatedDisk({ seed: this.#random.next() }),
      pace: 1 + this.#random.below(3),
      isNew,
      log: undefined,
      node: undefined,
      isRotten: false,
      isLost: false,
      state: { index: 0, digest: "" },
    };
    this.#machines.set(id, machine);
    this.#start(machine);
  }

  /** Starts the process on a machine, over what its disk holds. */
  #start(machine: Machine): void {
    const { id, disk, isNew } = machine;
    machine.log = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes: 4096, onDamage: "keep" });
    const peers = this.#founders.filter((peer) => peer !== id);
    // What a snapshot of a leader's has replaced since, the state does not have.
    if (!this.#isKept || machine.state.index < machine.log.snapshotIndex) machine.state = stateIn(machine.log);
    const applied = this.#isKept ? Math.max(machine.state.index, machine.log.snapshotIndex) : 0;
    const config = { ...this.#config, id, applied, ...isNew ? { joining: true } : { peers } };
    // Reads of a process can fail for a while, as for want of descriptors.
    let left = 0;
    const failsRead = (): boolean => {
      if (left > 0) return --left > 0;
      if (this.#random.chance(this.#readLoss * this.#trouble)) left = this.#random.below(20);
      return left > 0;
    };
    machine.node = RaftNode.withLog(config, new WatchedLog(machine.log, this.#safety));
    (machine.node.log as WatchedLog).failsRead = failsRead;
    this.#tell(
      `${id} starts, applied ${applied}, last ${machine.log.lastIndex}, snapshot ${machine.log.snapshotIndex}`,
    );
    if (machine.node.isDamaged) this.#count("damaged");
  }

  /** Ends the process on a machine; with `power`, the page cache goes too. */
  #stop(machine: Machine, power: boolean): void {
    machine.log = machine.node = undefined;
    if (power) machine.disk.crash();
    else machine.disk.restart();
    this.#count(power ? "power-cut" : "killed");
    this.#tell(`${machine.id} is ${power ? "cut off its power" : "killed"}`);
  }

  get #running(): Machine[] {
    return [...this.#machines.values()].filter(({ node }) => node !== undefined);
  }

  /** Lets something happen to a node. What it wants done is done when the node hands it out. */
  #step(machine: Machine, event: RaftEvent, isOwn = false): void {
    const node = machine.node!;
    const before = node.log.lastIndex;
    const { role, term } = node;
    try {
      if (!this.#isAsync || this.#random.chance(0.2)) {
        const actions = node.step(event);
        this.#safety.stepped(node);
        this.#release(machine, node, actions, claimsOf(node));
      } else this.#stepLater(machine, node, event);
    } catch (error) {
      if (this.#isAsync && isBusy(error)) this.#stepLater(machine, node, event);
      else this.#refused(machine, node, error);
    }
    if (isOwn && node.log.lastIndex > before) this.#count("proposed");
    if (node.role !== role || node.term !== term) this.#tell(`${machine.id} is a ${node.role} in term ${node.term}`);
  }

  /** Lets something happen to a node whose actions wait for a flush. */
  #stepLater(machine: Machine, node: RaftNode, event: RaftEvent): void {
    const step = node.stepAsync(event);
    this.#safety.stepped(node);
    const claims = claimsOf(node);
    step.then(
      (actions) => this.#attempt(() => this.#release(machine, node, actions, claims)),
      (error) => this.#attempt(() => this.#refused(machine, node, error)),
    );
  }

  #failure: unknown;

  /** What goes wrong in a callback is thrown by the history. */
  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #refused(machine: Machine, node: RaftNode, error: unknown): void {
    // What a process that is gone had under way is gone with it.
    if (machine.node !== node) return;
    if (!(error instanceof WalLogError)) throw error;
    if (["NOT_LEADER", "OVERLOADED", "NO_SPACE", "CONFIG_IN_PROGRESS"].includes(error.code)) {
      return this.#count(error.code);
    }
    if (error.code === "INVALID_ARGUMENT" && error.message.includes("it is the last member")) return;
    // A disk that failed: the process ends, and so does the machine if that is what the fault was.
    if (error.code !== "POISONED" || !isDiskFailure(error.cause)) throw error;
    this.#tell(`${machine.id}: ${error.message}`);
    this.#count("disk-failed");
    this.#stop(machine, !machine.disk.hasPower);
  }

  /** Does what a node wants done. Only now is it bound by what it took itself for when it stepped. */
  #release(machine: Machine, node: RaftNode, actions: readonly Action[], { leads, commitIndex }: Claims): void {
    if (machine.node !== node) return;
    if (leads !== undefined) this.#safety.led(node.id, leads);
    if (!node.isDamaged) this.#safety.committed(node, Math.min(commitIndex, node.lastApplied));
    for (const action of actions) {
      // A snapshot of its own can have ended the process.
      if (machine.node === node) this.#carryOut(machine, node, action);
    }
    // The worst moment for a machine to forget is when it has just promised something.
    if (machine.node === node && actions.some(isPromise) && this.#random.chance(0.03 * this.#trouble)) {
      this.#count("promised-and-cut");
      this.#stop(machine, true);
    }
  }

  #carryOut(machine: Machine, node: RaftNode, action: Action): void {
    const { id, state } = machine;
    switch (action.type) {
      case "send":
        return this.#send({ from: id, to: action.to, message: action.message, origin: machine.log!.identity });
      case "apply": {
        const digest = hash(`${state.digest} ${action.index} ${action.term} ${decode(action.command)}`);
        machine.state = { index: action.index, digest };
        this.#safety.applied(id, action.index, digest);
        if (node.isLeader && node.term === action.term) {
          this.#acknowledged = Math.max(this.#acknowledged, action.index);
        }
        return this.#count("applied");
      }
      case "snapshot":
        if (this.#random.chance(0.6) && machine.state.index > 0) {
          this.#count("snapshot");
          // Of the last command applied, behind which there may be configurations.
          const index = machine.state.index;
          return this.#step(machine, { type: "snapshot", index, data: encode(JSON.stringify(machine.state)) });
        }
        return;
      case "moreToApply":
        this.#count("moreToApply");
        return this.#random.chance(0.5) ? this.#step(machine, { type: "applyMore" }) : undefined;
      case "restoreSnapshot":
        machine.state = JSON.parse(decode(action.data));
        this.#safety.applied(id, machine.state.index, machine.state.digest);
        return this.#count("restored");
      case "readReady":
        this.#safety.read(action.index, this.#reads[action.id]!.acknowledged);
        return this.#count("read");
      case "memberLost":
        // Damage that takes all segments along makes another log of it, too.
        this.#safety.require(
          this.#rots || this.#machines.get(action.id)!.isLost,
          "Members keep their logs",
          () => `${id} says that ${action.id} has not`,
        );
        return this.#count("memberLost");
      case "membershipChanged":
        this.#tell(`${id} has members ${action.members}, learners ${action.learners ?? "none"}`);
        return this.#count("membershipChanged");
      default:
        return this.#count(action.type);
    }
  }

  #send(letter: Letter): void {
    const { message } = letter;
    // Whoever has lost its disk may vote a second time: that must not count.
    const { isLost } = this.#machines.get(letter.from)!;
    if (message.type === "requestVoteReply" && message.voteGranted && !isLost) {
      this.#safety.voted(letter.from, message.term, letter.to);
    }
    if (message.type === "appendEntries" && message.entries.length > 0) {
      const { log } = this.#machines.get(letter.from)!;
      if (message.prevLogIndex < log!.snapshotIndex) this.#count("behind-snapshot");
    }
    if (this.#random.chance(this.#loss)) return this.#count("lost");
    this.#letters.push(letter);
    if (this.#letters.length > LETTERS_MAX) this.#letters.shift();
  }

  /** Delivers a message: any of the oldest few, so that one may overtake another. */
  #deliver(): void {
    if (this.#letters.length === 0) return;
    const at = this.#random.below(Math.min(this.#letters.length, this.#random.pick([1, 1, 4, LETTERS_MAX])));
    const letter = this.#letters[at]!;
    if (this.#random.chance(0.05)) this.#count("doubled");
    else this.#letters.splice(at, 1);
    const machine = this.#machines.get(letter.to);
    if (machine?.node === undefined || this.#sides.get(letter.from) !== this.#sides.get(letter.to)) return;
    this.#count("delivered");
    this.#step(machine, { type: "message", message: letter.message, origin: letter.origin });
  }

  #tick(): void {
    const running = this.#running;
    if (running.length === 0) return;
    let machine = this.#random.pick(running);
    const other = this.#random.pick(running);
    if (other.pace > machine.pace) machine = other;
    this.#step(machine, { type: "tick" });
  }

  /** A client asks whoever it takes for the leader. */
  #ask(event: (id: NodeId) => RaftEvent): void {
    const running = this.#running;
    const leaders = running.filter(({ node }) => node!.isLeader);
    if (running.length === 0) return;
    const machine = this.#random.pick(leaders.length > 0 && this.#random.chance(0.9) ? leaders : running);
    const made = event(machine.id);
    if (made.type !== "propose") this.#tell(`${machine.id} is asked to ${made.type}`);
    this.#step(machine, made, made.type === "propose");
  }

  #propose(): void {
    this.#ask(() => ({ type: "propose", command: encode(`${++this.#commands}`) }));
  }

  #reconfigure(): void {
    if (this.#rots) return this.#rot();
    // Those who are left must stay enough without it.
    if ([...this.#machines.values()].some(({ isLost }) => isLost)) return;
    const ids = [...this.#machines.keys()];
    const kind = this.#random.pick(["addServer", "addServer", "addLearner", "removeServer", "removeServer"] as const);
    if (kind !== "removeServer" && this.#machines.size < this.#founders.length + 3 && this.#random.chance(0.7)) {
      const id = ids.at(-1)! + 1n;
      this.#addMachine(id, true);
      return this.#ask(() => ({ type: kind, id }));
    }
    this.#ask(() => ({ type: kind, id: this.#random.pick(ids) }));
  }

  /** A machine is shut down, something on its disk rots, and it is started again. */
  #rot(): void {
    for (const machine of this.#running) machine.isRotten &&= machine.node!.isDamaged;
    // Damage on a minority is what a cluster must survive.
    const rotten = [...this.#machines.values()].filter(({ isRotten }) => isRotten).length;
    const sound = this.#running.filter(({ isRotten }) => !isRotten);
    if (sound.length === 0 || rotten >= (this.#founders.length - 1) / 2) return;
    const machine = this.#random.pick(sound);
    const { disk, log } = machine;
    machine.node = machine.log = undefined;
    try {
      // What the last flush covered is vouched for from here on: see the last flush, in the README.
      log!.closeSync();
    } catch {
      // Its disk failed, and nothing vouches for that.
      return this.#stop(machine, !disk.hasPower);
    }
    disk.restart();
    machine.isRotten = true;
    const path = this.#random.pick(disk.files().filter((name) => /\.(seg|snap)$/.test(name)));
    const size = disk.content(path).findLastIndex((byte) => byte !== 0) + 1;
    const offset = this.#random.below(size);
    // Mostly so little that the node knows what it lacks, and can be healed.
    const kind = this.#random.chance(0.9) ? "a bit" : this.#random.pick(["a stretch", "the file"] as const);
    if (kind === "a bit") disk.flip(path, offset, 1 << this.#random.below(8));
    else if (kind === "the file") disk.lose(path);
    // Zeros over the end of a log look like a shorter one. The docs name that as what cannot be seen.
    else if (offset < size - CHECKPOINT_BYTES) {
      disk.zero(path, offset, 1 + this.#random.below(size - CHECKPOINT_BYTES - offset));
    }
    this.#tell(`${machine.id}: ${path} rots: ${kind} at byte ${offset} of ${size}`);
    this.#count("rotten");
    this.#start(machine);
  }

  /** Whether the others have heard of a machine's log, durably, and are able to go on without it. */
  #isKnownToAll({ id, log }: Machine, machines: readonly Machine[]): boolean {
    const { incarnation } = log!.identity;
    try {
      return machines.every(({ log, node, isNew }) => {
        log!.syncSync();
        // One that has not heard of anybody asks for no votes.
        if (isNew && log!.lastIndex === 0) return true;
        const { members, incarnations } = new MembershipHistory(log!, node!.members).latest;
        return members.length > 2 && incarnations?.get(id) === incarnation;
      });
    } catch {
      // A disk has failed, which its node will find out.
      return false;
    }
  }

  /** A machine gets an empty disk, and is started again as if nothing had happened. */
  #loseDisk(): void {
    const machines = [...this.#machines.values()];
    if (machines.some(({ isLost }) => isLost)) return;
    for (const machine of machines) if (machine.node === undefined) this.#start(machine);
    const leader = machines.find(({ node }) => node!.isLeader);
    if (leader === undefined) return;
    // The worst that can be lost: what the leader has counted on, just before it falls.
    const founders = machines.filter(({ isNew, id }) => !isNew && id !== leader.id);
    const last = Math.max(...founders.map(({ log }) => log!.lastIndex));
    const machine = this.#random.pick(founders.filter(({ log }) => log!.lastIndex === last));
    if (!this.#isKnownToAll(machine, machines)) return;
    this.#stop(machine, true);
    machine.disk = new SimulatedDisk({ seed: this.#random.next() });
    machine.state = { index: 0, digest: "" };
    machine.isLost = true;
    this.#tell(`${machine.id} has lost its disk`);
    this.#count("disk-lost");
    this.#start(machine);
    if (this.#random.chance(0.7)) this.#stop(leader, true);
  }

  #partition(): void {
    const count = this.#random.chance(this.#trouble) ? this.#random.pick([1, 2, 3]) : 1;
    for (const id of this.#machines.keys()) this.#sides.set(id, this.#random.below(count));
    this.#tell(`the network is in ${count} parts: ${[...this.#sides].map(([id, side]) => `${id}:${side}`).join(" ")}`);
    if (count > 1) this.#count("partition");
  }

  #disturb(): void {
    const stopped = [...this.#machines.values()].filter(({ node }) => node === undefined);
    if (stopped.length > 0 && this.#random.chance(0.7)) return this.#start(this.#random.pick(stopped));
    if (!this.#random.chance(this.#trouble) || this.#running.length === 0) return;
    const machine = this.#random.pick(this.#running);
    if (this.#random.chance(0.4)) {
      const fault = this.#random.pick(["crash", "crash", "EIO", "ENOSPC"] as const);
      this.#tell(`${machine.id}: ${fault} to come`);
      machine.disk.failAfter(fault, this.#random.below(6));
    } else if (this.#running.length > this.#machines.size / 2 || this.#random.chance(0.3)) {
      this.#stop(machine, this.#random.chance(0.6));
    }
  }

  /** A leader falls, or is cut off with some of the others; whoever fell comes back. */
  #fell(): void {
    for (const machine of this.#machines.values()) if (machine.node === undefined) this.#start(machine);
    const leaders = this.#running.filter(({ node }) => node!.isLeader);
    if (leaders.length === 0) return;
    const leader = this.#random.pick(leaders);
    if (this.#random.chance(0.5)) return this.#stop(leader, true);
    for (const id of this.#machines.keys()) this.#sides.set(id, this.#random.chance(0.3) ? 1 : 0);
    this.#sides.set(leader.id, 1);
    this.#tell(`${leader.id} is cut off, with some of the others`);
    this.#count("cut-off");
  }

  async run(): Promise<void> {
    try {
      for (let step = 0; step < STEPS; step++) {
        const dice = this.#random.below(1000);
        if (this.#isStormy && this.#random.chance(0.02)) this.#fell();
        if (dice < 430) this.#deliver();
        else if (dice < 850) this.#tick();
        else if (dice < 930) this.#propose();
        else if (dice < 945) this.#ask(() => ({ type: "readIndex", id: this.#newRead() }));
        else if (dice < 960) this.#disturb();
        else if (dice < 975) this.#reconfigure();
        else if (dice >= 994 && this.#losesDisks) this.#loseDisk();
        else if (dice < 980) {
          this.#ask(() => ({ type: "transferLeadership", target: this.#random.pick([...this.#machines.keys()]) }));
        } else if (dice < 985) this.#partition();
        else if (dice < 988) this.#loss = this.#random.pick([0, 0, 0.1, 0.4]);
        else if (dice < 994) { for (const { disk } of this.#running) disk.idle(); }
        if (this.#isAsync && this.#random.chance(0.7)) await this.#settle(this.#random.below(8));
        if (this.#failure !== undefined) throw this.#failure;
      }
      await this.#calm();
    } catch (error) {
      const story = this.#story.join("\n  ");
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n  ${story}`, { cause: error });
    }
  }

  #newRead(): number {
    return this.#reads.push({ acknowledged: this.#acknowledged }) - 1;
  }

  /** Lets flushes come to an end, or some way towards it. */
  async #settle(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await undefined;
  }

  /** Nothing goes wrong any more: the members agree before long, and new commands are committed. */
  async #calm(): Promise<void> {
    this.#loss = this.#trouble = 0;
    this.#sides.clear();
    await this.#settle(50);
    if (this.#failure !== undefined) throw this.#failure;
    this.#letters = [];
    for (const machine of this.#machines.values()) {
      machine.disk.heal();
      // All start anew: a transfer without a time limit would else keep its leader from taking commands for ever.
      if (machine.node !== undefined) this.#stop(machine, false);
      this.#start(machine);
    }
    const wanted = this.#safety.committedIndex + 1;
    for (let round = 0; !this.#agrees(wanted); round++) {
      if (round >= CALM_ROUNDS_MAX && this.#config.finishRemoval !== true) return this.#count("stuck-by-removal");
      this.#safety.require(round < CALM_ROUNDS_MAX, "Progress", () => this.#describe());
      for (const machine of this.#running) this.#step(machine, { type: "tick" });
      await this.#settle(50);
      const letters = this.#letters.splice(0);
      for (const { to, message, origin } of letters) {
        const machine = this.#machines.get(to);
        if (machine?.node !== undefined) this.#step(machine, { type: "message", message, origin });
        if (this.#isAsync) await this.#settle(4);
      }
      const leader = this.#running.find(({ node }) => node!.isLeader);
      if (round % 40 === 30 && leader !== undefined) {
        this.#step(leader, { type: "propose", command: encode(`${++this.#commands}`) }, true);
      }
      // What a repair cannot put back, a snapshot of what is committed replaces.
      if (round % 40 === 39 && leader !== undefined && this.#running.some(({ node }) => node!.isDamaged)) {
        this.#count("snapshot-to-heal");
        this.#step(leader, { type: "propose", command: encode(`${++this.#commands}`) }, true);
        const { index } = leader.state;
        if (index > 0) this.#step(leader, { type: "snapshot", index, data: encode(JSON.stringify(leader.state)) });
      }
      await this.#settle(50);
      if (this.#failure !== undefined) throw this.#failure;
    }
    for (const { node } of this.#running) if (node!.isDamaged) this.#count("stayed-out");
    this.#count("calm");
  }

  /** Whether a leader and all of its members have applied everything, a new command included. */
  #agrees(wanted: Index): boolean {
    const leader = this.#running.filter(({ node }) => node!.isLeader).sort((a, b) => b.node!.term - a.node!.term)[0];
    if (leader === undefined) return false;
    const { members, commitIndex, log } = leader.node!;
    if (commitIndex < wanted || commitIndex < log.lastIndex) return false;
    return members.every((id) => {
      const { node, isLost } = this.#machines.get(id)!;
      return isLost || node!.lastApplied === commitIndex || hasLostItsEnd(node!);
    });
  }

  #describe(): string {
    return this.#running.map(({ id, node }) =>
      `${id} ${node!.role} term ${node!.term} leader ${node!.leader} commit ${node!.commitIndex} ` +
      `last ${node!.log.lastIndex} members ${node!.members}` +
      `${node!.isDamaged ? ` damaged ${JSON.stringify((node!.log as WatchedLog).damaged)}` : ""}`
    ).join("; ");
  }
}

/** What nodes keep behind snapshots, from a generator of its own, so that histories without it stay as they were. */
function trailingOf(random: Random): Partial<RaftConfig> {
  if (random.chance(0.6)) return {};
  return { trailingEntries: random.pick([1, 10, 100]), ...random.chance(0.5) ? { trailingBytes: 40 } : {} };
}

/** Whether nothing tells how a node's log ended, so that it stays out until somebody replaces it. */
function hasLostItsEnd(node: RaftNode): boolean {
  return node.isDamaged &&
    (node.log as WatchedLog).damaged.some(({ kind, firstIndex, lastIndex }) =>
      lastIndex === undefined && (firstIndex !== undefined || kind.startsWith("segment"))
    );
}

/** The application's state as a log's snapshot has it; none if that is damaged, and has to come from a leader. */
function stateIn(log: WalLog): Machine["state"] {
  const nothing = { index: 0, digest: "" };
  try {
    const snapshot = log.snapshot();
    return snapshot === undefined ? nothing : JSON.parse(decode(snapshot.data));
  } catch (error) {
    if (error instanceof WalLogError && error.code === "CORRUPT") return nothing;
    throw error;
  }
}

/** Whether a log failed because of its disk, and nothing else. */
function isDiskFailure(error: unknown): boolean {
  if (error instanceof PowerLoss) return true;
  if (error instanceof WalLogError) return error.code === "NO_SPACE" || isDiskFailure(error.cause);
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EIO" || code === "ENOSPC";
}

/** Whether a step was refused that would overtake others. */
function isBusy(error: unknown): boolean {
  return error instanceof WalLogError && error.code === "BUSY";
}

/** Whether others rely from now on that the node does not forget. */
function isPromise(action: Action): boolean {
  if (action.type === "apply") return true;
  if (action.type !== "send") return false;
  const { message } = action;
  return (message.type === "requestVoteReply" && message.voteGranted) || message.type === "requestVote" ||
    (message.type === "appendEntriesReply" && message.success);
}

function hash(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(36);
}

/**
 * Runs a history.
 *
 * @param seed Which.
 * @param counts What happens in it is added to these.
 */
export async function simulateRaft(seed: number, counts: Counts): Promise<void> {
  try {
    await new Simulation(seed, counts).run();
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
