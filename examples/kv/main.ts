/**
 * A replicated key-value service over HTTP: one process for each replica, in any mix of Deno, Bun and Node.
 *
 *     node examples/kv/main.ts --id 1 --folder /data/1 \
 *       --replica 1=127.0.0.1:7001,8001 --replica 2=127.0.0.1:7002,8002 --replica 3=127.0.0.1:7003,8003
 *
 * `--replica ID=HOST:PORT,HTTPPORT` once for each, the same for all; the first port is for the replicas' messages, the
 * second for clients. In Deno it takes --allow-net, --allow-read and --allow-write. With --tls FOLDER, which has ca.pem
 * and, for replica 1, node-1.pem and node-1.key, the replicas talk to nobody else; without, whoever reaches the port
 * can. `http.ts` says how clients ask, `--control` is for tests. Says "ready" when it serves, on standard error what
 * keeps it from the others, and ends on SIGTERM.
 *
 *     curl -L -X PUT http://127.0.0.1:8001/kv/greeting --data hello
 *     curl -L http://127.0.0.1:8002/kv/greeting
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { TcpTransport, type TransportEvent, type TransportTls } from "../../src/raft/mod.ts";
import { CuttableTransport } from "./cuttable.ts";
import { createService } from "./http.ts";
import { Replica } from "./replica.ts";

const { values } = parseArgs({
  options: {
    id: { type: "string" },
    folder: { type: "string" },
    replica: { type: "string", multiple: true, default: [] },
    tls: { type: "string" },
    tick: { type: "string", default: "50" },
    "snapshot-threshold": { type: "string", default: "10000" },
    control: { type: "boolean", default: false },
  },
});

/** Where a replica is. */
interface Place {
  readonly id: bigint;
  readonly host: string;
  readonly port: number;
  readonly httpPort: number;
}

/** What was said last of whom: what happens again and again is said once. */
const said = new Map<string, string>();

const places = values.replica.map(parsePlace);
const own = places.find(({ id }) => String(id) === values.id);
if (own === undefined || values.folder === undefined) {
  fail("--id, --folder and a --replica for each, this one included");
}

const transport = new CuttableTransport(
  new TcpTransport({
    id: own.id,
    cluster: "examples/kv",
    listen: own,
    peers: places.map((place) => [place.id, place] as const),
    onEvent: report,
    ...values.tls === undefined ? {} : { tls: tlsFrom(values.tls, own.id) },
  }),
);
const replica = await Replica.start({
  id: own.id,
  peers: places.map(({ id }) => id).filter((id) => id !== own.id),
  folder: values.folder,
  transport,
  tickMs: Number(values.tick),
  snapshotThreshold: Number(values["snapshot-threshold"]),
  onFailure: (error) => {
    console.error(error);
    process.exit(1);
  },
});
const server = createService({
  replica,
  urls: new Map(places.map(({ id, host, httpPort }) => [id, `http://${host}:${httpPort}`])),
  cut: values.control ? (ids) => transport.cutOff = new Set(ids) : undefined,
});
server.listen(own.httpPort, own.host, () => process.stdout.write("ready\n"));

process.on("SIGTERM", () => {
  server.close();
  void replica.close().then(() => process.exit(0));
});

/** Says what keeps replicas apart, and when nothing does any more. */
function report(event: TransportEvent): void {
  if (event.type === "dropped") return;
  const isRefusal = event.type === "refused";
  const whom = isRefusal ? `${event.remote}, ${event.reason}` : `replica ${event.peer}, ${event.direction}`;
  const what = event.type === "disconnected" ? `disconnected, ${event.reason}` : event.type;
  if (said.get(whom) === what) return;
  said.set(whom, what);
  console.error(`${whom}: ${what}`);
}

function parsePlace(text: string): Place {
  const match = /^(\d+)=(.+):(\d+),(\d+)$/.exec(text);
  if (match === null) fail(`--replica takes ID=HOST:PORT,HTTPPORT, found ${text}`);
  const [, id, host, port, httpPort] = match;
  return { id: BigInt(id!), host: host!, port: Number(port), httpPort: Number(httpPort) };
}

function tlsFrom(folder: string, id: bigint): TransportTls {
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return { ca: read("ca.pem"), cert: read(`node-${id}.pem`), key: read(`node-${id}.key`) };
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
