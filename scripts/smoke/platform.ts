/**
 * Passes values of the library to functions of the platform. It is only type-checked, with the DOM's declarations and
 * with Node's alone.
 *
 * @module
 */

import { Readable } from "node:stream";
import { decodeMessage } from "@wallog/wallog/raft";
import { type LogEntry, MemoryLog, type Snapshot, WalLog, type WalLogStats } from "@wallog/wallog";

const log: WalLog = WalLog.openSync("log", { signal: AbortSignal.timeout(1000) });
log.append([{ term: 1, index: 1, command: Buffer.from("a") }, { term: 1, index: 2, command: new Uint8Array(8) }]);
log.applySnapshot({ index: 2, term: 1, config: [1n], data: Buffer.from("a") });
new MemoryLog().append(log.entries(1, 2));

const entry: LogEntry = log.entry(1)!;
const snapshot: Snapshot = log.snapshot()!;
const stats: WalLogStats = log.stats();
export const response: Response = new Response(entry.command);
export const streamed: Response = new Response(log.openSnapshot());
export const blob: Blob = new Blob([entry.command, snapshot.data]);
export const digest: Promise<ArrayBuffer> = crypto.subtle.digest("SHA-256", entry.command);
export const decoded: string = decodeMessage(entry.command).type + stats.segments;
export const readable: Readable = Readable.fromWeb(log.openSnapshot()!);
export const piped: Promise<void> = log.openSnapshot()!.pipeTo(log.createSnapshot(snapshot));
for await (const piece of log.openSnapshot()!) piece.fill(0);
new MessageChannel().port1.postMessage(entry.command, [entry.command.buffer]);
