/**
 * Reports the events of a replica on standard error, and repeated ones once.
 *
 * @module
 */

import type { TransportEvent } from "../../src/raft/mod.ts";
import type { ReplicaEvent } from "../../src/replica/mod.ts";

/** The last report about each peer. */
const reported = new Map<string, string>();

/** Reports an event that an operator should see. */
export function report(event: ReplicaEvent): void {
  if (event.type === "transport") return reportTransport(event.event);
  if (event.type === "memberLost") {
    console.error(`replica ${event.id} has lost its log: remove it, and add another one`);
  }
  if (event.type === "refused") console.error(`replica ${event.from} is refused: ${event.reason}`);
  if (event.type === "fatal" || event.type === "snapshotFailed" || event.type === "logFailed") {
    console.error(event.error);
  }
}

/** Reports when a connection changes. */
export function reportTransport(event: TransportEvent): void {
  if (event.type === "dropped") return;
  const subject = event.type === "refused" ? event.remote : `replica ${event.peer}, ${event.direction}`;
  const text = "reason" in event ? `${event.type}, ${event.reason}` : event.type;
  if (reported.get(subject) === text) return;
  reported.set(subject, text);
  console.error(`${subject}: ${text}`);
}
