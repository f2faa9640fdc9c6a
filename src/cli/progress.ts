/**
 * The progress of a long step, on a terminal: a bar, the throughput, and the time left.
 *
 * @module
 */

import process from "node:process";
import type { Progress } from "../api/options.ts";
import type { CopyProgress } from "../maintain/write_anew.ts";
import { bar, grouped, StatusLine } from "./terminal.ts";
import { sized } from "./text.ts";

/** The unit in which a step counts its progress. */
export type Unit = "bytes" | "entries" | "runs";

/** The time after which the throughput is shown, in seconds. Before it, the figure would be unreliable. */
const PACE_AFTER_SECONDS = 1;

/** The terminal and the clock that a progress line uses. */
export interface Terminal {
  /** The stream for the line. It is shown only if this is a terminal. */
  readonly stream: ConstructorParameters<typeof StatusLine>[1];
  /** A monotonic time in milliseconds. */
  now(): number;
}

/** A line that shows progress. */
export interface ProgressLine {
  show(progress: Progress): void;
  clear(): void;
}

/**
 * Makes a line that shows progress on standard error, if that is a terminal.
 *
 * @param label The name of the step.
 * @param unit The unit of its progress.
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

/** A line that shows the progress of a copy. */
export interface CopyProgressLine {
  show(progress: CopyProgress): void;
  clear(): void;
}

/**
 * Makes a line on standard error for a copy: first for its snapshot, then for its entries.
 *
 * @param label The name of the copy.
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
 * @param progress Its progress.
 * @param seconds The time since it began.
 * @param unit The unit of its progress.
 * @returns Text; empty if it is too early to measure.
 */
export function paceText({ bytesDone, bytesTotal }: Progress, seconds: number, unit: Unit): string {
  if (seconds < PACE_AFTER_SECONDS || bytesDone <= 0) return "";
  const rate = bytesDone / seconds;
  const left = `${durationText(Math.max(bytesTotal - bytesDone, 0) / rate)} left`;
  if (unit === "runs") return left;
  return `${unit === "bytes" ? sized(Math.round(rate)) : `${grouped(rate)} entries`}/s, ${left}`;
}

/** Formats a duration: 12 s, 3 min 5 s, 1 h 10 min. */
function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}
