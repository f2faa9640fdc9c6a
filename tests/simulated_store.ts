/**
 * A simulated object store with the faults of real ones: replies are lost, writes take effect late, requests fail or are
 * refused, replies are cut off or damaged. A seed makes every run reproducible. Requests of several actors can be
 * answered in any order.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";
import { WalLogError } from "../mod.ts";
import {
  type GetResult,
  type ListedObject,
  MemoryStore,
  type ObjectBody,
  type ObjectRange,
  type ObjectStore,
  type PutResult,
} from "../src/archive/mod.ts";
import type { Random } from "../src/testing/mod.ts";
import type { Counts } from "./simulated_log.ts";

/** A store that fails at random. */
export class SimulatedStore implements ObjectStore {
  readonly name = "simulated://";
  /** The probability that a request fails in some way. */
  faults = 0;
  /** The most lists that can be out of date, counted in writes. Stores of today have 0. */
  staleWrites = 0;
  readonly memory = new MemoryStore();
  private readonly random: Random;
  private readonly counts: Counts;
  /** Writes whose reply was an error, and that may take effect later. */
  private late: (() => Promise<unknown>)[] = [];
  /** The objects before the last writes. */
  private past: Map<string, number>[] = [];
  private waiting: (() => void)[] = [];
  private isTogether = false;

  /**
   * @param random Random decisions.
   * @param counts Counts of faults, which this adds to.
   */
  constructor(random: Random, counts: Counts) {
    this.random = random;
    this.counts = counts;
  }

  putIfAbsent(key: string, bytes: Uint8Array): Promise<PutResult> {
    const copy = bytes.slice();
    return this.write(key, () => this.memory.putIfAbsent(key, copy));
  }

  put(key: string, body: ObjectBody): Promise<void> {
    // Read the body now: a late write has the bytes that were sent.
    const parts: Uint8Array[] = [];
    for (let done = 0; done < body.size; done += 1000) {
      parts.push(body.read(done, Math.min(1000, body.size - done)).slice());
    }
    const bytes = new Uint8Array(body.size);
    parts.forEach((part, i) => bytes.set(part, i * 1000));
    return this.write(
      key,
      () => this.memory.put(key, { size: bytes.length, read: (at, n) => bytes.subarray(at, at + n) }),
    );
  }

  delete(key: string): Promise<void> {
    return this.write(key, () => this.memory.delete(key));
  }

  async get(key: string, range?: ObjectRange): Promise<GetResult> {
    await this.turn();
    this.fail("read", key);
    const found = await this.memory.get(key, range);
    if (found.kind === "absent" || found.bytes.length === 0 || !this.random.chance(this.faults)) return found;
    if (this.random.chance(0.5)) {
      this.count("cut off");
      return { ...found, bytes: found.bytes.subarray(0, this.random.below(found.bytes.length)) };
    }
    this.count("damaged reply");
    found.bytes[this.random.below(found.bytes.length)]! ^= 1 << this.random.below(8);
    return found;
  }

  async *list(prefix: string): AsyncGenerator<ListedObject, void> {
    await this.turn();
    this.fail("list", prefix);
    const stale = this.past[this.random.below(Math.min(this.staleWrites, this.past.length) + 1) - 1];
    if (stale !== undefined) {
      this.count("stale list");
      yield* [...stale].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => a < b ? -1 : 1)
        .map(([key, size]) => ({ key, size }));
      return;
    }
    let count = 0;
    for await (const object of this.memory.list(prefix)) {
      yield object;
      // A list comes in several replies.
      if (++count % 5 === 0) {
        await this.turn();
        this.fail("list", prefix);
      }
    }
  }

  /** Lets late writes take effect, each with some probability. */
  async settle(probability = 1): Promise<void> {
    for (const apply of this.late.splice(0)) {
      if (!this.random.chance(probability)) this.late.push(apply);
      else await apply();
    }
  }

  /** Runs an action whose requests do not fail. */
  async withoutFaults(action: () => Promise<void>): Promise<void> {
    const { faults } = this;
    this.faults = 0;
    await action();
    this.faults = faults;
  }

  /**
   * Runs actors at the same time. Each waits for one request at most. The order of the answers is random.
   *
   * @param actors The actors.
   * @param between Called before each answer.
   */
  async together(actors: readonly (() => Promise<void>)[], between: () => void): Promise<void> {
    let active = 0;
    let failure: { readonly error: unknown } | undefined;
    this.isTogether = true;
    for (const actor of actors) {
      active++;
      actor().catch((error) => failure ??= { error }).finally(() => active--);
      // The order of the first requests must not depend on the speed of the actors.
      while (this.waiting.length < active) await setImmediate();
    }
    while (active > 0) {
      while (this.waiting.length < active) await setImmediate();
      if (active === 0) break;
      between();
      this.waiting.splice(this.random.below(this.waiting.length), 1)[0]!();
      await setImmediate();
    }
    this.isTogether = false;
    if (failure !== undefined) throw failure.error;
  }

  /** Waits until the request's turn comes. */
  private async turn(): Promise<void> {
    if (this.isTogether) await new Promise<void>((resolve) => this.waiting.push(resolve));
    if (this.random.chance(0.1)) await this.settle(0.3);
  }

  private async write<T>(key: string, apply: () => Promise<T>): Promise<T> {
    await this.turn();
    const dice = this.random.chance(this.faults) ? this.random.below(4) : -1;
    if (dice === 0) {
      this.count("late write");
      this.late.push(() => this.apply(apply));
      throw failed("write", key, "the reply did not come");
    }
    if (dice === 1) {
      this.count("refused");
      throw failed("write", key, "503: slow down");
    }
    const result = await this.apply(apply);
    if (dice !== 2) return result;
    this.count("lost reply");
    throw failed("write", key, "the connection was lost");
  }

  private async apply<T>(apply: () => Promise<T>): Promise<T> {
    if (this.staleWrites > 0) {
      this.past.unshift(new Map([...this.memory.objects].map(([key, { length }]) => [key, length])));
      this.past.length = Math.min(this.past.length, this.staleWrites);
    }
    return await apply();
  }

  private fail(action: string, key: string): void {
    if (!this.random.chance(this.faults / 2)) return;
    this.count("failed read");
    throw failed(action, key, "500: internal error");
  }

  private count(event: string): void {
    this.counts[event] = (this.counts[event] ?? 0) + 1;
  }
}

function failed(action: string, key: string, reason: string): WalLogError {
  return new WalLogError("STORE", `Cannot ${action} ${key} in simulated://: ${reason}`);
}
