/**
 * A consumer in random histories of an event log: what it is given, and how far it has acknowledged.
 *
 * @module
 */

import assert from "node:assert/strict";
import { WalLogError } from "../mod.ts";
import type { Delivery, EventLog } from "../src/events/mod.ts";
import type { Random } from "../src/testing/mod.ts";
import { settle } from "./event_logs.ts";

const IN_FLIGHT_MAX = 4;

type Answer = { result?: IteratorResult<Delivery<string>, undefined>; error?: unknown };

/** A consumer of a log, from one opening to the next. */
export class SimulatedConsumer {
  /** The position up to which all is acknowledged, and up to which that is durable for sure. */
  acknowledged = 0;
  durable = 0;
  private readonly log: EventLog<string>;
  private readonly name: string;
  private readonly next: (position: number) => string | undefined;
  private readonly passes: boolean;
  private readonly count: (what: string) => void;
  private deliveries: AsyncIterator<Delivery<string>, undefined> | undefined;
  private pending: Answer | undefined;
  private inFlight: Delivery<string>[] = [];
  private given = 0;
  /** Up to which position a compaction may have passed it. */
  private passed = 0;

  /**
   * @param log The log.
   * @param name The consumer's name.
   * @param next The event that follows on a position.
   * @param passes Whether the limits of the log pass consumers.
   * @param count Counts what happens.
   */
  constructor(
    log: EventLog<string>,
    name: string,
    next: (position: number) => string | undefined,
    passes: boolean,
    count: (what: string) => void,
  ) {
    this.log = log;
    this.name = name;
    this.next = next;
    this.passes = passes;
    this.count = count;
    this.acknowledged = this.durable = this.position(log) ?? 0;
  }

  /** Takes an event if there is one, and acknowledges some of those that it has. */
  async take(random: Random): Promise<void> {
    if (this.deliveries === undefined) {
      this.deliveries = this.log.consume(this.name, { maxInFlight: IN_FLIGHT_MAX });
      this.given = this.acknowledged = Math.max(this.acknowledged, this.position(this.log)!);
    }
    const answer = this.pending ??= ask(this.deliveries);
    await settle();
    if (answer.error !== undefined || answer.result !== undefined) this.took(answer);
    while (this.inFlight.length > 0 && random.chance(0.6)) {
      const [one] = this.inFlight.splice(random.below(this.inFlight.length), 1);
      one!.ack();
      const first = Math.min(...this.inFlight.map(({ position }) => position));
      if (one!.position < first) this.acknowledged = Math.max(this.acknowledged, this.position(this.log)!);
      this.count("acknowledged");
    }
  }

  private took({ result, error }: Answer): void {
    this.pending = undefined;
    if (error !== undefined) {
      if (!(error instanceof WalLogError && error.code === "COMPACTED")) throw error;
      this.deliveries = undefined;
      this.inFlight = [];
      return;
    }
    const { value } = result!;
    assert(value !== undefined, "the consumer ended");
    assert(value.position <= this.log.durable, "an event was delivered that is not durable");
    if (this.log.first <= this.given + 1) assert.equal(value.event, this.next(this.given));
    assert(value.position > this.given);
    this.given = value.position;
    this.inFlight.push(value);
    assert(this.inFlight.length <= IN_FLIGHT_MAX);
    this.count("delivered");
  }

  /** Notes that a compaction may pass it. */
  mayPass(through: number): void {
    this.passed = Math.max(this.passed, through);
  }

  /** Compares it with the log that was opened again. */
  compare(log: EventLog<string>): void {
    const position = this.position(log);
    if (position === undefined) return assert.equal(this.durable, 0);
    assert(position >= this.durable, `${this.name} has gone back from ${this.durable} to ${position}`);
    if (!this.passes) {
      const most = Math.max(this.acknowledged, this.passed, log.first - 1);
      assert(position <= most, `${this.name} is at ${position}, but has acknowledged up to ${most} only`);
    }
    assert(log.first - 1 <= position, `the log begins at ${log.first}, behind ${this.name} at ${position}`);
    if (!this.passes && log.first - 1 > Math.max(this.acknowledged, this.passed)) {
      // It was new, and began where the log did.
      assert.equal(this.given, 0);
    }
  }

  private position(log: EventLog<string>): number | undefined {
    return log.consumers().find(({ name }) => name === this.name)?.position;
  }
}

function ask(deliveries: AsyncIterator<Delivery<string>, undefined>): Answer {
  const answer: Answer = {};
  deliveries.next().then((result) => answer.result = result, (error) => answer.error = error);
  return answer;
}
