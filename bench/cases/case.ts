/**
 * What a comparison consists of, and what all comparisons share.
 *
 * @module
 */

import { frameBytes, LENGTH_BYTES } from "../../src/format/frame.ts";
import type { Extent } from "../extent.ts";
import type { MetricName, Target } from "../results.ts";
import { PEERS, storeNamed } from "../stores/all.ts";
import { KIB } from "../units.ts";
import type { Task } from "../workloads.ts";

/** A side that shows what a process costs: with nothing in it, or with a log opened. */
export interface FreshProcess {
  readonly workload: "fresh";
  /** The log's folder; a bare runtime if there is none. */
  readonly folder?: string;
  /** Whether the log is to be a new one each time. */
  readonly isNew?: boolean;
}

/** One side of a comparison. */
export interface Side {
  readonly name: string;
  readonly title: string;
  readonly isPeer: boolean;
  /** What is run in a process of its own, once a round; or why it cannot be. */
  readonly task: Task | FreshProcess | string;
}

/** A comparison. */
export interface Case {
  readonly name: string;
  readonly title: string;
  readonly note: string;
  readonly metric: MetricName;
  /** The log is the first. */
  readonly sides: readonly Side[];
  readonly targets: readonly Target[];
  /** What is written before; removed with the folders of the sides when the case is done. */
  readonly setup: readonly Task[];
  /** Space that it takes. In bytes. */
  readonly diskBytes: number;
}

/** Commands that a store is filled with at once. In bytes. */
const FILL_BATCH_BYTES = 64 * KIB;

/** What the cases of one run share. */
export class CaseSetting {
  /** How much is done in each case. */
  readonly extent: Extent;
  /** The names of all peers. */
  readonly allPeers: readonly string[] = PEERS.map(({ name }) => name);
  /** The peers that take part in every case. */
  readonly peers: readonly string[];
  private readonly folder: string;

  /**
   * @param extent How much is done in each case.
   * @param folder Where the cases may make folders.
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

  /** The same task for several stores; what a store cannot do is said. */
  sides(
    name: string,
    stores: readonly string[],
    task: Omit<Task, "store" | "folder">,
  ): Side[] {
    return stores.map((store) => ({
      name: store,
      title: storeNamed(store).title,
      isPeer: this.allPeers.includes(store),
      // What the bare machine reads is the log's own files.
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

/** Bytes of a log whose entries were appended in batches: small ones share frames of about 4 KiB. */
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
