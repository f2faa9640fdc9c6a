/**
 * Writes a history to a log with the library, and reports each step. It runs in the guest. The orders can request that
 * the log is also shipped to an archive.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { type LogEntry, WalLog } from "../../mod.ts";
import { delegateTo } from "../../src/io/delegate.ts";
import { nodeFileSystem } from "../../src/io/node_fs.ts";
import type { Files } from "./decoder.ts";
import { type Contents, Model, nextStep, type Step } from "./history.ts";
import type { Orders, Report } from "./orders.ts";
import { Random } from "./random.ts";
import { Shipper } from "./shipper.ts";

/** Longer than a log must be idle before it writes a checkpoint. */
const REST_MS = 30;
/** The steps after which all steps are durable. */
const SHIPPED: readonly Step["kind"][] = ["sync and wait", "syncSync", "reopen"];
/** The probability that the writer waits for the archiver after such a step. */
const WAIT_PROBABILITY = 0.5;
/** Files without data of the log. Reading `LOCK` would release the lock. */
const WITHOUT_DATA = ["LOCK", "RESERVE"];

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}

function contentsOf(log: WalLog): Contents {
  const { hardState: { term, votedFor }, snapshotIndex, lastIndex } = log;
  const snapshot = log.snapshot();
  const entries = log.entries(snapshotIndex + 1, lastIndex)
    .map(({ index, term, kind, command }) => [index, { term, kind, command: hex(command) }] as const);
  return {
    hardState: { term, votedFor: votedFor === null ? null : String(votedFor) },
    snapshot: snapshot === undefined ? null : {
      index: snapshot.index,
      term: snapshot.term,
      config: snapshot.config.map(String),
      meta: hex(snapshot.meta ?? new Uint8Array(0)),
      data: hex(snapshot.data),
    },
    entries: Object.fromEntries(entries),
  };
}

/**
 * Reads the files of a log.
 *
 * @param folder The folder of the log.
 * @returns The files by their names, in base64.
 */
export function filesOf(folder: string): Files {
  return contentsOfFiles(folder, readdirSync(folder).filter((name) => !WITHOUT_DATA.includes(name)));
}

/**
 * Reads the objects of a store in a folder.
 *
 * @param folder The folder. It may be missing.
 * @returns The objects by their keys, in base64.
 */
export function objectsOf(folder: string): Files {
  if (!existsSync(folder)) return {};
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const keys = found.map(({ parentPath, name }) => relative(folder, join(parentPath, name)));
  // Unfinished objects are in a folder whose name begins with a dot.
  return contentsOfFiles(folder, keys.filter((key) => !key.startsWith(".")));
}

function contentsOfFiles(folder: string, names: readonly string[]): Files {
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name)).toString("base64")]));
}

/** Writes one history to a log. */
export class Writer {
  readonly #random: Random;
  readonly #orders: Orders;
  readonly #folder: string;
  readonly #store: string;
  readonly #say: (line: Report) => void;
  #shipper: Shipper | undefined;
  #log: WalLog | undefined;
  #pending: Promise<unknown> = Promise.resolve();

  /**
   * Makes a writer.
   *
   * @param folder The folder of the log.
   * @param store The folder of its archive.
   * @param orders The history.
   * @param say Gets the reports.
   */
  constructor(folder: string, store: string, orders: Orders, say: (line: Report) => void) {
    this.#folder = folder;
    this.#store = store;
    this.#orders = orders;
    this.#say = say;
    this.#random = new Random(`random ${orders.key}`);
  }

  async #open(): Promise<WalLog> {
    // All guests resume from one saved state. So the numbers that must differ between them come with the orders.
    const random = (into: Uint8Array) => into.set(this.#random.bytes(into.length));
    const fileSystem = { ...delegateTo(nodeFileSystem), random };
    const { segmentBytes, ships, archivesEarly = false } = this.#orders;
    const log = this.#log = await WalLog.open(this.#folder, { segmentBytes, fileSystem });
    if (ships) this.#shipper = new Shipper(log, fileSystem, this.#store, archivesEarly, this.#say);
    return log;
  }

  async #close(): Promise<void> {
    await this.#pending;
    await this.#shipper?.stop();
    await this.#log!.close();
  }

  /** Opens the log, writes the history, and closes the log. */
  async write(): Promise<void> {
    this.#say({ is: "opening" });
    const log = await this.#open();
    const model = new Model(contentsOf(log));
    this.#say({ is: "opened", contents: model.contents(), verdict: log.recovery.verdict });
    const random = new Random(`history ${this.#orders.key}`);
    const shipping = new Random(`shipping ${this.#orders.key}`);
    for (let number = 1; number <= this.#orders.steps; number++) {
      const step = nextStep(random, model);
      this.#say({ is: "begun", number, kind: step.kind });
      await this.#do(step, number, model);
      model.apply(step);
      if (SHIPPED.includes(step.kind)) await this.#ship(number, shipping.chance(WAIT_PROBABILITY));
      // Lets the archiver continue.
      if (this.#shipper !== undefined) await setImmediate();
    }
    if (this.#shipper !== undefined) {
      this.#log!.syncSync();
      this.#say({ is: "durable", number: this.#orders.steps });
      await this.#ship(this.#orders.steps, true);
    }
    await this.#close();
    this.#say({ is: "closed" });
  }

  /** Ships everything up to a durable step, and either waits for that or continues at once. */
  async #ship(number: number, waits: boolean): Promise<void> {
    const { lastIndex } = this.#log!;
    if (this.#shipper === undefined || lastIndex === 0) return;
    const shipped = this.#shipper.ship(lastIndex, number);
    // If the entry is truncated before it is archived, the wait may last until the archiver stops.
    shipped.catch(() => {});
    if (waits) await shipped;
  }

  async #do(step: Step, number: number, model: Model): Promise<void> {
    const log = this.#log!;
    if (step.kind === "append") {
      const entries = step.entries.map(({ term, kind, command }, i): LogEntry => (
        { term, index: step.first + i, kind, command: bytesOf(command) as Uint8Array<ArrayBuffer> }
      ));
      log.append(entries);
    } else if (step.kind === "truncate") log.truncate(step.from);
    else if (step.kind === "hard state") {
      log.setHardState({ term: step.term, votedFor: step.votedFor === null ? null : BigInt(step.votedFor) });
    } else if (step.kind === "compact") {
      log.compact(step.index, { data: bytesOf(step.data), config: step.config.map(BigInt) });
    } else if (step.kind === "install") {
      const { index, term, data, config } = step;
      log.applySnapshot({ index, term, data: bytesOf(data), config: config.map(BigInt) });
    } else await this.#flush(step.kind, number, model);
  }

  async #flush(
    kind: "sync" | "sync and wait" | "syncSync" | "rest" | "reopen",
    number: number,
    model: Model,
  ): Promise<void> {
    const durable = () => this.#say({ is: "durable", number });
    if (kind === "rest") return void await setTimeout(REST_MS);
    if (this.#orders.acknowledgesEarly) durable();
    if (kind === "syncSync") this.#log!.syncSync();
    else if (kind === "reopen") {
      await this.#close();
      durable();
      const contents = contentsOf(await this.#open());
      if (!isDeepStrictEqual(contents, model.contents())) throw new Error("a closed log opens with other contents");
      return;
    } else {
      const done = this.#log!.sync().then(durable);
      this.#pending = Promise.all([this.#pending, done]);
      this.#pending.catch(() => {});
      if (kind === "sync and wait") await done;
      return;
    }
    durable();
  }
}
