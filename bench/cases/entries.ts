/**
 * Comparisons of appending and reading entries, which use only the page cache.
 *
 * @module
 */

import { frameBytes } from "../../src/format/frame.ts";
import type { Target } from "../results.ts";
import { KIB, MIB, short, sizeText } from "../units.ts";
import type { Task } from "../workloads.ts";
import type { Case, CaseSetting } from "./case.ts";

/** Unflushed appends fit a segment, because sealing one takes a flush. In bytes. */
const APPEND_BYTES = 48 * MIB;
const READ_BYTES = 256 * MIB;
/** The bytes of recent entries that the log keeps in memory. */
const RECENT_BYTES = 3.9 * MIB;

/** The number of entries of 1 KiB to read. */
const READ_ENTRIES = Math.floor(READ_BYTES / KIB);
const RECENT_ENTRIES = Math.floor(RECENT_BYTES / frameBytes(KIB));

/** Appending without a flush. */
function appends(
  setting: CaseSetting,
  name: string,
  commandBytes: number,
  batch: number,
  peers: readonly string[],
  targets: Target[],
): Case {
  const entries = Math.floor(APPEND_BYTES / frameBytes(commandBytes) / batch) *
    batch;
  // If each call does little, fewer calls are enough.
  const count = batch === 1 ? Math.min(entries, 100_000) : entries;
  return {
    name,
    title: `Append without sync: ${sizeText(commandBytes)}, ${batch === 1 ? "one a call" : `batches of ${batch}`}`,
    note: `${short(count)} entries to a new log with one segment, after as many to another log as a warm-up`,
    metric: commandBytes < KIB ? "entries" : "bytes",
    setup: [],
    sides: setting.sides(name, ["wallog", "bare", ...peers], {
      workload: "append",
      commandBytes,
      batch,
      count,
    }),
    targets,
    diskBytes: 4 * APPEND_BYTES,
  };
}

/** Reading entries of 1 KiB. */
function reads(
  setting: CaseSetting,
  name: string,
  title: string,
  task: Partial<Task>,
  rest: Pick<Case, "note" | "metric" | "targets">,
): Case {
  const { peers } = setting;
  return {
    name,
    title,
    ...rest,
    setup: task.workload === "getRecent"
      ? []
      : ["wallog", ...peers].map((store) => setting.fill(name, store, KIB, READ_ENTRIES)),
    sides: setting.sides(name, ["wallog", ...peers], {
      workload: "get",
      commandBytes: KIB,
      batch: 1,
      count: 100_000,
      lastIndex: READ_ENTRIES,
      ...task,
    }),
    diskBytes: (1 + peers.length) * 1.5 * READ_BYTES,
  };
}

/** The comparisons of appending. */
export function appendCases(setting: CaseSetting): Case[] {
  const { peers } = setting;
  return [
    appends(setting, "append-128x100", 128, 100, peers, [{ metric: "entries", atLeast: 3e6 }]),
    appends(setting, "append-128", 128, 1, peers, [{ metric: "entries", atLeast: 250e3 }]),
    appends(setting, "append-64k", 64 * KIB, 1, peers, [{ metric: "bytes", against: "bare", atLeast: 0.5 }]),
  ];
}

/** The comparisons of reading. */
export function readCases(setting: CaseSetting): Case[] {
  return [
    reads(setting, "entry-recent", "`entry(i)`: one of the last 4 MiB", {
      workload: "getRecent",
      lastIndex: RECENT_ENTRIES,
    }, {
      note: "1 KiB entries in random order, of those appended last; each is a copy that the caller owns",
      metric: "call",
      targets: [{ metric: "call", atMost: 1e-6 }],
    }),
    reads(setting, "entry-any", "`entry(i)`: any in the page cache", {}, {
      note: `1 KiB entries in random order, of a log of ${sizeText(READ_BYTES)} that was just opened`,
      metric: "call",
      targets: [{ metric: "call", atMost: 5e-6 }],
    }),
    reads(setting, "entries", "`entries(from, to)`: 1 KiB entries", {
      workload: "range",
      batch: 1000,
      count: READ_ENTRIES,
    }, {
      note: `1,000 entries a call, through a log of ${sizeText(READ_BYTES)}; bytes of commands`,
      metric: "bytes",
      targets: [{ metric: "bytes", atLeast: 2 }],
    }),
  ];
}
