/** The programs of `examples/` that have no test file of their own. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { locateRuntime, type RuntimeName } from "../scripts/runtimes.ts";

const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";
const QUICKSTART = fileURLToPath(new URL("../examples/quickstart.ts", import.meta.url));

describe("examples/quickstart.ts", () => {
  it("runs to its end", () => {
    const [binary, ...prefix] = locateRuntime(own).run;
    const { status, stdout, stderr } = spawnSync(binary, [...prefix, QUICKSTART], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^100 proposals are durable up to index 100: 101 syncs, 2 flushes$/m);
    assert.match(stdout, /^state machine: {"x":89}\nentry 91, term 2: y = 1\nentry 92, term 2: y = 2$/m);
  });
});
