/**
 * Makes snapshots of the state machine while commands are applied.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, SnapshotMeta, SnapshotTarget } from "../api/types.ts";
import type { Clients } from "./clients.ts";
import type { ReplicaEvent } from "./events.ts";
import { encodeHead, streamTo } from "./snapshot_data.ts";
import type { StateMachine } from "./state_machine.ts";

/** The bytes added for each applied command, because empty commands take space too. */
const ENTRY_BYTES = 64;
/** The pause after a failed snapshot. In ticks. */
const RETRY_TICKS = 50;

/** The part of the replica that snapshots use. */
export interface SnapshotHost {
  /** `RaftNode.snapshotMeta`. */
  readonly meta: (index: Index) => SnapshotMeta | undefined;
  /** `WalLog.createSnapshotTarget`. */
  readonly create: (meta: SnapshotMeta) => SnapshotTarget;
  /** Gives a complete snapshot to the node. */
  readonly install: (target: SnapshotTarget) => Promise<void>;
  /** Emits an event to the application. */
  readonly emit: (event: ReplicaEvent) => void;
}

/** The snapshot that is being made. */
interface Running {
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/** Makes snapshots. */
export class Snapshots {
  readonly #machine: StateMachine<unknown>;
  readonly #host: SnapshotHost;
  readonly #leastBytes: number;
  readonly #maxBytes: number;
  /** Bytes of commands applied since the last snapshot. */
  #bytes = 0;
  /** The size of the last snapshot. */
  #lastBytes = 0;
  #running: Running | undefined;
  /** The last page applied. If a newer snapshot was restored since, `SnapshotHost.meta` refuses this one. */
  #applied: { readonly index: Index; readonly clients: Clients } | undefined;
  /** Ticks until the next attempt after a failure. */
  #pause = 0;
  #isStopped = false;

  /**
   * @param machine The state machine.
   * @param host The replica.
   * @param bounds The bytes of commands after which a snapshot is due, and the size of the largest snapshot.
   */
  constructor(
    machine: StateMachine<unknown>,
    host: SnapshotHost,
    { snapshotBytes, maxSnapshotBytes }: { readonly snapshotBytes: number; readonly maxSnapshotBytes: number },
  ) {
    this.#machine = machine;
    this.#host = host;
    this.#leastBytes = snapshotBytes;
    this.#maxBytes = maxSnapshotBytes;
  }

  /** Whether a snapshot is being made. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Counts an applied command. */
  count(bytes: number): void {
    this.#bytes += bytes + ENTRY_BYTES;
  }

  /** Counts a tick. */
  tick(): void {
    if (this.#pause > 0) this.#pause--;
  }

  /** A snapshot was restored. */
  restored(bytes: number): void {
    this.#bytes = 0;
    this.#lastBytes = bytes;
  }

  /**
   * Begins a snapshot if one is due. A log may grow to the size of the state before it is compacted. When this returns,
   * the state machine has captured its state, and may change it.
   *
   * @param index The last index that the state machine has applied.
   * @param clients The table of clients at this index.
   */
  beginIfDue(index: Index, clients: Clients): void {
    this.#applied = { index, clients };
    if (this.#bytes >= Math.max(this.#leastBytes, this.#lastBytes)) this.begin();
  }

  /**
   * Begins a snapshot of the state after the last page, unless one is being made. It must be called between pages. When
   * this returns, the state machine has captured its state.
   */
  begin(): void {
    if (this.#isStopped || this.#running !== undefined || this.#pause > 0 || this.#applied === undefined) return;
    const { index, clients } = this.#applied;
    const abort = new AbortController();
    const done = this.#make(index, clients, abort.signal).catch((error) => {
      if (this.#isStopped || abort.signal.aborted) return;
      this.#pause = RETRY_TICKS;
      this.#host.emit({ type: "snapshotFailed", index, error });
    }).finally(() => this.#running = undefined);
    this.#running = { abort, done };
  }

  async #make(index: Index, clients: Clients, signal: AbortSignal): Promise<void> {
    const started = performance.now();
    const meta = this.#host.meta(index);
    if (meta === undefined) return;
    const bytes = this.#bytes;
    const target = this.#host.create(meta);
    try {
      target.write(encodeHead(clients));
      const { stream, finish } = streamTo(target, this.#maxBytes);
      // The state machine captures its state before anything else happens.
      await this.#machine.snapshot(stream, signal);
      signal.throwIfAborted();
      await finish();
      signal.throwIfAborted();
      const { dataBytes } = target;
      await this.#host.install(target);
      this.#bytes -= bytes;
      this.#lastBytes = dataBytes;
      const milliseconds = performance.now() - started;
      this.#host.emit({ type: "snapshotMade", index, bytes: dataBytes, milliseconds });
    } finally {
      if (target.isOpen) discard(target);
    }
  }

  /**
   * Aborts the snapshot that is being made.
   *
   * @returns Resolves when the state machine's method has returned.
   */
  async abort(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    running.abort.abort(new WalLogError("CLOSED", "The snapshot is no longer needed"));
    await running.done;
  }

  /** Aborts the present snapshot, and makes no further one. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.abort();
  }
}

/** Removes an unfinished snapshot. If the log has failed, opening it again removes the snapshot. */
function discard(target: SnapshotTarget): void {
  try {
    target.abort();
  } catch {
    // The failure of the log is reported elsewhere.
  }
}
