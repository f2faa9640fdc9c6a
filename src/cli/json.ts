/**
 * The JSON documents of `--json`. `docs/cli.schema.json` describes them.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { EXIT, exitCodeOf } from "./command.ts";
import { Output } from "./output.ts";
import { damageJson } from "./info.ts";
import { SCHEMA } from "./schema.ts";

/** Collects the output of a command for `--json`. */
export interface Gathered {
  /** Receives the lines for people. */
  readonly out: Output;
  note(text: string): void;
  result(fields: Readonly<Record<string, unknown>>): void;
  /** The document, once the command is done. */
  document(exit: number): Promise<Readonly<Record<string, unknown>>>;
}

/**
 * Collects the output of a command.
 *
 * @param command The command's name.
 * @returns The collector.
 */
export function gather(command: string): Gathered {
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
    async document(exit) {
      await out.flush();
      const lines = text.split("\n").slice(0, -1);
      return { schema: SCHEMA, command, exit, ...fields, lines, notes };
    },
  };
}

/**
 * An error as a document.
 *
 * @param args The program's arguments.
 * @param error The error that was thrown.
 * @returns The document; `undefined` without `--json`.
 */
export function errorDocument(
  args: readonly string[],
  error: unknown,
): { readonly exit: number; readonly [field: string]: unknown } | undefined {
  if (!args.includes("--json")) return undefined;
  const exit = exitCodeOf(error);
  if (exit === undefined) return undefined;
  const { message } = error as Error;
  const code = error instanceof WalLogError ? error.code : exit === EXIT.usage ? "USAGE" : "IO";
  const damage = error instanceof WalLogError ? error.damage.map(damageJson) : [];
  return { schema: SCHEMA, command: args[0] ?? null, exit, error: { code, message, damage } };
}
