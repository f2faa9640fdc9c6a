/** `wal-log import --format json` reads back what `wal-log dump --json` writes, and refuses everything else by line. */

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type LogEntry, WalLog } from "../mod.ts";
import { linesOf } from "../src/cli/json_lines.ts";
import { cliHere, damageEntry } from "./cli.ts";
import { makeDamageLog } from "./cli_damages.ts";
import { open } from "./cli_log.ts";
import { bytesOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";

const encoder = new TextEncoder();

/** Entries with commands of all kinds: text, none, other bytes, larger than a block. */
const ENTRIES: readonly LogEntry[] = [
  { index: 1, term: 1, kind: "normal", command: encoder.encode("\ufeffx = 'ä'\n\u0007") },
  { index: 2, term: 1, kind: "config", command: new Uint8Array(0) },
  { index: 3, term: 4, kind: "normal", command: bytesOf(700_000) },
  { index: 4, term: 4, kind: "normal", command: new Uint8Array([0xff, 0, 10, 13]) },
];

/** Writes a dump of a log into a file. */
async function dumpTo(file: string, path: string, ...options: string[]): Promise<void> {
  writeFileSync(file, (await cliHere("dump", path, "--json", ...options)).stdout);
}

describe("wal-log import --format json", () => {
  for (const option of [[], ["--utf8"]]) {
    it(`makes the same entries from a dump${option.length > 0 ? " with --utf8" : ""}`, async () => {
      await inTemporaryFolder(async (folder) => {
        const [path, file, copy] = [join(folder, "raft.wal"), join(folder, "x.jsonl"), join(folder, "copy")];
        const log = WalLog.openSync(path);
        log.append(ENTRIES);
        log.setHardState({ term: 9, votedFor: 3n });
        log.closeSync();
        await dumpTo(file, path, ...option);
        const { code, stdout, stderr } = await cliHere("import", "-f", "json", file, copy);
        assert.equal(code, 0, stderr);
        assert.equal(stdout, "4 entries imported, up to index 4, term 4; term 4, no vote\n");
        assert.match(stderr, /: a dump has no hard state: the vote of its node is unknown; /);
        const made = open(copy);
        assert.deepEqual(made.entries(1, 9), ENTRIES);
        assert.deepEqual(made.hardState, { term: 4, votedFor: null });
        made.closeSync();
      });
    });
  }

  it("takes the snapshot that the entries continue from from another log", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, file, copy] = [join(folder, "raft.wal"), join(folder, "x.jsonl"), join(folder, "copy")];
      makeDamageLog(path);
      await dumpTo(file, path);
      const bare = await cliHere("import", "-f", "json", file, copy);
      assert.equal(bare.code, 3);
      assert.match(bare.stderr, /it begins at index 11, after a snapshot; give --snapshot-from /);
      const { code, stderr } = await cliHere("import", "-f", "json", file, copy, "--snapshot-from", path);
      assert.equal(code, 0, stderr);
      const [made, source] = [open(copy), open(path)];
      assert.deepEqual([made.snapshot(), made.entries(1, 999)], [source.snapshot(), source.entries(1, 999)]);
      assert.equal(made.identity.cluster, source.identity.cluster);
      made.closeSync();
      source.closeSync();
      await dumpTo(file, path, "--from", "13");
      const apart = await cliHere("import", "-f", "json", file, join(folder, "apart"), "--snapshot-from", path);
      assert.equal(apart.code, 3);
      assert.match(apart.stderr, /the entry at index 13 does not continue from the snapshot of /);
      assert.ok(!existsSync(join(folder, "apart")));
      assert.equal((await cliHere("import", file, join(folder, "apart"), "--snapshot-from", path)).code, 64);
    });
  });

  it("refuses a hole, or imports what precedes it", async () => {
    await inTemporaryFolder(async (folder) => {
      const [path, file, copy] = [join(folder, "raft.wal"), join(folder, "x.jsonl"), join(folder, "copy")];
      makeDamageLog(path);
      damageEntry(path, 50, "payload");
      await dumpTo(file, path);
      makeDamageLog(join(folder, "whole"));
      const args = ["import", "-f", "json", file, copy, "--snapshot-from", join(folder, "whole")];
      const refused = await cliHere(...args);
      assert.equal(refused.code, 2);
      assert.match(
        refused.stderr,
        /x\.jsonl: [\d,]+ bytes from line 40 on \(a hole, from index 50 on\); correct it, or/,
      );
      assert.ok(!existsSync(copy));
      const cut = await cliHere(...args, "--cut");
      assert.equal(cut.code, 2);
      assert.match(
        cut.stderr,
        /\nwal-log: corrupt: [\d,]+ bytes from line 40 on \(a hole, from index 50 on\) were left\n$/,
      );
      const made = open(copy);
      assert.equal(made.lastIndex, 49);
      made.closeSync();
    });
  });

  it("imports a dump that was cut short up to its last whole line, and ends with 1", async () => {
    await inTemporaryFolder(async (folder) => {
      const [file, copy] = [join(folder, "x.jsonl"), join(folder, "copy")];
      const line = (index: number) => `{"index":${index},"term":1,"kind":"normal","text":"a"}`;
      writeFileSync(file, `${line(1)}\n${line(2)}\n${line(3).slice(0, 20)}`);
      const { code, stderr } = await cliHere("import", "-f", "json", file, copy);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /\nwal-log: torn: 20 bytes from line 3 on \(not a line of JSON\) were left\n$/);
      const made = open(copy);
      assert.equal(made.lastIndex, 2);
      made.closeSync();
      writeFileSync(file, `${line(1)}\n${line(2)}`);
      assert.equal((await cliHere("import", "-f", "json", file, join(folder, "whole"))).code, 0);
    });
  });

  it("names the line that is no entry, or does not continue the log", async () => {
    await inTemporaryFolder(async (folder) => {
      const file = join(folder, "x.jsonl");
      const first = '{"index":1,"term":2,"kind":"normal","command":"YQ=="}';
      const cases = [
        ["", "not a line of JSON"],
        ["[]", "not a JSON object"],
        ['{"error":{}}', "the error that ended the dump"],
        ['{"index":"2","term":2,"kind":"normal","text":""}', "no valid index"],
        ['{"index":2,"term":2.5,"kind":"normal","text":""}', "no valid term"],
        ['{"index":2,"term":2,"kind":"x","text":""}', 'the kind is neither "normal" nor "config"'],
        ['{"index":3,"term":2,"kind":"normal","text":""}', "index 3 after index 1"],
        ['{"index":2,"term":1,"kind":"normal","text":""}', "term 1 after term 2"],
        ['{"index":2,"term":2,"kind":"normal"}', "no command"],
        ['{"index":2,"term":2,"kind":"normal","command":"YQ"}', "the command is not base64"],
        ['{"index":2,"term":2,"kind":"normal","text":"\\ud800"}', "the text has half a surrogate pair, "],
        ['{"index":2,"term":2,"kind":"normal","value":{}}', "the bytes of the command are unknown: "],
        ['{"index":2,"term":2,"kind":"normal","text":"ab","bytes":3}', '"bytes" is 3, and the command has 2'],
        ['{"index":2,"term":2,"kind":"normal","text":"","unconfirmed":true}', "an unconfirmed entry: "],
      ] as const;
      for (const [line, reason] of cases) {
        writeFileSync(file, `${first}\n${line}\n`);
        const { code, stderr } = await cliHere("import", "-f", "json", file, join(folder, "copy"));
        assert.equal(code, 2, line);
        assert.ok(stderr.includes(`from line 2 on (${reason}`), `${line}: ${stderr}`);
      }
      writeFileSync(file, "");
      assert.match(
        (await cliHere("import", "-f", "json", file, join(folder, "copy"))).stderr,
        /There are no entries in /,
      );
    });
  });
});

describe("linesOf", () => {
  it("finds each line, wherever blocks end", async () => {
    await inTemporaryFolder((folder) => {
      const file = join(folder, "lines");
      const lengths = [0, 1, 256 * 1024 - 2, 0, 256 * 1024, 256 * 1024 - 1, 600_000, 3];
      writeFileSync(file, lengths.map((length) => "x".repeat(length)).join("\n"));
      const found = [...linesOf(file)];
      assert.deepEqual(found.map(({ bytes }) => bytes.length), lengths);
      assert.deepEqual(found.map(({ number }) => number), lengths.map((_, i) => i + 1));
      assert.deepEqual(found.map(({ isEnded }) => isEnded), lengths.map((_, i) => i < lengths.length - 1));
      const text = readFileSync(file);
      for (const { offset, bytes } of found) {
        assert.equal(text[offset + bytes.length], text.length === offset + bytes.length ? undefined : 10);
      }
      return Promise.resolve();
    });
  });
});
