/**
 * The program: selects a command, runs it, and reports errors.
 *
 * @module
 */

import process from "node:process";
import { type Command, EXIT, exitCodeOf, JSON_OPTION, type Option, readArguments, UsageError } from "./command.ts";
import { COMMANDS, PROGRAM } from "./commands.ts";
import { Output, ReaderGone, type Stream } from "./output.ts";
import { errorDocument, gather } from "./json.ts";
import { harmless, jsonText, oneLine } from "./text.ts";
import { VERSION } from "./version.ts";

const HELP_COLUMNS = 22;
/** Signals that abort a command that writes, so that it removes its unfinished files. */
const SIGNALS = process.platform === "win32"
  ? ["SIGINT", "SIGTERM"] as const
  : ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The output streams. */
export interface Streams {
  readonly stdout: Stream;
  readonly stderr: Stream;
}

/**
 * Runs the program.
 *
 * @param args Its arguments.
 * @param streams The output streams.
 * @returns The exit code.
 */
export async function main(args: readonly string[], { stdout, stderr }: Streams = process): Promise<number> {
  const out = new Output(stdout);
  // The reader of standard error may be gone too.
  stderr.on("error", () => {});
  const note = (text: string) => void stderr.write(`${PROGRAM}: ${oneLine(text)}\n`);
  const interruption = new AbortController();
  try {
    const code = await run(args, out, note, interruption);
    await out.flush();
    return code;
  } catch (error) {
    const document = interruption.signal.aborted ? undefined : errorDocument(args, error);
    if (document !== undefined) {
      const streams = COMMANDS.find(({ name }) => name === args[0])?.streams === true;
      await out.line(jsonText(document, streams ? undefined : 2)).catch(() => {});
      await out.flush().catch(() => {});
      return document.exit;
    }
    if (error instanceof ReaderGone) return EXIT.clean;
    // Output before the failure belongs to it, such as a list of damage.
    await out.flush().catch(() => {});
    if (interruption.signal.aborted) {
      note("interrupted; nothing was left behind");
      return EXIT.interrupted;
    }
    const code = exitCodeOf(error);
    if (code === undefined) {
      const stack = String((error as Error)?.stack ?? error);
      stderr.write(`${PROGRAM}: internal error: ${harmless(stack)}\n`);
      return EXIT.internal;
    }
    note((error as Error).message);
    return code;
  }
}

async function run(
  args: readonly string[],
  out: Output,
  note: (text: string) => void,
  interruption: AbortController,
): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) throw new UsageError(`which command? (${PROGRAM} --help)`);
  if (name === "help" || name === "--help" || name === "-h") {
    const about = COMMANDS.find((command) => command.name === rest[0]);
    for (const line of about === undefined ? overview() : helpFor(about)) await out.line(line);
    return EXIT.clean;
  }
  if (name === "--version") {
    await out.line(`${PROGRAM} ${VERSION}`);
    return EXIT.clean;
  }
  const command = COMMANDS.find((command) => command.name === name);
  if (command === undefined) throw new UsageError(`no command ${JSON.stringify(name)} (${PROGRAM} --help)`);
  let given;
  try {
    given = readArguments(command, rest);
    if (given === undefined) {
      for (const line of helpFor(command)) await out.line(line);
      return EXIT.clean;
    }
    const { options } = given;
    const gathered = options.json === true && command.streams !== true ? gather(command.name) : undefined;
    const interrupt = () => interruption.abort();
    if (command.writes) { for (const signal of SIGNALS) process.once(signal, interrupt); }
    try {
      const { signal } = interruption;
      if (gathered === undefined) return await command.run({ ...given, out, note, result: () => {}, signal });
      const { note: gather, result } = gathered;
      const exit = await command.run({ ...given, out: gathered.out, note: gather, result, signal });
      await out.line(jsonText(await gathered.document(exit), 2));
      return exit;
    } finally {
      for (const signal of SIGNALS) process.off(signal, interrupt);
    }
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${name}: ${error.message} (${PROGRAM} ${name} --help)`);
    throw error;
  }
}

function* overview(): Generator<string> {
  yield `${PROGRAM}: inspects, verifies, repairs, copies and converts logs of @wallog/wallog`;
  yield "";
  for (const { name, operands, summary } of COMMANDS) {
    yield `  ${`${name} ${operands.join(" ")}`.padEnd(HELP_COLUMNS)} ${summary}`;
  }
  yield "";
  yield `${PROGRAM} COMMAND --help describes a command. Exit codes: 0 if all is well, 1 if a log is torn, 2 if it is`;
  yield `corrupt, 3 if something cannot be read or written, 64 if the arguments are wrong.`;
}

function* helpFor({ name, operands, options, summary, help }: Command): Generator<string> {
  const named = Object.entries({ ...options, json: JSON_OPTION });
  yield [`Usage: ${PROGRAM}`, name, ...operands, ...(named.length > 0 ? ["[OPTIONS]"] : [])].join(" ");
  yield "";
  yield `${summary}.`;
  if (named.length > 0) yield "";
  for (const [option, about] of named) yield `  ${optionText(option, about).padEnd(HELP_COLUMNS)} ${about.help}`;
  yield "";
  yield help;
}

function optionText(name: string, { short, value }: Option): string {
  return `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
}
