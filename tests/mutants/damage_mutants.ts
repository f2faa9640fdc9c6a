/**
 * Mutants of a damaged log: which damage counts, and how it is given up.
 *
 * @module
 */

import { JUDGE, LOG, REPLAY_STATE, RESUME, SEALED, SNAPSHOT_STORE, STATE, WASM_SCAN } from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const DAMAGE_MUTANTS: readonly Mutant[] = [
  {
    name: "a checkpoint proves a hard state that was lost when it was written",
    file: WASM_SCAN,
    edits: [["if (stateFlags > STATE_FLAG_VOTE) return SCAN_MORE;", ""]],
    dies: "damage_kept_test",
  },
  {
    name: "a truncation leaves dropped entries on the list of damage",
    file: STATE,
    edits: [["lastIndex !== undefined && firstIndex >= from", "lastIndex !== undefined && firstIndex > from"]],
    dies: "repair_test",
  },
  {
    name: "a lost hard state stays on the list of damage",
    file: STATE,
    edits: [["this.strike(({ firstIndex, lastIndex }) => firstIndex === undefined || lastIndex === undefined);", ""]],
    dies: "repair_test",
  },
  {
    name: "a snapshot of a lost entry drops all entries above it",
    file: SNAPSHOT_STORE,
    edits: [["log.keepsTail(index, term) !== true", "log.termAt(index) !== term"]],
    dies: "damage_healed_test",
  },
  {
    name: "a snapshot of a lost entry drops entries that may continue it",
    file: SNAPSHOT_STORE,
    edits: [["if (!force) this.requireTold(snapshot);", ""]],
    dies: "damage_healed_test",
  },
  {
    name: "a streamed snapshot drops entries that may continue it",
    file: SNAPSHOT_STORE,
    edits: [["if (!force) this.requireTold(meta);", ""]],
    dies: "damage_healed_test",
  },
  {
    name: "damage that a snapshot covers is listed until the log is opened again",
    file: SNAPSHOT_STORE,
    edits: [["state.damaged = state.damaged.filter(", "void state.damaged.filter("]],
    dies: "damage_healed_test",
  },
  {
    name: "an uncommitted segment stays as long as the log is damaged",
    file: RESUME,
    edits: [[
      "removeSuperseded(fileSystem, folder, recovered);",
      "if (found.damage.length === 0) removeSuperseded(fileSystem, folder, recovered);",
    ]],
    dies: "create_test",
  },
  {
    name: "a repaired term is forgotten if the next header did not know it",
    file: REPLAY_STATE,
    edits: [["else if (state.lastTerm === TERM_UNKNOWN) index.lastTerm = term;", ""]],
    dies: "replay_state_test",
  },
  {
    name: "searching for lost offsets overwrites the state of the replay",
    file: SEALED,
    edits: [[
      "const scanning = scanSegment(codec, segment,",
      "const scanning = scanSegment(this.codec, segment,",
    ]],
    dies: "damage_kept_test",
  },
  {
    name: "a lost header matters for ever",
    file: JUDGE,
    edits: [[
      'if (one.kind === "hard state" && !isBelow) return true;',
      'if (one.kind === "hard state" || one.kind === "segment header") return true;',
    ]],
    dies: "damage_healed_test",
  },
  {
    name: "a hard state makes the log forget that its end is unknown",
    file: LOG,
    edits: [['if (options.force !== true) this.#durability.requireTail("set the hard state");', ""]],
    dies: "damage_healed_test",
  },
];
