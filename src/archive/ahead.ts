/**
 * Tasks that run ahead of their use, a few at a time.
 *
 * @module
 */

/** Runs a task for each item of a list. The results are used in the order of the list. */
export class Ahead<T> {
  private readonly items: readonly T[];
  private readonly width: number;
  private readonly run: (item: T, signal: AbortSignal) => Promise<void>;
  private readonly ending = new AbortController();
  private readonly signal: AbortSignal;
  private readonly tasks: Promise<void>[] = [];

  /**
   * @param items The items.
   * @param width The most tasks that run at the same time, 1 or more.
   * @param run The task of an item. Its signal ends it early.
   * @param signal Ends all tasks.
   */
  constructor(
    items: readonly T[],
    width: number,
    run: (item: T, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal | undefined,
  ) {
    this.items = items;
    this.width = width;
    this.run = run;
    this.signal = signal === undefined ? this.ending.signal : AbortSignal.any([signal, this.ending.signal]);
  }

  /**
   * Waits for the task of an item, while the tasks of the following items run. If a later item is not needed, its
   * failure does not matter.
   *
   * @param at The number of the item, from 0. It never decreases from call to call.
   */
  async use(at: number): Promise<void> {
    for (let i = this.tasks.length; i < Math.min(at + this.width, this.items.length); i++) {
      const task = this.run(this.items[i]!, this.signal);
      task.catch(() => {});
      this.tasks.push(task);
    }
    await this.tasks[at];
  }

  /** Ends the tasks that run, and waits for their end. */
  async end(): Promise<void> {
    this.ending.abort();
    await Promise.allSettled(this.tasks);
  }
}
