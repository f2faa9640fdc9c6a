/**
 * Documents of Yjs on an event log: one log for all of them.
 *
 * @module
 */

import * as Y from "yjs";
import { type EventCodec, EventLog } from "../../src/events/mod.ts";

/** A change of a document, as Yjs encodes it. */
interface Update {
  readonly name: string;
  readonly update: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The length of the name, the name, the update. */
const codec: EventCodec<Update> = {
  encode({ name, update }) {
    const bytes = encoder.encode(name);
    if (bytes.length > 255) throw new RangeError("a name can have 255 bytes");
    return new Uint8Array([bytes.length, ...bytes, ...update]);
  },
  decode(bytes) {
    const end = 1 + bytes[0]!;
    return { name: decoder.decode(bytes.subarray(1, end)), update: bytes.slice(end) };
  },
};

/** Documents that survive whatever happens to the process and the machine. */
export class DocumentStore {
  readonly #documents = new Map<string, Y.Doc>();
  readonly #log: EventLog<Update>;
  readonly #compactAfter: number;
  /** Updates in the log, without those of the last compaction. */
  #updates = 0;

  private constructor(log: EventLog<Update>, compactAfter: number) {
    this.#log = log;
    this.#compactAfter = compactAfter;
    for (const { event } of log.iterate()) this.#apply(event);
  }

  /**
   * Opens the documents in a folder.
   *
   * @param folder The folder of the log.
   * @param compactAfter After how many updates the log keeps only the merged documents.
   */
  static async open(folder: string, compactAfter = 10_000): Promise<DocumentStore> {
    return new DocumentStore(await EventLog.open<Update>(folder, { codec }), compactAfter);
  }

  /**
   * Stores an update. Resolves when it is durable: only then may others see it.
   *
   * @param name The name of the document. A new name makes a new document.
   * @param update The update. One that Yjs cannot read is rejected, and changes nothing.
   */
  async store(name: string, update: Uint8Array): Promise<void> {
    Y.decodeUpdate(update); // Throws if it is malformed, before it is in the log.
    this.#log.write({ name, update });
    this.#apply({ name, update });
    if (this.#updates >= this.#compactAfter) await this.#compact();
    await this.#log.flush();
  }

  /** The whole document as one update, when everything in it is durable. Empty for an unknown name. */
  async load(name: string): Promise<Uint8Array> {
    const state = Y.encodeStateAsUpdate(this.#documents.get(name) ?? new Y.Doc());
    await this.#log.flush();
    return state;
  }

  /** Makes everything durable and closes the log. */
  async close(): Promise<void> {
    await this.#log.close();
  }

  #apply({ name, update }: Update): void {
    const document = this.#documents.get(name) ?? new Y.Doc();
    this.#documents.set(name, document);
    Y.applyUpdate(document, update);
    this.#updates++;
  }

  /** Writes every document as one merged update, and drops all updates before these. */
  async #compact(): Promise<void> {
    this.#updates = 0;
    const states = [...this.#documents].map(([name, document]) => ({ name, update: Y.encodeStateAsUpdate(document) }));
    // All or none, also across a crash. They are written before this call returns, so no update comes in between.
    const last = await this.#log.appendAll(states);
    this.#log.compact(last - states.length);
  }
}
