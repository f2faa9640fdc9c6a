/**
 * An archiver's view of the log: the part of the files that is proven durable. It is the same in the writer's process
 * and in another one.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, Term } from "../api/types.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import type { Identity } from "../format/identity.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode } from "../io/full.ts";
import type { Segment } from "../log/segment.ts";
import { readIdentity } from "../recovery/identity.ts";
import { corrupt } from "../recovery/open.ts";
import { ProvenLog } from "../recovery/read_on.ts";
import { recoverBesideWriter } from "../recovery/recover.ts";
import { inSlices, type Pause } from "./slices.ts";

/** The proven part of a log's files. */
export class LogView {
  readonly fileSystem: FileSystem;
  /** The log's folder. */
  readonly folder: string;
  /** The log's UUID; `undefined` while there is no log. */
  uuid: Uint8Array | undefined;
  /** The contents of `IDENTITY`; `undefined` if it is missing or damaged. */
  identity: Identity | undefined;
  private log: ProvenLog | undefined;
  private isLost = false;

  constructor(fileSystem: FileSystem, folder: string) {
    this.fileSystem = fileSystem;
    this.folder = folder;
  }

  /** The segments, oldest first. The newest one ends where the proven part of the log ends. */
  get segments(): readonly Segment[] {
    return this.log?.index.segments ?? [];
  }

  /** The last index that is proven durable. */
  get durableIndex(): Index {
    return (this.log?.index.nextIndex ?? 1) - 1;
  }

  /** Index and term of the snapshot; index 0 if there is none. */
  get snapshot(): { readonly index: Index; readonly term: Term } {
    const { snapshotIndex = 0, snapshotTerm = 0 } = this.log?.index ?? {};
    return { index: snapshotIndex, term: snapshotTerm };
  }

  /** The term at an index; `undefined` if it is unknown. */
  termAt(index: Index): Term | undefined {
    return this.log?.index.termAt(index);
  }

  /** The number of truncations that were read. */
  get truncations(): number {
    return this.log?.truncations.count ?? 0;
  }

  /** The lowest index that was truncated after a number of truncations; `Infinity` if there is none. */
  truncatedSince(truncations: number): Index {
    return this.log?.truncations.lowestSince(truncations) ?? Infinity;
  }

  /**
   * Reads everything written since the last call.
   *
   * @throws {WalLogError} `CORRUPT` if the log is damaged; `NOT_FOUND` if another log is in its place; `CHANGING`, `IO`.
   */
  async advance(): Promise<void> {
    await inSlices(this.read());
  }

  /** Makes the next {@link LogView.advance} read all files again. */
  recoverNext(): void {
    this.isLost = true;
  }

  /** Forgets segments that the snapshot covers, below a number. */
  forget(below: number): void {
    const { index } = this.log ?? {};
    while (index !== undefined && index.covered > 0 && index.segments[0]!.header.number < below) index.segments.shift();
  }

  private *read(): Generator<Pause | void, void> {
    const codec = leaseCodec();
    try {
      if (this.log === undefined || this.isLost || (yield* this.readOn(this.log)) === "lost") yield* this.recover();
      const identity = readIdentity(this.fileSystem, this.folder, (bytes, seed) => codec.hash(bytes, seed));
      this.identity = identity === "damaged" ? undefined : identity;
    } finally {
      returnCodec(codec);
    }
  }

  private *readOn(log: ProvenLog): Generator<void, "current" | "lost"> {
    const codec = leaseCodec();
    try {
      return yield* log.readOn(codec);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      return "lost";
    } finally {
      returnCodec(codec);
    }
  }

  private *recover(): Generator<Pause | void, void> {
    const { fileSystem, folder } = this;
    const codec = leaseCodec();
    try {
      const recovered = yield* recoverBesideWriter({ fileSystem, folder, codec, verify: "tail", canWait: true });
      const { damage, provenContents, uuid } = recovered;
      if (this.uuid !== undefined && this.uuid.join() !== uuid?.join()) {
        const message = `Cannot archive the log at ${folder}: another log or none is in its place`;
        throw new WalLogError("NOT_FOUND", message, { path: folder });
      }
      if (damage.length > 0) throw corrupt(folder, damage);
      this.uuid = uuid;
      if (provenContents === undefined) return;
      this.log ??= new ProvenLog(fileSystem, folder, provenContents);
      this.log.recovered(codec, provenContents);
      this.isLost = false;
    } finally {
      returnCodec(codec);
    }
  }
}
