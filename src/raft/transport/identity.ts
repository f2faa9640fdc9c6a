/**
 * Which node is at the other end of a connection with TLS: the one that its certificate names, whatever it says itself.
 *
 * @module
 */

import type { TLSSocket } from "node:tls";
import type { NodeId } from "../../types.ts";
import type { TransportTls } from "./tcp_options.ts";

/** What of a certificate says whose it is. */
interface Names {
  /** As a text: "DNS:one, DNS:two, IP Address:127.0.0.1". */
  readonly subjectaltname?: string;
  readonly subject?: { readonly CN?: string | readonly string[] };
}

/**
 * Finds out whether the other end is who it should be.
 *
 * @param socket A connection on which both sides have shown their certificates.
 * @param id The node that it should be.
 * @param tls The transport's.
 * @returns What is wrong; `undefined` if nothing is.
 */
export function whatIsWrongWith(socket: TLSSocket, id: NodeId, tls: TransportTls): string | undefined {
  // Refused by the runtime already; but what nobody vouches for is not to get in because one runtime thinks otherwise.
  if (!socket.authorized) return NOT_OF_THIS_CLUSTER;
  const name = (tls.nodeName ?? defaultName)(id);
  return isNamed(socket.getPeerCertificate() as Names, name) ? undefined : `its certificate does not name ${name}`;
}

/** What is wrong with a certificate that the cluster's authority has not signed. */
export const NOT_OF_THIS_CLUSTER = "its certificate is not of this cluster";

function defaultName(id: NodeId): string {
  return `node-${id}`;
}

/**
 * Whether a certificate names somebody. Not left to `checkServerIdentity`: it takes wildcards, and there are runtimes in
 * which it takes anything.
 */
function isNamed({ subjectaltname, subject }: Names, name: string): boolean {
  if (!subjectaltname) return subject?.CN === name;
  // A name that is not plain is quoted, so that nothing within it passes for the next one.
  return !subjectaltname.includes('"') && subjectaltname.split(", ").includes(`DNS:${name}`);
}
