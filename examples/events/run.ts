/**
 * The life of a server process, the same in the three runtimes: command line, start, signals, end.
 *
 *     SERVER FOLDER [--port 8080] [--snapshot-every EVENTS]
 *
 * @module
 */

import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { describeRecovery } from "../../mod.ts";
import { answer, type HttpAnswer, type HttpRequest } from "./http.ts";
import { Service } from "./service.ts";

/** What a runtime's HTTP server answers requests with. */
export type Answer = (request: HttpRequest) => Promise<HttpAnswer>;

/** A runtime's HTTP server, once it listens. */
export interface Listening {
  readonly port: number;
  /** Takes no more requests; settles when those under way are answered. */
  stop(): Promise<void>;
}

/** How long answers under way may take when the server ends. A client cannot keep it from ending. In milliseconds. */
const STOP_MS_MAX = 1000;

/**
 * Runs a server until it is told to stop, or its log fails. Then ends the process: with 0, or with 1.
 *
 * @param listen Starts the runtime's HTTP server on a port of 127.0.0.1; 0 for any that is free.
 */
export async function run(listen: (answer: Answer, port: number) => Promise<Listening>): Promise<never> {
  const { values, positionals: [folder] } = parseArgs({
    allowPositionals: true,
    options: { port: { type: "string", default: "8080" }, "snapshot-every": { type: "string", default: "100000" } },
  });
  const eventsPerSnapshot = Number(values["snapshot-every"]);
  if (folder === undefined || !(eventsPerSnapshot >= 1)) {
    console.error(
      "expected FOLDER [--port 8080] [--snapshot-every EVENTS]; the log goes into events.wal in the folder",
    );
    process.exit(64);
  }
  // In the folder, not the folder itself: making the log's folder durable takes the permission to flush the one above.
  const service = await Service.open(join(folder, "events.wal"), { eventsPerSnapshot });
  console.log(describeRecovery(service.recovery));
  const server = await listen((request) => answer(service, request), Number(values.port));
  console.log(`listening on http://127.0.0.1:${server.port}`);

  const ended = Promise.withResolvers<number>();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => ended.resolve(0));
  service.failed.then((error) => {
    // No retry in here: after a failed flush only opening the log anew tells what is on the disk.
    console.error(error.message);
    ended.resolve(1);
  });
  const code = await ended.promise;
  await Promise.race([server.stop(), setTimeout(STOP_MS_MAX)]);
  await service.close().catch(() => {}); // A log that has failed says so once more.
  process.exit(code);
}
