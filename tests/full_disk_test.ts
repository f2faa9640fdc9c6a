/** A disk that is full in truth: a small one made for the test, and a limit on the size of files. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { locateRuntime, type RuntimeName } from "../scripts/runtimes.ts";
import { inTemporaryFolder } from "./temporary.ts";

const PROGRAM = fileURLToPath(new URL("./real/full_disk.ts", import.meta.url));
const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";

/** A disk of 2 MiB that is there for one program, and gone with it: as root, or where the kernel lets anybody. */
const NAMESPACES = [["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]];
const MOUNT = 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@" "$0"';
/** 256 KiB. The signal that comes with the limit would kill Deno; ignored, the write fails, as it does in the others. */
const LIMIT = 'ulimit -f 256 && trap "" XFSZ && exec "$@" "$0"';

/** What comes before a program that mounts a disk, or why there can be none. */
function namespace(): { readonly command: readonly string[]; readonly why: string | false } {
  if (process.platform !== "linux") return { command: [], why: `the test is for Linux, this is ${process.platform}` };
  const said = NAMESPACES.map((command) => {
    const args = [...command.slice(1), "sh", "-c", "mount -t tmpfs tmpfs /mnt"];
    const { error, status, stderr } = spawnSync(command[0]!, args, { encoding: "utf8" });
    return error === undefined && status === 0 ? undefined : error?.message ?? stderr.trim();
  });
  const works = said.indexOf(undefined);
  if (works >= 0) return { command: NAMESPACES[works]!, why: false };
  return { command: [], why: `no disk can be mounted here, which takes root or user namespaces: ${said.join("; ")}` };
}

const { command: mounts, why: noMount } = namespace();
if (noMount !== false) console.log(`full_disk_test.ts is skipped in part: ${noMount}`);

/** Runs `real/full_disk.ts`; returns the parts that it says it has passed. */
function run(before: readonly string[], script: string, folder: string, mode: string): string[] {
  const [binary, ...args] = [...before, "bash", "-c", script, folder, ...locateRuntime(own).run, PROGRAM, mode];
  const { status, signal, stdout, stderr } = spawnSync(binary!, args, { encoding: "utf8" });
  assert.equal(status, 0, `${status ?? signal}: ${stdout}${stderr}`);
  return stdout.trim().split("\n");
}

describe("a log on a disk that is full", () => {
  it(
    "refuses what needs a new segment, ends at a write that fails, opens to be read, and goes on when there is space",
    {
      skip: noMount,
    },
    async () => {
      await inTemporaryFolder((folder) => {
        assert.deepEqual(run(mounts, MOUNT, folder, "space"), [
          "ok refused",
          "ok poisoned in a write",
          "ok poisoned in a snapshot",
          "ok closed and opened",
        ]);
      });
    },
  );

  it("ends at a limit on the size of files, having cut a write short, and works below it", {
    skip: process.platform === "win32" ? "Windows has no such limit" : false,
  }, async () => {
    await inTemporaryFolder((folder) => assert.deepEqual(run([], LIMIT, folder, "limit"), ["ok limit"]));
  });
});
