/**
 * The transport of a replica without one in its options.
 *
 * @module
 */

import { TcpTransport } from "../raft/mod.ts";
import type { ReplicaEvent } from "./events.ts";
import type { CheckedReplicaOptions } from "./options.ts";

/**
 * Makes a transport over TCP.
 *
 * @param options The options of the replica.
 * @param emit Receives the events of the transport.
 */
export function tcpTransport<R>(options: CheckedReplicaOptions<R>, emit: (event: ReplicaEvent) => void): TcpTransport {
  const { id, cluster, listen, address, tls } = options;
  return new TcpTransport({
    ...{ id, cluster, listen: (listen ?? address)! },
    onEvent: (event) => emit({ type: "transport", event }),
    ...tls === undefined ? {} : { tls },
  });
}
