/**
 * The logs on the pictures of the report.
 *
 * @module
 */

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type LogEntry, WalLog } from "../../mod.ts";
import { checkOptions } from "../../src/api/options.ts";
import { FRAME_HEADER_BYTES } from "../../src/format/frame.ts";
import { nodeFileSystem } from "../../src/io/node_fs.ts";
import { liveFrames } from "../../src/log/live_frames.ts";
import { type Opened, openLog } from "../../src/recovery/open.ts";

const KIB = 1024;
const GIB = 1024 ** 3;
const MEMBERS = [1n, 2n, 3n];

/** A log to draw. */
export interface SampleLog {
  readonly name: string;
  /**
   * Makes it.
   *
   * @param path Its folder.
   */
  make(path: string): void;
}

/** Numbers that look random, the same ones each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Writes a log as a node of a cluster does. */
class Node {
  readonly log: WalLog;
  private readonly random = numbers(1);
  private term = 0;

  constructor(path: string, segmentBytes: number) {
    this.log = WalLog.openSync(path, { segmentBytes });
  }

  /** Votes in a new term, and drops the last entries, which its leader does not have. */
  elect(drop: number): void {
    this.log.setHardState({ term: ++this.term, votedFor: MEMBERS[Math.floor(this.random() * MEMBERS.length)]! });
    if (drop > 0) this.log.truncate(this.log.lastIndex - drop + 1);
  }

  /** Appends entries of about so many bytes each, in batches. */
  append(count: number, bytes: number): void {
    for (let left = count; left > 0;) {
      const batch = Math.min(left, 1 + Math.floor(this.random() * 8));
      const first = this.log.lastIndex + 1;
      this.log.append(Array.from({ length: batch }, (_, i) => this.entry(first + i, bytes)));
      left -= batch;
    }
    this.log.syncSync();
  }

  /** An entry of a size around a mean. */
  private entry(index: number, bytes: number): LogEntry {
    const command = new Uint8Array(Math.ceil(bytes * (0.25 + 1.5 * this.random() ** 2)));
    command.fill(index);
    return { index, term: this.term, kind: "normal", command };
  }
}

/** A node that has been up for a while: a snapshot, and six terms with entries of different sizes. */
function busyNode(path: string): Node {
  const node = new Node(path, 192 * KIB);
  const terms = [[700, 220], [260, 900], [1400, 120], [180, 2600], [900, 300], [420, 1100]] as const;
  for (const [at, [count, bytes]] of terms.entries()) {
    node.elect(at % 2 === 0 ? 0 : 4);
    node.append(count, bytes);
    if (at === 1) node.log.applySnapshot({ index: 400, term: 1, config: MEMBERS, data: new Uint8Array(180 * KIB) });
  }
  return node;
}

function makeSound(path: string): void {
  busyNode(path).log.closeSync();
}

function makeTorn(path: string): void {
  const live = `${path}-live`;
  const { log } = busyNode(live);
  const first = log.lastIndex + 1;
  for (let index = first; index < first + 40; index++) {
    log.append([{ index, term: 6, kind: "normal", command: new Uint8Array(1500).fill(7) }]);
  }
  cpSync(live, path, { recursive: true, filter: (name) => !name.endsWith("LOCK") });
  log.closeSync();
  rmSync(live, { recursive: true });
  // Sectors that a crash lost, although later ones were written.
  const file = join(path, segmentsOf(path).at(-1)!);
  const bytes = readFileSync(file);
  const end = bytes.findLastIndex((byte) => byte === 7);
  bytes.fill(0, end - 24_000, end - 23_000);
  writeFileSync(file, bytes);
}

function makeCorrupt(path: string): void {
  makeSound(path);
  damage(path, 560, 560, "payload");
  damage(path, 2110, 2123, "header");
  damage(path, 2410, 2410, "payload");
  rmSync(join(path, segmentsOf(path)[3]!));
}

/**
 * Makes the log of a node in a network that failed again and again for a while: 800 terms, most of them short.
 *
 * @param path Its folder.
 * @param bytes The size of its commands.
 */
export function makeRestless(path: string, bytes: number): void {
  const node = new Node(path, Math.ceil(bytes / 80));
  const random = numbers(3);
  const isCalm = (term: number) => term < 60 || term > 760;
  for (let term = 1; term <= 800; term++) {
    node.elect(term % 5 === 0 ? 1 : 0);
    const share = isCalm(term) ? 1 / 140 : 1 / 2200;
    // Entries of a mean size, but for a term of small ones now and then.
    const entryBytes = bytes / (term % 9 === 0 ? 220_000 : 24_000) * (0.4 + random());
    node.append(Math.max(2, Math.round(bytes * share / (0.75 * entryBytes))), entryBytes);
  }
  node.log.closeSync();
}

function segmentsOf(path: string): string[] {
  return readdirSync(path).filter((name) => name.endsWith(".seg")).sort();
}

/** Turns over a bit in each frame of some entries. */
function damage(path: string, first: number, last: number, where: "header" | "payload"): void {
  const { index, codec } = open(path);
  for (const segment of index.segments) {
    const file = nodeFileSystem.open(segment.path, "read");
    const offsets = [...liveFrames(codec, file, segment, first, last)].map(({ offset }) => offset);
    file.close();
    if (offsets.length === 0) continue;
    const bytes = readFileSync(segment.path);
    for (const offset of offsets) bytes[offset + (where === "header" ? 0 : FRAME_HEADER_BYTES)]! ^= 1;
    writeFileSync(segment.path, bytes);
  }
}

function open(path: string): Opened {
  const opening = openLog(path, checkOptions({ readOnly: true, onDamage: "keep" }), false);
  for (;;) {
    const step = opening.next();
    if (step.done) return step.value;
  }
}

/** The logs. The large one takes 5 GiB. */
export const SAMPLE_LOGS: readonly SampleLog[] = [
  { name: "sound", make: makeSound },
  { name: "torn", make: makeTorn },
  { name: "corrupt", make: makeCorrupt },
  { name: "large", make: (path) => makeRestless(path, 5 * GIB) },
];
