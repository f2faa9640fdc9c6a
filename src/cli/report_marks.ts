/**
 * The marks on the report's map: votes, truncations and checkpoints.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import {
  decodeVote,
  FLAG_CLOSE,
  FLAG_REPAIRED,
  KIND_CHECKPOINT,
  KIND_HARD_STATE,
  KIND_TRUNCATE,
} from "../format/frame.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { openSized } from "../io/sized_file.ts";
import type { HardState, Index } from "../api/types.ts";
import type { Segment } from "../log/segment.ts";
import { BufferedFile, type FoundFrame, frameHeaders, HEADER_BUFFER_BYTES } from "./frame_headers.ts";
import { counted, hardStateText, indexes } from "./text.ts";

/** Frames of two elections, each with a vote and a truncation. Their marks need no numbers, and little room. */
const SINGLE_MAX = 4;

/** The kinds of frames to mark. */
const MARKED_KINDS: ReadonlySet<number> = new Set([KIND_HARD_STATE, KIND_TRUNCATE, KIND_CHECKPOINT]);

/** A frame to mark, at a position. */
export type MarkedFrame =
  & { readonly at: number }
  & (
    | { readonly kind: "vote"; readonly state: HardState }
    | { readonly kind: "truncation"; readonly from: Index }
    | { readonly kind: "checkpoint"; readonly nextIndex: Index; readonly isClosing: boolean }
  );

/** A mark on a row of the map: one frame, or several that are too close to be told apart. */
export interface Mark {
  readonly kind: "vote" | "truncation";
  /** The position. */
  readonly at: number;
  /** The number of frames. */
  readonly count: number;
  /** A description. */
  readonly text: string;
}

/** The checkpoints of a row. */
export interface Checkpoints {
  /** Their positions. */
  readonly places: readonly number[];
  /** A description of them all. */
  readonly text: string;
}

/**
 * The frames of a segment to mark.
 *
 * @param codec The codec. Its chunk is overwritten.
 * @param segment The segment.
 * @returns Its hard states, truncations and checkpoints, at their offsets in bytes. After a crash, recovery copies frames
 * into the next segment. The log ends before the originals, so each is found once.
 */
export function* markedFrames(codec: Codec, segment: Segment): Generator<MarkedFrame> {
  const file = openSized(nodeFileSystem, segment.path);
  try {
    const headers = new BufferedFile(file, HEADER_BUFFER_BYTES);
    for (const found of frameHeaders(codec, segment, headers, segment.endOffset, MARKED_KINDS)) {
      if (found.kind === "frame") yield* marked(found);
    }
  } finally {
    file.close();
  }
}

function* marked({ offset: at, header: { kind, flags, term, index }, head }: FoundFrame): Generator<MarkedFrame> {
  if (kind === KIND_HARD_STATE) {
    yield { at, kind: "vote", state: { term, votedFor: decodeVote(head) } };
  } else if (kind === KIND_TRUNCATE) {
    yield { at, kind: "truncation", from: index };
  } else if (kind === KIND_CHECKPOINT && (flags & FLAG_REPAIRED) === 0) {
    yield { at, kind: "checkpoint", nextIndex: index, isClosing: (flags & FLAG_CLOSE) !== 0 };
  }
}

/**
 * Merges votes and truncations into marks that are some distance apart. A vote and a truncation of the same election
 * are two marks at one position.
 *
 * @param frames The frames of a row, in order.
 * @param distance The least distance between two marks of a kind.
 * @param end The end of the track. Marks of several frames keep the same distance from it.
 * @returns The marks.
 */
export function marksOf(frames: readonly MarkedFrame[], distance: number, end: number): Mark[] {
  const groups: MarkedFrame[][] = [];
  for (const frame of frames) {
    if (frame.kind === "checkpoint") continue;
    const group = groups.at(-1);
    if (group !== undefined && frame.at - group[0]!.at < distance) group.push(frame);
    else groups.push([frame]);
  }
  const [before, last] = groups.slice(-2);
  if (last !== undefined && last[0]!.at > end - distance && before!.length + last.length > SINGLE_MAX) {
    groups.splice(-2, 2, [...before!, ...last]);
  }
  return groups.flatMap((group) => {
    const { at } = group[0]!;
    const votes = group.filter((frame) => frame.kind === "vote");
    const truncations = group.filter((frame) => frame.kind === "truncation");
    const marks: Mark[] = [];
    if (votes.length > 0) marks.push({ kind: "vote", at, count: votes.length, text: votesText(votes) });
    if (truncations.length > 0) {
      const from = Math.min(...truncations.map((frame) => frame.from));
      const text = `${named(truncations, "Truncation")}: entries from index ${from} on dropped`;
      marks.push({ kind: "truncation", at, count: truncations.length, text });
    }
    return marks;
  });
}

/**
 * The checkpoints among frames.
 *
 * @param frames The frames of a row, in order.
 * @returns The checkpoints; `undefined` if there is none.
 */
export function checkpointsOf(frames: readonly MarkedFrame[]): Checkpoints | undefined {
  const checkpoints = frames.filter((frame) => frame.kind === "checkpoint");
  if (checkpoints.length === 0) return undefined;
  const [first, last] = [checkpoints[0]!.nextIndex, checkpoints.at(-1)!.nextIndex];
  const closings = checkpoints.filter(({ isClosing }) => isClosing).length;
  const closed = closings === 0 ? "" : `, ${counted(closings, "clean close", "clean closes")}`;
  return {
    places: checkpoints.map(({ at }) => at),
    text: `${named(checkpoints, "Checkpoint")} before ${indexes(first, last)}${closed}`,
  };
}

function votesText(votes: readonly Extract<MarkedFrame, { kind: "vote" }>[]): string {
  if (votes.length === 1) return `Hard state: ${hardStateText(votes[0]!.state)}`;
  const [first, last] = [votes[0]!.state.term, votes.at(-1)!.state.term];
  return `${named(votes, "Hard state")}: ${first === last ? `term ${first}` : `terms ${first} to ${last}`}`;
}

/** The name of one frame, or the number of several. */
function named(frames: readonly MarkedFrame[], name: string): string {
  return frames.length === 1 ? name : counted(frames.length, name, `${name.toLowerCase()}s`);
}
