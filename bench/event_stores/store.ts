/**
 * The interface of the compared event stores.
 *
 * @module
 */

import { createRequire } from "node:module";
import type { Deposit } from "../deposit.ts";
import { NotAvailable } from "../stores/store.ts";

/** An open store. */
export interface EventStore {
  /** Appends an event. Resolves when the store says that it is stored. */
  append(event: Deposit): Promise<unknown>;
  /** Appends events at once. Missing, as `replay` is, if a store is a queue that is not read from the start. */
  appendMany?(events: readonly Deposit[]): Promise<unknown>;
  /** Reads all events, as objects; returns the sum of their ids. */
  replay?(): number | Promise<number>;
  /** Closes the store. */
  close(): unknown;
}

/** A kind of store. */
export interface EventStoreKind {
  /** Its package and version. */
  readonly name: string;
  /** What is on stable storage when `append` resolves, by its source. */
  readonly flushes: string;
  /** Opens a store in a folder that exists. */
  open(folder: string): Promise<EventStore>;
}

const require = createRequire(new URL("./package.json", import.meta.url));

/**
 * Loads a peer.
 *
 * @param name Its package.
 * @returns Its module, without types, because these are missing if it is not installed.
 * @throws {NotAvailable} If it is not installed or does not load in this runtime.
 */
// deno-lint-ignore no-explicit-any
export function loadEventPeer(name: string): any {
  try {
    return require(name);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const [line] = message.split("\n");
    throw new NotAvailable(code === "MODULE_NOT_FOUND" ? "not installed" : `does not load: ${line}`);
  }
}
