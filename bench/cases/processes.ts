/**
 * Comparisons of whole processes: how long they take to start, and how much memory they take.
 *
 * @module
 */

import { MIB, short } from "../units.ts";
import { type Case, type CaseSetting, logBytes } from "./case.ts";

/** From the start of a process to an open log. */
export function startUp(setting: CaseSetting): Case {
  return {
    name: "start",
    title: "Start: import to a new log open",
    note:
      "The time from the start of the process to an open log in a new folder, compared with a process that imports " +
      "nothing; with the installed package, which is JavaScript in Node and Bun",
    metric: "time",
    setup: [],
    sides: [
      {
        name: "wallog",
        title: "WalLog",
        isPeer: false,
        task: {
          workload: "fresh",
          folder: setting.at("start", "wallog"),
          isNew: true,
        },
      },
      {
        name: "bare",
        title: "bare runtime",
        isPeer: false,
        task: { workload: "fresh" },
      },
    ],
    targets: [{
      metric: "time",
      against: "bare",
      as: "difference",
      atMost: 0.03,
    }],
    diskBytes: MIB,
  };
}

/** The memory of a process with a log. */
export function memory(setting: CaseSetting): Case {
  const name = "memory";
  const count = setting.extent.memoryEntries;
  return {
    name,
    title: `Memory: a log of ${short(count)} entries of 128 B opened`,
    note: "The peak memory of the process, compared with a process that does nothing",
    metric: "memory",
    setup: [setting.fill(name, "wallog", 128, count)],
    sides: [
      {
        name: "wallog",
        title: "WalLog",
        isPeer: false,
        task: { workload: "fresh", folder: setting.at(name, "wallog") },
      },
      {
        name: "bare",
        title: "bare runtime",
        isPeer: false,
        task: { workload: "fresh" },
      },
    ],
    targets: [{
      metric: "memory",
      against: "bare",
      as: "difference",
      atMost: (8 * count + 64 * MIB) / MIB,
    }],
    diskBytes: 1.1 * logBytes(128, count, 512),
  };
}
