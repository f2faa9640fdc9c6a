/**
 * How much a run of the benchmark does.
 *
 * @module
 */

import { GIB, MIB } from "./units.ts";

/** How much is done. */
export interface Extent {
  readonly rounds: number;
  /** Entries of 128 B that are recovered. */
  readonly smallEntries: number;
  /** Size of the logs of larger entries that are recovered. In bytes. */
  readonly recoveryBytes: number;
  /** Size of the log that is worth a second core. In bytes. */
  readonly twoCoreBytes: number;
  /** Size of the larger log that is opened from its footers. In bytes. */
  readonly tailBytes: number;
  /** Entries of the log whose memory is measured. */
  readonly memoryEntries: number;
  /** Commits of one caller. */
  readonly commits: number;
  /** Whether the peers are run in every case, or only where a target or the reader needs them. */
  readonly hasAllPeers: boolean;
}

/** In under two minutes, in one runtime. */
export const QUICK: Extent = {
  rounds: 5,
  smallEntries: 500_000,
  recoveryBytes: 256 * MIB,
  twoCoreBytes: 640 * MIB,
  tailBytes: GIB,
  memoryEntries: 1_000_000,
  commits: 500,
  hasAllPeers: false,
};

/** What is recorded. */
export const FULL: Extent = {
  rounds: 9,
  smallEntries: 3_000_000,
  recoveryBytes: 480 * MIB,
  twoCoreBytes: 2 * GIB,
  tailBytes: 4 * GIB,
  memoryEntries: 10_000_000,
  commits: 2000,
  hasAllPeers: true,
};
