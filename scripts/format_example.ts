/**
 * Makes a small log on a simulated disk, always the same, and explains its bytes: the dump in `docs/FORMAT.md`.
 *
 *     deno run scripts/format_example.ts
 *
 * @module
 */

import { resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type LogEntry, WalLog } from "../mod.ts";
import { FRAME_COUNT, FRAME_KIND, FRAME_LENGTH, KIND_MASK, LENGTH_BYTES } from "../src/format/frame.ts";
import {
  DURABLE_SLOT_OFFSETS,
  HEADER_OFFSETS,
  NEXT_POINTER_OFFSETS,
  SEGMENT_HEADER_BYTES,
} from "../src/format/header_block.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";

const FOLDER = resolve("/raft.wal");
const BYTES_PER_LINE = 8;
const META = "7 at 10.0.0.7";
const CLUSTER = "00112233-4455-6677-8899-aabbccddeeff";

/** How a field is shown beside its bytes. */
type Shape = "text" | "number" | "hex" | "bytes";
/** A field's name, its size in bytes, and its shape. */
type Field = readonly [name: string, bytes: number, shape: Shape];

const STATE: readonly Field[] = [
  ["state: flags", 4, "number"],
  ["zero", 4, "number"],
  ["changes", 8, "number"],
  ["next index", 8, "number"],
  ["last term", 8, "number"],
  ["hard state: term", 8, "number"],
  ["hard state: vote", 8, "number"],
  ["snapshot: index", 8, "number"],
  ["snapshot: term", 8, "number"],
];

const HEADER: readonly Field[] = [
  ["magic", 8, "text"],
  ["version", 4, "number"],
  ["last headerChecksum of the previous segment", 4, "hex"],
  ["UUID", 16, "bytes"],
  ["number", 8, "number"],
  ["baseLsn", 8, "number"],
  ["salt", 8, "hex"],
  ["previous segment", 8, "number"],
  ...STATE,
  ["durable LSN", 8, "number"],
  ["floor", 8, "number"],
];

const CHECKPOINT: readonly Field[] = [
  ...STATE,
  ["milliseconds", 8, "number"],
  ...["checkpoint before", "one before that", "first frame"].flatMap((since): Field[] => [
    [`LSN back to the ${since}`, 8, "number"],
    ["lowest index dropped since", 8, "hex"],
  ]),
];

const SLOT: readonly Field[] = [
  ["magic", 8, "text"],
  ["LSN", 8, "number"],
  ...CHECKPOINT,
  ["checksum", 8, "hex"],
];

const FRAME: readonly Field[] = [
  ["headerChecksum", 4, "hex"],
  ["length", 4, "number"],
  ["payloadChecksum", 8, "hex"],
  ["term", 8, "number"],
  ["index", 8, "number"],
  ["kind and flags", 1, "hex"],
  ["changes", 1, "number"],
  ["count", 2, "number"],
  ["unproven", 4, "number"],
];

const SNAPSHOT: readonly Field[] = [
  ["magic", 8, "text"],
  ["version", 4, "number"],
  ["members", 4, "number"],
  ["UUID", 16, "bytes"],
  ["index", 8, "number"],
  ["term", 8, "number"],
  ["salt", 8, "hex"],
  ["bytes of meta", 4, "number"],
  ["zero", 4, "number"],
  ["member", 8, "number"],
  ["member", 8, "number"],
];

const PIECE: readonly Field[] = [["checksum", 8, "hex"], ["length", 4, "number"], ["flags", 4, "number"]];

const IDENTITY: readonly Field[] = [
  ["magic", 8, "text"],
  ["version", 4, "number"],
  ["zero", 4, "number"],
  ["UUID", 16, "bytes"],
  ["incarnation", 16, "bytes"],
  ["cluster", 16, "bytes"],
  ["checksum", 8, "hex"],
];

const KINDS = ["", "entries", "a hard state", "a truncation", "a snapshot", "a checkpoint", "a segment index"];

/** The log that is shown. */
function makeLog(): SimulatedDisk {
  const disk = new SimulatedDisk({ seed: 1 });
  const entry = (index: number, kind: LogEntry["kind"], text: string): LogEntry => (
    { term: 1, index, kind, command: new TextEncoder().encode(text) }
  );
  const log = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem });
  log.foundCluster(CLUSTER);
  log.setHardState({ term: 1, votedFor: 7n });
  log.append([entry(1, "normal", "x = 1"), entry(2, "config", "members")]);
  log.syncSync();
  log.append([entry(3, "normal", "x = 3"), entry(4, "normal", "x = 4")]);
  log.truncate(4);
  const meta = new TextEncoder().encode(META);
  log.applySnapshot({ index: 2, term: 1, config: [7n, 8n], meta, data: new TextEncoder().encode("x is 1") });
  log.closeSync();
  return disk;
}

/** Explains one file, field by field. Throws if a byte is left out. */
class Explanation {
  readonly lines: string[] = [];
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(name: string, bytes: Uint8Array) {
    this.bytes = bytes;
    this.lines.push(`${name}, ${bytes.length} bytes`);
  }

  title(text: string): this {
    this.lines.push("", text);
    return this;
  }

  fields(fields: readonly Field[]): this {
    for (const [name, bytes, shape] of fields) this.field(name, bytes, shape);
    return this;
  }

  field(name: string, length: number, shape: Shape): this {
    const field = this.bytes.subarray(this.at, this.at + length);
    if (field.length < length) throw new Error(`the file ends within ${name}`);
    const note = shape === "bytes" ? name : `${name} ${shown(field, shape)}`;
    for (let from = 0; from < length; from += BYTES_PER_LINE) {
      const hex = [...field.subarray(from, from + BYTES_PER_LINE)].map((byte) => byte.toString(16).padStart(2, "0"));
      this.line(hex.join(" "), from === 0 ? note : "");
      this.at += hex.length;
    }
    return this;
  }

  /** Bytes that repeat those at another offset, in one line. */
  same(as: number, length: number): this {
    for (let i = 0; i < length; i++) {
      if (this.bytes[this.at + i] !== this.bytes[as + i]) {
        throw new Error(`byte ${this.at + i} is not that at ${as + i}`);
      }
    }
    this.line("...", `the ${length} bytes from ${as.toString(16).padStart(4, "0")} on once more`);
    this.at += length;
    return this;
  }

  /** Payload or data, and the zeros up to the next multiple of 8. */
  padded(name: string, length: number, shape: Shape): this {
    if (length > 0) this.field(name, length, shape);
    const padding = -length & 7;
    return padding === 0 ? this : this.field("padding", padding, "bytes");
  }

  /** Bytes that are all ones, in one line. */
  ones(name: string, length: number): this {
    if (this.bytes.subarray(this.at, this.at + length).some((byte) => byte !== 0xff)) {
      throw new Error(`not ones: ${name}`);
    }
    this.line("ff ...", `${name}: ${length} bytes of ones`);
    this.at += length;
    return this;
  }

  /** Zeros up to an offset, in one line. */
  zeros(to: number): this {
    if (this.bytes.subarray(this.at, to).some((byte) => byte !== 0)) throw new Error(`no zeros at ${this.at}`);
    if (to > this.at) this.line("00 ...", `${to - this.at} zeros`);
    this.at = to;
    return this;
  }

  frame(): this {
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at);
    const kind = view.getUint8(FRAME_KIND) & KIND_MASK;
    const length = view.getUint32(FRAME_LENGTH, true);
    this.title(`frame at ${this.at}: ${KINDS[kind]}`).fields(FRAME);
    const count = view.getUint16(FRAME_COUNT, true);
    if (count > 1) return this.commands(count);
    return KINDS[kind] === "a checkpoint" ? this.fields(CHECKPOINT) : this.padded("payload", length, "text");
  }

  /** A table of lengths, the commands, and padding. */
  private commands(count: number): this {
    const table = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at);
    const lengths = Array.from({ length: count }, (_, i) => table.getUint32(i * LENGTH_BYTES, true));
    for (const _ of lengths) this.field("length", LENGTH_BYTES, "number");
    for (const length of lengths) this.field("command", length, "text");
    const padding = -this.at & 7;
    return padding === 0 ? this : this.field("padding", padding, "bytes");
  }

  piece(shape: Shape): this {
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset + this.at);
    const length = view.getUint32(8, true);
    return this.title(`piece at ${this.at}`).fields(PIECE).padded("data", length, shape);
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  private line(hex: string, note: string): void {
    this.lines.push(`${this.at.toString(16).padStart(4, "0")}  ${hex.padEnd(BYTES_PER_LINE * 3)} ${note}`.trimEnd());
  }
}

function shown(field: Uint8Array, shape: Shape): string {
  if (shape === "text") return JSON.stringify(new TextDecoder().decode(field));
  const value = field.reduceRight((sum, byte) => sum << 8n | BigInt(byte), 0n);
  return shape === "hex" ? `0x${value.toString(16).padStart(field.length * 2, "0")}` : String(value);
}

/**
 * The files of the example.
 *
 * @returns Their bytes, by name.
 */
export function exampleFiles(): Map<string, Uint8Array> {
  const disk = makeLog();
  const paths = disk.files().filter((path) => !path.endsWith("/LOCK")).sort();
  return new Map(paths.map((path) => [path.slice(FOLDER.length + 1), disk.content(path)]));
}

/**
 * Explains the files of the example.
 *
 * @returns The text that `docs/FORMAT.md` shows.
 */
export function explainExample(): string {
  const explained = [...exampleFiles()].map(([name, bytes]) => {
    const file = new Explanation(name, bytes);
    if (name === "IDENTITY") file.fields(IDENTITY);
    else if (name.endsWith(".snap")) {
      file.fields(SNAPSHOT).padded("meta", META.length, "text").field("checksum", 8, "hex");
      file.piece("text").piece("number");
    } else {
      const [header, headerCopy] = HEADER_OFFSETS;
      const [pointer, pointerCopy] = NEXT_POINTER_OFFSETS;
      const [slot, otherSlot] = DURABLE_SLOT_OFFSETS;
      file.title("header").fields(HEADER).ones("dropped: none", 256).fields([["checksum", 8, "hex"]]).zeros(pointer);
      file.title("next-segment pointer: empty").zeros(slot);
      file.title("durable slot").fields(SLOT).zeros(otherSlot);
      file.title("durable slot, repeated by close").fields(SLOT).zeros(headerCopy);
      file.title("header, second copy").same(header, 408).zeros(pointerCopy);
      file.title("next-segment pointer, second copy: empty").zeros(SEGMENT_HEADER_BYTES);
      while (!file.isAtEnd) file.frame();
    }
    if (!file.isAtEnd) throw new Error(`${name} is not explained to its end`);
    return file.lines.join("\n");
  });
  return explained.join("\n\n\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(explainExample());
