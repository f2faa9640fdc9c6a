/**
 * Salvage: the new log and the file beside it contain everything that can be read of a damaged log, and list what is
 * missing.
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { WalLog } from "../mod.ts";
import { type LeftOut, planSalvage, type Salvageable } from "../src/cli/salvage_plan.ts";
import type { Unreliable } from "../src/cli/unreliable.ts";
import { cliHere, damageEntry, endOf, makeForgetful, startCli } from "./cli.ts";
import { DAMAGES, entriesOfLog, LAST_INDEX, makeDamageLog, SNAPSHOT_INDEX } from "./cli_damages.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noSignals = skipReason(isWindows && "Windows does not deliver signals to other processes");

/** Parses entries as `dump --format json` writes them. */
function parse(text: string): { index: number; term: number; command: string; damaged?: boolean }[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** Fails unless entries are those that the log held. */
function assertTrue(entries: readonly { index: number; term: number; command: string }[]): void {
  const truth = entriesOfLog();
  for (const { index, term, command } of entries) {
    if (index > LAST_INDEX) continue;
    const { term: expected, command: bytes } = truth[index - 1]!;
    assert.deepEqual([term, command], [expected, Buffer.from(bytes).toString("base64")], `entry ${index}`);
  }
}

describe("wal-log salvage", () => {
  for (const { name, damage } of DAMAGES) {
    it(`keeps everything readable without a peer, and reports the rest: ${name}`, async () => {
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const anew = join(folder, "new");
        makeDamageLog(path);
        damage(path);
        const before = contentsOf(path);
        const readable = parse((await cliHere("dump", path, "--format", "json")).stdout).filter(({ damaged }) =>
          damaged !== true
        );
        const { code, stdout, stderr } = await cliHere("salvage", path, anew);
        assert.equal(stderr, "");
        assert.match(stdout, /^salvaged .*\n(.*\n)*Next: let its node rejoin .*\n$/);
        assertSameContents(contentsOf(path), before, "the source is as it was");
        const verified = await cliHere("verify", anew);
        assert.equal(verified.code, 0, verified.stdout);
        const kept = parse((await cliHere("dump", anew, "--format", "json")).stdout);
        const beside = join(anew, "SALVAGE.jsonl");
        const left = existsSync(beside) ? parse(readFileSync(beside, "utf8")) : [];
        const log = WalLog.openSync(anew, { readOnly: true });
        const got = [...kept, ...left].map(({ index }) => index);
        const wanted = readable.map(({ index }) => index).filter((index) => index > log.snapshotIndex);
        assert.deepEqual(got, wanted, "all that can be read is there, once and in order");
        if (name !== "the latest vote") assertTrue([...kept, ...left]);
        const report = JSON.parse(readFileSync(join(anew, "SALVAGE.json"), "utf8"));
        assert.deepEqual([report.lastIndex, report.readable], [log.lastIndex, left.length]);
        const isOut = (index: number) =>
          report.leftOut.some((one: LeftOut) => one.first <= index && index <= (one.last ?? Infinity));
        for (
          let index = Math.max(log.lastIndex, SNAPSHOT_INDEX) + 1;
          index <= LAST_INDEX && name !== "the latest vote";
          index++
        ) {
          assert.ok(isOut(index), `index ${index} is neither there nor reported`);
        }
        const isWhole = log.lastIndex >= LAST_INDEX && !report.hardState.lost;
        assert.equal(code, isWhole ? 0 : 2, stdout);
        if (code === 2) assert.match(stdout, /\nleft out: /);
        log.closeSync();
      });
    });
  }

  it("gives the log a new identity and keeps its cluster, its vote and its snapshot", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, anew] = [join(folder, "raft.wal"), join(folder, "new")];
      makeDamageLog(path);
      damageEntry(path, 90, "header");
      assert.equal((await cliHere("salvage", path, anew)).code, 2);
      const [from, to] = [path, anew].map((at) => WalLog.openSync(at, { readOnly: true, onDamage: "keep" }));
      assert.notEqual(to!.identity.log, from!.identity.log);
      assert.notEqual(to!.identity.incarnation, from!.identity.incarnation);
      assert.equal(to!.identity.cluster, from!.identity.cluster);
      assert.deepEqual([to!.hardState, to!.snapshot()], [from!.hardState, from!.snapshot()]);
      assert.deepEqual([to!.snapshotIndex, to!.lastIndex], [SNAPSHOT_INDEX, 89]);
      from!.closeSync();
      to!.closeSync();
    });
  });

  it("copies entries up to --to, and ends with 0 if none of them is missing", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeDamageLog(path);
      damageEntry(path, 90, "header");
      const { code, stdout } = await cliHere("salvage", path, join(folder, "a"), "--to", "60");
      assert.equal(code, 0, stdout);
      assert.match(stdout, /salvaged 50 entries, indexes 11 to 60, /);
      assert.match(stdout, /left out: indexes 61 to 140: not requested/);
      assert.ok(!existsSync(join(folder, "a", "SALVAGE.jsonl")));
      assert.equal((await cliHere("salvage", path, join(folder, "b"), "--to", "9")).code, 64);
      assert.ok(!existsSync(join(folder, "b")));
    });
  });

  it("does not invent a vote, and keeps the term that the entries prove", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, anew] = [join(folder, "raft.wal"), join(folder, "new")];
      makeForgetful(path);
      const { code, stdout } = await cliHere("salvage", path, anew);
      assert.equal(code, 2, "a lost vote counts as missing");
      assert.match(stdout, /left out: the latest hard state/);
    });
  });

  it("leaves no partial log if it is killed", { skip: noSignals }, async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, anew] = [join(folder, "raft.wal"), join(folder, "new")];
      makeDamageLog(path);
      damageEntry(path, 90, "header");
      const child = startCli(["salvage", path, anew]);
      const ended = endOf(child);
      // The temporary folder exists, but has not been renamed yet.
      while (readdirSync(folder).length < 2) await setTimeout(1);
      child.kill("SIGKILL");
      await ended;
      if (existsSync(anew)) assert.equal((await cliHere("verify", anew)).code, 0);
      else assert.equal((await cliHere("salvage", path, anew)).code, 2);
      assert.deepEqual(readdirSync(folder).sort(), ["new", "raft.wal"], "what was left is taken away");
    });
  });

  it("does not touch a folder that is not empty", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, anew] = [join(folder, "raft.wal"), join(folder, "new")];
      makeDamageLog(path);
      mkdirSync(anew);
      writeFileSync(join(anew, "precious"), "");
      assert.equal((await cliHere("salvage", path, anew)).code, 3);
      assert.deepEqual([readdirSync(anew), readdirSync(folder).sort()], [["precious"], ["new", "raft.wal"]]);
    });
  });
});

describe("wal-log export --salvage", () => {
  it("writes the entries before the damage, lists the others, and leaves no other file", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, file] = [join(folder, "raft.wal"), join(folder, "out.wal")];
      makeDamageLog(path);
      damageEntry(path, 90, "header");
      assert.equal((await cliHere("export", path, file)).code, 2, "without the option, damage is refused");
      const { code, stdout } = await cliHere("export", path, file, "--salvage");
      assert.equal(code, 2);
      assert.match(
        stdout,
        /^79 entries up to index 89: .*\nleft out: index 90: lost .*\nleft out: indexes 91 to 140/,
      );
      assert.deepEqual(readdirSync(folder).sort(), ["out.wal", "raft.wal"]);
      const back = join(folder, "back");
      assert.equal((await cliHere("import", file, back)).code, 0);
      assertTrue(parse((await cliHere("dump", back, "--format", "json")).stdout));
      assert.equal((await cliHere("export", path, `${file}2`, "--to", "20")).code, 64);
    });
  });
});

describe("planSalvage", () => {
  const ALL: Salvageable = { base: 10, firstIndex: 11, lastIndex: 50, unreliable: [], to: 1e9, unconfirmed: false };
  const damage = {
    kind: "frames",
    path: "x.seg",
    offset: 0,
    bytes: 8,
    firstIndex: undefined,
    lastIndex: undefined,
    term: undefined,
    reason: "gone",
  } as const;
  const at = (kind: Unreliable["kind"], first: number, last?: number): Unreliable => ({ kind, first, last, damage });
  const shape = (found: Salvageable) => {
    const { lastIndex, leftOut } = planSalvage(found);
    return [lastIndex, ...leftOut.map(({ why, first, last }) => `${why} ${first}-${last ?? ""}`)];
  };

  it("includes unconfirmed entries only on request", () => {
    const found = { ...ALL, unreliable: [at("unconfirmed", 11, 30)] };
    assert.deepEqual(shape(found), [10, "unconfirmed 11-30", "after a hole 31-50"]);
    assert.deepEqual(shape({ ...found, unconfirmed: true }), [50]);
  });

  it("distinguishes holes, the entries after them, and the entries that were not asked for", () => {
    const found = { ...ALL, unreliable: [at("lost", 20, 22), at("lost", 22, 25), at("lost", 51)] };
    assert.deepEqual(shape(found), [19, "lost 20-22", "lost 23-25", "after a hole 26-50", "lost 51-"]);
    const few = { ...found, to: 30 };
    assert.deepEqual(shape({ ...few, to: 24 }), [19, "lost 20-22", "lost 23-24", "not requested 25-50"]);
    assert.deepEqual(shape(few), [
      19,
      "lost 20-22",
      "lost 23-25",
      "after a hole 26-30",
      "not requested 31-50",
    ]);
  });

  it("includes no entries after a snapshot that cannot be read or that ends below them", () => {
    assert.deepEqual(shape({ ...ALL, base: undefined }), [0, "after a hole 11-50"]);
    assert.deepEqual(shape({ ...ALL, base: 5 }), [5, "after a hole 11-50"]);
    assert.deepEqual(shape({ ...ALL, base: 30, unreliable: [at("lost", 11, 20)] }), [50]);
  });
});
