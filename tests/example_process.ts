/**
 * Runs the programs of `examples/` in processes of their own, so that tests can kill them.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import { fileURLToPath } from "node:url";
import { locateRuntime, type Runtime, type RuntimeName } from "../scripts/runtimes.ts";
import { skipReason } from "./skip.ts";

/** A server that listens. */
export interface ExampleServer {
  /** Where it listens. */
  readonly url: string;
  /** Its process. */
  readonly child: ChildProcess;
  /** How it ended: an exit code or the name of a signal. */
  readonly ended: Promise<number | string>;
}

/** How to start a server. */
export interface ServerOptions {
  /** Its arguments. */
  readonly args: readonly string[];
  /** In Deno: its permissions, and no others. */
  readonly permissions?: readonly string[];
  /** A command to run it under, such as `strace`. */
  readonly under?: readonly string[];
}

/** A server that has not begun to listen by then is stuck. In milliseconds. */
const START_MS_MAX = 60_000;

/**
 * Skips the tests of an example whose runtime is not installed.
 *
 * @param name The runtime that the example is written for.
 * @returns The value for the option `skip` of a test.
 */
export function skipWithout(name: RuntimeName): string | false {
  try {
    locateRuntime(name);
    return false;
  } catch (error) {
    return skipReason(`${(error as Error).message.split("\n")[0]}`);
  }
}

/**
 * The command that runs a program of `examples/`.
 *
 * @param name The runtime.
 * @param program Its path in `examples/`.
 * @param options Its arguments and permissions.
 * @returns The binary and its arguments.
 */
export function exampleCommand(name: RuntimeName, program: string, options: ServerOptions): string[] {
  const { binary, run }: Runtime = locateRuntime(name);
  const { args, permissions = [], under = [] } = options;
  const command = name === "deno" ? [binary, "run", "--no-prompt", ...permissions] : run;
  return [...under, ...command, fileURLToPath(new URL(`../examples/${program}`, import.meta.url)), ...args];
}

/**
 * Starts a server, which prints "listening on URL" when it is ready. The test must await {@link ExampleServer.ended}.
 *
 * @param name The runtime.
 * @param program Its path in `examples/`.
 * @param options Its arguments and permissions.
 * @returns The server, once it listens.
 */
export async function startExample(name: RuntimeName, program: string, options: ServerOptions): Promise<ExampleServer> {
  const [binary, ...args] = exampleCommand(name, program, options);
  const child = spawn(binary!, args, { stdio: ["ignore", "pipe", "inherit"] });
  // A server must not outlive the test.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(child, "exit").then(([code, signal]) => {
    process.off("exit", kill);
    return (code ?? signal) as number | string;
  });
  const stuck = setTimeout(kill, START_MS_MAX);
  const listening = Promise.withResolvers<string | undefined>();
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    const url = /^listening on (\S+)$/m.exec(output)?.[1];
    if (url !== undefined) listening.resolve(url);
  }).on("end", () => listening.resolve(undefined));
  const url = await listening.promise;
  clearTimeout(stuck);
  if (url !== undefined) return { url, child, ended };
  throw new Error(`${program} ended with ${await ended} before it listened. Its output:\n${output}`);
}

/**
 * Runs a test with a server, and kills the server if the test does not.
 *
 * @param name The runtime.
 * @param program Its path in `examples/`.
 * @param options Its arguments and permissions.
 * @param body The test.
 * @returns The test's result.
 */
export async function withExample<T>(
  name: RuntimeName,
  program: string,
  options: ServerOptions,
  body: (server: ExampleServer) => Promise<T>,
): Promise<T> {
  const server = await startExample(name, program, options);
  try {
    return await body(server);
  } finally {
    server.child.kill("SIGKILL");
    await server.ended;
  }
}

/** A call that the README of an example shows. */
export interface ShownCall {
  /** The line in the README. */
  readonly command: string;
  readonly method: "GET" | "POST";
  /** The path, with the query. */
  readonly path: string;
  readonly body: string | undefined;
  /** The shown answer. */
  readonly answer: string;
}

/**
 * The calls of curl in the README of an example.
 *
 * @param example The folder in `examples/`.
 * @returns The calls, in order.
 */
export function shownCalls(example: string): ShownCall[] {
  const readme = readFileSync(new URL(`../examples/${example}/README.md`, import.meta.url), "utf8");
  const [session = ""] = /(?<=^```console\n)[^]*?(?=^```)/m.exec(readme) ?? [];
  return session.split(/^(?=\$ )/m).map((text) => {
    const [command, body, post, path, answer] = /^\$ curl (?:-d '(.*?)' |(-X POST ))?'?localhost:8080(\S*?)'?\n([^]*)$/
      .exec(text)!;
    const method = body !== undefined || post !== undefined ? "POST" : "GET";
    return { command: command.split("\n")[0]!, method, path: path!, body, answer: answer! };
  });
}

/**
 * Runs callers side by side.
 *
 * @param callers How many.
 * @param work The work of one of them.
 * @returns Resolves when all are done.
 */
export async function sideBySide(callers: number, work: (caller: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: callers }, (_, caller) => work(caller)));
}
