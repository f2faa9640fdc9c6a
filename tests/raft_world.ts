/** A Raft cluster on simulated machines: nodes are started, stepped and stopped. */

import {
  type Action,
  type RaftConfig,
  type RaftEvent,
  RaftNode,
  type ReadFailedAction,
  type ReadReadyAction,
} from "../src/raft/mod.ts";
import { type Index, type NodeId, WalLog, WalLogError } from "../mod.ts";
import { Random } from "../src/testing/mod.ts";
import { Clients, requireLeaderChange } from "./raft_clients.ts";
import { Safety, WatchedLog } from "./raft_safety.ts";
import { settingsOf } from "./raft_settings.ts";
import {
  type Claims,
  claimsOf,
  type Counts,
  decode,
  encode,
  FOLDER,
  hash,
  isBusy,
  isDiskFailure,
  isPromise,
  type Letter,
  LETTERS_MAX,
  type Machine,
  machineOf,
  type Read,
  stateIn,
  STORY_LINES,
} from "./raft_machines.ts";

/** The errors of requests that no node can carry out. */
const IMPOSSIBLE = /(the last member|already the leader|not a voting member|cannot replace itself|has lost its log)$/;

/** A cluster on simulated machines, and the network between them. */
export class RaftWorld {
  readonly random: Random;
  readonly counts: Counts;
  readonly safety = new Safety();
  readonly config: Partial<RaftConfig>;
  readonly machines = new Map<NodeId, Machine>();
  readonly founders: readonly NodeId[];
  /** Whether nodes mostly use `stepAsync`. They then use `step` only now and then, where that is possible. */
  readonly isAsync: boolean;
  /**
   * Whether leaders fail after each entry that reaches a node, before it reaches all. These histories have entries of
   * several terms, some of them on a majority.
   */
  readonly isStormy: boolean;
  /** Whether bytes rot on the disks, one machine at a time. The members then stay, because repair needs them. */
  readonly rots: boolean;
  /** Whether a machine may lose its disk, or get an old copy of its log. */
  readonly losesDisks: boolean;
  /** Decides which members return with older copies of their logs. If it exists, no other disk is lost. */
  readonly copies: Random | undefined;
  /** The probability that reads of a log begin to fail. */
  readonly readLoss: number;
  /** Whether the application's state is durable by itself. */
  readonly isKept: boolean;
  /** Whether leaders send before their own flush is complete. */
  readonly sendsAhead: boolean;
  /** The id of the cluster in the founders' logs; `undefined` if nobody founds a cluster. */
  readonly cluster: string | undefined;
  /** The probability of each fault. */
  trouble: number;
  readonly story: string[] = [];
  letters: Letter[] = [];
  /** The side of the partition that each node is on; the same for all nodes without a partition. */
  sides = new Map<NodeId, number>();
  loss = 0;
  readonly clients = new Clients(this.safety);
  acknowledged: Index = 0;
  readonly reads: Read[] = [];

  /**
   * @param seed The seed of everything that happens.
   * @param counts The counts of events, which the history increases.
   * @param cluster The id of the cluster.
   * @param like Another cluster whose nodes have the same ids.
   */
  constructor(seed: number, counts: Counts, cluster?: string, like?: RaftWorld) {
    const random = this.random = new Random(seed);
    this.counts = counts;
    this.isAsync = random.chance(0.5);
    this.trouble = random.pick([0.2, 0.5, 1]);
    this.isStormy = random.chance(0.4);
    this.rots = random.chance(0.25);
    this.readLoss = random.pick([0, 0, 0.01]);
    this.isKept = !this.rots && random.chance(0.3);
    this.losesDisks = !this.rots && seed % 2 === 0;
    if (this.losesDisks && new Random(seed + 2 ** 36).chance(0.3)) this.copies = new Random(seed + 2 ** 37);
    this.sendsAhead = this.isAsync && new Random(~seed).chance(0.5);
    const size = this.isStormy ? 5 : random.pick([3, 3, 5, 7]);
    const picked = random.pick([0n, 2n ** 53n, 2n ** 64n - 30n]);
    const base = like === undefined ? picked : like.founders[0]! - 1n;
    this.cluster = cluster;
    this.founders = Array.from({ length: size }, (_, i) => base + BigInt(i + 1));
    this.config = settingsOf(random, seed, this.isStormy);
    for (const id of this.founders) this.addMachine(id, false);
  }

  count(event: string): void {
    this.counts[event] = (this.counts[event] ?? 0) + 1;
  }

  tell(line: string): void {
    this.story.push(line);
    if (this.story.length > STORY_LINES) this.story.shift();
  }

  addMachine(id: NodeId, isNew: boolean): void {
    const machine = machineOf(id, isNew, this.random);
    this.machines.set(id, machine);
    this.start(machine);
  }

  /** Starts the process on a machine, with the contents of its disk. */
  start(machine: Machine): void {
    const { id, disk, isNew } = machine;
    machine.announced = undefined;
    machine.log = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes: 4096, onDamage: "keep" });
    if (this.cluster !== undefined && !isNew && machine.log.identity.cluster === undefined) {
      machine.log.foundCluster(this.cluster);
    }
    const peers = this.founders.filter((peer) => peer !== id);
    // The state lacks entries that a leader's snapshot has replaced since.
    if (!this.isKept || machine.state.index < machine.log.snapshotIndex) machine.state = stateIn(machine.log);
    const applied = this.isKept ? Math.max(machine.state.index, machine.log.snapshotIndex) : 0;
    const config = { ...this.config, id, applied, ...isNew ? { joining: true } : { peers } };
    // Reads of a process can fail temporarily, for example without free descriptors.
    let left = 0;
    const failsRead = (): boolean => {
      if (left > 0) return --left > 0;
      if (this.random.chance(this.readLoss * this.trouble)) left = this.random.below(20);
      return left > 0;
    };
    const watched = new WatchedLog(machine.log, this.safety);
    const sendAhead = (action: Action) => {
      this.count("sent-ahead");
      this.attempt(() => machine.node?.log === watched && this.carryOut(machine, machine.node, action));
    };
    machine.node = RaftNode.withLog({ ...config, ...this.sendsAhead ? { sendAhead } : {} }, watched);
    (machine.node.log as WatchedLog).failsRead = failsRead;
    this.tell(
      `${id} starts, applied ${applied}, last ${machine.log.lastIndex}, snapshot ${machine.log.snapshotIndex}`,
    );
    if (machine.node.isDamaged) this.count("damaged");
  }

  /** Ends the process on a machine. With `power`, its page cache is lost too. */
  stop(machine: Machine, power: boolean): void {
    machine.log = machine.node = undefined;
    if (power) machine.disk.crash();
    else machine.disk.restart();
    this.count(power ? "power-cut" : "killed");
    this.tell(`${machine.id} is ${power ? "cut off its power" : "killed"}`);
  }

  get running(): Machine[] {
    return [...this.machines.values()].filter(({ node }) => node !== undefined);
  }

  /** Steps a node with an event. Its actions are carried out when the step returns them. */
  step(machine: Machine, event: RaftEvent, isOwn = false): void {
    const node = machine.node!;
    const before = node.log.lastIndex;
    const { role, term } = node;
    try {
      if (!this.isAsync || this.random.chance(0.2)) {
        const actions = node.step(event);
        this.safety.stepped(node);
        this.release(machine, node, actions, claimsOf(node));
      } else this.stepLater(machine, node, event);
    } catch (error) {
      if (this.isAsync && isBusy(error)) this.stepLater(machine, node, event);
      else this.refused(machine, node, error, event);
    }
    if (isOwn && node.log.lastIndex > before) this.count("proposed");
    if (node.role !== role || node.term !== term) this.tell(`${machine.id} is a ${node.role} in term ${node.term}`);
  }

  /** Steps a node with `stepAsync`. Its actions wait for a flush. */
  stepLater(machine: Machine, node: RaftNode, event: RaftEvent): void {
    const step = node.stepAsync(event);
    this.safety.stepped(node);
    const claims = claimsOf(node);
    step.then(
      (actions) => this.attempt(() => this.release(machine, node, actions, claims)),
      (error) => this.attempt(() => this.refused(machine, node, error, event)),
    );
  }

  failure: unknown;

  /** Runs a callback. The history throws its error. */
  attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.failure ??= error;
    }
  }

  refused(machine: Machine, node: RaftNode, error: unknown, event: RaftEvent): void {
    // The actions of an ended process are lost.
    if (machine.node !== node) return;
    if (!(error instanceof WalLogError)) throw error;
    if (event.type === "propose" && error.code !== "POISONED") this.clients.refused(event.id!);
    if (["NOT_LEADER", "OVERLOADED", "NO_SPACE", "CONFIG_IN_PROGRESS"].includes(error.code)) {
      return this.count(error.code);
    }
    if (error.code === "INVALID_ARGUMENT" && IMPOSSIBLE.test(error.message)) return;
    // The disk failed: the process ends. The machine ends too if the fault was a power cut.
    if (error.code !== "POISONED" || !isDiskFailure(error.cause)) throw error;
    this.tell(`${machine.id}: ${error.message}`);
    this.count("disk-failed");
    this.stop(machine, !machine.disk.hasPower);
  }

  /** Carries out a node's actions. Only now do the role and the commit index of its step count as claimed. */
  release(machine: Machine, node: RaftNode, actions: readonly Action[], { leads, commitIndex }: Claims): void {
    if (machine.node !== node) return;
    if (leads !== undefined) this.safety.led(node.id, leads);
    if (!node.isDamaged) this.safety.committed(node, Math.min(commitIndex, node.lastApplied));
    for (const action of actions) {
      // A snapshot of the node itself can have ended the process.
      if (machine.node === node) this.carryOut(machine, node, action);
    }
    // It is hardest for a machine to lose its memory just after a promise.
    if (machine.node === node && actions.some(isPromise) && this.random.chance(0.03 * this.trouble)) {
      this.count("promised-and-cut");
      this.stop(machine, true);
    }
  }

  carryOut(machine: Machine, node: RaftNode, action: Action): void {
    const { id, state } = machine;
    switch (action.type) {
      case "send":
        return this.send({ from: id, to: action.to, message: action.message, origin: machine.log!.identity });
      case "apply": {
        this.clients.applied(action);
        const digest = hash(`${state.digest} ${action.index} ${action.term} ${decode(action.command)}`);
        machine.state = { index: action.index, digest };
        this.safety.applied(id, action.index, digest);
        if (node.isLeader && node.term === action.term) {
          this.acknowledged = Math.max(this.acknowledged, action.index);
        }
        return this.count("applied");
      }
      case "snapshot":
        if (this.random.chance(0.6) && machine.state.index > 0) {
          this.count("snapshot");
          // The term of the last applied command. Configurations may follow it.
          const index = machine.state.index;
          return this.step(machine, { type: "snapshot", index, data: encode(JSON.stringify(machine.state)) });
        }
        return;
      case "moreToApply":
        this.count("moreToApply");
        // Without faults, it applies all that it can: there can be hundreds of entries.
        if (this.trouble > 0 && this.random.chance(0.5)) return;
        return this.step(machine, { type: "applyMore" });
      case "restoreSnapshot":
        machine.state = JSON.parse(decode(action.data));
        this.safety.applied(id, machine.state.index, machine.state.digest);
        return this.count("restored");
      case "readReady":
      case "readFailed":
        return this.answerRead(node, action);
      case "proposed":
      case "proposalFailed":
        this.clients.told(action);
        return this.count(node.isLeader ? action.type : `${action.type}-forwarded`);
      case "memberLost":
        // Damage that removes all segments also makes it a different log.
        this.safety.require(
          this.rots || this.machines.get(action.id)!.isLost,
          "Members keep their logs",
          () => `${id} says that ${action.id} has not`,
        );
        return this.count("memberLost");
      case "leaderChanged":
        requireLeaderChange(this.safety, machine, action);
        return this.count("leaderChanged");
      case "membershipChanged":
        if (node.status().replacement !== null) this.count("replacing");
        this.tell(`${id} has members ${action.members}, learners ${action.learners ?? "none"}`);
        return this.count("membershipChanged");
      default:
        return this.count(action.type);
    }
  }

  /** A client requests a read from a machine. */
  read(machine: Machine): Read {
    const read: Read = { acknowledged: this.acknowledged, answer: undefined };
    this.step(machine, { type: "readIndex", id: this.reads.push(read) - 1 });
    return read;
  }

  answerRead(node: RaftNode, action: ReadReadyAction | ReadFailedAction): void {
    const { type, id } = action;
    const read = this.reads[id]!;
    this.safety.require(read.answer === undefined, "Reads are answered once", () => `${id} is answered again`);
    read.answer = type;
    if (type === "readFailed") return this.count("readFailed");
    this.safety.read(action.index, read.acknowledged);
    this.safety.require(
      node.lastApplied >= action.index,
      "Reads see what they must",
      () => `${node.id} has applied ${node.lastApplied} of ${action.index}`,
    );
    this.count(node.isLeader ? "read" : "read-forwarded");
  }

  send(letter: Letter): void {
    const { message } = letter;
    // A node that has lost its disk may vote a second time. That vote must not count.
    const { isLost } = this.machines.get(letter.from)!;
    if (message.type === "requestVoteReply" && message.voteGranted && !isLost) {
      this.safety.voted(letter.from, message.term, letter.to);
    }
    if (message.type === "appendEntries" && message.entries.length > 0) {
      const { log } = this.machines.get(letter.from)!;
      if (message.prevLogIndex < log!.snapshotIndex) this.count("behind-snapshot");
    }
    if (this.random.chance(this.loss)) return this.count("lost");
    this.letters.push(letter);
    if (this.letters.length > LETTERS_MAX) this.letters.shift();
  }

  /** Delivers one of the oldest messages, so that messages can overtake each other. */
  deliver(): void {
    if (this.letters.length === 0) return;
    const at = this.random.below(Math.min(this.letters.length, this.random.pick([1, 1, 4, LETTERS_MAX])));
    const letter = this.letters[at]!;
    if (this.random.chance(0.05)) this.count("doubled");
    else this.letters.splice(at, 1);
    const { from, to, message, origin } = letter;
    const machine = this.machines.get(to);
    if (machine?.node === undefined || this.sides.get(from) !== this.sides.get(to)) return;
    this.count("delivered");
    this.step(machine, { type: "message", message, origin });
  }
}
