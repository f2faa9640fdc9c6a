/**
 * The cases: what is measured, against what, and with which targets.
 *
 * @module
 */

import { type Case, CaseSetting } from "./cases/case.ts";
import { commitCases } from "./cases/commit.ts";
import { appendCases, readCases } from "./cases/entries.ts";
import { followCases } from "./cases/follow.ts";
import { memory, startUp } from "./cases/processes.ts";
import { recoveryCases } from "./cases/recovery.ts";
import type { Extent } from "./extent.ts";

/**
 * The cases.
 *
 * @param extent The amount of work in each case.
 * @param folder The folder for their data.
 */
export function benchCases(extent: Extent, folder: string): Case[] {
  const setting = new CaseSetting(extent, folder);
  return [
    // Cases that wait for the disk come first, before large writes are pending.
    ...commitCases(setting),
    startUp(setting),
    ...recoveryCases(setting),
    ...appendCases(setting),
    ...readCases(setting),
    ...followCases(setting),
    memory(setting),
  ];
}
