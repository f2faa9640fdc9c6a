/**
 * Checks whether a cluster has kept its promises.
 *
 * @module
 */

import type { Clients } from "./clients.ts";
import { checkHistory, describeCounterexample } from "./linearizability.ts";
import { type ClusterProcesses, isSame } from "./processes.ts";

/** The number of concurrent reads. */
const READERS = 16;

/** The result. */
export interface Judgement {
  /** The number of acknowledged pages of the ledger. The judge has read each of them again. */
  readonly pages: number;
  /** The number of operations in the history. */
  readonly operations: number;
  /** The index up to which all replicas are equal; `undefined` if they differ. */
  readonly applied: number | undefined;
  /** The violations, in words; empty if there are none. */
  readonly wrong: readonly string[];
}

/**
 * Reads all acknowledged pages again, compares the replicas, and checks the history.
 *
 * @param cluster The cluster. All replicas must be running.
 * @param clients Its clients. They must be stopped but not closed.
 */
export async function judge(cluster: ClusterProcesses, clients: Clients): Promise<Judgement> {
  const wrong: string[] = [];
  const pages = [...clients.ledger];
  await Promise.all(Array.from({ length: READERS }, async () => {
    for (let page = pages.pop(); page !== undefined; page = pages.pop()) {
      const [key, value] = page;
      const found = await clients.readLast(key);
      if (found !== value) wrong.push(`LOST: ${key} was acknowledged with ${value}, found ${found}`);
    }
  }));
  const contents = await cluster.converged();
  const areSame = isSame(contents);
  if (!areSame) wrong.push(`DIFFERENT: the replicas do not come to the same: ${JSON.stringify(contents)}`);
  for (const { id, hasFailed, errors } of cluster.replicas) {
    if (hasFailed) wrong.push(`FAILED: a process of replica ${id} has ended by itself:\n${errors}`);
  }
  const { isLinearizable, counterexample } = checkHistory(clients.history);
  if (!isLinearizable) wrong.push(`NOT LINEARIZABLE: ${describeCounterexample(counterexample!)}`);
  return {
    pages: clients.ledger.size,
    operations: clients.history.length,
    applied: areSame ? contents[0]!.applied : undefined,
    wrong,
  };
}
