/**
 * `wal-log repair`: damaged entries refilled from another replica's log, or the damaged tail cut off.
 *
 * @module
 */

import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { WalLogError } from "../api/errors.ts";
import { type Damage, describeDamage } from "../api/report.ts";
import { PAYLOAD_BYTES_MAX } from "../format/frame.ts";
import type { Index, LogEntry } from "../api/types.ts";
import { WalLog } from "../api/wal_log.ts";
import { adviseOn } from "./advice.ts";
import { type Command, type Context, EXIT, UsageError } from "./command.ts";
import { cutTail } from "./cut.ts";
import { interruptedPlan } from "./exchange.ts";
import { findingOf } from "./finding.ts";
import { inspect, type Inspection, openToRead } from "./inspect.ts";
import { listFiles, prepareRepair } from "./log_files.ts";
import { completeInterrupted, stateOfFiles } from "./mended.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { green, red } from "./terminal.ts";
import { counted, damageText, hardStateText, indexes, nameOf, nextLine, oneLine, sized } from "./text.ts";

/** The command. */
export const repair: Command = {
  name: "repair",
  summary: "Refill damaged entries from another replica's log, or cut a damaged tail",
  operands: ["DIR"],
  options: {
    from: { type: "string", value: "OTHER", help: "Refill what is damaged from the log in this folder" },
    cut: { type: "boolean", help: "Cut everything from the first damaged entry on" },
    resume: { type: "boolean", help: "Complete a repair that was interrupted. Any other repair does so first" },
    "dry-run": { type: "boolean", help: "Say what would be done, and do nothing" },
  },
  help: `--from: entries of OTHER, the log of another replica of the same cluster, take the place of damaged ones. It is
only read, and may be in use. An entry is taken if the checksum of the damaged one survives and fits, or if the
entries around it are the same in both logs. Each segment is repaired in one step, durably.

--cut: writes the log anew without the first damaged entry and all behind it. The old files go to DIR.damaged-1 (or
-2, ...). If it is killed, the log is as it was, or any repair completes it. THESE ENTRIES WERE ACKNOWLEDGED. A node that has lost them must not vote, nor count for a majority,
until a leader has sent it everything again; where other replicas are left, --from is the better way.

Both say what they will do before they do it, and need the log closed. Ends with 0 if the log is not damaged
afterwards (with --dry-run: would not be), 2 if it is.`,
  writes: true,
  async run(context) {
    const { operands: [path], options, out } = context;
    const { from, cut, resume } = options;
    const given = [from !== undefined, cut === true, resume === true].filter(Boolean).length;
    if (given !== 1) throw new UsageError("give one of --from OTHER, --cut and --resume");
    const isCompleted = await completeFirst(context);
    if (isCompleted || resume === true) return EXIT.clean;
    const before = stateOfFiles(path!);
    const found = await inspect(path!);
    const { damage } = found.opened.report;
    if (damage.length === 0) {
      await out.line("nothing to repair");
      await sayNext(context, found);
      return EXIT.clean;
    }
    for (const one of damage) await out.line(`${red("damaged")} ${damageText(one)}`);
    if (found.opened.state.hardStateLost) {
      await sayNext(context, found);
      throw new WalLogError(
        "CORRUPT",
        `Cannot repair the log at ${found.folder}: its latest hard state is lost (the last that is known: ` +
          `${
            hardStateText(found.opened.state.hardState)
          }), and no other replica knows how this one voted; the node itself ` +
          `has to call setHardState with force`,
      );
    }
    if (cut !== true) return await refill(context, String(from), found);
    try {
      const code = await cutTail(context, found, before);
      // A log that was cut is sound, and its node is not.
      if (options["dry-run"] !== true) await sayNext(context, await inspect(path!), true);
      return code;
    } catch (error) {
      if (error instanceof WalLogError && error.code === "CORRUPT") await sayNext(context, found);
      throw error;
    }
  },
};

/** Completes a repair that was interrupted; returns whether there was one. */
async function completeFirst(context: Context): Promise<boolean> {
  const { operands: [path], options, out } = context;
  const folder = resolve(path!);
  if (options["dry-run"] === true) {
    if (interruptedPlan(nodeFileSystem, folder) === undefined) return false;
    await out.line("will complete the repair that was interrupted");
    return true;
  }
  const plan = await completeInterrupted(folder);
  if (plan === undefined) {
    if (options.resume === true) await out.line("no repair was interrupted");
    return false;
  }
  await out.line(`completed the repair that was interrupted; the old files are in ${oneLine(plan.evidence)}`);
  await sayNext(context, await inspect(folder), plan.isShortened);
  return true;
}

/** Damaged entries of one segment, and what is to take their place. */
interface Refill {
  readonly path: string;
  readonly damage: Damage[];
  readonly entries: LogEntry[];
}

/** The last line: what to do next. */
async function sayNext({ out }: Context, found: Inspection, isShortened = false): Promise<void> {
  await out.line(nextLine(adviseOn({ ...await findingOf(found), isShortened })));
}

async function refill(context: Context, otherPath: string, found: Inspection): Promise<number> {
  const { operands: [path], options, out, signal } = context;
  if (realpathSync(otherPath) === realpathSync(path!)) throw new UsageError("--from is the damaged log itself");
  const damaged = await openToRead(path!, "keep", signal);
  const other = await openToRead(otherPath, "keep", signal);
  let plan: { refills: readonly Refill[]; refusals: readonly string[] };
  try {
    plan = makePlan(damaged, other);
  } finally {
    await damaged.close();
    await other.close();
  }
  for (const { path, entries, damage } of plan.refills) {
    const bytes = entries.reduce((sum, { command }) => sum + command.length, 0);
    const ranges = damage.map(({ firstIndex, lastIndex }) => indexes(firstIndex!, lastIndex!)).join(", ");
    const size = `${counted(entries.length, "entry", "entries")}, ${sized(bytes)}`;
    await out.line(`will refill ${nameOf(path)}: ${ranges} (${size}) from ${oneLine(other.path)}`);
  }
  for (const refusal of plan.refusals) await out.line(`${red("cannot refill")} ${oneLine(refusal)}`);
  await out.flush();
  if (options["dry-run"] === true) {
    if (plan.refusals.length > 0) await sayNext(context, found);
    return plan.refusals.length === 0 ? EXIT.clean : EXIT.corrupt;
  }
  if (plan.refills.length > 0) {
    const fileSystem = prepareRepair(damaged.path, listFiles(damaged.path));
    const options = { onDamage: "keep", maxEntryBytes: PAYLOAD_BYTES_MAX, fileSystem, signal } as const;
    const log = await WalLog.open(path!, options);
    try {
      for (const one of plan.refills) {
        await carryOut(context, log, one);
        signal.throwIfAborted();
      }
    } finally {
      await log.close();
    }
  }
  const after = await inspect(path!);
  const { report } = after.opened;
  for (const one of report.damage) await out.line(`${red("still damaged")} ${damageText(one)}`);
  if (report.damage.length === 0) await out.line(green("repaired: the log is clean"));
  await sayNext(context, after);
  return report.damage.length === 0 ? EXIT.clean : EXIT.corrupt;
}

/** Finds for each damaged entry the other log's, where that is known to be the same. */
function makePlan(damaged: WalLog, other: WalLog): { refills: Refill[]; refusals: string[] } {
  const refills = new Map<string, Refill>();
  const refusals: string[] = [];
  for (const one of damaged.damaged) {
    const { path, firstIndex, lastIndex } = one;
    const entries: LogEntry[] = [];
    const reason = one.kind === "snapshot"
      ? "a snapshot has to come from the leader"
      : firstIndex === undefined || lastIndex === undefined
      ? "what it held is not known"
      : whyNotRefill(damaged, other, one, entries);
    if (reason !== undefined) {
      refusals.push(`${describeDamage({ ...one, path: nameOf(path) })}: ${reason}`);
      continue;
    }
    const refill = refills.get(path) ?? { path, damage: [], entries: [] };
    refills.set(path, refill);
    refill.damage.push(one);
    const known = new Set(refill.entries.map(({ index }) => index));
    for (const entry of entries) if (!known.has(entry.index)) refill.entries.push(entry);
  }
  return { refills: [...refills.values()], refusals };
}

/** Gathers the entries for a damaged place; returns why they cannot be had. */
function whyNotRefill(damaged: WalLog, other: WalLog, place: Damage, entries: LogEntry[]): string | undefined {
  const { firstIndex: first, lastIndex: last, kind } = place as Damage & { firstIndex: Index; lastIndex: Index };
  if (first <= other.snapshotIndex) return `${other.path} has index ${first} in its snapshot only`;
  if (last > other.lastIndex) return `${other.path} ends at index ${other.lastIndex}`;
  for (let index = first; index <= last; index++) {
    if (entryOf(damaged, index) !== undefined) continue;
    const entry = entryOf(other, index);
    if (entry === undefined) return `index ${index} is damaged in ${other.path} too`;
    entries.push(entry);
  }
  const before = agree(damaged, other, first - 1);
  const behind = agree(damaged, other, last + 1);
  if (before === false || behind === false) {
    const at = before === false ? first - 1 : last + 1;
    return `the two logs differ at index ${at}: ${other.path} is another cluster's, or has entries that were discarded`;
  }
  // By Raft's log matching, what precedes an entry that both have is the same in both. Of a place whose header survives
  // the checksum tells.
  if (behind === undefined && kind !== "entries") return `no whole entry behind it shows that both logs hold the same`;
  return undefined;
}

/** Whether two logs have the same entry at an index; `undefined` if one of them has none that can be read. */
function agree(damaged: WalLog, other: WalLog, index: Index): boolean | undefined {
  const own = entryOf(damaged, index);
  const others = entryOf(other, index);
  if (own === undefined || others === undefined) return undefined;
  return own.term === others.term && own.kind === others.kind && own.command.length === others.command.length &&
    own.command.every((byte, i) => byte === others.command[i]);
}

function entryOf(log: WalLog, index: Index): LogEntry | undefined {
  try {
    return log.entry(index);
  } catch (error) {
    if (error instanceof WalLogError && error.code === "DAMAGED_ENTRY") return undefined;
    throw error;
  }
}

/** Repairs a segment at once; place by place if that is refused, so that one does not hold up the others. */
async function carryOut({ out }: Context, log: WalLog, { damage, entries }: Refill): Promise<void> {
  try {
    log.repair(entries);
    return;
  } catch (error) {
    if (!(error instanceof WalLogError) || error.code !== "INVALID_ARGUMENT") throw error;
    if (damage.length === 1) return await out.line(oneLine(error.message));
  }
  for (const one of damage) {
    const own = entries.filter(({ index }) => index >= one.firstIndex! && index <= one.lastIndex!);
    try {
      log.repair(own);
    } catch (error) {
      if (!(error instanceof WalLogError) || error.code !== "INVALID_ARGUMENT") throw error;
      await out.line(oneLine(error.message));
    }
  }
}
