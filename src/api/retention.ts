/**
 * Retentions of entries that a snapshot covers. While a retention is held, compaction leaves the entries from its index
 * on in the log. Retentions exist only in the memory of the writer's process.
 *
 * @module
 */

import { WalLogError } from "./errors.ts";
import type { Index } from "./types.ts";
import { invalid, show } from "./validate.ts";

/** The longest name of a retention, in UTF-16 units. */
const NAME_LENGTH_MAX = 255;

/** A retention at one moment. */
export interface RetentionState {
  /** The name of its holder. No two retentions of a log have the same name. */
  readonly name: string;
  /** The lowest index that it retains. */
  readonly from: Index;
  /**
   * Index of the last snapshot that cleared the log while the retention was held; 0 if none did. Such a snapshot is a
   * leader's that does not follow from the log's entries. It discards all of them, the retained ones too.
   */
  readonly clearedAt: Index;
}

/**
 * Holds compaction back. Its fields change as it moves.
 *
 * {@link Retention.from} moves in three ways. {@link Retention.advance} moves it up. A truncation at a lower index moves
 * it down to that index, because the entries that are appended there are new. A snapshot that clears the log moves it to
 * the index after the snapshot, and sets {@link RetentionState.clearedAt}.
 *
 * A retention is disposable: `using` releases it.
 */
export interface Retention extends RetentionState, Disposable {
  /**
   * Releases the entries below an index. Segment files that are covered by the snapshot and no longer retained are
   * deleted at once. At or below {@link RetentionState.from}, and after {@link Retention.release}, it changes nothing.
   *
   * @param to The lowest index that is still needed. It may be above the log's last index.
   * @throws {WalLogError} `INVALID_ARGUMENT` for anything but a safe integer of 1 or more; `POISONED` if a file cannot
   * be deleted.
   */
  advance(to: Index): void;

  /**
   * Releases all entries, as {@link Retention.advance} does, and frees the name. Calling it again changes nothing.
   *
   * @throws {WalLogError} `POISONED` if a file cannot be deleted. The retention is released nevertheless.
   */
  release(): void;
}

/** A retention that is held. */
type Held = { -readonly [K in keyof RetentionState]: RetentionState[K] };

/** Whether a retention can begin at an index: any possible index of an entry, or the one after the highest. */
function canBegin(index: unknown): index is Index {
  return typeof index === "number" && (Number.isSafeInteger(index) || index === Number.MAX_SAFE_INTEGER + 1) &&
    index >= 1;
}

/** The retentions of a log. */
export class Retentions {
  /** The lowest index that is retained; `Infinity` if none is. */
  lowest: Index = Infinity;
  /** Called when {@link Retentions.lowest} has risen, because a retention was advanced or released. */
  onRise: () => void = () => {};
  private readonly held = new Map<string, Held>();

  /**
   * Retains entries.
   *
   * @param name The name of the holder.
   * @param from The lowest index needed.
   * @param firstIndex The lowest index that the log can read.
   * @returns The retention.
   * @throws {WalLogError} `INVALID_ARGUMENT`, `COMPACTED`.
   */
  retain(name: string, from: Index, firstIndex: Index): Retention {
    this.check(name, from, firstIndex);
    const one: Held = { name, from, clearedAt: 0 };
    this.held.set(name, one);
    this.lowest = Math.min(this.lowest, from);
    const release = () => {
      if (this.isHeld(one)) this.rise(() => void this.held.delete(name));
    };
    return {
      name,
      get from() {
        return one.from;
      },
      get clearedAt() {
        return one.clearedAt;
      },
      advance: (to) => {
        if (!canBegin(to)) throw invalid(`Cannot advance ${show(name)}: ${describeFound(to)}`);
        if (to > one.from && this.isHeld(one)) this.rise(() => void (one.from = to));
      },
      release,
      [Symbol.dispose]: release,
    };
  }

  private check(name: string, from: Index, firstIndex: Index): void {
    if (typeof name !== "string" || name === "" || name.length > NAME_LENGTH_MAX) {
      throw invalid(
        `Cannot retain entries: the name must be a string of 1 to ${NAME_LENGTH_MAX} characters, found ${show(name)}`,
      );
    }
    const attempt = `Cannot retain entries for ${show(name)}`;
    if (!canBegin(from)) throw invalid(`${attempt}: ${describeFound(from)}`);
    const same = this.held.get(name);
    if (same !== undefined) {
      throw invalid(`${attempt}: a retention of that name is held from index ${same.from}; release it first`);
    }
    if (from < firstIndex) {
      const message = `${attempt} from index ${from}: the log begins at index ${firstIndex}`;
      throw new WalLogError("COMPACTED", message, { index: firstIndex });
    }
  }

  private isHeld(one: Held): boolean {
    return this.held.get(one.name) === one;
  }

  /** Makes a change that releases entries. */
  private rise(change: () => void): void {
    const before = this.lowest;
    change();
    this.settle();
    if (this.lowest > before) this.onRise();
  }

  private settle(): void {
    this.lowest = Infinity;
    for (const { from } of this.held.values()) this.lowest = Math.min(this.lowest, from);
  }

  /**
   * Moves retentions down to a truncation, because all entries from there on are new.
   *
   * @param from The first index that was dropped.
   */
  truncated(from: Index): void {
    for (const one of this.held.values()) one.from = Math.min(one.from, from);
    this.settle();
  }

  /**
   * Moves retentions to the index after a snapshot that cleared the log.
   *
   * @param index The snapshot's index.
   */
  cleared(index: Index): void {
    for (const one of this.held.values()) {
      one.from = index + 1;
      one.clearedAt = index;
    }
    this.settle();
  }

  /** The retentions as they are now, in the order in which they were made. */
  list(): readonly RetentionState[] {
    return [...this.held.values()].map((one) => ({ ...one }));
  }
}

function describeFound(index: unknown): string {
  return `the index must be a safe integer of 1 or more, found ${show(index)}`;
}
