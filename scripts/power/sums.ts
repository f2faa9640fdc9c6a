/**
 * The sums over all power cuts.
 *
 * @module
 */

import type { DiskResult } from "./bench.ts";

/** The sums over all power cuts. */
export interface Sums {
  cuts: number;
  problems: number;
  judged: number;
  torn: number;
  ahead: number;
  acknowledged: number;
  /** Archives that were judged, those that lacked something of the log, and reports that an index is archived. */
  archives: number;
  behind: number;
  promises: number;
  /** Cuts that lost or kept unflushed blocks. */
  unflushed: number;
  /** Cuts with a block that was kept in part. */
  tornBlocks: number;
  /** Cuts after a request that failed with EIO. */
  errors: number;
  /** Cuts by file system, by the guest's action, and by the unflushed data of the log. */
  readonly systems: Map<string, number>;
  readonly phases: Map<string, number>;
  readonly kinds: Map<string, number>;
}

/**
 * No cuts.
 *
 * @returns Sums that are 0.
 */
export function noSums(): Sums {
  return {
    cuts: 0,
    problems: 0,
    judged: 0,
    torn: 0,
    ahead: 0,
    acknowledged: 0,
    archives: 0,
    behind: 0,
    promises: 0,
    unflushed: 0,
    tornBlocks: 0,
    errors: 0,
    systems: new Map(),
    phases: new Map(),
    kinds: new Map(),
  };
}

/**
 * Adds the result of one disk.
 *
 * @param sums The sums.
 * @param fs Its file system.
 * @param result The result.
 */
export function addResult(sums: Sums, fs: string, { cuts, counts, archiveCounts, problem }: DiskResult): void {
  sums.cuts += cuts.length;
  sums.problems += Number(problem !== undefined);
  sums.judged += counts.judged;
  sums.torn += counts.torn;
  sums.ahead += counts.ahead;
  sums.acknowledged += counts.acknowledged;
  sums.archives += archiveCounts.archives;
  sums.behind += archiveCounts.behind;
  sums.promises += archiveCounts.promises;
  for (const { phase, hadError, report } of cuts) {
    sums.unflushed += Number(report.blocks > 0);
    sums.tornBlocks += Number(report.tornBlocks > 0);
    sums.errors += Number(hadError);
    count(sums.systems, fs);
    count(sums.phases, phase);
    for (const kind of report.kinds) count(sums.kinds, kind);
  }
}

/**
 * The sums as text.
 *
 * @param sums The sums.
 * @param seed The seed of the first disk.
 * @param seconds The time of all cuts.
 * @param bootSeconds The time until the machine was booted and saved.
 * @returns Some lines. The last one says what was shown.
 */
export function summary(sums: Sums, seed: number, seconds: number, bootSeconds: number): string {
  return `cut while: ${inOrder(sums.phases)}
unflushed data of the log at the cut: ${inOrder(sums.kinds)}
${sums.unflushed} cuts had unflushed writes, ${sums.tornBlocks} kept parts of 4 KiB, ${sums.errors} came after EIO
the log was judged ${sums.judged} times: ${sums.torn} torn, ${sums.ahead} with unacknowledged steps
the archive was judged ${sums.archives} times: ${sums.behind} behind the log, ${sums.promises} indexes reported as archived
booted in ${bootSeconds.toFixed(0)} s, then ${(seconds / sums.cuts).toFixed(1)} s a cut; first seed ${seed}
${sums.cuts} power cuts (${inOrder(sums.systems)}), ${sums.acknowledged} acknowledged steps: ${
    sums.problems === 0 ? "none lost, no log damaged" : `${sums.problems} disks WRONG`
  }`;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function inOrder(counts: ReadonlyMap<string, number>): string {
  return [...counts].sort((a, b) => b[1] - a[1]).map(([key, count]) => `${key} ${count}`).join(", ") || "none";
}
