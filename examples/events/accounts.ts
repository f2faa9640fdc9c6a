/**
 * The state: accounts, as they follow from the events that happened to them. Nothing here knows of files, of the
 * network, or of the time of day: the same events must give the same state whenever they are applied again.
 *
 * @module
 */

/** What happened. Written to the log as JSON, and never changed afterwards. */
export interface AccountEvent {
  /** The client's name for its request: the same one in every attempt. */
  readonly key: string;
  readonly account: string;
  readonly type: "deposited" | "withdrawn";
  /** In cents, so that sums are exact. */
  readonly amount: number;
}

/** What the client is told of its event. */
export interface Receipt {
  /** The event's index in the log. */
  readonly event: number;
  /** The balance after it. */
  readonly balance: number;
}

/** What becomes of an event that a client asks for. */
export type Decision =
  | { readonly verdict: "new" }
  | { readonly verdict: "repeated"; readonly receipt: Receipt }
  | { readonly verdict: "overdrawn" | "overfull" | "key reused"; readonly reason: string };

/**
 * How many of the latest keys are remembered. A retry that comes after more events than this counts as a new request.
 * All replicas of a state must forget alike, so the limit is a number of events and not a time.
 */
const KEYS_KEPT = 100_000;

interface Snapshot {
  readonly balances: readonly (readonly [string, number])[];
  readonly done: readonly (readonly [AccountEvent, Receipt])[];
}

/** All accounts, and the requests done of late. */
export class Accounts {
  readonly #balances: Map<string, number>;
  /** By key, the oldest first: a Map keeps the order in which keys were added. */
  readonly #done: Map<string, readonly [AccountEvent, Receipt]>;

  /** @param bytes What {@link Accounts.toBytes} gave; nothing for no accounts. */
  constructor(bytes?: Uint8Array) {
    const { balances, done }: Snapshot = bytes === undefined
      ? { balances: [], done: [] }
      : JSON.parse(new TextDecoder().decode(bytes));
    this.#balances = new Map(balances);
    this.#done = new Map(done.map((one) => [one[0].key, one]));
  }

  /** The balance of an account; `undefined` if nothing ever happened to it. */
  balance(account: string): number | undefined {
    return this.#balances.get(account);
  }

  /** Says whether an event may happen. Changes nothing. */
  decide(event: AccountEvent): Decision {
    const { key, account, type, amount } = event;
    const done = this.#done.get(key);
    if (done !== undefined) {
      const [before, receipt] = done;
      const isSame = before.account === account && before.type === type && before.amount === amount;
      if (isSame) return { verdict: "repeated", receipt };
      return { verdict: "key reused", reason: "another request had this Idempotency-Key" };
    }
    const balance = this.#balanceAfter(event);
    if (balance < 0) return { verdict: "overdrawn", reason: `the balance would be ${balance}` };
    if (!Number.isSafeInteger(balance)) return { verdict: "overfull", reason: "the balance would be inexact" };
    return { verdict: "new" };
  }

  /**
   * Lets an event happen. It was decided on before it was logged, and is not questioned again: what is in the log has
   * happened, even if a later version of this program would refuse it.
   */
  apply(event: AccountEvent, index: number): Receipt {
    const receipt = { event: index, balance: this.#balanceAfter(event) };
    this.#balances.set(event.account, receipt.balance);
    this.#done.set(event.key, [event, receipt]);
    if (this.#done.size > KEYS_KEPT) this.#done.delete(this.#done.keys().next().value!);
    return receipt;
  }

  #balanceAfter({ account, type, amount }: AccountEvent): number {
    return (this.#balances.get(account) ?? 0) + (type === "deposited" ? amount : -amount);
  }

  /** Everything, for a snapshot. The keys belong to it: without them a retry after a restart would count twice. */
  toBytes(): Uint8Array {
    const snapshot: Snapshot = { balances: [...this.#balances], done: [...this.#done.values()] };
    return new TextEncoder().encode(JSON.stringify(snapshot));
  }
}
