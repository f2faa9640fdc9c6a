/**
 * One mutation of any kind.
 *
 * @module
 */

import { changeBytes, changeFile, changeSectors } from "./changes.ts";
import {
  forgeFrame,
  forgeHeader,
  forgeIdentity,
  forgePointer,
  forgeSegmentIndex,
  forgeSlot,
  forgeSnapshot,
  moveFrame,
} from "./forgeries.ts";
import type { MutatedLog } from "./mutated_log.ts";

/** Makes one mutation of any kind. */
export function mutate(log: MutatedLog): void {
  const dice = log.random.below(100);
  if (dice < 12) changeBytes(log);
  else if (dice < 22) changeSectors(log);
  else if (dice < 32) changeFile(log);
  else forge(log, dice);
}

function forge(log: MutatedLog, dice: number): void {
  log.isForged = true;
  if (dice < 54) forgeFrame(log);
  else if (dice < 62) moveFrame(log);
  else if (dice < 74) forgeHeader(log);
  else if (dice < 78) forgePointer(log);
  else if (dice < 81) forgeSlot(log);
  else if (dice < 90) forgeSegmentIndex(log);
  else if (dice < 97) forgeSnapshot(log);
  else forgeIdentity(log);
}
