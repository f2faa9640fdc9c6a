/** The exchange of a log's files for those of a new log, interrupted at every operation. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { WalLog } from "../mod.ts";
import { locateRuntime, type RuntimeName } from "../scripts/runtimes.ts";
import { canComplete, complete, type Disk, exchange, interruptedPlan, removeStaging } from "../src/cli/exchange.ts";
import { IDENTITY_NAME } from "../src/recovery/identity.ts";
import { STAGING_NAME } from "../src/recovery/interrupted_repair.ts";
import { contentsOf as contentsToCopy, writeAnew } from "../src/maintain/write_anew.ts";
import { PowerLoss, SimulatedDisk } from "../src/testing/mod.ts";
import { CLI, cliHere, damageEntry } from "./cli.ts";
import { makeDamageLog } from "./cli_damages.ts";
import { appendEach, entriesAt } from "./history.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { bytesOf } from "./model.ts";
import { trace, whyNoStrace } from "./real/strace.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const PATH = "/raft.wal";
/** Where the log is cut. */
const CUT_BEHIND = 12;

/** A simulated disk with a log in it, of which all above an index is to be cut. */
function damagedDisk(seed: number, { identity = true } = {}): SimulatedDisk {
  const disk = new SimulatedDisk({ seed });
  const log = WalLog.openSync(PATH, { fileSystem: disk.fileSystem, segmentBytes: 8 * 1024 });
  log.setHardState({ term: 3, votedFor: 2n });
  appendEach(log, entriesAt(1, 60, 3, 400));
  log.applySnapshot({ index: 5, term: 3, config: [1n], data: bytesOf(100) });
  log.closeSync();
  // What was not flushed, such as a second copy of a slot, is not there later on either.
  disk.crash();
  // A bit of an entry above the cut, so that the log does not open.
  const [, second] = disk.files().filter((path) => path.endsWith(".seg"));
  disk.flip(second!, 20_000);
  if (!identity) disk.lose(`${PATH}/${IDENTITY_NAME}`);
  return disk;
}

/** A simulated disk has no folders: those that hold nothing are as good as missing. */
function foldersOf(disk: SimulatedDisk): Disk {
  const sum = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const ofLog = ([name]: readonly [string, Uint8Array]) => !name.includes("/");
  const stateOf = () => [...filesOf(disk)].filter(ofLog).map(([name, bytes]) => `${name} ${sum(bytes)}`).join("\n");
  return { fileSystem: disk.fileSystem, stateOf, copyFolderOwner() {}, removeFolder() {}, requireFolder() {} };
}

/** Cuts the log, or completes that; as the command does it, but for the lock. */
async function cut(disk: SimulatedDisk, mayMove: (from: string, to: string) => void = () => {}): Promise<void> {
  const { fileSystem } = disk;
  const rename = (from: string, to: string) => {
    mayMove(from, to);
    fileSystem.rename(from, to);
  };
  const folders = { ...foldersOf(disk), fileSystem: { ...fileSystem, rename } };
  const plan = interruptedPlan(fileSystem, PATH);
  if (plan !== undefined && canComplete(folders, PATH, plan)) return complete(folders, PATH, plan);
  const source = WalLog.openSync(PATH, { fileSystem, readOnly: true, onDamage: "keep" });
  if (source.damaged.length === 0) return removeStaging(folders, PATH);
  await exchange(folders, PATH, async (staging) => {
    const log = await WalLog.open(staging, { fileSystem });
    await writeAnew(log, contentsToCopy(source, CUT_BEHIND));
    await log.close();
    await source.close();
  }, true);
}

/** What the log is: `new`, `old`, or `neither`, which does not open. Any other log that opens is a failure. */
function verdictOf({ fileSystem }: SimulatedDisk): "new" | "old" | "neither" {
  try {
    const log = WalLog.openSync(PATH, { fileSystem, create: false, readOnly: true });
    assert.deepEqual([log.lastIndex, log.snapshotIndex], [CUT_BEHIND, 5], "a log that opens is the whole new one");
    log.closeSync();
    return "new";
  } catch (error) {
    if ((error as { code?: string }).code !== "CORRUPT") throw error;
  }
  const log = WalLog.openSync(PATH, { fileSystem, readOnly: true, onDamage: "keep" });
  const verdict = log.lastIndex === 60 && log.damaged.length === 1 ? "old" : "neither";
  log.closeSync();
  return verdict;
}

/** Fails if a writer opens the log. */
function assertNoWriter({ fileSystem }: SimulatedDisk): void {
  assert.throws(
    () => WalLog.openSync(PATH, { fileSystem, onDamage: "keep" }),
    { code: "CORRUPT", message: /a repair was interrupted; complete it with wal-log repair --resume$/ },
  );
}

/** Votes in the next term if a writer opens the log, damaged or not. Returns the term. */
function vote({ fileSystem }: SimulatedDisk, term: number): number {
  try {
    const log = WalLog.openSync(PATH, { fileSystem, create: false, onDamage: "keep" });
    log.setHardState({ term: term + 1, votedFor: BigInt(term + 1) });
    log.closeSync();
    return term + 1;
  } catch (error) {
    assert.match(String(error), /a repair was interrupted/);
    return term;
  }
}

/** A disk on which a cut was killed when it had its plan, and had moved nothing. */
async function plannedDisk(): Promise<SimulatedDisk> {
  for (let at = 1;; at++) {
    const disk = damagedDisk(1);
    disk.failAfter("crash", at);
    await cut(disk).catch(() => {});
    assert.ok(!disk.isFaultPending, "there is such a moment");
    disk.restart();
    await setImmediate();
    if (interruptedPlan(disk.fileSystem, PATH) !== undefined) return disk;
  }
}

/** Fails unless the log is the new one, and the old files are in the evidence. */
function assertCut(disk: SimulatedDisk, old: ReadonlyMap<string, Uint8Array>): void {
  const log = WalLog.openSync(PATH, { fileSystem: disk.fileSystem });
  assert.deepEqual([log.lastIndex, log.snapshotIndex, log.recovery.verdict], [CUT_BEHIND, 5, "clean"]);
  assert.deepEqual(log.hardState, { term: 3, votedFor: 2n });
  assert.deepEqual(log.entries(6, 12), entriesAt(6, 12, 3, 400));
  log.closeSync();
  const evidence = disk.files().filter((path) => path.startsWith(`${PATH}.damaged-`));
  assert.deepEqual(evidence, [...old.keys()].map((name) => `${PATH}.damaged-1/${name}`), "there is one evidence");
  for (const [name, bytes] of old) assert.deepEqual(disk.content(`${PATH}.damaged-1/${name}`), bytes, name);
  assert.deepEqual(disk.files().filter((path) => path.includes(STAGING_NAME)), []);
}

function filesOf(disk: SimulatedDisk): Map<string, Uint8Array> {
  return new Map(
    disk.files().filter((path) => path.startsWith(`${PATH}/`)).map((
      path,
    ) => [path.slice(PATH.length + 1), disk.content(path)]),
  );
}

describe("the exchange of a log's files", () => {
  for (const how of ["power cut", "kill"] as const) {
    for (const identity of [true, false]) {
      it(`survives a ${how} at every operation, ${identity ? "with" : "without"} IDENTITY`, async () => {
        const seen = new Set<string>();
        let at = 0;
        for (let isDone = false; !isDone; at++) {
          const disk = damagedDisk(at + 1, { identity });
          const old = filesOf(disk);
          disk.failAfter("crash", at);
          try {
            await cut(disk);
          } catch (error) {
            if (disk.hasPower) throw error;
            assert.ok(
              error instanceof PowerLoss || (error as { cause?: unknown }).cause instanceof Error,
              String(error),
            );
          }
          isDone = disk.isFaultPending;
          if (how === "power cut") disk.crash();
          else disk.restart();
          await setImmediate();
          seen.add(verdictOf(disk));
          if (interruptedPlan(disk.fileSystem, PATH) !== undefined) assertNoWriter(disk);
          await cut(disk);
          assertCut(disk, old);
        }
        assert.ok(at > 40, `only ${at} operations`);
        assert.deepEqual([...seen].sort(), ["neither", "new", "old"]);
      });
    }
  }

  it("is dropped if the log has changed since its plan, and no file has moved", async () => {
    const disk = await plannedDisk();
    assertNoWriter(disk);
    const plan = interruptedPlan(disk.fileSystem, PATH)!;
    assert.ok(canComplete(foldersOf(disk), PATH, plan));
    // Files were put back, or a writer came that knows of no repairs.
    disk.flip(disk.files().findLast((path) => path.startsWith(`${PATH}/0`) && path.endsWith(".seg"))!, 100);
    assert.equal(canComplete(foldersOf(disk), PATH, plan), false);
    const before = filesOf(disk);
    removeStaging(foldersOf(disk), PATH);
    assert.deepEqual([...filesOf(disk).keys()], [...before.keys()].filter((name) => !name.startsWith(STAGING_NAME)));
    WalLog.openSync(PATH, { fileSystem: disk.fileSystem, onDamage: "keep" }).closeSync();
  });

  it("leaves the log to its writers if the first of the old files cannot move", async () => {
    for (const identity of [true, false]) {
      const disk = damagedDisk(1, { identity });
      const old = filesOf(disk);
      const refuse = (_: string, to: string) => {
        if (to.startsWith(`${PATH}.damaged-`) && to.endsWith(".seg")) throw new Error("no such move");
      };
      await assert.rejects(cut(disk, refuse), /no such move/);
      assertSameContents(filesOf(disk), old);
      const log = WalLog.openSync(PATH, { fileSystem: disk.fileSystem, onDamage: "keep" });
      log.setHardState({ term: 9, votedFor: 3n });
      log.closeSync();
      await cut(disk);
      const after = WalLog.openSync(PATH, { fileSystem: disk.fileSystem, readOnly: true });
      assert.deepEqual(after.hardState, { term: 9, votedFor: 3n });
      after.closeSync();
    }
  });

  for (const identity of [true, false]) {
    it(
      `keeps the evidence in the log's folder if none can be beside it, ${identity ? "with" : "without"} IDENTITY`,
      async () => {
        for (const code of ["EXDEV", "EACCES", "EPERM", "EROFS"]) {
          const disk = damagedDisk(1, { identity });
          const old = filesOf(disk);
          await cut(disk, (_, to) => {
            if (to.startsWith(`${PATH}.damaged-`)) throw Object.assign(new Error("not there"), { code });
          });
          assert.equal(verdictOf(disk), "new");
          for (const [name, bytes] of old) assert.deepEqual(disk.content(`${PATH}/damaged-1/${name}`), bytes, name);
        }
      },
    );
  }

  for (const identity of [true, false]) {
    for (const place of ["beside", "within"] as const) {
      const name = `${place} the log, ${identity ? "with" : "without"} IDENTITY`;
      it(`loses no vote of a writer that comes between interruptions: evidence ${name}`, async () => {
        const mayMove = (_: string, to: string) => {
          const isRefused = place === "within" && to.startsWith(`${PATH}.damaged-`);
          if (isRefused) throw Object.assign(new Error("not there"), { code: "EXDEV" });
        };
        const interruptedCut = async (disk: SimulatedDisk, at: number, how: "power cut" | "kill") => {
          disk.failAfter("crash", at);
          await cut(disk, mayMove).catch(() => {});
          if (how === "power cut") disk.crash();
          else disk.restart();
          await setImmediate();
        };
        let voted = 0;
        for (let at = 0; at < 120; at += 3) {
          const disk = damagedDisk(at + 1, { identity });
          let term = 3;
          const how = at % 2 === 0 ? "kill" : "power cut";
          for (const point of [at, at % 7, at % 23]) {
            await interruptedCut(disk, point, how);
            term = vote(disk, term);
          }
          disk.heal();
          await cut(disk, mayMove);
          term = vote(disk, term);
          voted += term - 3;
          const log = WalLog.openSync(PATH, { fileSystem: disk.fileSystem, readOnly: true });
          assert.deepEqual(log.hardState, { term, votedFor: term === 3 ? 2n : BigInt(term) }, `interrupted at ${at}`);
          assert.deepEqual(log.entries(6, 12), entriesAt(6, 12, 3, 400));
          log.closeSync();
        }
        assert.ok(voted > 50, `only ${voted} votes`);
      });
    }
  }

  it("survives being interrupted again while it is completed", async () => {
    let completed = 0;
    for (let first = 1;; first++) {
      const disk = damagedDisk(first);
      const old = filesOf(disk);
      disk.failAfter("crash", first);
      await cut(disk).catch(() => {});
      if (disk.isFaultPending) break;
      disk.crash();
      if (interruptedPlan(disk.fileSystem, PATH) === undefined) continue;
      completed++;
      for (let second = 0; second < 12; second++) {
        disk.failAfter("crash", second);
        await cut(disk).catch(() => {});
        disk.crash();
      }
      await cut(disk);
      assertCut(disk, old);
    }
    assert.ok(completed > 8, `${completed} were completed`);
  });
});

const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";
const noStrace = skipReason(whyNoStrace());
/** The system calls that rename in the runtimes, and those that remove. */
const RENAMES = "?rename,renameat,renameat2";
const REMOVALS = "?unlink,unlinkat";

describe("wal-log repair --cut", { skip: noStrace }, () => {
  for (
    const [name, call, nths] of [["renames", RENAMES, [2, 3, 5, 8, 9, 10]], ["removals", REMOVALS, [1, 2]]] as const
  ) {
    it(`can be run again after it was killed between ${name}`, async () => {
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const pristine = join(folder, "damaged");
        makeDamageLog(pristine);
        damageEntry(pristine, 50, "payload");
        rmSync(join(pristine, "RESERVE"));
        const old = contentsOf(pristine);
        const before = readdirSync(pristine).filter((name) => name !== "LOCK").sort();
        let interrupted = 0;
        for (const nth of nths) {
          cpSync(pristine, path, { recursive: true });
          const command = [...locateRuntime(own).run, CLI, "repair", path, "--cut"];
          const { signal } = await trace(command, path, { call, nth, action: "signal=KILL", files: [] });
          assert.equal(signal, "SIGKILL", `${name} ${nth}`);
          const killed = await cliHere("verify", path);
          if (killed.stdout.includes("--resume")) interrupted++;
          const { code, stdout, stderr } = await cliHere("repair", path, "--cut");
          assert.equal(code, 0, stdout + stderr);
          const verified = await cliHere("verify", path);
          assert.match(verified.stdout, /^clean: 39 entries up to index 49, /);
          assert.deepEqual(readdirSync(folder).sort(), ["damaged", "raft.wal", "raft.wal.damaged-1"], "one evidence");
          assert.deepEqual(readdirSync(`${path}.damaged-1`).sort(), before);
          assertSameContents(contentsOf(`${path}.damaged-1`), old);
          rmSync(path, { recursive: true });
          rmSync(`${path}.damaged-1`, { recursive: true });
        }
        assert.ok(call === REMOVALS || interrupted > 2, `${interrupted} were interrupted in the exchange`);
      });
    });
  }
});
