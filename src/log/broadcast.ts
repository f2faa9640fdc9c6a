/**
 * Notifies listeners of changes. It calls them in a separate microtask, once for all changes up to then. So a listener
 * never runs in the middle of an append or a flush, and may use the log.
 *
 * @module
 */

/** Notifies listeners of changes. */
export class Broadcast {
  private readonly listeners = new Set<() => void>();
  private waiting = new Set<() => void>();
  private isDue = false;

  /** Whether there are listeners. */
  get isHeard(): boolean {
    return this.listeners.size > 0 || this.isAwaited;
  }

  /** Whether a listener waits for the next change. */
  get isAwaited(): boolean {
    return this.waiting.size > 0;
  }

  /** Notifies all listeners in a microtask. */
  announce(): void {
    if (this.isDue || !this.isHeard) return;
    this.isDue = true;
    queueMicrotask(() => {
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
   * @returns Ends the wait.
   */
  once(wake: () => void): () => void {
    const { waiting } = this;
    waiting.add(wake);
    return () => void waiting.delete(wake);
  }
}
