/**
 * Installs the peers into `bench/node_modules`, as `bench/package-lock.json` pins them, or into `bench/event_stores`.
 * Only the benchmark depends on them. By hand: `npm ci --ignore-scripts --prefix bench`.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

/**
 * Installs missing peers. Without npm or a registry, the benchmark runs without them, and its table says which are
 * missing.
 *
 * @param folder The folder of their `package.json`, from this one.
 */
export function installPeers(folder: "./" | "./event_stores/" = "./"): void {
  const cwd = fileURLToPath(new URL(folder, import.meta.url));
  if (existsSync(`${cwd}node_modules/.package-lock.json`)) return;
  console.log(`Installing the peers into ${cwd}node_modules, this once (npm ci) ...`);
  // Their addons are precompiled, so none of their scripts has to run.
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, error } = spawnSync("npm", args, { cwd, stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) console.error(`The peers are not installed: ${error?.message ?? `npm ended with ${status}`}`);
}
