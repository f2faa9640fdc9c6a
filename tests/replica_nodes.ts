/**
 * Replicas in one process, with a state machine that writes down what it applies.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { MemoryNetwork, MemoryTransport } from "../src/raft/mod.ts";
import {
  type Applied,
  type ProposeOptions,
  Replica,
  ReplicaError,
  type ReplicaEvent,
  type ReplicaOptions,
  type StateMachine,
} from "../src/replica/mod.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { until } from "./transports.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Every command that was applied, in order. An answer is the number of commands up to this one, and the command. */
export class Journal implements StateMachine<string> {
  commands: string[] = [];
  /** The indexes of the commands that were applied since the start or the last restore. */
  indexes: number[] = [];
  /** The sizes of the pages. */
  pages: number[] = [];
  restores = 0;
  /** Replaced by tests. */
  before: (entries: readonly Applied[]) => void | Promise<void> = () => {};
  duringSnapshot: (signal: AbortSignal) => void | Promise<void> = () => {};

  apply(entries: readonly Applied[]): readonly string[] | Promise<readonly string[]> {
    const waited = this.before(entries);
    return waited === undefined ? this.#apply(entries) : waited.then(() => this.#apply(entries));
  }

  #apply(entries: readonly Applied[]): string[] {
    this.pages.push(entries.length);
    return entries.map(({ index, command }) => {
      const text = decoder.decode(command);
      this.indexes.push(index);
      return `${this.commands.push(text)}:${text}`;
    });
  }

  async snapshot(to: WritableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
    const bytes = encoder.encode(JSON.stringify(this.commands));
    const writer = to.getWriter();
    await writer.write(bytes.subarray(0, 5));
    await this.duringSnapshot(signal);
    await writer.write(bytes.subarray(5));
    writer.releaseLock();
  }

  async restore(from: ReadableStream<Uint8Array>): Promise<void> {
    this.commands = await new Response(from).json();
    this.indexes = [];
    this.restores++;
  }
}

/** A replica and what belongs to it. */
export interface Started {
  readonly replica: Replica<string>;
  readonly journal: Journal;
  readonly events: ReplicaEvent[];
}

/** Replicas over one network. */
export class Replicas {
  readonly network = new MemoryNetwork();
  readonly all = new Map<bigint, Started>();
  readonly #folder: string;
  readonly #ids: readonly bigint[];

  constructor(folder: string, ids: readonly bigint[]) {
    this.#folder = folder;
    this.#ids = ids;
  }

  folderOf(id: bigint): string {
    return join(this.#folder, String(id));
  }

  /** Starts a replica. */
  async start(id: bigint, options: Partial<ReplicaOptions<string>> = {}): Promise<Started> {
    const journal = new Journal();
    const events: ReplicaEvent[] = [];
    const replica = await Replica.start({
      ...{
        folder: this.folderOf(id),
        id,
        address: `memory:${id}`,
        peers: this.#ids.map((id) => [id, `memory:${id}`] as const),
      },
      ...{ stateMachine: options.stateMachine ?? journal, transport: new MemoryTransport(id, this.network) },
      ...{ tickMilliseconds: 10, onEvent: (event) => events.push(event) },
      ...options,
    });
    const started = { replica, journal, events };
    this.all.set(id, started);
    return started;
  }

  async startAll(options: Partial<ReplicaOptions<string>> = {}): Promise<void> {
    await Promise.all(this.#ids.map((id) => this.start(id, options)));
  }

  /** Closes a replica. */
  async close(id: bigint): Promise<void> {
    const started = this.all.get(id);
    this.all.delete(id);
    await started?.replica.close();
  }

  /** The leader of the latest term, once another replica follows it. */
  async leader(): Promise<Started> {
    let found: Started | undefined;
    await until(() => {
      const statuses = [...this.all.values()].map((started) => ({ started, status: started.replica.status() }));
      const term = Math.max(...statuses.map(({ status }) => status.term));
      found = statuses.find(({ status }) => status.role === "leader" && status.term === term)?.started;
      const { id } = found?.replica ?? {};
      const followers = statuses.filter(({ status }) => status.leader === id && status.term === term).length;
      return found !== undefined && followers > statuses.length / 2;
    }, "a leader");
    return found!;
  }

  /** A replica that does not lead. */
  async follower(): Promise<Started> {
    const leader = await this.leader();
    return [...this.all.values()].find((one) => one !== leader)!;
  }

  /** Proposes to the leader, and again to the next one if it is certain that nothing has happened. */
  async propose(text: string, options: ProposeOptions = {}): Promise<string> {
    for (;;) {
      try {
        return await (await this.leader()).replica.propose(encoder.encode(text), options);
      } catch (error) {
        if (!(error instanceof ReplicaError) || !error.isRetryable) throw error;
      }
    }
  }

  /** Waits until all replicas have applied the same commands, and as many as the test knows to be committed. */
  async same(least = 1): Promise<string[]> {
    const [first] = this.all.values();
    await until(() => {
      const most = Math.max(...[...this.all.values()].map(({ journal }) => journal.commands.length));
      return [...this.all.values()].every(({ journal }) => journal.commands.length === most) && most >= least;
    }, "all replicas have applied as much");
    for (const { journal } of this.all.values()) assert.deepEqual(journal.commands, first!.journal.commands);
    return first!.journal.commands;
  }

  /** Closes all. */
  async end(): Promise<void> {
    await Promise.all([...this.all.keys()].map((id) => this.close(id)));
  }
}

/** Runs a test with replicas, which it starts. */
export function withReplicas(
  body: (replicas: Replicas) => Promise<void>,
  ids: readonly bigint[] = [1n, 2n, 3n],
): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const replicas = new Replicas(folder, ids);
      try {
        await body(replicas);
      } finally {
        await replicas.end();
      }
    });
}

/** A text as a command. */
export function commandOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** A failure with a code and an outcome. */
export function failsWith(code: string, outcome: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ReplicaError, String(error));
    assert.deepEqual([error.code, error.outcome], [code, outcome], error.message);
    return true;
  };
}
