/**
 * A shop that tells a webhook of each order, in any of the three runtimes:
 *
 *     node examples/outbox/main.ts data http://127.0.0.1:9000/ --port 8080
 *
 * @module
 */

import { createServer } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { json } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { WalLogError } from "../../mod.ts";
import { EventLog } from "../../src/events/mod.ts";

/** Events of the shop, and messages that it has to deliver. */
type ShopEvent =
  | { readonly type: "ordered"; readonly customer: string; readonly amount: number }
  | { readonly type: "message"; readonly body: unknown };

const { values, positionals: [folder = "data", webhook = "http://127.0.0.1:9000/"] } = parseArgs({
  allowPositionals: true,
  options: { port: { type: "string", default: "8080" } },
});
const log = await EventLog.open<ShopEvent>(join(folder, "shop.wal"));
const stop = new AbortController();

/** Takes an order. Resolves to its number when the order and the message about it are durable. */
async function order(customer: string, amount: number): Promise<number> {
  const message: ShopEvent = { type: "message", body: { customer, amount } };
  // Both are written, or neither, also across a crash. Their positions are consecutive.
  return await log.appendAll([{ type: "ordered", customer, amount }, message]) - 1;
}

/** Delivers a message until the webhook accepts it. */
async function deliver(position: number, body: unknown): Promise<void> {
  for (let waitMs = 10;; waitMs = Math.min(waitMs * 2, 10_000)) {
    // The key is the same in each attempt, also after a restart, so the webhook can ignore a repetition.
    const headers = { "content-type": "application/json", "idempotency-key": `shop-${position}` };
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)]);
    const response = await fetch(webhook, { method: "POST", headers, body: JSON.stringify(body), signal })
      .catch(() => undefined);
    if (response?.ok) return;
    await setTimeout(waitMs, undefined, { signal: stop.signal });
  }
}

/** Delivers the messages, 16 at a time, and acknowledges each when it is delivered. */
async function relay(): Promise<void> {
  for await (const { position, event, ack } of log.consume("webhook", { maxInFlight: 16, signal: stop.signal })) {
    if (event.type === "message") deliver(position, event.body).then(ack, () => {});
    else ack();
  }
}

const server = createServer(async (request, response) => {
  try {
    const { customer, amount } = await json(request) as { customer: string; amount: number };
    response.writeHead(201).end(JSON.stringify({ order: await order(customer, amount) }) + "\n");
  } catch (error) {
    response.writeHead(error instanceof SyntaxError ? 400 : 503).end((error as Error).message + "\n");
    if (error instanceof WalLogError && error.isFatal) void end(1); // A supervisor starts it again.
  }
});
server.listen(Number(values.port), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as { port: number }).port}`);
});

async function end(code: number): Promise<never> {
  server.close();
  stop.abort();
  await log.close().catch(() => {}); // A log that has failed says so again.
  process.exit(code);
}
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => end(0));
await relay().catch((error) => {
  if (!stop.signal.aborted) throw error;
});
