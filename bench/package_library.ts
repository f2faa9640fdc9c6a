/**
 * The library as Node and Bun get it from npm: JavaScript. What it costs to start must not be charged with stripping
 * types, which takes Node longer than all the rest.
 *
 * @module
 */

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { locateRuntime } from "../scripts/runtimes.ts";
import type { Workspace } from "./workspace.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/**
 * Packs the library for npm and unpacks it, unless that was done.
 *
 * @returns The URL of its module.
 */
export async function packageLibrary(workspace: Workspace): Promise<string> {
  const folder = join(workspace.path, "npm");
  const module = join(folder, "package", "mod.js");
  if (existsSync(module)) return pathToFileURL(module).href;
  mkdirSync(folder);
  const tarball = join(folder, "package.tgz");
  const { binary } = locateRuntime("deno");
  const config = `--config=${ROOT}deno.json`;
  await workspace.run([binary, "pack", config, "--no-source-maps", "--allow-dirty", "--output", tarball], {}, {
    cwd: ROOT,
  });
  await workspace.run(["tar", "-xzf", tarball, "-C", folder]);
  return pathToFileURL(module).href;
}
