/**
 * What an event log costs over what it is made of: appending by 64 producers against `WalLog`'s group commit, and
 * replaying JSON against `JSON.parse` alone. Sides take turns; each figure is the median of the rounds.
 *
 *     deno task bench:events                      in Deno; node bench/events.ts, bun bench/events.ts
 *     deno task bench:events --events 100000 --appends 10000 --rounds 3 --folder /data
 *     deno task bench:events --record             into docs/BENCHMARKS.md, beside other runtimes
 *
 * @module
 */

import { WalLog } from "../mod.ts";
import { EventLog } from "../src/events/mod.ts";
import { benchmark } from "./command.ts";
import { type Deposit, depositOf } from "./deposit.ts";
import { lookAtMachine } from "./machine.ts";
import { type Figure, figure, showRun } from "./part_report.ts";
import { recordRun } from "./render.ts";
import { ratios } from "./statistics.ts";
import { versionText } from "./workspace.ts";

const PRODUCERS = 64;
const BATCH = 1000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Lets 64 producers append, each one event after the other; returns appends a second. */
async function appended(
  count: number,
  append: (nth: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const started = performance.now();
  await Promise.all(Array.from({ length: PRODUCERS }, async () => {
    while (next < count) await append(next++);
  }));
  return count / (performance.now() - started) * 1000;
}

async function appendRound(
  folder: string,
  count: number,
): Promise<readonly [wal: number, events: number]> {
  const deposits = Array.from({ length: count }, (_, nth) => depositOf(nth));
  const commands = deposits.map((deposit) => encoder.encode(JSON.stringify(deposit)));
  const wal = await WalLog.open(`${folder}/wal-${crypto.randomUUID()}`);
  const walRate = await appended(count, (nth) => {
    wal.append([{
      term: 1,
      index: wal.lastIndex + 1,
      command: commands[nth]!,
    }]);
    return wal.sync();
  });
  await wal.close();
  const events = await EventLog.open<Deposit>(
    `${folder}/events-${crypto.randomUUID()}`,
  );
  const eventsRate = await appended(
    count,
    (nth) => events.append(deposits[nth]!),
  );
  await events.close();
  return [walRate, eventsRate];
}

/** Milliseconds that something takes, which returns the sum of all ids. */
function timed(expected: number, sum: () => number): number {
  const started = performance.now();
  const found = sum();
  const milliseconds = performance.now() - started;
  if (found !== expected) {
    throw new Error(`expected ${expected}, found ${found}`);
  }
  return milliseconds;
}

function replayRound(
  log: EventLog<Deposit>,
  count: number,
): readonly [parse: number, decode: number, replay: number] {
  const sum = count * (count - 1) / 2;
  const texts = Array.from(
    { length: count },
    (_, nth) => JSON.stringify(depositOf(nth)),
  );
  const parse = timed(
    sum,
    () => texts.reduce((ids, text) => ids + (JSON.parse(text) as Deposit).id, 0),
  );
  const bytes = texts.map((text) => encoder.encode(text));
  texts.length = 0;
  const decode = timed(
    sum,
    () =>
      bytes.reduce(
        (ids, one) => ids + (JSON.parse(decoder.decode(one)) as Deposit).id,
        0,
      ),
  );
  bytes.length = 0;
  const replay = timed(sum, () => {
    let ids = 0;
    for (const { event } of log.iterate()) ids += event.id;
    return ids;
  });
  return [parse, decode, replay];
}

/** One of the figures of each round. */
const side = (rounds: readonly (readonly number[])[], nth: number): number[] => rounds.map((round) => round[nth]!);

async function compareAppends(folder: string, rounds: number, appends: number): Promise<Figure[]> {
  const rates: (readonly [number, number])[] = [];
  for (let round = 0; round < rounds; round++) rates.push(await appendRound(folder, appends));
  const [wal, events] = [side(rates, 0), side(rates, 1)];
  return [
    figure(`WalLog, ${PRODUCERS} producers`, "perSecond", wal),
    figure(`EventLog, ${PRODUCERS} producers`, "perSecond", events),
    figure("EventLog / WalLog", "ratio", ratios(events, wal), "at least 0.80x"),
  ];
}

async function compareReplays(folder: string, rounds: number, count: number): Promise<Figure[]> {
  const log = await EventLog.open<Deposit>(`${folder}/replayed`);
  for (let nth = 0; nth < count; nth += BATCH) {
    await log.appendAll(Array.from({ length: Math.min(BATCH, count - nth) }, (_, i) => depositOf(nth + i)));
  }
  const times = Array.from({ length: rounds }, () => replayRound(log, count));
  await log.close();
  const [parse, decode, replay] = [side(times, 0), side(times, 1), side(times, 2)];
  const inSeconds = (milliseconds: readonly number[]) => milliseconds.map((one) => one / 1000);
  return [
    figure("JSON.parse of strings", "seconds", inSeconds(parse)),
    figure("TextDecoder and JSON.parse of bytes", "seconds", inSeconds(decode)),
    figure("EventLog.iterate", "seconds", inSeconds(replay)),
    figure("iterate / JSON.parse of strings", "ratio", ratios(replay, parse), "at most 1.30x"),
    figure("iterate / TextDecoder and JSON.parse", "ratio", ratios(replay, decode)),
  ];
}

const DEFAULTS = { events: "1000000", appends: "30000", rounds: "5", record: false };

await benchmark(DEFAULTS, async ({ workspace, options }) => {
  const [rounds, appends, events] = [options.rounds, options.appends, options.events].map(Number) as [
    number,
    number,
    number,
  ];
  const bytes = JSON.stringify(depositOf(events)).length;
  const machine = lookAtMachine(workspace.path);
  const run = {
    ...{ runtime: versionText(), machine },
    work: `${appends.toLocaleString("en")} events are appended as objects, and as encoded bytes to a \`WalLog\`. ` +
      `${events.toLocaleString("en")} JSON events of ${bytes} bytes are replayed. ${rounds} rounds.`,
    figures: [
      ...await compareAppends(workspace.path, rounds, appends),
      ...await compareReplays(workspace.path, rounds, events),
    ],
  };
  showRun(run);
  if (options.record) recordRun("events", run);
});
