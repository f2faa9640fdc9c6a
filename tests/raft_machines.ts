/** Machines of a simulated Raft cluster, and the messages between them. */

import { resolve } from "node:path";
import type { Action, LeaderChangedAction, Message, Origin, RaftNode } from "../src/raft/mod.ts";
import { type Index, type NodeId, type Term, type WalLog, WalLogError } from "../mod.ts";
import { PowerLoss, type Random, SimulatedDisk } from "../src/testing/mod.ts";

export const FOLDER = resolve("/raft.wal");
export const STEPS = 3000;
/** The maximum number of messages in flight. Beyond it, the oldest is lost. */
export const LETTERS_MAX = 200;
/** The maximum number of rounds of ticks in which a cluster without faults must agree. */
export const CALM_ROUNDS_MAX = 400;
/** The number of recent events in the report of a failure. */
export const STORY_LINES = 40;

/** Counts of events over all histories. */
export type Counts = Record<string, number>;

export interface Letter {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: Message;
  /** The identity of the sender's log. */
  readonly origin: Origin;
}

/** A machine with its disk, and the process that runs on it, if there is one. */
export interface Machine {
  readonly id: NodeId;
  disk: SimulatedDisk;
  /** The speed of its clock: the probability that it ticks next. */
  readonly pace: number;
  readonly isNew: boolean;
  log: WalLog | undefined;
  node: RaftNode | undefined;
  /** Whether its disk may have rotted since it was last verified. */
  isRotten: boolean;
  /** Whether it has lost its disk or got an old copy of its log, and was restarted as if nothing had happened. */
  isLost: boolean;
  /** The files of its last backup; `undefined` if there is none. */
  backup: ReadonlyMap<string, Uint8Array> | undefined;
  /** A copy of its log's files, with the last index at that time; `undefined` if there is none. */
  copy: { readonly files: ReadonlyMap<string, Uint8Array>; readonly lastIndex: Index } | undefined;
  /** The leader and role that its process last reported. */
  announced: Pick<LeaderChangedAction, "term" | "leader" | "role"> | undefined;
  /** The application: a digest of all applied entries, and the last applied index. */
  state: { index: Index; digest: string };
}

/** A stopped machine with an empty disk. */
export function machineOf(id: NodeId, isNew: boolean, random: Random): Machine {
  return {
    ...{ id, isNew, disk: new SimulatedDisk({ seed: random.next() }), pace: 1 + random.below(3) },
    ...{ log: undefined, node: undefined, announced: undefined, backup: undefined, copy: undefined },
    ...{ isRotten: false, isLost: false, state: { index: 0, digest: "" } },
  };
}

/** The claims of a node after a step whose actions are not yet carried out. */
export interface Claims {
  /** The term in which it leads; `undefined` if it does not. */
  readonly leads: Term | undefined;
  readonly commitIndex: Index;
}

export function claimsOf({ isLeader, term, commitIndex }: RaftNode): Claims {
  return { leads: isLeader ? term : undefined, commitIndex };
}

/** A read in progress, and the index that was acknowledged when it was requested. */
export interface Read {
  readonly acknowledged: Index;
  /** Its answer. */
  answer: "readReady" | "readFailed" | undefined;
}

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
export const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/**
 * The application's state in a log's snapshot; the initial state if the snapshot is damaged and must come from a
 * leader.
 */
export function stateIn(log: WalLog): Machine["state"] {
  const nothing = { index: 0, digest: "" };
  try {
    const snapshot = log.snapshot();
    return snapshot === undefined ? nothing : JSON.parse(decode(snapshot.data));
  } catch (error) {
    if (error instanceof WalLogError && error.code === "CORRUPT") return nothing;
    throw error;
  }
}

/** Whether a log failed only because of its disk. */
export function isDiskFailure(error: unknown): boolean {
  if (error instanceof PowerLoss) return true;
  if (error instanceof WalLogError) return error.code === "NO_SPACE" || isDiskFailure(error.cause);
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EIO" || code === "ENOSPC";
}

/** Whether a step was rejected because it would overtake others. */
export function isBusy(error: unknown): boolean {
  return error instanceof WalLogError && error.code === "BUSY";
}

/** Whether other nodes rely on the node's durable state after this action. */
export function isPromise(action: Action): boolean {
  if (action.type === "apply") return true;
  if (action.type !== "send") return false;
  const { message } = action;
  return (message.type === "requestVoteReply" && message.voteGranted) || message.type === "requestVote" ||
    (message.type === "appendEntriesReply" && message.success);
}

export function hash(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(36);
}
