/**
 * The library in the form of the npm package: JavaScript. Otherwise the start of a process would include stripping
 * types, which takes Node longer than everything else.
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
 * Packs the library for npm and unpacks it, unless that is already done.
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
