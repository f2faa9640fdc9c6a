/** The comparison of event stores: each store returns the events that were appended. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { EVENT_STORES } from "../bench/event_stores/stores.ts";
import { locateRuntime } from "../scripts/runtimes.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const CHILD = fileURLToPath(new URL("../bench/event_stores/child.ts", import.meta.url));
const PEERS = new URL("../bench/event_stores/node_modules/", import.meta.url);
const isNode = process.versions.deno === undefined && process.versions.bun === undefined;

/** Runs a child in Node; returns what it measured. */
function run(name: string, folder: string, ...args: string[]): { count?: number; unavailable?: string } {
  const [binary, ...prefix] = locateRuntime("node").run;
  const { status, stdout, stderr } = spawnSync(binary, [...prefix, CHILD, name, folder, ...args], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout.trim().split("\n").at(-1)!);
}

describe("the comparison of event stores", () => {
  for (const { name } of EVENT_STORES) {
    const isPeer = name !== "EventLog";
    const skip = skipReason(
      !isNode
        ? "event stores are compared in Node"
        : isPeer && !existsSync(PEERS) && "the event stores are not installed: deno task bench:event-stores",
    );
    it(`appends to ${name}, and reads everything back`, { skip }, async () => {
      await inTemporaryFolder((folder) => {
        assert(run(name, folder, "append", "4", "0.05").count! > 0);
      });
      await inTemporaryFolder((folder) => {
        if (run(name, folder, "fill", "1500").unavailable !== undefined) return assert.match(name, /^liteque/);
        assert.equal(run(name, folder, "replay", "1500").count, 1500);
      });
    });
  }
});
