/**
 * Finds unreliable entries of a log.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { liveFrames } from "../log/live_frames.ts";
import type { Segment } from "../log/segment.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { Damage } from "../api/report.ts";
import type { Index } from "../api/types.ts";
import type { Inspection } from "./inspect.ts";

/**
 * A range of unreliable entries. `lost`: they cannot be read. `unconfirmed`: they can be read, but lost frames after them
 * may have truncated and rewritten them.
 */
export interface Unreliable {
  readonly kind: "lost" | "unconfirmed";
  readonly first: Index;
  /** The last of them; `undefined` if their number is unknown. */
  readonly last: Index | undefined;
  /** The damage that shows it. */
  readonly damage: Damage;
}

/**
 * Finds unreliable entries of a log.
 *
 * @param found The log.
 * @returns Their ranges, in order. The snapshot is not checked.
 */
export function unreliableIn({ opened, firstIndex, lastIndex }: Inspection): Unreliable[] {
  const { report, index, codec, state } = opened;
  const all: Unreliable[] = [];
  for (const damage of report.damage) {
    if (damage.kind === "snapshot") continue;
    if (damage.firstIndex !== undefined) {
      const { firstIndex: first, lastIndex: last } = damage;
      all.push({ kind: "lost", first, last, damage });
    } else if (state.replacementsLost) {
      // The gap may have held a truncation. Entries written after the gap are reliable.
      const segment = index.segments.find(({ path }) => path === damage.path);
      const last = segment === undefined ? lastIndex : firstBehind(codec, segment, damage.offset) - 1;
      if (last >= firstIndex) all.push({ kind: "unconfirmed", first: firstIndex, last, damage });
    }
  }
  return all.sort((a, b) => a.first - b.first);
}

/** Index of the first entry whose frame lies at or after an offset. */
function firstBehind(codec: Codec, segment: Segment, offset: number): Index {
  const file = nodeFileSystem.open(segment.path, "read");
  try {
    for (const frame of liveFrames(codec, file, segment, segment.firstIndex, segment.end - 1)) {
      if (frame.offset >= offset) return frame.first;
    }
    return segment.end;
  } finally {
    file.close();
  }
}
