/**
 * Judges the archive of one disk's log over all its power cuts. After each cut, the archive must hold a state of the
 * history. That state includes each entry that was reported as archived, and the log still has all entries of that
 * state.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { ArchiveDamage, readArchive } from "./archived.ts";
import type { Decoded, Files } from "./decoder.ts";
import { type Contents, inWords, NOTHING } from "./history.ts";

/** The counts of the judge of archives. */
export interface ArchiveJudgements {
  /** Archives that were judged after a cut. */
  archives: number;
  /** Archives that lacked a part of the log. */
  behind: number;
  /** Reports that an index is archived. */
  promises: number;
}

/** Judges an archive. */
export class ArchiveJudge {
  readonly counts: ArchiveJudgements = { archives: 0, behind: 0, promises: 0 };
  readonly #decode: (files: Files) => Decoded;
  /** All states that the log had since the disk was made. */
  #states: Contents[] = [NOTHING];
  /** The number of the first state in this run of the machine. */
  #first = 0;
  /** The number of the first state that the archive may hold. */
  #promised = 0;

  /** @param decode Reads the files of a log. */
  constructor(decode: (files: Files) => Decoded) {
    this.#decode = decode;
  }

  /**
   * Records a step.
   *
   * @param contents The contents after it.
   */
  step(contents: Contents): void {
    this.#states.push(contents);
  }

  /**
   * Records that an index is archived. A restore then has the log's entry at that index, or one of the same index and
   * term: Raft treats these as equal. A restore need not have the steps after that entry.
   *
   * @param index The index.
   * @param number The step of this guest after which the log had the entry.
   * @returns The violation; `undefined` if there is none.
   */
  archived(index: number, number: number): string | undefined {
    const state = this.#states[this.#first + number];
    const term = state && termAt(state, index);
    if (term === undefined) return `the guest reports index ${index} after step ${number} as archived: there is none`;
    this.#promised = Math.max(this.#promised, this.#states.findIndex((state) => termAt(state, index) === term));
    this.counts.promises++;
    return undefined;
  }

  /**
   * Judges the archive after a cut or a close.
   *
   * @param store The objects by their keys, in base64.
   * @param contents The contents of the log. They are a state of its history.
   * @returns The violation; `undefined` if there is none.
   */
  found(store: Files, contents: Contents): string | undefined {
    // The log may have had these contents several times. The archive may then be as new as the last time.
    const last = this.#states.findLastIndex((state) => isDeepStrictEqual(state, contents));
    const lost = this.#states.splice(last + 1);
    this.#first = last;
    let decoded: Decoded | undefined;
    try {
      const files = readArchive(store);
      decoded = files && this.#decode(files);
    } catch (error) {
      if (error instanceof ArchiveDamage) return `the archive is damaged: ${error.message}`;
      throw error;
    }
    if (decoded !== undefined && decoded.damage !== null) return `the archive is damaged: ${decoded.damage}`;
    const archived = decoded?.contents ?? NOTHING;
    const isArchived = (state: Contents) => isDeepStrictEqual(state, archived);
    this.counts.archives++;
    this.counts.behind += Number(!isArchived(contents));
    if (this.#states.slice(this.#promised).some(isArchived)) return undefined;
    const why = lost.some(isArchived) ? "a state that the log has lost" : "not a state of its history from there on";
    const promised = inWords(this.#states[this.#promised] ?? NOTHING);
    return `the log holds ${inWords(contents)}, its archive was reported to hold ${promised}, and holds ` +
      `${inWords(archived)}: ${why}`;
  }
}

function termAt({ snapshot, entries }: Contents, index: number): number | undefined {
  return snapshot?.index === index ? snapshot.term : entries[index]?.term;
}
