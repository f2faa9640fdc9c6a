/** Mutants of pruning an archive, and of readers of a pruned archive. */

import type { Mutant } from "./mutant.ts";

const PRUNE = "src/archive/prune.ts";
const RETENTION = "src/archive/retention.ts";
const FLOOR = "src/archive/floor.ts";
const HISTORY = "src/archive/history.ts";

/** Mutants of pruning an archive, and of readers of a pruned archive. */
export const PRUNE_MUTANTS: readonly Mutant[] = [
  {
    name: "objects are deleted without a floor",
    file: PRUNE,
    edits: [["  if (isHigher && !dryRun) await store.put(", "  if (!isHigher && !dryRun) await store.put("]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "a floor is written that no object is below",
    file: PRUNE,
    edits: [["const floor = isHigher ? wanted : survey.floor;", "const floor = wanted;"]],
    dies: "archive_prune_test",
  },
  {
    name: "a dry run writes a floor",
    file: PRUNE,
    edits: [["if (isHigher && !dryRun)", "if (isHigher)"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "a dry run deletes objects",
    file: PRUNE,
    edits: [["  if (!dryRun) await deleteAll(", "  await deleteAll("]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "an archive is pruned while an archiver has a newer claim",
    file: PRUNE,
    edits: [[
      "  if (claimed <= newest && !await isClaimed(store, newest + 1, options)) return;",
      "  if (claimed >= 0) return;",
    ]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "an archive is pruned if an archiver claims a generation while objects are listed",
    file: PRUNE,
    edits: [["claimed <= newest && !await isClaimed(store, newest + 1, options)", "claimed <= newest"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "an archive is pruned although an object is missing that is kept",
    file: PRUNE,
    edits: [["uncoveredGaps(history)[0] ?? history.lostTail", "history.lostTail"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "an archive is pruned although its last pieces are missing",
    file: PRUNE,
    edits: [["uncoveredGaps(history)[0] ?? history.lostTail", "uncoveredGaps(history)[0]"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "an archive is pruned although a snapshot is missing that is kept",
    file: PRUNE,
    edits: [["if (lost !== undefined) throw", "if (lost === 0) throw"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "an archive is pruned although a claim or a base is missing",
    file: PRUNE,
    edits: [["if (key !== undefined) throw", "if (key?.key === undefined && key) throw"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "an archive is pruned down to a damaged snapshot",
    file: PRUNE,
    edits: [["  const oldest = snapshots", "  if (survey.floor.snapshot >= 0) return;\n  const oldest = snapshots"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "missing objects below the new floor prevent pruning",
    file: PRUNE,
    edits: [[
      "requireIntact(store, withFloor(survey, floor),",
      "requireIntact(store, withFloor(survey, survey.floor),",
    ]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "snapshots are deleted before pieces",
    file: PRUNE,
    edits: [[
      '["piece", "snapshot", "identity", "base", "floor"]',
      '["base", "identity", "snapshot", "piece", "floor"]',
    ]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "the newest of the old segments are deleted first",
    file: PRUNE,
    edits: [["|| numberOf(a) - numberOf(b) ||", "|| numberOf(b) - numberOf(a) ||"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "floors are never deleted",
    file: PRUNE,
    edits: [[", ...replacedFloors(objects)]", ", ...replacedFloors([])]"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "pruning goes on after its signal",
    file: PRUNE,
    edits: [["    signal?.throwIfAborted();\n    await store.delete", "    await store.delete"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "a piece with a later time expires",
    file: RETENTION,
    edits: [["findIndex(({ time }) => time > since)", "findLastIndex(({ time }) => time <= since) + 1 || -1"]],
    dies: "archive_retention_test",
  },
  {
    name: "an archive begins with a snapshot that was never archived",
    file: RETENTION,
    edits: [["if (!archived.has(snapshot) || to", "if (to"]],
    dies: "archive_retention_test",
  },
  {
    name: "a snapshot counts that lies behind the end of its segment",
    file: RETENTION,
    edits: [[" || to > segments[end]!.end) continue;", ") continue;"]],
    dies: "archive_retention_test",
  },
  {
    name: "an archive begins with a segment after the wanted state",
    file: RETENTION,
    edits: [["segments.slice(0, end + 1).findLastIndex", "segments.findLastIndex"]],
    dies: "archive_retention_test",
  },
  {
    name: "an archive begins after the entries behind its snapshot",
    file: RETENTION,
    edits: [["id.first <= snapshot + 1)", "id.first <= snapshot + 100)"]],
    dies: "archive_retention_test",
  },
  {
    name: "an archive begins before a gap",
    file: RETENTION,
    edits: [["if (start >= 0 && !segments.slice(start, end).some(({ hasGap }) => hasGap)) {", "if (start >= 0) {"]],
    dies: "archive_retention_test",
  },
  {
    name: "an older history is pruned although the newest one began later",
    file: RETENTION,
    edits: [["    if (i > 0 && isReached && from < 0) continue;", "    if (i > 0) continue;"]],
    dies: "archive_retention_test",
  },
  {
    name: "an older history with later times is pruned",
    file: RETENTION,
    edits: [["if (i > 0 && isReached && from < 0) continue;", "if (i > 0 && isReached) continue;"]],
    dies: "archive_retention_test",
  },
  {
    name: "an older history is never pruned",
    file: RETENTION,
    edits: [["if (i > 0 && isReached && from < 0) continue;", "if (i > 0 && from < -1) continue;"]],
    dies: "archive_retention_test",
  },
  {
    name: "a state is pruned that one of two rules keeps",
    file: RETENTION,
    edits: [[
      "segment: Math.min(...needed.map(({ segment }) => segment)),",
      "segment: Math.max(...needed.map(({ segment }) => segment)),",
    ]],
    dies: "archive_retention_test",
  },
  {
    name: "a state before the lowest snapshot is pruned although all objects are kept",
    file: RETENTION,
    edits: [["some(({ floor }) => floor <= 1)", "some(({ floor }) => floor < 1)"]],
    dies: "archive_prune_test",
  },
  {
    name: "the oldest snapshot is not verified if the log began without one",
    file: PRUNE,
    edits: [["  const oldest = snapshots", "  if (survey.floor.snapshot === 0) return;\n  const oldest = snapshots"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "a segment of a kept generation that a later one has replaced is pruned",
    file: RETENTION,
    edits: [[
      "const line = lineOf(survey, generation);\n    if (line === undefined) return [];",
      "const line = lineOf(survey, complete[0]!)!;",
    ]],
    dies: "archive_retention_test",
  },
  {
    name: "a kept generation lacks its first state",
    file: RETENTION,
    edits: [[
      "findIndex((piece) => piece.generation >= generation);",
      "findIndex((piece) => piece.generation > generation);",
    ]],
    dies: "archive_retention_test",
  },
  {
    name: "a floor has no time",
    file: RETENTION,
    edits: [[
      "return highestFloor(survey.floor, { ...limits, time });",
      "return highestFloor(survey.floor, { ...limits, time: 0 * time });",
    ]],
    dies: "archive_prune_test",
  },
  {
    name: "a floor goes down",
    file: RETENTION,
    edits: [[
      "return highestFloor(survey.floor, {",
      "return highestFloor({ ...survey.floor, time: 0 }, {",
    ]],
    dies: "archive_retention_test",
  },
  {
    name: "a pruned log loses its cluster",
    file: RETENTION,
    edits: [["?.generation ?? generation;", "?.generation === 0 ? 0 : generation;"]],
    dies: "archive_prune_test",
  },
  {
    name: "a snapshot that is deleted while objects are listed is reported as missing",
    file: "src/archive/survey.ts",
    edits: [["...[...pieces, ...snapshots, ...identities].map", "...[...pieces].map"], [
      "[generation, { hasBase, pieces, snapshots, identities }]",
      "[generation, { hasBase, pieces }]",
    ]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "objects below the floor are read",
    file: "src/archive/survey.ts",
    edits: [["    if (isBelow(key, floor)) continue;\n", ""]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "of several floors, only the last one counts",
    file: FLOOR,
    edits: [["segment: Math.max(a.segment, b.segment),", "segment: b.segment,"]],
    dies: "archive_retention_test",
  },
  {
    name: "pruned snapshots are reported as missing",
    file: HISTORY,
    edits: [[".filter((index) => index >= floor.snapshot);", ".filter((index) => index >= 0);"]],
    dies: "archive_prune_test",
  },
  {
    name: "pruned bases are reported as missing",
    file: HISTORY,
    edits: [["at > 0 && at >= floor.generation;", "at > 0;"]],
    dies: "archive_prune_test",
  },
  {
    name: "a pruned entry is reported as missing",
    file: HISTORY,
    edits: [["const firstIndex = pruned.snapshot + 1;", "const firstIndex = pruned.snapshot * 0 + 1;"]],
    dies: "archive_prune_faults_test",
  },
  {
    name: "an earlier state is restored in place of a pruned one",
    file: "src/archive/cut.ts",
    edits: [["return index < floor.snapshot || isLost", "return isLost"]],
    dies: "archive_prune_test",
  },
  {
    name: "a later state is restored in place of a pruned one",
    file: "src/archive/restore_errors.ts",
    edits: [["target.milliseconds < history.floor.time) throw", "target.milliseconds < 0) throw"]],
    dies: "archive_prune_test",
  },
  {
    name: "a standby behind the archive ends",
    file: "src/archive/standby_plan.ts",
    edits: [["    number >= survey.floor.segment &&\n", ""]],
    dies: "archive_prune_test",
  },
];
