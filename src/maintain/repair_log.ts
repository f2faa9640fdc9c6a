/**
 * Repairs the damaged segments of a log. If the repair of one segment is refused, no segment is changed.
 * `segment_repairer.ts` repairs a single segment.
 *
 * @module
 */

import type { Durability } from "../write/durability.ts";
import { WalLogError } from "../api/errors.ts";
import type { LiveState } from "../log/live_state.ts";
import type { Opened } from "../recovery/open.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { isOutOfFiles, refusedError } from "../io/full.ts";
import type { OpenFiles } from "../log/open_files.ts";
import { type PreparedRepair, type Repair, SegmentRepairer } from "./segment_repairer.ts";
import type { Segment } from "../log/segment.ts";
import type { TakenEntry } from "../api/taken.ts";
import type { Index } from "../api/types.ts";

/**
 * Replaces damaged entries with good copies.
 *
 * @param opened The log.
 * @param state The log's state in memory.
 * @param durability Stops the log's writer if the disk fails.
 * @param files The segment files that are open for reading. Those of repaired segments are closed.
 * @param good The good copies, checked against the log's index.
 * @throws {WalLogError} `INVALID_ARGUMENT`, `NO_SPACE`: the log is unchanged. `POISONED`.
 */
export function repairLog(
  { fileSystem, folder, codec, writer }: Opened,
  state: LiveState,
  durability: Durability,
  files: OpenFiles,
  good: ReadonlyMap<Index, TakenEntry>,
): void {
  const { index } = state;
  const repairer = new SegmentRepairer(fileSystem, folder, codec, index);
  const repairs: Repair[] = [];
  const prepared: PreparedRepair[] = [];
  try {
    for (const segment of index.segments) {
      if (segment === writer!.segment) continue;
      if (segment.isUnverified && holdsAny(segment, good)) {
        state.addDamage(repairer.find(segment));
        segment.isUnverified = false;
      }
      const damage = state.damaged.filter((one) => one.path === segment.path);
      const repair = repairer.plan(segment, damage, good);
      if (repair !== undefined) repairs.push(repair);
    }
    for (const repair of repairs) prepared.push(repairer.prepare(repair));
  } catch (cause) {
    const error = isOutOfFiles(cause) ? refusedError("Cannot repair the log", state.path, cause) : cause;
    if (!(error instanceof WalLogError)) throw durability.fail("repair", error);
    for (const one of prepared) repairer.discard(one);
    throw error;
  }
  for (const one of prepared) {
    const { repair } = one;
    files.drop(repair.segment.path);
    try {
      repairer.commit(one);
    } catch (error) {
      throw durability.fail("repair", error);
    }
    for (const at of repair.laid) repair.segment.removePage(at);
    for (const [at, offset] of repair.pages) repair.segment.setPage(at, offset);
    state.repairs++;
    state.damaged = state.damaged.filter((one) => !repair.repaired.includes(one));
  }
  index.runs.fill(new Map([...good].map(([at, { term }]) => [at, term])), index.nextIndex);
  if (index.lastTerm === TERM_UNKNOWN) index.lastTerm = index.termAt(state.lastIndex) ?? TERM_UNKNOWN;
}

function holdsAny({ firstIndex, count }: Segment, good: ReadonlyMap<Index, TakenEntry>): boolean {
  for (const index of good.keys()) if (index >= firstIndex && index < firstIndex + count) return true;
  return false;
}
