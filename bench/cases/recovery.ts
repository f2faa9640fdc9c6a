/**
 * Comparisons of opening a log: how long recovery takes.
 *
 * @module
 */

import { frameBytes } from "../../src/format/frame.ts";
import { FASTEST_PEER, type Target } from "../results.ts";
import { KIB, MIB, short, sizeText } from "../units.ts";
import { type Case, type CaseSetting, logBytes, type Side } from "./case.ts";

const SEGMENT_BYTES = 64 * MIB;

/** Recovery of entries of one size. */
function recovery(
  setting: CaseSetting,
  commandBytes: number,
  count: number,
  batch: number,
  peers: readonly string[],
  targets: Target[],
): Case {
  const isSmall = commandBytes < KIB;
  const name = `recovery-${sizeName(commandBytes)}${isSmall && batch === 1 ? "x1" : ""}`;
  const how = batch === 1 ? "appended one by one" : `in batches of ${batch}`;
  const stores = ["wallog", ...peers];
  const bytes = logBytes(commandBytes, count, batch);
  return {
    name,
    title: `Recovery: entries of ${sizeText(commandBytes)}${isSmall ? `, ${how}` : ""}`,
    note:
      `A new process opens a closed log of ${short(count)} entries, ${sizeText(Math.round(bytes))}, from the page ` +
      `cache. The log verifies every checksum; another store is opened and read to its end`,
    metric: isSmall ? "entries" : "bytes",
    setup: stores.map((store) => setting.fill(name, store, commandBytes, count, batch)),
    sides: setting.sides(name, ["wallog", "bare", ...peers], {
      workload: "recover",
      commandBytes,
      batch: 1,
      count,
    }),
    targets,
    diskBytes: stores.length * 1.3 * bytes,
  };
}

/** Recovery with and without a second thread. */
function twoCores(setting: CaseSetting): Case {
  const name = "recovery-two-cores";
  const count = Math.floor(setting.extent.twoCoreBytes / logBytes(128, 1, 100));
  const task = {
    workload: "recover",
    commandBytes: 128,
    batch: 1,
    count,
  } as const;
  const [open] = setting.sides(name, ["wallog"], task) as [Side];
  const [openSync] = setting.sides(name, ["wallog"], {
    ...task,
    open: { isSync: true },
  }) as [Side];
  return {
    name,
    title: `Recovery on two cores: ${sizeText(setting.extent.twoCoreBytes)}, entries of 128 B`,
    note: "`open`, which can use a second core, compared with `openSync`, which cannot",
    metric: "entries",
    setup: [setting.fill(name, "wallog", 128, count, 100)],
    sides: [
      { ...open, title: "WalLog, open" },
      { ...openSync, name: "one-core", title: "WalLog, openSync" },
    ],
    targets: [{ metric: "entries", against: "one-core", atLeast: 1.6 }],
    diskBytes: 1.1 * setting.extent.twoCoreBytes,
  };
}

/** Opens a log and verifies only its last segment. */
function tailOpen(setting: CaseSetting): Case {
  const name = "open-tail";
  // Both logs end in a half-full segment. This one is always scanned.
  const half = SEGMENT_BYTES / 2;
  const logs = (
    [
      ["wallog", setting.extent.tailBytes],
      ["small", 256 * MIB],
    ] as const
  ).map(([part, bytes]) => ({
    side: { name: part, title: `WalLog, ${sizeText(bytes)}`, isPeer: false },
    count: Math.floor((bytes - half) / frameBytes(4 * KIB)),
    folder: setting.at(name, part),
  }));
  const task = { store: "wallog", commandBytes: 4 * KIB, batch: 1 } as const;
  return {
    name,
    title: `Open with \`verify: "tail"\`: ${sizeText(setting.extent.tailBytes)}`,
    note:
      "A new process opens a log with entries of 4 KiB from the page cache; the last segment is half full in both logs",
    metric: "time",
    setup: logs.map(({ count, folder }) => ({
      ...setting.fill(name, "wallog", 4 * KIB, count),
      folder,
    })),
    sides: logs.map(({ side, count, folder }) => ({
      ...side,
      task: {
        ...task,
        workload: "recover",
        folder,
        count,
        open: { verify: "tail" },
      },
    })),
    targets: [
      { metric: "time", atMost: 0.015 },
      { metric: "time", against: "small", atMost: 2 },
    ],
    diskBytes: setting.extent.tailBytes + 300 * MIB,
  };
}

function sizeName(bytes: number): string {
  return bytes < KIB ? String(bytes) : `${bytes / KIB}k`;
}

/** The comparisons of opening. */
export function recoveryCases(setting: CaseSetting): Case[] {
  const { allPeers, peers } = setting;
  const { smallEntries } = setting.extent;
  return [
    recovery(setting, 128, smallEntries, 100, allPeers, [
      { metric: "entries", against: FASTEST_PEER, atLeast: 12 },
      { metric: "entries", atLeast: 28e6, goal: 36e6 },
    ]),
    recovery(setting, 128, smallEntries, 1, [], [{
      metric: "entries",
      atLeast: 15e6,
    }]),
    recovery(
      setting,
      4 * KIB,
      Math.floor(setting.extent.recoveryBytes / frameBytes(4 * KIB)),
      16,
      peers,
      [
        { metric: "time", against: "bare", atMost: 3, goal: 1.5 },
      ],
    ),
    recovery(
      setting,
      64 * KIB,
      Math.floor(setting.extent.recoveryBytes / frameBytes(64 * KIB)),
      1,
      peers,
      [
        { metric: "time", against: "bare", atMost: 3, goal: 1.5 },
      ],
    ),
    twoCores(setting),
    tailOpen(setting),
  ];
}
