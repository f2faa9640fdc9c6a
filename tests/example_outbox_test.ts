/** The outbox of `examples/outbox`: each order reaches the webhook, though the shop is killed and the webhook fails. */

import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { RuntimeName } from "../scripts/runtimes.ts";
import { EventLog } from "../src/events/mod.ts";
import { type ExampleServer, shownCalls, sideBySide, withExample } from "./example_process.ts";
import { inTemporaryFolder } from "./temporary.ts";

const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";
const CLIENTS = 8;
/** The webhook fails so often: once in so many requests it answers 503, and as often it accepts and breaks off. */
const FAILS_EVERY = 7;

/** A webhook that ignores keys that it has. */
class Webhook {
  readonly amounts = new Map<string, number>();
  requests = 0;
  readonly #server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => body += text).on("end", () => {
      const count = ++this.requests;
      if (count % FAILS_EVERY === 0) return response.writeHead(503).end();
      const key = String(request.headers["idempotency-key"]);
      const { amount } = JSON.parse(body);
      assert.equal(this.amounts.get(key) ?? amount, amount, `the key ${key} of two messages`);
      this.amounts.set(key, amount);
      if (count % FAILS_EVERY === 1) request.socket.destroy();
      else response.end();
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Orders until the shop is killed, when the webhook has so many. Resolves to the amounts of acknowledged orders. */
async function orderUntilKilled({ url, child }: ExampleServer, webhook: Webhook, from: number, delivered: number) {
  const ordered: number[] = [];
  let amount = from;
  await sideBySide(CLIENTS, async () => {
    try {
      while (webhook.amounts.size < delivered) {
        const mine = amount++;
        const body = JSON.stringify({ customer: "ann", amount: mine });
        const { status } = await fetch(url, { method: "POST", body });
        assert.equal(status, 201);
        ordered.push(mine);
      }
    } catch (error) {
      // The shop is gone.
      if (error instanceof assert.AssertionError) throw error;
    }
    child.kill("SIGKILL");
  });
  return ordered;
}

describe(`the outbox on ${own}`, () => {
  it("tells the webhook of each acknowledged order, though it is killed and the webhook fails", async () => {
    await inTemporaryFolder(async (path) => {
      const folder = realpathSync(path);
      const webhook = new Webhook();
      const args = [folder, await webhook.listen(), "--port", "0"];
      const permissions = ["--allow-net=127.0.0.1", `--allow-read=${folder}`, `--allow-write=${folder}`];
      const run = <T>(body: (server: ExampleServer) => Promise<T>) =>
        withExample(own, "outbox/main.ts", { args, permissions }, body);
      const first = await run((server) => orderUntilKilled(server, webhook, 1, 60));
      const second = await run((server) => orderUntilKilled(server, webhook, 1_000_000, 120));
      assert(first.length > 0 && second.length > 0);
      await run(async ({ child, ended }) => {
        const log = await EventLog.open<{ type: string; amount: number }>(join(folder, "shop.wal"), { readOnly: true });
        const orders = [...log.iterate()].filter(({ event }) => event.type === "ordered");
        while (log.consumers().some(({ lag }) => lag > 0)) {
          await setTimeout(10);
          await log.refresh();
        }
        await log.close();
        const amounts = (values: Iterable<number>) => [...values].sort((a, b) => a - b);
        // Each order once, and no message without an order.
        assert.deepEqual(amounts(webhook.amounts.values()), amounts(orders.map(({ event }) => event.amount)));
        const told = new Set(webhook.amounts.values());
        assert.deepEqual([...first, ...second].filter((amount) => !told.has(amount)), []);
        assert(webhook.requests > webhook.amounts.size, "some deliveries were tried again");
        // Not child.kill: Deno would report that the signal ended the child, even if the child handled it.
        process.kill(child.pid!, "SIGTERM");
        assert.equal(await ended, 0);
      });
      webhook.close();
    });
  });

  it("gives the answer that its README shows, and takes orders while the webhook is down", async () => {
    await inTemporaryFolder(async (path) => {
      const folder = realpathSync(path);
      const permissions = ["--allow-net=127.0.0.1", `--allow-read=${folder}`, `--allow-write=${folder}`];
      const args = [folder, "http://127.0.0.1:9/", "--port", "0"];
      await withExample(own, "outbox/main.ts", { args, permissions }, async ({ url }) => {
        const [shown] = shownCalls("outbox");
        const { path, body, answer } = shown!;
        assert.equal(await (await fetch(url + path, { method: "POST", body })).text(), answer);
        assert.equal((await fetch(url, { method: "POST", body: "{" })).status, 400);
      });
    });
  });
});
