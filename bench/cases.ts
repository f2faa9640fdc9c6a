/**
 * What is measured, against what, and what it is to reach.
 *
 * @module
 */

import { frameBytes, LENGTH_BYTES } from "../src/format/frame.ts";
import type { Extent } from "./extent.ts";
import { FASTEST_PEER, type MetricName, type Target } from "./results.ts";
import { PEERS, storeNamed } from "./stores/all.ts";
import { KIB, MIB, short, sizeText } from "./units.ts";
import type { Task } from "./workloads.ts";

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

const SEGMENT_BYTES = 64 * MIB;
/** Commands that a store is filled with at once. In bytes. */
const FILL_BATCH_BYTES = 64 * KIB;
/** What is appended without a flush fits a segment, so that none is sealed, which takes a flush. In bytes. */
const APPEND_BYTES = 48 * MIB;
const READ_BYTES = 256 * MIB;
/** What the log keeps in memory of what was appended lately. In bytes. */
const RECENT_BYTES = 3.9 * MIB;
const CLIENTS = 128;

/**
 * The cases.
 *
 * @param extent How much is done in each.
 * @param folder Where they may make folders.
 */
export function benchCases(extent: Extent, folder: string): Case[] {
  const { smallEntries, commits, hasAllPeers } = extent;
  const allPeers = PEERS.map(({ name }) => name);
  const peers = hasAllPeers ? allPeers : [];

  /** A folder for a store in a case. */
  const at = (name: string, store: string) => `${folder}/${name}-${store}`;

  const fill = (name: string, store: string, commandBytes: number, count: number, batch?: number): Task => ({
    workload: "fill",
    store,
    folder: at(name, store),
    commandBytes,
    batch: batch ?? Math.max(1, Math.floor(FILL_BATCH_BYTES / commandBytes)),
    count,
  });

  /** The same task for several stores; what a store cannot do is said. */
  const sides = (name: string, stores: readonly string[], task: Omit<Task, "store" | "folder">): Side[] =>
    stores.map((store) => ({
      name: store,
      title: storeNamed(store).title,
      isPeer: allPeers.includes(store),
      // What the bare machine reads is the log's own files.
      task: { ...task, store, folder: at(name, store === "bare" && isRead(task) ? "wallog" : store) },
    }));

  const recovery = (
    commandBytes: number,
    count: number,
    batch: number,
    peers: readonly string[],
    targets: Target[],
  ): Case => {
    const isSmall = commandBytes < KIB;
    const name = `recovery-${sizeName(commandBytes)}${isSmall && batch === 1 ? "x1" : ""}`;
    const how = batch === 1 ? "appended one by one" : `in batches of ${batch}`;
    const stores = ["wallog", ...peers];
    const bytes = logBytes(commandBytes, count, batch);
    return {
      name,
      title: `Recovery: entries of ${sizeText(commandBytes)}${isSmall ? `, ${how}` : ""}`,
      note:
        `Opens a log of ${short(count)} entries, ${sizeText(Math.round(bytes))}, that was closed, in a new process, ` +
        `from the page cache. The log verifies every checksum; a peer is opened and read to its end`,
      metric: isSmall ? "entries" : "bytes",
      setup: stores.map((store) => fill(name, store, commandBytes, count, batch)),
      sides: sides(name, ["wallog", "bare", ...peers], { workload: "recover", commandBytes, batch: 1, count }),
      targets,
      diskBytes: stores.length * 1.3 * bytes,
    };
  };

  const appends = (
    name: string,
    commandBytes: number,
    batch: number,
    peers: readonly string[],
    targets: Target[],
  ): Case => {
    const entries = Math.floor(APPEND_BYTES / frameBytes(commandBytes) / batch) * batch;
    // Where each call does little, fewer calls say as much.
    const count = batch === 1 ? Math.min(entries, 100_000) : entries;
    return {
      name,
      title: `Append without sync: ${sizeText(commandBytes)}, ${batch === 1 ? "one a call" : `batches of ${batch}`}`,
      note: `${short(count)} entries to a new log, after as many to another one to warm up on; all in one segment`,
      metric: commandBytes < KIB ? "entries" : "bytes",
      setup: [],
      sides: sides(name, ["wallog", "bare", ...peers], { workload: "append", commandBytes, batch, count }),
      targets,
      diskBytes: 4 * APPEND_BYTES,
    };
  };

  const commitsOf = (name: string, batch: number, peers: readonly string[], atMost: number): Case => ({
    name,
    title: batch === 1 ? "Commit: 1 KiB, one at a time" : `Commit: batches of ${batch} x 1 KiB`,
    note: `\`append\` and \`syncSync\`, ${
      short(
        commits,
      )
    } entries or more one after the other; the median of one commit`,
    metric: "time",
    setup: [],
    sides: sides(name, ["wallog", "bare", ...peers], {
      workload: "commit",
      commandBytes: KIB,
      batch,
      count: batch === 1 ? commits : (commits / 4) * batch,
    }),
    targets: [{ metric: "time", against: "bare", atMost }],
    diskBytes: 4 * commits * batch * KIB,
  });

  const readEntries = Math.floor(READ_BYTES / KIB);
  const recentEntries = Math.floor(RECENT_BYTES / frameBytes(KIB));
  const reads = (
    name: string,
    title: string,
    task: Partial<Task>,
    rest: Pick<Case, "note" | "metric" | "targets">,
  ): Case => ({
    name,
    title,
    ...rest,
    setup: task.workload === "getRecent"
      ? []
      : ["wallog", ...peers].map((store) => fill(name, store, KIB, readEntries)),
    sides: sides(name, ["wallog", ...peers], {
      workload: "get",
      commandBytes: KIB,
      batch: 1,
      count: 100_000,
      lastIndex: readEntries,
      ...task,
    }),
    diskBytes: (1 + peers.length) * 1.5 * READ_BYTES,
  });

  return [
    // First what waits for the disk, before anything large is on its way there.
    commitsOf("commit-1k", 1, allPeers, 1.1),
    commitsOf("commit-64x1k", 64, peers, 1.15),
    groupCommit(),
    startUp(),
    recovery(128, smallEntries, 100, allPeers, [
      { metric: "entries", against: FASTEST_PEER, atLeast: 12 },
      { metric: "entries", atLeast: 28e6, goal: 36e6 },
    ]),
    recovery(128, smallEntries, 1, [], [{ metric: "entries", atLeast: 15e6 }]),
    recovery(4 * KIB, Math.floor(extent.recoveryBytes / frameBytes(4 * KIB)), 16, peers, [
      { metric: "time", against: "bare", atMost: 3, goal: 1.5 },
    ]),
    recovery(64 * KIB, Math.floor(extent.recoveryBytes / frameBytes(64 * KIB)), 1, peers, [
      { metric: "time", against: "bare", atMost: 3, goal: 1.5 },
    ]),
    twoCores(),
    tailOpen(),
    appends("append-128x100", 128, 100, peers, [{ metric: "entries", atLeast: 3e6 }]),
    appends("append-128", 128, 1, peers, [{ metric: "entries", atLeast: 250e3 }]),
    appends("append-64k", 64 * KIB, 1, peers, [{ metric: "bytes", against: "bare", atLeast: 0.5 }]),
    reads(
      "entry-recent",
      "`entry(i)`: one of the last 4 MiB",
      { workload: "getRecent", lastIndex: recentEntries },
      {
        note: "1 KiB entries in no order, of those appended last; each is a copy that the caller owns",
        metric: "call",
        targets: [{ metric: "call", atMost: 1e-6 }],
      },
    ),
    reads(
      "entry-any",
      "`entry(i)`: any in the page cache",
      {},
      {
        note: `1 KiB entries in no order, of a log of ${sizeText(READ_BYTES)} that was just opened`,
        metric: "call",
        targets: [{ metric: "call", atMost: 5e-6 }],
      },
    ),
    reads(
      "entries",
      "`entries(from, to)`: 1 KiB entries",
      { workload: "range", batch: 1000, count: readEntries },
      {
        note: `1,000 entries a call, through a log of ${sizeText(READ_BYTES)}; bytes of commands`,
        metric: "bytes",
        targets: [{ metric: "bytes", atLeast: 2 }],
      },
    ),
    memory(),
  ];

  function groupCommit(): Case {
    const name = "group-commit";
    const side = (store: string, clients: number): Side => ({
      name: clients === 1 ? `${store}-1` : store,
      title: `${storeNamed(store).title}, ${clients === 1 ? "one caller" : `${clients} callers`}`,
      isPeer: store !== "wallog",
      task: {
        workload: "commitShared",
        store,
        folder: at(name, `${store}-${clients}`),
        commandBytes: KIB,
        batch: 1,
        clients,
        count: clients === 1 ? commits : commits * 20,
      },
    });
    const cannot = (store: string, why: string): Side => ({ ...side(store, CLIENTS), task: why });
    const blocks = "commits on the calling thread, one at a time, and has nothing to share";
    return {
      name,
      title: `Commit: ${CLIENTS} callers at a time, 1 KiB each`,
      note: "Each caller does `append` and `await sync()`, again and again, and they share flushes",
      metric: "commits",
      setup: [],
      sides: [
        side("wallog", CLIENTS),
        side("wallog", 1),
        side("lmdb", CLIENTS),
        side("classic-level", CLIENTS),
        cannot("better-sqlite3", blocks),
        cannot("node-sqlite", blocks),
        cannot("fs-hash-wasm", "as written here, flushes for one caller at a time"),
      ],
      targets: [{ metric: "commits", against: "wallog-1", atLeast: 25, goal: 50 }],
      diskBytes: 4 * commits * 20 * KIB,
    };
  }

  function twoCores(): Case {
    const name = "recovery-two-cores";
    const count = Math.floor(extent.twoCoreBytes / logBytes(128, 1, 100));
    const task = { workload: "recover", commandBytes: 128, batch: 1, count } as const;
    const [open] = sides(name, ["wallog"], task) as [Side];
    const [openSync] = sides(name, ["wallog"], { ...task, open: { isSync: true } }) as [Side];
    return {
      name,
      title: `Recovery on two cores: ${sizeText(extent.twoCoreBytes)}, entries of 128 B`,
      note: "`open`, which may use more than one core, against `openSync`, which has one",
      metric: "entries",
      setup: [fill(name, "wallog", 128, count, 100)],
      sides: [
        { ...open, title: "WalLog, open" },
        { ...openSync, name: "one-core", title: "WalLog, openSync" },
      ],
      targets: [{ metric: "entries", against: "one-core", atLeast: 1.6 }],
      diskBytes: 1.1 * extent.twoCoreBytes,
    };
  }

  function tailOpen(): Case {
    const name = "open-tail";
    // Both end in a segment that is half full: that one is scanned, whatever lies before it.
    const half = SEGMENT_BYTES / 2;
    const logs = (
      [
        ["wallog", extent.tailBytes],
        ["small", 256 * MIB],
      ] as const
    ).map(([part, bytes]) => ({
      side: { name: part, title: `WalLog, ${sizeText(bytes)}`, isPeer: false },
      count: Math.floor((bytes - half) / frameBytes(4 * KIB)),
      folder: at(name, part),
    }));
    const task = { store: "wallog", commandBytes: 4 * KIB, batch: 1 } as const;
    return {
      name,
      title: `Open with \`verify: "tail"\`: ${sizeText(extent.tailBytes)}`,
      note: "Entries of 4 KiB, in a new process, from the page cache; the last segment is half full in both logs",
      metric: "time",
      setup: logs.map(({ count, folder }) => ({ ...fill(name, "wallog", 4 * KIB, count), folder })),
      sides: logs.map(({ side, count, folder }) => ({
        ...side,
        task: { ...task, workload: "recover", folder, count, open: { verify: "tail" } },
      })),
      targets: [
        { metric: "time", atMost: 0.015 },
        { metric: "time", against: "small", atMost: 2 },
      ],
      diskBytes: extent.tailBytes + 300 * MIB,
    };
  }

  function startUp(): Case {
    return {
      name: "start",
      title: "Start: import to a new log open",
      note:
        "From the start of the process to a log open in a folder that did not exist, against the same with nothing " +
        "imported; as it is installed, which is JavaScript in Node and Bun",
      metric: "time",
      setup: [],
      sides: [
        {
          name: "wallog",
          title: "WalLog",
          isPeer: false,
          task: { workload: "fresh", folder: at("start", "wallog"), isNew: true },
        },
        { name: "bare", title: "bare runtime", isPeer: false, task: { workload: "fresh" } },
      ],
      targets: [{ metric: "time", against: "bare", as: "difference", atMost: 0.03 }],
      diskBytes: MIB,
    };
  }

  function memory(): Case {
    const name = "memory";
    const count = extent.memoryEntries;
    return {
      name,
      title: `Memory: a log of ${short(count)} entries of 128 B opened`,
      note: "The most that the process ever had, against a process that does nothing",
      metric: "memory",
      setup: [fill(name, "wallog", 128, count)],
      sides: [
        { name: "wallog", title: "WalLog", isPeer: false, task: { workload: "fresh", folder: at(name, "wallog") } },
        { name: "bare", title: "bare runtime", isPeer: false, task: { workload: "fresh" } },
      ],
      targets: [{ metric: "memory", against: "bare", as: "difference", atMost: (8 * count + 64 * MIB) / MIB }],
      diskBytes: 1.1 * logBytes(128, count, 512),
    };
  }
}

function isRead({ workload }: Pick<Task, "workload">): boolean {
  return workload === "recover";
}

function sizeName(bytes: number): string {
  return bytes < KIB ? String(bytes) : `${bytes / KIB}k`;
}

/** Bytes of a log whose entries were appended in batches: small ones share frames of about 4 KiB. */
function logBytes(commandBytes: number, count: number, batch: number): number {
  const fits = Math.floor(4096 / (commandBytes + LENGTH_BYTES));
  const shared = Math.max(1, Math.min(batch, fits));
  const payload = shared === 1 ? commandBytes : shared * (commandBytes + LENGTH_BYTES);
  return count / shared * frameBytes(payload);
}
