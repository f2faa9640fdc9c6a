/**
 * The state machine: texts by key, changed by one command after another, the same on every replica.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Applied, StateMachine } from "../../src/replica/mod.ts";

/** A change of one key. */
export interface Write {
  readonly key: string;
  readonly value: string;
  /** The write happens only if the key has this text, `null` for none. Without it, the write always happens. */
  readonly expected?: string | null;
}

/** A write as a command. */
export function encodeWrite({ key, value, expected }: Write): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ key, value, expected }));
}

/** Texts by key. The answer to a write is the text that the key had before. */
export class Store implements StateMachine<string | null> {
  #values = new Map<string, string>();

  get(key: string): string | null {
    return this.#values.get(key) ?? null;
  }

  apply(entries: readonly Applied[]): (string | null)[] {
    return entries.map(({ command }) => {
      const { key, value, expected } = JSON.parse(new TextDecoder().decode(command)) as Write;
      const found = this.get(key);
      if (expected === undefined || expected === found) this.#values.set(key, value);
      return found;
    });
  }

  async snapshot(to: WritableStream<Uint8Array>): Promise<void> {
    await new Blob([JSON.stringify([...this.#values])]).stream().pipeTo(to);
  }

  async restore(from: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    this.#values = new Map(await new Response(from).json());
  }

  /** Differs if two stores differ. */
  digest(): string {
    return createHash("sha256").update(JSON.stringify([...this.#values].sort())).digest("hex").slice(0, 16);
  }
}
