/**
 * Compares each runtime's own file API with `node:fs`, which the log uses in all three:
 *
 *     deno task bench:files                         in Deno
 *     bun bench/file_apis.ts, node bench/file_apis.ts
 *
 * Sides take turns. Each figure is the median of the rounds, with the least and the greatest value.
 *
 * @module
 */

import fs from "node:fs";
import process from "node:process";
import { bold } from "../src/cli/terminal.ts";
import { benchmark, runningRuntime } from "./command.ts";
import { summarize } from "./statistics.ts";
import { KIB, MIB } from "./units.ts";

const ROUNDS = 9;
const FILE_BYTES = 256 * MIB;
/** The amount that recovery reads at once, in bytes. */
const CHUNK_BYTES = MIB;
/** The size of an entry of 1 KiB in the file, in bytes. */
const WRITE_BYTES = 1064;
const WRITES = 20_000;
const FLUSHES = 200;
/** The number of frames of a gathering write. */
const GATHERED = 64;

/** A way to read and write a file at a position. */
interface Side {
  readonly name: string;
  read(into: Uint8Array, position: number): number;
  write(from: Uint8Array, position: number): void;
  flush(): void;
  /** Writes several pieces one after the other. */
  gather?(pieces: readonly Uint8Array[], position: number): void;
}

/** The compared parts of Deno. */
interface DenoFile {
  seekSync(offset: number, whence: number): number;
  readSync(into: Uint8Array): number | null;
  writeSync(from: Uint8Array): number;
  syncDataSync(): void;
}

/** A measurement of each side. */
type Measure = readonly [title: string, unit: string, (side: Side) => number | undefined];

await benchmark({}, ({ workspace }) => {
  const path = `${workspace.path}/file`;
  const descriptor = fs.openSync(path, "w+");
  const piece = new Uint8Array(CHUNK_BYTES).fill(7);
  for (let at = 0; at < FILE_BYTES; at += CHUNK_BYTES) fs.writeSync(descriptor, piece, 0, CHUNK_BYTES, at);
  fs.fsyncSync(descriptor);
  const sides = sidesOf(path, descriptor);
  console.log(bold(`Ways to a file in ${runningRuntime()}, ${process.versions[runningRuntime()]}`));
  for (const measure of measures()) compare(measure, sides);
  fs.closeSync(descriptor);
  return Promise.resolve();
});

function measures(): Measure[] {
  const memory = new WebAssembly.Memory({ initial: 2 * CHUNK_BYTES / (64 * KIB) });
  const chunk = new Uint8Array(memory.buffer, 0, CHUNK_BYTES);
  const frames = Array.from({ length: GATHERED }, (_, i) => new Uint8Array(WRITE_BYTES).fill(i));
  const window = new Uint8Array(memory.buffer, CHUNK_BYTES, CHUNK_BYTES);
  return [
    ["read, 1 MiB at a time", "GB/s", (side) => {
      const seconds = timed(() => {
        for (let at = 0; at < FILE_BYTES; at += CHUNK_BYTES) side.read(chunk, at);
      });
      return FILE_BYTES / seconds / 1e9;
    }],
    ["write of one entry of 1 KiB", "us", (side) => {
      const seconds = timed(() => {
        for (let i = 0; i < WRITES; i++) side.write(chunk.subarray(0, WRITE_BYTES), i * WRITE_BYTES);
      });
      return seconds / WRITES * 1e6;
    }],
    [`write of ${GATHERED} entries of 1 KiB`, "us", (side) => {
      const count = WRITES / GATHERED;
      const seconds = timed(() => {
        for (let i = 0; i < count; i++) {
          const at = i * GATHERED * WRITE_BYTES;
          if (side.gather !== undefined) side.gather(frames, at);
          else {
            for (const [k, frame] of frames.entries()) window.set(frame, k * WRITE_BYTES);
            side.write(window.subarray(0, GATHERED * WRITE_BYTES), at);
          }
        }
      });
      return seconds / count * 1e6;
    }],
    ["write of 1 KiB and flush", "us", (side) => {
      const seconds = timed(() => {
        for (let i = 0; i < FLUSHES; i++) {
          side.write(chunk.subarray(0, WRITE_BYTES), i * WRITE_BYTES);
          side.flush();
        }
      });
      return seconds / FLUSHES * 1e6;
    }],
  ];
}

/** Measures the sides in turn, and prints the results. */
function compare([title, unit, measure]: Measure, sides: readonly Side[]): void {
  console.log(title);
  const found = sides.map((): number[] => []);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [i, side] of sides.entries()) {
      const value = measure(side);
      // The first round is a warm-up.
      if (round > 0 && value !== undefined) found[i]!.push(value);
    }
  }
  for (const [i, { name }] of sides.entries()) {
    const { median, min, max } = summarize(found[i]!);
    const figures = [median, min, max].map((value) => value.toFixed(2));
    console.log(`  ${name.padEnd(30)} ${figures[0]!.padStart(8)} ${unit.padEnd(5)} ${figures[1]} to ${figures[2]}`);
  }
}

function timed(run: () => void): number {
  const started = performance.now();
  run();
  return (performance.now() - started) / 1000;
}

function sidesOf(path: string, descriptor: number): Side[] {
  const nodeSide: Side = {
    name: "node:fs",
    read: (into, position) => fs.readSync(descriptor, into, 0, into.length, position),
    write: (from, position) => void fs.writeSync(descriptor, from, 0, from.length, position),
    flush: () => fs.fdatasyncSync(descriptor),
  };
  const vectors: Side = {
    ...nodeSide,
    name: "node:fs, readv and writev",
    read: (into, position) => fs.readvSync(descriptor, [into], position),
    write: (from, position) => void fs.writevSync(descriptor, [from], position),
    gather: (pieces, position) => void fs.writevSync(descriptor, [...pieces], position),
  };
  // Bun has no API of its own for positional writes.
  const { Deno } = globalThis as { Deno?: { openSync(path: string, options: object): DenoFile } };
  if (Deno === undefined) return [nodeSide, vectors];
  const file = Deno.openSync(path, { read: true, write: true });
  return [nodeSide, vectors, {
    name: "Deno.FsFile",
    read: (into, position) => (file.seekSync(position, 0), file.readSync(into) ?? 0),
    write: (from, position) => void (file.seekSync(position, 0), file.writeSync(from)),
    flush: () => file.syncDataSync(),
  }];
}
