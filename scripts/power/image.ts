/**
 * The files that a virtual machine boots from: a kernel, an initial RAM disk with modules, and a read-only disk with
 * Node, the library and the guest's program.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { Buffer } from "node:buffer";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** The drivers for the disks, the port and the file systems. Others that they need are found. */
const MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "crc32c_intel", "xfs", "btrfs"];
/** The size of the disk with the programs, in bytes. */
const PROGRAMS_BYTES = 220 * 2 ** 20;
const MODULE_BYTES_MAX = 2 ** 26;
const GUEST_FOLDERS = ["bin", "lib", "lib64", "dev", "proc", "sys", "tmp", "disk"];

/** The files to boot from. */
export interface Image {
  readonly kernel: string;
  readonly initrd: string;
  readonly programs: string;
}

/** A change of the library's source. */
export interface SourceEdit {
  /** The file, from the root of the repository. */
  readonly file: string;
  /** The texts to replace, each with its replacement. */
  readonly edits: readonly (readonly [string, string])[];
}

/** A kernel with its modules. */
export interface Kernel {
  /** The path of the kernel. */
  readonly path: string;
  /** The folder of its modules. */
  readonly modules: string;
}

/**
 * Finds a kernel.
 *
 * @param root The folder that has `boot` and `lib/modules`: `/`, or where a Debian package was extracted.
 * @returns The newest kernel that is there with its modules; `undefined` if there is none.
 */
export function findKernel(root: string): Kernel | undefined {
  const boot = join(root, "boot");
  const versions = existsSync(boot)
    ? readdirSync(boot).filter((name) => name.startsWith("vmlinuz-")).map((name) => name.slice("vmlinuz-".length))
    : [];
  return versions.sort().reverse()
    .map((version) => ({ path: join(boot, `vmlinuz-${version}`), modules: join(root, "lib/modules", version) }))
    .find(({ modules }) => existsSync(join(modules, "kernel")));
}

/**
 * Makes the files to boot from.
 *
 * @param folder An empty folder for them.
 * @param kernel The kernel.
 * @param node The path of Node for Linux.
 * @param edit A change of the library, to test that its effect is noticed.
 * @returns The files.
 */
export async function makeImage(folder: string, kernel: Kernel, node: string, edit?: SourceEdit): Promise<Image> {
  const initrd = join(folder, "initrd");
  writeFileSync(initrd, initialDisk(kernel.modules));
  return { kernel: kernel.path, initrd, programs: await programsDisk(folder, node, edit) };
}

/** The modules to load, in an order in which each comes after those that it needs. */
function modulesToLoad(folder: string): string[] {
  const paths = new Map(
    readdirSync(join(folder, "kernel"), { recursive: true, encoding: "utf8" })
      .flatMap((name): [string, string][] => {
        const module = /([^/]+)\.ko(\.xz|\.zst)?$/.exec(name)?.[1];
        return module === undefined ? [] : [[module.replaceAll("-", "_"), join(folder, "kernel", name)]];
      }),
  );
  const order: string[] = [];
  const visit = (name: string): void => {
    const path = paths.get(name);
    // A driver that is not there is built into the kernel.
    if (path === undefined || order.includes(path)) return;
    const needs = /\0depends=([^\0]*)\0/.exec(moduleAt(path).toString("latin1"))?.[1] ?? "";
    for (const other of needs.split(",")) visit(other.replaceAll("-", "_"));
    order.push(path);
  };
  for (const name of MODULES) visit(name);
  return order;
}

/** A module, which some distributions compress. */
function moduleAt(path: string): Buffer {
  const program = path.endsWith(".xz") ? "xz" : path.endsWith(".zst") ? "zstd" : undefined;
  if (program === undefined) return readFileSync(path);
  const { status, stdout, stderr } = spawnSync(program, ["-dc", path], { maxBuffer: MODULE_BYTES_MAX });
  if (status !== 0) throw new Error(`${program} -dc ${path}: ${stderr}`);
  return stdout;
}

/** The initial RAM disk: BusyBox, the modules, and a script that starts the guest's program. */
function initialDisk(modules: string): Buffer {
  const paths = modulesToLoad(modules);
  const names = paths.map((path) => basename(path).replace(/\.(xz|zst)$/, ""));
  const init = `#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
for m in ${names.join(" ")}; do $b insmod /modules/$m; done
$b mount -t ext4 -o ro,noload /dev/vda /root
$b mount -t tmpfs tmp /root/tmp
# Written data goes to the disk soon, also without a flush, so that a cut finds it there out of order.
echo 5 > /proc/sys/vm/dirty_expire_centisecs
echo 5 > /proc/sys/vm/dirty_writeback_centisecs
for f in dev proc sys; do $b mount -o bind /$f /root/$f; done
exec $b chroot /root /bin/node --disable-warning=ExperimentalWarning /guest.mjs /dev/vport*
`;
  const folders = ["bin", "dev", "proc", "sys", "modules", "root"].map((name) => (
    cpioEntry(name, 0o040755, Buffer.alloc(0))
  ));
  const files = [
    cpioEntry("init", 0o100755, Buffer.from(init)),
    cpioEntry("bin/busybox", 0o100755, readFileSync(findProgram("busybox")!)),
    ...paths.map((path, i) => cpioEntry(`modules/${names[i]}`, 0o100644, moduleAt(path))),
  ];
  return Buffer.concat([...folders, ...files, cpioEntry("TRAILER!!!", 0, Buffer.alloc(0))]);
}

let inode = 1;

/** A file of a cpio archive, in the format "newc" of the kernel. */
function cpioEntry(name: string, mode: number, data: Buffer): Buffer {
  const fields = [inode++, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
  const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((4 - bytes.length % 4) % 4)]);
  return Buffer.concat([padded(Buffer.from(header)), padded(data)]);
}

/** The disk with the programs: an ext4 file system without a journal. */
async function programsDisk(folder: string, node: string, edit: SourceEdit | undefined): Promise<string> {
  const root = join(folder, "programs");
  for (const name of GUEST_FOLDERS) mkdirSync(join(root, name), { recursive: true });
  copyFileSync(realpathSync(node), join(root, "bin/node"));
  copyFileSync(findProgram("busybox")!, join(root, "bin/busybox"));
  for (const [library] of succeed("ldd", [node]).matchAll(/\/[^\s]+/g)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(realpathSync(library), join(root, library));
  }
  await bundle(join(root, "guest.mjs"), edit);
  const disk = join(folder, "programs.ext4");
  writeFileSync(disk, "");
  truncateSync(disk, PROGRAMS_BYTES);
  succeed("mkfs.ext4", ["-q", "-O", "^has_journal", "-d", root, disk]);
  return disk;
}

/** The guest's program and the library in one file: a machine without hardware virtualization compiles slowly. */
async function bundle(outfile: string, edit: SourceEdit | undefined): Promise<void> {
  const plugin: Plugin = {
    name: "edit",
    setup: (build) => {
      if (edit === undefined) return;
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => (
        path === join(ROOT, edit.file) ? { contents: edited(path, edit), loader: "ts" } : undefined
      ));
    },
  };
  const entryPoints = [join(ROOT, "scripts/power/guest.ts")];
  await build({ entryPoints, outfile, bundle: true, platform: "node", format: "esm", plugins: [plugin] });
}

function edited(path: string, { edits }: SourceEdit): string {
  return edits.reduce((text, [find, replacement]) => {
    if (!text.includes(find)) throw new Error(`${path} does not contain: ${find}`);
    return text.replace(find, () => replacement);
  }, readFileSync(path, "utf8"));
}

/**
 * Finds a program.
 *
 * @param name Its name.
 * @returns Its path; `undefined` if it is not installed.
 */
export function findProgram(name: string): string | undefined {
  return ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"].map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/**
 * Runs a program that must succeed.
 *
 * @param name Its name.
 * @param args Its arguments.
 * @returns Its output.
 */
export function succeed(name: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(findProgram(name) ?? name, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name} ${args.join(" ")}: ${error?.message ?? stderr}`);
  return stdout;
}
