/** The demo of archives: `examples/kv` and `examples/job-queue` lose their disks, and go on elsewhere. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { locateRuntime } from "../scripts/runtimes.ts";
import { skipWithout } from "./example_process.ts";

const DEMO = fileURLToPath(new URL("../scripts/demo_archive.ts", import.meta.url));
const { deno, bun } = process.versions as Record<string, string | undefined>;

describe("the demo of archives", () => {
  it("loses two disks, and no archived write", { skip: skipWithout("bun") || skipWithout("node") }, () => {
    const [binary, ...prefix] = locateRuntime(deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node").run;
    const { status, stdout, stderr } = spawnSync(binary, [...prefix, DEMO, "--seconds", "2"], { encoding: "utf8" });
    assert.equal(status, 0, stdout + stderr);
    const last = stdout.trim().split("\n").at(-1)!;
    assert.match(
      last,
      /Two services lost their disks\. Of [\d,]+ acknowledged writes, [\d,]+ were archived in a folder/,
    );
  });
});
