/**
 * Notifies listeners of changes. It calls them later, once for all changes up to then. So a listener never runs in the
 * middle of an append or a flush, and may use the log.
 *
 * @module
 */

/** Notifies listeners of changes. */
export class Broadcast {
  private readonly listeners = new Set<() => void>();
  private waiting = new Set<() => void>();
  private isDue = false;
  private readonly later: (notify: () => void) => void;

  /** @param later Calls a function later. Default: in a microtask. */
  constructor(later: (notify: () => void) => void = queueMicrotask) {
    this.later = later;
  }

  /** Whether there are listeners. */
  get isHeard(): boolean {
    return this.listeners.size > 0 || this.isAwaited;
  }

  /** Whether a listener waits for the next change. */
  get isAwaited(): boolean {
    return this.waiting.size > 0;
  }

  /** Notifies all listeners, later. */
  announce(): void {
    if (this.isDue || !this.isHeard) return;
    this.isDue = true;
    const { later } = this;
    later(() => {
      this.isDue = false;
      const { waiting } = this;
      this.waiting = new Set();
      for (const wake of [...this.listeners, ...waiting]) {
        try {
          wake();
        } catch (error) {
          // The error of one listener must not keep the others from being called, or stop the log.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    });
  }

  /**
   * Calls a listener after each change.
   *
   * @param listener Called after changes.
   * @returns Ends the subscription.
   */
  subscribe(listener: () => void): () => void {
    const own = () => listener();
    this.listeners.add(own);
    return () => void this.listeners.delete(own);
  }

  /**
   * Calls a listener once, after the next change.
   *
   * @param wake Called after the change.
   */
  once(wake: () => void): void {
    this.waiting.add(wake);
  }

  /**
   * Does not call a listener after the next change.
   *
   * @param wake The listener, as given to {@link Broadcast.once}.
   */
  forget(wake: () => void): void {
    this.waiting.delete(wake);
  }
}
