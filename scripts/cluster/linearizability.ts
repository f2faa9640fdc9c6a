/**
 * Whether a history of reads and writes could have come from one store that does one thing at a time, each at some
 * moment between its call and its return: linearizability (Herlihy and Wing, 1990).
 *
 * Keys are independent of each other, and so each is checked by itself. The search is that of Wing and Gong (1993): at
 * each point, any operation may be next that was called before all that are left have returned; if none of them leads to
 * the end, the last choice was wrong. With Lowe's improvement (2017) it never tries again what has failed before: the
 * same operations done, and the same text there.
 *
 * @module
 */

/** What an operation did to a key, and what was seen of it. Texts are `null` where there is none. */
export type Effect =
  /** What a read found. */
  | { readonly kind: "get"; readonly found: string | null }
  /** A write of whatever was there. */
  | { readonly kind: "put"; readonly value: string }
  /** A write if `expected` was there; `found`: what was. Not there if no answer came. */
  | { readonly kind: "cas"; readonly expected: string | null; readonly value: string; readonly found?: string | null };

/** An operation, of which it is known when it was called and when it returned. */
export type Operation = Effect & {
  readonly key: string;
  /** When it was called, on a clock that no two calls and returns share. */
  readonly called: number;
  /** When it returned; `Infinity` if no answer came: it may have happened at any time after the call, or never. */
  readonly returned: number;
};

/** What was found. */
export interface Verdict {
  readonly isLinearizable: boolean;
  /** Of a key with which it is not: its operations, and the one that no order allows for, in the best of them. */
  readonly counterexample?: { readonly operations: readonly Operation[]; readonly stuckAt: Operation };
}

/** A key for which the search takes more steps than this was used by too many at a time. */
const STEPS_MAX = 20_000_000;

/**
 * Checks a history.
 *
 * @param history All operations, in any order.
 * @returns Whether there is an order that explains it.
 * @throws {Error} If the search takes too long to tell.
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
 * Leaves out writes without an answer whose text nobody has seen or asked for. If the history has an order with such a
 * write, it has one without it, and the other way round: and without it, there are far fewer orders to try.
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

/** A call or a return, in a list in the order of time. */
interface Moment {
  readonly operation: Operation;
  /** The operation's bit in the set of those done. */
  readonly bit: bigint;
  /** Of a call: the return that belongs to it; `undefined` of a return. */
  readonly end: Moment | undefined;
  previous: Moment | undefined;
  next: Moment | undefined;
}

/** The moments of a key's operations, behind a first that is none. */
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

/** Takes a moment out of the list, or puts it back where it was. */
function unlink({ previous, next }: Moment): void {
  previous!.next = next;
  if (next !== undefined) next.previous = previous;
}
function relink(moment: Moment): void {
  moment.previous!.next = moment;
  if (moment.next !== undefined) moment.next.previous = moment;
}

/** Looks for an order; returns the operation at which the longest attempt got stuck, `undefined` if there is an order. */
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
      // An operation that nothing may follow before it is done: what was chosen before it was wrong.
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

/** The text after an operation; `undefined` if the operation cannot have seen what it saw. */
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

/** A counterexample in words: what overlaps the operation at which it got stuck, and a few before that. */
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
