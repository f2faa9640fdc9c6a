/** `wal-log backup DIR -`: a copy of a log as a tar archive on standard output. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import type { SnapshotStream, WalLogError } from "../mod.ts";
import { locateRuntime } from "../scripts/runtimes.ts";
import { writeTar } from "../src/cli/tar_backup.ts";
import { main } from "../src/cli/main.ts";
import { Output, type Stream } from "../src/cli/output.ts";
import { CLI, cli, damageEntry, endOf, startCli } from "./cli.ts";
import { assertCopy, open, withLog } from "./cli_log.ts";
import { entriesAt } from "./history.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { untar } from "./untar.ts";

const noTar = skipReason(spawnSync("tar", ["--version"]).status !== 0 && "there is no tar");
// Deno opens devices only with all permissions, so a shell does.
const noFullDevice = skipReason(
  spawnSync("sh", ["-c", "test -c /dev/full"]).status !== 0 && "there is no shell, or no /dev/full",
);
const MIB = 1024 * 1024;
const { deno, bun } = process.versions as Record<string, string | undefined>;
const RUN = locateRuntime(deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node").run;

/** Writes the members of an archive to files, as far as they are there. */
function unpack(archive: Uint8Array, folder: string): void {
  for (const { name, type, contents } of untar(archive).members) {
    const path = join(folder, name);
    mkdirSync(type === "5" ? path : dirname(path), { recursive: true });
    if (type === "0") writeFileSync(path, contents);
  }
}

/** A stream that collects everything, and does something at each write. */
function collector(onWrite: (written: number) => void = () => {}): { stream: Stream; bytes: () => Uint8Array } {
  const parts: Uint8Array[] = [];
  let length = 0;
  const write = (data: string | Uint8Array) => {
    onWrite(length);
    parts.push((data as Uint8Array).slice());
    length += data.length;
    return true;
  };
  return { stream: { write, on: () => {}, once: () => {} }, bytes: () => new Uint8Array(Buffer.concat(parts)) };
}

describe("wal-log backup -", () => {
  it(
    "writes an archive of a copy, with a new identity",
    withLog(async (path, folder) => {
      const log = WalLog.openSync(path);
      log.foundCluster("00112233-4455-6677-8899-aabbccddeeff");
      log.closeSync();
      const { code, bytes, stderr } = await cli("backup", path, "-");
      assert.equal(code, 0, stderr);
      assert.match(
        stderr,
        /^wal-log: copied up to index 120, term 4, no vote: .* in an archive of raft\.wal\.backup\n$/,
      );
      assert.ok(untar(bytes).isComplete);
      unpack(bytes, folder);
      assertCopy(path, join(folder, "raft.wal.backup"));
    }),
  );

  it(
    "is unpacked by tar",
    { skip: noTar },
    withLog(async (path, folder) => {
      const { bytes } = await cli("backup", path, "-");
      const { status, stderr } = spawnSync("tar", ["-xf", "-", "-C", folder], { input: bytes, encoding: "utf8" });
      assert.equal(status, 0, stderr);
      assertCopy(path, join(folder, "raft.wal.backup"));
    }),
  );

  it(
    "copies up to an index, and refuses one below the snapshot's, --json, and a damaged log",
    withLog(async (path, folder) => {
      unpack((await cli("backup", path, "-", "--to", "50")).bytes, folder);
      const log = open(join(folder, "raft.wal.backup"));
      assert.deepEqual([log.lastIndex, log.snapshotIndex, log.recovery.verdict], [50, 10, "clean"]);
      log.closeSync();
      assert.equal((await cli("backup", path, "-", "--to", "9")).code, 64);
      const json = await cli("backup", path, "-", "--json");
      assert.equal(json.code, 64);
      assert.match(JSON.parse(json.stdout).error.message, /standard output has the archive/);
      damageEntry(path, 50, "payload");
      const damaged = await cli("backup", path, "-");
      assert.deepEqual([damaged.code, damaged.bytes.length], [2, 0]);
      assert.equal((await cli("backup", join(folder, "none"), "-")).code, 3);
    }),
  );

  it(
    "writes nothing to a terminal",
    withLog(async (path) => {
      const { stream, bytes } = collector();
      const code = await main(["backup", path, "-"], {
        stdout: { ...stream, isTTY: true },
        stderr: collector().stream,
      });
      assert.deepEqual([code, bytes().length], [64, 0]);
    }),
  );

  it(
    "leaves no log that opens if the archive is cut off anywhere",
    withLog(async (path, folder) => {
      const source = open(path);
      const { stream, bytes } = collector();
      await writeTar(source, source.lastIndex, new Output(stream), 16 * 1024);
      const expected = stateOf(source);
      source.closeSync();
      const whole = bytes();
      const { members } = untar(whole);
      const copy = join(folder, "raft.wal.backup");
      assert.ok(members.length >= 6, "a folder, IDENTITY, a snapshot and several segments");
      const end = whole.length - 1024;
      let opened = 0;
      for (let cut = 0; cut < end; cut += 512) {
        unpack(whole.subarray(0, cut), folder);
        try {
          const log = WalLog.openSync(copy, { readOnly: true, create: false });
          opened++;
          // Of the last segment, only the proof that the log was closed may be missing.
          assertSameState(stateOf(log), expected);
          log.closeSync();
        } catch (error) {
          assert.match((error as WalLogError).code, /^(NOT_FOUND|CORRUPT)$/, `cut at ${cut}: ${error}`);
        }
        rmSync(copy, { recursive: true, force: true });
      }
      assert.ok(opened < 32, `${opened} cuts left a whole log`);
      unpack(whole.subarray(0, end), folder);
      assertCopy(path, copy);
    }),
  );

  it("reads on only as the archive is taken, and keeps a bounded part in memory", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = WalLog.openSync(path);
      log.append(entriesAt(1, 1));
      log.applySnapshot({ index: 1, term: 1, config: [], data: bytesOf(8 * MIB) });
      for (let i = 0; i < 24; i++) log.append(entriesAt(i * 4 + 2, i * 4 + 5, 1, MIB / 4));
      log.closeSync();
      const source = open(path);
      let read = 0;
      const { iterate, openSnapshot } = source;
      source.iterate = function* (...range) {
        for (const entry of iterate.apply(source, range)) {
          read += entry.command.length;
          yield entry;
        }
      };
      const counting = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(piece, controller) {
          read += piece.length;
          controller.enqueue(piece);
        },
      });
      source.openSnapshot = () => openSnapshot.call(source)!.pipeThrough(counting) as SnapshotStream;
      let ahead = 0;
      let wake = () => {};
      let outstanding = 0;
      const { stream, bytes } = collector((written) => {
        assert.equal(outstanding++, 0, "no write before the last one was taken");
        ahead = Math.max(ahead, read - written);
      });
      const slow: Stream = {
        write: (data) => {
          stream.write(data);
          setTimeout(() => {
            outstanding--;
            wake();
          });
          return false;
        },
        on: () => {},
        once: (_, listener) => void (wake = listener),
      };
      await writeTar(source, source.lastIndex, new Output(slow), MIB);
      source.closeSync();
      assert.ok(read > 31 * MIB, "all data was read");
      assert.ok(ahead < 6 * MIB, `${ahead} bytes were read ahead`);
      unpack(bytes(), folder);
      assertCopy(path, `${path}.backup`);
    });
  });

  it(
    "copies one moment of a log that is appended to and compacted meanwhile",
    withLog(async (path, folder) => {
      const log = WalLog.openSync(path, { segmentBytes: 12 * 1024 });
      log.append(entriesAt(121, 125, 4));
      let isCompacted = false;
      const { stream, bytes } = collector(() => {
        if (isCompacted) return;
        isCompacted = true;
        log.append(entriesAt(126, 130, 4));
        log.applySnapshot({ index: 128, term: 4, config: [1n], data: bytesOf(100) });
      });
      assert.equal(await main(["backup", path, "-"], { stdout: stream, stderr: collector().stream }), 0);
      assert.ok(log.stats().segmentsDeleted > 1, "the files were deleted while they were read");
      log.closeSync();
      unpack(bytes(), folder);
      const copy = open(`${path}.backup`);
      assert.deepEqual([copy.snapshotIndex, copy.lastIndex, copy.recovery.verdict], [10, 125, "clean"]);
      assert.deepEqual(copy.entries(121, 125), entriesAt(121, 125, 4));
      copy.closeSync();
    }),
  );

  it(
    "reports that a file was deleted that it did not keep open",
    withLog(async (path) => {
      const log = WalLog.openSync(path);
      const source = open(path);
      const { stream } = collector(() => {
        if (log.snapshotIndex === 10) log.applySnapshot({ index: 120, term: 4, config: [1n], data: bytesOf(100) });
      });
      await assert.rejects(writeTar(source, 120, new Output(stream)), {
        code: "CHANGING",
        message: /compacted it meanwhile; the archive is incomplete; run the command again/,
      });
      source.closeSync();
      log.closeSync();
    }),
  );

  it("fails if nobody reads the archive", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = WalLog.openSync(path);
      for (let i = 0; i < 8; i++) log.append(entriesAt(i * 4 + 1, i * 4 + 4, 1, MIB / 4));
      log.closeSync();
      const child = startCli(["backup", path, "-"]);
      const ended = endOf(child);
      child.stdout!.destroy();
      const { code, stderr } = await ended;
      assert.equal(code, 3);
      assert.match(stderr, /standard output was closed; the archive is incomplete\n$/);
    });
  });

  it(
    "says that the disk is full, in the same words in each runtime",
    { skip: noFullDevice },
    withLog((path) => {
      for (const args of [["backup", path, "-"], ["dump", path]]) {
        const command = ["-c", 'exec "$@" > /dev/full', "sh", ...RUN, CLI, ...args];
        const { status, stderr } = spawnSync("sh", command, { encoding: "utf8" });
        assert.equal(status, 3);
        assert.match(stderr, /^wal-log: Cannot write to standard output: the disk is full \(ENOSPC: /);
      }
    }),
  );
});
