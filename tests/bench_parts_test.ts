/** The recorded figures of the parts around the log, and their place on the page of benchmarks. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { renderPage } from "../bench/markdown.ts";
import { figure, type PartRun, withRun } from "../bench/part_report.ts";

describe("The parts around the log", () => {
  const machine = {
    ...{ date: "2026-01-01 00:00 UTC", cpu: "cpu", cores: 2, memoryBytes: 2 ** 30, system: "Linux" },
    ...{ fileSystem: "ext4", commit: "abc", load: 0 },
  };
  const run = (runtime: string, rate: number): PartRun => ({
    ...{ runtime, machine, work: "Some work." },
    figures: [figure("EventLog, 64 producers", "perSecond", [rate, 3 * rate, 2 * rate], "at least 9/s")],
  });
  const all = [run("Node 24.1.0", 1000), run("Bun 1.0.0", 2000), run("Node 24.2.0", 3000)]
    .reduce((earlier: ReturnType<typeof withRun> | undefined, one) => withRun(earlier, "events", one), undefined);

  it("keep the last run of each runtime", () => {
    assert.deepEqual(all!.runs.map(({ runtime }) => runtime), ["Bun 1.0.0", "Node 24.2.0"]);
  });

  it("are on the page, and the main figures at its beginning", () => {
    const { markdown } = renderPage({ events: all! }, "charts");
    assert.match(
      markdown,
      /\| EventLog, 64 producers \| Node 24\.2\.0 \| 6,000\/s \(3,000\/s to 9,000\/s\) *\| at least 9\/s \|/,
    );
    assert.match(markdown, /\| append, 64 producers \| +\| 4,000\/s \| 6,000\/s \|/);
    assert.ok(markdown.indexOf("## At a glance") < markdown.indexOf("## An event log"));
  });

  it("are left out where nothing is recorded", () => {
    const { markdown } = renderPage({}, "charts");
    assert.doesNotMatch(markdown, /At a glance|An event log/);
  });
});
