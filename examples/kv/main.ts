/**
 * A replicated key-value service over HTTP: one process for each replica, in any mix of Deno, Bun and Node.
 *
 *     node examples/kv/main.ts --id 1 --http 8001 --folder /data/1 \
 *       --replica 1=127.0.0.1:7001 --replica 2=127.0.0.1:7002 --replica 3=127.0.0.1:7003
 *
 * `--replica ID=HOST:PORT` once for each, the same for all. In Deno it takes --allow-net, --allow-read and
 * --allow-write. --tls FOLDER holds ca.pem and, for replica 1, node-1.pem and node-1.key; without it, whoever reaches the
 * port can speak as a replica. --archive PLACE archives the log in a store, such as
 * file:///backup/kv-1 or s3://bucket/kv-1. --control is for tests. Prints "ready" when it serves, and ends on SIGTERM.
 *
 *     curl -X PUT http://127.0.0.1:8001/kv/greeting --data hello
 *     curl http://127.0.0.1:8002/kv/greeting
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { TcpTransport } from "../../src/raft/mod.ts";
import { Replica } from "../../src/replica/mod.ts";
import { archiveFolder } from "../archived.ts";
import { CuttableTransport } from "./cuttable.ts";
import { report, reportTransport } from "./report.ts";
import { createService } from "./service.ts";
import { Store } from "./store.ts";

const { values } = parseArgs({
  options: {
    id: { type: "string", default: "" },
    folder: { type: "string", default: "" },
    http: { type: "string", default: "8000" },
    replica: { type: "string", multiple: true, default: [] },
    tls: { type: "string" },
    tick: { type: "string", default: "50" },
    "snapshot-bytes": { type: "string", default: "67108864" },
    control: { type: "boolean", default: false },
    archive: { type: "string" },
  },
});
const places = values.replica.map((text) => {
  const [, id, host, port] = /^(\d+)=(.+):(\d+)$/.exec(text) ?? fail(`Cannot read --replica ${text}`);
  return { id: BigInt(id!), host: host!, port: Number(port) };
});
const own = places.find(({ id }) => String(id) === values.id) ?? fail("Pass --id, and --replica for each replica");
const pem = (name: string) => readFileSync(`${values.tls}/${name}`, "utf8");
const tls = () => ({ ca: pem("ca.pem"), cert: pem(`node-${own.id}.pem`), key: pem(`node-${own.id}.key`) });
const options = { id: own.id, cluster: "examples/kv", ...values.tls === undefined ? {} : { tls: tls() } };
const transport = () => new TcpTransport({ ...options, listen: own, onEvent: reportTransport });
const cuttable = values.control ? new CuttableTransport(transport()) : undefined;

const store = new Store();
const replica = await Replica.start({
  ...cuttable === undefined ? options : { id: own.id, transport: cuttable },
  address: own,
  peers: places.map((place) => [place.id, place] as const),
  folder: values.folder,
  stateMachine: store,
  tickMilliseconds: Number(values.tick),
  timeoutMilliseconds: 1500,
  snapshotBytes: Number(values["snapshot-bytes"]),
  onEvent: (event) => {
    report(event);
    if (event.type === "fatal") process.exit(1);
  },
});
const cut = cuttable && ((ids: readonly bigint[]) => cuttable.cutOff = new Set(ids));
const archiving = values.archive === undefined ? undefined : await archiveFolder(values.folder, values.archive);
const server = createService({ replica, store, cut, archiving });
server.listen(Number(values.http), own.host, () => process.stdout.write("ready\n"));

// Callers that wait are answered first.
process.on("SIGTERM", () => void replica.close().then(() => process.exit(0)));

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
