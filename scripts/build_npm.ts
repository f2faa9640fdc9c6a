/**
 * Builds the npm package with dnt into `dist/npm`: ES modules, declarations, and the command.
 *
 *     deno task build:npm && deno task smoke --package dist/npm
 *
 * dnt comes from JSR. It is imported when the program runs, so that everything else can be checked where JSR is out of
 * reach; `docs/RELEASING.md` says what is checked where.
 *
 * @module
 */

import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { COMMAND, COMMAND_EXPORT, NPM_FIELDS } from "./npm_manifest.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const TARGET = `${ROOT}dist/npm`;

const config = JSON.parse(readFileSync(`${ROOT}deno.json`, "utf8"));
const entryPoints = Object.entries<string>(config.exports).map(([name, path]) => ({ name, path: `${ROOT}${path}` }));
/** Where dnt puts a module. */
const built = (path: string) => path.replace(/^\.\/(.*)\.ts$/, "./esm/$1.js");
/** `WebAssembly` and the streams are declared with the DOM. By TypeScript's names, of which dnt's types know not all. */
const LIBRARIES = ["ESNext", "DOM", "DOM.Iterable", "DOM.AsyncIterable"] as never[];

rmSync(TARGET, { recursive: true, force: true });
const { build } = await import("@deno/dnt");
await build({
  entryPoints,
  outDir: TARGET,
  importMap: `${ROOT}deno.json`,
  // Nothing of the `Deno` namespace is used.
  shims: {},
  // The suite runs on the sources, in Node too; the smoke test runs on what is built here.
  test: false,
  scriptModule: false,
  skipSourceOutput: true,
  compilerOptions: {
    // What Node 22 runs as it is.
    target: "ES2023",
    lib: LIBRARIES,
    noUncheckedIndexedAccess: true,
  },
  package: {
    name: config.name,
    version: config.version,
    license: config.license,
    ...NPM_FIELDS,
    keywords: [...NPM_FIELDS.keywords],
    // Not as an entry point of dnt's kind "bin": the module begins with its own `#!`.
    bin: { [COMMAND]: built(config.exports[COMMAND_EXPORT]) },
    // Its declarations are needed to check the build, and by nobody who uses it.
    devDependencies: { "@types/node": config.imports["@types/node"].split("@").at(-1) },
  },
  postBuild(): void {
    for (const name of ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"]) {
      copyFileSync(`${ROOT}${name}`, `${TARGET}/${name}`);
    }
  },
});
