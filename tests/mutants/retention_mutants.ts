/** Mutants of retentions, free space and metrics. */

import type { Mutant } from "./mutant.ts";

const RETENTION = "src/api/retention.ts";
const INDEX = "src/log/log_index.ts";
const STORE = "src/snapshots/snapshot_store.ts";
const STATE = "src/log/live_state.ts";
const LOG = "src/api/wal_log.ts";
const READABLE_LOG = "src/api/readable_log.ts";
const COMPACTABLE_LOG = "src/api/compactable_log.ts";

/** Mutants of retentions. */
export const RETENTION_MUTANTS: readonly Mutant[] = [
  {
    name: "a snapshot deletes segments that are retained",
    file: INDEX,
    edits: [[
      "i === this.segments.length - 1 || firstIndex + count > this.firstIndex;",
      "i === this.segments.length - 1 || firstIndex + count > this.snapshotIndex + 1;",
    ]],
    dies: "retain_test",
  },
  {
    name: "a segment whose last entry is retained is deleted",
    file: INDEX,
    edits: [["firstIndex + count > this.firstIndex;", "firstIndex + count > this.firstIndex + 1;"]],
    dies: "retain_test",
  },
  {
    name: "retentions above the snapshot hide entries",
    file: INDEX,
    edits: [[
      "return Math.min(this.retained.lowest, this.snapshotIndex + 1);",
      "return Math.min(this.retained.lowest, 1);",
    ]],
    dies: "wal_log_suite_test",
  },
  {
    name: "the term of the previous snapshot is forgotten under a retention",
    file: INDEX,
    edits: [[
      "if (before >= this.firstIndex - 1) this.runs.fill(new Map([[before, beforeTerm]]), this.nextIndex);",
      "",
    ]],
    dies: "wal_log_suite_test",
  },
  {
    name: "the term before the first retained entry is dropped",
    file: INDEX,
    edits: [["this.runs.dropBelow(this.firstIndex - 1);", "this.runs.dropBelow(this.firstIndex);"]],
    dies: "wal_log_suite_test",
  },
  {
    name: "a snapshot drops the terms of retained entries",
    file: INDEX,
    edits: [["this.runs.dropBelow(this.firstIndex - 1);", "this.runs.dropBelow(this.snapshotIndex);"]],
    dies: "wal_log_suite_test",
  },
  {
    name: "a retention that is released deletes nothing",
    file: STORE,
    edits: [["state.retentions.onRise = () => this.deleteReleased();", ""]],
    dies: "retain_test",
  },
  {
    name: "a retention that is released deletes files of a log that has failed or is closed",
    file: STORE,
    edits: [["if (!durability.canWrite) return;", ""]],
    dies: "retain_test",
  },
  {
    name: "a file that cannot be deleted when a retention is released does not stop the log",
    file: STORE,
    edits: [['throw durability.fail("delete released segments", error);', "throw error;"]],
    dies: "retain_test",
  },
  {
    name: "a snapshot that clears the log leaves retentions where they were",
    file: STORE,
    edits: [["      state.retentions.cleared(index);\n", ""]],
    dies: "wal_log_suite_test",
  },
  {
    name: "a truncation leaves retentions above it where they were",
    file: STATE,
    edits: [["this.retentions.truncated(from);", ""]],
    dies: "wal_log_suite_test",
  },
  {
    name: "damage to released entries stays on the list",
    file: STATE,
    edits: [["lastIndex >= firstIndex", "lastIndex > 0"]],
    dies: "retain_test",
  },
  {
    name: "damage to retained entries is forgotten when a snapshot covers them",
    file: STORE,
    edits: [["lastIndex >= log.firstIndex && !clears", "lastIndex > index && !clears"]],
    dies: "retain_test",
  },
  {
    name: "a retention is advanced to a lower index",
    file: RETENTION,
    edits: [["if (to > one.from && this.isHeld(one))", "if (to !== one.from && this.isHeld(one))"]],
    dies: "wal_log_suite_test",
  },
  {
    name: "the release of a retention ends another of the same name",
    file: RETENTION,
    edits: [[
      "if (this.isHeld(one)) this.rise(() => void this.held.delete(name));",
      "this.rise(() => void this.held.delete(name));",
    ]],
    dies: "wal_log_suite_test",
  },
  {
    name: "the highest retention counts, not the lowest",
    file: RETENTION,
    edits: [[
      "this.lowest = Infinity;\n    for (const { from } of this.held.values()) this.lowest = Math.min(this.lowest, from);",
      "this.lowest = this.held.size === 0 ? Infinity : 0;\n    for (const { from } of this.held.values()) this.lowest = Math.max(this.lowest, from);",
    ]],
    dies: "wal_log_suite_test",
  },
  {
    name: "a retention begins where entries are gone",
    file: RETENTION,
    edits: [["if (from < firstIndex) {", "if (from < 1) {"]],
    dies: "wal_log_suite_test",
  },
  {
    name: "entry does not find retained entries",
    file: READABLE_LOG,
    edits: [["return index < this.firstIndex || index >", "return index <= this.snapshotIndex || index >"]],
    dies: "wal_log_suite_test",
  },
  {
    name: "retained entries cannot be repaired",
    file: LOG,
    edits: [["checkRepair(taken, this.firstIndex,", "checkRepair(taken, this.snapshotIndex + 1,"]],
    dies: "retain_test",
  },
  {
    name: "a log for reading only accepts retentions",
    file: COMPACTABLE_LOG,
    edits: [[
      'this.#durability.requireWriter("retain entries", true);',
      'this.#durability.requireOpen("retain entries");',
    ]],
    dies: "retain_test",
  },
  {
    name: "a scrub reports damage to retained entries as harmless",
    file: "src/log/live.ts",
    edits: [["Math.max(firstIndex, index.firstIndex)", "Math.max(firstIndex, index.snapshotIndex + 1)"]],
    dies: "retain_test",
  },
  {
    name: "an iteration reads on below the first index",
    file: "src/log/iterate.ts",
    edits: [["if (index >= firstIndex) return;", "if (index > 0) return;"]],
    dies: "retain_test",
  },
];

const SPACE = "src/io/disk_space.ts";

/** Mutants of the measuring of free space. */
export const SPACE_MUTANTS: readonly Mutant[] = [
  {
    name: "low free space is reported each time that it is measured",
    file: SPACE,
    edits: [["this.isReported = true;", ""]],
    dies: "space_test",
  },
  {
    name: "low free space is reported once and never again",
    file: SPACE,
    edits: [[
      "if (freeBytes >= lowSpaceBytes) this.isReported = false;\n    else if (!this.isReported",
      "if (freeBytes < lowSpaceBytes && !this.isReported",
    ]],
    dies: "space_test",
  },
  {
    name: "the threshold itself counts as low free space",
    file: SPACE,
    edits: [["freeBytes >= lowSpaceBytes", "freeBytes > lowSpaceBytes"]],
    dies: "space_test",
  },
  {
    name: "a reader reports low free space",
    file: SPACE,
    edits: [["freeBytes === undefined || writer === undefined", "freeBytes === undefined"]],
    dies: "space_test",
  },
  {
    name: "free space is measured after every flush",
    file: SPACE,
    edits: [["now < this.lookAt || ", ""]],
    dies: "space_test",
  },
  {
    name: "free space is measured without subscribers",
    file: SPACE,
    edits: [['now < this.lookAt || !hasSubscribers("wallog:low-space")', "now < this.lookAt"]],
    dies: "space_test",
  },
  {
    name: "free space is not measured after flushes",
    file: "src/api/log_parts.ts",
    edits: [["durability.onFlushed = () => space.look();", ""]],
    dies: "space_test",
  },
  {
    name: "free space is requested without Deno's permission",
    file: "src/io/node_fs.ts",
    edits: [['.state !== "granted") {\n    return undefined;', '.state !== "granted") {\n    fs.statfsSync(path);']],
    dies: "space_test",
  },
  {
    name: "the size of the first snapshot is used for all",
    file: SPACE,
    edits: [["this.measured.index === snapshotIndex", "this.measured.bytes > 0 || snapshotIndex === 0"]],
    dies: "space_test",
  },
];

const METRICS = "src/api/metrics.ts";
const LOG_METRICS = "src/log/log_metrics.ts";

/** Mutants of metrics and their text. */
export const METRIC_MUTANTS: readonly Mutant[] = [
  {
    name: "bytes of entries that a snapshot has replaced count",
    file: INDEX,
    edits: [["const first = Math.max(index + 1, this.firstIndex);", "const first = index + 1;"]],
    dies: "bytes_after_test",
  },
  {
    name: "the bytes of a segment count from its start",
    file: INDEX,
    edits: [["const isWhole = first <= segment.firstIndex || segment.isIndexed;", "const isWhole = true;"]],
    dies: "bytes_after_test",
  },
  {
    name: "counting bytes reads a segment index",
    file: INDEX,
    edits: [[
      "const isWhole = first <= segment.firstIndex || segment.isIndexed;",
      "const isWhole = first <= segment.firstIndex;",
    ]],
    dies: "bytes_after_test",
  },
  {
    name: "quotes in the values of labels are not escaped",
    file: METRICS,
    edits: [[`escapeHelp(value).replaceAll('"', '\\\\"')`, "escapeHelp(value)"]],
    dies: "metrics_test",
  },
  {
    name: "newlines are escaped before backslashes",
    file: METRICS,
    edits: [[
      'text.replaceAll("\\\\", "\\\\\\\\").replaceAll("\\n", "\\\\n")',
      'text.replaceAll("\\n", "\\\\n").replaceAll("\\\\", "\\\\\\\\")',
    ]],
    dies: "metrics_test",
  },
  {
    name: "the buckets of a histogram are not cumulative",
    file: METRICS,
    edits: [["below += counts[i]!;", "below = counts[i]!;"]],
    dies: "metrics_test",
  },
  {
    name: "a log that has failed is not poisoned in its metrics",
    file: LOG_METRICS,
    edits: [["hasFailed ? 1 : 0", "canWrite ? 0 : 0"]],
    dies: "metrics_test",
  },
  {
    name: "a closed log counts as poisoned in its metrics",
    file: LOG_METRICS,
    edits: [["hasFailed ? 1 : 0", "hasFailed || !canWrite ? 1 : 0"]],
    dies: "metrics_test",
  },
  {
    name: "times in metrics are in milliseconds",
    file: LOG_METRICS,
    edits: [["undefined : milliseconds / 1000", "undefined : milliseconds"]],
    dies: "metrics_test",
  },
  {
    name: "the time of the last flush is that of the opening",
    file: "src/write/flush_events.ts",
    edits: [["    this.state.lastFlushTime = this.now();\n", "    this.state.lastFlushTime ??= 0;\n"]],
    dies: "metrics_test",
  },
  {
    name: "metrics of several logs are not merged by name",
    file: METRICS,
    edits: [["const known = families.get(name);", "const known = undefined as Family | undefined;"]],
    dies: "metrics_test",
  },
  {
    name: "two samples of the same name and labels are written",
    file: METRICS,
    edits: [["if (seen.has(key)) throw", "if (seen.size < 0) throw"]],
    dies: "metrics_test",
  },
  {
    name: "the labels of a sample are compared in their order",
    file: METRICS,
    edits: [["[...pairs].sort().join()", "[...pairs].join()"]],
    dies: "metrics_test",
  },
  {
    name: "a metric without samples is written",
    file: METRICS,
    edits: [["if (metric.samples.length > 0) addLines", "addLines"]],
    dies: "metrics_test",
  },
  {
    name: "flushes are given in milliseconds",
    file: LOG_METRICS,
    edits: [["bounds.map((bound) => bound / 1000)", "bounds"]],
    dies: "metrics_test",
  },
  {
    name: "a log that is closed counts as writable",
    file: LOG_METRICS,
    edits: [["canWrite ? 1 : 0", "1"]],
    dies: "metrics_test",
  },
];
