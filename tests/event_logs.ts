/** Event logs on simulated disks. */

import { type Delivery, EventLog, type EventLogOptions } from "../src/events/mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";

/** The folder of the log. */
export const PATH = "/events.wal";

/**
 * Opens an event log of strings as JSON.
 *
 * @param disk The disk that it lies on. Default: a new one.
 * @param options How to open it.
 */
export function openEvents(
  disk: SimulatedDisk = new SimulatedDisk(),
  options: EventLogOptions<string> = {},
): Promise<EventLog<string>> {
  return EventLog.open<string>(PATH, { fileSystem: disk.fileSystem, ...options });
}

/** Events in short: `position:event`. */
export function inShort<E>(events: Iterable<{ readonly position: number; readonly event: E }>): string[] {
  return [...events].map(({ position, event }) => `${position}:${event}`);
}

/** The next events that an iterator returns, in short. */
export async function takeEvents<E>(
  events: AsyncIterator<{ readonly position: number; readonly event: E }, undefined>,
  count: number,
): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) {
    const { value } = await events.next();
    if (value === undefined) break;
    taken.push(`${value.position}:${value.event}`);
  }
  return taken;
}

/** Lets everything happen that does not wait for a timer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** Opens a log with events "a", "b", and so on. */
export async function openFilled(disk: SimulatedDisk = new SimulatedDisk(), count = 5): Promise<EventLog<string>> {
  const log = await openEvents(disk);
  await log.appendAll([...LETTERS.slice(0, count)]);
  return log;
}

/** The next deliveries to a consumer. */
export async function takeDeliveries(
  consumer: AsyncIterator<Delivery<string>, undefined>,
  count: number,
): Promise<Delivery<string>[]> {
  const taken: Delivery<string>[] = [];
  while (taken.length < count) taken.push((await consumer.next()).value!);
  return taken;
}

/** Their events, in a row. */
export const eventsOf = (taken: readonly Delivery<string>[]): string => taken.map(({ event }) => event).join("");
