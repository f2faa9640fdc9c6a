/**
 * Lets a log be followed beside its writer, in the same or another process. While a follower waits, the folder is
 * watched and polled, and new entries are read from the newest segment.
 *
 * @module
 */

import { performance } from "node:perf_hooks";
import { setImmediate, setTimeout } from "node:timers/promises";
import { WalLogError } from "../api/errors.ts";
import type { CheckedOptions } from "../api/options.ts";
import type { Damage } from "../api/report.ts";
import type { Index, LogEntry, Term } from "../api/types.ts";
import type { Codec } from "../codec/codec.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { errorCode, ioError } from "../io/full.ts";
import { Broadcast } from "../log/broadcast.ts";
import type { FollowEnd, FollowSource } from "../log/follow.ts";
import { LogIndex } from "../log/log_index.ts";
import { EntryReader } from "../log/reader.ts";
import type { Truncations } from "../log/truncations.ts";
import type { Durability } from "../write/durability.ts";
import { corrupt, type Opened } from "./open.ts";
import { ProvenLog, type View } from "./read_on.ts";
import { readIdentity } from "./identity.ts";
import { recoverBesideWriter } from "./recover.ts";
import type { RecoveryStep } from "./recovered.ts";

/** The interval between checks of a log while a follower waits and the system reports no changes, in milliseconds. */
const POLL_MS = 20;
/** The least time between two checks, in milliseconds: a busy writer changes its files all the time. */
const LOOK_GAP_MS = 4;
/** The time to keep watching the folder after the last follower stopped waiting, in milliseconds. */
const LINGER_MS = 100;
/** The time that reading runs before it returns to the event loop, in milliseconds. */
const SLICE_MS = 8;

/** A log that is written elsewhere, as its followers see it. */
export class ReadSource implements FollowSource {
  private readonly opened: Opened;
  private readonly onDamage: CheckedOptions["onDamage"];
  private readonly durability: Durability;
  private readonly log: ProvenLog;
  private readonly reader: EntryReader;
  private readonly changes = new Broadcast();
  /** Serializes reads, in the order of the calls. */
  private queue: Promise<void> = Promise.resolve();
  private isLookQueued = false;
  /** Whether the log has to be recovered again before new entries can be read. */
  private isLost: boolean;
  private failure: FollowEnd | undefined;
  private stopWatching: (() => void) | undefined;
  /** The log's UUID; `undefined` while there is no log. */
  private uuid: Uint8Array | undefined;
  /** The damage that the last recovery found. */
  private damage: readonly Damage[] = [];
  private lastLook = -Infinity;
  private lastAwaited = 0;

  /**
   * @param opened The log, opened for reading only.
   * @param onDamage Whether to reject a damaged log.
   * @param durability Whether it is open.
   */
  constructor(opened: Opened, onDamage: CheckedOptions["onDamage"], durability: Durability) {
    const { fileSystem, folder, codec, provenContents, state, uuid } = opened;
    this.opened = opened;
    this.onDamage = onDamage;
    this.durability = durability;
    this.log = new ProvenLog(fileSystem, folder, provenContents ?? { index: new LogIndex(), state });
    this.isLost = provenContents === undefined;
    this.uuid = uuid.some((byte) => byte !== 0) ? uuid : undefined;
    this.reader = new EntryReader(fileSystem, codec, this.log.index, undefined);
    durability.changes.subscribe(() => {
      if (durability.isClosed) this.close();
    });
  }

  /** The log's folder. */
  get path(): string {
    return this.opened.folder;
  }

  /** The lowest index that can be read. */
  get firstIndex(): Index {
    return this.log.index.firstIndex;
  }

  /** The last index that is proven durable. */
  get durableIndex(): Index {
    return this.log.index.nextIndex - 1;
  }

  /** Unknown, because only the proven part is read. */
  readonly lastIndex = Infinity;

  /** The log's truncations. */
  get truncations(): Truncations {
    return this.log.truncations;
  }

  /** Why no more entries come; `undefined` while they may. */
  get end(): FollowEnd | undefined {
    return this.durability.end ?? this.failure;
  }

  /** The term at an index; `undefined` outside the log, and if it is lost. */
  termAt(index: Index): Term | undefined {
    const term = this.log.index.termAt(index);
    return term === TERM_UNKNOWN ? undefined : term;
  }

  /** Reads entries; `undefined` if their file was deleted. The next check finds out why. */
  read(from: Index, to: Index, maxBytes: number): LogEntry[] | undefined {
    try {
      return this.reader.entriesAhead(from, to, maxBytes);
    } catch (error) {
      if (!(error instanceof WalLogError && error.code === "COMPACTED")) throw error;
      this.isLost = true;
      return undefined;
    }
  }

  /** Calls back once when any of this has changed. */
  whenChanged(wake: () => void): void {
    this.changes.once(wake);
    this.lastAwaited = performance.now();
    this.watch();
    this.look();
  }

  /** Ends such a wait. */
  forget(wake: () => void): void {
    this.changes.forget(wake);
  }

  private watch(): void {
    if (this.stopWatching !== undefined) return;
    const { fileSystem, folder } = this.opened;
    const look = () => {
      const now = performance.now();
      if (this.changes.isAwaited) this.lastAwaited = now;
      else if (now - this.lastAwaited > LINGER_MS) return this.unwatch();
      this.look();
    };
    if (fileSystem.watch !== undefined) {
      this.stopWatching = fileSystem.watch(folder, POLL_MS, look);
      return;
    }
    let cancel = () => {};
    const again = () => {
      cancel = fileSystem.after(POLL_MS, () => {
        again();
        look();
      });
    };
    again();
    this.stopWatching = () => cancel();
  }

  private unwatch(): void {
    this.stopWatching?.();
    this.stopWatching = undefined;
  }

  private close(): void {
    this.unwatch();
    this.reader.files.close();
    this.changes.announce();
  }

  /** Schedules a check for changes. A failure ends the waiting calls. */
  private look(): void {
    if (this.isLookQueued) return;
    this.isLookQueued = true;
    this.queue = this.queue.then(() => this.lookOnce());
  }

  private async lookOnce(): Promise<void> {
    const rest = this.lastLook + LOOK_GAP_MS - performance.now();
    if (rest > 0) await setTimeout(rest);
    this.isLookQueued = false;
    if (this.durability.isClosed) return;
    try {
      await this.run((codec) => this.readOn(codec));
    } catch (error) {
      // The writer was too busy for a recovery. The next check tries again.
      if (!(error instanceof WalLogError && error.code === "CHANGING")) this.fail(error);
    } finally {
      this.lastLook = performance.now();
    }
  }

  /** Ends the waiting calls with an error. Later calls try again. */
  private fail(error: unknown): void {
    this.failure = { kind: "failed", error: ioError("Cannot follow the log", this.path, error) };
    this.changes.announce();
    queueMicrotask(() => this.failure = undefined);
  }

  /**
   * Reads new entries, and then the unproven ones.
   *
   * @returns The current log.
   * @throws {WalLogError} `CORRUPT`, `CHANGING`, `IO`; `CLOSED` if the log is closed meanwhile.
   */
  async view(): Promise<View> {
    let view: View | undefined;
    const viewing = this.queue.then(() =>
      this.run(function* (this: ReadSource, codec: Codec) {
        yield* this.readOn(codec);
        const contents = yield* this.log.view(codec);
        const { fileSystem, folder } = this.opened;
        const found = readIdentity(fileSystem, folder, (bytes, seed) => codec.hash(bytes, seed));
        const identity = found === "damaged" ? undefined : found;
        view = { ...contents, uuid: this.uuid, identity, damage: this.damage };
      }.bind(this))
    );
    // A failure rejects only this call. Later reads continue.
    this.queue = viewing.catch(() => {});
    await viewing;
    this.durability.requireOpen("refresh");
    return view!;
  }

  /** Runs a read, and returns to the event loop between slices of work. */
  private async run(work: (codec: Codec) => Generator<RecoveryStep | void, void>): Promise<void> {
    const codec = leaseCodec();
    const steps = work(codec);
    try {
      for (let sliceEnd = performance.now() + SLICE_MS;;) {
        const step = steps.next();
        if (step.done || this.durability.isClosed) return;
        const waitMs = step.value?.waitMs;
        if (waitMs !== undefined) await setTimeout(waitMs);
        else if (performance.now() < sliceEnd) continue;
        else await setImmediate();
        sliceEnd = performance.now() + SLICE_MS;
      }
    } finally {
      steps.return();
      returnCodec(codec);
    }
  }

  /** Reads new entries as far as the log is proven durable, and wakes waiting followers. */
  private *readOn(codec: Codec): Generator<RecoveryStep | void, void> {
    const { log } = this;
    const { nextIndex, firstIndex } = log.index;
    const { count } = log.truncations;
    const wasLost = this.isLost;
    if (wasLost || !(yield* this.isCurrent(codec))) yield* this.recover(codec);
    for (const path of log.forget()) this.reader.files.drop(path);
    const { index } = log;
    const isSame = index.nextIndex === nextIndex && index.firstIndex === firstIndex && log.truncations.count === count;
    if (!isSame || wasLost) this.changes.announce();
  }

  private *isCurrent(codec: Codec): Generator<void, boolean> {
    try {
      for (const steps = this.log.readOn(codec);;) {
        const step = steps.next();
        if (step.done) return step.value === "current";
        // Followers can yield the entries read so far.
        this.changes.announce();
        yield;
      }
    } catch (error) {
      if (errorCode(error) === "ENOENT") return false;
      throw error;
    }
  }

  /** Fails if the folder now has another log or none. */
  private requireSameLog(uuid: Uint8Array | undefined): void {
    this.uuid ??= uuid;
    if (this.uuid?.join() === uuid?.join()) return;
    const { path } = this;
    const found = uuid === undefined ? "the folder no longer has a log" : "the folder now has another log";
    throw new WalLogError("NOT_FOUND", `Cannot read new entries of the log at ${path}: ${found}; open it again`, {
      path,
    });
  }

  /** Recovers the log again, from its segment indexes. */
  private *recover(codec: Codec): Generator<RecoveryStep, void> {
    const { fileSystem, folder } = this.opened;
    const recovered = yield* recoverBesideWriter({ fileSystem, folder, codec, verify: "tail", canWait: true });
    const { damage, provenContents } = recovered;
    this.requireSameLog(recovered.uuid);
    if (damage.length > 0 && this.onDamage === "fail") throw corrupt(folder, damage);
    if (provenContents === undefined) {
      const message =
        `Cannot read new entries of the log at ${folder}: frames at its end are damaged; open it for writing and repair it`;
      throw new WalLogError("CORRUPT", message, { path: folder, damage });
    }
    this.damage = damage;
    this.reader.files.close();
    this.log.recovered(codec, provenContents);
    this.isLost = false;
  }
}
