/**
 * Starts a server in a process of its own, for the test and the load test.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Runtime } from "../../scripts/runtimes.ts";

/** How a server is started. */
export interface StartOptions {
  /** Arguments for it, after the folder. */
  readonly args?: readonly string[];
  /** A command to run it under, `strace` for one. */
  readonly under?: readonly string[];
}

/** A server that listens. */
export interface Started {
  readonly url: string;
  readonly child: ChildProcess;
  /** How it ended: an exit code or the name of a signal. */
  readonly ended: Promise<number | string>;
}

/** A server that has not begun to listen by then is stuck. In milliseconds. */
const START_MS_MAX = 60_000;

/**
 * Starts the server of a runtime on a free port.
 *
 * @param runtime Which one.
 * @param folder Where its log goes; must exist.
 * @param options How.
 * @returns The server, once it listens.
 */
export async function startServer(runtime: Runtime, folder: string, options: StartOptions = {}): Promise<Started> {
  const { args = [], under = [] } = options;
  const server = fileURLToPath(new URL(`./${runtime.name}.ts`, import.meta.url));
  const [binary, ...prefix] = [...under, ...commandOf(runtime, folder), server, folder, "--port", "0", ...args];
  const child = spawn(binary!, prefix, { stdio: ["ignore", "pipe", "inherit"] });
  // A server is not to outlive whoever started it for a test.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(child, "exit").then(([code, signal]) => {
    process.off("exit", kill);
    return (code ?? signal) as number | string;
  });
  const stuck = setTimeout(kill, START_MS_MAX);
  let said = "";
  const listening = Promise.withResolvers<string | undefined>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    const url = /^listening on (http:\S+)$/m.exec(said)?.[1];
    if (url !== undefined) listening.resolve(url);
  }).on("end", () => listening.resolve(undefined));
  const url = await listening.promise;
  clearTimeout(stuck);
  if (url !== undefined) return { url, child, ended };
  throw new Error(`The server of ${runtime.title} ended with ${await ended} before it listened. It said:\n${said}`);
}

/** What Deno needs for the server, and for nothing else. */
function commandOf({ name, binary, run }: Runtime, folder: string): readonly string[] {
  if (name !== "deno") return run;
  return [binary, "run", "--no-prompt", "--allow-net=127.0.0.1", `--allow-read=${folder}`, `--allow-write=${folder}`];
}
