/**
 * Whether certificates and a key are what they should be. The runtimes do not agree on when to say that they are not: some
 * listen with anything, and then no connection succeeds. So they are read here, the same way in all.
 *
 * @module
 */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TransportTls } from "./tcp_options.ts";

const PEM_CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * Finds out whether TLS can work with what it was given.
 *
 * @param tls Certificates and a key; `ca` and `cert` may have several, of which the first of `cert` is the node's own.
 * @returns What is wrong; `undefined` if nothing is.
 */
export function whatIsWrongWithCertificates({ ca, cert, key }: TransportTls): string | undefined {
  if (readCertificates(ca) === undefined) return "tls.ca is no certificate as PEM";
  const own = readCertificates(cert)?.[0];
  if (own === undefined) return "tls.cert is no certificate as PEM";
  const privateKey = readKey(key);
  if (privateKey === undefined) return "tls.key is no private key as PEM";
  return own.checkPrivateKey(privateKey) ? undefined : "tls.key is not the key of tls.cert";
}

/** The certificates of a PEM; `undefined` if there is none, or if one of them cannot be read. */
function readCertificates(pem: string | Uint8Array): X509Certificate[] | undefined {
  try {
    return asText(pem).match(PEM_CERTIFICATES)?.map((one) => new X509Certificate(one));
  } catch {
    return undefined;
  }
}

/** The private key of a PEM; `undefined` if there is none that can be read without a passphrase. */
function readKey(pem: string | Uint8Array): KeyObject | undefined {
  try {
    return createPrivateKey(asText(pem));
  } catch {
    return undefined;
  }
}

/** PEM as text, which all runtimes take. */
export function asText(pem: string | Uint8Array): string {
  return typeof pem === "string" ? pem : new TextDecoder().decode(pem);
}
