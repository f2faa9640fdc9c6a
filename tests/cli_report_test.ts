/** `wal-log report`: where it writes the page. */

import assert from "node:assert/strict";
import { linkSync, lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { cli, cliHere, makeLog } from "./cli.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { skipWithoutLinks } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

describe("the report", () => {
  it("is written to a file in one step, or to standard output", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      const file = join(folder, "report.html");
      writeFileSync(file, "an older one");
      const refused = await cli("report", path, "-o", file);
      assert.equal(refused.code, 3);
      assert.match(refused.stderr, /report\.html: the file exists; choose another one, or give --force\n$/);
      assert.equal(readFileSync(file, "utf8"), "an older one");
      const { code, stdout, stderr } = await cli("report", path, "-o", file, "--force");
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^written to .*report\.html\n$/);
      const { stdout: page } = await cli("report", path);
      const withoutTime = (text: string) => text.replace(/as it was on [^.]*/, "");
      assert.equal(withoutTime(page).trimEnd(), withoutTime(readFileSync(file, "utf8")).trimEnd());
      assert.deepEqual(readdirSync(folder).sort(), ["raft.wal", "report.html"]);
      assert.equal((await cli("report", path, "-o", join(folder, "no", "report.html"))).code, 3);
    });
  });

  it("is written to the target of a link that the user names", { skip: skipWithoutLinks() }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const link = join(folder, "latest.html");
      makeLog(path);
      writeFileSync(join(folder, "report.html"), "an older one");
      symlinkSync("report.html", link);
      assert.equal((await cli("report", path, "-o", link)).code, 3);
      assert.equal((await cli("report", path, "-o", link, "--force")).code, 0);
      assert.ok(lstatSync(link).isSymbolicLink());
      assert.match(readFileSync(join(folder, "report.html"), "utf8"), /^<!doctype html>/);
    });
  });

  it("never overwrites a file of the log, or takes the name of one", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      writeFileSync(join(path, "notes"), "");
      const before = contentsOf(path);
      const names = [...readdirSync(path).filter((name) => name !== "notes"), "000000000099.seg", "LOCK", "RESERVE"];
      for (const name of names) {
        for (const force of [[], ["--force"]]) {
          const { code, stderr } = await cliHere("report", path, "-o", join(path, name), ...force);
          assert.equal(code, 3, name);
          assert.match(stderr, /: it is a file of the log; choose another file\n$/);
        }
      }
      assertSameContents(contentsOf(path), before);
      assert.equal((await cliHere("report", path, "-o", join(path, "notes"), "--force")).code, 0);
      assert.equal((await cliHere("report", path, "-o", join(path, "report.html"))).code, 0);
    });
  });

  it("does not overwrite a file of the log through a link", { skip: skipWithoutLinks() }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      const before = contentsOf(path);
      symlinkSync(join(path, "IDENTITY"), join(folder, "soft.html"));
      linkSync(join(path, "000000000002.seg"), join(folder, "hard.html"));
      symlinkSync(path, join(folder, "link.wal"));
      for (const file of ["soft.html", "hard.html", "link.wal/000000000099.seg", "link.wal/IDENTITY"]) {
        const { code, stderr } = await cliHere("report", path, "-o", join(folder, file), "--force");
        assert.equal(code, 3, file);
        assert.match(stderr, /: it is a file of the log; choose another file\n$/);
      }
      assertSameContents(contentsOf(path), before);
    });
  });
});
