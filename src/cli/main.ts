/**
 * The program: selects a command, runs it, and reports errors.
 *
 * @module
 */

import process from "node:process";
import { type Arguments, type Command, EXIT, JSON_OPTION, type Option, readArguments, UsageError } from "./command.ts";
import { COMMANDS, PROGRAM } from "./commands.ts";
import { Output, ReaderGone, type Stream } from "./output.ts";
import { errorDocument, type Failure, failureOf, gather, type Gathered } from "./json.ts";
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

/** One run of the program. */
interface Session {
  readonly args: readonly string[];
  readonly out: Output;
  /** Collects the document of `--json`; `undefined` without it, and for a command that streams. */
  readonly gathered: Gathered | undefined;
  note(text: string): void;
  readonly interruption: AbortController;
}

/**
 * Runs the program.
 *
 * @param words Its arguments.
 * @param streams The output streams.
 * @returns The exit code.
 */
export async function main(words: readonly string[], { stdout, stderr }: Streams = process): Promise<number> {
  const args = joinName(words);
  // The reader of standard error may be gone too.
  stderr.on("error", () => {});
  const command = commandOf(args);
  const session: Session = {
    args,
    out: new Output(stdout),
    gathered: isJson(args) && !streamsLines(command, args) ? gather(args) : undefined,
    note: (text) => void stderr.write(`${PROGRAM}: ${oneLine(text)}\n`),
    interruption: new AbortController(),
  };
  try {
    const code = await run(session);
    await session.out.flush();
    return code;
  } catch (error) {
    if (error instanceof ReaderGone) return EXIT.clean;
    const failure = failureOf(error, session.interruption.signal.aborted);
    // A stack trace is for the authors, whoever reads the document.
    if (failure.stack !== undefined) stderr.write(`${PROGRAM}: internal error: ${harmless(failure.stack)}\n`);
    await report(session, failure).catch(() => {});
    return failure.exit;
  }
}

/** Arguments in which a name of two words, such as "archive run", is one. */
function joinName([first, second, ...rest]: readonly string[]): readonly string[] {
  const name = `${first} ${second}`;
  if (COMMANDS.some((command) => command.name === name)) return [name, ...rest];
  return [first, second, ...rest].filter((word) => word !== undefined);
}

function commandOf([name]: readonly string[]): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}

/** Whether the arguments have `--json`, valid or not. */
function isJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? undefined : end).includes("--json");
}

/** Whether a command streams one object per line. */
function streamsLines(command: Command | undefined, args: readonly string[]): boolean {
  const { streams = false } = command ?? {};
  return typeof streams === "boolean" ? streams : streams(args);
}

/** Reports a failure: as a document with `--json`, in words otherwise. */
async function report({ args, out, gathered, note }: Session, failure: Failure): Promise<void> {
  if (gathered !== undefined) await out.line(jsonText(await gathered.document(failure.exit, failure), 2));
  else if (isJson(args)) await out.line(jsonText(errorDocument(args, failure)));
  // Output before the failure belongs to it, such as a list of damage.
  await out.flush();
  if (!isJson(args) && failure.stack === undefined) note(failure.message);
}

async function run(session: Session): Promise<number> {
  const { args: [name, ...rest], out } = session;
  if (name === undefined) throw new UsageError(`no command given (${PROGRAM} --help)`);
  if (name === "help" || name === "--help" || name === "-h") {
    const about = commandOf(joinName(rest));
    for (const line of about === undefined ? overview(commandsIn(rest[0])) : helpFor(about)) await out.line(line);
    return EXIT.clean;
  }
  if (name === "--version") {
    await out.line(`${PROGRAM} ${VERSION}`);
    return EXIT.clean;
  }
  const command = commandOf([name]);
  const group = command === undefined ? commandsIn(name) : [];
  if (group.length > 0 && rest.some((word) => word === "--help" || word === "-h")) {
    for (const line of overview(group)) await out.line(line);
    return EXIT.clean;
  }
  if (group.length > 0) throw new UsageError(`which command? ${group.map((one) => one.name).join(", ")}`);
  if (command === undefined) throw new UsageError(`no command ${JSON.stringify(name)} (${PROGRAM} --help)`);
  try {
    const given = readArguments(command, rest);
    if (given !== undefined) return await runCommand(session, command, given);
    for (const line of helpFor(command)) await out.line(line);
    return EXIT.clean;
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${name}: ${error.message} (${PROGRAM} ${name} --help)`);
    throw error;
  }
}

async function runCommand(session: Session, command: Command, given: Arguments): Promise<number> {
  const { out, gathered, note, interruption } = session;
  const { signal } = interruption;
  const interrupt = () => interruption.abort();
  const { writes = false } = command;
  if (writes === true || (writes !== false && writes(given))) {
    for (const signal of SIGNALS) process.once(signal, interrupt);
  }
  try {
    if (gathered === undefined) return await command.run({ ...given, out, note, result: () => {}, signal });
    const exit = await command.run({ ...given, ...gathered, signal });
    await out.line(jsonText(await gathered.document(exit), 2));
    return exit;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

/** The commands whose names begin with a word, such as "archive". */
function commandsIn(word: string | undefined): readonly Command[] {
  return COMMANDS.filter(({ name }) => name.startsWith(`${word} `));
}

/** The list of some commands, or of all if none are given. */
function* overview(some: readonly Command[]): Generator<string> {
  yield `${PROGRAM}: inspects, verifies, repairs, copies, archives and converts logs of @wallog/wallog`;
  yield "";
  for (const { name, operands, summary } of some.length > 0 ? some : COMMANDS) {
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
