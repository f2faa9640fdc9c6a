/**
 * Random histories of an event log on a simulated disk: appends, lists, ids that are tried again, consumers, compaction
 * and limits, beside power cuts, kills, failed writes and flushes, and a full disk. Whatever happens, what was
 * acknowledged is there, in order and once.
 */

import assert from "node:assert/strict";
import { WalLogError } from "../mod.ts";
import { EventLog, type EventLogOptions, text } from "../src/events/mod.ts";
import { type DiskFault, Random, SimulatedDisk } from "../src/testing/mod.ts";
import { PATH, settle } from "./event_logs.ts";
import { SimulatedConsumer } from "./events_simulated_consumer.ts";
import { type Counts, isExpected, isPowerLoss } from "./simulated_log.ts";

const STEPS = 60;
const CONSUMERS = ["a", "b"];
const PRODUCERS = ["p", "q"];

/** An event that was written, or may have been. */
interface Written {
  readonly event: string;
  /** `undefined` until it is known to be in the log. */
  position: number | undefined;
  /** Which call has written it. */
  readonly call: number;
  /** The id of the call; only its last event has it. */
  readonly id: { readonly producer: string; readonly sequence: number } | undefined;
}

/** A history. */
class EventSimulation {
  readonly counts: Counts;
  private readonly random: Random;
  private readonly disk: SimulatedDisk;
  private readonly options: EventLogOptions<string>;
  private log!: EventLog<string>;
  /** All events, in order, also those that were dropped since. */
  private history: Written[] = [];
  /** How many of them are durable for sure. */
  private acknowledged = 0;
  /** Writes with ids that the last crash has lost. */
  private lost: Written[] = [];
  private calls = 0;
  private sequences = 0;
  private consumers: SimulatedConsumer[] = [];

  constructor(seed: number, counts: Counts) {
    this.counts = counts;
    this.random = new Random(seed);
    this.disk = new SimulatedDisk({ seed, shortWrites: seed % 3 === 0 ? 0.2 : 0 });
    const retention = seed % 2 === 0 ? { maxCount: 40, passConsumers: seed % 8 === 0 } : undefined;
    this.options = { fileSystem: this.disk.fileSystem, codec: text, segmentBytes: 4096, retention };
  }

  async run(): Promise<void> {
    this.log = await EventLog.open(PATH, this.options);
    this.begin();
    for (let step = 0; step < STEPS; step++) await this.step();
    await this.reopen("crashed", true);
  }

  private count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  private async step(): Promise<void> {
    const { random, disk } = this;
    if (random.chance(0.1)) {
      disk.failAfter(random.pick<DiskFault>(["crash", "crash", "EIO", "ENOSPC"]), random.below(8));
    }
    try {
      await this.act(random.below(20));
    } catch (error) {
      if (!isExpected(error)) throw error;
      this.count(isPowerLoss(error) ? "cut" : (error as WalLogError).code);
      const isRefused = error instanceof WalLogError && error.code === "NO_SPACE" && disk.hasPower;
      if (!isRefused) return await this.reopen("crashed", isPowerLoss(error) || random.chance(0.5));
    }
    disk.heal();
    if (!disk.hasPower) await this.reopen("crashed", true);
  }

  private async act(which: number): Promise<void> {
    const { random } = this;
    if (which < 6) return await this.append(1);
    if (which < 9) return await this.append(1 + random.below(random.chance(0.8) ? 6 : 60));
    if (which === 9) return await this.tryAgain();
    if (which < 15) return await random.pick(this.consumers).take(this.random);
    if (which === 15) return await this.flush();
    if (which === 16) return this.compact();
    if (which === 17) return await this.reopen("closed", false);
    if (which === 18) return await this.reopen("killed", false);
    return await this.reopen("crashed", true);
  }

  /** Writes events in one call, which fails or not. */
  private async append(length: number): Promise<void> {
    const { random, log, history } = this;
    const call = this.calls++;
    const fresh = random.chance(0.5) ? { producer: random.pick(PRODUCERS), sequence: this.sequences++ } : undefined;
    // What a crash has lost is tried again, and is new.
    const id = this.lost.pop()?.id ?? fresh;
    const events = Array.from({ length }, (_, nth) => `${call}.${nth}${"x".repeat(random.below(200))}`);
    const written = events.map((event, nth): Written => (
      { event, call, position: undefined, id: nth === length - 1 ? id : undefined }
    ));
    if (random.chance(0.2)) {
      const wrong = { expectedLast: log.last + 1, id };
      await assert.rejects(log.appendAll(events, wrong), { code: "CONFLICT", index: log.last });
    }
    const options = { id, ...(random.chance(0.3) ? { expectedLast: log.last } : {}) };
    const before = history.length;
    history.push(...written);
    try {
      if (length === 1 && random.chance(0.4)) {
        written[0]!.position = log.write(events[0]!, options);
        return;
      }
      const last = await log.appendAll(events, options);
      written.forEach((one, nth) => one.position = last - length + 1 + nth);
      this.acknowledged = history.length;
    } catch (error) {
      if (error instanceof WalLogError && error.code === "NO_SPACE" && this.disk.hasPower) history.length = before;
      throw error;
    }
  }

  /** Tries a write with an id again: if the log has it, it is not written again. */
  private async tryAgain(): Promise<void> {
    const { random, history } = this;
    const identified = history.slice(-60).filter(({ id, position }) => id !== undefined && position !== undefined);
    if (identified.length === 0) return;
    const one = random.pick(identified);
    const last = this.log.last;
    assert.equal(await this.log.append(one.event, { id: one.id }), one.position);
    assert.equal(this.log.last, last);
    this.count("repeated");
    this.acknowledged = Math.max(this.acknowledged, history.indexOf(one) + 1);
  }

  private async flush(): Promise<void> {
    const { length } = this.history;
    const positions = this.consumers.map(({ acknowledged }) => acknowledged);
    // Acknowledgements are written in the same turn of the event loop, and this flush covers them.
    await settle();
    await this.log.flush();
    this.acknowledged = length;
    this.consumers.forEach((consumer, nth) => consumer.durable = positions[nth]!);
  }

  private compact(): void {
    const { log, random } = this;
    const passConsumers = random.chance(0.2);
    const through = log.first - 1 + random.below(Math.max(log.last - log.first + 2, 1));
    if (passConsumers) {
      for (const consumer of this.consumers) consumer.mayPass(through);
      if (log.consumers().some(({ position }) => position < through)) this.count("passed");
    }
    log.compact(Math.max(through, 0), { passConsumers });
    this.count("compacted");
  }

  /** Ends the log somehow, opens it again, and compares it with the history. */
  private async reopen(how: "closed" | "killed" | "crashed", losesPower: boolean): Promise<void> {
    const { disk } = this;
    this.count(how);
    if (how === "closed") {
      await this.log.close();
      this.acknowledged = this.history.length;
      for (const consumer of this.consumers) consumer.durable = consumer.acknowledged;
    }
    await settle();
    if (losesPower) disk.crash();
    else disk.restart();
    let mayLose = losesPower || how === "crashed";
    for (let attempt = 0;; attempt++) {
      if (attempt < 2 && this.random.chance(0.2)) disk.failAfter("crash", this.random.below(12));
      try {
        this.log = await EventLog.open(PATH, this.options);
        if (disk.hasPower) break;
      } catch (error) {
        if (!isPowerLoss(error)) throw error;
      }
      this.count("crashed in recovery");
      disk.crash();
      mayLose = true;
    }
    disk.heal();
    this.compare(mayLose);
    this.begin();
  }

  private compare(mayLose: boolean): void {
    const { log, history } = this;
    const found = [...log.iterate()];
    // What was dropped had a position.
    const dropped = history.findIndex(({ position }) => position === undefined || position >= log.first);
    const start = dropped < 0 ? history.length : dropped;
    const end = start + found.length;
    found.forEach(({ position, event, id }, nth) => {
      const expected = history[start + nth];
      assert(expected !== undefined, `event ${event} at ${position} was never written`);
      assert.equal(event, expected.event);
      assert.equal(position, expected.position ?? position);
      assert.deepEqual(id, expected.id);
      expected.position = position;
    });
    assert(end >= this.acknowledged, `${this.acknowledged - end} acknowledged events are lost`);
    const lost = history[end];
    if (lost !== undefined) {
      this.count("lost");
      assert(mayLose || lost.position === undefined, `event ${lost.event} is lost without a power cut`);
      assert(lost.call !== history[end - 1]?.call, "a list was recovered in part");
    }
    this.lost = history.slice(end).filter(({ id }) => id !== undefined);
    history.length = end;
    this.acknowledged = end;
    assert.equal(log.last, Math.max(found.at(-1)?.position ?? 0, history.at(-1)?.position ?? 0));
    for (const consumer of this.consumers) consumer.compare(log);
  }

  private begin(): void {
    const next = (position: number) => this.history.find((one) => (one.position ?? Infinity) > position)?.event;
    const passes = this.options.retention?.passConsumers === true;
    this.consumers = CONSUMERS.map((name) =>
      new SimulatedConsumer(this.log, name, next, passes, (what) => this.count(what))
    );
  }
}

/**
 * Runs a history.
 *
 * @param seed Which one.
 * @param counts Counts what happened in it.
 */
export async function simulateEvents(seed: number, counts: Counts): Promise<void> {
  await new EventSimulation(seed, counts).run();
}
