/**
 * Gathers the facts about a log that decide the next step: see `advice.ts`.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Damage } from "../api/report.ts";
import { checkOptions } from "../api/options.ts";
import { WalLogError } from "../api/errors.ts";
import { segmentNumber } from "../format/segment_name.ts";
import { openLog } from "../recovery/open.ts";
import { IDENTITY_NAME } from "../recovery/identity.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { Finding } from "./advice.ts";
import { statOf } from "./aside.ts";
import { interruptedPlan } from "./exchange.ts";
import { type Inspection, withProgress } from "./inspect.ts";
import { LOCK_NAME } from "./log_files.ts";
import { nameOf } from "./text.ts";

/**
 * Gathers the facts that decide the next step for a log.
 *
 * @param found The log.
 * @param damage Its damage, if more was found than when it was opened.
 * @returns The facts.
 */
export async function findingOf(
  { folder, opened }: Inspection,
  damage: readonly Damage[] = opened.report.damage,
): Promise<Finding> {
  const { report, index, state, identity } = opened;
  const lock = statOf(join(folder, LOCK_NAME));
  return {
    folder,
    verdict: damage.length > 0 ? "corrupt" : report.verdict,
    damage,
    segments: index.segments.length,
    lastIndex: index.nextIndex - 1,
    hardStateLost: state.hardStateLost,
    strangers: await strangersOf(folder, damage, index.segments.at(-1)?.path),
    identity: identity !== undefined ? undefined : existsSync(join(folder, IDENTITY_NAME)) ? "damaged" : "missing",
    isLockDamaged: lock !== undefined && (!lock.isFile() || lock.size > 0),
    interrupted: interruptedState(folder),
    isShortened: false,
  };
}

/** Whether a repair was interrupted, and can be completed. */
function interruptedState(folder: string): Finding["interrupted"] {
  try {
    return interruptedPlan(nodeFileSystem, folder) && "resumable";
  } catch {
    // Whatever is wrong with the plan, the rest of the log can still be described.
    return "damaged";
  }
}

/** Foreign files after the newest segment: without them, nothing after it is damaged. */
async function strangersOf(folder: string, damage: readonly Damage[], newest: string | undefined): Promise<string[]> {
  const names = damage
    .filter(({ kind, path, bytes }) => kind === "segment header" && bytes > 0 && newest !== undefined && path > newest)
    .map(({ path }) => nameOf(path))
    .filter((name) => segmentNumber(name) !== undefined);
  if (names.length === 0) return [];
  const fileSystem = {
    ...nodeFileSystem,
    list: (path: string) => nodeFileSystem.list(path).filter((name) => !names.includes(name)),
  };
  const opening = openLog(folder, checkOptions({ readOnly: true, onDamage: "keep", fileSystem }), false);
  try {
    const { report } = await withProgress("reading", opening);
    const isWhole = report.damage.every(({ lastIndex, firstIndex }) =>
      firstIndex === undefined || lastIndex !== undefined
    );
    return isWhole && report.segments > 0 ? names : [];
  } catch (error) {
    if (error instanceof WalLogError) return [];
    throw error;
  }
}
