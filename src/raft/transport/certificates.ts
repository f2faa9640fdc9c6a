/**
 * Checks certificates and a key. The runtimes detect invalid ones at different times: some listen with any certificate,
 * and then every connection fails. This check is the same in all runtimes.
 *
 * @module
 */

import { createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TransportTls } from "./tcp_options.ts";

const PEM_CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * Checks the certificates and the key of a transport.
 *
 * @param tls Certificates, a key and fingerprints. `ca` and `cert` may have several certificates. The first of `cert`
 * is the node's own.
 * @returns The reason why they are not valid; `undefined` if they are.
 */
export function whatIsWrongWithCertificates(tls: TransportTls): string | undefined {
  const { ca, cert, key, revoked = [] } = tls;
  if (!Array.isArray(revoked)) return "tls.revoked must be an array";
  const wrong = revoked.find((one) => !FINGERPRINT.test(plain(String(one))));
  if (wrong !== undefined) return `tls.revoked has ${JSON.stringify(wrong)}, which is not a SHA-256 fingerprint`;
  if (readCertificates(ca) === undefined) return "tls.ca is not a PEM certificate";
  const own = readCertificates(cert)?.[0];
  if (own === undefined) return "tls.cert is not a PEM certificate";
  const privateKey = readKey(key);
  if (privateKey === undefined) return "tls.key is not a PEM private key";
  if (!own.checkPrivateKey(privateKey)) return "tls.key is not the key of tls.cert";
  return isRevoked(own.raw, tls) ? "tls.cert is in tls.revoked: the other nodes refuse it" : undefined;
}

/** A SHA-256 fingerprint in the format of {@link plain}. */
const FINGERPRINT = /^[0-9a-f]{64}$/;

/** Returns a fingerprint without colons, in lower case. */
function plain(fingerprint: string): string {
  return fingerprint.replaceAll(":", "").toLowerCase();
}

/**
 * Whether a certificate is revoked.
 *
 * @param certificate The certificate in DER.
 * @param tls The fingerprints of revoked certificates.
 */
export function isRevoked(certificate: Uint8Array, { revoked = [] }: Pick<TransportTls, "revoked">): boolean {
  if (revoked.length === 0) return false;
  const own = createHash("sha256").update(certificate).digest("hex");
  return revoked.some((one) => plain(one) === own);
}

/** Parses PEM certificates; `undefined` if there is none, or if one of them is not valid. */
function readCertificates(pem: string | Uint8Array): X509Certificate[] | undefined {
  try {
    return asText(pem).match(PEM_CERTIFICATES)?.map((one) => new X509Certificate(one));
  } catch {
    return undefined;
  }
}

/** Parses a PEM private key; `undefined` if there is none that can be read without a passphrase. */
function readKey(pem: string | Uint8Array): KeyObject | undefined {
  try {
    return createPrivateKey(asText(pem));
  } catch {
    return undefined;
  }
}

/** Returns PEM as text, which all runtimes accept. */
export function asText(pem: string | Uint8Array): string {
  return typeof pem === "string" ? pem : new TextDecoder().decode(pem);
}
