/** A log opened on two threads is the same as on one thread, damaged or not, even if the second thread fails. */

import assert from "node:assert/strict";
import fs from "node:fs";
import { clearInterval, setInterval } from "node:timers";
import { setImmediate } from "node:timers/promises";
import { describe, it } from "node:test";
import { type RecoveryReport, WalLog, type WalLogError } from "../mod.ts";
import type { ScanAnswer, ScanInput } from "../src/recovery/scan_thread.ts";
import type { FileSystem, Threads } from "../src/io/file_system.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";
import { Random } from "../src/testing/mod.ts";
import { entriesAt, writeRandomly } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { assertSameState, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";

const SEEDS = 60;

/** The machine, with a test's own threads. */
function withThreads(start: Threads["start"], patienceMilliseconds?: number): FileSystem {
  return { ...nodeFileSystem, threads: { worthBytes: 0, start, patienceMilliseconds } };
}

/** The result of opening a log. */
async function openedWith(path: string, fileSystem: FileSystem): Promise<RecoveryReport> {
  const log = await WalLog.open(path, { readOnly: true, fileSystem });
  await log.close();
  return log.recovery;
}

/** Makes a function from its source, like a thread. */
function evaluated(source: string): (input: unknown, files: unknown, send: (answer: unknown) => void) => void {
  return new Function(`return ${source}`)();
}

/** Runs a thread's work at once, so that no work is left for the thread that opens the log. */
function atOnce(disk: MemoryDisk, told: (answer: ScanAnswer) => void): Threads["start"] {
  return (task, input, receive) => {
    const files = {
      openSync: (path: string) => files.open.push(disk.open(path, "read")) - 1,
      readSync: (file: number, into: Uint8Array, offset: number, length: number, position: number) =>
        files.open[file]!.read(into.subarray(offset, offset + length), position),
      closeSync: () => {},
      open: [] as ReturnType<MemoryDisk["open"]>[],
    };
    evaluated(task)(input, files, (answer) => {
      told(answer as ScanAnswer);
      setImmediate().then(() => receive(answer as never));
    });
    return () => {};
  };
}

/** A log of several segments on the real disk. */
function writeSegments(path: string): void {
  const log = WalLog.openSync(path, { segmentBytes: 4096 });
  log.setHardState({ term: 2, votedFor: 7n });
  for (let from = 1; from <= 1000; from += 20) log.append(entriesAt(from, from + 19, 1 + Math.floor(from / 300)));
  log.closeSync();
}

/** The contents and the report of a log, without the duration of opening. */
function described(log: WalLog): unknown {
  const { recovery, damaged, hardState } = log;
  return { recovery: { ...recovery, milliseconds: 0, threads: 0 }, damaged, hardState };
}

/** The result of a call, or the code of its error. */
function answer(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    return (error as WalLogError).code;
  }
}

async function assertOpensAlike(path: string, fileSystem: FileSystem): Promise<void> {
  const alone = WalLog.openSync(path, { readOnly: true, fileSystem });
  const together = await WalLog.open(path, { readOnly: true, fileSystem });
  assert.deepEqual(described(together), described(alone));
  assertSameState(stateOf(together), stateOf(alone));
  alone.closeSync();
  await together.close();
}

describe("a log opened on two threads", () => {
  it("is scanned by a real one, which uses only its input", async () => {
    await inTemporaryFolder(async (path) => {
      writeSegments(path);
      let scanned = 0;
      const fileSystem = withThreads((task, input, receive) => {
        const end = nodeFileSystem.threads!.start(task, input, (answer) => {
          if ((answer as ScanAnswer | undefined)?.scanned !== undefined) scanned++;
          receive(answer as never);
        });
        // Leaves all work to the thread.
        const { claims } = input as ScanInput;
        for (let i = claims.length - 1; i >= 0; i--) {
          while (Atomics.load(claims, i) === 0) Atomics.wait(claims, i, 0, 20);
        }
        return end;
      });
      await assertOpensAlike(path, fileSystem);
      assert.equal((await openedWith(path, fileSystem)).threads, 2);
      scanned /= 2;
      const segments = fs.readdirSync(path).filter((name) => name.endsWith(".seg")).length;
      assert(segments > 5);
      assert.equal(scanned, segments - 1, "all but the newest");
    });
  });

  it("is the same in any history, with any part zeroed", async () => {
    let taken = 0;
    let refused = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const random = new Random(seed);
      const disk = new MemoryDisk();
      const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk, segmentBytes: 4096 });
      writeRandomly(log, random, 200);
      log.closeSync();
      const contents = new Map(disk.contents());
      if (random.chance(0.7)) {
        const name = random.pick([...contents.keys()].filter((one) => one.endsWith(".seg")).sort());
        const bytes = contents.get(name)!.slice();
        const from = random.below(bytes.length);
        contents.set(name, bytes.fill(0, from, from + 1 + random.below(600)));
      }
      const damaged = new MemoryDisk(contents);
      const start = atOnce(damaged, ({ scanned }) => scanned === undefined ? refused++ : taken++);
      const fileSystem = Object.assign(damaged, { threads: { worthBytes: 0, start } });
      const options = { fileSystem, readOnly: true, onDamage: "keep" } as const;
      const alone = WalLog.openSync(MemoryDisk.PATH, options);
      const together = await WalLog.open(MemoryDisk.PATH, options);
      const when = `seed ${seed}`;
      assert.deepEqual(described(together), described(alone), when);
      for (let index = alone.snapshotIndex + 1; index <= alone.lastIndex; index++) {
        assert.deepEqual(answer(() => together.termAt(index)), answer(() => alone.termAt(index)), when);
        assert.deepEqual(answer(() => together.entry(index)), answer(() => alone.entry(index)), when);
      }
      alone.closeSync();
      await together.close();
    }
    assert(taken > 0 && refused > 0, `${taken} segments were taken from the other thread, ${refused} left to this one`);
  });

  it("opens without a second thread if none can start", async () => {
    await inTemporaryFolder(async (path) => {
      writeSegments(path);
      const refusing = withThreads(() => {
        throw new Error("no threads here");
      });
      await assertOpensAlike(path, refusing);
    });
  });

  it("opens when the second thread fails after it has claimed segments", async () => {
    await inTemporaryFolder(async (path) => {
      writeSegments(path);
      const failing = withThreads((_task, input, receive) => {
        (input as ScanInput).claims.fill(2);
        setImmediate().then(() => receive(undefined));
        return () => {};
      });
      await assertOpensAlike(path, failing);
    });
  });

  it("opens if the second thread stops responding, or never starts", async () => {
    await inTemporaryFolder(async (path) => {
      writeSegments(path);
      for (const claim of [0, 2]) {
        const silent = withThreads((_task, input) => {
          (input as ScanInput).claims.fill(claim);
          return () => {};
        }, 20);
        await assertOpensAlike(path, silent);
        assert.equal((await openedWith(path, silent)).threads, 1);
      }
    });
  });

  it("waits for a slow second thread that makes progress", async () => {
    await inTemporaryFolder(async (path) => {
      writeSegments(path);
      const slow = withThreads((task, input, receive) => {
        const { beats } = input as ScanInput;
        const end = nodeFileSystem.threads!.start(task, input, (answer) => late.push(() => receive(answer as never)));
        const late: (() => void)[] = [];
        let ticks = 0;
        const timer = setInterval(() => {
          Atomics.add(beats, 0, 1);
          if (++ticks > 30) late.splice(0).forEach((send) => send());
        }, 5);
        const { claims } = input as ScanInput;
        while (Atomics.load(claims, 0) === 0) Atomics.wait(claims, 0, 0, 20);
        return () => (clearInterval(timer), end());
      }, 60);
      assert.equal((await openedWith(path, slow)).threads, 2);
    });
  });

  it("ends the second thread, even if opening is aborted", async () => {
    await inTemporaryFolder(async (path) => {
      writeSegments(path);
      let ended = 0;
      const control = new AbortController();
      const stuck = withThreads((_task, input) => {
        (input as ScanInput).claims.fill(2);
        setImmediate().then(() => control.abort());
        return () => void ended++;
      });
      await assert.rejects(WalLog.open(path, { fileSystem: stuck, signal: control.signal }), { name: "AbortError" });
      assert.equal(ended, 1);
      await assertOpensAlike(path, nodeFileSystem);
    });
  });
});
