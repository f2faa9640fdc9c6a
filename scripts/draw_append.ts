/**
 * Draws the path of an append as `docs/append.svg`:
 *
 *     deno task picture            writes it
 *     deno task picture --check    fails if the file differs
 *
 * @module
 */

import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { line, picture, rectangle, round, text } from "../bench/charts/svg.ts";

const FILE = fileURLToPath(new URL("../docs/append.svg", import.meta.url));

const WIDTH = 760;
const HEIGHT = 262;
const MARGIN = 16;
const BOX_WIDTH = 158;
const BOX_GAP = (WIDTH - 2 * MARGIN - 4 * BOX_WIDTH) / 3;
const BOX_TOP = 64;
const BOX_HEIGHT = 72;
const LINE_HEIGHT = 17;

/** The places of the data, in order, and the step that takes it to the next one. */
const PLACES = [
  { title: "your program", lines: ["append(entries)", "sync()"], step: "copy" },
  { title: "write buffer", lines: ["WebAssembly: frames", "with checksums"], step: "write" },
  { title: "segment file", lines: ["in the operating", "system's page cache"], step: "flush" },
  { title: "stable storage", lines: ["the same file,", "on the disk"], step: "" },
];

/** What a step has achieved, below the place that the data has reached. */
const ACHIEVED = [
  { place: 2, title: "append returns", lines: ["The entries survive a", "killed process."] },
  { place: 3, title: "sync resolves", lines: ["The entries survive a", "power cut."] },
];

const PROOF = [
  "The next frame, a checkpoint or a durable slot then records that the flush has succeeded.",
  "From there on, damage to the entries is reported, and can no longer pass for a torn write.",
];

function left(place: number): number {
  return MARGIN + place * (BOX_WIDTH + BOX_GAP);
}

function box(place: number): string[] {
  const { title, lines, step } = PLACES[place]!;
  const x = left(place);
  const middle = BOX_TOP + BOX_HEIGHT / 2;
  const end = x + BOX_WIDTH + BOX_GAP;
  return [
    rectangle(x, BOX_TOP, BOX_WIDTH, BOX_HEIGHT, "other"),
    rectangle(x + 1, BOX_TOP + 1, BOX_WIDTH - 2, BOX_HEIGHT - 2, "ground"),
    text(x + 12, BOX_TOP + 22, title, `font-weight="600"`),
    ...lines.map((content, i) => text(x + 12, BOX_TOP + 22 + (i + 1) * LINE_HEIGHT, content, `class="faint"`)),
    ...step === "" ? [] : [
      line(x + BOX_WIDTH, middle, end - 6, middle, "whisker"),
      `<path d="M${round(end - 8)} ${middle - 4}l8 4l-8 4z" fill="currentColor" class="tip"/>`,
      text(x + BOX_WIDTH + BOX_GAP / 2, middle - 8, step, `class="faint" text-anchor="middle" style="font-size:11px"`),
    ],
  ];
}

function achievement({ place, title, lines }: (typeof ACHIEVED)[number]): string[] {
  const x = left(place);
  const top = BOX_TOP + BOX_HEIGHT;
  return [
    rectangle(x, top + 8, 4, 56, "fill0"),
    text(x + 12, top + 22, title, `font-weight="600"`),
    ...lines.map((content, i) => text(x + 12, top + 22 + (i + 1) * LINE_HEIGHT, content)),
  ];
}

const svg = picture(WIDTH, HEIGHT, "The path of an append", "From left to right. Each step makes it survive more.", [
  ...PLACES.flatMap((_, place) => box(place)),
  ...ACHIEVED.flatMap(achievement),
  ...PROOF.map((content, i) => text(MARGIN, HEIGHT - 32 + i * LINE_HEIGHT, content)),
]).replace(
  "</style>",
  "  .tip { fill: #24292f } @media (prefers-color-scheme: dark) { .tip { fill: #e6edf3 } }\n</style>",
);

if (process.argv.includes("--check")) {
  if (readFileSync(FILE, "utf8") !== svg) {
    console.error("docs/append.svg is not what scripts/draw_append.ts draws: deno task picture");
    process.exit(1);
  }
} else writeFileSync(FILE, svg);
console.log(`docs/append.svg: ${svg.length} bytes.`);
