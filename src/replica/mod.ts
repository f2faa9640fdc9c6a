/**
 * A replicated service. Write a state machine, start three replicas, and propose commands.
 *
 * `Replica` opens the log, carries messages over TCP or TLS, elects leaders, applies committed commands, makes
 * snapshots and restores them. `RaftNode` of `@wallog/wallog/raft` is for applications with their own event loop.
 *
 * **Experimental.** This entry point may change in any release until it has users. So may the data that
 * it adds to commands and snapshots. The format of the log below it is frozen from 0.1.0 on.
 *
 * @example Three replicas in one process.
 * ```ts
 * import { MemoryNetwork, MemoryTransport } from "@wallog/wallog/raft";
 * import { type Applied, Replica, type StateMachine } from "@wallog/wallog/replica";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * class Words implements StateMachine<number> {
 *   words: string[] = [];
 *   apply(entries: readonly Applied[]) {
 *     return entries.map(({ command }) => this.words.push(new TextDecoder().decode(command)));
 *   }
 *   async snapshot(to: WritableStream<Uint8Array>) {
 *     const words = JSON.stringify(this.words);
 *     const writer = to.getWriter();
 *     await writer.write(new TextEncoder().encode(words));
 *     await writer.close();
 *   }
 *   async restore(from: ReadableStream<Uint8Array>) {
 *     this.words = await new Response(from).json();
 *   }
 * }
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * const network = new MemoryNetwork();
 * const ids = [1n, 2n, 3n];
 * const replicas = await Promise.all(ids.map((id) =>
 *   Replica.start({
 *     folder: join(folder, String(id)),
 *     id,
 *     peers: ids.map((peer) => [peer, "127.0.0.1:1"] as const),
 *     stateMachine: new Words(),
 *     transport: new MemoryTransport(id, network),
 *     tickMilliseconds: 10,
 *   })
 * ));
 * const leader = async () => {
 *   for (;;) {
 *     const found = replicas.find(({ isLeader }) => isLeader);
 *     if (found !== undefined) return found;
 *     await new Promise((resolve) => setTimeout(resolve, 5));
 *   }
 * };
 * assert.equal(await (await leader()).propose(new TextEncoder().encode("hello")), 1);
 * await Promise.all(replicas.map((replica) => replica.close()));
 * rmSync(folder, { recursive: true });
 * ```
 *
 * @module
 */

export type { CommandId } from "./command.ts";
export { type Outcome, ReplicaError } from "./errors.ts";
export type { ReplicaEvent, ReplicaMessage } from "./events.ts";
export type { AddressLike, ReplicaOptions, ReplicaTransport } from "./options.ts";
export type { ProposeOptions } from "./replica.ts";
export { Replica } from "./replica.ts";
export type { WaitOptions } from "./request.ts";
export type { Applied, StateMachine } from "./state_machine.ts";
export type { ReplicaStatus } from "./status.ts";
