/**
 * A job queue over HTTP, on Bun. Workers in any language lease jobs from it:
 *
 *     bun examples/job-queue/main.ts data --port 8080
 *     bun examples/job-queue/main.ts data --port 8080 --archive file:///backup/queue
 *
 * @module
 */

import { serve } from "bun";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { WalLogError } from "../../mod.ts";
import { archiveFolder } from "../archived.ts";
import { JobQueue, LOGS } from "./queue.ts";

const { values, positionals: [folder = "data"] } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: "string", default: "8080" },
    "lease-ms": { type: "string", default: "30000" },
    "retry-ms": { type: "string", default: "1000" },
    attempts: { type: "string", default: "5" },
    archive: { type: "string" },
  },
});
const queue = await JobQueue.open(folder, {
  leaseMs: Number(values["lease-ms"]),
  retryMs: Number(values["retry-ms"]),
  attemptsMax: Number(values.attempts),
});
/** With --archive, the archives of the queue's two logs. */
const archives = await Promise.all(
  LOGS.filter(() => values.archive !== undefined).map((name) =>
    archiveFolder(join(folder, `${name}.wal`), `${values.archive}/${name}`)
  ),
);

const server = serve({
  hostname: "127.0.0.1",
  port: Number(values.port),
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, id, action] = /^\/jobs\/(\d+)\/(ack|retry)$/.exec(pathname) ?? [];
    if (request.method === "POST" && pathname === "/jobs") {
      return Response.json({ id: await queue.add(await request.json()) }, { status: 201 });
    }
    if (request.method === "POST" && pathname === "/lease") {
      const lease = await queue.lease();
      return lease === undefined ? new Response(null, { status: 204 }) : Response.json(lease);
    }
    if (request.method === "POST" && (action === "ack" || action === "retry")) {
      const isEnded = await queue[action](Number(id), Number(searchParams.get("attempt")));
      return new Response(null, { status: isEnded ? 200 : 409 });
    }
    if (request.method === "GET" && pathname === "/archived") {
      return Response.json(Object.fromEntries(archives.map((one, i) => [LOGS[i], one.archivedIndex])));
    }
    if (request.method === "GET" && pathname === "/dead") return Response.json(await queue.dead());
    return new Response(null, { status: 404 });
  },
  error(error: Error): Response {
    // After a failed write or flush, only opening the log again shows what is on the disk. A supervisor restarts this.
    if (error instanceof WalLogError && error.isFatal) void stop(1);
    return Response.json({ error: error.message }, { status: error instanceof SyntaxError ? 400 : 503 });
  },
});
console.log(`listening on http://127.0.0.1:${server.port}`);

async function stop(code: number): Promise<never> {
  await server.stop();
  await Promise.all(archives.map((one) => one.close()));
  await queue.close().catch(() => {}); // A log that has failed says so again.
  process.exit(code);
}
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop(0));
