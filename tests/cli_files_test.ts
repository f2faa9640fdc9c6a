/** The files that `wal-log repair` replaces and copies: links, owners and modes. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { listFiles, stateOfFiles } from "../src/cli/log_files.ts";
import { replaceLog } from "../src/cli/mended.ts";
import { keepOwner } from "../src/cli/owner.ts";
import { contentsOf as contentsToCopy } from "../src/maintain/write_anew.ts";
import { cli, damageEntry, makeLog, segmentsOf } from "./cli.ts";
import { entryAt } from "./history.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { skipUnlessRoot, skipWithoutLinks } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noLinks = skipWithoutLinks();
const notRoot = skipUnlessRoot();

/** Runs a test with a damaged log, and an undamaged copy of it. */
function withDamaged(test: (paths: { path: string; other: string; folder: string }) => Promise<void>) {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const other = join(folder, "other");
      makeLog(path);
      cpSync(path, other, { recursive: true });
      damageEntry(path, 50, "payload");
      await test({ path, other, folder });
    });
}

describe("the files of a log that is cut", () => {
  it(
    "are replaced only while the lock is held",
    withDamaged(async ({ path, folder }) => {
      const before = contentsOf(path);
      const source = WalLog.openSync(path, { readOnly: true, onDamage: "keep" });
      const contents = {
        ...contentsToCopy(source, 20),
        *entries() {
          rmSync(join(path, "LOCK"));
          yield* source.iterate(11, 20);
        },
      };
      const replacement = {
        contents,
        isShortened: true,
        incarnation: undefined,
        before: stateOfFiles(path),
        close: () => source.close(),
      };
      const replacing = replaceLog(path, replacement, new AbortController().signal);
      await assert.rejects(replacing, { code: "LOCK_LOST" });
      rmSync(join(path, ".wal-log-repair"), { recursive: true, force: true });
      assertSameContents(contentsOf(path), before);
      assert.deepEqual(readdirSync(folder).sort(), ["other", "raft.wal"]);
    }),
  );

  it(
    "are not replaced if a writer changed them after they were read",
    withDamaged(async ({ path }) => {
      const before = stateOfFiles(path);
      const source = WalLog.openSync(path, { readOnly: true, onDamage: "keep" });
      const writer = WalLog.openSync(path, { onDamage: "keep" });
      writer.append([entryAt(121, 4)]);
      writer.closeSync();
      const replacement = {
        contents: contentsToCopy(source, 20),
        isShortened: true,
        incarnation: undefined,
        before,
        close: () => source.close(),
      };
      const replacing = replaceLog(path, replacement, new AbortController().signal);
      await assert.rejects(replacing, { code: "CHANGING" });
      source.closeSync();
      const log = WalLog.openSync(path, { readOnly: true, onDamage: "keep" });
      assert.equal(log.lastIndex, 121);
      log.closeSync();
    }),
  );
});

describe("wal-log repair --cut", () => {
  it(
    "moves only the log's files, and leaves links, FIFOs, folders and other files where they are",
    { skip: noLinks },
    withDamaged(async ({ path, folder }) => {
      writeFileSync(join(folder, "secret"), "secret");
      symlinkSync(join(folder, "secret"), join(path, "link"));
      assert.equal(spawnSync("mkfifo", [join(path, "pipe")]).status, 0);
      mkdirSync(join(path, "sub"));
      writeFileSync(join(path, "notes"), "of somebody");
      const others = ["link", "notes", "pipe", "sub"];
      const names = readdirSync(path);
      const { code, stderr } = await cli("repair", path, "--cut");
      assert.equal(code, 0, stderr);
      for (const name of others) assert.ok(lstatSync(join(path, name)), name);
      assert.equal(readFileSync(join(path, "notes"), "utf8"), "of somebody");
      const evidence = readdirSync(`${path}.damaged-1`);
      assert.deepEqual(evidence, names.filter((name) => ![...others, "LOCK", "RESERVE"].includes(name)));
    }),
  );

  it(
    "refuses a link that has the name of its staging folder",
    { skip: noLinks },
    withDamaged(async ({ path, folder }) => {
      mkdirSync(join(folder, "elsewhere"));
      writeFileSync(join(folder, "elsewhere", "PLAN"), "{}");
      symlinkSync(join(folder, "elsewhere"), join(path, ".wal-log-repair"));
      const { code, stderr } = await cli("repair", path, "--cut");
      assert.equal(code, 3);
      assert.match(stderr, /is not a folder; move it away/);
      assert.deepEqual(readdirSync(join(folder, "elsewhere")), ["PLAN"]);
    }),
  );

  it(
    "moves no file to a path in a crafted plan",
    withDamaged(async ({ path, folder }) => {
      const staging = join(path, ".wal-log-repair");
      mkdirSync(staging);
      cpSync(join(path, "IDENTITY"), join(staging, "IDENTITY"));
      for (
        const plan of [
          { evidence: folder, old: segmentsOf(path), made: [] },
          { evidence: "beside-1", old: ["LOCK"], made: [] },
          { evidence: "beside-1", old: [], made: ["../LOCK"] },
          { evidence: "beside-1", old: [] },
        ]
      ) {
        writeFileSync(join(staging, "PLAN"), JSON.stringify(plan));
        const before = [readdirSync(path), readdirSync(staging), readdirSync(folder)];
        const { code, stderr } = await cli("repair", path, "--resume");
        assert.equal(code, 3);
        assert.match(stderr, /PLAN is damaged; nothing was changed/);
        for (const command of ["verify", "info", "report"]) {
          const { code, stdout } = await cli(command, path);
          assert.equal(code, command === "verify" ? 2 : 0);
          const shown = stdout.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code));
          assert.match(shown, /restore \.wal-log-repair\/PLAN, which says how to complete a repair/);
        }
        assert.deepEqual([readdirSync(path), readdirSync(staging), readdirSync(folder)], before);
      }
    }),
  );

  it(
    "describes a log whose plan cannot be read",
    withDamaged(async ({ path }) => {
      mkdirSync(join(path, ".wal-log-repair", "PLAN"), { recursive: true });
      cpSync(join(path, "IDENTITY"), join(path, ".wal-log-repair", "IDENTITY"));
      for (const command of ["verify", "info"]) {
        const { code, stdout } = await cli(command, path);
        assert.equal(code, command === "verify" ? 2 : 0);
        assert.match(stdout, /\nNext: restore \.wal-log-repair\/PLAN, which says how to complete a repair /);
      }
      assert.equal((await cli("repair", path, "--resume")).code, 3);
    }),
  );

  for (const name of ["000000000001.seg", "IDENTITY"]) {
    it(
      `refuses a log whose ${name} is a link, and changes nothing`,
      { skip: noLinks },
      withDamaged(async ({ path, folder }) => {
        renameSync(join(path, name), join(folder, "elsewhere"));
        symlinkSync(join(folder, "elsewhere"), join(path, name));
        const before = contentsOf(path);
        const { code, stderr } = await cli("repair", path, "--cut");
        assert.equal(code, 3, stderr);
        assert.ok(stderr.includes(name), stderr);
        assert.throws(() => listFiles(path), {
          code: "INVALID_ARGUMENT",
          message: /is a symbolic link, not a regular/,
        });
        assertSameContents(contentsOf(path), before);
        assert.ok(lstatSync(join(path, name)).isSymbolicLink());
        assert.deepEqual(readdirSync(folder).sort(), ["elsewhere", "other", "raft.wal"]);
      }),
    );
  }
});

describe("wal-log repair, run as root", { skip: notRoot }, () => {
  const NOBODY = 65534;

  /** Owner and mode of a path. */
  function ownerOf(path: string): string {
    const { uid, gid, mode } = lstatSync(path);
    return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
  }

  /** Gives a log to another user, with another mode for each kind of file, and removes its lock file. */
  function giveAway(path: string): void {
    for (const name of readdirSync(path)) {
      chownSync(join(path, name), NOBODY, NOBODY - 1);
      chmodSync(join(path, name), name.endsWith(".snap") ? 0o644 : name === "IDENTITY" ? 0o600 : 0o640);
    }
    rmSync(join(path, "LOCK"));
    chownSync(path, NOBODY, NOBODY - 1);
    chmodSync(path, 0o2750);
  }

  /** Fails unless every file of a log has the owner and mode that {@link giveAway} sets. */
  function assertGiven(path: string, names: RegExp): void {
    assert.equal(ownerOf(path), `${NOBODY}:${NOBODY - 1} 2750`);
    for (const name of readdirSync(path)) {
      assert.match(name, names);
      const mode = name.endsWith(".snap") ? 644 : name === "IDENTITY" ? 600 : 640;
      assert.equal(ownerOf(join(path, name)), `${NOBODY}:${NOBODY - 1} ${mode}`, name);
    }
  }

  it(
    "keeps owners and modes with --cut, in the log and in the evidence",
    withDamaged(async ({ path }) => {
      giveAway(path);
      assert.equal((await cli("repair", path, "--cut", "--dry-run")).code, 0);
      assert.ok(!existsSync(join(path, "LOCK")), "a dry run makes no lock file");
      const { code, stderr } = await cli("repair", path, "--cut");
      assert.equal(code, 0, stderr);
      assertGiven(path, /^(\d+\.seg|\d+-\d+\.snap|IDENTITY|LOCK|RESERVE)$/);
      assertGiven(`${path}.damaged-1`, /^(\d+\.seg|\d+-\d+\.snap|IDENTITY)$/);
      assert.ok(readdirSync(path).includes("LOCK"));
    }),
  );

  it(
    "keeps owners and modes with --from",
    withDamaged(async ({ path, other }) => {
      giveAway(path);
      chmodSync(join(path, segmentsOf(path).at(-1)!), 0o660);
      const before = segmentsOf(path).map((name) => ownerOf(join(path, name)));
      const { code, stderr } = await cli("repair", path, "--from", other);
      assert.equal(code, 0, stderr);
      const after = segmentsOf(path).map((name) => ownerOf(join(path, name)));
      assert.ok(after.length > before.length, "the log was opened for writing, which begins a segment");
      assert.deepEqual(after, after.map((_, i) => before[Math.min(i, before.length - 1)]));
      assert.equal(ownerOf(join(path, "LOCK")), `${NOBODY}:${NOBODY - 1} 660`);
    }),
  );
});

describe("keepOwner", { skip: noLinks }, () => {
  it("refuses a file that was replaced", async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "file");
      const like = lstatSync(folder);
      const other = join(folder, "other");
      writeFileSync(other, "");
      const traps: (() => void)[] = [
        () => symlinkSync(other, path),
        () => linkSync(other, path),
        () => writeFileSync(path, "of somebody"),
      ];
      for (const make of traps) {
        make();
        const before = statSync(path).mode;
        assert.throws(() => keepOwner(path, like), { code: "IO", message: /another process has replaced it/ });
        assert.equal(statSync(path).mode, before);
        rmSync(path);
      }
      writeFileSync(path, "");
      keepOwner(path, like);
      assert.equal(statSync(path).mode & 0o777, like.mode & 0o777);
    });
  });
});
