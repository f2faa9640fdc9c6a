/** Checks the table of damage by command in `docs/CLI.md` against the commands. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { makeTable, writtenTable } from "../scripts/cli_table.ts";
import { DAMAGES } from "./cli_damages.ts";

/** The cells of a table, without the spaces that align them. */
function cellsOf(table: string): string[][] {
  return table.split("\n").map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim().replace(/^-+$/, "-")));
}

describe("the table of damage by command", () => {
  it("has a row for each of more than 30 kinds of damage, with the actual results of the commands", async () => {
    assert.ok(DAMAGES.length > 30);
    const made = cellsOf(await makeTable());
    const written = cellsOf(writtenTable());
    assert.equal(written.length, DAMAGES.length + 2);
    for (const [i, row] of made.entries()) assert.deepEqual(written[i], row, row[0]);
  });

  it("gives at least one remedy for each kind of damage", () => {
    for (const [name, verify, ...cells] of cellsOf(writtenTable()).slice(2)) {
      const next = cells.at(-1)!;
      assert.ok(next.length > 0, name);
      if (!verify!.startsWith("2")) continue;
      const isMended = cells.slice(0, -1).some((cell) => /^[02]: (put back|rewritten|up to)/.test(cell));
      assert.ok(isMended, `${name}: no command leads to a sound log`);
      assert.notEqual(next, "nothing to do", name);
    }
  });
});
