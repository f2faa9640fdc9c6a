/**
 * The JSON documents of `--json`. `docs/cli.schema.json` describes them.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Damage } from "../api/report.ts";
import { EXIT, exitCodeOf, Interrupted } from "./command.ts";
import { Output } from "./output.ts";
import { damageJson } from "./info.ts";
import { SCHEMA } from "./schema.ts";

/** The failure of a command. */
export interface Failure {
  readonly exit: number;
  /** The code of a {@link WalLogError}; `USAGE`, `IO`, `INTERRUPTED`, or `INTERNAL`. */
  readonly code: string;
  readonly message: string;
  readonly damage: readonly Damage[];
  /** The stack trace of a bug in the program; `undefined` for all other errors. */
  readonly stack?: string;
}

/**
 * Explains an error that ended a command.
 *
 * @param error The error that was thrown.
 * @param isInterrupted Whether the program was told to end.
 * @returns The exit code, and the reason.
 */
export function failureOf(error: unknown, isInterrupted: boolean): Failure {
  if (isInterrupted) {
    const left = error instanceof Interrupted ? error.message : "nothing was left behind";
    return { exit: EXIT.interrupted, code: "INTERRUPTED", message: `interrupted; ${left}`, damage: [] };
  }
  const message = error instanceof Error ? error.message : String(error);
  const exit = exitCodeOf(error);
  if (exit === undefined) {
    const stack = String((error as Error)?.stack ?? error);
    return { exit: EXIT.internal, code: "INTERNAL", message: `internal error: ${message}`, damage: [], stack };
  }
  if (error instanceof WalLogError) return { exit, code: error.code, message, damage: error.damage };
  return { exit, code: exit === EXIT.usage ? "USAGE" : "IO", message, damage: [] };
}

/** Collects the output of a command for `--json`. */
export interface Gathered {
  /** Receives the lines for people. */
  readonly out: Output;
  note(text: string): void;
  result(fields: Readonly<Record<string, unknown>>): void;
  /** The document, once the command is done or has failed. */
  document(exit: number, failure?: Failure): Promise<Readonly<Record<string, unknown>>>;
}

/**
 * Collects the output of a command.
 *
 * @param args The program's arguments.
 * @returns The collector.
 */
export function gather(args: readonly string[]): Gathered {
  let text = "";
  const notes: string[] = [];
  let fields: Readonly<Record<string, unknown>> = {};
  const decoder = new TextDecoder();
  const out = new Output({
    write(data) {
      text += typeof data === "string" ? data : decoder.decode(data, { stream: true });
      return true;
    },
    on: () => {},
    once: () => {},
  });
  return {
    out,
    note: (line) => void notes.push(line),
    result: (more) => void (fields = { ...fields, ...more }),
    async document(exit, failure) {
      await out.flush();
      const lines = text.split("\n").slice(0, -1);
      const head = failure === undefined ? headOf(args, exit) : errorDocument(args, failure);
      return { ...head, ...fields, lines, notes };
    },
  };
}

/**
 * A failure as a document.
 *
 * @param args The program's arguments.
 * @param failure The failure.
 * @returns The document.
 */
export function errorDocument(
  args: readonly string[],
  { exit, code, message, damage }: Failure,
): Readonly<Record<string, unknown>> {
  return { ...headOf(args, exit), error: { code, message, damage: damage.map(damageJson) } };
}

/** The fields that every document begins with. */
function headOf([name]: readonly string[], exit: number): Readonly<Record<string, unknown>> {
  return { schema: SCHEMA, command: name === undefined || name.startsWith("-") ? null : name, exit };
}
