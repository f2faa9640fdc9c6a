/**
 * Tells all who wait that something has changed. It tells them in a microtask of its own, once for all changes up to
 * then: a listener never runs in the middle of an append or a flush, and may use the log.
 *
 * @module
 */

/** Wakes listeners. */
export class Broadcast {
  private readonly listeners = new Set<() => void>();
  private waiting = new Set<() => void>();
  private isDue = false;

  /** Whether anybody would be told. */
  get isHeard(): boolean {
    return this.listeners.size > 0 || this.isAwaited;
  }

  /** Whether anybody waits for the next change. */
  get isAwaited(): boolean {
    return this.waiting.size > 0;
  }

  /** Tells everybody, soon. */
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
          // A listener that fails is its owner's: the others are told all the same, and the log goes on.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    });
  }

  /**
   * Tells a listener of each change.
   *
   * @param listener Called after changes.
   * @returns Ends that.
   */
  subscribe(listener: () => void): () => void {
    const own = () => listener();
    this.listeners.add(own);
    return () => void this.listeners.delete(own);
  }

  /**
   * Tells a listener of the next change, once.
   *
   * @param wake Called after it.
   * @returns Ends the wait.
   */
  once(wake: () => void): () => void {
    const { waiting } = this;
    waiting.add(wake);
    return () => void waiting.delete(wake);
  }
}
