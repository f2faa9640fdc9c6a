/**
 * What is measured, against what, and what it is to reach.
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
 * @param extent How much is done in each.
 * @param folder Where they may make folders.
 */
export function benchCases(extent: Extent, folder: string): Case[] {
  const setting = new CaseSetting(extent, folder);
  return [
    // First what waits for the disk, before anything large is on its way there.
    ...commitCases(setting),
    startUp(setting),
    ...recoveryCases(setting),
    ...appendCases(setting),
    ...readCases(setting),
    ...followCases(setting),
    memory(setting),
  ];
}
