/** The commands of the command line that show a log: verify, info and dump. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { cli, cliHere, damageEntry, endOf, makeForgetful, segmentsOf, startCli } from "./cli.ts";
import { DAMAGES, makeDamageLog } from "./cli_damages.ts";
import { open, withLog } from "./cli_log.ts";
import { entriesAt, entryAt } from "./history.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { inTemporaryFolder } from "./temporary.ts";

describe("wal-log verify", () => {
  it(
    "ends with 0 for a clean log, 1 for a torn one, and 2 for a corrupt one, and lists the damaged entries",
    withLog(async (path) => {
      const clean = await cli("verify", path);
      assert.equal(clean.code, 0, clean.stderr);
      assert.match(
        clean.stdout,
        /^clean: 110 entries up to index 120, \d segments, .* verified\nNext: nothing to do\n$/,
      );
      assert.equal(clean.stderr, "", "no progress bar where there is no terminal");

      damageEntry(path, 50, "payload");
      damageEntry(path, 70, "header");
      damageEntry(path, 71, "header");
      const before = contentsOf(path);
      const { code, stdout } = await cli("verify", path);
      assert.equal(code, 2);
      assert.match(stdout, /^corrupt: /);
      assert.match(stdout, /damaged index 50: 0+\d+\.seg at byte \d+, \d+ bytes \(payload checksum mismatch\)/);
      assert.match(stdout, /damaged frames, indexes 70 to 71: /);
      assert.match(stdout, /^3 of 110 entries cannot be read$/m);
      const json = JSON.parse((await cli("verify", path, "--json")).stdout);
      assert.deepEqual(json.damage.map((one: { firstIndex: number }) => one.firstIndex), [50, 70]);
      assertSameContents(contentsOf(path), before, "nothing was changed");
    }),
  );

  it("ends with 1 for a log that is torn", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = WalLog.openSync(path);
      log.append([entryAt(1)]);
      log.append([entryAt(2, 1, 500)]);
      const torn = join(folder, "torn");
      mkdirSync(torn);
      for (const name of readdirSync(path)) if (name !== "LOCK") cpSync(`${path}/${name}`, join(torn, name));
      log.closeSync();
      truncateSync(join(torn, "000000000001.seg"), SEGMENT_HEADER_BYTES + 252);
      const { code, stdout } = await cli("verify", torn);
      assert.equal(code, 1, stdout);
      assert.match(stdout, /^torn: 1 entry up to index 1, .*\n {2}torn at byte 16\d+ of 000000000001\.seg: \d+ bytes/);
    });
  });

  it("says how far a log that was not closed is proven durable", async () => {
    await inTemporaryFolder(async (folder) => {
      const log = WalLog.openSync(join(folder, "live"));
      log.append(entriesAt(1, 5));
      log.syncSync();
      // A later frame carries the proof of the flush.
      log.append(entriesAt(6, 7));
      const path = join(folder, "copy");
      cpSync(log.path, path, { recursive: true, filter: (name) => !name.endsWith("LOCK") });
      log.closeSync();
      const { code, stdout } = await cliHere("verify", path);
      assert.equal(code, 0);
      assert.match(stdout, /^clean: 7 .*\n {2}proven durable up to index 5; the entries after it are intact\n/);
    });
  });

  it(
    "also checks redundant copies, whose loss is harmless",
    withLog(async (path) => {
      const [name] = segmentsOf(path);
      const bytes = readFileSync(join(path, name!));
      bytes[40]! ^= 1;
      writeFileSync(join(path, name!), bytes);
      const { code, stdout } = await cli("verify", path);
      assert.equal(code, 0);
      assert.match(stdout, /not needed: damaged segment header.*one of two copies is damaged/);
    }),
  );

  it(
    "reports a damaged snapshot, and a lost hard state",
    withLog(async (path, folder) => {
      const other = join(folder, "other");
      cpSync(path, other, { recursive: true });
      const [snapshot] = readdirSync(path).filter((name) => name.endsWith(".snap"));
      const bytes = readFileSync(join(path, snapshot!));
      bytes[3000]! ^= 1;
      writeFileSync(join(path, snapshot!), bytes);
      const { code, stdout } = await cli("verify", path);
      assert.equal(code, 2);
      assert.match(stdout, /damaged snapshot at index 10: /);
      assert.match((await cli("info", path)).stdout, /snapshot +index 10, term 1, damaged/);

      const forgetful = join(folder, "forgetful");
      makeForgetful(forgetful);
      const lost = await cli("verify", forgetful);
      assert.equal(lost.code, 2);
      assert.match(
        lost.stdout,
        /the latest hard state is lost; the last that is known: term 1, voted for node 7/,
      );
    }),
  );
});

describe("wal-log info", () => {
  for (
    const [name, shown] of [
      ["the oldest segment missing", ["41 to 73", "74 to 98", "99 to 122", "123 to 140"]],
      ["a segment missing in the middle", ["11 to 40", "41 to 73", "99 to 122", "123 to 140"]],
      ["two segments missing in a row", ["11 to 40", "99 to 122", "123 to 140"]],
      ["both headers of an older segment", ["11 to 40", "74 to 98", "99 to 122", "123 to 140"]],
    ] as const
  ) {
    it(`shows the indexes of each segment's own entries: ${name}`, async () => {
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        makeDamageLog(path);
        DAMAGES.find((one) => one.name === name)!.damage(path);
        const { stdout } = await cliHere("info", path);
        assert.deepEqual([...stdout.matchAll(/\.seg +[\d,]+ {2}(\d+ to \d+) /g)].map(([, range]) => range), shown);
        const { segments } = JSON.parse((await cliHere("info", path, "--json")).stdout);
        for (const { entries, firstIndex, lastIndex } of segments) assert.equal(entries, lastIndex - firstIndex + 1);
      });
    });
  }

  it(
    "prints the parts of the log",
    withLog(async (path) => {
      const { code, stdout } = await cli("info", path);
      assert.equal(code, 0);
      assert.match(stdout, /verdict +clean; the last writer closed the log/);
      assert.match(stdout, /entries +110, indexes 11 to 120/);
      assert.match(stdout, /hard state +term 4, no vote/);
      assert.match(stdout, /snapshot +index 10, term 1, 4\.9 KiB, members 1 2 3/);
      assert.ok(!stdout.includes("\x1b"), "no colours where there is no terminal");

      const json = JSON.parse((await cli("info", path, "--json")).stdout);
      assert.equal(json.path, path);
      assert.equal(json.verdict, "clean");
      assert.deepEqual([json.firstIndex, json.lastIndex, json.lastTerm, json.provenIndex], [11, 120, 4, 120]);
      assert.deepEqual(json.hardState, { term: 4, votedFor: null, lost: false });
      assert.deepEqual(json.snapshot, {
        index: 10,
        term: 1,
        members: ["1", "2", "3"],
        dataBytes: 5000,
        damaged: false,
      });
      const names = segmentsOf(path);
      assert.deepEqual(json.segments.map((one: { name: string }) => one.name), names);
      assert.equal(json.segments.reduce((sum: number, one: { entries: number }) => sum + one.entries, 0), 110);
      let next = 11;
      for (const { firstIndex, lastIndex, terms } of json.segments) {
        if (firstIndex === null) continue;
        assert.equal(firstIndex, next);
        next = lastIndex + 1;
        for (const { index, term } of terms) assert.equal(term, Math.ceil(index / 30));
      }
      assert.equal(next, 121);
    }),
  );

  it(
    "shows a corrupt log and ends with 0, because it could be read",
    withLog(async (path) => {
      damageEntry(path, 50, "payload");
      const { code, stdout } = await cli("info", path);
      assert.equal(code, 0);
      assert.match(stdout, /verdict +corrupt\n/);
      assert.match(stdout, /damaged +index 50: /);
    }),
  );
});

describe("wal-log dump", () => {
  it(
    "prints all entries or a range as JSON, as text and raw",
    withLog(async (path) => {
      const log = open(path);
      const entries = log.entries(1, 120);
      log.closeSync();
      const all = (await cli("dump", path, "--format", "json")).stdout.trimEnd().split("\n").map((line) =>
        JSON.parse(line)
      );
      assert.deepEqual(
        all.map(({ index, term, kind, command }) => ({
          index,
          term,
          kind,
          command: new Uint8Array(Buffer.from(command, "base64")),
        })),
        entries.map(({ index, term, kind, command }) => ({ index, term, kind, command })),
      );
      const part = await cli("dump", path, "--from", "88", "--to", "91");
      assert.deepEqual(part.stdout.trimEnd().split("\n").map((line) => line.trim().split(/ +/).slice(0, 4).join(" ")), [
        "88 3 normal 300",
        "89 3 normal 300",
        "90 3 normal 300",
        "91 4 normal 400",
      ]);
      const raw = await cli("dump", path, "--from=119", "-f", "raw");
      assert.deepEqual(Buffer.from(raw.bytes), Buffer.concat(entries.slice(-2).map(({ command }) => command)));
      const behind = await cli("dump", path, "--from", "121");
      const none = "wal-log: no entries in the range: the log has indexes 11 to 120\n";
      assert.deepEqual([behind.code, behind.stdout, behind.stderr], [0, "", none]);
      const early = await cli("dump", path, "--to", "11");
      assert.equal(early.stdout.trimEnd().split("\n").length, 1);
      assert.match((await cli("dump", path, "--from", "3", "--to", "5")).stderr, /up to index 10 are in the snapshot/);
    }),
  );

  it(
    "skips holes, lists them, and ends with 2 if any are in the range",
    withLog(async (path) => {
      damageEntry(path, 50, "payload");
      for (const index of [70, 71]) damageEntry(path, index, "header");
      const { code, stdout, stderr } = await cli("dump", path, "--format", "json");
      assert.equal(code, 2);
      const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
      const whole = lines.filter(({ damaged }) => damaged !== true).map(({ index }) => index);
      const expected = Array.from({ length: 110 }, (_, i) => i + 11).filter((index) => ![50, 70, 71].includes(index));
      assert.deepEqual(whole, expected);
      assert.deepEqual(
        lines.flatMap((line, at) => line.damaged === true ? [[at, line.firstIndex, line.lastIndex]] : []),
        [[39, 50, 50], [59, 70, 71]],
      );
      assert.match(
        stderr,
        /damaged: index 50; payload checksum mismatch\n.*damaged: indexes 70 to 71; header checksum/,
      );
      const raw = await cli("dump", path, "--format", "raw", "--from", "69", "--to", "72");
      assert.equal(raw.bytes.length, 2 * 300);
      assert.equal((await cli("dump", path, "--from", "72")).code, 0);
    }),
  );

  it(
    "warns if the end of the log is lost, because the number of lost entries is unknown",
    withLog(async (path) => {
      rmSync(join(path, segmentsOf(path).at(-1)!));
      const { code, stdout, stderr } = await cli("dump", path);
      assert.equal(code, 2);
      assert.match(stdout, /^ +1 /);
      assert.match(stderr, /damaged: segment, from index \d+ on: .*; what it held is not known/);
      assert.equal((await cli("dump", path, "--to", "20")).code, 0);
    }),
  );

  it("ends silently when its output is closed", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = WalLog.openSync(path);
      log.append(entriesAt(1, 2000, 1, 1000));
      log.closeSync();
      const child = startCli(["dump", path, "-f", "json"]);
      const ended = endOf(child);
      child.stdout!.once("data", () => child.stdout!.destroy());
      const { code, stderr } = await ended;
      assert.deepEqual([code, stderr], [0, ""]);
    });
  });
});
