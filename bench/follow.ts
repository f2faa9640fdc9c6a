/**
 * Measures following a log: the lag of followers behind the flush, their speed when they catch up, and their cost to
 * the writer.
 *
 *     deno task bench:follow                       in Deno
 *     deno task bench:follow --runtime all         in Deno, Bun and Node
 *     deno task bench:follow --rounds 5 --seconds 4 --folder /data
 *
 * @module
 */

import { rmSync } from "node:fs";
import { StatusLine } from "../src/cli/terminal.ts";
import { benchmark } from "./command.ts";
import type { FollowTask, Load, ReadAt, Times, Written } from "./follow_child.ts";
import { lookAtMachine } from "./machine.ts";
import { commandFor } from "./runner.ts";
import { quantile, ratios, summarize } from "./statistics.ts";
import { machineText, table } from "./text.ts";
import type { Runtime } from "../scripts/runtimes.ts";
import { rateText } from "./units.ts";
import type { Workspace } from "./workspace.ts";

/** Number of entries in the log that followers read to catch up. */
const CATCH_UP_ENTRIES = 1_000_000;
const CATCH_UP_BYTES = 128;
const FOLLOWERS = 200;
/** A single caller, with pauses between its writes. */
const AT_REST: Load = { producers: 1, pauseMs: 250, followers: 1, way: "follow" };
/** Callers that keep the disk busy. */
const UNDER_LOAD: Load = { producers: 64, pauseMs: 0, followers: 1, way: "follow" };

/** The measurements in one runtime. */
class FollowBench {
  private readonly runtime: Runtime;
  private readonly workspace: Workspace;
  private readonly step: (what: string) => void;
  private folders = 0;
  private folder = "";

  constructor(
    runtime: Runtime,
    workspace: Workspace,
    step: (what: string) => void,
  ) {
    this.runtime = runtime;
    this.workspace = workspace;
    this.step = step;
  }

  /** The time from the flush of an entry until a follower receives it, in the writer's process and in another one. */
  async lag(where: string, load: Load, seconds: number): Promise<string[][]> {
    this.step(`${this.runtime.title}: lag ${where}`);
    const folder = this.newFolder();
    const [written, times] = await Promise.all([
      this.run<Written>({ task: "write", folder, seconds, load }),
      this.run<Times>({ task: "follow", folder }),
    ]);
    return [
      this.row(
        `lag ${where}, in the process`,
        lagText(written.durable, written.followed),
      ),
      this.row(
        `lag ${where}, from another process`,
        lagText(written.durable, times),
      ),
    ];
  }

  /** The speed of reading a whole log by following it, relative to iterating over it. */
  async catchUp(rounds: number): Promise<string[][]> {
    const folder = this.newFolder();
    this.step(`${this.runtime.title}: catching up`);
    await this.run({
      task: "fill",
      folder,
      count: CATCH_UP_ENTRIES,
      bytes: CATCH_UP_BYTES,
    });
    const rates = {
      iterate: [] as number[],
      writer: [] as number[],
      reader: [] as number[],
    };
    for (let round = 0; round < rounds; round++) {
      rates.iterate.push(
        (await this.run<ReadAt>({
          task: "read",
          folder,
          way: "iterate",
          readOnly: false,
        })).perSecond,
      );
      rates.writer.push(
        (await this.run<ReadAt>({
          task: "read",
          folder,
          way: "follow",
          readOnly: false,
        })).perSecond,
      );
      rates.reader.push(
        (await this.run<ReadAt>({
          task: "read",
          folder,
          way: "follow",
          readOnly: true,
        })).perSecond,
      );
    }
    return (["writer", "reader"] as const).map((side) => {
      const { median, min, max } = summarize(
        ratios(rates[side], rates.iterate),
      );
      const rate = rateText(summarize(rates[side]).median);
      return this.row(
        `catching up, on a ${side}'s log`,
        `${rate}/s, ${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)}) of iterate`,
      );
    });
  }

  /** The writer's speed with many followers, relative to its speed with none. */
  async cost(rounds: number, seconds: number): Promise<string[][]> {
    const rows: string[][] = [];
    for (const producers of [1, 64]) {
      this.step(`${this.runtime.title}: ${FOLLOWERS} followers, ${producers} producers`);
      const rate = async (way: Load["way"], followers: number) => {
        const load: Load = { producers, pauseMs: 0, followers, way };
        return (await this.run<Written>({ task: "write", folder: this.newFolder(), seconds, load })).perSecond;
      };
      const rates = { none: [] as number[], follow: [] as number[], followBatches: [] as number[] };
      for (let round = 0; round < rounds; round++) {
        rates.none.push(await rate("follow", 0));
        rates.follow.push(await rate("follow", FOLLOWERS));
        rates.followBatches.push(await rate("followBatches", FOLLOWERS));
      }
      for (const way of ["follow", "followBatches"] as const) {
        const { median, min, max } = summarize(ratios(rates[way], rates.none));
        const spread = `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`;
        const title = `${FOLLOWERS} followers with ${way}, ${producers} producers`;
        rows.push(this.row(title, `${rateText(summarize(rates[way]).median)}/s, ${spread} of none`));
      }
    }
    return rows;
  }

  /** A new folder for each log, so that no process finds the log of a previous one. */
  private newFolder(): string {
    if (this.folder !== "") {
      rmSync(this.folder, { recursive: true, force: true });
    }
    this.folder = `${this.workspace.path}/${this.runtime.name}-${++this
      .folders}`;
    return this.folder;
  }

  private row(what: string, result: string): string[] {
    return [this.runtime.title, what, result];
  }

  private async run<T>(task: FollowTask): Promise<T> {
    const child = new URL("follow_child.ts", import.meta.url).pathname;
    const output = await this.workspace.run([
      ...commandFor(this.runtime),
      child,
      JSON.stringify(task),
    ], {});
    return JSON.parse(output.trim().split("\n").at(-1)!);
  }
}

/** The quantiles of the time between two events of the same entries. */
function lagText(from: Times, to: Times): string {
  const begun = new Map(from);
  const lags = to.flatMap(([index, ms]) => begun.has(index) ? [ms - begun.get(index)!] : []);
  const [half, most, all] = [0.5, 0.99, 1].map((part) => Math.max(0, quantile(lags, part)).toFixed(1));
  return `${half} ms, 99 % within ${most} ms, all ${lags.length} within ${all} ms`;
}

await benchmark(
  { rounds: "5", seconds: "4" },
  async ({ workspace, runtimes, options }) => {
    const rounds = Number(options.rounds);
    const seconds = Number(options.seconds);
    console.log(machineText(lookAtMachine(workspace.path)));
    const line = new StatusLine(2000);
    const step = (what: string) => line.show(what);
    const rows: string[][] = [];
    for (const runtime of runtimes) {
      const bench = new FollowBench(runtime, workspace, step);
      for (
        const [where, load] of [["at rest", AT_REST], [
          "under load",
          UNDER_LOAD,
        ]] as const
      ) {
        rows.push(...await bench.lag(where, load, seconds * 2));
      }
      rows.push(...await bench.catchUp(rounds));
      rows.push(...await bench.cost(rounds, seconds));
    }
    line.clear();
    for (const row of table(["Runtime", "What", "Result"], rows)) {
      console.log(row);
    }
  },
);
