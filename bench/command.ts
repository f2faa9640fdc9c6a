/**
 * Shared parts of the benchmark commands: options, a folder to work in, and an orderly end.
 *
 *     --folder /data       works there, instead of in the temporary folder
 *     --runtime bun        measures in this runtime; may be repeated; "all" are the three. Default: the running one
 *     --output FOLDER      writes JSON, page and charts there, and not into `bench/results` and `docs`
 *
 * @module
 */

import { tmpdir } from "node:os";
import { resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { locateRuntime, type Runtime, RUNTIME_NAMES, type RuntimeName } from "../scripts/runtimes.ts";
import { CannotRun, spaceOf, Workspace } from "./workspace.ts";

/** The parts that a command works with. */
export interface Command<T> {
  readonly workspace: Workspace;
  readonly runtimes: readonly Runtime[];
  /** The folder for results that are not recorded. */
  readonly output: string | undefined;
  readonly options: T;
}

type Options = Record<string, string | boolean>;

/** The type of a given option: text if its default is text. */
type Given<T extends Options> = { [K in keyof T]: T[K] extends string ? string : boolean };

/**
 * Runs a command. Ends the process with 1 if it cannot run, and with 130 after Ctrl-C. Leaves no files in either case.
 *
 * @param defaults The command's own options.
 * @param body The command.
 */
export async function benchmark<T extends Options>(
  defaults: T,
  body: (command: Command<Given<T>>) => Promise<void>,
): Promise<void> {
  let workspace: Workspace | undefined;
  try {
    const { folder, runtime, output, ...options } = parse(defaults);
    const runtimes = runtime.includes("all") ? RUNTIME_NAMES : runtime.length > 0 ? runtime : [runningRuntime()];
    const located = runtimes.map((name) => locateRuntime(name as RuntimeName));
    workspace = new Workspace(folder);
    if (spaceOf(workspace.path).fileSystem === "tmpfs") {
      console.error(`${folder} is in memory: a flush costs nothing there, and no figure is a disk's. Use --folder.`);
    }
    const given = options as unknown as Given<T>;
    await body({ workspace, runtimes: located, output: output && resolve(output), options: given });
  } catch (error) {
    const isSaid = error instanceof CannotRun ||
      error instanceof RangeError ||
      String((error as { code?: string }).code).startsWith("ERR_PARSE_ARGS");
    console.error(isSaid ? (error as Error).message : error);
    process.exitCode = 1;
  } finally {
    workspace?.remove();
  }
}

function parse(defaults: Options): { folder: string; runtime: string[]; output?: string } & Options {
  const own = Object.entries(defaults).map(
    ([name, value]) => [name, { type: typeof value as "string" | "boolean", default: value }] as const,
  );
  const { values } = parseArgs({
    options: {
      folder: { type: "string", default: tmpdir() },
      runtime: { type: "string", multiple: true, default: [] },
      output: { type: "string" },
      ...Object.fromEntries(own),
    },
  });
  const unknown = (values.runtime as string[]).filter((name) => ![...RUNTIME_NAMES, "all"].includes(name));
  if (unknown.length > 0) throw new CannotRun(`No such runtime: ${unknown.join(", ")}`);
  return values as ReturnType<typeof parse>;
}

/** The runtime that this process runs in. */
export function runningRuntime(): RuntimeName {
  return process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";
}
