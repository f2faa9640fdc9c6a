/**
 * Waits that a signal can end.
 *
 * @module
 */

/**
 * Waits for a promise, or for a signal.
 *
 * @param promise The promise. Aborting the signal does not cancel its work.
 * @param signal The signal; `undefined` if there is none.
 * @returns Settles as the promise does. Rejects with the signal's reason if it is aborted first.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const { promise: first, resolve, reject } = Promise.withResolvers<T>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  return first;
}
