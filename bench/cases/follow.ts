/**
 * Compares following a log with other uses of the same log.
 *
 * @module
 */

import { KIB, MIB, short } from "../units.ts";
import type { Case, CaseSetting, Side } from "./case.ts";

const FOLLOWERS = 200;
/** Entries that a follower catches up on. */
const CATCH_UP_ENTRIES = 1_000_000;
const CATCH_UP_BYTES = 200;

/** A follower that catches up, compared with an iteration over the same log. */
function catchUp(setting: CaseSetting): Case {
  const name = "follow";
  const side = (side: string, workload: "walk" | "catchUp", title: string): Side => ({
    name: side,
    title,
    isPeer: false,
    task: {
      workload,
      store: "wallog",
      folder: setting.at(name, "wallog"),
      commandBytes: CATCH_UP_BYTES,
      batch: 1,
      count: CATCH_UP_ENTRIES,
    },
  });
  return {
    name,
    title: "`follow`: catching up",
    note: `${
      short(CATCH_UP_ENTRIES)
    } entries of ${CATCH_UP_BYTES} B from the page cache, each awaited, against \`iterate\``,
    metric: "entries",
    setup: [setting.fill(name, "wallog", CATCH_UP_BYTES, CATCH_UP_ENTRIES)],
    sides: [side("wallog", "catchUp", "`follow`"), side("iterate", "walk", "`iterate`")],
    targets: [{ metric: "entries", against: "iterate", atLeast: 0.5 }],
    diskBytes: 2 * CATCH_UP_ENTRIES * CATCH_UP_BYTES,
  };
}

/** Commits with many followers, compared with commits without any. */
function followedCommits(setting: CaseSetting): Case {
  const name = "followed";
  const { commits } = setting.extent;
  const side = (side: string, clients: number, title: string): Side => ({
    name: side,
    title,
    isPeer: false,
    task: {
      workload: "commitFollowed",
      store: "wallog",
      folder: setting.at(name, side),
      commandBytes: KIB,
      batch: 1,
      clients,
      count: commits,
    },
  });
  return {
    name,
    title: `Commit: 1 KiB, beside ${FOLLOWERS} followers`,
    note: `\`append\` and \`sync\`, ${short(commits)} entries one after the other; each follower gets all of them; ` +
      "the median of one commit",
    metric: "time",
    setup: [],
    sides: [side("wallog", FOLLOWERS, `${FOLLOWERS} followers`), side("alone", 0, "no follower")],
    targets: [{ metric: "time", against: "alone", atMost: 1.1 }],
    diskBytes: 4 * commits * KIB + MIB,
  };
}

/** The comparisons of following. */
export function followCases(setting: CaseSetting): Case[] {
  return [followedCommits(setting), catchUp(setting)];
}
