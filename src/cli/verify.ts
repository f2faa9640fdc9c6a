/**
 * `wal-log verify`: reads everything, verifies every checksum, and lists the damage.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import { scrubLog } from "../maintain/scrub.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { adviseOn } from "./advice.ts";
import { type Command, EXIT, hardStateJson } from "./command.ts";
import { findingOf } from "./finding.ts";
import { cutJson, damageJson } from "./info.ts";
import { inspect, type Inspection, withProgress } from "./inspect.ts";
import { dim, green, grouped, red, yellow } from "./terminal.ts";
import { counted, damageText, hardStateText, indexes, nameOf, nextLine, sized } from "./text.ts";

/** The most attempts to verify a log that a writer may have changed meanwhile. */
const ATTEMPTS_MAX = 5;

/** The state of a log, and its damage. */
interface Verdict {
  readonly found: Inspection;
  readonly damage: readonly Damage[];
  readonly harmless: readonly Damage[];
}

/** The command. */
export const verify: Command = {
  name: "verify",
  summary: "Read everything, verify every checksum, list the damage",
  operands: ["DIR"],
  options: {},
  help: `Exits with 0 if the log is clean, 1 if it is torn (bytes at its end did not survive a crash, and nothing proves
that they were ever synced), 2 if it is corrupt, 3 if it cannot be read. Changes nothing. Beside a running writer, it
verifies the log as of when it was opened, and says "in use". A write in progress looks torn, so it then reads the log
again.`,
  async run({ operands: [path], options, out, result }) {
    const verdict = await judge(path!);
    const { report } = verdict.found.opened;
    const finding = await findingOf(verdict.found, verdict.damage);
    const word = finding.verdict;
    const next = adviseOn(finding);
    if (options.json === true) {
      const { damage, harmless } = verdict;
      const { entries, lastIndex, provenIndex, cut } = report;
      const { hardState, hardStateLost, tailLost } = verdict.found.opened.state;
      result({
        path: verdict.found.folder,
        verdict: word,
        inUse: verdict.found.isInUse,
        entries,
        lastIndex,
        provenIndex,
        hardState: { ...hardStateJson(hardState), lost: hardStateLost },
        entriesLost: countLost(damage),
        tailLost,
        cut: cut === undefined ? null : cutJson(cut),
        damage: damage.map(damageJson),
        harmless: harmless.map(damageJson),
        next,
      });
    } else {
      for (const line of asText(verdict, word)) await out.line(line);
      await out.line(nextLine(next));
    }
    return EXIT[word];
  },
};

/** Opens a log, which verifies all needed data, and then verifies the redundant data. */
async function judge(path: string): Promise<Verdict> {
  let before: string | undefined;
  for (let attempt = 1;; attempt++) {
    const found = await inspect(path);
    const { index, uuid, report, state: { changes } } = found.opened;
    const subject = { fileSystem: nodeFileSystem, folder: found.folder, uuid, index, changes, active: undefined };
    const scrubbed = await withProgress("verifying", scrubLog(subject));
    const known = new Set([...report.damage, ...report.harmless].map(placeOf));
    const isNew = (one: Damage) => !known.has(placeOf(one));
    const news = scrubbed.damage.filter(isNew);
    const verdict: Verdict = {
      found,
      damage: [...report.damage, ...news],
      harmless: [...report.harmless, ...scrubbed.harmless.filter(isNew)],
    };
    // A segment that compaction deleted meanwhile is not damage. The next attempt does not see it.
    const now = news.map(placeOf).join();
    if (news.length === 0 || now === before || attempt === ATTEMPTS_MAX) return verdict;
    before = now;
  }
}

function placeOf({ path, offset }: Damage): string {
  return `${path} ${offset}`;
}

function* asText({ found, damage, harmless }: Verdict, word: "clean" | "torn" | "corrupt"): Generator<string> {
  const { opened, lastIndex, segments } = found;
  const { report } = opened;
  const { hardState, hardStateLost } = opened.state;
  const bytes = segments.reduce((sum, { segment }) => sum + segment.endOffset, found.snapshot?.dataBytes ?? 0);
  const shown = { clean: green, torn: yellow, corrupt: red }[word](word);
  yield `${shown}: ${counted(report.entries, "entry", "entries")} up to index ${lastIndex}, ` +
    `${counted(segments.length, "segment", "segments")}, ${sized(bytes)} verified${found.isInUse ? "; in use" : ""}`;
  if (report.cut !== undefined) {
    const { path, offset, bytes, firstIndex, lastIndex } = report.cut;
    const range = firstIndex === undefined || lastIndex === undefined ? "" : ` (${indexes(firstIndex, lastIndex)})`;
    yield `  torn at byte ${offset} of ${nameOf(path)}: ${
      counted(bytes, "byte", "bytes")
    } that nothing proves were ever ` +
      `synced${range}`;
  }
  for (const one of damage) yield `  ${red("damaged")} ${damageText(one)}`;
  for (const one of harmless) yield dim(`  not needed: damaged ${damageText(one)}`);
  if (hardStateLost) {
    yield `  the latest hard state is lost; the last that is known: ${hardStateText(hardState)}`;
  }
  const lost = countLost(damage);
  if (lost > 0) yield `${grouped(lost)} of ${grouped(report.entries)} entries cannot be read`;
  if (word === "clean" && report.provenIndex < lastIndex) {
    yield dim(`  proven durable up to index ${report.provenIndex}; the entries after it are intact`);
  }
}

/** Entries in damaged places, of those places whose ends are known. */
function countLost(damage: readonly Damage[]): number {
  const ranges = damage
    .filter(({ kind }) => kind !== "snapshot")
    .flatMap(({ firstIndex, lastIndex }) =>
      firstIndex === undefined || lastIndex === undefined ? [] : [[firstIndex, lastIndex] as const]
    )
    .sort((a, b) => a[0] - b[0]);
  let count = 0;
  let end = 0;
  for (const [first, last] of ranges) {
    count += Math.max(last - Math.max(first - 1, end), 0);
    end = Math.max(end, last);
  }
  return count;
}
