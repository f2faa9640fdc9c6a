/**
 * Iterators that wait, and answer calls that overlap in order.
 *
 * @module
 */

/** The end of an iteration. */
export const DONE: IteratorResult<never, undefined> = { done: true, value: undefined };

/** An iterator that takes one step at a time. An error ends it. */
export abstract class OrderedIterator<T> implements AsyncIterableIterator<T, undefined, unknown> {
  /** Settles when the calls so far are answered. */
  private answered: Promise<unknown> = Promise.resolve();

  /** Waits for the next value. */
  protected abstract step(): Promise<IteratorResult<T, undefined>>;

  /** Ends the iteration, also a step that waits. */
  protected abstract end(): void;

  /** The next value. */
  next(): Promise<IteratorResult<T, undefined>> {
    const step = this.answered.then(() => this.step());
    this.answered = step.catch(() => this.end());
    return step;
  }

  /** Ends the iteration, also one that waits. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.end();
    return Promise.resolve(DONE);
  }

  /** Ends the iteration, and rejects. */
  throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    this.end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
