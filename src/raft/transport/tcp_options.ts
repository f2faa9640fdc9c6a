/**
 * The options of a {@link TcpTransport}.
 *
 * @module
 */

import { WalLogError } from "../../api/errors.ts";
import { checkNames } from "../../api/option_names.ts";
import type { NodeId } from "../../api/types.ts";
import { MESSAGE_BYTES_MAX_DEFAULT } from "../codec/format.ts";
import { isNodeId } from "../config.ts";
import { whatIsWrongWithCertificates } from "./certificates.ts";
import { PROTOCOL, type Protocol } from "./framing.ts";

/** The address on which a node listens. */
export interface Address {
  /** A name or an address. */
  readonly host: string;
  /** The port; 0 to listen on any free port. */
  readonly port: number;
}

/**
 * Certificates, all as PEM. Both sides of a connection present theirs. Only `ca` is trusted, not the authorities of the
 * system. So every holder of a certificate of that authority is in the cluster, and nobody else is. A holder can act
 * only as the node that the certificate names. Host names are not compared. Use an authority that signs for this
 * cluster alone.
 *
 * A certificate names a node if one of its subject alternative names is a DNS name that equals the node's name exactly.
 * A certificate without alternative names names the node with its common name. In Deno, this needs 2.7.14 or newer.
 */
export interface TransportTls {
  /** The certificate of the authority that signs the nodes' certificates. */
  readonly ca: string | Uint8Array;
  /** This node's certificate, valid for servers and clients. */
  readonly cert: string | Uint8Array;
  /** Its private key. */
  readonly key: string | Uint8Array;
  /**
   * The name of a node, which its certificate must have. Default: `node-` and the id, for example `node-7`. If all
   * nodes have the same name, one certificate serves them all, and its holder can act as any of them.
   */
  readonly nodeName?: (id: NodeId) => string;
  /**
   * Revoked certificates: nodes with one of them are refused, although the authority has signed it. SHA-256
   * fingerprints, 64 hexadecimal digits with or without colons, as `openssl x509 -noout -fingerprint -sha256` prints
   * them. Default: none.
   */
  readonly revoked?: readonly string[];
}

/** An event of a {@link TcpTransport}, to log or to count. It requires no action. */
export type TransportEvent =
  /** `out`: this node can send messages to the peer. `in`: the peer can send messages to this node. */
  | { readonly type: "connected"; readonly peer: NodeId; readonly direction: "in" | "out" }
  /** A connection has ended, or could not be made. The transport tries again. */
  | { readonly type: "disconnected"; readonly peer: NodeId; readonly direction: "in" | "out"; readonly reason: string }
  /** A caller that is not a peer was refused. */
  | { readonly type: "refused"; readonly remote: string; readonly reason: string }
  /** A message was not sent. */
  | { readonly type: "dropped"; readonly peer: NodeId; readonly message: string; readonly reason: string };

/** The options of a {@link TcpTransport}. */
export interface TcpTransportOptions {
  /** The id of the node. */
  readonly id: NodeId;
  /** The cluster's name. Nodes of clusters with other names are refused. It is not a secret. */
  readonly cluster: string;
  /** The address on which to listen. */
  readonly listen: Address;
  /** The addresses of the other nodes. {@link TcpTransport.setPeer} adds more. Default: none. */
  readonly peers?: Iterable<readonly [NodeId, Address]>;
  /**
   * Without it, anyone who can reach the port can act as any node. Omit it only on loopback and in isolated networks.
   */
  readonly tls?: TransportTls;
  /**
   * The largest message to send or accept, in bytes. Default: 64 MiB and 64 KiB, for one entry of the largest size. The
   * nodes' `maxMessageBytes` must not be larger: the transport drops messages above its own.
   */
  readonly maxMessageBytes?: number;
  /**
   * The maximum size of the messages that wait for one peer, in bytes, besides one message of any size. Default: 16
   * MiB.
   */
  readonly maxQueueBytes?: number;
  /**
   * The pause before a connection is tried again, in milliseconds. It starts at the minimum and doubles after each
   * failure, up to the maximum. A random part of up to half is subtracted. Default: 50 to 2000.
   */
  readonly reconnectDelay?: readonly [least: number, most: number];
  /**
   * The time in milliseconds after which a connection is closed if it cannot be made, or if the peer does not answer.
   * Default: 5000. A connection that a peer has made is closed after the same time of silence, but not before 2000.
   */
  readonly timeout?: number;
  /** Called with each event. */
  readonly onEvent?: (event: TransportEvent) => void;
}

/** Checked options, with their defaults. */
export type CheckedTcpOptions =
  & Required<Omit<TcpTransportOptions, "tls" | "peers">>
  & {
    /** {@link TcpTransport.reload} replaces it. */
    tls: TransportTls | undefined;
    /** The protocol versions of the node. Only tests change them, to act as a node of another release. */
    readonly protocol: Protocol;
  };

/** The length of a frame is a u32. */
const MESSAGE_BYTES_MAX = 2 ** 32 - 1;
const QUEUE_BYTES_MAX_DEFAULT = 16 * 1024 * 1024;
/** The longest delay of the runtimes' timers. In milliseconds. */
const TIMER_MAX = 2 ** 31 - 1;

/**
 * Checks options, and fills in the defaults.
 *
 * @param options The application's options.
 * @returns The complete options.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkTcpOptions(options: TcpTransportOptions): CheckedTcpOptions {
  const checked: CheckedTcpOptions = {
    id: options.id,
    cluster: options.cluster,
    listen: options.listen,
    tls: options.tls,
    maxMessageBytes: options.maxMessageBytes ?? MESSAGE_BYTES_MAX_DEFAULT,
    maxQueueBytes: options.maxQueueBytes ?? QUEUE_BYTES_MAX_DEFAULT,
    reconnectDelay: options.reconnectDelay ?? [50, 2000],
    timeout: options.timeout ?? 5000,
    onEvent: options.onEvent ?? (() => {}),
    protocol: (options as { protocol?: Protocol }).protocol ?? PROTOCOL,
  };
  checkNames("Cannot make a transport", options, [...Object.keys(checked), "peers"]);
  checkId(checked.id);
  if (typeof checked.cluster !== "string" || checked.cluster === "") throw invalid("the cluster must have a name");
  checkAddress(checked.listen, 0);
  requireWhole("maxMessageBytes", checked.maxMessageBytes, 1, MESSAGE_BYTES_MAX);
  requireWhole("maxQueueBytes", checked.maxQueueBytes, 1, Number.MAX_SAFE_INTEGER);
  const [least, most] = checked.reconnectDelay;
  requireWhole("reconnectDelay[0]", least, 1, TIMER_MAX);
  requireWhole("reconnectDelay[1]", most, least, TIMER_MAX);
  requireWhole("timeout", checked.timeout, 1, TIMER_MAX);
  if (typeof checked.onEvent !== "function") throw invalid("onEvent must be a function");
  if (checked.tls !== undefined) checkTls("Cannot make a transport", checked.tls);
  return checked;
}

/**
 * Checks certificates and a key.
 *
 * @param attempt The attempted operation, for the error.
 * @param tls The application's certificates and key.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkTls(attempt: string, tls: TransportTls): void {
  checkNames(attempt, tls, ["ca", "cert", "key", "nodeName", "revoked"]);
  const isWhole = tls?.ca?.length > 0 && tls.cert?.length > 0 && tls.key?.length > 0;
  if (!isWhole) throw invalid("tls needs ca, cert and key", attempt);
  if (tls.nodeName !== undefined && typeof tls.nodeName !== "function") {
    throw invalid("nodeName must be a function", attempt);
  }
  const wrong = whatIsWrongWithCertificates(tls);
  if (wrong !== undefined) throw invalid(wrong, attempt);
}

/** Checks a node's id. */
export function checkId(id: NodeId): void {
  if (!isNodeId(id)) throw invalid(`ids must be bigints from 0 to 2^64 - 1, found ${String(id)}`);
}

/** Checks an address. */
export function checkAddress(address: Address, leastPort: number): void {
  const { host, port } = address;
  if (typeof host !== "string" || host === "") {
    throw invalid(`a host must be a name or an address, found ${String(host)}`);
  }
  requireWhole("a port", port, leastPort, 65_535);
}

function requireWhole(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw invalid(`${name} must be a whole number from ${least} to ${most}, found ${String(value)}`);
}

function invalid(reason: string, attempt = "Cannot make a transport"): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `${attempt}: ${reason}`);
}
