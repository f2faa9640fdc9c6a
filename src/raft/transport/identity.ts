/**
 * The identity of the node at the other end of a TLS connection. Its certificate decides, not its own claim.
 *
 * @module
 */

import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Socket } from "node:net";
import type { NodeId } from "../../api/types.ts";
import { isRevoked } from "./certificates.ts";
import type { TransportTls } from "./tcp_options.ts";

/** The parts of a certificate that name its owner. */
interface Names {
  /** A text such as "DNS:one, DNS:two, IP Address:127.0.0.1". */
  readonly subjectaltname?: string;
  readonly subject?: { readonly CN?: string | readonly string[] };
  /** The certificate in DER. */
  readonly raw: Uint8Array;
}

/**
 * Checks the identity of the other end.
 *
 * @param socket A connection after the handshake.
 * @param id The expected node.
 * @param tls The transport's certificates and names.
 * @returns The reason to close the connection; `undefined` if the other end is the expected node.
 */
export function whatIsWrongWith(socket: TLSSocket, id: NodeId, tls: TransportTls): string | undefined {
  // The runtime has already rejected such a certificate. This check guards against a runtime that does not.
  if (!socket.authorized) return NOT_OF_THIS_CLUSTER;
  const certificate = socket.getPeerCertificate() as Names;
  if (isRevoked(certificate.raw, tls)) return REVOKED;
  const name = (tls.nodeName ?? defaultName)(id);
  return isNamed(certificate, name) ? undefined : `its certificate does not name ${name}`;
}

/**
 * Whether an existing connection is with a node whose certificate is now revoked.
 *
 * @param socket The connection; `undefined` if there is none at the moment.
 * @param tls The transport's revoked certificates.
 */
export function isWithRevoked(socket: Socket | undefined, tls: TransportTls): boolean {
  const { raw } = (socket as TLSSocket | undefined)?.getPeerCertificate() ?? {};
  return raw !== undefined && isRevoked(raw, tls);
}

/** The reason for refusing a revoked certificate. */
export const REVOKED = "its certificate is revoked";

/** The reason for refusing a certificate that the cluster's authority has not signed. */
export const NOT_OF_THIS_CLUSTER = "its certificate is not from this cluster's authority";

function defaultName(id: NodeId): string {
  return `node-${id}`;
}

/** Whether a certificate has a name. `checkServerIdentity` would accept wildcards, and in some runtimes any name. */
function isNamed({ subjectaltname, subject, raw }: Names, name: string): boolean {
  if (!subjectaltname) return subject?.CN === name;
  // The text has the exact name. But a name of any kind can contain ", DNS:node-2", and not every runtime quotes it. So
  // the certificate itself must have the name too, as one DNS name, according to TLS's own library.
  return subjectaltname.split(", ").includes(`DNS:${name}`) &&
    new X509Certificate(raw).checkHost(name, EXACTLY) !== undefined;
}

const EXACTLY = { wildcards: false, partialWildcards: false, subject: "never" } as const;
