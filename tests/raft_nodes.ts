/** Nodes and events that the tests of the Raft node share. */

import assert from "node:assert/strict";
import { type Action, RaftNode } from "../src/raft/mod.ts";
import { type NodeId, WalLogError } from "../mod.ts";
import type { MemoryLog } from "../src/api/memory_log.ts";
import type { Cluster } from "./raft_cluster.ts";

export const TICK = { type: "tick" } as const;
export const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
export const propose = (text: string) => ({ type: "propose", command: bytes(text) }) as const;
export const actionsOf = (cluster: Cluster, type: Action["type"], node?: NodeId): unknown[] =>
  cluster.done.filter((one) => one.action.type === type && (node === undefined || one.node === node))
    .map(({ action }) => action);

export function elected(log?: MemoryLog): RaftNode {
  const node = new RaftNode({ id: 1n }, log);
  while (!node.isLeader) node.step(TICK);
  return node;
}

export function refuses(action: () => unknown, code: string): WalLogError {
  let found: unknown;
  assert.throws(action, (error) => {
    found = error;
    return error instanceof WalLogError && error.code === code;
  });
  return found as WalLogError;
}
