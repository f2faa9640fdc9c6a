/**
 * The suite's tests of invalid input, which every log must refuse.
 *
 * @module
 */

import assert from "node:assert/strict";
import { describe } from "node:test";
import type { WalLogErrorCode } from "../../src/api/errors.ts";
import type { HardState, Index, LogEntry, Snapshot } from "../../src/api/types.ts";
import {
  ENTRY_BYTES_MAX,
  entryAt,
  fill,
  forbidden,
  MAX,
  range,
  REFUSED_META,
  refuses,
  snapshotAt,
  type Suite,
  works,
} from "./subject.ts";

/** Arguments out of their domain. */
export function badInput({ name, test }: Suite): void {
  describe(`${name}: bad input`, () => {
    test("refuses a gap or an overlap and names the expected index", (log) => {
      const gap = (index: Index, expected: Index) =>
        refuses(
          log,
          "NOT_CONTIGUOUS",
          new RegExp(`^Cannot append at index ${index}: expected index ${expected}$`),
          () => log.append([entryAt(index, 5)]),
        );
      gap(2, 1);
      gap(7, 1);
      gap(MAX, 1);
      fill(log);
      gap(22, 21);
      gap(20, 21);
      gap(11, 21);
      gap(10, 21);
      gap(1, 21);
      works(log);
    });

    test("refuses a batch with a gap as a whole", (log) => {
      fill(log);
      const message = /^Cannot append at index (24|22|21): expected index (23|22)$/;
      refuses(log, "NOT_CONTIGUOUS", message, () => log.append([...range(21, 22, 4), entryAt(24, 4)]));
      refuses(log, "NOT_CONTIGUOUS", message, () => log.append([...range(21, 22, 4), entryAt(22, 4)]));
      refuses(log, "NOT_CONTIGUOUS", message, () => log.append([entryAt(21, 4), entryAt(21, 4)]));
      works(log);
    });

    test("refuses a batch because of its last entry, and writes none of it", (log) => {
      fill(log);
      const good = range(21, 120, 4);
      const bad: [WalLogErrorCode, RegExp, unknown][] = [
        ["NOT_CONTIGUOUS", /at index 122: expected index 121/, entryAt(122, 4)],
        ["INVALID_ARGUMENT", /at index 121: terms never decrease, found term 3 after term 4/, entryAt(121, 3)],
        ["INVALID_ARGUMENT", /at index 121: the term must be/, entryAt(121, NaN)],
        ["INVALID_ARGUMENT", /at index 121: expected an entry, found undefined/, undefined],
        ["ENTRY_TOO_LARGE", /at index 121: the command has/, entryAt(121, 4, new Uint8Array(ENTRY_BYTES_MAX + 1))],
      ];
      for (const [code, message, entry] of bad) {
        refuses(log, code, message, () => log.append([...good, forbidden<LogEntry>(entry)]));
      }
      log.append(good);
      assert.equal(log.lastIndex, 120);
    });

    test("refuses a command over the limit", (log) => {
      fill(log);
      const message = /at index 21: the command has 67108865 bytes, at most 67108864 are allowed \(maxEntryBytes\)/;
      const command = new Uint8Array(ENTRY_BYTES_MAX + 1);
      refuses(log, "ENTRY_TOO_LARGE", message, () => log.append([entryAt(21, 4, command)]));
      assert.equal(log.maxEntryBytes, ENTRY_BYTES_MAX);
      works(log);
    });

    test("refuses a term below that of the entry before, or of the snapshot", (log) => {
      fill(log);
      const message = /at index \d+: terms never decrease, found term \d after term \d$/;
      refuses(log, "INVALID_ARGUMENT", message, () => log.append([entryAt(21, 3)]));
      refuses(log, "INVALID_ARGUMENT", message, () => log.append([entryAt(21, 0)]));
      refuses(log, "INVALID_ARGUMENT", message, () => log.append([entryAt(21, 6), entryAt(22, 5)]));
      log.truncate(11);
      refuses(log, "INVALID_ARGUMENT", message, () => log.append([entryAt(11, 2)]));
      works(log);
    });

    test("refuses an index that is not a safe integer of 1 or more", (log) => {
      fill(log);
      for (const index of [0, -1, 1.5, 21.5, NaN, Infinity, -Infinity, 2 ** 53, 21n, "21", null, undefined, {}]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append at index 21: the entry's index must be a safe integer of 1 or more, found /,
          () => log.append([{ ...entryAt(21, 4), index: forbidden<number>(index) }]),
        );
      }
      works(log);
    });

    test("refuses a term that is not a safe integer of 0 or more", (log) => {
      fill(log);
      for (const term of [-1, 4.5, NaN, Infinity, -Infinity, 2 ** 53, 4n, "4", null, undefined, {}]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append at index 21: the term must be a safe integer of 0 or more, found /,
          () => log.append([{ ...entryAt(21), term: forbidden<number>(term) }]),
        );
      }
      works(log);
    });

    test("refuses an unknown kind", (log) => {
      fill(log);
      for (const kind of ["", "Normal", "snapshot", 0, 1, null, "x".repeat(1000)]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append at index 21: the kind must be "normal" or "config", found .{1,100}$/,
          () => log.append([{ ...entryAt(21, 4), kind: forbidden<"normal">(kind) }]),
        );
      }
      works(log);
    });

    test("refuses a command that is not a Uint8Array", (log) => {
      fill(log);
      const values = ["bytes", [1, 2], new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), new Uint16Array(2)];
      for (const command of [...values, new Uint8ClampedArray(4), { length: 4 }, 4, null, undefined]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append at index 21: the command must be a Uint8Array, found /,
          () => log.append([{ ...entryAt(21, 4), command: forbidden<Uint8Array>(command) }]),
        );
      }
      works(log);
    });

    test("refuses bytes whose buffer was transferred, instead of storing no bytes", (log) => {
      fill(log);
      const bytes = new Uint8Array(10);
      structuredClone(bytes, { transfer: [bytes.buffer] });
      refuses(log, "INVALID_ARGUMENT", /transferred away/, () => log.append([entryAt(21, 4, bytes)]));
      refuses(log, "INVALID_ARGUMENT", /transferred away/, () => log.applySnapshot(snapshotAt(12, 3, bytes)));
      works(log);
    });

    test("refuses an argument that is not a list of entries", (log) => {
      fill(log);
      for (const entry of [undefined, null, 1, "entry", () => {}, Symbol("entry")]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append at index 21: expected an entry, found /,
          () => log.append([forbidden<LogEntry>(entry)]),
        );
      }
      for (const entries of [undefined, null, entryAt(21), "entries", { length: 0 }, new Set([entryAt(21)])]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot append: expected an array of entries, found /,
          () => log.append(forbidden<LogEntry[]>(entries)),
        );
      }
      works(log);
    });

    test("refuses to truncate at or below the snapshot", (log) => {
      fill(log);
      for (const from of [10, 9, 1]) {
        refuses(
          log,
          "COMPACTED",
          new RegExp(`^Cannot truncate from index ${from}: the snapshot at index 10 includes it$`),
          () => log.truncate(from),
        );
      }
      works(log);
    });

    test("refuses to truncate from an invalid index", (log) => {
      const message = /^Cannot truncate: the first index to drop must be a safe integer of 1 or more, found /;
      for (let round = 0; round < 2; round++) {
        for (const from of [0, -1, 1.5, NaN, Infinity, 2 ** 53, 11n, "11", null, undefined]) {
          refuses(log, "INVALID_ARGUMENT", message, () => log.truncate(forbidden<number>(from)));
        }
        if (round === 0) fill(log);
      }
      works(log);
    });

    test("refuses a hard state with an invalid term or vote", (log) => {
      fill(log);
      for (const term of [-1, 1.5, NaN, Infinity, 2 ** 53, 6n, "6", null, undefined]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot set the hard state: the term must be a safe integer of 0 or more, found /,
          () => log.setHardState({ term: forbidden<number>(term), votedFor: null }),
        );
      }
      for (const votedFor of [-1n, 2n ** 64n, 1, 0, "1", undefined, {}]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot set the hard state: the vote must be null or a bigint from 0 to 2\^64 - 1, found /,
          () => log.setHardState({ term: 6, votedFor: forbidden<bigint>(votedFor) }),
        );
      }
      for (const state of [undefined, null, 6, "state"]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot set the hard state: expected a term and a vote, found /,
          () => log.setHardState(forbidden<HardState>(state)),
        );
      }
      log.setHardState({ term: 6, votedFor: null });
      works(log);
    });

    test("refuses an invalid snapshot, even a stale one", (log) => {
      fill(log);
      const apply = (message: RegExp, fields: Record<string, unknown>) => {
        for (const index of [12, 5]) {
          const snapshot = forbidden<Snapshot>({ ...snapshotAt(index, 3), ...fields });
          refuses(log, "INVALID_ARGUMENT", message, () => log.applySnapshot(snapshot));
        }
      };
      for (const index of [0, -1, 12.5, NaN, Infinity, 2 ** 53, 12n, "12", undefined]) {
        apply(/^Cannot apply the snapshot: the index must be a safe integer of 1 or more, found /, { index });
      }
      for (const term of [-1, 3.5, NaN, Infinity, 2 ** 53, 3n, "3", undefined]) {
        apply(/at index \d+: the term must be a safe integer of 0 or more, found /, { term });
      }
      for (const config of [undefined, null, 1n, "1", new Set([1n])]) {
        apply(/at index \d+: the configuration must be an array, found /, { config });
      }
      for (const member of [-1n, 2n ** 64n, 1, "1", undefined]) {
        apply(/at index \d+: the members must be bigints from 0 to 2\^64 - 1, found /, { config: [1n, member] });
      }
      apply(/at index \d+: at most 65536 members can be named, found 65537/, { config: Array(65_537).fill(1n) });
      for (const data of [undefined, null, "data", [1], new ArrayBuffer(3), new Uint16Array(3)]) {
        apply(/at index \d+: the data must be a Uint8Array, found /, { data });
      }
      for (const [fields, message] of REFUSED_META) apply(message, fields);
      for (const snapshot of [undefined, null, 12, "snapshot"]) {
        refuses(
          log,
          "INVALID_ARGUMENT",
          /^Cannot apply the snapshot: expected a snapshot, found /,
          () => log.applySnapshot(forbidden<Snapshot>(snapshot)),
        );
      }
      log.applySnapshot(snapshotAt(12, 3));
      assert.equal(log.lastIndex, 20);
      works(log);
    });

    test("refuses to read at an invalid index", (log) => {
      fill(log);
      const message = /^Cannot read the log: an index must be a safe integer of 0 or more, found /;
      for (const value of [-1, 11.5, NaN, Infinity, -Infinity, 2 ** 53 + 2, 11n, "11", null, undefined]) {
        const index = forbidden<number>(value);
        refuses(log, "INVALID_ARGUMENT", message, () => log.entry(index));
        refuses(log, "INVALID_ARGUMENT", message, () => log.termAt(index));
        refuses(log, "INVALID_ARGUMENT", message, () => log.entries(index, 20));
        refuses(log, "INVALID_ARGUMENT", message, () => log.entries(11, index));
      }
      works(log);
    });

    test("refuses an invalid maxBytes", (log) => {
      fill(log);
      const message = /^Cannot read the log: maxBytes must be a number of 0 or more, found /;
      for (const value of [-1, NaN, -Infinity, 10n, "10", null]) {
        const maxBytes = forbidden<number>(value);
        refuses(log, "INVALID_ARGUMENT", message, () => log.entries(11, 20, { maxBytes }));
        refuses(log, "INVALID_ARGUMENT", message, () => log.entries(30, 20, { maxBytes }));
      }
      works(log);
    });
  });
}
