/**
 * The node at the other end of a connection with TLS. Its certificate decides, not its own statement.
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
  /** As a text: "DNS:one, DNS:two, IP Address:127.0.0.1". */
  readonly subjectaltname?: string;
  readonly subject?: { readonly CN?: string | readonly string[] };
  /** The certificate itself. */
  readonly raw: Uint8Array;
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
  const certificate = socket.getPeerCertificate() as Names;
  if (isRevoked(certificate.raw, tls)) return REVOKED;
  const name = (tls.nodeName ?? defaultName)(id);
  return isNamed(certificate, name) ? undefined : `its certificate does not name ${name}`;
}

/**
 * Whether a connection that was made earlier is with a node whose certificate is revoked now.
 *
 * @param socket The connection; `undefined` if there is none at the moment.
 * @param tls The transport's.
 */
export function isWithRevoked(socket: Socket | undefined, tls: TransportTls): boolean {
  const { raw } = (socket as TLSSocket | undefined)?.getPeerCertificate() ?? {};
  return raw !== undefined && isRevoked(raw, tls);
}

/** The reason for refusing a revoked certificate. */
export const REVOKED = "its certificate is revoked";

/** The reason for refusing a certificate that the cluster's authority has not signed. */
export const NOT_OF_THIS_CLUSTER = "its certificate is not of this cluster";

function defaultName(id: NodeId): string {
  return `node-${id}`;
}

/**
 * Whether a certificate names somebody. Not left to `checkServerIdentity`: it takes wildcards, and there are runtimes in
 * which it takes anything.
 */
function isNamed({ subjectaltname, subject, raw }: Names, name: string): boolean {
  if (!subjectaltname) return subject?.CN === name;
  // The text has the name letter for letter; but a name of any kind may have ", DNS:node-2" in it, which not every
  // runtime quotes. So the certificate itself must have it too: read by TLS's own library, as one DNS name.
  return subjectaltname.split(", ").includes(`DNS:${name}`) &&
    new X509Certificate(raw).checkHost(name, EXACTLY) !== undefined;
}

const EXACTLY = { wildcards: false, partialWildcards: false, subject: "never" } as const;
