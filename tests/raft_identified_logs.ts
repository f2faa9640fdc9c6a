/** Nodes whose logs have an identity: a cluster and an incarnation. */

import { randomUUID } from "node:crypto";
import type { Action, Origin } from "../src/raft/mod.ts";
import type { Index, NodeId } from "../src/api/types.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { Cluster } from "./raft_cluster.ts";

export const IDS = [1n, 2n, 3n];
export const X = "5e14d2b3-2688-89cd-e2a3-98a722e0ab5d";
export const Y = "00000000-0000-4000-8000-000000000007";
export const CONFIG = { strictMembership: true, noOp: true, checkQuorum: true };

/** A log in memory with an identity, as a log on a disk has. */
export class IdentifiedLog extends MemoryLog {
  identity: Origin;

  constructor(cluster: string | undefined, incarnation: string = randomUUID()) {
    super();
    this.identity = { cluster, incarnation };
  }

  foundCluster(cluster: string): void {
    this.identity = { ...this.identity, cluster };
  }

  /** Copies the log as it was when it ended at an index. */
  copy(last: Index = this.lastIndex): IdentifiedLog {
    const copy = new IdentifiedLog(this.identity.cluster, this.identity.incarnation);
    copy.setHardState(this.hardState);
    copy.append(this.entries(1, last));
    return copy;
  }
}

/** Nodes whose logs belong to a cluster. */
export function cluster(config: object = {}): Cluster {
  const made = new Cluster([], { ...CONFIG, ...config });
  for (const id of IDS) made.start(id, IDS.filter((peer) => peer !== id), new IdentifiedLog(X));
  return made;
}

/** A cluster with a leader that has recorded the incarnations of all logs. */
export function led(config: object = {}): Cluster {
  const made = cluster(config);
  made.elect(1n);
  made.propose(1n, "x = 1");
  made.tick(12);
  return made;
}

export const logOf = (nodes: Cluster, id: NodeId) => nodes.node(id).log as IdentifiedLog;

/** The reports of refused and lost nodes to applications: the reporting node, the reported node, and the reason. */
export function told({ done }: Cluster): unknown[] {
  return done.flatMap(({ node, action }: { node: NodeId; action: Action }) => {
    if (action.type === "refused") return [[node, action.from, action.reason]];
    return action.type === "memberLost" ? [[node, action.id, action.reason]] : [];
  });
}
