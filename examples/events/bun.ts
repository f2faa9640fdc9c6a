/**
 * The server on Bun:
 *
 *     mkdir -p data
 *     bun examples/events/bun.ts data
 *
 * @module
 */

import { serve } from "bun";
import { run } from "./run.ts";

await run((answer, port) => {
  const server = serve({
    hostname: "127.0.0.1",
    port,
    async fetch(request: Request): Promise<Response> {
      const { status, headers, body } = await answer({
        method: request.method,
        path: new URL(request.url).pathname,
        header: (name) => request.headers.get(name),
        text: () => request.text(),
      });
      return new Response(body, { status, headers });
    },
  });
  return Promise.resolve({ port: server.port, stop: () => server.stop() });
});
