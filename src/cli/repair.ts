/**
 * `wal-log repair`: replaces damaged data with that of other replicas, or cuts the damaged tail.
 *
 * @module
 */

import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { WalLogError } from "../api/errors.ts";
import type { HardState } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { adviseOn } from "./advice.ts";
import { type Command, type Context, EXIT, UsageError } from "./command.ts";
import type { Plan } from "./exchange.ts";
import { findingOf } from "./finding.ts";
import { damageJson } from "./info.ts";
import { inspect, type Inspection, openToRead } from "./inspect.ts";
import { listFiles, stateOfFiles } from "./log_files.ts";
import { refill, writeLogAnew } from "./mend.ts";
import { type Anew, type Means, type MendPlan, planMending, type Refill } from "./mend_plan.ts";
import { completeInterrupted, lookAtInterrupted } from "./mended.ts";
import { green, red, yellow } from "./terminal.ts";
import { counted, damageText, hardStateText, indexes, nameOf, nextLine, oneLine, sized } from "./text.ts";

/** A running repair. */
interface Run extends Context {
  /** Whether acknowledged entries were cut, by this repair or by an interrupted one that it completed first. */
  readonly isShortened: boolean;
}

/** The result of an earlier repair that was interrupted. */
type Earlier = Plan | "none" | "dropped" | "planned";

/** The command. */
export const repair: Command = {
  name: "repair",
  summary: "Replace damaged data from other replicas' logs, or cut it",
  operands: ["DIR"],
  options: {
    from: { type: "string", value: "OTHER", help: "Take damaged entries from the log in this folder" },
    "snapshot-from": { type: "string", value: "OTHER", help: "Take the snapshot from the log in this folder" },
    "hard-state": {
      type: "string",
      value: "TERM[,VOTE]",
      help: "Set the hard state, if the latest is lost; with --force",
    },
    force: { type: "boolean", help: "Confirms --hard-state" },
    cut: { type: "boolean", help: "Cut everything from the first entry that cannot be repaired" },
    resume: { type: "boolean", help: "Complete an interrupted repair. Any other repair does so first" },
    "dry-run": { type: "boolean", help: "Only say what would be done" },
  },
  help: `--from: replaces damaged entries with those of OTHER, the log of another replica of the same cluster. OTHER is
only read, and may be in use. An entry is taken if it matches the surviving checksum of the damaged one, or if the
entries around it are the same in both logs. Damaged entries are put back in place, each segment in one step. If a
whole segment is lost, or more than entries, the log is rewritten.

--snapshot-from: replaces a damaged snapshot, and all entries up to its index, with the snapshot of OTHER.

--hard-state: sets the last term and vote of the node, if its log has lost them. Only the node itself knows them. IF
THE VALUE IS WRONG, THE NODE CAN VOTE TWICE IN A TERM, and two leaders can be elected that overwrite each other's
entries. Use it only if you have a record, for example in messages that the node sent. Otherwise let the node rejoin as
a new member.

--cut: rewrites the log without the first entry that cannot be repaired and everything after it. THE NODE HAD
ACKNOWLEDGED THESE ENTRIES. It must not vote or count towards a majority until a leader has sent it everything again.
If other replicas are left, prefer --from; both can be combined.

A log that is rewritten keeps its incarnation, unless entries were cut: then it gets a new one, and a RaftNode with
strictMembership refuses to vote with it. The old files go to DIR.damaged-1 (or -2, ...). If the repair is killed, the
log is unchanged, or no writer opens it until a repair of any kind completes this one. --resume does only that; any
other repair then does what it was asked to do.

Every repair says what it will do before it does it, and needs the log closed. Exits with 0 if the log is not damaged
afterwards (with --dry-run: would not be), and with 2 if it is.`,
  writes: true,
  async run(context) {
    const { operands: [path], options, out } = context;
    requireMeans(context);
    const earlier = await completeFirst(context);
    if (earlier === "planned") return EXIT.clean;
    const run = { ...context, isShortened: typeof earlier === "object" && earlier.isShortened };
    if (options.resume === true && typeof earlier === "object") {
      return await conclude(run, earlier.isShortened ? "cut" : "repaired");
    }
    const before = stateOfFiles(path!);
    const found = await inspect(path!);
    const { damage } = found.opened.report;
    if (options.resume === true && earlier === "none") await out.line("no repair was interrupted");
    if (options.resume !== true && damage.length === 0) await out.line("nothing to repair");
    for (const one of damage) await out.line(`${red("damaged")} ${damageText(one)}`);
    if (options.resume === true || damage.length === 0) {
      await sayNext(run, found);
      return damage.length === 0 ? EXIT.clean : EXIT.corrupt;
    }
    const hardState = hardStateOption(context, found);
    if (hardState !== undefined) await warn(context, hardState);
    return await withMeans(context, found, hardState, (means) => mend(run, means, before));
  },
};

/** Fails unless the options select a repair. */
function requireMeans({ options }: Context): void {
  const given = ["from", "snapshot-from", "hard-state", "cut"].filter((name) => options[name] !== undefined);
  if (options.resume === true && given.length > 0) throw new UsageError("--resume excludes all other repairs");
  if (options.resume === true || given.length > 0) return;
  throw new UsageError("give --from OTHER, --snapshot-from OTHER, --hard-state TERM[,VOTE], --cut or --resume");
}

/** The hard state to set. */
function hardStateOption({ options }: Context, { opened }: Inspection): HardState | undefined {
  const text = options["hard-state"];
  if (text === undefined) return undefined;
  const [, term, vote] = /^(\d{1,16})(?:,(\d{1,20}))?$/.exec(String(text)) ?? [];
  const hardState = { term: Number(term), votedFor: vote === undefined ? null : BigInt(vote) };
  if (!Number.isSafeInteger(hardState.term) || (hardState.votedFor ?? 0n) >= 2n ** 64n) {
    throw new UsageError(`--hard-state expects a term and a node id, such as 7,3 or 7; found ${JSON.stringify(text)}`);
  }
  const { hardStateLost, hardState: known } = opened.state;
  if (!hardStateLost) throw new UsageError(`--hard-state: the log has not lost its own, ${hardStateText(known)}`);
  const least = Math.max(known.term, opened.index.lastTerm === TERM_UNKNOWN ? 0 : opened.index.lastTerm);
  if (hardState.term >= least) return hardState;
  throw new UsageError(`--hard-state: term ${hardState.term} is too low; the node has been in term ${least}`);
}

/** Warns of the risk of setting a hard state, and requires --force. */
async function warn({ options, out }: Context, hardState: HardState): Promise<void> {
  await out.line(yellow(`this asserts that the last hard state was ${hardStateText(hardState)}`));
  await out.line(
    yellow(
      "if that is wrong, the node can vote twice in a term: two leaders can then be elected, and acknowledged " +
        "entries can be overwritten",
    ),
  );
  if (options.force !== true) throw new UsageError("--hard-state needs --force");
}

/** Opens the logs that a repair needs, and closes them. */
async function withMeans<Result>(
  context: Context,
  found: Inspection,
  hardState: HardState | undefined,
  use: (means: Means) => Promise<Result>,
): Promise<Result> {
  const { options, signal } = context;
  const opened: WalLog[] = [];
  const open = async (path: string): Promise<WalLog> => {
    const log = await openToRead(path, "keep", signal);
    opened.push(log);
    return log;
  };
  const peer = async (option: string): Promise<WalLog | undefined> => {
    const path = options[option];
    if (path === undefined) return undefined;
    if (realpathSync(String(path)) === realpathSync(found.folder)) {
      throw new UsageError(`--${option} is the damaged log itself`);
    }
    const log = await open(String(path));
    requireSameCluster(found, log);
    return log;
  };
  try {
    const own = await open(found.folder);
    const other = await peer("from");
    const snapshotFrom = await peer("snapshot-from");
    return await use({ found, own, other, snapshotFrom, hardState, isCut: options.cut === true });
  } finally {
    for (const log of opened) await log.close();
  }
}

function requireSameCluster({ opened }: Inspection, { identity: { cluster }, path }: WalLog): void {
  const own = opened.identity?.cluster;
  const isKnown = cluster !== undefined && own?.some((byte) => byte !== 0) === true;
  if (!isKnown || cluster.replaceAll("-", "") === hex(own)) return;
  throw new WalLogError("INVALID_ARGUMENT", `Cannot take entries from ${path}: it belongs to another cluster`, {
    path,
  });
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function mend(context: Run, means: Means, before: string): Promise<number> {
  const { options, out, signal } = context;
  const { folder } = means.found;
  const plan = planMending(means);
  // Fails before any output if some file cannot be moved.
  if (plan.anew !== undefined) listFiles(folder);
  for (const line of planLines(means, plan)) await out.line(line);
  context.result(planJson(means, plan));
  await out.flush();
  const isMended = plan.refusals.length === 0;
  if (options["dry-run"] === true || (plan.refills.length === 0 && plan.anew === undefined)) {
    if (!isMended) await sayNext(context, means.found);
    return isMended ? EXIT.clean : EXIT.corrupt;
  }
  signal.throwIfAborted();
  if (plan.anew !== undefined) return await mendAnew(context, means, plan.anew, before);
  await means.own.close();
  const misfit = await refill(folder, plan.refills, signal);
  if (misfit !== undefined) {
    await out.line(oneLine(misfit));
    const state = stateOfFiles(folder);
    const found = await inspect(folder);
    const own = await openToRead(folder, "keep", signal);
    try {
      const { anew } = planMending({ ...means, found, own }, false);
      if (anew !== undefined) return await mendAnew(context, { ...means, found, own }, anew, state);
    } finally {
      await own.close();
    }
  }
  return await conclude(context, "repaired");
}

async function mendAnew(context: Run, means: Means, anew: Anew, before: string): Promise<number> {
  const evidence = await writeLogAnew(means, anew, before, context.signal);
  await context.out.line(`the old files are in ${oneLine(evidence)}`);
  return await conclude(context, anew.cutFrom === undefined ? "repaired" : "cut");
}

/** Inspects the repaired log, and reports the result. */
async function conclude(context: Run, done: "repaired" | "cut"): Promise<number> {
  const { operands: [path], out } = context;
  const after = await inspect(path!);
  const { damage, verdict, lastIndex } = after.opened.report;
  for (const one of damage) await out.line(`${red("still damaged")} ${damageText(one)}`);
  if (damage.length === 0) await out.line(green(`${done}: the log is ${verdict}, and ends at index ${lastIndex}`));
  await sayNext({ ...context, isShortened: context.isShortened || done === "cut" }, after);
  return damage.length === 0 ? EXIT.clean : EXIT.corrupt;
}

function* planLines({ found, other, snapshotFrom }: Means, { refusals, refills, anew }: MendPlan): Generator<string> {
  for (const one of refills) yield refillLine(one, other!);
  for (const refusal of refusals) yield `${red("cannot repair")} ${oneLine(refusal)}`;
  if (anew === undefined) return;
  if (anew.snapshot === "other") {
    yield `will take the snapshot at index ${snapshotFrom!.snapshotIndex} from ${oneLine(snapshotFrom!.path)}`;
  }
  for (const { from, first, last } of anew.pieces) {
    if (from === "own") continue;
    yield `will take ${indexes(first, last)} (${counted(last - first + 1, "entry", "entries")}) from ${
      oneLine(other!.path)
    }`;
  }
  yield "will rewrite the log, and keep the old files in a folder beside it";
  if (anew.cutFrom === undefined) return;
  const gone = found.lastIndex - anew.cutFrom + 1;
  yield gone > 0
    ? `will cut ${indexes(anew.cutFrom, found.lastIndex)}: ${counted(gone, "entry", "entries")}`
    : `will end the log at index ${anew.lastIndex}: everything after it is already lost`;
  yield yellow(
    `the node had acknowledged these entries: it must not vote or count until a leader has sent it everything again`,
  );
  if (anew.isUnconfirmed) {
    yield yellow("the remaining entries may include truncated ones: nothing shows from which index on");
  }
}

function refillLine({ path, damage, entries }: Refill, other: WalLog): string {
  const bytes = entries.reduce((sum, { command }) => sum + command.length, 0);
  const ranges = damage.map(({ firstIndex, lastIndex }) => indexes(firstIndex!, lastIndex!)).join(", ");
  const size = `${counted(entries.length, "entry", "entries")}, ${sized(bytes)}`;
  return `will refill ${nameOf(path)}: ${ranges} (${size}) from ${oneLine(other.path)}`;
}

/** Prints the last line, which recommends the next step. */
async function sayNext({ out, result, isShortened }: Run, found: Inspection): Promise<void> {
  const { report } = found.opened;
  const next = adviseOn({ ...await findingOf(found), isShortened });
  result({ path: found.folder, verdict: report.verdict, lastIndex: report.lastIndex, next });
  result({ damage: report.damage.map(damageJson) });
  await out.line(nextLine(next));
}

/** The plan of a repair, for programs. */
function planJson({ found }: Means, { refusals, refills, anew }: MendPlan): Readonly<Record<string, unknown>> {
  return {
    path: found.folder,
    damage: found.opened.report.damage.map(damageJson),
    refusals,
    refilled: refills.flatMap(({ damage }) => damage.map(damageJson)),
    isWrittenAnew: anew !== undefined,
    cutFrom: anew?.cutFrom ?? null,
  };
}

/** Completes an interrupted repair. A dry run only reports it. */
async function completeFirst(context: Context): Promise<Earlier> {
  const { operands: [path], options, out } = context;
  const folder = resolve(path!);
  if (options["dry-run"] === true) {
    const what = lookAtInterrupted(folder);
    if (what === "completed") {
      await out.line("will complete the interrupted repair; the remaining steps depend on its result");
    }
    if (what === "dropped") await out.line("will drop the interrupted repair: the log has changed since");
    return what === "completed" ? "planned" : what ?? "none";
  }
  const plan = await completeInterrupted(folder);
  if (plan === undefined) return "none";
  if (plan === "dropped") {
    await out.line("dropped the interrupted repair: it had not moved a file, and the log has changed since");
    return "dropped";
  }
  await out.line(`completed the interrupted repair; the old files are in ${oneLine(plan.evidence)}`);
  return plan;
}
