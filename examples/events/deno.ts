/**
 * The server on Deno, which lets it have its port and its folder and nothing else:
 *
 *     mkdir -p data
 *     deno run --allow-net=127.0.0.1 --allow-read=data --allow-write=data examples/events/deno.ts data
 *
 * @module
 */

import { run } from "./run.ts";

await run((answer, port) => {
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    const { status, headers, body } = await answer({
      method: request.method,
      path: new URL(request.url).pathname,
      header: (name) => request.headers.get(name),
      text: () => request.text(),
    });
    return new Response(body, { status, headers });
  });
  return Promise.resolve({ port: server.addr.port, stop: () => server.shutdown() });
});
