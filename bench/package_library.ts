/**
 * The library as the npm package has it: JavaScript, one module for each entry point. Otherwise the start of a process
 * would include stripping types and loading more than a hundred modules, which no user of the package waits for.
 *
 * @module
 */

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { makePackage } from "../scripts/npm_package.ts";
import { locateRuntime } from "../scripts/runtimes.ts";
import type { Workspace } from "./workspace.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/**
 * Builds the npm package, unless that is already done.
 *
 * @returns The URL of its module.
 */
export async function packageLibrary(workspace: Workspace): Promise<string> {
  const folder = join(workspace.path, "npm");
  const built = join(folder, "built");
  const module = join(built, "dist", "index.js");
  if (existsSync(module)) return pathToFileURL(module).href;
  mkdirSync(folder);
  const tarball = join(folder, "package.tgz");
  const { binary } = locateRuntime("deno");
  const config = `--config=${ROOT}deno.json`;
  await workspace.run([binary, "pack", config, "--no-source-maps", "--allow-dirty", "--output", tarball], {}, {
    cwd: ROOT,
  });
  await workspace.run(["tar", "-xzf", tarball, "-C", folder]);
  await makePackage(join(folder, "package"), built);
  return pathToFileURL(module).href;
}
