/**
 * Comparisons of commits, which wait for the disk.
 *
 * @module
 */

import { storeNamed } from "../stores/all.ts";
import { KIB, short } from "../units.ts";
import type { Case, CaseSetting, Side } from "./case.ts";

const CLIENTS = 128;

/** Commits one after the other. */
function commitsOf(
  setting: CaseSetting,
  name: string,
  batch: number,
  peers: readonly string[],
  atMost: number,
): Case {
  const { commits } = setting.extent;
  return {
    name,
    title: batch === 1 ? "Commit: 1 KiB, one at a time" : `Commit: batches of ${batch} x 1 KiB`,
    note: `\`append\` and \`syncSync\`, ${
      short(commits)
    } entries or more one after the other; the median of one commit`,
    metric: "time",
    setup: [],
    sides: setting.sides(name, ["wallog", "bare", ...peers], {
      workload: "commit",
      commandBytes: KIB,
      batch,
      count: batch === 1 ? commits : (commits / 4) * batch,
    }),
    targets: [{ metric: "time", against: "bare", atMost }],
    diskBytes: 4 * commits * batch * KIB,
  };
}

/** Commits of many callers that share flushes. */
function groupCommit(setting: CaseSetting): Case {
  const { commits } = setting.extent;
  const name = "group-commit";
  const side = (store: string, clients: number): Side => ({
    name: clients === 1 ? `${store}-1` : store,
    title: `${storeNamed(store).title}, ${clients === 1 ? "one caller" : `${clients} callers`}`,
    isPeer: store !== "wallog",
    task: {
      workload: "commitShared",
      store,
      folder: setting.at(name, `${store}-${clients}`),
      commandBytes: KIB,
      batch: 1,
      clients,
      count: clients === 1 ? commits : commits * 20,
    },
  });
  const cannot = (store: string, why: string): Side => ({
    ...side(store, CLIENTS),
    task: why,
  });
  const blocks = "commits on the calling thread, one at a time, and has nothing to share";
  return {
    name,
    title: `Commit: ${CLIENTS} callers at a time, 1 KiB each`,
    note: "Each caller repeats `append` and `await sync()`, and the callers share flushes",
    metric: "commits",
    setup: [],
    sides: [
      side("wallog", CLIENTS),
      side("wallog", 1),
      side("lmdb", CLIENTS),
      side("classic-level", CLIENTS),
      cannot("better-sqlite3", blocks),
      cannot("node-sqlite", blocks),
      cannot(
        "fs-hash-wasm",
        "as written here, flushes for one caller at a time",
      ),
    ],
    targets: [{
      metric: "commits",
      against: "wallog-1",
      atLeast: 25,
      goal: 50,
    }],
    diskBytes: 4 * commits * 20 * KIB,
  };
}

/** The comparisons of commits. */
export function commitCases(setting: CaseSetting): Case[] {
  const { allPeers, peers } = setting;
  return [
    commitsOf(setting, "commit-1k", 1, allPeers, 1.1),
    commitsOf(setting, "commit-64x1k", 64, peers, 1.15),
    groupCommit(setting),
  ];
}
