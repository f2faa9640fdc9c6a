/**
 * Installs the peers into `bench/node_modules`, as `bench/package-lock.json` pins them. Only the benchmark depends on
 * them. By hand: `npm ci --ignore-scripts --prefix bench`.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("./", import.meta.url));

/**
 * Installs missing peers. Without npm or a registry, the benchmark runs without them, and its table says which are
 * missing.
 */
export function installPeers(): void {
  if (existsSync(`${FOLDER}node_modules/.package-lock.json`)) return;
  console.log("Installing the peers into bench/node_modules, this once (npm ci) ...");
  // Their addons are precompiled, so none of their scripts has to run.
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status, error } = spawnSync("npm", args, {
    cwd: FOLDER,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) console.error(`The peers are not installed: ${error?.message ?? `npm ended with ${status}`}`);
}
