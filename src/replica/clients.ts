/**
 * The last command of each client and its answer, so that a command is applied once. The table is part of the
 * replicated state: it depends only on the commands, and snapshots include it.
 *
 * @module
 */

import { type CommandId, decodeClient } from "./command.ts";

/**
 * The number of clients that are remembered: those that proposed last. It must be the same on all replicas and in all
 * versions, because it decides which commands are applied.
 */
const CLIENTS_MAX = 10_000;
/** The most bytes of answers that are kept. The answers of the clients that proposed longest ago are dropped first. */
const ANSWERS_BYTES_MAX = 8 * 1024 * 1024;

/** A command that was applied, and its answer. */
export interface Slot {
  readonly client: string;
  readonly sequence: number;
  /** The encoded answer; `undefined` if it is not kept, or while the command is being applied. */
  answer: Uint8Array | undefined;
}

/** The decision about a command. `stale`: a later command of the client was applied, so this one will not be. */
export type Verdict =
  | { readonly type: "new"; readonly slot: Slot }
  | { readonly type: "repeated"; readonly slot: Slot }
  | { readonly type: "stale"; readonly last: number };

/** The last command of each client. */
export class Clients {
  /** By name; the client that proposed last is the last. */
  readonly #known: Map<string, Slot> = new Map();
  /** The same for those whose answer is kept. */
  readonly #answered: Map<string, Slot> = new Map();
  #answerBytes = 0;

  /** The number of clients that are remembered. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * Decides about the next command of the log.
   *
   * @param id Its id.
   * @returns The decision. For a new command, {@link Clients.answer} must follow.
   */
  judge({ client, sequence }: CommandId): Verdict {
    const last = this.#known.get(client);
    if (last !== undefined && sequence < last.sequence) return { type: "stale", last: last.sequence };
    if (last !== undefined && sequence === last.sequence) {
      this.#known.delete(client);
      this.#known.set(client, last);
      return { type: "repeated", slot: last };
    }
    const slot: Slot = { client, sequence, answer: undefined };
    this.#forget(client);
    this.#known.set(client, slot);
    if (this.#known.size > CLIENTS_MAX) this.#forget(this.#known.keys().next().value!);
    return { type: "new", slot };
  }

  /**
   * Keeps the answer to a new command.
   *
   * @param slot The command.
   * @param answer The encoded answer.
   */
  answer(slot: Slot, answer: Uint8Array | undefined): void {
    slot.answer = answer;
    // A later command of the client may have taken its place.
    if (answer === undefined || this.#known.get(slot.client) !== slot) return;
    this.#answered.set(slot.client, slot);
    this.#answerBytes += answer.length;
    for (const oldest of this.#answered.values()) {
      if (this.#answerBytes <= ANSWERS_BYTES_MAX) return;
      this.#drop(oldest);
    }
  }

  #drop(slot: Slot): void {
    this.#answered.delete(slot.client);
    this.#answerBytes -= slot.answer!.length;
    slot.answer = undefined;
  }

  /** Forgets a client. Its slot keeps the answer, which repetitions of the same page still need. */
  #forget(client: string): void {
    this.#known.delete(client);
    const slot = this.#answered.get(client);
    this.#answered.delete(client);
    this.#answerBytes -= slot?.answer?.length ?? 0;
  }

  /**
   * The table as bytes.
   *
   * @returns `u32 count`, and for each client `u8 size, client, u64 sequence, u32 size of the answer + 1, answer`. 0
   * instead of the size: the answer is not kept. The client that proposed last comes last.
   */
  encode(): Uint8Array<ArrayBuffer> {
    const clients = [...this.#known.values()].map((slot) => ({ slot, name: new TextEncoder().encode(slot.client) }));
    const size = clients.reduce((sum, { slot, name }) => sum + 13 + name.length + (slot.answer?.length ?? 0), 4);
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, clients.length, true);
    let at = 4;
    for (const { slot: { sequence, answer }, name } of clients) {
      bytes[at] = name.length;
      bytes.set(name, at + 1);
      at += 1 + name.length;
      view.setBigUint64(at, BigInt(sequence), true);
      view.setUint32(at + 8, answer === undefined ? 0 : answer.length + 1, true);
      if (answer !== undefined) bytes.set(answer, at + 12);
      at += 12 + (answer?.length ?? 0);
    }
    return bytes;
  }

  /**
   * A table from bytes.
   *
   * @param bytes The bytes that {@link Clients.encode} returned.
   * @returns The table.
   * @throws {RangeError} If they are not a table.
   */
  static decode(bytes: Uint8Array<ArrayBuffer>): Clients {
    const clients = new Clients();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 4;
    for (let left = view.getUint32(0, true); left > 0; left--) {
      const end = at + 1 + bytes[at]!;
      const client = decodeClient(bytes.subarray(at + 1, end));
      const size = view.getUint32(end + 8, true);
      at = end + 12 + Math.max(size - 1, 0);
      if (at > bytes.length) throw new RangeError("the table of clients is too short");
      const slot: Slot = { client, sequence: Number(view.getBigUint64(end, true)), answer: undefined };
      clients.#known.set(client, slot);
      clients.answer(slot, size === 0 ? undefined : bytes.slice(end + 12, at));
    }
    return clients;
  }
}
