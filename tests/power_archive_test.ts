/** The judge of archives in `deno task power`. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { describe, it } from "node:test";
import { ArchiveJudge } from "../scripts/power/archive_judge.ts";
import { ArchiveDamage, readArchive } from "../scripts/power/archived.ts";
import { decode, type Files } from "../scripts/power/decoder.ts";
import { type Contents, type Entry, NOTHING } from "../scripts/power/history.ts";
import { Judge } from "../scripts/power/judge.ts";
import type { Orders, Report } from "../scripts/power/orders.ts";
import { filesOf, objectsOf, Writer } from "../scripts/power/writer.ts";
import { skip } from "./format_decoder.ts";
import { inTemporaryFolder } from "./temporary.ts";

const CLAIM = { "claims/00000001": "" };
const SALT = "00000000000000aa";
const BASE = { [`generations/00000001/base/00000000-000000000000-${"0".repeat(16)}-${"0".repeat(16)}`]: "" };

/** A piece of a segment, filled with a byte. */
function piece(
  segment: number,
  range: readonly [from: number, to: number],
  { floor = 1, snapshot = 0, ended = 1, generation = 1, salt = SALT, byte = segment, baseLsn = 100 * segment } = {},
): Files {
  const digits = (value: number, length = 16) => String(value).padStart(length, "0");
  const folder = [digits(segment, 12), digits(baseLsn), digits(floor), salt].join("-");
  const numbers = [...range, floor, floor, snapshot, snapshot].map((value) => digits(value));
  const name = [...numbers, ended, digits(0, 15), "0".repeat(16)].join("-");
  const bytes = Buffer.alloc(range[1] - range[0], byte);
  return { [`generations/${digits(generation, 8)}/segments/${folder}/${name}`]: bytes.toString("base64") };
}

function base(generation: number, parent: number, segment: number, end: number): Files {
  const limit = `${String(segment).padStart(12, "0")}-${SALT}-${String(end).padStart(16, "0")}`;
  return {
    [`claims/0000000${generation}`]: "",
    [`generations/0000000${generation}/base/0000000${parent}-${limit}`]: "",
  };
}

/** The files in an archive, each as its bytes. */
function read(store: Files): Record<string, number[]> {
  const files = Object.entries(readArchive(store) ?? {});
  return Object.fromEntries(files.map(([name, text]) => [name, [...Buffer.from(text, "base64")]]));
}

describe("reading an archive by hand", () => {
  it("joins pieces, also those that overlap after a merge", () => {
    const store = { ...CLAIM, ...BASE, ...piece(1, [0, 2]), ...piece(1, [2, 3]), ...piece(1, [0, 3], { byte: 9 }) };
    assert.deepEqual(read(store), { "000000000001.seg": [9, 9, 9] });
    assert.deepEqual(read({ ...CLAIM, ...BASE, ...piece(1, [0, 2]), ...piece(1, [2, 3], { byte: 7 }) }), {
      "000000000001.seg": [1, 1, 7],
    });
  });

  it("leaves out the pieces of a step that has not ended", () => {
    const store = { ...CLAIM, ...BASE, ...piece(1, [0, 2]), ...piece(1, [2, 3], { ended: 0 }) };
    assert.deepEqual(read(store), { "000000000001.seg": [1, 1] });
    assert.equal(readArchive({ ...CLAIM, ...BASE, ...piece(1, [0, 2], { ended: 0 }) }), undefined);
  });

  it("takes a continued generation up to the base, and nothing of one that was left", () => {
    const store = {
      ...CLAIM,
      ...BASE,
      ...piece(1, [0, 2]),
      ...piece(1, [2, 4]),
      ...base(2, 1, 1, 2),
      ...piece(1, [2, 3], { generation: 2, byte: 8 }),
    };
    assert.deepEqual(read(store), { "000000000001.seg": [1, 1, 8] });
    const restarted = { ...store, ...base(2, 0, 0, 0), ...base(3, 0, 0, 0), ...piece(5, [0, 1], { generation: 3 }) };
    assert.deepEqual(read(restarted), { "000000000005.seg": [5] });
  });

  it("leaves out a segment that begins where a later one begins", { skip }, () => {
    const later = { ...piece(2, [0, 2], { floor: 5 }), ...piece(3, [0, 1], { floor: 5, baseLsn: 200 }) };
    const store = { ...CLAIM, ...BASE, ...piece(1, [0, 1]), ...later };
    assert.deepEqual(Object.keys(read(store)), ["000000000001.seg", "000000000003.seg"]);
  });

  it("takes the segment of the newer generation if two have the same number", () => {
    const other = piece(1, [0, 3], { generation: 2, salt: "bb".repeat(8), byte: 5, baseLsn: 150 });
    const store = { ...CLAIM, ...BASE, ...piece(1, [0, 2]), ...base(2, 1, 1, 2), ...other };
    assert.deepEqual(read(store), { "000000000001.seg": [5, 5, 5] });
  });

  it("writes the pointer to the next segment, without which copies of frames do not count", { skip }, () => {
    const store = { ...CLAIM, ...BASE, ...piece(1, [0, 16384]), ...piece(2, [0, 16392], { floor: 5 }) };
    const [one, two] = Object.values(read(store)).map((bytes) => Buffer.from(bytes));
    for (const at of [1024, 13312]) {
      assert.equal(one!.toString("latin1", at, at + 8), "WALLOGNX");
      assert.deepEqual([8, 16, 24].map((offset) => one!.readBigUInt64LE(at + offset)), [2n, 200n, 16592n]);
    }
    assert.ok(two!.every((byte) => byte === 2));
  });

  it("begins at the last segment before which the snapshot covers everything", { skip }, () => {
    const one = { ...CLAIM, ...BASE, ...piece(1, [0, 1]), ...piece(2, [0, 1], { floor: 5 }) };
    const store = (snapshot: number) => ({ ...one, ...piece(3, [0, 1], { floor: 8, snapshot }) });
    assert.deepEqual(Object.keys(read(store(7))), ["000000000003.seg"]);
    assert.deepEqual(Object.keys(read(store(6))), ["000000000002.seg", "000000000003.seg"]);
    const late = { ...CLAIM, ...BASE, ...piece(3, [0, 1], { floor: 8, snapshot: 3 }) };
    assert.throws(() => readArchive(late), /entries from index 4 to 7 are missing/);
  });

  it("takes the snapshots of its generations under their names in a log", () => {
    const key = (generation: number) =>
      `generations/0000000${generation}/snapshots/${"0".repeat(15)}7-${"0".repeat(15)}2-${"0".repeat(33)}`;
    const store = { ...CLAIM, ...BASE, ...piece(1, [0, 1]), [key(1)]: "AQ==", [key(2)]: "Ag==" };
    assert.deepEqual(read(store)["000000000007-000000000002.snap"], [1]);
  });

  it("reports a missing claim, a missing base, and an object of another size", () => {
    const torn = Object.fromEntries(Object.keys(piece(1, [0, 2])).map((key) => [key, ""]));
    assert.throws(() => readArchive({ ...BASE, ...piece(1, [0, 2]) }), /the claim of generation 1 is missing/);
    assert.throws(() => readArchive({ ...CLAIM, ...piece(1, [0, 2]) }), /the base of generation 1 is missing/);
    assert.throws(() => readArchive({ ...CLAIM, ...BASE, ...torn }), ArchiveDamage);
  });
});

const entry = (term: number, command: string): Entry => ({ term, kind: "normal", command });
const state = (entries: readonly Entry[], term = 0): Contents => ({
  hardState: { term, votedFor: null },
  snapshot: null,
  entries: Object.fromEntries(entries.map((entry, i) => [i + 1, entry])),
});
const [A, B, C] = [entry(1, "aa"), entry(1, "bb"), entry(2, "cc")];
/** A history: two entries, a vote, a truncation, and another second entry. */
const STATES = [NOTHING, state([A]), state([A, B]), state([A, B], 5), state([A], 5), state([A, C], 5)];

/** What the judge says about archives that hold each of the states, after a promise and a cut. */
function judged(promise: readonly [index: number, number: number] | undefined, log: Contents): number[] {
  return STATES.flatMap((archived, i) => {
    const judge = new ArchiveJudge(() => ({ verdict: "clean", damage: null, contents: archived }));
    for (const contents of STATES.slice(1)) judge.step(contents);
    if (promise !== undefined) assert.equal(judge.archived(...promise), undefined);
    const problem = judge.found({ ...CLAIM, ...BASE, ...piece(1, [0, 1]) }, log);
    return problem === undefined ? [i] : [];
  });
}

describe("the judge of archives", () => {
  it("accepts the states from the archived entry to the log's, and no others", () => {
    assert.deepEqual(judged(undefined, STATES[5]!), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(judged([2, 2], STATES[5]!), [2, 3, 4, 5]);
    assert.deepEqual(judged([2, 2], STATES[3]!), [2, 3]);
    assert.deepEqual(judged([2, 5], STATES[5]!), [5]);
  });

  it("does not take a later vote or truncation as archived with an entry", () => {
    assert.deepEqual(judged([2, 3], STATES[4]!), [2, 3, 4]);
    assert.deepEqual(judged([1, 4], STATES[4]!), [1, 2, 3, 4]);
  });

  it("rejects a state that the log has lost", () => {
    const judge = new ArchiveJudge(() => ({ verdict: "clean", damage: null, contents: STATES[3]! }));
    for (const contents of STATES.slice(1)) judge.step(contents);
    assert.match(judge.found({ ...CLAIM, ...BASE, ...piece(1, [0, 1]) }, STATES[1]!)!, /that the log has lost/);
  });

  it("takes a log that returned to an earlier state to be as new as it may be", () => {
    const judge = new ArchiveJudge(() => ({ verdict: "clean", damage: null, contents: STATES[2]! }));
    for (const contents of [STATES[1]!, STATES[2]!, STATES[1]!]) judge.step(contents);
    assert.equal(judge.found({ ...CLAIM, ...BASE, ...piece(1, [0, 1]) }, STATES[1]!), undefined);
  });

  it("keeps a promise over several cuts", () => {
    const judge = new ArchiveJudge(() => ({ verdict: "clean", damage: null, contents: STATES[1]! }));
    const store = { ...CLAIM, ...BASE, ...piece(1, [0, 1]) };
    for (const contents of STATES.slice(1, 3)) judge.step(contents);
    assert.equal(judge.found(store, STATES[2]!), undefined);
    judge.step(STATES[3]!);
    assert.equal(judge.archived(2, 1), undefined);
    assert.match(judge.found(store, STATES[3]!)!, /not a state/);
  });

  it("rejects a damaged archive, a missing one, and a report about an entry that never was", () => {
    const judge = new ArchiveJudge(() => ({ verdict: "corrupt", damage: "no valid frame", contents: NOTHING }));
    judge.step(STATES[1]!);
    assert.match(judge.archived(2, 1)!, /index 2 after step 1/);
    assert.equal(judge.found({}, STATES[1]!), undefined);
    assert.match(judge.found({ ...CLAIM, ...BASE, ...piece(1, [0, 1]) }, STATES[1]!)!, /no valid frame/);
    assert.match(judge.found(piece(1, [0, 1]), STATES[1]!)!, /the claim/);
    judge.step(STATES[1]!);
    judge.archived(1, 1);
    assert.match(judge.found({}, STATES[1]!)!, /not a state/);
  });
});

/** Writes a history. Returns what the judge would say if the guest were killed at some reports of archived indexes. */
async function killedAtReports(orders: Orders): Promise<(string | undefined)[]> {
  return await inTemporaryFolder(async (folder) => {
    const [log, store] = [join(folder, "log"), join(folder, "store")];
    const found = () => ({ is: "found", files: filesOf(log), store: objectsOf(store) }) as const;
    const reports: Report[] = [{ is: "found", files: {}, store: {} }];
    const stops: { readonly count: number; readonly report: Report }[] = [];
    let promises = 0;
    await new Writer(log, store, orders, (report) => {
      const count = reports.push(report);
      if (report.is === "archived" && promises++ % 5 === 0) stops.push({ count, report: found() });
    }).write();
    return stops.map(({ count, report }) => {
      const judge = new Judge(decode);
      judge.begin(orders.key);
      for (const earlier of reports.slice(0, count)) judge.take(earlier);
      judge.begin("the next");
      judge.take(report);
      return judge.problem;
    });
  });
}

describe("a history that is shipped", () => {
  const orders: Orders = { fs: "", key: "shipped", steps: 60, segmentBytes: 4096, ships: true };

  it("has in its archive what it reports as archived", { skip }, async () => {
    const problems = await killedAtReports(orders);
    assert.ok(problems.length > 2);
    assert.deepEqual(problems.filter((problem) => problem !== undefined), []);
  });

  it("is rejected if it reports indexes before they are archived", { skip }, async () => {
    const problems = await killedAtReports({ ...orders, archivesEarly: true });
    assert.match(problems.join(), /its archive was reported to hold/);
  });
});
