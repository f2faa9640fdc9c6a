/**
 * The parts of a comparison, and shared parts of all comparisons.
 *
 * @module
 */

import { frameBytes, LENGTH_BYTES } from "../../src/format/frame.ts";
import type { Extent } from "../extent.ts";
import type { MetricName, Target } from "../results.ts";
import { PEERS, storeNamed } from "../stores/all.ts";
import { KIB } from "../units.ts";
import type { Task } from "../workloads.ts";

/** A side that measures the cost of a process: of a bare runtime, or with an open log. */
export interface FreshProcess {
  readonly workload: "fresh";
  /** The log's folder; undefined for a bare runtime. */
  readonly folder?: string;
  /** Whether the log is new each time. */
  readonly isNew?: boolean;
}

/** One side of a comparison. */
export interface Side {
  readonly name: string;
  readonly title: string;
  readonly isPeer: boolean;
  /** The task to run in a new process, once a round; or why it cannot run. */
  readonly task: Task | FreshProcess | string;
}

/** A comparison. */
export interface Case {
  readonly name: string;
  readonly title: string;
  readonly note: string;
  readonly metric: MetricName;
  /** The sides. The log is the first one. */
  readonly sides: readonly Side[];
  readonly targets: readonly Target[];
  /** Tasks that prepare data. The data is removed with the folders of the sides after the case. */
  readonly setup: readonly Task[];
  /** Space that the case needs, in bytes. */
  readonly diskBytes: number;
}

/** The size of a batch that fills a store, in bytes. */
const FILL_BATCH_BYTES = 64 * KIB;

/** Shared parts of the cases of one run. */
export class CaseSetting {
  /** The amount of work in each case. */
  readonly extent: Extent;
  /** The names of all peers. */
  readonly allPeers: readonly string[] = PEERS.map(({ name }) => name);
  /** The peers that take part in every case. */
  readonly peers: readonly string[];
  private readonly folder: string;

  /**
   * @param extent The amount of work in each case.
   * @param folder The folder for the cases' data.
   */
  constructor(extent: Extent, folder: string) {
    this.extent = extent;
    this.folder = folder;
    this.peers = extent.hasAllPeers ? this.allPeers : [];
  }

  /** A folder for a store in a case. */
  at(name: string, store: string): string {
    return `${this.folder}/${name}-${store}`;
  }

  /** The task that fills a store before a case. */
  fill(
    name: string,
    store: string,
    commandBytes: number,
    count: number,
    batch?: number,
  ): Task {
    return {
      workload: "fill",
      store,
      folder: this.at(name, store),
      commandBytes,
      batch: batch ?? Math.max(1, Math.floor(FILL_BATCH_BYTES / commandBytes)),
      count,
    };
  }

  /** The same task for several stores, or why a store cannot do it. */
  sides(
    name: string,
    stores: readonly string[],
    task: Omit<Task, "store" | "folder">,
  ): Side[] {
    return stores.map((store) => ({
      name: store,
      title: storeNamed(store).title,
      isPeer: this.allPeers.includes(store),
      // The bare machine reads the log's own files.
      task: {
        ...task,
        store,
        folder: this.at(
          name,
          store === "bare" && isRead(task) ? "wallog" : store,
        ),
      },
    }));
  }
}

function isRead({ workload }: Pick<Task, "workload">): boolean {
  return workload === "recover";
}

/** The size of a log whose entries were appended in batches. Small entries share frames of about 4 KiB. */
export function logBytes(
  commandBytes: number,
  count: number,
  batch: number,
): number {
  const fits = Math.floor(4096 / (commandBytes + LENGTH_BYTES));
  const shared = Math.max(1, Math.min(batch, fits));
  const payload = shared === 1 ? commandBytes : shared * (commandBytes + LENGTH_BYTES);
  return count / shared * frameBytes(payload);
}
