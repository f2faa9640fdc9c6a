/**
 * The amount of work of a benchmark run.
 *
 * @module
 */

import { GIB, MIB } from "./units.ts";

/** The amount of work. */
export interface Extent {
  readonly rounds: number;
  /** The number of entries of 128 B to recover. */
  readonly smallEntries: number;
  /** The size of the logs of larger entries to recover, in bytes. */
  readonly recoveryBytes: number;
  /** The size of the log that is recovered with a second core, in bytes. */
  readonly twoCoreBytes: number;
  /** The size of the larger log that is opened from its segment indexes, in bytes. */
  readonly tailBytes: number;
  /** The number of entries of the log whose memory is measured. */
  readonly memoryEntries: number;
  /** The number of commits of one caller. */
  readonly commits: number;
  /** Whether the peers run in every case, or only where a target or the reader needs them. */
  readonly hasAllPeers: boolean;
}

/** A quick run: under two minutes, in one runtime. */
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

/** The run that is recorded. */
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
