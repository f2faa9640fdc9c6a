/** Mistakes in the event log. */

import type { Mutant } from "./mutant.ts";

const EVENT_LOG = "src/events/event_log.ts";
const ENVELOPE = "src/events/envelope.ts";
const CODEC = "src/events/codec.ts";
const ABORTABLE = "src/events/abortable.ts";
const FOLLOWED = "src/events/followed_events.ts";

/** Mutants of the event log. */
export const EVENTS_MUTANTS: readonly Mutant[] = [
  {
    name: "an appended event is not flushed",
    file: EVENT_LOG,
    edits: [["    await abortable(this.wal.sync(), taken.signal);\n", ""]],
    dies: "events_append_test",
  },
  {
    name: "the events of a list are written one by one",
    file: EVENT_LOG,
    edits: [[
      "wal.append(commands.map((command, nth) => ({ term, index: lastIndex + 1 + nth, command })));",
      "for (const command of commands) wal.append([{ term, index: wal.lastIndex + 1, command }]);",
    ]],
    dies: "events_append_test",
  },
  {
    name: "the expected last event is compared before the codec runs",
    file: EVENT_LOG,
    edits: [
      ["    requireLast(expectedLast, this.last);\n", ""],
      ["    const time = this.#now();\n", "    const time = this.#now();\n    requireLast(expectedLast, this.last);\n"],
    ],
    dies: "events_append_test",
  },
  {
    name: "events are written for a signal that is aborted already",
    file: EVENT_LOG,
    edits: [["    taken.signal?.throwIfAborted();\n", ""]],
    dies: "events_append_test",
  },
  {
    name: "an aborted signal does not end the wait",
    file: ABORTABLE,
    edits: [['  signal.addEventListener("abort", abort, { once: true });\n', ""]],
    dies: "events_append_test",
  },
  {
    name: "a log that no event log has written stays locked",
    file: EVENT_LOG,
    edits: [["      await wal.close();\n", ""]],
    dies: "events_append_test",
  },
  {
    name: "a position that is gone reads as one without an event",
    file: EVENT_LOG,
    edits: [[
      "    if (position > 0 && position < this.first) throw goneError(position, this.first, this.wal.path);\n",
      "",
    ]],
    dies: "events_read_test",
  },
  {
    name: "the time loses its upper bytes",
    file: ENVELOPE,
    edits: [["  view.setUint16(TIME_OFFSET + 4, time / 2 ** 32, true);\n", ""]],
    dies: "events_codec_test",
  },
  {
    name: "an unknown kind of entry is an event",
    file: ENVELOPE,
    edits: [['  if (kind !== KIND_EVENT) return { kind: "other" };\n', ""]],
    dies: "events_codec_test",
  },
  {
    name: "what encode throws is not an invalid event",
    file: EVENT_LOG,
    edits: [["      throw invalidEvent(nth, error);", "      throw error;"]],
    dies: "events_codec_test",
  },
  {
    name: "a validator does not see what is read",
    file: CODEC,
    edits: [["decode: (bytes) => validated(json.decode(bytes)),", "decode: (bytes) => json.decode(bytes),"]],
    dies: "events_codec_test",
  },
  {
    name: "a string with half a surrogate pair is stored as another one",
    file: CODEC,
    edits: [["if (!event.isWellFormed())", "if (event === undefined)"]],
    dies: "events_codec_test",
  },
  {
    name: "a follower goes on behind an event that it could not decode",
    file: FOLLOWED,
    edits: [["        await this.return();\n        throw error;", "        throw error;"]],
    dies: "events_codec_test",
  },
];
