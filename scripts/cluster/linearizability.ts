/**
 * Checks linearizability (Herlihy and Wing, 1990): whether a history of reads and writes could come from one store that
 * does one operation at a time, each at some moment between its call and its return.
 *
 * Keys are independent of each other, so each key is checked separately. The search is that of Wing and Gong (1993). At
 * each point, the next operation may be any that was called before the first return of the remaining ones. If none of
 * them leads to the end, the last choice was wrong. With Lowe's improvement (2017), the search never repeats a failed
 * state: the same operations done, and the same text.
 *
 * @module
 */

/** The effect of an operation on a key, and its result. A missing text is `null`. */
export type Effect =
  /** A read, with its result. */
  | { readonly kind: "get"; readonly found: string | null }
  /** An unconditional write. */
  | { readonly kind: "put"; readonly value: string }
  /**
   * A write on condition that the text was `expected`. `found` is the actual text; it is missing if there was no
   * answer.
   */
  | { readonly kind: "cas"; readonly expected: string | null; readonly value: string; readonly found?: string | null };

/** An operation with the times of its call and its return. */
export type Operation = Effect & {
  readonly key: string;
  /** The time of the call. All times of calls and returns differ. */
  readonly called: number;
  /**
   * The time of the return; `Infinity` if there was no answer: it may have happened at any time after the call, or
   * never.
   */
  readonly returned: number;
};

/** The result. */
export interface Verdict {
  readonly isLinearizable: boolean;
  /** For a key that is not linearizable: its operations, and the one at which the longest order got stuck. */
  readonly counterexample?: { readonly operations: readonly Operation[]; readonly stuckAt: Operation };
}

/** The most steps of a search. A key that needs more had too many concurrent operations. */
const STEPS_MAX = 20_000_000;

/**
 * Checks a history.
 *
 * @param history All operations, in any order.
 * @returns Whether some order explains it.
 * @throws {Error} If the search takes too long.
 */
export function checkHistory(history: readonly Operation[]): Verdict {
  const byKey = new Map<string, Operation[]>();
  for (const operation of history) {
    const operations = byKey.get(operation.key);
    if (operations === undefined) byKey.set(operation.key, [operation]);
    else operations.push(operation);
  }
  for (const operations of byKey.values()) {
    const relevant = withoutUnseen(operations);
    const stuckAt = search(relevant);
    if (stuckAt !== undefined) return { isLinearizable: false, counterexample: { operations: relevant, stuckAt } };
  }
  return { isLinearizable: true };
}

/**
 * Leaves out unanswered writes whose text was never seen or expected. The history has an order with such a write
 * exactly if it has one without it. Without them, there are far fewer orders to try.
 */
function withoutUnseen(operations: readonly Operation[]): Operation[] {
  const seen = new Set<string | null>();
  for (const operation of operations) {
    if (operation.kind === "cas") seen.add(operation.expected);
    if (operation.kind !== "put") seen.add(operation.found ?? null);
  }
  return operations.filter((operation) =>
    operation.returned < Infinity || (operation.kind !== "get" && seen.has(operation.value))
  );
}

/** A call or a return, in a list ordered by time. */
interface Moment {
  readonly operation: Operation;
  /** The operation's bit in the set of done operations. */
  readonly bit: bigint;
  /** For a call: its return. `undefined` for a return. */
  readonly end: Moment | undefined;
  previous: Moment | undefined;
  next: Moment | undefined;
}

/** The moments of a key's operations, after a dummy first element. */
function momentsOf(operations: readonly Operation[]): Moment {
  const moments: { readonly at: number; readonly moment: Moment }[] = [];
  operations.forEach((operation, i) => {
    const shared = { operation, bit: 1n << BigInt(i), previous: undefined, next: undefined };
    const end: Moment = { ...shared, end: undefined };
    moments.push({ at: operation.called, moment: { ...shared, end } }, { at: operation.returned, moment: end });
  });
  moments.sort((a, b) => a.at === b.at ? 0 : a.at - b.at);
  const head = { previous: undefined, next: undefined } as Moment;
  let last = head;
  for (const { moment } of moments) {
    last.next = moment;
    moment.previous = last;
    last = moment;
  }
  return head;
}

/** Removes a moment from the list, or puts it back. */
function unlink({ previous, next }: Moment): void {
  previous!.next = next;
  if (next !== undefined) next.previous = previous;
}
function relink(moment: Moment): void {
  moment.previous!.next = moment;
  if (moment.next !== undefined) moment.next.previous = moment;
}

/**
 * Searches for an order. Returns `undefined` if there is one, otherwise the operation at which the longest attempt got
 * stuck.
 */
function search(operations: readonly Operation[]): Operation | undefined {
  const head = momentsOf(operations);
  const tried = new Set<string>();
  const chosen: { readonly moment: Moment; readonly before: string | null }[] = [];
  let text: string | null = null;
  let done = 0n;
  let most = -1;
  let stuckAt: Operation | undefined;
  let moment = head.next;
  for (let steps = 0; moment !== undefined; steps++) {
    if (steps > STEPS_MAX) throw new Error(`cannot tell within ${STEPS_MAX} steps: key ${operations[0]!.key}`);
    if (moment.end === undefined) {
      // This operation has to be done before any later one, but cannot be. So an earlier choice was wrong.
      if (chosen.length > most) {
        most = chosen.length;
        stuckAt = moment.operation;
      }
      const last = chosen.pop();
      if (last === undefined) return stuckAt;
      text = last.before;
      done &= ~last.moment.bit;
      relink(last.moment.end!);
      relink(last.moment);
      moment = last.moment.next;
      continue;
    }
    const after = perform(moment.operation, text);
    const state = after === undefined ? "" : `${(done | moment.bit).toString(36)} ${JSON.stringify(after)}`;
    if (after === undefined || tried.has(state)) {
      moment = moment.next;
      continue;
    }
    tried.add(state);
    chosen.push({ moment, before: text });
    text = after;
    done |= moment.bit;
    unlink(moment);
    unlink(moment.end);
    moment = head.next;
  }
  return undefined;
}

/** The text after an operation; `undefined` if its result is impossible. */
function perform(operation: Operation, text: string | null): string | null | undefined {
  switch (operation.kind) {
    case "get":
      return operation.found === text ? text : undefined;
    case "put":
      return operation.value;
    case "cas":
      if (operation.found !== undefined && operation.found !== text) return undefined;
      return operation.expected === text ? operation.value : text;
  }
}

/** A counterexample in words: the operations that overlap the stuck one, and a few before it. */
export function describeCounterexample({ operations, stuckAt }: NonNullable<Verdict["counterexample"]>): string {
  const ended = operations.filter(({ returned }) => returned < stuckAt.called).sort((a, b) => a.returned - b.returned);
  const overlapping = operations
    .filter(({ called, returned }) => called <= stuckAt.returned && returned >= stuckAt.called)
    .sort((a, b) => a.called - b.called);
  const lines = [...ended.slice(-5), ...overlapping].map((operation) =>
    `${operation === stuckAt ? "> " : "  "}${describe(operation)}`
  );
  return `key ${stuckAt.key}, ${operations.length} operations; no order explains the one marked:\n${lines.join("\n")}`;
}

function describe(operation: Operation): string {
  const when = `${operation.called} to ${operation.returned === Infinity ? "?" : operation.returned}`.padEnd(16);
  switch (operation.kind) {
    case "get":
      return `${when} get found ${operation.found}`;
    case "put":
      return `${when} put ${operation.value}`;
    case "cas":
      return `${when} put ${operation.value} if ${operation.expected}, found ${operation.found ?? "?"}`;
  }
}
