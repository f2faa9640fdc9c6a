/**
 * Terminal output: colours and a progress bar on a terminal, plain lines everywhere else.
 *
 * @module
 */

import process from "node:process";

/** An environment variable; `undefined` also if Deno has no permission to read it. */
function variable(name: string): string | undefined {
  try {
    return process.env[name];
  } catch {
    return undefined;
  }
}

// Deno may prompt for the permission, so the environment is read only on a terminal.
const isDumb = (process.stdout.isTTY || process.stderr.isTTY) && variable("TERM") === "dumb";
const hasColour = process.stdout.isTTY === true && !isDumb && !variable("NO_COLOR");
const BAR_COLUMNS = 24;
/** The time between two updates of a status line on a terminal, in milliseconds. */
const REDRAW_MS = 80;
/** The time between two plain lines elsewhere, in milliseconds. */
const REPORT_MS = 400;

function colour(code: number): (text: string) => string {
  return (text) => hasColour ? `\x1b[${code}m${text}\x1b[0m` : text;
}

/** Text in bold, where standard output has colours. */
export const bold: (text: string) => string = colour(1);
/** Text of less importance. */
export const dim: (text: string) => string = colour(2);
/** Text that reports an error or damage. */
export const red: (text: string) => string = colour(31);
/** Text that reports success. */
export const green: (text: string) => string = colour(32);
/** Text that warns. */
export const yellow: (text: string) => string = colour(33);

/** 1234567 as 1,234,567. */
export function grouped(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

/** The stream to which a {@link StatusLine} writes. */
interface Stream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** A line that shows progress: updated in place on a terminal, printed from time to time elsewhere. */
export class StatusLine {
  readonly #reportMs: number;
  readonly #stream: Stream;
  readonly #isTerminal: boolean;
  #drawnAt = performance.now();
  #isShown = false;

  /**
   * Makes a line, and shows nothing yet.
   *
   * @param reportMs The minimum time between two plain lines, in milliseconds; `Infinity` for no lines.
   * @param stream The stream.
   */
  constructor(reportMs: number = REPORT_MS, stream: Stream = process.stdout) {
    this.#reportMs = reportMs;
    this.#stream = stream;
    this.#isTerminal = stream.isTTY === true && !isDumb;
  }

  /** Shows the progress, unless the line was updated a moment ago. */
  show(text: string): void {
    const now = performance.now();
    if (now - this.#drawnAt < (this.#isTerminal ? REDRAW_MS : this.#reportMs)) return;
    this.#drawnAt = now;
    this.#isShown = true;
    this.#stream.write(this.#isTerminal ? `\r\x1b[2K${text}` : `${text}\n`);
  }

  /** Removes the line, so that permanent output can follow. */
  clear(): void {
    if (this.#isTerminal && this.#isShown) this.#stream.write("\r\x1b[2K");
    this.#isShown = false;
  }
}

/** A progress bar, and the percentage that is done. */
export function bar(done: number, total: number): string {
  const part = total > 0 ? Math.min(done / total, 1) : 1;
  const filled = Math.round(part * BAR_COLUMNS);
  return `[${"#".repeat(filled)}${dim(".".repeat(BAR_COLUMNS - filled))}] ${
    String(Math.floor(part * 100)).padStart(3)
  }%`;
}
