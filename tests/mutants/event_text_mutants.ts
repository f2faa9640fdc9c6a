/** Mutants of decoding the texts of many events together. */

import type { Mutant } from "./mutant.ts";

const TEXTS = "src/events/event_texts.ts";
const READER = "src/events/event_reader.ts";
const ITERATE = "events_iterate_test";

/** Mutants of `EventTexts`, and of the iteration over them. */
export const EVENT_TEXT_MUTANTS: readonly Mutant[] = [
  {
    name: "a text with wide characters is cut where it has other bytes",
    file: TEXTS,
    edits: [["const isExact = text.length === copy.length;", "const isExact = true as boolean;"]],
    dies: ITERATE,
  },
  {
    name: "texts that are not UTF-8 are decoded together",
    file: TEXTS,
    edits: [["one.includes(REPLACEMENT) ? undefined : one", "one"]],
    dies: "events_codec_test",
  },
  {
    name: "an iteration skips entries that no event log has written",
    file: TEXTS,
    edits: [['    if (kind === "config" || envelope.kind === "foreign") {', "    if (false as boolean) {"]],
    dies: ITERATE,
  },
  {
    name: "an iteration returns events of a log that was closed",
    file: READER,
    edits: [["nth < events.length && !walk.isStale;", "nth < events.length;"]],
    dies: ITERATE,
  },
];
