/**
 * Judges the log of one disk over all its power cuts. It knows the states that a cut may leave: those of the history
 * from the last acknowledged step to the last one begun. After each cut, the files must hold one of them, and the
 * library must read the same from them as the independent decoder. Another class judges the archive.
 *
 * @module
 */

import { isDeepStrictEqual } from "node:util";
import { ArchiveJudge } from "./archive_judge.ts";
import type { Decoded, Files } from "./decoder.ts";
import { type Contents, inWords, Model, nextStep, NOTHING } from "./history.ts";
import type { Report } from "./orders.ts";
import { Random } from "./random.ts";

/** The counts of the judge. */
export interface Judgements {
  /** Logs that were judged after a cut. */
  judged: number;
  /** Logs with a torn end. */
  torn: number;
  /** Logs with steps that had not been acknowledged. */
  ahead: number;
  /** Steps that were acknowledged as durable. */
  acknowledged: number;
}

/** Judges the log of one disk. */
export class Judge {
  /** The violation found; `undefined` as long as there is none. */
  problem: string | undefined;
  /** The message of the guest if it has failed. */
  failure: string | undefined;
  /** The guest's last reported action. */
  phase = "starting";
  readonly counts: Judgements = { judged: 0, torn: 0, ahead: 0, acknowledged: 0 };
  readonly #decode: (files: Files) => Decoded;
  readonly #archive: ArchiveJudge;
  #key = "";
  #random = new Random("");
  #model = new Model();
  /** The states that a cut may leave now. The first is the last acknowledged one. */
  #states: Contents[] = [NOTHING];
  /** The step after which the first of the states was reached. */
  #durable = 0;
  #begun = 0;
  #decoded: Decoded | undefined;
  #isClosed = false;

  /** @param decode Reads the files of a log. */
  constructor(decode: (files: Files) => Decoded) {
    this.#decode = decode;
    this.#archive = new ArchiveJudge(decode);
  }

  /** The counts of the archive's judge. */
  get archiveCounts(): ArchiveJudge["counts"] {
    return this.#archive.counts;
  }

  /**
   * Begins with another guest.
   *
   * @param key The key of its history.
   */
  begin(key: string): void {
    this.#key = key;
    this.#decoded = undefined;
    this.#isClosed = false;
    this.failure = undefined;
    this.phase = "starting";
  }

  /**
   * Takes in a report.
   *
   * @param report The report of the guest.
   */
  take(report: Report): void {
    if (this.problem !== undefined) return;
    if (report.is === "mounting" || report.is === "opening" || report.is === "closed") this.phase = report.is;
    if (report.is === "found") this.#found(report.files, report.store);
    else if (report.is === "opened") this.#opened(report.contents, report.verdict);
    else if (report.is === "begun") this.#begin(report.number, report.kind);
    else if (report.is === "durable") this.#acknowledge(report.number);
    else if (report.is === "archived") this.problem = this.#archive.archived(report.index, report.number);
    else if (report.is === "failed") this.failure = report.message;
    else if (report.is === "closed") {
      this.#acknowledge(this.#begun);
      this.#isClosed = true;
    }
  }

  /** The files after a cut, or after a close. */
  #found(files: Files, store: Files): void {
    const decoded = this.#decode(files);
    this.#decoded = decoded;
    if (decoded.damage !== null) return this.#reject(`the decoder reports damage: ${decoded.damage}`);
    const at = this.#states.findIndex((state) => isDeepStrictEqual(state, decoded.contents));
    if (at < 0) {
      return this.#reject(
        `the log holds ${inWords(decoded.contents)}: not a state of the history from the last acknowledged one, ` +
          `${inWords(this.#states[0]!)}, to the last one begun, ${inWords(this.#states.at(-1)!)}`,
      );
    }
    this.problem = this.#archive.found(store, decoded.contents);
    if (this.#isClosed) return;
    this.counts.judged++;
    this.counts.torn += Number(decoded.verdict === "torn");
    this.counts.ahead += Number(at > 0);
    this.#states = [decoded.contents];
    this.#durable = this.#begun = 0;
    this.#model = new Model(decoded.contents);
    this.#random = new Random(`history ${this.#key}`);
  }

  #opened(contents: Contents, verdict: string): void {
    const decoded = this.#decoded;
    if (decoded === undefined) return this.#reject("the guest opened the log without sending its files");
    if (!isDeepStrictEqual(contents, decoded.contents)) {
      this.#reject(`the library reads ${inWords(contents)}, the decoder ${inWords(decoded.contents)}`);
    } else if (verdict !== decoded.verdict) {
      this.#reject(`the library says ${verdict}, the decoder ${decoded.verdict}`);
    }
  }

  #begin(number: number, kind: string): void {
    const step = nextStep(this.#random, this.#model);
    if (number !== this.#begun + 1 || step.kind !== kind) {
      return this.#reject(`the guest begins step ${number}, ${kind}: expected ${this.#begun + 1}, ${step.kind}`);
    }
    this.#model.apply(step);
    this.#begun = number;
    const contents = this.#model.contents();
    this.#states.push(contents);
    this.#archive.step(contents);
    this.phase = kind;
  }

  /** Everything up to a step is durable: no cut may leave an earlier state. */
  #acknowledge(number: number): void {
    if (number <= this.#durable) return;
    this.#states = this.#states.slice(number - this.#durable);
    this.counts.acknowledged += number - this.#durable;
    this.#durable = number;
  }

  #reject(problem: string): void {
    this.problem = problem;
  }
}
