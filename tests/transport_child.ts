/**
 * Node 2 of a cluster with TLS, in another process and runtime: answers each `preVote` with its term, until told to end.
 *
 *     transport_child.ts <port of node 1>
 *
 * Says the port that it listens on.
 *
 * @module
 */

import process from "node:process";
import { Probe, tlsOf } from "./transports.ts";

const { transport } = new Probe(2n, { tls: tlsOf("node-2") });
await transport.start((message) => {
  if (message.type === "preVote") {
    transport.send(1n, { type: "preVoteReply", term: message.term, voteGranted: true, from: 2n });
  } else if (message.type === "timeoutNow") {
    void transport.close();
  }
});
transport.setPeer(1n, { host: "127.0.0.1", port: Number(process.argv[2]) });
process.stdout.write(`${transport.address!.port}\n`);
