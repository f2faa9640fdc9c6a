/**
 * Runs each command in `docs/guides/disaster-recovery.md` in a shell, and compares its output with the document. Counts
 * the requests that the document states.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { makeExamples } from "../scripts/cli_example.ts";
import { locateRuntime } from "../scripts/runtimes.ts";
import { ArchivedLog } from "./archived_log.ts";
import { CLI } from "./cli.ts";
import { CountingStore } from "./counting_store.ts";
import { Follower } from "./follower.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const DOCUMENT = readFileSync(new URL("../docs/guides/disaster-recovery.md", import.meta.url), "utf8");
const { deno, bun } = process.versions as Record<string, string | undefined>;
const RUN = locateRuntime(deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node").run;
const noShell = skipReason(isWindows && "there is no shell");
const MONTH_SECONDS = 30 * 24 * 3600;
/** The number of steps to count: those of three levels of merges. */
const STEPS = 4096;

/** The lines of an output, without the parts that differ in each run. */
function settled(text: string): string[] {
  return text.replace(/[\d.]+ KiB/g, "SIZE").replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID")
    .replace(/\d{4}-\d{2}-\d{2}T[\d:.]+Z/g, "TIME").split("\n").map((line) => line.trim()).filter((line) =>
      line !== ""
    );
}

/** The numbers in the row of a table. */
function rowOf(title: string): number[] {
  const row = DOCUMENT.split("\n").find((line) => line.startsWith(`| ${title} `));
  return row!.split("|").slice(2, -1).map((cell) => {
    const [over, under = "1"] = cell.trim().replaceAll(",", "").split("/");
    return Number(over) / Number(under);
  });
}

/** Fails unless two numbers are the same but for one in a thousand. */
function requireNear(found: number, stated: number): void {
  assert(Math.abs(found - stated) <= stated / 1000, `found ${found}, the document says ${stated}`);
}

describe("docs/guides/disaster-recovery.md", () => {
  it("shows the actual output of each command", { skip: noShell }, () =>
    inTemporaryFolder((folder) => {
      for (const name of ["bin", "data", "backup"]) mkdirSync(join(folder, name));
      makeExamples(join(folder, "data"));
      const path = join(folder, "bin", "wal-log");
      writeFileSync(path, `#!/bin/sh\nexec ${[...RUN, CLI].map((word) => `'${word}'`).join(" ")} "$@"\n`);
      chmodSync(path, 0o755);
      const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` };
      const blocks = [...DOCUMENT.matchAll(/^ *```console\n(.*?)^ *```$/gms)].map(([, block]) => block!);
      const shown = blocks.flatMap((block) => block.split(/^ *\$ /m).slice(1));
      assert(shown.length >= 7);
      for (const text of shown) {
        const [command, ...lines] = text.split("\n");
        const local = command!.replaceAll(/\/(data|backup)\b/g, `${folder}/$1`);
        const { stdout, stderr, status } = spawnSync("sh", ["-c", local], { env, encoding: "utf8" });
        assert.equal(status, 0, `${command}: ${stderr}`);
        assert.deepEqual(settled((stderr + stdout).replaceAll(folder, "")), settled(lines.join("\n")), command);
      }
    }));

  it("states the requests that an archiver and a standby make", async () => {
    const store = new CountingStore();
    const archived = new ArchivedLog(store, { segmentBytes: 32 * 1024 * 1024 });
    const step = async () => {
      archived.append(1);
      await archived.archive();
    };
    await step();
    const busy = await store.during(async () => {
      for (let i = 0; i < STEPS; i++) await step();
    });
    const [put, get, list] = rowOf("with new entries, merges included") as [number, number, number];
    requireNear(busy.put / STEPS, put);
    requireNear(busy.get / STEPS, get);
    assert.deepEqual([busy.list, list], [0, 0]);
    const idle = await store.during(() => archived.archiver.step());
    assert.deepEqual([idle.put, idle.get, idle.list], rowOf("without new entries"));
    for (const seconds of [1, 10, 60]) {
      const [puts, gets] = rowOf(`${seconds} s`) as [number, number];
      requireNear(MONTH_SECONDS / seconds * put, puts);
      requireNear(MONTH_SECONDS / seconds * get, gets);
    }
    const follower = new Follower(store);
    // The second update also compares the archive with the log.
    for (let i = 0; i < 2; i++) await follower.update();
    await step();
    const followed = await store.during(() => follower.update());
    assert.deepEqual([followed.put, followed.get, followed.list], rowOf("of a standby, for each 1,000 objects"));
  });
});
