/**
 * Builds the npm package into `dist/npm`: dnt compiles the modules and checks their types, and `npm_package.ts` makes
 * the package from them.
 *
 *     deno task build:npm && deno task smoke --package dist/npm
 *
 * dnt comes from JSR. It is imported when the program runs, so that everything else can be checked where JSR is out of
 * reach; `docs/RELEASING.md` says what is checked where.
 *
 * @module
 */

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ENTRY_POINTS, makePackage, PACKAGE } from "./npm_package.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const COMPILED = join(ROOT, "dist", "compiled");

const config = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));
/** `WebAssembly` and the streams are declared with the DOM. By TypeScript's names, of which dnt's types know not all. */
const LIBRARIES = ["ESNext", "DOM", "DOM.Iterable", "DOM.AsyncIterable"] as never[];

rmSync(COMPILED, { recursive: true, force: true });
const { build } = await import("@deno/dnt");
await build({
  entryPoints: Object.entries(ENTRY_POINTS).map(([name, path]) => ({ name, path: join(ROOT, path) })),
  outDir: COMPILED,
  // The sources import nothing but each other and `node:` modules.
  configFile: false,
  // Nothing of the `Deno` namespace is used.
  shims: {},
  // dnt writes a polyfill above everything else in a module, also above the `#!` of the command. Node 22 needs none.
  polyfills: false,
  // The suite runs on the sources, in Node too; the smoke test runs on what is built here.
  test: false,
  scriptModule: false,
  declaration: "inline",
  skipSourceOutput: true,
  compilerOptions: {
    // esbuild lowers the syntax to what Node 22 supports.
    target: "Latest",
    lib: LIBRARIES,
    noUncheckedIndexedAccess: true,
  },
  package: {
    name: PACKAGE,
    version: config.version,
    // Its declarations are needed to check the build, and by nobody who uses it.
    devDependencies: { "@types/node": config.imports["@types/node"].split("@").at(-1) },
  },
});
await makePackage(join(COMPILED, "esm"), join(ROOT, "dist", "npm"));
