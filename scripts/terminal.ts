/**
 * What a script shows: colours and a progress bar on a terminal, plain lines everywhere else.
 *
 * @module
 */

import process from "node:process";

const isTerminal = process.stdout.isTTY === true && process.env.TERM !== "dumb";
const hasColour = isTerminal && !process.env.NO_COLOR;
const BAR_COLUMNS = 24;
/** Between two pictures of a moving line. In milliseconds. */
const REDRAW_MS = 80;
/** Between two plain lines where nothing can move. In milliseconds. */
const REPORT_MS = 400;

function colour(code: number): (text: string) => string {
  return (text) => hasColour ? `\x1b[${code}m${text}\x1b[0m` : text;
}

export const bold = colour(1);
export const dim = colour(2);
export const red = colour(31);
export const green = colour(32);

/** 1234567 as 1,234,567. */
export function grouped(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

/** A line that changes while something goes on: in place on a terminal, as one line now and then elsewhere. */
export class StatusLine {
  readonly #reportMs: number;
  #drawnAt = performance.now();

  /** @param reportMs The least time between two lines where nothing can move, in milliseconds. */
  constructor(reportMs: number = REPORT_MS) {
    this.#reportMs = reportMs;
  }

  /** Shows how things stand, unless that was shown a moment ago. */
  show(text: string): void {
    const now = performance.now();
    if (now - this.#drawnAt < (isTerminal ? REDRAW_MS : this.#reportMs)) return;
    this.#drawnAt = now;
    process.stdout.write(isTerminal ? `\r\x1b[2K${text}` : `${text}\n`);
  }

  /** Takes the line away, for what is to stay. */
  clear(): void {
    if (isTerminal) process.stdout.write("\r\x1b[2K");
  }
}

/** A progress bar, and how much it stands for. */
export function bar(done: number, total: number): string {
  const part = total > 0 ? Math.min(done / total, 1) : 1;
  const filled = Math.round(part * BAR_COLUMNS);
  return `[${"#".repeat(filled)}${dim(".".repeat(BAR_COLUMNS - filled))}] ${
    String(Math.floor(part * 100)).padStart(3)
  }%`;
}
