/**
 * Checks the order of the system calls in a run of `script.ts`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { isCreation } from "./faults.ts";
import { SCRIPT } from "./script.ts";
import type { SystemCall } from "./strace.ts";
import {
  DURABLE_SLOT_OFFSETS,
  HEADER_OFFSETS,
  NEXT_POINTER_OFFSETS,
  SEGMENT_HEADER_BYTES,
} from "../../src/format/header_block.ts";

/** A log's folder, under strace's name for it. */
const FOLDER = "";

/** The calls of a run, with checks. */
export class Order {
  readonly #calls: readonly SystemCall[];

  /**
   * Takes the calls of a run without failures.
   *
   * @param calls Its calls.
   */
  constructor(calls: readonly SystemCall[]) {
    this.#calls = calls.filter(({ result }) => result >= 0);
  }

  #of(test: (call: SystemCall) => boolean): SystemCall[] {
    return this.#calls.filter((call) => call.said === undefined && test(call));
  }

  #said(pattern: RegExp): SystemCall[] {
    return this.#calls.filter(({ said }) => said !== undefined && pattern.test(said));
  }

  #creations(pattern: RegExp): SystemCall[] {
    return this.#of((call) => isCreation(call) && pattern.test(call.file));
  }

  #renames(pattern: RegExp): SystemCall[] {
    return this.#of(({ name, to }) => name.startsWith("rename") && pattern.test(to));
  }

  #writes(file: string): SystemCall[] {
    return this.#of((call) => call.name === "pwrite64" && call.file === file);
  }

  /** Fails unless a flush of a file began and ended between two calls. */
  #assertFlushed(file: string, after: SystemCall, before: SystemCall, why: string): SystemCall {
    const flush = this.#of((call) => call.file === file && (call.name === "fdatasync" || call.name === "fsync"))
      .find(({ begin, end }) => begin > after.end && end < before.begin);
    const names = [after, before].map(({ name, file, args, said }) => said ?? `${name} ${file} ${args.slice(-60)}`);
    assert(flush !== undefined, `${why}: no flush of ${file || "the folder"} between\n  ${names[0]}\n  ${names[1]}`);
    return flush;
  }

  /** Every write is positional, to a file that was not opened for appending. */
  assertPositional(): void {
    const others = this.#of(({ name, args }) => /^write|^pwritev/.test(name) || args.includes("O_APPEND"));
    assert.deepEqual(others.map(({ name, file }) => `${name} ${file}`), []);
  }

  /** A step that changes the log has written its frames when it ends. */
  assertWrittenWhenDone(): number {
    let before = this.#said(/^opened/)[0]!;
    const done = this.#said(/^done/);
    for (const call of done) {
      const step = SCRIPT[Number(call.said!.split(" ")[1]) - 1]!;
      if (step.parts.length > 0) {
        const written = this.#of(({ name, file, begin, end, args }) =>
          name === "pwrite64" && file.endsWith(".seg") && offsetOf(args) >= SEGMENT_HEADER_BYTES &&
          begin > before.end && end < call.begin
        );
        assert(written.length > 0, `${step.title} is done, and nothing was written`);
      }
      before = call;
    }
    return done.length;
  }

  /** Everything written, created or renamed before a sync is flushed when the sync is acknowledged. */
  assertFlushedWhenAcknowledged(): number {
    const answers = this.#said(/^durable/);
    for (const answer of answers) {
      const steps = answer.said!.split(" ")[1];
      const question = this.#said(new RegExp(`^want ${steps}$`))[0]!;
      const why = `${steps} steps are acknowledged`;
      for (const call of this.#of(({ end }) => end < question.begin)) {
        if (call.name === "pwrite64" && !isSpare(call)) this.#assertFlushed(call.file, call, answer, why);
        if (isCreation(call) && call.file !== "LOCK") this.#assertFlushed(FOLDER, call, answer, why);
        if (call.name === "rename") this.#assertFlushed(FOLDER, call, answer, why);
      }
    }
    return answers.length;
  }

  /**
   * For a new segment, the order is: flush the old one; write and flush the new header; flush the folder; write the
   * pointer in the old one, and flush it before the first frame in the new one.
   */
  assertSegmentsBegun(): number {
    const creations = this.#creations(/\.seg$/);
    for (const creation of creations) {
      const { file } = creation;
      const [header, ...frames] = this.#writes(file);
      assert(header !== undefined && frames.length > 0, `nothing in ${file}`);
      assert.deepEqual([offsetOf(header.args), header.result], [0, SEGMENT_HEADER_BYTES], `${file} begins otherwise`);
      assert(header.result > HEADER_OFFSETS[1]);
      const flushed = this.#assertFlushed(file, header, frames[0]!, "a frame follows the header of a new segment");
      const slot = this.#of((call) =>
        call.name === "pwrite64" && call.file.endsWith(".seg") && call.file < file &&
        offsetOf(call.args) === NEXT_POINTER_OFFSETS[0] && call.begin > creation.end
      )[0];
      if (slot === undefined) {
        // The first segment has no pointer. Its name makes it part of the log.
        assert.equal(file, creations[0]!.file, `${file} has no pointer to it`);
        this.#assertFlushed(FOLDER, creation, frames[0]!, "a frame in the first segment");
        continue;
      }
      for (const write of this.#writes(slot.file).filter(({ end }) => end < creation.begin)) {
        this.#assertFlushed(slot.file, write, creation, "the next segment is made");
      }
      for (const write of this.#writes(file).filter(({ end }) => end < slot.begin)) {
        this.#assertFlushed(file, write, slot, "a segment is named as the next");
      }
      this.#assertFlushed(FOLDER, flushed, slot, "a segment is named as the next");
      const own = frames.find(({ begin }) => begin > slot.end);
      if (own !== undefined) this.#assertFlushed(slot.file, slot, own, "a frame follows in the segment that was named");
    }
    return creations.length;
  }

  /**
   * For a segment that is replaced when the log is opened, the order is: it names its replacement; the previous segment
   * names the replacement; both are flushed; the segment is deleted.
   */
  assertSegmentsReplaced(): number {
    const opened = this.#said(/^opened/)[0]!;
    const deletions = this.#of(({ name, file, end }) =>
      name.startsWith("unlink") && file.endsWith(".seg") && end < opened.begin
    );
    for (const deletion of deletions) {
      const { file } = deletion;
      const isNaming = ({ args }: SystemCall) => offsetOf(args) === NEXT_POINTER_OFFSETS[0];
      const own = this.#writes(file).find(isNaming);
      assert(own !== undefined, `${file} is deleted, and names nothing`);
      const before = this.#of((call) =>
        call.name === "pwrite64" && call.file.endsWith(".seg") && call.file < file && isNaming(call) &&
        call.begin > own.end
      )[0];
      assert(before !== undefined, `${file} is deleted, and no segment names another in its place`);
      this.#assertFlushed(file, own, before, "the segment before a replaced one names another");
      this.#assertFlushed(before.file, before, deletion, "a replaced segment is deleted");
      this.#assertFlushed(FOLDER, deletion, opened, "the log is open");
    }
    return deletions.length;
  }

  /**
   * The identity comes after the first segment and its name. It is written and flushed under a temporary name. Its
   * final name is flushed before the log is open.
   */
  assertIdentityLast(): number {
    const renames = this.#renames(/^IDENTITY$/);
    for (const rename of renames) {
      const segment = this.#creations(/\.seg$/)[0]!;
      const creation = this.#of((call) => isCreation(call) && call.file === rename.file)[0]!;
      this.#assertFlushed(segment.file, segment, creation, "the identity is made");
      this.#assertFlushed(FOLDER, segment, creation, "the identity is made");
      const opened = this.#said(/^opened/)[0]!;
      const write = this.#writes(rename.file)[0]!;
      this.#assertFlushed(rename.file, write, rename, "the identity gets its name");
      this.#assertFlushed(FOLDER, rename, opened, "the log is open");
    }
    return renames.length;
  }

  /**
   * For a snapshot, the order is: flush its file; rename it; flush the name; write the frame and flush it; delete
   * files. Segments are deleted oldest first, and never the newest one.
   */
  assertSnapshotsInstalled(): { readonly renames: number; readonly deletions: number } {
    const renames = this.#renames(/\.snap$/);
    const frames = renames.map((rename) => {
      for (const write of this.#writes(rename.file)) {
        this.#assertFlushed(rename.file, write, rename, "a snapshot gets its name");
      }
      const frame = this.#of(({ name, file, begin }) =>
        name === "pwrite64" && file.endsWith(".seg") && begin > rename.end
      )[0]!;
      this.#assertFlushed(FOLDER, rename, frame, "a frame names the snapshot");
      return frame;
    });
    const opened = this.#said(/^opened/)[0]!;
    const deletions = this.#of(({ name, file, begin }) =>
      name.startsWith("unlink") && !file.endsWith(".tmp") && begin > opened.end
    );
    let oldest = "";
    for (const deletion of deletions) {
      const frame = frames.findLast(({ end }) => end < deletion.begin);
      assert(frame !== undefined, `${deletion.file} is deleted, and nothing replaces it`);
      this.#assertFlushed(frame.file, frame, deletion, "what the snapshot replaces is deleted");
      if (!deletion.file.endsWith(".seg")) continue;
      assert(deletion.file > oldest, `${deletion.file} is deleted after ${oldest}`);
      assert(deletion.file < frame.file, `${deletion.file} is deleted, the newest is ${frame.file}`);
      oldest = deletion.file;
    }
    return { renames: renames.length, deletions: deletions.length };
  }
}

/** Whether a `pwrite64` writes a durable slot, or the second copy of a pointer. No acknowledgement depends on either. */
function isSpare({ file, args }: SystemCall): boolean {
  const spare: readonly number[] = [...DURABLE_SLOT_OFFSETS, NEXT_POINTER_OFFSETS[1]];
  return file.endsWith(".seg") && spare.includes(offsetOf(args));
}

/** The position of a `pwrite64`. */
function offsetOf(args: string): number {
  return Number(/(\d+)$/.exec(args)?.[1]);
}
