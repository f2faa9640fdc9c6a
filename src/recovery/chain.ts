/**
 * The chain of segments: which files make up the log, in which order, where each ends, and which are missing or
 * misplaced. It follows from the facts that `segment_files.ts` reads.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { segmentName } from "../format/segment_name.ts";
import type { ReadableFile, SegmentFile } from "./segment_files.ts";

/** A segment of the log. */
export interface Link {
  readonly file: ReadableFile;
  /** Offset at which its frames end; `undefined` for the newest, because the replay has to find its end. */
  readonly endOffset: number | undefined;
  /** Whether the next newer segment is the one that was created to follow it; `true` for the newest. */
  readonly joined: boolean;
}

/** The chain of segments, and the other files. */
export interface Chain {
  /** The segments of the log, oldest first; empty for a new log. */
  readonly links: readonly Link[];
  /** Files that a crash left behind, and that nothing refers to. */
  readonly leftovers: readonly string[];
  /** Uncommitted segments. Another segment has replaced each of them, or will replace it before the next write. */
  readonly superseded: readonly string[];
  /** The highest durable LSN that the pointer to the newest segment, or an uncommitted successor, states. */
  readonly provenLsn: number;
  /** Whether an uncommitted segment was created to follow the newest one, by a writer that knew of no lost tail. */
  readonly nextBegun: boolean;
  /** The highest segment number of this log, from its files and its next-segment pointers. */
  readonly numberUsed: number;
  /** The damaged and missing parts. */
  readonly damage: readonly Damage[];
}

/** The facts that determine the chain. */
export interface ChainFacts {
  /** The log's folder. */
  readonly folder: string;
  /** The segment files, by their numbers. */
  readonly files: readonly SegmentFile[];
  /** Whether the folder has an `IDENTITY`, which shows that there is a log. */
  readonly isIdentified: boolean;
  /** Whether a segment has frames of its own. Needed only if a pointer is empty or damaged. */
  readonly hasOwnFrames: (file: ReadableFile) => boolean;
}

/**
 * Assembles the chain.
 *
 * @param facts The facts.
 * @returns The chain.
 */
export function assembleChain(facts: ChainFacts): Chain {
  const { files } = facts;
  const valid = files.filter((file): file is ReadableFile => file.header !== undefined);
  const byNumber = new Map(valid.map((file) => [file.number, file]));
  // The newest committed segment. All segments after it are uncommitted.
  const head = valid.findLastIndex((file) => isCommitted(facts, file, byNumber.get(file.header.previous), valid));
  const newest = valid[head];
  const begun = valid.slice(head + 1).reverse();
  const successors = begun.filter(({ header }) => header.previous === newest?.number);
  const nextPointer = byNumber.get(newest?.header.previous ?? 0)?.nextPointer;
  const next = nextPointer?.kind === "named" && nextPointer.next.number === newest?.number
    ? nextPointer.next
    : undefined;
  const provenLsn = Math.max(0, next?.durableLsn ?? 0, ...successors.map(({ header }) => header.provenLsn));
  // A successor whose writer knew of a lost tail does not prove that nothing is missing.
  const nextBegun = successors.length > 0 && !successors.some(({ header }) => header.state.tailLost);
  const { links, skipped } = linkBack(valid.slice(0, head + 1));
  const { leftovers, damage } = sortHeaderless(facts, newest, links);
  if (newest !== undefined && newest.size < SEGMENT_HEADER_BYTES && (next !== undefined || facts.isIdentified)) {
    // Its header block was flushed completely before a pointer named it.
    damage.push(fileDamage("segment", newest.path, newest.size, "the file ends within its header block"));
  }
  const missing = missingBehind(facts, newest, nextBegun, damage, byNumber);
  damage.push(...missing.damage);
  const numberUsed = valid.map(namedBy).reduce((highest, number) => Math.max(highest, number), missing.number);
  const superseded = [...begun.map(({ path }) => path), ...skipped];
  return { links, leftovers, superseded, provenLsn, nextBegun, numberUsed, damage };
}

/**
 * Whether a segment is committed, so that it belongs to the log. `previous` is `undefined` if the previous segment has
 * no valid header.
 */
function isCommitted(
  { hasOwnFrames }: ChainFacts,
  file: ReadableFile,
  previous: ReadableFile | undefined,
  files: readonly ReadableFile[],
): boolean {
  if (previous?.nextPointer.kind === "named") return previous.nextPointer.next.number === file.number;
  // The pointer to it is empty or damaged. Its own contents show whether it was used.
  if (file.nextPointer.kind === "named") return true;
  if (previous !== undefined && !hasOwnFrames(file)) return false;
  // It may be the unfinished copy of an older segment. That segment names the copy once the copy is complete.
  return !files.some((other) =>
    other.number < file.number && other.header.previous === file.header.previous && other.nextPointer.kind === "none" &&
    hasOwnFrames(other)
  );
}

/**
 * Links the segments from the newest back to the oldest. If the segment that a header names as the previous one is not
 * found, it is missing. Whether that matters depends on the snapshot, which is not known yet.
 *
 * @param files The segments that can be part of the log, oldest first.
 * @returns The links, and the superseded files.
 */
function linkBack(files: readonly ReadableFile[]): { readonly links: Link[]; readonly skipped: string[] } {
  const links: Link[] = [];
  const skipped: string[] = [];
  let behind: ReadableFile | undefined;
  for (const file of files.toReversed()) {
    const joined = behind === undefined || behind.header.previous === file.number;
    if (!joined && behind!.header.previous < file.number) {
      // Superseded: the next segment follows an older one.
      skipped.push(file.path);
      continue;
    }
    const endLsn = joined ? behind?.header.baseLsn : pointerEnd(file) ?? file.header.baseLsn + file.size;
    const endOffset = endLsn === undefined ? undefined : Math.max(endLsn - file.header.baseLsn, SEGMENT_HEADER_BYTES);
    links.unshift({ file, joined, endOffset });
    behind = file;
  }
  return { links, skipped };
}

/** Sorts files without a valid header into damaged ones and leftovers of a crash. */
function sortHeaderless(
  { files, isIdentified }: ChainFacts,
  newest: ReadableFile | undefined,
  links: readonly Link[],
): { readonly leftovers: string[]; readonly damage: Damage[] } {
  const leftovers: string[] = [];
  const damage: Damage[] = [];
  for (const file of files) {
    if (file.header !== undefined) continue;
    if (file.number < (newest?.number ?? 0)) {
      // Older than the newest segment: it matters if a segment of the log follows it. Otherwise it is a leftover.
      const needed = links.some((link) => link.file.header.previous === file.number);
      if (needed) damage.push(fileDamage("segment header", file.path, file.size, file.reason));
      else if (file.blank) leftovers.push(file.path);
    } else if (file.blank && !namesNextSegment(newest, file.number) && (newest !== undefined || !isIdentified)) {
      // A crash while a segment is created leaves a file without a header and without frames. Nothing refers to it yet:
      // neither the previous segment nor, for the first segment, `IDENTITY`. In a folder without a log, such a file may
      // belong to another program.
      if (newest !== undefined || file.isOurs) leftovers.push(file.path);
    } else {
      damage.push(fileDamage("segment header", file.path, file.size, file.reason));
    }
  }
  return { leftovers, damage };
}

/** The missing segment after the newest one, and its number; 0 if the number is known otherwise or there is none. */
function missingBehind(
  { folder, isIdentified, hasOwnFrames }: ChainFacts,
  newest: ReadableFile | undefined,
  nextBegun: boolean,
  damage: readonly Damage[],
  byNumber: ReadonlyMap<number, ReadableFile>,
): { readonly damage: readonly Damage[]; readonly number: number } {
  if (newest?.nextPointer.kind === "named" && !byNumber.has(newest.nextPointer.next.number)) {
    const path = `${folder}/${segmentName(newest.nextPointer.next.number)}`;
    const reason = `missing, although segment ${newest.number} names it as the next one`;
    const isKnown = damage.some((one) => one.path === path);
    return { damage: isKnown ? [] : [fileDamage("segment", path, 0, reason)], number: 0 };
  }
  if (newest?.nextPointer.kind === "damaged" && !nextBegun && !damage.some((one) => one.path > newest.path)) {
    // A crash while the log was created can leave arbitrary bytes in a header block that was never flushed.
    if (!isIdentified && newest.header.previous === 0 && !hasOwnFrames(newest)) return { damage: [], number: 0 };
    const number = newest.number + 1;
    const reason = `the next-segment pointer of segment ${newest.number} is damaged, and no next segment was found`;
    return { damage: [fileDamage("segment", `${folder}/${segmentName(number)}`, 0, reason)], number };
  }
  return { damage: [], number: 0 };
}

/** Damage to a whole file. */
function fileDamage(kind: "segment" | "segment header", path: string, bytes: number, reason: string): Damage {
  return { kind, path, offset: 0, bytes, firstIndex: undefined, lastIndex: undefined, term: undefined, reason };
}

function pointerEnd({ nextPointer }: SegmentFile): number | undefined {
  return nextPointer.kind === "named" ? nextPointer.next.endLsn : undefined;
}

/** The highest number that a segment proves used: its own, or the number that its pointer names. */
function namedBy({ number, nextPointer }: SegmentFile): number {
  return nextPointer.kind === "named" ? Math.max(number, nextPointer.next.number) : number;
}

function namesNextSegment(file: SegmentFile | undefined, number: number): boolean {
  return file?.nextPointer.kind === "named" && file.nextPointer.next.number === number;
}
