/** Readers beside a writer that writes as fast as possible: no false damage, no wrong entry. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { WalLog, WalLogError } from "../mod.ts";
import { locateRuntime, RUNTIME_NAMES } from "../scripts/runtimes.ts";
import { commandAt } from "./busy_writer.ts";
import { inTemporaryFolder } from "./temporary.ts";

const WRITER = fileURLToPath(new URL("./busy_writer.ts", import.meta.url));
/** How long each writer writes, in milliseconds: at least, and at most where the reader has read too little by then. */
const WRITING_MS = Number(process.env.WALLOG_READER_MS ?? 4000);
const WRITING_MS_MAX = WRITING_MS + 60_000;
/** What a reader must have opened and read before its writer is stopped. */
const OPENED_MIN = 21;
const READ_MIN = 201;

/** Reads a whole log; returns the number of entries read before it was compacted. */
function readAll(log: WalLog): number {
  let read = 0;
  try {
    const snapshot = log.snapshot();
    if (snapshot !== undefined) assert.deepEqual(snapshot.data, commandAt(snapshot.index, 0));
    let last = log.snapshotIndex;
    for (const { index, term, command } of log.iterate()) {
      assert.equal(index, last + 1);
      assert.deepEqual(command, commandAt(index, term));
      assert.equal(log.termAt(index), term);
      last = index;
      read++;
    }
    assert.equal(last, log.lastIndex);
  } catch (error) {
    if (!(error instanceof WalLogError && error.code === "COMPACTED")) throw error;
  }
  return read;
}

describe("a reader beside a busy writer", () => {
  for (const runtime of RUNTIME_NAMES) {
    it(`opens the log, and sees no wrong entry and no false damage, in ${runtime}`, () =>
      inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const [binary, ...prefix] = locateRuntime(runtime).run;
        const writer = spawn(binary, [...prefix, WRITER, path, String(WRITING_MS_MAX)], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        let isDone = false;
        const ended = new Promise((resolve) => writer.once("close", resolve)).then((code) => {
          isDone = true;
          return code;
        });
        await new Promise((resolve) => writer.stdout.once("data", resolve));
        writer.stdout.resume();
        let opened = 0;
        let read = 0;
        let changing = 0;
        const end = performance.now() + WRITING_MS;
        while (!isDone) {
          if (performance.now() > end && opened >= OPENED_MIN && read >= READ_MIN) writeFileSync(`${path}.stop`, "");
          const verify = opened % 3 === 0 ? "tail" : "full";
          try {
            const log = opened % 2 === 0
              ? WalLog.openSync(path, { readOnly: true, verify })
              : await WalLog.open(path, { readOnly: true, verify });
            opened++;
            assert.deepEqual(log.recovery.damage, []);
            read += readAll(log);
            await log.close();
          } catch (error) {
            if (!(error instanceof WalLogError && error.code === "CHANGING")) throw error;
            assert(error.isRetryable);
            changing++;
          }
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
        assert.equal(await ended, 0);
        assert(opened >= OPENED_MIN && read >= READ_MIN, `opened ${opened} times, read ${read} entries`);
        assert(changing <= opened / 10, `${changing} of ${opened + changing} openings were given up`);
        if (process.env.WALLOG_READER_MS !== undefined) console.log({ runtime, opened, read, changing });
      }));
  }
});
