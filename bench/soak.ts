/**
 * A log in long use: repeated appends, syncs, truncations, votes, snapshots, compactions and reads. Meanwhile, memory,
 * files and the slowest commits are recorded. At the end, the log is reopened and compared with the expected contents.
 *
 *     deno task bench:soak                    an hour, recorded
 *     deno task bench:soak --minutes 0.5      to try it; goes to bench/results/latest
 *     deno task bench:soak --seed 4711        the same history again, as far as time allows
 *     deno task bench:soak --remark "..."     noted beside the results: what else ran on the machine, say
 *
 * @module
 */

import { bar, bold, dim, StatusLine } from "../src/cli/terminal.ts";
import { locateRuntime } from "../scripts/runtimes.ts";
import { Random } from "../src/testing/random.ts";
import { benchmark, runningRuntime } from "./command.ts";
import { lookAtMachine } from "./machine.ts";
import { machineText } from "./text.ts";
import { LATEST, record } from "./render.ts";
import type { SoakPoint } from "./soak_report.ts";
import { SoakedLog } from "./soak_log.ts";
import { durationText, MIB, sizeText } from "./units.ts";
import { CannotRun } from "./workspace.ts";

/** The number of points in a run. */
const POINTS = 240;
/** The most disk space, in bytes: the log, two snapshots, and one or two segments. */
const DISK_BYTES = 256 * MIB;
/** The duration of a recorded run, in minutes. */
const RECORDED_MINUTES = 60;

await benchmark(
  { minutes: String(RECORDED_MINUTES), seed: "1", remark: "" },
  async ({ workspace, runtimes, options, output }) => {
    const minutes = Number(options.minutes);
    if (!(minutes > 0)) throw new CannotRun("--minutes takes a number");
    if (runtimes.length !== 1 || runtimes[0]!.name !== runningRuntime()) {
      throw new CannotRun(
        "A soak runs in the runtime that it is started in: `bun bench/soak.ts`, `node bench/soak.ts`",
      );
    }
    workspace.require(DISK_BYTES, "A soak");
    const machine = lookAtMachine(workspace.path);
    const { name, title, version } = locateRuntime(runningRuntime());
    console.log(`${bold(`A soak of ${minutes} minutes in ${title} ${version}`)}\n${dim(machineText(machine))}`);

    const soaked = new SoakedLog(`${workspace.path}/raft.wal`, new Random(Number(options.seed)));
    const points: SoakPoint[] = [];
    const line = new StatusLine(10_000);
    const started = performance.now();
    const elapsed = () => (performance.now() - started) / 60_000;
    await soaked.open();
    for (let next = minutes / POINTS; elapsed() < minutes;) {
      await soaked.step();
      if (elapsed() < next) continue;
      const point = soaked.point(elapsed());
      points.push(point);
      next = Math.max(next + minutes / POINTS, elapsed());
      line.show(
        `${bar(elapsed(), minutes)} ${sizeText(point.memoryBytes)}, ${point.files} files, ` +
          `p99 ${durationText(point.commitP99Seconds)}`,
      );
    }
    await soaked.finish();
    line.clear();
    const { done } = soaked;
    console.log(Object.entries(done).map(([what, count]) => `${count.toLocaleString("en-US")} ${what}`).join(", "));
    const where = output ?? (minutes < RECORDED_MINUTES ? LATEST : undefined);
    const remark = options.remark === "" ? {} : { remark: options.remark };
    const result = {
      kind: "soak",
      machine,
      runtime: { name, title, version },
      minutes,
      done,
      points,
      ...remark,
    } as const;
    console.log(`The log is what it should be. Written: ${record(result, where).join(", ")}`);
  },
);
