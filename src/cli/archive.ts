/**
 * `wal-log archive`: archives a log in an object store, and lists and verifies archives.
 *
 * @module
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { WalLogError } from "../api/errors.ts";
import type { WalLogEvents } from "../api/events.ts";
import { WalLog } from "../api/wal_log.ts";
import { archive } from "../archive/archive.ts";
import { Archiver } from "../archive/archiver.ts";
import { historyOf } from "../archive/history.ts";
import { surveyStore } from "../archive/survey.ts";
import { LogView } from "../archive/log_view.ts";
import { verifyArchive } from "../archive/verify_archive.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { folderOf } from "../recovery/open.ts";
import { type Arguments, type Command, type Context, EXIT, indexOption, Interrupted, UsageError } from "./command.ts";
import { intervalOption } from "./interval.ts";
import { STORE_HELP, storeOf } from "./object_store.ts";
import { progressLine } from "./progress.ts";
import { green, red } from "./terminal.ts";
import { counted, indexes, oneLine, sized } from "./text.ts";

/** The option of all commands that read one generation. */
export const GENERATION = { type: "string", value: "NUMBER", help: "The generation. Default: the newest" } as const;

/** The generation that an option names; `undefined` for the newest. */
export function generationOption(args: Arguments): number | undefined {
  return indexOption(args, "generation");
}

/** The command that archives. */
export const archiveRun: Command = {
  name: "archive run",
  summary: "Archive a log in an object store",
  operands: ["DIR", "STORE"],
  options: {
    follow: { type: "boolean", short: "f", help: "Archive new entries as they become durable, until interrupted" },
    interval: { type: "string", value: "MS", help: "With --follow: the time between two steps. Default: 1000" },
  },
  help:
    `STORE is ${STORE_HELP}. It holds the archive of one log. Archives everything that is proven durable, also beside
a running writer. It cannot hold compaction back: if the log is compacted before its entries are archived, the archive
has a gap, which the log's snapshot covers. To avoid that, archive the log in the writer's process (see the library).

If two archivers of the same log run, the one that started later wins. The other one ends with exit code 3.`,
  writes: true,
  async run(context) {
    const { operands: [path, place], options, out, result } = context;
    const intervalMilliseconds = intervalOption(context);
    const store = await storeOf(place!);
    requireOutside(path!, place!);
    const log = await WalLog.open(path!, { readOnly: true, create: false, verify: "tail", onDamage: "keep" });
    await log.close();
    const run = options.follow === true ? await follow(context, intervalMilliseconds) : await runOnce(context);
    const { generation, archivedIndex, objects, bytes } = run;
    result({ path: log.path, store: store.name, generation, archivedIndex, objects, bytes });
    await out.line(
      `archived up to index ${archivedIndex}, generation ${generation}: wrote ${
        counted(objects, "object", "objects")
      }, ` +
        `${sized(bytes)}, to ${oneLine(store.name)}`,
    );
    return EXIT.clean;
  },
};

/** Fails if a store is in the folder of the log. It must outlive that folder. */
function requireOutside(path: string, place: string): void {
  if (!place.startsWith("file:")) return;
  const [log, store] = [realPath(resolve(path)), realPath(fileURLToPath(place))];
  if (store !== log && !store.startsWith(log + sep)) return;
  throw new UsageError(`STORE must not be in the log's folder, found ${JSON.stringify(place)}`);
}

/** A path without symbolic links. Its last parts may be missing. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realPath(above), basename(path));
  }
}

/** The counts of a run. */
interface Run {
  readonly generation: number;
  readonly archivedIndex: number;
  readonly objects: number;
  readonly bytes: number;
}

async function runOnce({ operands: [path, place], signal }: Context): Promise<Run> {
  const archiver = new Archiver(
    await storeOf(place!),
    new LogView(nodeFileSystem, folderOf(path!)),
    crypto.randomUUID(),
    signal,
  );
  await archiver.step().catch((error) => {
    throw signal.aborted ? new Interrupted("the objects that were written stay") : error;
  });
  const { generation, archivedIndex, counts: { objects, bytes } } = archiver;
  return { generation, archivedIndex, objects, bytes };
}

async function follow({ operands: [path, place], note, signal }: Context, intervalMilliseconds?: number): Promise<Run> {
  await using log = await WalLog.open(path!, { readOnly: true, create: false, verify: "tail", onDamage: "keep" });
  const onFailure = (message: unknown) => {
    const { error, willRetry } = message as WalLogEvents["wallog:archive-failure"];
    if (willRetry) note(`${error.message}; trying again`);
  };
  subscribe("wallog:archive-failure", onFailure);
  try {
    await using archiving = archive(log, await storeOf(place!), { intervalMilliseconds });
    const stop = () => void archiving.close();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    await archiving.closed;
    const value = (name: string) => {
      const [sample] = archiving.metrics().find((metric) => metric.name === name)?.samples ?? [];
      return sample !== undefined && "value" in sample ? sample.value : 0;
    };
    return {
      generation: value("wallog_archive_generation"),
      archivedIndex: archiving.archivedIndex,
      objects: value("wallog_archive_objects_total"),
      bytes: value("wallog_archive_written_bytes_total"),
    };
  } finally {
    unsubscribe("wallog:archive-failure", onFailure);
  }
}

/** The command that verifies. */
export const archiveVerify: Command = {
  name: "archive verify",
  summary: "Read every object of an archive, list the damage",
  operands: ["STORE"],
  options: { generation: GENERATION },
  help: `Exits with 0 if every object is there and undamaged, 2 if not, 3 if there is no archive or it cannot be read.
Damaged and missing objects are listed with the indexes of their entries. No key shows that the newest objects of the
newest generation existed: compare the last index with the one that the archiver reported.`,
  async run(context) {
    const { operands: [place], options, out, result, signal } = context;
    const store = await storeOf(place!);
    const line = progressLine("verifying");
    const found = await verifyArchive(store, {
      generation: generationOption(context),
      onProgress: line.show,
      signal,
    }).finally(() => line.clear());
    if (found.objects === 0) throw noArchive(store.name);
    result({ store: store.name, ...found });
    if (options.json === true) return EXIT[found.verdict];
    const { verdict, generation, lastIndex, objects, bytes, damage, gaps } = found;
    await out.line(
      `${verdict === "clean" ? green(verdict) : red(verdict)}: generation ${generation}, up to index ${lastIndex}, ` +
        `${counted(objects, "object", "objects")}, ${sized(bytes)} verified`,
    );
    for (const { key, firstIndex, lastIndex, reason } of damage) {
      const entries = lastIndex === 0 ? "" : ` ${indexes(firstIndex, lastIndex)}`;
      await out.line(`  ${red(reason)}${entries}: ${oneLine(key)}`);
    }
    for (const { firstIndex, lastIndex } of gaps) {
      await out.line(`  not archived: ${indexes(firstIndex, lastIndex)}, which a snapshot covers`);
    }
    return EXIT[verdict];
  },
};

/** The command that lists. */
export const archiveList: Command = {
  name: "archive list",
  summary: "List the generations of an archive",
  operands: ["STORE"],
  options: {},
  help:
    `A generation is one run of an archiver. It continues the previous one, or starts a new history. For each generation,
this lists the indexes and the snapshots that can be restored, the time of the last checkpoint, and the number and size
of its own objects.`,
  async run({ operands: [place], out, options, result, signal }) {
    const store = await storeOf(place!);
    const survey = await surveyStore(store, { signal });
    const complete = [...survey.generations].filter(([, { isComplete }]) => isComplete);
    const numbers = complete.map(([number]) => number).sort((a, b) => a - b);
    if (numbers.length === 0) throw noArchive(store.name);
    const generations = numbers.map((number) => {
      const { base, pieces, snapshots } = survey.generations.get(number)!;
      const { segments, snapshots: usable, floor } = historyOf(survey, number);
      const last = segments.at(-1)?.chain.at(-1);
      const bytes = pieces.reduce((sum, { from, to }) => sum + to - from, 0) +
        snapshots.reduce((sum, { size }) => sum + size, 0);
      return {
        generation: number,
        parent: base?.parent ?? null,
        firstIndex: Math.max(segments[0]?.id.first ?? 1, floor.snapshot),
        lastIndex: (last?.next ?? 1) - 1,
        snapshots: [...new Set(usable.map(({ index }) => index))].sort((a, b) => a - b),
        time: segments.flatMap(({ chain }) => chain).reduce((latest, { time }) => Math.max(latest, time), 0),
        objects: pieces.length + snapshots.length,
        bytes,
      };
    });
    result({ store: store.name, generations });
    if (options.json === true) return EXIT.clean;
    for (const { generation, parent, firstIndex, lastIndex, snapshots, time, objects, bytes } of generations) {
      const range = lastIndex < firstIndex ? "no entries" : indexes(firstIndex, lastIndex);
      const from = parent === null ? "" : `, after generation ${parent}`;
      const at = snapshots.length === 0 ? "" : `, snapshots at ${snapshots.slice(-3).join(", ")}`;
      const until = time === 0 ? "" : `, until ${new Date(time).toISOString()}`;
      await out.line(
        `generation ${generation}: ${range}${from}${at}${until}; ${
          counted(objects, "object", "objects")
        } of its own, ` +
          sized(bytes),
      );
    }
    return EXIT.clean;
  },
};

function noArchive(store: string): WalLogError {
  return new WalLogError(
    "NOT_FOUND",
    `Cannot read the archive in ${store}: there is no archive, or it lacks the generation`,
  );
}
