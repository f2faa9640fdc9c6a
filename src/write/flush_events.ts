/**
 * Counts flushes, and publishes an event for each.
 *
 * @module
 */

import { publish } from "../api/events.ts";
import type { Index } from "../api/types.ts";
import type { LiveState } from "../log/live_state.ts";

/** A flush that succeeded. */
interface Flush {
  /** The number of bytes that it made durable. */
  readonly bytes: number;
  /** Its duration. */
  readonly milliseconds: number;
  readonly isSlow: boolean;
}

/** Collects flushes, and publishes them after the durable index has moved. */
export class FlushEvents {
  private readonly state: LiveState;
  private readonly slowMilliseconds: number;
  private readonly now: () => number;
  /** Flushes that no event has reported yet. */
  private unpublished: Flush[] = [];

  /**
   * @param state The log, which has the counts.
   * @param slowMilliseconds A flush that takes longer counts as slow.
   * @param now The wall clock.
   */
  constructor(state: LiveState, slowMilliseconds: number, now: () => number) {
    this.now = now;
    this.state = state;
    this.slowMilliseconds = slowMilliseconds;
  }

  /** Counts a flush that succeeded. */
  add(bytes: number, milliseconds: number): void {
    const { counts, flushLatency } = this.state;
    const isSlow = milliseconds > this.slowMilliseconds;
    counts.flushes++;
    this.state.lastFlushTime = this.now();
    flushLatency.add(milliseconds);
    if (isSlow) counts.slowFlushes++;
    this.unpublished.push({ bytes, milliseconds, isSlow });
  }

  /**
   * Publishes the flushes that were counted since the last call.
   *
   * @param durableIndex The last index that is durable now.
   * @returns Whether there were any.
   */
  publish(durableIndex: Index): boolean {
    const { path } = this.state;
    const flushes = this.unpublished;
    this.unpublished = [];
    for (const { bytes, milliseconds, isSlow } of flushes) {
      const message = { path, bytes, milliseconds, durableIndex };
      publish("wallog:flush", message);
      if (isSlow) publish("wallog:slow-flush", message);
    }
    return flushes.length > 0;
  }
}
