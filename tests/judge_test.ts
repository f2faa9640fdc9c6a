/** The quality of recovery over a few seeds of each kind of damage, and whether the judge detects wrong logs. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type HardState, type Index, MemoryLog, WalLog } from "../mod.ts";
import { CHECKPOINT_BYTES } from "../src/format/checkpoint.ts";
import { Random, SimulatedDisk } from "../src/testing/mod.ts";
import { runCase } from "./judge/case.ts";
import { blot, type Files } from "./judge/contents.ts";
import { FRAMES_AT } from "./judge/layout.ts";
import { expectedOf } from "./judge/expected.ts";
import { addFigures, type Figures, lostUnnamed, noFigures } from "./judge/figures.ts";
import { KINDS } from "./judge/kinds.ts";
import { openFiles } from "./judge/reading.ts";
import { HistoryWriter, type Open } from "./judge/writing.ts";

/** Histories of each kind; `deno task judge --seeds N` runs any number. */
const SEEDS = 3;
/** Histories of each kind that is known to be weak: enough to see it. */
const SEEDS_WEAK = 10;

/** The figures of a kind, and what was lost. */
function run(id: string, seeds: number, open: Open = WalLog.openSync): { figures: Figures; notes: string } {
  const kind = KINDS.find((one) => one.id === id)!;
  const figures = noFigures();
  const notes: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const found = runCase(kind, seed, open);
    addFigures(figures, found.figures);
    if (found.notes.length > 0) notes.push(`seed ${seed}: ${found.notes.join("\n  ")}`);
  }
  return { figures, notes: notes.join("\n") };
}

/** Opens logs, and replaces some of their properties. */
function withInstead(properties: (log: WalLog) => Partial<Record<keyof WalLog, unknown>>): Open {
  return (path, options) => {
    const log = WalLog.openSync(path, options);
    return new Proxy(log, {
      get(target, name) {
        const instead = properties(target);
        if (name in instead) return instead[name as keyof WalLog];
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
}

describe("recovery of a damaged log", () => {
  for (const { id, title, weakness } of KINDS) {
    if (weakness !== undefined) continue;
    it(`reports every loss: ${title}`, () => {
      const { figures, notes } = run(id, SEEDS);
      assert.equal(lostUnnamed(figures), 0, notes);
      assert.equal(figures.failures, 0, notes);
    });
  }

  for (const { id, title, weakness } of KINDS) {
    if (weakness === undefined) continue;
    it(`is known to be weak: ${title}`, () => {
      const { figures, notes } = run(id, SEEDS_WEAK);
      assert(lostUnnamed(figures) > 0, `${id} is not weak any more: take its weakness off the list`);
      assert.equal(figures.failures, 0, notes);
    });
  }

  it("refuses a closed log whose last page is zeroed, and does not forget its vote", () => {
    const disk = new SimulatedDisk({ seed: 1 });
    const empty = new MemoryLog();
    const writer = new HistoryWriter(new Random(1), disk, 1 << 20, empty, expectedOf(empty));
    writer.open();
    writer.writeVoteLast(20);
    const { files, segmentBytes } = writer.end("closed");
    const path = [...files.keys()].find((name) => name.endsWith(".seg"))!;
    const { length } = files.get(path)!;
    for (const bytes of [CHECKPOINT_BYTES, 400, 4096]) {
      const damaged: Files = new Map(files);
      blot(damaged, path, Math.max(length - bytes, FRAMES_AT), length, "zeros", new Random(1));
      const isEnough = bytes === CHECKPOINT_BYTES;
      const opened = openFiles(damaged, segmentBytes, "fail", WalLog.openSync, 1);
      assert.equal(opened.outcome, isEnough ? "opened" : "refused", `${bytes} bytes`);
      const kept = openFiles(damaged, segmentBytes, "keep", WalLog.openSync, 1);
      assert(kept.outcome === "opened");
      assert.deepEqual(kept.log.hardState, { term: 9, votedFor: 3n }, `${bytes} bytes`);
      assert.equal(kept.log.lastIndex, 20, `${bytes} bytes`);
    }
  });
});

describe("the judge", () => {
  it("gives the same result each time", () => {
    assert.deepEqual(run("goes-on", 3), run("goes-on", 3));
  });

  it("notices a log that hides its damage reports", () => {
    const open = withInstead(() => ({ damaged: [] }));
    assert(lostUnnamed(run("zero-page", 3, open).figures) > 0);
    assert(lostUnnamed(run("goes-on", 3, open).figures) > 0);
  });

  it("notices a log that forgets an entry", () => {
    const open = withInstead((log) => ({
      entry: (index: Index) => index === log.snapshotIndex + 3 ? undefined : log.entry(index),
    }));
    const { figures } = run("header-copy", 3, open);
    assert.equal(figures.lostEntries, 3);
  });

  it("notices a log that returns one entry for another", () => {
    const open = withInstead((log) => ({
      entry: (index: Index) => index === log.snapshotIndex + 3 ? log.entry(index - 1) : log.entry(index),
    }));
    assert.equal(run("header-copy", 3, open).figures.lostEntries, 3);
  });

  it("notices a log that falls back to an older hard state", () => {
    const older: HardState = { term: 0, votedFor: null };
    const open = withInstead(() => ({ hardState: older }));
    const { figures } = run("header-copy", 3, open);
    assert.equal(figures.lostHardStates, 3);
  });

  it("notices a log that has lost its snapshot", () => {
    const open = withInstead(() => ({ snapshot: () => undefined }));
    assert.equal(run("gap-all-sealed", 5, open).figures.lostSnapshots > 0, true);
  });

  it("counts reported undamaged entries separately from damaged ones", () => {
    const open = withInstead((log) => ({
      damaged: [{ kind: "frames", firstIndex: 1, lastIndex: log.lastIndex }],
    }));
    const { figures: { acknowledged, hit, within, elsewhere } } = run("flip-entry", 3, open);
    assert(hit >= 3 && hit < acknowledged, `hit ${hit}`);
    assert.equal(elsewhere, acknowledged - hit - within);
  });

  it("counts an opening that throws anything but CORRUPT", () => {
    const open: Open = () => {
      throw new TypeError("no log");
    };
    assert.equal(run("flip-entry", 2, open).figures.failures, 6);
  });
});
