/**
 * Whether a cluster has kept its promises.
 *
 * @module
 */

import type { Clients } from "./clients.ts";
import { checkHistory, describeCounterexample } from "./linearizability.ts";
import { type ClusterProcesses, isSame } from "./processes.ts";

/** Reads at a time. */
const READERS = 16;

/** What was found. */
export interface Judgement {
  /** Pages of the ledger whose writes were acknowledged; all of them were read again. */
  readonly pages: number;
  /** Operations in the history. */
  readonly operations: number;
  /** Up to here all replicas have the same; `undefined` if they do not. */
  readonly applied: number | undefined;
  /** What is wrong, in words; empty if nothing is. */
  readonly wrong: readonly string[];
}

/**
 * Reads again what was acknowledged, compares the replicas, and checks the history.
 *
 * @param cluster A cluster of which all replicas run.
 * @param clients Its clients, which have ended what they were doing and have not been closed.
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
