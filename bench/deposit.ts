/**
 * The event that the benchmarks of event logs write.
 *
 * @module
 */

/** An event of about 200 bytes as JSON. */
export interface Deposit {
  readonly id: number;
  readonly account: string;
  readonly amount: number;
  readonly currency: string;
  readonly note: string;
  readonly at: number;
}

/**
 * Makes an event.
 *
 * @param id Its number.
 * @returns The event.
 */
export function depositOf(id: number): Deposit {
  const note = "a transfer between accounts, as somebody has written it; ".repeat(2).slice(0, 96);
  return {
    id,
    account: `account-${id % 1000}`,
    amount: id * 1.25,
    currency: "EUR",
    note,
    at: 1_700_000_000_000 + id,
  };
}
