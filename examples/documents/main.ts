/**
 * A server for documents of Yjs over WebSockets, on Deno. It needs its port, its folder, and the variables of the
 * environment that Yjs reads, and gets nothing else:
 *
 *     deno run --allow-net=127.0.0.1 --allow-read=data --allow-write=data \
 *       --allow-env=PRODUCTION,NODE_ENV,FORCE_COLOR,NO_COLOR,COLORTERM,TERM examples/documents/main.ts data
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { WalLogError } from "../../mod.ts";
import { DocumentStore } from "./store.ts";

const { values, positionals: [folder = "data"] } = parseArgs({
  allowPositionals: true,
  options: { port: { type: "string", default: "8080" }, "compact-after": { type: "string", default: "10000" } },
});
// In the folder, not the folder itself: to make the log's folder durable takes permission for the folder above it.
const store = await DocumentStore.open(`${folder}/documents.wal`, Number(values["compact-after"]));
const rooms = new Map<string, Set<WebSocket>>();

async function receive(name: string, update: Uint8Array): Promise<void> {
  await store.store(name, update);
  // Also to the sender: it is the acknowledgement. An update that comes twice changes nothing.
  for (const socket of rooms.get(name) ?? []) if (socket.readyState === WebSocket.OPEN) socket.send(update.slice());
}

const server = Deno.serve({ hostname: "127.0.0.1", port: Number(values.port), onListen() {} }, (request) => {
  if (request.headers.get("upgrade") !== "websocket") return new Response("expected a WebSocket\n", { status: 426 });
  const name = new URL(request.url).pathname.slice(1);
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  const fail = (error: Error) => {
    socket.close(1011, error.message.slice(0, 40));
    if (error instanceof WalLogError && error.isFatal) void stop(1); // A supervisor starts it again.
  };
  socket.onopen = () => {
    // First the room, then the document, so that it misses no update.
    rooms.set(name, (rooms.get(name) ?? new Set()).add(socket));
    store.load(name).then((state) => socket.send(state.slice())).catch(fail);
  };
  socket.onmessage = ({ data }) => void receive(name, new Uint8Array(data)).catch(fail);
  socket.onclose = () => rooms.get(name)?.delete(socket);
  return response;
});
console.log(`listening on ws://127.0.0.1:${server.addr.port}`);

async function stop(code: number): Promise<never> {
  for (const sockets of rooms.values()) for (const socket of sockets) socket.close(1001);
  await Promise.race([server.shutdown(), new Promise((resolve) => setTimeout(resolve, 1000))]);
  await store.close().catch(() => {}); // A log that has failed says so again.
  process.exit(code);
}
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stop(0));
