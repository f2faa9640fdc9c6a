/** A disk that is really full: a small one made for the test, and a limit on the size of files. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { locateRuntime, type RuntimeName } from "../scripts/runtimes.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder, temporaryFolder } from "./temporary.ts";

const PROGRAM = fileURLToPath(new URL("./real/full_disk.ts", import.meta.url));
const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";

/** Commands that give a program its own mounts: as root, or with user namespaces. */
const NAMESPACES = [["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]];
/** Small disks: the commands that create each and mount it at the folder `$0`. */
const DISKS: Readonly<Record<string, string>> = {
  tmpfs: 'mount -t tmpfs -o size=2m tmpfs "$0"',
  ext4: 'truncate -s 8m "$0.img" && mkfs.ext4 -q -m 0 "$0.img" >/dev/null && mount -o loop "$0.img" "$0"',
  xfs: 'truncate -s 32m "$0.img" && mkfs.xfs -q --unsupported "$0.img" >/dev/null 2>&1 && mount -o loop "$0.img" "$0"',
  btrfs: 'truncate -s 128m "$0.img" && mkfs.btrfs -q "$0.img" >/dev/null && mount -o loop "$0.img" "$0"',
};
const WORK = ' && "$@" "$0"; status=$?; umount "$0"; exit $status';
/** 256 KiB. The signal at the limit would kill Deno. If it is ignored, the write fails, as in the other runtimes. */
const LIMIT = 'ulimit -f 256 && trap "" XFSZ && exec "$@" "$0"';

/** The command before a program that mounts a disk, or why there can be none. */
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

/** Why a disk cannot be made here; `false` if it can. */
function whyNoDisk(name: string): string | false {
  if (noMount !== false) return skipReason(noMount);
  const folder = temporaryFolder();
  const path = join(folder.path, "disk");
  mkdirSync(path);
  const [binary, ...args] = [...mounts, "bash", "-c", DISKS[name]!, path];
  const { status, stderr } = spawnSync(binary!, args, { encoding: "utf8" });
  folder.remove();
  if (status === 0) return false;
  return skipReason(`no ${name} can be mounted here: ${stderr.trim().split("\n").at(-1)}`);
}

/** Runs `real/full_disk.ts`; returns the parts that passed. */
function run(before: readonly string[], script: string, folder: string, mode: string): string[] {
  const [binary, ...args] = [...before, "bash", "-c", script, folder, ...locateRuntime(own).run, PROGRAM, mode];
  const { status, signal, stdout, stderr } = spawnSync(binary!, args, { encoding: "utf8" });
  assert.equal(status, 0, `${status ?? signal}: ${stdout}${stderr}`);
  return stdout.trim().split("\n");
}

describe("a log on a disk that is full", () => {
  for (const [name, mount] of Object.entries(DISKS)) {
    it(
      `of ${name} refuses writes without space, and works when there is space`,
      { skip: whyNoDisk(name) },
      () =>
        inTemporaryFolder((folder) => {
          const path = join(folder, "disk");
          mkdirSync(path);
          assert.deepEqual(run(mounts, mount + WORK, path, "space"), [
            "ok a new segment is refused",
            "ok a write is refused",
            "ok a snapshot is refused",
            "ok a killed log opens to be read",
            "ok a closed log closes and opens",
          ]);
        }),
    );
  }

  for (const [name, mount] of Object.entries(DISKS)) {
    // btrfs frees the space of a deleted file late, and a new file on XFS takes more than the reserve.
    if (name === "btrfs") continue;
    const mode = name === "xfs" ? "reserve-frames" : "reserve";
    it(
      `of ${name} does necessary writes in the space of its reserve`,
      { skip: whyNoDisk(name) },
      () =>
        inTemporaryFolder((folder) => {
          const path = join(folder, "disk");
          mkdirSync(path);
          assert.deepEqual(run(mounts, mount + WORK, path, mode), [
            "ok a killed log goes on",
            "ok the reserve is taken",
          ]);
        }),
    );
  }

  it("refuses a write beyond a limit on the size of files, and works below it", {
    skip: skipReason(isWindows && "Windows has no limit on the size of files"),
  }, async () => {
    await inTemporaryFolder((folder) => assert.deepEqual(run([], LIMIT, folder, "limit"), ["ok limit"]));
  });
});
