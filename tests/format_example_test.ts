/** The dump in docs/FORMAT.md, against the program that makes it. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { exampleFiles, explainExample } from "../scripts/format_example.ts";
import { HEADER_OFFSETS } from "../src/format/header_block.ts";
import { DOCS } from "./format_decoder.ts";

describe("docs/FORMAT.md", () => {
  const document = readFileSync(join(DOCS, "FORMAT.md"), "utf8");

  it("shows what the program prints", () => {
    const shown = document.slice(document.indexOf("## An example")).split("```")[3]!;
    assert.equal(shown.replace(/^text\n/, "").trimEnd(), explainExample());
  });

  it("shows every byte of the log except for zeros and a copy", () => {
    const shown = document.slice(document.indexOf("## An example")).split("```")[3]!;
    const parts = shown.split(/^(?=[^\s]+, \d+ bytes$)/m).slice(1);
    for (const [name, bytes] of exampleFiles()) {
      const part = parts.find((text) => text.startsWith(`${name}, `));
      assert.ok(part, name);
      const seen = new Uint8Array(bytes.length);
      for (const [, offset, text] of part.matchAll(/^([0-9a-f]{4}) {2}((?:[0-9a-f]{2} )*[0-9a-f]{2})(?= {2}|$)/gm)) {
        seen.set(Buffer.from(text!.replaceAll(" ", ""), "hex"), Number.parseInt(offset!, 16));
      }
      if (name.endsWith(".seg")) seen.fill(0xff, 144, 400).copyWithin(HEADER_OFFSETS[1], 0, 408);
      assert.deepEqual(Buffer.from(seen), Buffer.from(bytes), name);
    }
  });
});
