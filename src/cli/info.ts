/**
 * `wal-log info`: the parts of a log.
 *
 * @module
 */

import { type LogIdentity, showIdentity } from "../api/log_identity.ts";
import type { Cut, Damage } from "../api/report.ts";
import type { Index } from "../api/types.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { type Advice, adviseOn } from "./advice.ts";
import { type Command, EXIT } from "./command.ts";
import { findingOf } from "./finding.ts";
import { inspect, type Inspection } from "./inspect.ts";
import { bold, dim, green, grouped, red, yellow } from "./terminal.ts";
import {
  counted,
  damageText,
  hardStateText,
  indexes,
  nameOf,
  nextLine,
  oneLine,
  sized,
  table,
  termText,
} from "./text.ts";

const LABEL_COLUMNS = 12;

/** The command. */
export const info: Command = {
  name: "info",
  summary: "Show segments, indexes, terms, hard state, snapshot, verdict",
  operands: ["DIR"],
  options: {},
  help: `Reads the whole log and changes nothing. The log may have a running writer; the output shows it as of when it
was opened. Exits with 0 if the log could be read, whatever the verdict. To test the verdict, use verify.`,
  async run({ operands: [path], options, out, result }) {
    const found = await inspect(path!);
    const next = adviseOn(await findingOf(found));
    if (options.json === true) result(asJson(found, next));
    else {
      for (const line of asText(found)) await out.line(line);
      await out.line();
      await out.line(nextLine(next));
    }
    return EXIT.clean;
  },
};

function* asText(found: Inspection): Generator<string> {
  const { opened, snapshot, segments, firstIndex, lastIndex } = found;
  const { report, index } = opened;
  const { hardState, hardStateLost } = opened.state;
  const labelled = (label: string, text: string) => `  ${dim(label.padEnd(LABEL_COLUMNS))}${text}`;
  const verdict = { clean: green("clean"), torn: yellow("torn"), corrupt: red("corrupt") }[report.verdict];
  yield bold(oneLine(found.folder));
  // Nothing shows whether a damaged log was closed.
  const closed = found.isInUse
    ? "; in use"
    : report.closed
    ? "; the last writer closed the log"
    : "; the last writer did not close the log, or is still running";
  yield labelled("verdict", verdict + (report.verdict === "corrupt" ? "" : closed));
  yield labelled(
    "entries",
    lastIndex < firstIndex ? "none" : `${grouped(report.entries)}, ${indexes(firstIndex, lastIndex)}`,
  );
  yield labelled("last", `index ${lastIndex}, term ${termText(index.lastTerm)}`);
  yield labelled("proven", `durable up to index ${report.provenIndex}`);
  yield labelled("hard state", hardStateText(hardState) + (hardStateLost ? red("; a later one is lost") : ""));
  if (snapshot === undefined) yield labelled("snapshot", "none");
  else {
    const { dataBytes, members } = snapshot;
    const of = `index ${snapshot.index}, term ${termText(snapshot.term)}`;
    yield labelled(
      "snapshot",
      dataBytes === undefined
        ? `${of}, ${red("damaged")}`
        : `${of}, ${sized(dataBytes)}, ${members!.length === 0 ? "no members" : `members ${members!.join(" ")}`}`,
    );
  }
  yield labelled("size", `${sized(sumOf(found))} in ${counted(segments.length, "segment", "segments")}`);
  const { log, incarnation, cluster } = identityOf(found);
  yield labelled("identity", log);
  yield labelled("incarnation", incarnation ?? red("IDENTITY is missing or damaged"));
  if (cluster !== undefined) yield labelled("cluster", cluster);
  if (report.cut !== undefined) {
    const { path, offset, bytes } = report.cut;
    yield labelled(
      "torn",
      yellow(
        `${counted(bytes, "byte", "bytes")} that nothing proves were ever synced, at byte ${offset} of ${nameOf(path)}`,
      ),
    );
  }
  for (const damage of report.damage) yield labelled("damaged", red(damageText(damage)));
  for (const damage of report.harmless) yield labelled("not needed", dim(`damaged ${damageText(damage)}`));
  yield* segmentTable(segments);
}

/** The segments, in a line each. */
function* segmentTable(segments: Inspection["segments"]): Generator<string> {
  if (segments.length === 0) return;
  yield "";
  const rows = segments.map((segment) => [
    nameOf(segment.segment.path),
    grouped(segment.entries),
    segment.entries === 0 ? "-" : `${segment.firstIndex} to ${segment.lastIndex}`,
    segment.terms.length === 0 ? "-" : range(termText(segment.terms[0]![1]), termText(segment.terms.at(-1)![1])),
    sized(segment.segment.endOffset),
  ]);
  const lines = table([["segment", "entries", "indexes", "terms", "size"], ...rows], new Set([1, 4]));
  yield dim(`  ${lines[0]}`);
  for (const line of lines.slice(1)) yield `  ${line}`;
}

function range(first: string, last: string): string {
  return first === last ? first : `${first} to ${last}`;
}

function sumOf({ segments, snapshot }: Inspection): number {
  return segments.reduce((sum, { fileBytes }) => sum + fileBytes, snapshot?.dataBytes ?? 0);
}

/**
 * The ids of a log, of its incarnation and of its cluster.
 *
 * @param found The log.
 * @returns The ids as text.
 */
export function identityOf({ opened }: Inspection): LogIdentity {
  return showIdentity(opened.uuid, opened.identity);
}

/** Everything, for programs. Identities are strings: they have 64 bits. */
function asJson(found: Inspection, next: Advice): Readonly<Record<string, unknown>> {
  const { folder, opened, snapshot, segments, firstIndex, lastIndex } = found;
  const { report, index } = opened;
  const { hardState, hardStateLost } = opened.state;
  const { log, incarnation, cluster } = identityOf(found);
  const known = (term: number) => term === TERM_UNKNOWN ? null : term;
  return {
    path: folder,
    identity: log,
    incarnation: incarnation ?? null,
    cluster: cluster ?? null,
    verdict: report.verdict,
    closed: report.closed,
    inUse: found.isInUse,
    entries: report.entries,
    firstIndex: lastIndex < firstIndex ? null : firstIndex,
    lastIndex,
    lastTerm: known(index.lastTerm),
    provenIndex: report.provenIndex,
    hardState: {
      term: hardState.term,
      votedFor: hardState.votedFor === null ? null : String(hardState.votedFor),
      lost: hardStateLost,
    },
    snapshot: snapshot === undefined ? null : {
      index: snapshot.index,
      term: known(snapshot.term),
      members: snapshot.members?.map(String) ?? null,
      dataBytes: snapshot.dataBytes ?? null,
      damaged: snapshot.dataBytes === undefined,
    },
    bytes: sumOf(found),
    segments: segments.map((view) => ({
      name: nameOf(view.segment.path),
      entries: view.entries,
      firstIndex: view.entries === 0 ? null : view.firstIndex,
      lastIndex: view.entries === 0 ? null : view.lastIndex,
      terms: view.terms.map(([index, term]) => ({ index, term: known(term) })),
      bytes: view.segment.endOffset,
      fileBytes: view.fileBytes,
    })),
    cut: report.cut === undefined ? null : cutJson(report.cut),
    damage: report.damage.map(damageJson),
    harmless: report.harmless.map(damageJson),
    next,
  };
}

/**
 * A damaged place, for programs.
 *
 * @param damage The place.
 * @returns Its fields, with the file's name instead of its path, and `null` for unknown values.
 */
export function damageJson(damage: Damage): unknown {
  const { path, firstIndex = null, lastIndex = null, term = null, ...rest } = damage;
  return { ...rest, file: nameOf(path), firstIndex, lastIndex, term };
}

/** {@link Cut}, without the unknown indexes. */
type CutPlace = Omit<Cut, "firstIndex" | "lastIndex"> & {
  firstIndex?: Index | null | undefined;
  lastIndex?: Index | null | undefined;
};

/**
 * The torn end that was cut, for programs.
 *
 * @param cut The torn end.
 * @returns Its fields, with the file's name instead of its path, and `null` for unknown values.
 */
export function cutJson({ path, offset, bytes, firstIndex = null, lastIndex = null }: CutPlace): unknown {
  return { file: nameOf(path), offset, bytes, firstIndex, lastIndex };
}
