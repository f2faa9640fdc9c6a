/**
 * Posts deposits to a server of `examples/events`, each with a key of its own, some at a time, until all are answered
 * or the server is gone. Says a line for each: its number, the status (0 for no answer), and the answer.
 *
 *     examples_client.ts URL COUNT CONCURRENCY
 *
 * In a process of its own, so that on Deno the suite itself needs no permission for the network.
 *
 * @module
 */

import process from "node:process";

const [url, count, concurrency] = process.argv.slice(2) as [string, string, string];
/** In how many accounts the deposits go. */
const ACCOUNTS = 7;

let next = 0;
let isGone = false;

async function post(number: number): Promise<void> {
  let status = 0;
  let text = "";
  try {
    const response = await fetch(`${url}/accounts/a${number % ACCOUNTS}/deposit`, {
      method: "POST",
      headers: { "idempotency-key": `key-${number}` },
      body: JSON.stringify({ amount: number + 1 }),
    });
    // A status without its body is no answer yet.
    text = (await response.text()).trim();
    status = response.status;
  } catch {
    text = "";
  }
  if (status === 0 || status === 503) isGone = true;
  process.stdout.write(`${number} ${status} ${text}\n`);
}

async function work(): Promise<void> {
  while (next < Number(count) && !isGone) await post(next++);
}

await Promise.all(Array.from({ length: Number(concurrency) }, work));
