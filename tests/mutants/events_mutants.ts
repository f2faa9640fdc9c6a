/** Mistakes in the event log. */

import { EVENT_TEXT_MUTANTS } from "./event_text_mutants.ts";
import type { Mutant } from "./mutant.ts";

const EVENT_LOG = "src/events/event_log.ts";
const WRITER = "src/events/event_writer.ts";
const WRITABLE = "src/events/writable_events.ts";
const READABLE = "src/events/readable_events.ts";
const PRODUCERS = "src/events/producers.ts";
const STATE = "src/events/event_state.ts";
const LOAD = "src/events/load_state.ts";
const ENVELOPE = "src/events/envelope.ts";
const CODEC = "src/events/codec.ts";

/** Mutants of the event log. */
export const EVENTS_MUTANTS: readonly Mutant[] = [
  {
    name: "a producer shows the sequence that it wrote last, not its highest",
    file: "src/events/producers.ts",
    edits: [["sequence: Math.max(floor, ...positions.keys()),", "sequence: [...positions.keys()].at(-1) ?? floor,"]],
    dies: "events_producers_test",
  },
  {
    name: "an appended event is not flushed",
    file: WRITABLE,
    edits: [["    await abortable(this.#writer.sync(), taken.signal);\n", ""]],
    dies: "events_append_test",
  },
  {
    name: "the events of a list are written one by one",
    file: WRITER,
    edits: [[
      "wal.append(commands.map(({ command }, nth) => ({ term: TERM, index: first + nth, command })));",
      "for (const { command } of commands) wal.append([{ term: TERM, index: wal.lastIndex + 1, command }]);",
    ]],
    dies: "events_append_test",
  },
  {
    name: "the expected last event is compared before the codec runs",
    file: WRITER,
    edits: [
      ["    requireLast(expectedLast, state.last);\n", ""],
      ["    const sealed", "    requireLast(expectedLast, state.last);\n    const sealed"],
    ],
    dies: "events_append_test",
  },
  {
    name: "events are written for a signal that is aborted already",
    file: WRITABLE,
    edits: [["    taken.signal?.throwIfAborted();\n", ""]],
    dies: "events_append_test",
  },
  {
    name: "an aborted signal does not end the wait",
    file: WRITABLE,
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
    name: "a log with a hard state opens as an event log",
    file: LOAD,
    edits: [["  if (term > 0 || votedFor !== null) throw foreignLog(path, `a hard state of term ${term}`);\n", ""]],
    dies: "events_append_test",
  },
  {
    name: "a log of a cluster opens as an event log",
    file: LOAD,
    edits: [["  if (identity.cluster !== undefined) throw foreignLog(path, `the cluster ${identity.cluster}`);\n", ""]],
    dies: "events_append_test",
  },
  {
    name: "a log with another term opens as an event log",
    file: LOAD,
    edits: [
      ["  if (lastTerm > TERM) throw foreignLog(path, `entries of term ${lastTerm}`);\n", ""],
      ["term !== TERM || ", ""],
    ],
    dies: "events_append_test",
  },
  {
    name: "a log whose snapshot has a configuration opens as an event log",
    file: LOAD,
    edits: [['  if (config.length > 0) throw foreignLog(wal.path, "a snapshot with a configuration");\n', ""]],
    dies: "events_append_test",
  },
  {
    name: "any object is the state of an event log",
    file: STATE,
    edits: [["if (!isStateData(data))", "if (!isObject(data))"]],
    dies: "events_append_test",
  },
  {
    name: "any kind is that of a later version",
    file: ENVELOPE,
    edits: [["return kind > KIND_CONSUMER_END && kind <= KIND_LAST;", "return kind > KIND_CONSUMER_END;"]],
    dies: "events_append_test",
  },
  {
    name: "a position that is gone reads as one without an event",
    file: READABLE,
    edits: [[
      "    if (position > 0 && position < this.first) throw goneError(position, this.first, this.wal.path);\n",
      "",
    ]],
    dies: "events_read_test",
  },
  {
    name: "the time loses its upper bytes",
    file: ENVELOPE,
    edits: [["  command[TIME_OFFSET + 4] = high;\n", ""]],
    dies: "events_codec_test",
  },
  {
    name: "an unknown kind of entry is an event",
    file: ENVELOPE,
    edits: [["    case KIND_EVENT:\n", "    default:\n"], [
      '    default:\n      return { kind: isReserved(kind) ? "other" : "foreign" };\n',
      "",
    ]],
    dies: "events_codec_test",
  },
  {
    name: "the events of a list are encoded before the first of them is copied",
    file: WRITER,
    edits: [
      ["const sealed = list.map((event, nth) =>", "const sealed = list.map(this.encode, this).map((event, nth) =>"],
      ["private seal(event: E,", "private seal(payload: Uint8Array,"],
      ["    const payload = this.encode(event, nth);\n", ""],
    ],
    dies: "events_codec_test",
  },
  {
    name: "events that the codec writes meanwhile overwrite those before them",
    file: "src/events/scratch.ts",
    edits: [["    const { used } = this;\n", "    const used = this.used = 0;\n"]],
    dies: "events_append_test",
  },
  {
    name: "long texts of wide characters are cut off",
    file: CODEC,
    edits: [["text.length * UTF8_BYTES_MAX > brief.length", "text.length > brief.length"]],
    dies: "events_codec_test",
  },
  {
    name: "json returns bytes that the next event overwrites",
    file: CODEC,
    edits: [["return encoder.encode(jsonOf(event));", "return encodeBriefly(event) as Uint8Array<ArrayBuffer>;"]],
    dies: "events_codec_test",
  },
  {
    name: "what encode throws is not an invalid event",
    file: WRITER,
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
    name: "a follower skips an event that it cannot decode",
    file: "src/events/followed_events.ts",
    edits: [
      [
        "    const event = reader.open(entry);\n",
        "    let event;\n    try {\n      event = reader.open(entry);\n    } catch {}\n",
      ],
    ],
    dies: "events_codec_test",
  },
  {
    name: "a write with an id that the log has is done again",
    file: WRITER,
    edits: [["    if (known !== undefined) return known;\n", ""]],
    dies: "events_producers_test",
  },
  {
    name: "a repeated write fails because it has changed the last event itself",
    file: WRITER,
    edits: [
      [
        "    if (known !== undefined) return known;\n    requireLast(expectedLast, state.last);\n",
        "    requireLast(expectedLast, state.last);\n    if (known !== undefined) return known;\n",
      ],
    ],
    dies: "events_producers_test",
  },
  {
    name: "a list that is recovered in part has its id",
    file: WRITER,
    edits: [["nth === end ? id : undefined", "nth === 0 ? id : undefined"]],
    dies: "events_producers_test",
  },
  {
    name: "a compaction forgets the producers",
    file: WRITER,
    edits: [[
      "{ ...(stored.length > META_BYTES_MAX ? { data: stored } : { meta: stored }), config: [] }",
      "{ config: [] }",
    ]],
    dies: "events_producers_test",
  },
  {
    name: "a sequence that was forgotten is taken for a new one",
    file: PRODUCERS,
    edits: [["    if (id.sequence <= floor) throw staleSequence(id, floor);\n", ""]],
    dies: "events_producers_test",
  },
  {
    name: "the highest sequence is forgotten instead of the lowest",
    file: PRODUCERS,
    edits: [["Math.min(...positions.keys())", "Math.max(...positions.keys())"]],
    dies: "events_producers_test",
  },
  {
    name: "the producer that came first is forgotten, although it has written since",
    file: PRODUCERS,
    edits: [["    this.known.delete(name);\n", ""]],
    dies: "events_producers_test",
  },
  {
    name: "the memory of producers has no bound",
    file: PRODUCERS,
    edits: [["      this.known.delete(oldest);\n", ""]],
    dies: "events_producers_test",
  },
  {
    name: "a sequence that was forgotten is remembered when the log is loaded",
    file: PRODUCERS,
    edits: [["    if (sequence <= producer.floor) return;\n", ""]],
    dies: "events_producers_test",
  },
  {
    name: "producers are forgotten while the log is loaded",
    file: PRODUCERS,
    edits: [[
      "    const { positions } = producer;\n",
      "    this.forgetOldest();\n    const { positions } = producer;\n",
    ]],
    dies: "events_producers_test",
  },
  {
    name: "the state of a restart is that of the snapshot",
    file: LOAD,
    edits: [["    state.apply(index, envelope, command.length);\n", ""]],
    dies: "events_producers_test",
  },
  {
    name: "the state is never stored while the log grows",
    file: WRITER,
    edits: [["    if (state.isMarkDue(this.intervals, time)) this.mark(time);\n", ""]],
    dies: "events_producers_test",
  },
  {
    name: "the stored state is not looked for",
    file: LOAD,
    edits: [["  const stored = lastStored(wal);", "  const stored = wal.lastIndex < 0 ? lastStored(wal) : undefined;"]],
    dies: "events_producers_test",
  },
  {
    name: "the position of the last event counts the log's own entries",
    file: STATE,
    edits: [["    switch (envelope.kind) {\n", "    this.last = index;\n    switch (envelope.kind) {\n"]],
    dies: "events_codec_test",
  },
  {
    name: "a reader that is brought up to date keeps its state",
    file: READABLE,
    edits: [["    if (this.#parts.isReadOnly) this.#parts.state = loadState(this.wal, {});\n", ""]],
    dies: "events_producers_test",
  },
  {
    name: "any number of bytes may wait for a flush",
    file: WRITER,
    edits: [["    this.requireRoom(bytes);\n", ""]],
    dies: "events_pressure_test",
  },
  {
    name: "bytes count as durable that were written while the flush ran",
    file: WRITER,
    edits: [[
      "this.unflushed = this.unflushed.filter(({ last }) => last > durableIndex);",
      "this.unflushed = [];",
    ]],
    dies: "events_pressure_test",
  },
  {
    name: "an event that is larger than the bound is never taken",
    file: WRITER,
    edits: [["if (pendingBytes > 0 && pendingBytes + bytes", "if (pendingBytes + bytes"]],
    dies: "events_pressure_test",
  },
  {
    name: "closing the stream does not wait for a flush",
    file: WRITABLE,
    edits: [["void await writer.sync()", "void writer.sync()"]],
    dies: "events_pressure_test",
  },
  {
    name: "the stream does not wait for flushes",
    file: WRITER,
    edits: [[
      "if (this.pendingBytes * 2 >= this.log.maxPendingBytes) await flushed;",
      "if (this.pendingBytes < 0) await flushed;",
    ]],
    dies: "events_pressure_test",
  },
  {
    name: "the stream fails because others have written much",
    file: WRITABLE,
    edits: [['error.code === "OVERLOADED"', 'error.code === "BUSY"']],
    dies: "events_pressure_test",
  },
  {
    name: "bytes that are no UTF-8 are decoded as other text",
    file: CODEC,
    edits: [['return text.includes("\\ufffd") ? decoder.decode(bytes) : text;', "return text;"]],
    dies: "events_codec_test",
  },
  ...EVENT_TEXT_MUTANTS,
];
