/**
 * How far a long step is, on a terminal: a bar, the throughput, and the time left.
 *
 * @module
 */

import process from "node:process";
import type { Progress } from "../api/options.ts";
import type { CopyProgress } from "../maintain/write_anew.ts";
import { bar, grouped, StatusLine } from "./terminal.ts";
import { sized } from "./text.ts";

/** What a step counts. */
export type Unit = "bytes" | "entries" | "runs";

/** Before this, a step has done too little to tell its throughput. In seconds. */
const PACE_AFTER_SECONDS = 1;

/** What a progress line needs of the machine. */
export interface Terminal {
  /** Where the line is shown, if it is a terminal. */
  readonly stream: ConstructorParameters<typeof StatusLine>[1];
  /** The time in milliseconds, from any beginning. */
  now(): number;
}

/** A line that shows how far something is. */
export interface ProgressLine {
  show(progress: Progress): void;
  clear(): void;
}

/**
 * Makes a line on standard error that shows how far something is, if that is a terminal.
 *
 * @param label What is being done.
 * @param unit What it counts.
 * @param terminal The terminal.
 * @returns The line.
 */
export function progressLine(
  label: string,
  unit: Unit = "bytes",
  { stream, now }: Terminal = { stream: process.stderr, now: () => performance.now() },
): ProgressLine {
  const line = new StatusLine(Infinity, stream);
  const startedAt = now();
  return {
    show(progress) {
      const { bytesDone, bytesTotal } = progress;
      const pace = paceText(progress, (now() - startedAt) / 1000, unit);
      line.show(`${label} ${bar(bytesDone, bytesTotal)}${pace === "" ? "" : `  ${pace}`}`);
    },
    clear: () => line.clear(),
  };
}

/** A line that shows how far a copy is. */
export interface CopyProgressLine {
  show(progress: CopyProgress): void;
  clear(): void;
}

/**
 * Makes a line on standard error for a copy: first for its snapshot, then for its entries.
 *
 * @param label What is being done.
 * @param terminal The terminal.
 * @returns The line.
 */
export function copyProgressLine(label: string, terminal?: Terminal): CopyProgressLine {
  let part: CopyProgress["part"] | undefined;
  let line: ProgressLine | undefined;
  return {
    show(progress) {
      if (progress.part !== part) {
        line?.clear();
        part = progress.part;
        const isSnapshot = part === "snapshot";
        line = progressLine(isSnapshot ? `${label} the snapshot` : label, isSnapshot ? "bytes" : "entries", terminal);
      }
      line!.show({ bytesDone: progress.done, bytesTotal: progress.total });
    },
    clear: () => line?.clear(),
  };
}

/**
 * The throughput of a step, and the time left.
 *
 * @param progress How far it is.
 * @param seconds The time since it began.
 * @param unit What it counts.
 * @returns Text; empty if it is too early to tell.
 */
export function paceText({ bytesDone, bytesTotal }: Progress, seconds: number, unit: Unit): string {
  if (seconds < PACE_AFTER_SECONDS || bytesDone <= 0) return "";
  const rate = bytesDone / seconds;
  const left = `${durationText(Math.max(bytesTotal - bytesDone, 0) / rate)} left`;
  if (unit === "runs") return left;
  return `${unit === "bytes" ? sized(Math.round(rate)) : `${grouped(rate)} entries`}/s, ${left}`;
}

/** A time: 12 s, 3 min 5 s, 1 h 10 min. */
function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}
