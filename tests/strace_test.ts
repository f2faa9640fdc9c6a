/** The log under `strace`: failing system calls, kills at system calls, and the order of calls. */

import assert from "node:assert/strict";
import process from "node:process";
import { after, describe, it } from "node:test";
import { locateRuntime, type RuntimeName } from "../scripts/runtimes.ts";
import { FaultBench, type Outcome, type Scenario } from "./real/faults.ts";
import { Order } from "./real/order.ts";
import { whyNoStrace } from "./real/strace.ts";
import { skipReason } from "./skip.ts";

const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";
const skip = skipReason(whyNoStrace());

/**
 * The stride of failed calls. Each runtime fails different ones. `deno task kill --faults` fails all calls in each
 * runtime.
 */
const EVERY = 7;
const FROM = { node: 1, bun: 3, deno: 6 }[own];

const NEW: Scenario = { log: "new", flushes: "sync" };
const NEW_ASYNC: Scenario = { log: "new", flushes: "async" };
const CRASHED: Scenario = { log: "crashed", flushes: "sync" };
const CRASHED_ASYNC: Scenario = { log: "crashed", flushes: "async" };

const bench = skip === false ? new FaultBench(locateRuntime(own)) : undefined;
after(() => bench?.remove());

async function outcomes(scenario: Scenario, call: string, action: string): Promise<ReadonlySet<Outcome>> {
  return new Set(await bench!.sweep(scenario, call, action, EVERY, FROM));
}

function assertOnly(found: ReadonlySet<Outcome>, ...allowed: Outcome[]): void {
  assert(found.size > 0, "nothing was failed");
  for (const outcome of found) assert(allowed.includes(outcome), `a writer ${outcome}`);
}

describe("the system calls of a log", () => {
  for (const scenario of [NEW, NEW_ASYNC, CRASHED, CRASHED_ASYNC]) {
    const title = `a ${scenario.log} log with ${scenario.flushes === "sync" ? "syncSync" : "concurrent syncs"}`;
    const order = async () => new Order((await bench!.baseline(scenario)).calls);

    it(`write before append returns, and flush before sync returns: ${title}`, { skip }, async () => {
      const calls = await order();
      calls.assertPositional();
      assert(calls.assertWrittenWhenDone() > 5);
      assert(calls.assertFlushedWhenAcknowledged() > 3);
    });

    it(`flush a new segment, its name, and then the pointer to it: ${title}`, { skip }, async () => {
      const calls = await order();
      assert(calls.assertSegmentsBegun() > 1);
      assert.equal(calls.assertIdentityLast(), scenario.log === "new" ? 1 : 0);
    });

    it(`flush the pointers to a replacement before the old segment is deleted: ${title}`, { skip }, async () => {
      assert.equal((await order()).assertSegmentsReplaced(), scenario.log === "new" ? 0 : 1);
    });

    it(`flush a snapshot, its name and its frame before they delete anything: ${title}`, { skip }, async () => {
      const { renames, deletions } = (await order()).assertSnapshotsInstalled();
      assert(renames > 0 && deletions > 0);
    });
  }
});

describe("a system call that fails", () => {
  it("with EIO in a write poisons the log, which stays unchanged", { skip }, async () => {
    assertOnly(await outcomes(NEW, "pwrite64", "error=EIO"), "poisoned", "unopened");
    assertOnly(await outcomes(CRASHED, "pwrite64", "error=EIO"), "poisoned", "unopened");
  });

  it(
    "with ENOSPC in a write refuses or omits it, and poisons only at a next-segment pointer",
    { skip },
    async () => {
      assertOnly(await outcomes(NEW, "pwrite64", "error=ENOSPC"), "poisoned", "unopened", "refused", "completed");
      assertOnly(await outcomes(CRASHED, "pwrite64", "error=ENOSPC"), "poisoned", "unopened", "refused", "completed");
    },
  );

  for (const errno of ["EDQUOT", "EFBIG"]) {
    it(`with ${errno} in a write has the same effect as ENOSPC, and names the limit`, { skip }, async () => {
      const fail = (nth: number, file: string) => bench!.fail(NEW, "pwrite64", `error=${errno}`, nth, [file]);
      assert.equal(await fail(1, "000000000001.seg"), "unopened");
      assert.equal(await fail(3, "000000000001.seg"), "refused");
      assert.equal(await fail(1, "000000000002.seg"), "refused");
    });
  }

  it("with EINTR in a write is repeated", { skip }, async () => {
    assertOnly(await outcomes(NEW, "pwrite64", "error=EINTR"), "completed");
  });

  it("with EIO in a flush of data poisons the log, and no flush is retried", { skip }, async () => {
    assertOnly(await outcomes(NEW, "fdatasync", "error=EIO"), "poisoned", "unopened");
    assertOnly(await outcomes(CRASHED, "fdatasync", "error=EIO"), "poisoned", "unopened");
  });

  it("in a flush on another thread rejects all calls that wait for it", { skip }, async () => {
    // Calls are counted for each thread. The first one on the main thread flushes a new segment, which is refused and
    // created again in another file. The first one on another thread flushes data.
    const files = [2, 3, 4, 5].map((number) => `00000000000${number}.seg`);
    assert.equal(await bench!.fail(NEW_ASYNC, "fdatasync", "error=ENOSPC", 1, files), "poisoned");
    assertOnly(await outcomes(NEW_ASYNC, "fdatasync", "error=EIO"), "poisoned", "unopened", "not reached");
  });

  it("with EIO in a flush of the folder poisons the log", { skip }, async () => {
    assertOnly(await outcomes(NEW, "fsync", "error=EIO"), "poisoned", "unopened");
    assertOnly(await outcomes(CRASHED, "fsync", "error=EIO"), "poisoned", "unopened");
  });

  it(
    "with EIO in renaming a snapshot or deleting replaced files poisons the log",
    { skip },
    async () => {
      assertOnly(await outcomes(NEW, "rename", "error=EIO"), "poisoned", "unopened");
      assertOnly(await outcomes(NEW, "unlink", "error=EIO"), "poisoned");
      assertOnly(await outcomes(NEW, "ftruncate", "error=EIO"), "poisoned");
    },
  );

  it("with ENOSPC in creating a file is refused, and works when it is repeated", { skip }, async () => {
    const found = await bench!.sweepCreations(NEW, "error=ENOSPC");
    for (const [file, outcome] of Object.entries(found)) {
      const isFirst = file.startsWith("IDENTITY") || file === "000000000001.seg";
      assert.equal(outcome, isFirst ? "unopened" : "refused", file);
    }
  });

  it("by a kill leaves all completed steps, and possibly the running one", { skip }, async () => {
    for (const call of ["pwrite64", "rename", "unlink", "ftruncate"]) {
      assertOnly(await outcomes(NEW, call, "signal=KILL"), "killed");
    }
    assertOnly(await outcomes(CRASHED, "pwrite64", "signal=KILL"), "killed");
  });
});
