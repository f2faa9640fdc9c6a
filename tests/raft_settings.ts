/** The configuration of the nodes in a simulated Raft cluster. */

import type { RaftConfig } from "../src/raft/mod.ts";
import { Random } from "../src/testing/mod.ts";

/**
 * Chooses the configuration of a history's nodes.
 *
 * @param random The history's generator. Later options have their own generators, so that histories without them do not
 * change.
 * @param seed The history's seed.
 * @param isStormy Whether leaders fail again and again.
 */
export function settingsOf(random: Random, seed: number, isStormy: boolean): Partial<RaftConfig> {
  return {
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
    ...random.chance(isStormy ? 0.1 : 0.5) ? { noOp: true } : {},
    ...random.chance(0.7) ? { transferTimeout: 15 } : {},
    finishRemoval: random.chance(0.8),
    announceLeader: true,
    promoteLearners: new Random(seed + 2 ** 34).chance(0.7),
    addresses: new Map([[1n, "one"], [2n, "two"]]),
    forwardReads: new Random(seed + 2 ** 32).chance(0.6),
    forwardProposals: new Random(seed + 2 ** 33).chance(0.6),
  };
}

/** Chooses the entries that nodes keep after snapshots. */
function trailingOf(random: Random): Partial<RaftConfig> {
  if (random.chance(0.6)) return {};
  return { trailingEntries: random.pick([1, 10, 100]), ...random.chance(0.5) ? { trailingBytes: 40 } : {} };
}
