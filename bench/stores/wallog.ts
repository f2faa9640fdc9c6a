/**
 * This log.
 *
 * @module
 */

import { type NewEntry, WalLog } from "../../mod.ts";
import type { OpenOptions, Scanned, Store, StoreKind } from "./store.ts";

const TERM = 1;

class WalLogStore implements Store {
  readonly #log: WalLog;

  constructor(log: WalLog) {
    this.#log = log;
  }

  append(first: number, commands: readonly Uint8Array[]): void {
    const entries: NewEntry[] = [];
    for (let i = 0; i < commands.length; i++) {
      entries.push({ term: TERM, index: first + i, kind: "normal", command: commands[i]! });
    }
    this.#log.append(entries);
  }

  commit(first: number, commands: readonly Uint8Array[]): void {
    this.append(first, commands);
    this.#log.syncSync();
  }

  commitShared(first: number, command: Uint8Array): Promise<unknown> {
    this.#log.append([{ term: TERM, index: first, kind: "normal", command }]);
    return this.#log.sync();
  }

  /** Opening the log has read and verified every byte already. */
  scan(): Scanned {
    return { entries: this.#log.lastIndex, bytes: this.#log.recovery.bytes };
  }

  get(index: number): Uint8Array {
    return this.#log.entry(index)!.command;
  }

  range(from: number, to: number): Uint8Array[] {
    return this.#log.entries(from, to).map(({ command }) => command);
  }

  walk(): number {
    let bytes = 0;
    for (const { command } of this.#log.iterate()) bytes += command.length;
    return bytes;
  }

  follow(from: number): AsyncIterable<{ readonly command: Uint8Array }> {
    return this.#log.follow({ from });
  }

  close(): Promise<void> {
    return this.#log.close();
  }
}

/** This log with default options. */
export const wallog: StoreKind = {
  name: "wallog",
  title: "WalLog",
  note: "opening it verifies every checksum of the log; all options have their defaults",
  load: () => Promise.resolve(open),
};

async function open(folder: string, { verify, isSync }: OpenOptions): Promise<Store> {
  const options = verify === undefined ? {} : { verify };
  return new WalLogStore(isSync ? WalLog.openSync(folder, options) : await WalLog.open(folder, options));
}
