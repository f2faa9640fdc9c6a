/**
 * The report of opening a log, for programs and for people.
 *
 * @module
 */

import type { Index, Term } from "./types.ts";

/**
 * The contents of a damaged part of a log. `frames`: frames whose headers are lost too, so that only the surrounding
 * frames show what it held.
 */
export type DamageKind =
  | "entries"
  | "hard state"
  | "truncate"
  | "snapshot"
  | "checkpoint"
  | "frames"
  | "segment index"
  | "segment header"
  | "segment";

/** One damaged place. */
export interface Damage {
  /** The contents that are damaged. */
  readonly kind: DamageKind;
  /** The file. */
  readonly path: string;
  /** Offset of the damage in the file, in bytes. */
  readonly offset: number;
  /** Its length, in bytes. */
  readonly bytes: number;
  /** The first entry lost in it, if it held entries. */
  readonly firstIndex: Index | undefined;
  /** The last entry lost in it, inclusive, if it held entries. `undefined` beside a `firstIndex`: unknown. */
  readonly lastIndex: Index | undefined;
  /** The term of those entries, if a header survives. */
  readonly term: Term | undefined;
  /** A description of the finding. */
  readonly reason: string;
}

/** Bytes that recovery cut off. They were never acknowledged as durable. */
export interface Cut {
  /** The file. */
  readonly path: string;
  /** Offset of the cut in the file, in bytes. */
  readonly offset: number;
  /** The number of bytes from there to the last nonzero byte. */
  readonly bytes: number;
  /** The first cut entry whose header survives. */
  readonly firstIndex: Index | undefined;
  /** The last cut entry whose header survives. */
  readonly lastIndex: Index | undefined;
}

/**
 * The report of opening a log. `clean`: every byte is valid. `torn`: bytes after the proven LSN did not survive a crash
 * and were cut. They were never acknowledged as durable. `corrupt`: acknowledged data is damaged, and `damage` lists
 * it.
 */
export interface RecoveryReport {
  /** The verdict. */
  readonly verdict: "clean" | "torn" | "corrupt";
  /** Whether the last writer closed the log; `false` after a crash or a kill. */
  readonly closed: boolean;
  /** The number of segment files. */
  readonly segments: number;
  /** Entries in the log. */
  readonly entries: number;
  /** Bytes of log that were read. */
  readonly bytes: number;
  /** The duration, in milliseconds. */
  readonly milliseconds: number;
  /** The number of threads: 2 if a second thread scanned segments of a large log. */
  readonly threads: 1 | 2;
  /** The snapshot's index; 0 if there is none. */
  readonly snapshotIndex: Index;
  /** Index of the last entry. */
  readonly lastIndex: Index;
  /**
   * Up to this index, the disk itself proves that a flush has returned. Entries above it were read intact. But if the
   * crash had damaged them, that would have looked like a torn write: see "the last flush" in the docs.
   */
  readonly provenIndex: Index;
  /** The cut, if the verdict is `torn`. */
  readonly cut: Cut | undefined;
  /** The damage, if the verdict is `corrupt`. */
  readonly damage: readonly Damage[];
  /**
   * Damage to data that the log no longer needs, because it was truncated, or replaced by a snapshot or a later hard
   * state. Segments that the snapshot covers completely are not listed.
   */
  readonly harmless: readonly Damage[];
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `indexes 5 to 8`, `index 5`, `from index 5 on` where the last one is unknown, or nothing. */
function indexes(first: Index | undefined, last: Index | undefined): string {
  if (first === undefined) return "";
  if (last === undefined) return `from index ${first} on`;
  return first === last ? `index ${first}` : `indexes ${first} to ${last}`;
}

/**
 * One line about a damaged place.
 *
 * @param damage The place.
 * @returns File, offset, kind, indexes and reason.
 *
 * @example
 * ```ts
 * import { describeDamage } from "@wallog/wallog";
 * import assert from "node:assert/strict";
 *
 * const line = describeDamage({
 *   kind: "entries", path: "raft.wal/000000000001.seg", offset: 4096, bytes: 48,
 *   firstIndex: 1, lastIndex: 1, term: 1, reason: "payload checksum mismatch",
 * });
 * assert.equal(line, "raft.wal/000000000001.seg at byte 4096: entries, index 1, 48 bytes (payload checksum mismatch)");
 * ```
 */
export function describeDamage(damage: Damage): string {
  const range = indexes(damage.firstIndex, damage.lastIndex);
  return `${damage.path} at byte ${damage.offset}: ${damage.kind}, ${
    range === "" ? "" : `${range}, `
  }${damage.bytes} bytes (${damage.reason})`;
}

/**
 * A recovery report as text.
 *
 * @param report The report of opening a log.
 * @returns A few lines to read or to log.
 *
 * @example
 * ```ts
 * import { describeRecovery, WalLog } from "@wallog/wallog";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * {
 *   await using log = await WalLog.open(join(folder, "raft.wal"));
 *   assert.match(describeRecovery(log.recovery), /^clean: 0 entries/);
 * }
 * rmSync(folder, { recursive: true });
 * ```
 */
export function describeRecovery(report: RecoveryReport): string {
  const writer = report.segments === 0
    ? "there was no log yet"
    : `the last writer ${report.closed ? "closed the log" : "did not close the log"}; ` +
      `proven durable up to index ${report.provenIndex}`;
  const lines = [
    `${report.verdict}: ${counted(report.entries, "entry", "entries")} up to index ${report.lastIndex}, ` +
    `${counted(report.segments, "segment", "segments")}, ` +
    `${report.bytes} bytes in ${report.milliseconds.toFixed(1)} ms`,
    writer,
  ];
  if (report.snapshotIndex > 0) lines.push(`snapshot at index ${report.snapshotIndex}`);
  if (report.cut !== undefined) {
    const range = indexes(report.cut.firstIndex, report.cut.lastIndex);
    lines.push(
      `cut ${report.cut.bytes} bytes that nothing proves were ever synced, at byte ${report.cut.offset} of ${report.cut.path}` +
        (range === "" ? "" : ` (${range})`),
    );
  }
  for (const damage of report.damage) lines.push(`damaged: ${describeDamage(damage)}`);
  for (const damage of report.harmless) lines.push(`damaged, but no longer needed: ${describeDamage(damage)}`);
  return lines.join("\n");
}
