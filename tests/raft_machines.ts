/** Machines of a simulated Raft cluster, and the messages between them. */

import { resolve } from "node:path";
import type { Action, LeaderChangedAction, Message, Origin, RaftNode } from "../src/raft/mod.ts";
import { type Index, type NodeId, type Term, type WalLog, WalLogError } from "../mod.ts";
import { PowerLoss, type Random, SimulatedDisk } from "../src/testing/mod.ts";

export const FOLDER = resolve("/raft.wal");
export const STEPS = 3000;
/** The most messages on their way: beyond, the oldest is lost. */
export const LETTERS_MAX = 200;
/** Rounds of ticks within which a cluster that nothing disturbs must agree. */
export const CALM_ROUNDS_MAX = 400;
/** Things that happened which a failure tells of. */
export const STORY_LINES = 40;

/** Counts of events over all histories. */
export type Counts = Record<string, number>;

export interface Letter {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: Message;
  /** The log that it comes from. */
  readonly origin: Origin;
}

/** A machine with its disk, and the process on it, if one runs. */
export interface Machine {
  readonly id: NodeId;
  disk: SimulatedDisk;
  /** How fast its clock runs: how likely it is to be the next one to tick. */
  readonly pace: number;
  readonly isNew: boolean;
  log: WalLog | undefined;
  node: RaftNode | undefined;
  /** Whether its disk has rotted since it was last seen to be whole. */
  isRotten: boolean;
  /** Whether it has lost its disk or got an old copy of its log, and was started again as if it had not. */
  isLost: boolean;
  /** The files of its last backup; `undefined` if there is none. */
  backup: ReadonlyMap<string, Uint8Array> | undefined;
  /** A copy of its log's files, with the last index at that time; `undefined` if nobody copied them. */
  copy: { readonly files: ReadonlyMap<string, Uint8Array>; readonly lastIndex: Index } | undefined;
  /** What its process last told of the leader. */
  announced: Pick<LeaderChangedAction, "term" | "leader" | "role"> | undefined;
  /** The application: a digest of everything applied, and up to where. */
  state: { index: Index; digest: string };
}

/** A machine with an empty disk, which is off. */
export function machineOf(id: NodeId, isNew: boolean, random: Random): Machine {
  return {
    ...{ id, isNew, disk: new SimulatedDisk({ seed: random.next() }), pace: 1 + random.below(3) },
    ...{ log: undefined, node: undefined, announced: undefined, backup: undefined, copy: undefined },
    ...{ isRotten: false, isLost: false, state: { index: 0, digest: "" } },
  };
}

/** What a node claims to be after a step whose actions have not left it yet. */
export interface Claims {
  /** The term that it leads in, if it does. */
  readonly leads: Term | undefined;
  readonly commitIndex: Index;
}

export function claimsOf({ isLeader, term, commitIndex }: RaftNode): Claims {
  return { leads: isLeader ? term : undefined, commitIndex };
}

/** A read under way: what had been acknowledged when it was asked for. */
export interface Read {
  readonly acknowledged: Index;
  /** How it was answered. */
  answer: "readReady" | "readFailed" | undefined;
}

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
export const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The application's state as a log's snapshot has it; none if that is damaged, and has to come from a leader. */
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

/** Whether a log failed because of its disk, and nothing else. */
export function isDiskFailure(error: unknown): boolean {
  if (error instanceof PowerLoss) return true;
  if (error instanceof WalLogError) return error.code === "NO_SPACE" || isDiskFailure(error.cause);
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EIO" || code === "ENOSPC";
}

/** Whether a step was refused that would overtake others. */
export function isBusy(error: unknown): boolean {
  return error instanceof WalLogError && error.code === "BUSY";
}

/** Whether others rely on the node's memory after this action. */
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
