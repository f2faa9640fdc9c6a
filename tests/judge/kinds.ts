/**
 * The kinds of damage, each with its histories.
 *
 * @module
 */

import * as damage from "./damage.ts";
import type { Fault } from "./damage.ts";
import type { End, Shape } from "./writing.ts";

/** A kind of damage. */
export interface Kind {
  /** A stable name, by which figures of different versions are compared. */
  readonly id: string;
  /** A description. */
  readonly title: string;
  readonly shape: Shape;
  readonly fault: Fault;
  /** Whether the log is written on after the damage, and then damaged again. */
  readonly goesOn?: boolean;
  /** Why figure 1 is not 0 for this kind today. */
  readonly weakness?: string;
}

const LAST_FLUSH = "no frame and no slot proves the last flush yet, and recovery takes damage to it for a torn write";

const ENDS: readonly End[] = ["closed", "killed", "power cut"];
/** Many small segments, and some that hold the whole log. In bytes. */
const ANY: Shape = { segmentBytes: [4096, 4096, 12_288, 61_440, 1 << 20], steps: [20, 80], ends: ENDS };
/** Several segments. */
const MANY: Shape = { segmentBytes: [4096, 4096, 8192], steps: [40, 80], ends: ENDS };

/** Every kind. */
export const KINDS: readonly Kind[] = [
  { id: "flip-entry", title: "one bit in an entry", shape: ANY, fault: damage.flipEntry },
  { id: "flip-header", title: "one bit in a frame header", shape: ANY, fault: damage.flipHeader },
  { id: "zero-sector", title: "a sector of 512 bytes zeroed", shape: ANY, fault: damage.zeroSector },
  { id: "zero-page", title: "a page of 4 KiB zeroed", shape: ANY, fault: damage.zeroPage },
  { id: "noise-page", title: "a page of 4 KiB overwritten with noise", shape: ANY, fault: damage.noisePage },
  { id: "tail-16k", title: "the last 16 KiB, without the last frame", shape: ANY, fault: damage.tail16K },
  {
    id: "tail-16k-end",
    title: "the last 16 KiB, with the last frame",
    shape: ANY,
    fault: damage.tail16KWithEnd,
  },
  { id: "gap-1-checkpoint", title: "a gap over one checkpoint", shape: ANY, fault: damage.checkpoints(1) },
  { id: "gap-2-checkpoints", title: "a gap over two checkpoints", shape: ANY, fault: damage.checkpoints(2) },
  {
    id: "gap-all-sealed",
    title: "a gap over all checkpoints of a sealed segment",
    shape: MANY,
    fault: damage.allCheckpointsOfSealed,
  },
  {
    id: "gap-all-newest",
    title: "a gap over all checkpoints of the newest segment",
    shape: ANY,
    fault: damage.allCheckpointsOfNewest,
  },
  { id: "missing-oldest", title: "the oldest segment missing", shape: MANY, fault: damage.missingOldest },
  { id: "missing-middle", title: "a segment in the middle missing", shape: MANY, fault: damage.missingMiddle },
  { id: "missing-newest", title: "the newest segment missing", shape: MANY, fault: damage.missingNewest },
  { id: "missing-two", title: "two segments in a row missing", shape: MANY, fault: damage.missingTwo },
  {
    id: "end-closed",
    title: "the end of a closed log zeroed or cut",
    shape: { ...ANY, ends: ["closed"] },
    fault: damage.fileEnd,
  },
  {
    id: "end-vote",
    title: "the same, entries synced one by one, the vote set last",
    shape: { ...ANY, ends: ["closed"], voteLast: true },
    fault: damage.fileEnd,
  },
  {
    id: "end-unrested",
    title: "the end of a log that ended right after a flush",
    shape: { ...ANY, ends: ["unrested"] },
    fault: damage.fileEnd,
    weakness: LAST_FLUSH,
  },
  { id: "header-copy", title: "one copy of a segment header", shape: MANY, fault: damage.headerCopy },
  { id: "header-copies", title: "all copies of a segment header", shape: MANY, fault: damage.headerCopies },
  { id: "next-pointer", title: "a next-segment pointer", shape: MANY, fault: damage.nextPointer },
  {
    id: "pointer-and-tail",
    title: "a next-segment pointer, and the tail that a restart copied",
    shape: { ...ANY, ends: ["reopened"] },
    fault: damage.pointerAndTail,
  },
  {
    id: "pointer-and-newest",
    title: "the newest segment missing, and the pointer to it",
    shape: MANY,
    fault: damage.pointerAndNewest,
  },
  { id: "segment-index", title: "a segment index", shape: MANY, fault: damage.segmentIndex },
  { id: "snapshot", title: "a snapshot file damaged or missing", shape: ANY, fault: damage.snapshotFile },
  { id: "identity", title: "the IDENTITY file damaged or missing", shape: ANY, fault: damage.identity },
  { id: "goes-on", title: "damaged, written on, damaged again", shape: ANY, fault: damage.anyFault, goesOn: true },
  { id: "two-faults", title: "two faults at once", shape: ANY, fault: damage.faults(2) },
  { id: "three-faults", title: "three faults at once", shape: ANY, fault: damage.faults(3) },
];
