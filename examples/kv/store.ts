/**
 * The state machine: texts by key, changed by one command after another, the same on every replica.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Text is never replaced by other text: what is not UTF-8 was not written here. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A change of one key. */
export interface Write {
  readonly key: string;
  readonly value: string;
  /** Only if this is there now, `null` for nothing; not there: whatever is. */
  readonly expected?: string | null;
}

/** A write as a command for the log. */
export function encodeWrite({ key, value, expected }: Write): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ key, value, expected }));
}

/** Texts by key. */
export class Store {
  #values = new Map<string, string>();

  /** The text of a key; `null` if it has none. */
  get(key: string): string | null {
    return this.#values.get(key) ?? null;
  }

  /**
   * Carries out a write.
   *
   * @param command The write, encoded.
   * @returns The text that the key had before.
   */
  apply(command: Uint8Array): string | null {
    const { key, value, expected } = JSON.parse(UTF8.decode(command)) as Write;
    const found = this.get(key);
    if (expected === undefined || expected === found) this.#values.set(key, value);
    return found;
  }

  /** Everything, as bytes that are the same for the same texts. */
  snapshot(): Uint8Array {
    const sorted = [...this.#values].sort(([a], [b]) => (a < b ? -1 : 1));
    return new TextEncoder().encode(JSON.stringify(sorted));
  }

  /** Replaces everything. */
  restore(snapshot: Uint8Array): void {
    this.#values = new Map(JSON.parse(UTF8.decode(snapshot)));
  }

  /** What tells whether two stores are the same: of what is in them, not of their snapshots, which may lack some of it. */
  digest(): string {
    const hash = createHash("sha256");
    for (const key of [...this.#values.keys()].sort()) hash.update(JSON.stringify([key, this.#values.get(key)]));
    return hash.digest("hex").slice(0, 16);
  }
}
