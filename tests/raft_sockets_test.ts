/** Nodes over real sockets, on slow and unreliable links. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type RaftConfig, RaftNode, TcpTransport } from "../src/raft/mod.ts";
import type { NodeId } from "../src/api/types.ts";
import { SlowLink } from "./slow_link.ts";
import { LOOPBACK, until } from "./transports.ts";

const IDS = [1n, 2n, 3n] as const;
const CONFIG = { checkQuorum: true, noOp: true, maxBatch: 256, maxBatchBytes: 1024 * 1024 };
const TICK_MS = 50;

/** Three nodes. The links between the leader, node 1, and the others have 100 ms and 100 Mbit/s. */
class Slow {
  readonly nodes: Map<NodeId, RaftNode> = new Map();
  /** From node 1 to each of the others, and back. */
  readonly links: Map<NodeId, { there: SlowLink; back: SlowLink }> = new Map();
  readonly #transports: Map<NodeId, TcpTransport> = new Map();
  #clock: ReturnType<typeof setInterval> | undefined;

  static async start(config: Partial<RaftConfig>): Promise<Slow> {
    const slow = new Slow();
    for (const id of IDS) {
      const transport = new TcpTransport({ id, cluster: "slow", listen: LOOPBACK, reconnectDelay: [20, 200] });
      slow.nodes.set(id, new RaftNode({ ...config, id, peers: IDS.filter((peer) => peer !== id) }));
      slow.#transports.set(id, transport);
      await transport.start((message) => slow.step(id, { type: "message", message }));
    }
    const address = (id: NodeId) => slow.#transports.get(id)!.address!;
    for (const id of [2n, 3n]) {
      const [there, back] = [
        await SlowLink.open(address(id), 50, 12_500),
        await SlowLink.open(address(1n), 50, 12_500),
      ];
      slow.links.set(id, { there, back });
      slow.#transports.get(1n)!.setPeer(id, there.address);
      slow.#transports.get(id)!.setPeer(1n, back.address);
      slow.#transports.get(id)!.setPeer(5n - id, address(5n - id));
    }
    await until(() => slow.isConnected, "connected");
    while (!slow.nodes.get(1n)!.isLeader) {
      slow.step(1n, { type: "tick" });
      await pause(5);
    }
    slow.#clock = setInterval(() => {
      for (const id of IDS) slow.step(id, { type: "tick" });
    }, TICK_MS);
    return slow;
  }

  get isConnected(): boolean {
    return IDS.every((id) => [...this.#transports.get(id)!.stats().values()].every(({ isConnected }) => isConnected));
  }

  step(id: NodeId, event: Parameters<RaftNode["step"]>[0]): void {
    for (const action of this.nodes.get(id)!.step(event)) {
      if (action.type === "send") this.#transports.get(id)!.send(action.to, action.message);
    }
  }

  set isCut(isCut: boolean) {
    const { there, back } = this.links.get(3n)!;
    there.isCut = back.isCut = isCut;
  }

  async close(): Promise<void> {
    clearInterval(this.#clock);
    for (const { there, back } of this.links.values()) await Promise.all([there.close(), back.close()]);
    for (const transport of this.#transports.values()) await transport.close();
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("a node whose connection broke catches up at 1.3 times the bytes at most", async () => {
  const slow = await Slow.start(CONFIG);
  const command = new Uint8Array(1000);
  // About 2,000 writes a second.
  const writer = setInterval(() => {
    for (let i = 0; i < 20; i++) slow.step(1n, { type: "propose", command });
  }, 10);
  const [there, other] = [slow.links.get(3n)!.there, slow.links.get(2n)!.there];
  await pause(500);
  const before = { there: there.bytes, other: other.bytes };
  slow.isCut = true;
  await pause(1000);
  slow.isCut = false;
  await pause(1000);
  const { log } = slow.nodes.get(1n)!;
  const last = log.lastIndex;
  await until(() => slow.nodes.get(3n)!.lastApplied >= last, "level again");
  clearInterval(writer);
  const ratio = (there.bytes - before.there) / (other.bytes - before.other);
  assert.ok(ratio <= 1.3, `it took ${ratio} times the bytes`);
  assert.equal(slow.nodes.get(1n)!.isLeader, true);
  await slow.close();
});
