/**
 * What opening a log found, for programs and for people.
 *
 * @module
 */

import type { Index, Term } from "./types.ts";

/** What a damaged stretch of a log held. `frames`: headers are gone too, so that only its surroundings tell. */
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
  /** What was there. */
  readonly kind: DamageKind;
  /** The file. */
  readonly path: string;
  /** Where the damage begins in the file, in bytes. */
  readonly offset: number;
  /** How long it is, in bytes. */
  readonly bytes: number;
  /** The first entry lost in it, if it held entries. */
  readonly firstIndex: Index | undefined;
  /** The last entry lost in it, inclusive, if it held entries. `undefined` beside a `firstIndex`: unknown. */
  readonly lastIndex: Index | undefined;
  /** The term of those entries, where a header survives. */
  readonly term: Term | undefined;
  /** What was found, in words. */
  readonly reason: string;
}

/** Bytes that recovery cut off: they were never acknowledged as durable. */
export interface Cut {
  /** The file. */
  readonly path: string;
  /** Where the cut begins in the file, in bytes. */
  readonly offset: number;
  /** From there to the last byte that is not zero. */
  readonly bytes: number;
  /** The first entry cut off of which a header survives. */
  readonly firstIndex: Index | undefined;
  /** The last entry cut off of which a header survives. */
  readonly lastIndex: Index | undefined;
}

/**
 * What opening a log found. `clean`: every byte is accounted for. `torn`: bytes after the last
 * proven-durable position did not survive a crash and were cut; they were never acknowledged as durable. `corrupt`:
 * acknowledged data is damaged, and `damage` names it.
 */
export interface RecoveryReport {
  /** The verdict. */
  readonly verdict: "clean" | "torn" | "corrupt";
  /** Whether the last writer closed the log; `false` after a crash or a kill. */
  readonly closed: boolean;
  /** Segment files that hold the log. */
  readonly segments: number;
  /** Entries in the log. */
  readonly entries: number;
  /** Bytes of log that were read. */
  readonly bytes: number;
  /** How long it took, in milliseconds. */
  readonly milliseconds: number;
  /** Threads that read it: 2 if a second thread scanned segments of a large log. */
  readonly threads: 1 | 2;
  /** The snapshot's index; 0 if there is none. */
  readonly snapshotIndex: Index;
  /** Index of the last entry. */
  readonly lastIndex: Index;
  /**
   * Up to here the disk itself proves that a flush had returned. Entries above were read back intact, but
   * had the crash damaged them, it would have passed for a torn write: see "the last flush" in the docs.
   */
  readonly provenIndex: Index;
  /** What was cut, if the verdict is `torn`. */
  readonly cut: Cut | undefined;
  /** What is damaged, if the verdict is `corrupt`. */
  readonly damage: readonly Damage[];
  /**
   * Damage to something that the log no longer needs: it was truncated, or a snapshot or a later hard state replaced
   * it. Segments that the snapshot covers completely are not listed.
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
 * @param report What opening a log found.
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
