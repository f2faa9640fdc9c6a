/** The command line: what it says, what it ends with, and what it leaves alone. Each run is a process of its own. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WalLog } from "../mod.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { cli, damageEntry, endOf, makeForgetful, makeLog, segmentsOf, startCli } from "./cli.ts";
import { entriesAt, entryAt } from "./history.ts";
import { contentsOf } from "./memory_disk.ts";
import { assertSameState, bytesOf, stateOf } from "./model.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { record, recordsOf } from "./wal_db_records.ts";

const COMMANDS = ["info", "verify", "dump", "report", "repair", "salvage", "backup", "import", "export", "bench"];
const noControls = skipReason(isWindows && "Windows has no file names with control characters");
const noDeno = skipReason(process.versions.deno === undefined && "only Deno denies permissions");
const noSignals = skipReason(isWindows && "Windows does not deliver signals to other processes");

/** Characters that a terminal obeys, or that hide or reorder text: of each class, and one beyond U+FFFF. */
const OBEYED = "\x1b[31m\n\x7f\x9b31m\u00ad\u202e\u2066\u2028\u2029\ufeff\u{e0041}";
const OBEYED_SHOWN = "\\u001b[31m\\u000a\\u007f\\u009b31m\\u00ad\\u202e\\u2066\\u2028\\u2029\\ufeff\\udb40\\udc41";
/** Such a character, other than the end of a line. */
const INVISIBLE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** Runs a test in a folder with a log in it. */
function withLog(test: (path: string, folder: string) => Promise<void>): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      await test(path, folder);
    });
}

function open(path: string): WalLog {
  return WalLog.openSync(path, { readOnly: true });
}

/** Fails unless two folders hold logs of the same state, the second one closed. */
function assertCopy(source: string, copy: string): void {
  const [from, to] = [open(source), open(copy)];
  assertSameState(stateOf(to), stateOf(from));
  assert.equal(to.recovery.verdict, "clean");
  assert.ok(to.recovery.closed);
  assert.equal(to.identity.cluster, from.identity.cluster);
  assert.notEqual(to.identity.log, from.identity.log);
  assert.notEqual(to.identity.incarnation, from.identity.incarnation);
  from.closeSync();
  to.closeSync();
}

describe("wal-log", () => {
  it("says in one line what is wrong with its arguments, and ends with 64", async () => {
    const wrong = [
      [],
      ["nonsense"],
      ["verify"],
      ["verify", "a", "b"],
      ["verify", "--bogus", "a"],
      ["info", ""],
      ["dump", "a", "--from", "first"],
      ["dump", "a", "--from", "9", "--to", "8"],
      ["dump", "a", "--format", "xml"],
      ["dump", "a", "--tail", "3", "--to", "8"],
      ["dump", "a", "--kind", "odd"],
      ["repair", "a"],
      ["repair", "a", "--resume", "--cut"],
      ["export", "a", "b", "--unconfirmed"],
      ["bench", "--size", "much"],
      ["bench", "--runs", "0"],
    ];
    await Promise.all(wrong.map(async (args) => {
      const { code, stdout, stderr } = await cli(...args);
      assert.equal(code, 64, args.join(" "));
      assert.equal(stdout, "", args.join(" "));
      assert.match(stderr, /^wal-log: [^\n]+--help\)\n$/, args.join(" "));
    }));
  });

  it("says which version it is", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../deno.json", import.meta.url), "utf8"));
    const { code, stdout } = await cli("--version");
    assert.deepEqual([code, stdout], [0, `wal-log ${version}\n`]);
  });

  it("helps", async () => {
    const { code, stdout } = await cli("--help");
    assert.equal(code, 0);
    for (const name of COMMANDS) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
    await Promise.all(COMMANDS.map(async (name) => {
      const { code, stdout, stderr } = await cli(name, "--help");
      assert.equal(code, 0, name);
      assert.match(stdout, new RegExp(`^Usage: wal-log ${name}`), name);
      assert.equal(stderr, "", name);
    }));
  });

  it("ends with 3 where there is no log, and says where", async () => {
    await inTemporaryFolder(async (folder) => {
      const file = join(folder, "file");
      writeFileSync(file, "");
      for (const path of [join(folder, "nowhere"), folder, file]) {
        for (const command of [["verify", path], ["info", path], ["backup", path, join(folder, "to")]]) {
          const { code, stdout, stderr } = await cli(...command);
          assert.equal(code, 3, stderr);
          assert.equal(stdout, "");
          assert.ok(stderr.startsWith("wal-log: ") && stderr.includes(path), stderr);
        }
      }
      assert.deepEqual(readdirSync(folder), ["file"]);
    });
  });

  it("ends with 3 and names the permission if Deno denies one", { skip: noDeno }, async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      const cli = fileURLToPath(new URL("../src/cli/mod.ts", import.meta.url));
      const args = ["run", "--no-prompt", "--allow-read", cli, "report", path, "-o", join(folder, "report.html")];
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env: { NO_COLOR: "1" } });
      assert.equal(status, 3, stderr);
      assert.match(stderr, /^wal-log: Requires write access to [^\n]*--allow-write[^\n]*\n$/);
    });
  });

  it("escapes control and format characters of paths in text, HTML and errors", { skip: noControls }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, `a ${OBEYED}<b>&`);
      makeLog(path);
      for (const [command, shown] of [["info", "<b>&"], ["report", "&#60;b&#62;&#38;"]] as const) {
        const { code, stdout } = await cli(command, path);
        assert.equal(code, 0);
        assert.ok(stdout.includes(OBEYED_SHOWN + shown), stdout.slice(0, 300));
        assert.doesNotMatch(stdout, INVISIBLE);
      }
      const { code, stderr } = await cli("verify", join(path, "x"));
      assert.equal(code, 3);
      assert.ok(stderr.includes(OBEYED_SHOWN), stderr);
      assert.doesNotMatch(stderr.replace(/\n$/, ""), /\n/, "one line");
      assert.doesNotMatch(stderr, INVISIBLE);
    });
  });

  it("escapes control and format characters in JSON without changing its value", { skip: noControls }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, `a ${OBEYED}\\u0041\u00e9\u{1f600}`);
      makeLog(path);
      for (const command of ["info", "verify"]) {
        const { stdout } = await cli(command, path, "--json");
        assert.equal(JSON.parse(stdout).path, path, command);
        assert.doesNotMatch(stdout, INVISIBLE);
        assert.ok(stdout.includes("\u00e9\u{1f600}"), "and nothing else");
      }
    });
  });
});

describe("wal-log verify", () => {
  it(
    "ends with 0 for a clean log, 1 for a torn one, 2 for a corrupt one whose damaged entries it names",
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
      assert.deepEqual(contentsOf(path), before, "nothing was changed");
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

  it(
    "looks at spare copies too, the loss of which costs nothing",
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
    "names a damaged snapshot, and a hard state that is lost",
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
  it(
    "tells what the log is made of",
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
    "shows a corrupt log and ends with 0, for it could be read",
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
    "gives the entries as JSON, as text and raw, all or a range",
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
    "goes around holes, names them, and ends with 2 if there are any in the range",
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
    "warns where the end of the log is lost, for how much followed nothing tells",
    withLog(async (path) => {
      rmSync(join(path, segmentsOf(path).at(-1)!));
      const { code, stdout, stderr } = await cli("dump", path);
      assert.equal(code, 2);
      assert.match(stdout, /^ +1 /);
      assert.match(stderr, /damaged: segment, from index \d+ on: .*; what it held is not known/);
      assert.equal((await cli("dump", path, "--to", "20")).code, 0);
    }),
  );

  it("ends, and says nothing, when nobody reads on", async () => {
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

describe("wal-log, beside a running writer", () => {
  it(
    "reads, takes no lock, and changes nothing",
    withLog(async (path, folder) => {
      const log = WalLog.openSync(path);
      log.append(entriesAt(121, 130, 5));
      await log.sync();
      log.append(entriesAt(131, 140, 5));
      // The checkpoint that a log at rest writes.
      await setTimeout(100);
      const before = contentsOf(path);
      for (const command of [["info"], ["verify"], ["dump"], ["report", "-o", join(folder, "report.html")]]) {
        const [name, ...rest] = command;
        const { code, stderr } = await cli(name!, path, ...rest);
        assert.deepEqual([code, stderr], [0, ""], name);
      }
      assert.match((await cli("dump", path)).stdout, /^ +140 /m);
      assert.equal((await cli("export", path, join(folder, "x.wal"))).code, 0);
      const copy = join(folder, "copy");
      const { code, stdout, stderr } = await cli("backup", path, copy);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /copied up to index 140, term 4, no vote: /);
      assert.deepEqual(contentsOf(path), before);
      for (const command of [["repair", path, "--cut"], ["import", join(folder, "x.wal"), path]]) {
        assert.notEqual((await cli(...command)).code, 64);
      }
      assert.deepEqual(contentsOf(path), before);
      log.append(entriesAt(141, 141, 5));
      log.closeSync();
      const copied = open(copy);
      assert.equal(copied.lastIndex, 140);
      assert.equal(copied.recovery.verdict, "clean");
      copied.closeSync();
    }),
  );
});

describe("wal-log backup", () => {
  it(
    "copies up to an index",
    withLog(async (path, folder) => {
      const copy = join(folder, "copy");
      const { code, stdout } = await cli("backup", path, copy, "--to", "50");
      assert.equal(code, 0);
      assert.match(stdout, /^copied up to index 50, term 4, no vote: /);
      const log = open(copy);
      assert.deepEqual([log.lastIndex, log.snapshotIndex, log.recovery.verdict], [50, 10, "clean"]);
      log.closeSync();
      assert.equal((await cli("backup", path, join(folder, "less"), "--to", "9")).code, 64);
    }),
  );

  it(
    "makes the same log again, closed, and leaves alone what is there",
    withLog(async (path, folder) => {
      const copy = join(folder, "copy");
      mkdirSync(copy);
      const log = WalLog.openSync(path);
      log.foundCluster("00112233-4455-6677-8899-aabbccddeeff");
      log.closeSync();
      assert.equal((await cli("backup", path, copy)).code, 0);
      assertCopy(path, copy);
      assert.deepEqual(readdirSync(folder).sort(), ["copy", "raft.wal"]);
      const before = contentsOf(copy);
      const again = await cli("backup", path, copy);
      assert.equal(again.code, 3);
      assert.match(again.stderr, /not empty/);
      assert.equal((await cli("backup", path, join(copy, "IDENTITY"))).code, 3);
      assert.deepEqual(contentsOf(copy), before);
    }),
  );

  it(
    "refuses a damaged log, and leaves nothing",
    withLog(async (path, folder) => {
      damageEntry(path, 50, "payload");
      const { code, stderr } = await cli("backup", path, join(folder, "copy"));
      assert.equal(code, 2);
      assert.match(stderr, /damaged in 1 place: index 50/);
      assert.deepEqual(readdirSync(folder), ["raft.wal"]);
    }),
  );

  it("leaves nothing half-done when it is interrupted", { skip: noSignals }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = WalLog.openSync(path);
      for (let i = 0; i < 24; i++) log.append(entriesAt(i * 4 + 1, i * 4 + 4, 1, 1024 * 1024));
      log.closeSync();
      const child = startCli(["backup", path, join(folder, "copy")]);
      const ended = endOf(child);
      const isBegun = () => readdirSync(folder).some((name) => name.startsWith(".copy.wal-log-"));
      while (child.exitCode === null && !isBegun()) await setTimeout(1);
      // Deno takes a process for killed that was sent a signal through its handle, however it ended.
      process.kill(child.pid!, "SIGINT");
      const { code, stderr } = await ended;
      assert.equal(code, 130, stderr);
      assert.match(stderr, /interrupted; nothing was left behind/);
      assert.deepEqual(readdirSync(folder), ["raft.wal"]);
    });
  });
});

describe("wal-log import and export", () => {
  it(
    "go both ways",
    withLog(async (path, folder) => {
      const file = join(folder, "x.wal");
      const out = await cli("export", path, file);
      assert.equal(out.code, 0, out.stderr);
      assert.equal(recordsOf(readFileSync(file)).length, 112);
      const again = join(folder, "again");
      const back = await cli("import", file, again);
      assert.equal(back.code, 0, back.stderr);
      assertCopy(path, again);
      for (
        const args of [["export", path, file], ["import", file, again], [
          "import",
          join(folder, "no.wal"),
          join(folder, "new"),
        ]]
      ) {
        assert.equal((await cli(...args)).code, 3, args.join(" "));
      }
      assert.deepEqual(readdirSync(folder).sort(), ["again", "raft.wal", "x.wal"]);
    }),
  );

  it("refuse what is damaged, unless told to cut it; take a torn end, and say so", async () => {
    await inTemporaryFolder(async (folder) => {
      const file = join(folder, "x.wal");
      const path = join(folder, "log");
      const first = record.entry(1, 1, bytesOf(10));
      const broken = record.entry(1, 2, bytesOf(10));
      broken[20]! ^= 1;
      writeFileSync(file, Buffer.concat([first, broken, record.hardState(1, null)]));
      const refused = await cli("import", file, path);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /x\.wal is damaged at byte 44, 44 bytes \(checksum mismatch\); .*--cut/);
      assert.deepEqual(readdirSync(folder), ["x.wal"]);
      const cut = await cli("import", "--cut", file, path);
      assert.equal(cut.code, 2);
      assert.match(cut.stderr, /corrupt: 70 bytes from byte 44 on were left .*whole records follow from byte 88/);
      assert.equal(open(path).lastIndex, 1);

      writeFileSync(file, Buffer.concat([first, broken.subarray(0, 30)]));
      const torn = await cli("import", file, join(folder, "torn"));
      assert.equal(torn.code, 1);
      assert.match(torn.stderr, /torn: 30 bytes from byte 44 on were left/);
      writeFileSync(file, record.entry(2n ** 60n, 1, bytesOf(1)));
      const large = await cli("import", file, join(folder, "large"));
      assert.equal(large.code, 3);
      assert.match(large.stderr, /1152921504606846976/);
      assert.deepEqual(readdirSync(folder).sort(), ["log", "torn", "x.wal"]);
    });
  });
});

describe("wal-log bench", () => {
  it("measures, and leaves nothing", async () => {
    await inTemporaryFolder(async (folder) => {
      const args = ["--size", "2M", "--entry", "1K", "--runs", "3", "--folder", folder];
      const { code, stdout, stderr } = await cli("bench", ...args, "--json");
      assert.equal(code, 0, stderr);
      const { entries, entryBytes, bytes, seconds, medianSeconds } = JSON.parse(stdout);
      assert.equal(entryBytes, 1024);
      assert.ok(bytes > 2 ** 21 && entries * 1024 < bytes, stdout);
      assert.equal(seconds.length, 3);
      assert.equal(medianSeconds, seconds.toSorted((a: number, b: number) => a - b)[1]);
      assert.match((await cli("bench", ...args)).stdout, /recovered +\d+\.\d\d GB\/s, \d+\.\d million entries\/s/);
      assert.deepEqual(readdirSync(folder), []);
    });
  });
});
