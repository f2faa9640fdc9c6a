/** Mistakes in the consumers of the event log. */

import type { Mutant } from "./mutant.ts";

const WRITER = "src/events/event_writer.ts";
const STATE = "src/events/event_state.ts";
const CONSUMABLE = "src/events/consumable_events.ts";
const CONSUMERS = "src/events/consumers.ts";
const DELIVERIES = "src/events/deliveries.ts";
const RETENTION = "src/events/retention.ts";
const LOAD = "src/events/load_state.ts";

/** Mutants of consumers. */
export const EVENTS_CONSUMER_MUTANTS: readonly Mutant[] = [
  {
    name: "a follower that waits does not end with its loop",
    file: "src/events/followed_events.ts",
    edits: [["      end();\n      return generator.return(undefined);", "      return generator.return(undefined);"]],
    dies: "events_read_test",
  },
  {
    name: "an acknowledgement counts although an earlier event is in flight",
    file: DELIVERIES,
    edits: [["      let through = 0;\n", "      let through = one.position;\n"]],
    dies: "events_consumers_test",
  },
  {
    name: "deliveries run ahead without a bound",
    file: DELIVERIES,
    edits: [["this.inFlight.length >= maxInFlight", "this.inFlight.length < 0"]],
    dies: "events_consumers_test",
  },
  {
    name: "a consumer that waits for an acknowledgement does not see its signal",
    file: DELIVERIES,
    edits: [['    signal?.addEventListener("abort", wake);\n', ""]],
    dies: "events_consumers_test",
  },
  {
    name: "a consumer whose loop has ended stays busy",
    file: DELIVERIES,
    edits: [["return !this.isEnded && !this.log.signal?.aborted;", "return !this.log.signal?.aborted;"]],
    dies: "events_consumers_test",
  },
  {
    name: "a consumer whose signal is aborted stays busy until it is asked for an event",
    file: DELIVERIES,
    edits: [["return !this.isEnded && !this.log.signal?.aborted;", "return !this.isEnded;"]],
    dies: "events_consumers_test",
  },
  {
    name: "two loops are served under one name",
    file: CONSUMERS,
    edits: [[
      "    if (!this.known.get(name)?.deliveries?.isRunning) return;\n",
      "    if (name !== undefined) return;\n",
    ]],
    dies: "events_consumers_test",
  },
  {
    name: "a consumer gets acknowledgements of one that was forgotten",
    file: CONSUMERS,
    edits: [["      if (this.known.get(name) === consumer) this.acknowledge", "      this.acknowledge"]],
    dies: "events_consumers_test",
  },
  {
    name: "an acknowledgement by hand does not reach a loop",
    file: CONSUMERS,
    edits: [["    deliveries?.passed(through);\n", ""]],
    dies: "events_consumers_test",
  },
  {
    name: "an acknowledgement makes no room for the next delivery",
    file: DELIVERIES,
    edits: [["this.inFlight.shift();\n    this.wake();\n", "this.inFlight.shift();\n"]],
    dies: "events_consumers_test",
  },
  {
    name: "a loop delivers events that were acknowledged by hand",
    file: DELIVERIES,
    edits: [["if (value.position > this.through) yield", "yield"]],
    dies: "events_consumers_test",
  },
  {
    name: "acknowledgements are not flushed",
    file: CONSUMERS,
    edits: [["this.write()) await this.wal.sync();", "this.write());"]],
    dies: "events_consumers_test",
  },
  {
    name: "each acknowledgement has an entry of its own",
    file: CONSUMERS,
    edits: [["    void this.writeAll();\n", "    this.write();\n    void this.wal.sync();\n"]],
    dies: "events_consumers_test",
  },
  {
    name: "acknowledgements that found no room are dropped",
    file: CONSUMERS,
    edits: [[
      "        // The others are written. A log",
      "        this.unwritten.delete(name);\n        // The others are written. A log",
    ]],
    dies: "events_consumers_test",
  },
  {
    name: "an acknowledgement that is too large stops those of other consumers",
    file: CONSUMERS,
    edits: [["        // The others are written. A log", "        break;\n        // A log"]],
    dies: "events_consumers_test",
  },
  {
    name: "acknowledgements that found no room wait for the next acknowledgement",
    file: CONSUMERS,
    edits: [["(this.isWriting || this.write())", "this.isWriting"]],
    dies: "events_consumers_test",
  },
  {
    name: "closing the log does not write acknowledgements",
    file: CONSUMERS,
    edits: [["    this.write();\n    this.isFinished = true;", "    this.isFinished = true;"]],
    dies: "events_consumers_test",
  },
  {
    name: "closing the log leaves its consumers waiting",
    file: CONSUMERS,
    edits: [["    for (const { deliveries } of this.known.values()) deliveries?.end();\n", ""]],
    dies: "events_consumers_test",
  },
  {
    name: "a consumer begins at the event that it has acknowledged last",
    file: CONSUMERS,
    edits: [["this.state.consumers.get(name)! + 1)", "Math.max(this.state.consumers.get(name)!, 1))"]],
    dies: "events_consumers_test",
  },
  {
    name: "a new consumer is not written down",
    file: CONSUMERS,
    edits: [[
      "      this.writer.acknowledge(name, position);\n",
      "      this.state.consumers.set(name, position);\n",
    ]],
    dies: "events_consumers_test",
  },
  {
    name: "a new consumer is given events that a compaction has dropped, until a restart",
    file: CONSUMERS,
    edits: [["this.wal.firstIndex - 1, this.wal.snapshotIndex, ", "this.wal.firstIndex - 1, "]],
    dies: "events_consumers_test",
  },
  {
    name: "a consumer moves back",
    file: CONSUMERS,
    edits: [[
      "position === undefined || through <= position || this.isFinished",
      "position === undefined || this.isFinished",
    ]],
    dies: "events_positions_test",
  },
  {
    name: "a compaction passes a consumer",
    file: WRITER,
    edits: [["passConsumers ? position : Math.min(position, ...state.consumers.values())", "position"]],
    dies: "events_positions_test",
  },
  {
    name: "the stored state forgets the consumers",
    file: STATE,
    edits: [[
      "      consumers: [...this.consumers].map(([name, position]) => [name, Math.min(position, through)]),\n",
      "",
    ]],
    dies: "events_positions_test",
  },
  {
    name: "a snapshot gives consumers positions behind itself",
    file: STATE,
    edits: [["[name, Math.min(position, through)]", "[name, position]"]],
    dies: "events_positions_test",
  },
  {
    name: "a consumer that is forgotten comes back with a restart",
    file: STATE,
    edits: [["        this.consumers.delete(envelope.consumer);\n", ""]],
    dies: "events_positions_test",
  },
  {
    name: "a consumer does not hold back the compaction of the log underneath",
    file: CONSUMERS,
    edits: [["Math.max(position + 1, this.wal.firstIndex)", "Number.MAX_SAFE_INTEGER"]],
    dies: "events_positions_test",
  },
  {
    name: "a flush does not cover what was acknowledged",
    file: CONSUMABLE,
    edits: [["    this.#consumers?.write();\n", ""]],
    dies: "events_positions_test",
  },
  {
    name: "a compaction passes consumers although nobody told it to",
    file: CONSUMABLE,
    edits: [["passConsumers: passes = false", "passConsumers: passes = true"]],
    dies: "events_positions_test",
  },
  {
    name: "a consumer that was passed goes back after a restart",
    file: LOAD,
    edits: [["    state.consumers.set(name, Math.max(position, snapshotIndex));\n", ""]],
    dies: "events_retention_test",
  },
  {
    name: "a compaction needs room for data on a full disk",
    file: WRITER,
    edits: [["stored.length > META_BYTES_MAX ? { data: stored }", "stored.length > 0 ? { data: stored }"]],
    dies: "events_retention_test",
  },
  {
    name: "fewer events are kept than the limit allows",
    file: RETENTION,
    edits: [["count - mark.count >= maxCount", "count - mark.count >= maxCount / 2"]],
    dies: "events_retention_test",
  },
  {
    name: "events that are too old are kept",
    file: RETENTION,
    edits: [["now - mark.time > maxAgeMs", "now < mark.time"]],
    dies: "events_retention_test",
  },
  {
    name: "events are not dropped by age when the log is opened",
    file: CONSUMABLE,
    edits: [["    this.#dropExpired(true);\n", ""]],
    dies: "events_retention_test",
  },
  {
    name: "marks are not made by time",
    file: STATE,
    edits: [[" ||\n      time - (this.eventsSinceTime ?? Infinity) >= milliseconds;", ";"]],
    dies: "events_retention_test",
  },
  {
    name: "stored states count as bytes of events",
    file: STATE,
    edits: [[
      '      case "state":\n        return;\n',
      '      case "state":\n        this.bytes += bytes;\n        return;\n',
    ]],
    dies: "events_retention_test",
  },
  {
    name: "a large state is stored as often as a small one",
    file: WRITER,
    edits: [["isOld || state.unstoredBytes >= state.storedBytes", "true"]],
    dies: "events_retention_test",
  },
  {
    name: "a log that is opened stores its state at once, however large it is",
    file: STATE,
    edits: [["    state.storedBytes = bytes.length - JSON.stringify(state.marks).length;\n", ""]],
    dies: "events_retention_test",
  },
  {
    name: "a limit by bytes leaves segments at their size",
    file: "src/events/event_log.ts",
    edits: [["{ segmentBytes: segmentBytesOf(retention), ...how }", "how"]],
    dies: "events_retention_test",
  },
  {
    name: "a compaction that fails has passed consumers",
    file: CONSUMABLE,
    edits: [
      ["    if (passes) consumers.pass(through);\n", ""],
      [
        "    this.#parts.writer.compact(through, passes);\n",
        "    if (passes) consumers.pass(through);\n    this.#parts.writer.compact(through, passes);\n",
      ],
    ],
    dies: "events_retention_test",
  },
  {
    name: "a limit keeps as many events as the table of ids has bytes",
    file: CONSUMABLE,
    edits: [["    state.drop(through);\n", "    if (isWorthIt) state.drop(through);\n"]],
    dies: "events_retention_test",
  },
  {
    name: "events that a limit has dropped come back when the log is opened",
    file: LOAD,
    edits: [["state.isMarkDue(intervals, envelope.time)", "envelope.time < 0"]],
    dies: "events_retention_test",
  },
  {
    name: "the mark at which a log begins is forgotten",
    file: STATE,
    edits: [["position >= this.dropped", "position > this.dropped"]],
    dies: "events_retention_test",
  },
  {
    name: "a limit drops events that a consumer has not acknowledged",
    file: STATE,
    edits: [["Math.min(through, ...this.consumers.values())", "through"]],
    dies: "events_retention_test",
  },
  {
    name: "events that a limit has dropped can be read while they are in a file",
    file: "src/events/readable_events.ts",
    edits: [["Math.max(this.wal.firstIndex, this.#parts.state.dropped + 1)", "this.wal.firstIndex"]],
    dies: "events_retention_test",
  },
  {
    name: "a new consumer is given events that a limit has dropped",
    file: CONSUMERS,
    edits: [[", this.state.dropped)", ")"]],
    dies: "events_retention_test",
  },
  {
    name: "marks are thinned out where the log begins",
    file: STATE,
    edits: [["nth % 2 === 1 || nth >= MARKS_MAX / 2", "nth % 2 === 1"]],
    dies: "events_retention_test",
  },
];
