/**
 * Measures the quality of recovery. For each kind of damage, it writes random histories on a simulated disk, damages
 * them, and opens the logs. It counts the entries that are lost without a report, and the undamaged entries that are
 * reported.
 *
 *     deno task judge                        200 histories of each kind
 *     deno task judge --seeds 1000           1,000 of each
 *     deno task judge --from 5000            seeds 5000 to 5199
 *     deno task judge --kind flip-header     one kind; may be repeated
 *     deno task judge --json FILE            also writes the figures as JSON
 *     deno task judge --verbose              also prints the losses of kinds that are known to be weak, and refusals
 *
 * `docs/RELIABILITY.md` explains the figures. The exit code is 1 if figure 1 is not 0 for a kind that is not known to
 * be weak, or if an opening ended with anything but a report or `CORRUPT`.
 *
 * @module
 */

import { writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { WalLog } from "../mod.ts";
import { runCase } from "../tests/judge/case.ts";
import { addFigures, lostUnnamed, noFigures } from "../tests/judge/figures.ts";
import { type Kind, KINDS } from "../tests/judge/kinds.ts";
import { type Row, tableOf } from "../tests/judge/table.ts";

/** The most lines to print for a case. */
const NOTES_MAX = 12;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    kind: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});

const from = Number(values.from);
const seeds = Number(values.seeds);
if (!Number.isSafeInteger(from) || !Number.isSafeInteger(seeds) || seeds < 1) {
  console.error("--seeds and --from take whole numbers");
  process.exit(64);
}
const unknown = values.kind.filter((id) => !KINDS.some((kind) => kind.id === id));
if (unknown.length > 0) {
  console.error(`No such kind: ${unknown.join(", ")}. There are ${KINDS.map(({ id }) => id).join(", ")}.`);
  process.exit(64);
}

/** Runs the cases of a kind. */
function runKind(kind: Kind): Row {
  const figures = noFigures();
  for (let seed = from; seed < from + seeds; seed++) {
    const { figures: found, notes, refusal } = runCase(kind, seed, WalLog.openSync);
    addFigures(figures, found);
    const isExpected = kind.weakness !== undefined && found.failures === 0;
    if (notes.length > 0 && (!isExpected || values.verbose)) printNotes(kind, seed, notes);
    if (refusal !== undefined && values.verbose) printNotes(kind, seed, [refusal]);
  }
  return { kind, figures };
}

function printNotes({ id }: Kind, seed: number, notes: readonly string[]): void {
  const shown = notes.slice(0, NOTES_MAX);
  if (notes.length > NOTES_MAX) shown.push(`and ${notes.length - NOTES_MAX} more`);
  console.error(
    `${id}, seed ${seed}: ${shown.join("\n  ")}\n  again: deno task judge --kind ${id} --from ${seed} --seeds 1`,
  );
}

const started = performance.now();
const rows: Row[] = [];
let isBroken = false;
for (const kind of KINDS) {
  if (values.kind.length > 0 && !values.kind.includes(kind.id)) continue;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${kind.id}`);
  const row = runKind(kind);
  rows.push(row);
  isBroken ||= row.figures.failures > 0 || (kind.weakness === undefined && lostUnnamed(row.figures) > 0);
}
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");

console.log(tableOf(rows));
for (const { id, weakness } of KINDS) {
  if (weakness !== undefined && rows.some(({ kind }) => kind.id === id)) console.log(`${id} is weak: ${weakness}`);
}
for (const { kind, figures: { refused, failures } } of rows) {
  if (refused > 0) {
    console.log(`${kind.id}: onDamage "keep" refused ${refused} logs with CORRUPT`);
  }
  if (failures > 0) console.log(`${kind.id}: ${failures} openings threw anything but CORRUPT`);
}
const seconds = ((performance.now() - started) / 1000).toFixed(0);
const outcome = isBroken ? "a promise is broken, see above" : "no loss without a report";
const weak = rows.some(({ kind }) => kind.weakness !== undefined) ? ", except in the weak kinds" : "";
console.log(`seeds ${from} to ${from + seeds - 1} in ${seconds} s: ${outcome}${isBroken ? "" : weak}`);
if (values.json !== undefined) {
  const kinds = rows.map(({ kind, figures }) => ({ kind: kind.id, weak: kind.weakness !== undefined, ...figures }));
  writeFileSync(values.json, JSON.stringify({ from, seeds, kinds }, undefined, 2) + "\n");
}
process.exitCode = isBroken ? 1 : 0;
