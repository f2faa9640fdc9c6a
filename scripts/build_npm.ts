/**
 * Builds the npm package into `dist/npm`: dnt compiles the modules and checks their types, and `npm_package.ts`
 * assembles the package.
 *
 *     deno task build:npm && deno task smoke --package dist/npm
 *
 * dnt comes from JSR. It is imported only when the program runs, so that everything else can be checked without JSR.
 * `docs/RELEASING.md` lists what is checked where.
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
/** `WebAssembly` and the streams are declared with the DOM. dnt's types do not know all of these names. */
const LIBRARIES = ["ESNext", "DOM", "DOM.Iterable", "DOM.AsyncIterable"] as never[];

rmSync(COMPILED, { recursive: true, force: true });
const { build } = await import("@deno/dnt");
await build({
  entryPoints: Object.entries(ENTRY_POINTS).map(([name, path]) => ({ name, path: join(ROOT, path) })),
  outDir: COMPILED,
  configFile: false,
  // It names the one package that a source imports: `src/archive/s3_requests.ts`.
  importMap: join(ROOT, "deno.json"),
  // The `Deno` namespace is not used.
  shims: {},
  // dnt would write a polyfill above the `#!` line of the command. Node 22 needs no polyfill.
  polyfills: false,
  // The suite runs on the sources, even in Node. The smoke test runs on the built package.
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
    // The declarations are needed only to check the build.
    devDependencies: { "@types/node": config.imports["@types/node"].split("@").at(-1) },
  },
});
await makePackage(join(COMPILED, "esm"), join(ROOT, "dist", "npm"));
