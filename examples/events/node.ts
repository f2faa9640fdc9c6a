/**
 * The server on Node (22 needs `--experimental-strip-types` before 22.18):
 *
 *     mkdir -p data
 *     node examples/events/node.ts data
 *
 * @module
 */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { run } from "./run.ts";

await run(async (answer, port) => {
  const server = createServer(async (request, response) => {
    const { status, headers, body } = await answer({
      method: request.method ?? "",
      path: request.url?.split("?")[0] ?? "",
      header: (name) => request.headers[name]?.toString(),
      text: () => text(request),
    });
    response.writeHead(status, headers).end(body);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const stop = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { port: (server.address() as AddressInfo).port, stop };
});
