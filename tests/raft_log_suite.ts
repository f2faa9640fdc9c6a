/**
 * The suite for every log. It runs against each implementation.
 *
 * @module
 */

import { it } from "node:test";
import { assertSameState, stateOf } from "./model.ts";
import { badInput } from "./raft_log/bad_input.ts";
import { flushes, hardStates, truncations } from "./raft_log/changes.ts";
import { compaction } from "./raft_log/compaction.ts";
import { endOfNumbers } from "./raft_log/end_of_numbers.ts";
import { appendingAndReading, copies, emptyLog } from "./raft_log/reading.ts";
import { snapshotParts } from "./raft_log/parts.ts";
import { retentions } from "./raft_log/retentions.ts";
import { snapshots } from "./raft_log/snapshots.ts";
import type { Subject, Suite } from "./raft_log/subject.ts";

/**
 * Declares the suite for one kind of log. Each test gets a log of its own, and ends with the check that
 * reopening the log, where it can be, changes nothing.
 *
 * @param name The name of the log in the tests' names.
 * @param make Makes an empty log.
 */
export function raftLogSuite(name: string, make: () => Subject): void {
  const test: Suite["test"] = (sentence, body) => {
    it(sentence, async () => {
      const subject = make();
      try {
        await body(subject.log);
        if (subject.reopen !== undefined) {
          const before = stateOf(subject.log);
          assertSameState(stateOf(subject.reopen()), before, "after reopening");
        }
      } finally {
        subject.dispose();
      }
    });
  };
  const suite: Suite = { name, make, test };
  emptyLog(suite);
  appendingAndReading(suite);
  copies(suite);
  truncations(suite);
  hardStates(suite);
  snapshots(suite);
  snapshotParts(suite);
  compaction(suite);
  retentions(suite);
  flushes(suite);
  badInput(suite);
  endOfNumbers(suite);
}
