/**
 * Recommends the next step for a log, from its verdict and its damage.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import type { Index } from "../api/types.ts";
import { nameOf, oneLine } from "./text.ts";

/** The facts about a log that decide the next step. */
export interface Finding {
  /** The log's folder. */
  readonly folder: string;
  readonly verdict: "clean" | "torn" | "corrupt";
  readonly damage: readonly Damage[];
  /** The number of segments. */
  readonly segments: number;
  /** The log's last index. */
  readonly lastIndex: Index;
  /** Whether a later hard state may be lost. */
  readonly hardStateLost: boolean;
  /** Foreign files that the log does not need. */
  readonly strangers: readonly string[];
  /** The state of the file `IDENTITY`; `undefined` if it is valid. */
  readonly identity: "missing" | "damaged" | undefined;
  /** Whether writers reject the file `LOCK`. */
  readonly isLockDamaged: boolean;
  /** A repair that was interrupted while it exchanged files: whether its plan can be read; `undefined` if there is none. */
  readonly interrupted: "resumable" | "damaged" | undefined;
  /** Whether entries that had been acknowledged were just cut off. */
  readonly isShortened: boolean;
}

/** A recommendation. */
export interface Advice {
  /** A sentence. */
  readonly text: string;
  /**
   * The commands to run, in order, without the program's name. `PEER` stands for the log of another replica, `NEWDIR`
   * for a folder that does not exist yet.
   */
  readonly commands: readonly (readonly string[])[];
}

/** Stands for the log of another replica in a command. */
export const PEER = "PEER";
/** Stands for a folder that does not exist yet. */
export const NEWDIR = "NEWDIR";

const REJOIN = "let its node rejoin the cluster as a new member";

/**
 * Recommends the next step for a log.
 *
 * @param finding The facts about the log.
 * @returns The next step. There is always one.
 */
export function adviseOn(finding: Finding): Advice {
  const { strangers, damage, verdict } = finding;
  if (finding.interrupted === "damaged") {
    return say(
      "restore .wal-log-repair/PLAN, which says how to complete a repair that was interrupted; or move the old files " +
        `back from the newest damaged-N folder beside ${oneLine(finding.folder)} or in it, and delete .wal-log-repair`,
    );
  }
  if (finding.interrupted === "resumable") {
    const resume = ["repair", finding.folder, "--resume"];
    return say(`${shown(resume)}, which completes the interrupted repair`, resume);
  }
  // The files that a repair leaves hold the hard state, so none of them may be moved away.
  if (finding.isShortened) {
    const how = verdict === "corrupt" ? ", with an empty folder, because the log is still damaged" : "";
    return say(`${REJOIN}${how}: it had acknowledged the entries that were cut`);
  }
  if (verdict === "corrupt" && strangers.length > 0) {
    const others = damage.filter(({ path }) => !strangers.includes(nameOf(path)));
    const then = others.length === 0 ? "the log is complete without it" : "then verify it again";
    return say(`move ${strangers.map(oneLine).join(", ")} out of ${oneLine(finding.folder)}: ${then}`);
  }
  if (verdict === "corrupt") return alsoOnSmallFiles(finding, adviseOnDamage(finding));
  if (finding.isLockDamaged) {
    return say("delete LOCK while no writer has the log open: it must be empty, and the next writer makes a new one");
  }
  if (finding.identity !== undefined) {
    return say(
      `restore IDENTITY, which is ${finding.identity}; or open the log for writing, which sets a new incarnation ` +
        `and no cluster; no entry and no vote is lost`,
    );
  }
  if (verdict === "torn") return say("nothing to do; opening the log for writing cuts off the torn end");
  return say("nothing to do");
}

/** Adds the files beside the log that are damaged too. */
function alsoOnSmallFiles({ identity, isLockDamaged }: Finding, advice: Advice): Advice {
  const also = [
    ...isLockDamaged ? ["delete LOCK, which must be empty"] : [],
    ...identity !== undefined ? [`restore IDENTITY, which is ${identity}`] : [],
  ];
  return also.length === 0 ? advice : { ...advice, text: `${advice.text}; also ${also.join(", and ")}` };
}

function adviseOnDamage({ folder, damage, segments, lastIndex, hardStateLost }: Finding): Advice {
  if (segments === 0) {
    return say(`put the missing files back; if they are gone, empty the folder, and ${REJOIN}: its vote is lost`);
  }
  const cut = ["repair", folder, "--cut"];
  const salvage = ["salvage", folder, NEWDIR];
  const isSnapshotLost = damage.some(({ kind }) => kind === "snapshot");
  // The entries after the damage show whether another replica had the same entries.
  const entries = damage.filter(({ kind }) => kind !== "snapshot");
  const refillable = entries.filter((one) => isRefillable(one, lastIndex));
  const isEndLost = !hardStateLost && refillable.length < entries.length;
  if (hardStateLost) {
    const set = ["repair", folder, "--hard-state", "TERM,VOTE", "--force"];
    return say(
      `restore the damaged files; if they are gone, its vote is lost: ${REJOIN}, with an empty folder or the result ` +
        `of ${shown(salvage)}; only if its last vote is known: ${shown(set)}`,
      salvage,
    );
  }
  if (isEndLost && !isSnapshotLost && refillable.length === 0) {
    return say(`restore the damaged files; or ${shown(cut)}, then ${REJOIN}`, cut);
  }
  const repair = [
    ...["repair", folder],
    ...entries.length > 0 ? ["--from", PEER] : [],
    ...isSnapshotLost ? ["--snapshot-from", PEER] : [],
    ...isEndLost ? ["--cut"] : [],
  ];
  const without = shown(isSnapshotLost ? salvage : cut);
  const then = isEndLost ? `, then ${REJOIN}` : "";
  const first = isEndLost && !isSnapshotLost ? "restore the damaged files; or " : "";
  return say(
    `${first}${shown(repair)} (the log of another replica)${then}; without one: ${without}, then ${REJOIN}`,
    repair,
  );
}

/**
 * Whether entries of another replica can replace the damaged ones. The damage must allow proof that both logs had the
 * same.
 */
function isRefillable(damage: Damage, end: Index): boolean {
  const { kind, firstIndex, lastIndex } = damage;
  if (firstIndex === undefined || lastIndex === undefined) return false;
  return kind === "entries" || lastIndex < end;
}

function say(text: string, ...commands: readonly (readonly string[])[]): Advice {
  return { text, commands };
}

/** A command as a person types it. */
function shown(command: readonly string[]): string {
  return ["wal-log", ...command.map(quoted)].join(" ");
}

/** A word of a shell's command line. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${oneLine(word).replaceAll("'", `'\\''`)}'`;
}
