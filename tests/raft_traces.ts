/**
 * Reads the recorded traces of another implementation of the same consensus core, and replays them.
 *
 * @module
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { type Message, RaftNode } from "../src/raft/mod.ts";
import type { Action, RaftConfig, RaftEvent } from "../src/raft/mod.ts";
import { WalLogError } from "../src/api/errors.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import type { HardState, Index, LogEntry, RaftLog, Snapshot } from "../src/api/types.ts";

/** The folder of the traces, next to the checkout. */
export const TRACES: string = fileURLToPath(new URL("../../shared/reference/raft-traces/", import.meta.url));

type Json = Record<string, unknown>;

/** A line of a trace. */
export interface TraceStep {
  readonly step: number;
  readonly node: string;
  readonly event: Json;
  readonly actions?: Json[];
  readonly error?: Json;
  readonly log_ops: unknown[][];
  readonly state: Json;
}

/** A trace. */
export interface Trace {
  readonly name: string;
  readonly steps: readonly TraceStep[];
  readonly final: {
    readonly steps: number;
    readonly nodes: Record<string, { state: Json; snapshot: Json | null; entries: Json[] }>;
  };
}

/** The names of the traces; empty if the folder does not exist. */
export function traceNames(): string[] {
  if (!existsSync(TRACES)) return [];
  return readdirSync(TRACES).filter((name) => name.endsWith(".jsonl.gz")).map((name) => name.slice(0, -9)).sort();
}

/** Reads a trace. */
export function readTrace(name: string): Trace {
  const text = gunzipSync(readFileSync(`${TRACES}/${name}.jsonl.gz`)).toString();
  const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line));
  return { name, steps: lines.slice(1, -1), final: lines.at(-1) };
}

function lower(text: string): string {
  return text[0]!.toLowerCase() + text.slice(1);
}
function upper(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1);
}
function snake(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
function camel(text: string): string {
  return text.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

const ID_FIELDS = new Set(["id", "candidate", "leader", "from", "to", "target", "peers", "config", "members", "seed"]);
const BYTES_FIELDS = new Set(["command", "data"]);

/** Converts a value of a trace to this library's form. */
function decode(value: unknown, field = ""): unknown {
  if (typeof value === "string") {
    if (field === "type") return lower(value);
    if (field === "kind") return value;
    if (BYTES_FIELDS.has(field)) return Uint8Array.from(value.match(/../g) ?? [], (byte) => parseInt(byte, 16));
    if (ID_FIELDS.has(field)) return BigInt(value);
    return Number(value);
  }
  if (Array.isArray(value)) return value.map((one) => decode(one, field));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [camel(key), decode(one, key)]));
}

/** Converts a value of this library to a trace's form. */
export function encode(value: unknown, field = ""): unknown {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return field === "type" ? upper(value) : value;
  if (value instanceof Uint8Array) return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (Array.isArray(value)) return value.map((one) => encode(one));
  if (typeof value !== "object" || value === null) return value;
  // The snapshots of the other implementation have no meta.
  const fields = Object.entries(value).filter(([key]) => key !== "meta");
  return Object.fromEntries(fields.map(([key, one]) => [snake(key), encode(one, key)]));
}

function configOf(config: Json): RaftConfig {
  const { electionTimeoutMin, electionTimeoutMax, ...rest } = decode(config) as Json & {
    electionTimeoutMin: number;
    electionTimeoutMax: number;
  };
  return { ...rest as unknown as RaftConfig, electionTimeout: [electionTimeoutMin, electionTimeoutMax] };
}

/** A log that records the calls that change it. */
export class RecordingLog extends MemoryLog implements RaftLog {
  calls: unknown[][] = [];
  override append(entries: readonly LogEntry[]): void {
    super.append(entries);
    this.calls.push(["append", String(entries[0]!.index), String(entries.at(-1)!.index)]);
  }
  override truncate(from: Index): void {
    super.truncate(from);
    this.calls.push(["truncate", String(from)]);
  }
  override setHardState(state: HardState): void {
    super.setHardState(state);
    this.calls.push(["hard_state", String(state.term), state.votedFor === null ? null : String(state.votedFor)]);
  }
  override applySnapshot(snapshot: Snapshot): void {
    super.applySnapshot(snapshot);
    this.calls.push(["apply_snapshot", String(snapshot.index), String(snapshot.term)]);
  }
  override syncSync(): Index {
    this.calls.push(["sync"]);
    return super.syncSync();
  }
}

/** The outcome of a step, in a trace's form. */
export interface Outcome {
  readonly actions?: unknown;
  readonly error?: unknown;
  readonly log_ops: unknown[][];
  readonly state: unknown;
}

/** The nodes of a trace. */
export class Replay {
  readonly nodes: Map<string, { node: RaftNode; log: RecordingLog }> = new Map();

  /** Replays the event of a step. */
  replay({ node: name, event }: TraceStep): Outcome {
    if (event.type === "Start" || event.type === "Restart") {
      const log = event.type === "Start" ? new RecordingLog() : this.nodes.get(name)!.log;
      log.calls = [];
      const node = RaftNode.withLog(configOf(event.config as Json), log);
      this.nodes.set(name, { node, log });
      return { actions: [], log_ops: log.calls, state: stateOf(node) };
    }
    const { node, log } = this.nodes.get(name)!;
    log.calls = [];
    const { from: _, ...rest } = decode(event) as { from?: unknown; message?: Message };
    let outcome: { actions?: unknown; error?: unknown };
    try {
      outcome = { actions: node.step(rest as unknown as RaftEvent).map((action: Action) => encode(action)) };
    } catch (error) {
      if (!(error instanceof WalLogError)) throw error;
      outcome = { error: errorOf(error) };
    }
    return { ...outcome, log_ops: log.calls, state: stateOf(node) };
  }
}

function errorOf(error: WalLogError): Json {
  if (error.code === "NOT_LEADER") return { kind: "NotLeader", leader: encode(error.leader) };
  if (error.code === "CONFIG_IN_PROGRESS") return { kind: "ConfigInProgress" };
  throw error;
}

/** A node's state, in a trace's form. */
export function stateOf(node: RaftNode): Json {
  const { log } = node;
  return {
    role: upper(node.role),
    term: String(node.term),
    leader: encode(node.leader) as string | null,
    commit: String(node.commitIndex),
    applied: String(node.lastApplied),
    members: node.members.map(String),
    last_index: String(log.lastIndex),
    last_term: String(log.lastTerm),
    snapshot_index: String(log.snapshotIndex),
    hard_term: String(log.hardState.term),
    voted_for: encode(log.hardState.votedFor) as string | null,
  };
}
