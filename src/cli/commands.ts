/**
 * The commands of the program.
 *
 * @module
 */

import { archiveList, archiveRun, archiveVerify } from "./archive.ts";
import { archivePrune } from "./archive_prune.ts";
import { backup } from "./backup.ts";
import { bench } from "./bench.ts";
import { completionsCommand } from "./completions.ts";
import { dump } from "./dump.ts";
import { exportCommand } from "./export.ts";
import { importCommand } from "./import.ts";
import { info } from "./info.ts";
import { recoverClusterCommand } from "./recover_cluster.ts";
import { repair } from "./repair.ts";
import { report } from "./report.ts";
import { restoreCommand } from "./restore.ts";
import { salvage } from "./salvage.ts";
import { verify } from "./verify.ts";
import type { Command } from "./command.ts";

/** The program's name. */
export const PROGRAM = "wal-log";

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  info,
  verify,
  dump,
  report,
  repair,
  salvage,
  backup,
  archiveRun,
  archiveList,
  archiveVerify,
  archivePrune,
  restoreCommand,
  recoverClusterCommand,
  importCommand,
  exportCommand,
  bench,
  completionsCommand(() => COMMANDS),
];
