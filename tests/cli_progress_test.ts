/** The line that shows on a terminal how far a long step is. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { copyProgressLine, paceText, progressLine } from "../src/cli/progress.ts";

const GIB = 2 ** 30;

describe("paceText", () => {
  it("gives the throughput and the time left", () => {
    const half = { bytesDone: GIB, bytesTotal: 2 * GIB };
    assert.equal(paceText(half, 4, "bytes"), "256.0 MiB/s, 4 s left");
    assert.equal(paceText({ bytesDone: 1000, bytesTotal: 1_001_000 }, 2, "entries"), "500 entries/s, 33 min 20 s left");
    assert.equal(paceText({ bytesDone: 1, bytesTotal: 5 }, 1800, "runs"), "2 h 0 min left");
    assert.equal(paceText({ bytesDone: 3, bytesTotal: 4 }, 200, "bytes"), "0 bytes/s, 1 min 7 s left");
  });

  it("gives nothing while it is too early to tell", () => {
    assert.equal(paceText({ bytesDone: GIB, bytesTotal: 2 * GIB }, 0.9, "bytes"), "");
    assert.equal(paceText({ bytesDone: 0, bytesTotal: 2 * GIB }, 9, "bytes"), "");
  });

  it("gives no negative time if there was more to do than expected", () => {
    assert.equal(paceText({ bytesDone: 200, bytesTotal: 100 }, 2, "bytes"), "100 bytes/s, 0 s left");
  });
});

describe("progressLine", () => {
  /** Shows two states of a step, three seconds apart. */
  async function shown(isTTY: boolean): Promise<string> {
    let text = "";
    let time = 0;
    const stream = { isTTY, write: (part: string) => text += part };
    const line = progressLine("reading", "bytes", { stream, now: () => time });
    // The line is not drawn at once.
    await new Promise((resolve) => setTimeout(resolve, 120));
    time = 3000;
    line.show({ bytesDone: 3 * 1024, bytesTotal: 4 * 1024 });
    line.clear();
    return text;
  }

  it("shows a bar with the throughput and the time left on a terminal", async () => {
    // deno-lint-ignore no-control-regex
    const plain = (await shown(true)).replace(/\x1b\[[0-9;]*[mK]/g, "");
    assert.equal(plain, `\rreading [${"#".repeat(18)}${".".repeat(6)}]  75%  1.0 KiB/s, 1 s left\r`);
  });

  it("shows nothing elsewhere", async () => {
    assert.equal(await shown(false), "");
  });
});

describe("copyProgressLine", () => {
  it("shows first the bytes of the snapshot, then the entries", async () => {
    let text = "";
    let time = 0;
    const stream = { isTTY: true, write: (part: string) => text += part };
    const line = copyProgressLine("copying", { stream, now: () => time });
    for (const part of ["snapshot", "entries"] as const) {
      line.show({ part, done: 1, total: 4096 });
      await new Promise((resolve) => setTimeout(resolve, 120));
      time += 2000;
      line.show({ part, done: 2048, total: 4096 });
    }
    line.clear();
    // deno-lint-ignore no-control-regex
    const plain = text.replace(/\x1b\[[0-9;]*[mK]/g, "");
    assert.match(plain, /copying the snapshot \[#{12}\.{12}\] {2}50% {2}1\.0 KiB\/s, 2 s left/);
    assert.match(plain, /copying \[#{12}\.{12}\] {2}50% {2}1,024 entries\/s, 2 s left\r$/);
  });
});
