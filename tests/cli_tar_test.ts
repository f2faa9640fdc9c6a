/** The headers of tar archives that the command line writes. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { TAR_END, tarHeader, type TarMember, tarPadding } from "../src/cli/tar.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { untar } from "./untar.ts";

const GIB = 2 ** 30;
const FILE: TarMember = { type: "file", name: "a/b", bytes: 0, mode: 0o600, uid: 0, gid: 0, modified: 1_700_000_000 };
const noTar = skipReason(spawnSync("tar", ["--version"]).status !== 0 && "there is no tar");

/** The member that a header describes. */
function read(member: Partial<TarMember>) {
  const [found] = untar(tarHeader({ ...FILE, ...member })).members;
  return found!;
}

describe("tarHeader", () => {
  it("holds sizes below 8 GiB in one block, and larger ones in a pax record", () => {
    assert.equal(tarHeader({ ...FILE, bytes: 8 * GIB - 1 }).length, 512);
    assert.equal(read({ bytes: 8 * GIB - 1 }).bytes, 8 * GIB - 1);
    assert.equal(tarHeader({ ...FILE, bytes: 8 * GIB }).length, 3 * 512);
    for (const bytes of [8 * GIB, 9_999_999_999, 10_000_000_000, 5000 * GIB]) {
      assert.equal(read({ bytes }).bytes, bytes);
    }
  });

  it("holds long names, other scripts and large user ids in pax records", () => {
    for (let length = 90; length <= 110; length++) assert.equal(read({ name: "n".repeat(length) }).name.length, length);
    const name = `${"größe 大きさ/".repeat(20)}`;
    assert.equal(read({ name }).name, name);
    assert.equal(read({ uid: 0o7777777 }).uid, 0o7777777);
    assert.equal(read({ uid: 2 ** 31 }).uid, 2 ** 31);
  });

  it("pads contents to blocks", () => {
    assert.deepEqual([0, 1, 511, 512, 513].map((bytes) => tarPadding(bytes).length), [0, 511, 1, 0, 511]);
  });

  it("is understood by tar, with a file of 9 GiB and a long name", { skip: noTar }, async () => {
    await inTemporaryFolder((folder) => {
      const large = tarHeader({ ...FILE, name: "large", bytes: 9 * GIB + 5 });
      const long = tarHeader({ ...FILE, name: `${"long".repeat(40)}/last`, bytes: 3 });
      const path = join(folder, "sparse.tar");
      const file = openSync(path, "w");
      // The contents are a hole in the file.
      let at = large.length + 9 * GIB + 5 + tarPadding(9 * GIB + 5).length;
      writeSync(file, large);
      for (const part of [long, new Uint8Array([65, 66, 67]), tarPadding(3), TAR_END]) {
        writeSync(file, part, 0, part.length, at);
        at += part.length;
      }
      ftruncateSync(file, at);
      closeSync(file);
      const listed = spawnSync("tar", ["-tvf", path], { encoding: "utf8" });
      assert.equal(listed.stderr, "");
      assert.equal(listed.status, 0);
      const [first, second] = listed.stdout.split("\n");
      assert.match(first!, /\b9663676421\b.* large$/);
      assert.match(second!, new RegExp(` 3 .* ${"long".repeat(40)}/last$`));
    });
  });
});
