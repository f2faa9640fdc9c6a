/**
 * A job queue on an event log. Each change of a job is an event. Opening the queue reads them.
 *
 * @module
 */

import { join } from "node:path";
import { EventLog } from "../../src/events/mod.ts";

/** An event of a job. The job's id is the position of the event that added it. */
type JobEvent =
  | { readonly type: "added"; readonly data: unknown }
  | { readonly type: "leased" | "returned" | "done"; readonly id: number };

/** A job that has used up its attempts. */
export interface DeadLetter {
  readonly id: number;
  readonly data: unknown;
  readonly attempts: number;
}

/** A job that a worker has to do before its lease ends. */
export interface Lease {
  readonly id: number;
  readonly data: unknown;
  /** 1 for the first time. A worker names it, because the job may have been leased to another one since. */
  readonly attempt: number;
}

/** The options of the queue. */
export interface QueueOptions {
  /** The duration of a lease, in milliseconds. */
  readonly leaseMs: number;
  /** The wait of a returned job, in milliseconds for each attempt so far. */
  readonly retryMs: number;
  /** The number of leases after which a job becomes a dead letter. */
  readonly attemptsMax: number;
}

interface Job {
  readonly id: number;
  readonly data: unknown;
  attempts: number;
  /** The job is not leased before this time: the end of its lease, or of its wait after a failure. */
  notBefore: number;
}

/** The names of the queue's logs, without their ending `.wal`. */
export const LOGS = ["jobs", "dead"] as const;
/** Finished jobs that stay in the log until it is compacted. */
const COMPACT_AFTER = 10_000;

/** Jobs that are done at least once, or become dead letters. */
export class JobQueue {
  /** Unfinished jobs, the oldest first. */
  readonly #jobs = new Map<number, Job>();
  readonly #log: EventLog<JobEvent>;
  readonly #dead: EventLog<DeadLetter>;
  readonly #options: QueueOptions;

  private constructor(log: EventLog<JobEvent>, dead: EventLog<DeadLetter>, options: QueueOptions) {
    this.#log = log;
    this.#dead = dead;
    this.#options = options;
    for (const { position, time, event } of log.iterate()) this.#apply(position, time, event);
    for (const { event } of dead.iterate()) this.#jobs.delete(event.id);
  }

  /** Opens the queue in a folder. */
  static async open(folder: string, options: QueueOptions): Promise<JobQueue> {
    const [jobs, dead] = LOGS.map((name) => join(folder, `${name}.wal`)) as [string, string];
    const log = await EventLog.open<JobEvent>(jobs);
    return new JobQueue(log, await EventLog.open<DeadLetter>(dead), options);
  }

  /** Adds a job. Resolves to its id when the job is durable. */
  add(data: unknown): Promise<number> {
    return this.#record({ type: "added", data });
  }

  /** Leases the oldest job that is ready. Resolves to `undefined` if there is none. */
  async lease(): Promise<Lease | undefined> {
    const now = Date.now();
    for (const job of this.#jobs.values()) {
      if (job.notBefore > now) continue;
      if (job.attempts === this.#options.attemptsMax) {
        this.#dead.write({ id: job.id, data: job.data, attempts: job.attempts });
        this.#jobs.delete(job.id);
        continue;
      }
      const recorded = this.#record({ type: "leased", id: job.id });
      const lease = { id: job.id, data: job.data, attempt: job.attempts };
      await recorded;
      return lease;
    }
    return undefined;
  }

  /** Ends a job. Resolves to whether this attempt is still the latest; otherwise nothing changes. */
  ack(id: number, attempt: number): Promise<boolean> {
    return this.#end("done", id, attempt);
  }

  /** Returns a job that could not be done, to be tried again later. Resolves as {@link JobQueue.ack} does. */
  retry(id: number, attempt: number): Promise<boolean> {
    return this.#end("returned", id, attempt);
  }

  /** The dead letters. */
  async dead(): Promise<DeadLetter[]> {
    await this.#dead.flush();
    return [...this.#dead.iterate()].map(({ event }) => event);
  }

  /** Makes everything durable and closes the logs. */
  async close(): Promise<void> {
    await Promise.all([this.#log.close(), this.#dead.close()]);
  }

  async #end(type: "done" | "returned", id: number, attempt: number): Promise<boolean> {
    if (this.#jobs.get(id)?.attempts !== attempt) return false;
    await this.#record({ type, id });
    await this.#compact();
    return true;
  }

  /** Writes an event, changes the state, and waits for the disk. Calls that wait at the same time share a flush. */
  async #record(event: JobEvent): Promise<number> {
    const position = this.#log.write(event);
    this.#apply(position, Date.now(), event);
    await this.#log.flush();
    return position;
  }

  #apply(position: number, time: number, event: JobEvent): void {
    if (event.type === "added") {
      this.#jobs.set(position, { id: position, data: event.data, attempts: 0, notBefore: 0 });
      return;
    }
    const job = this.#jobs.get(event.id);
    if (job === undefined) return; // It is done, and compaction has dropped the event that added it.
    if (event.type === "done") this.#jobs.delete(event.id);
    if (event.type === "leased") job.notBefore = time + this.#options.leaseMs;
    if (event.type === "leased") job.attempts++;
    if (event.type === "returned") job.notBefore = time + this.#options.retryMs * job.attempts;
  }

  /** Drops the events before the oldest unfinished job. */
  async #compact(): Promise<void> {
    const [oldest = this.#log.last] = this.#jobs.keys();
    if (oldest - this.#log.first < COMPACT_AFTER) return;
    await this.#dead.flush(); // A dead letter must be durable before its job is dropped.
    this.#log.compact(oldest - 1);
  }
}
