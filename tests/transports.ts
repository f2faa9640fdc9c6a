/**
 * What the tests of transports share: certificates, raw connections, and waiting for something to come true.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import {
  type Address,
  type Message,
  type Origin,
  type Receive,
  TcpTransport,
  type TcpTransportOptions,
  type TransportEvent,
  type TransportTls,
} from "../src/raft/mod.ts";
import type { NodeId } from "../src/api/types.ts";
import { clusterDigest, encodeHello } from "../src/raft/transport/framing.ts";

/** Nothing here takes so long unless it never ends. In milliseconds. */
const NEVER_MS = 30_000;

export const LOOPBACK: Address = { host: "127.0.0.1", port: 0 };
export const CLUSTER = "the tests";

/** A file of `tests/certificates`. */
export function certificate(name: string): string {
  return readFileSync(new URL(`./certificates/${name}`, import.meta.url), "utf8");
}

/** What a node shows: a certificate of its own, one that names it in another way, or in none, or one of another cluster's. */
export function tlsOf(
  name: "node-1" | "node-2" | "node-3" | "common" | "stranger" | `posing-${"dns" | "uri" | "email" | "directory"}`,
): TransportTls {
  return { ca: certificate("ca.pem"), cert: certificate(`${name}.pem`), key: certificate(`${name}.key`) };
}

/**
 * Waits for something to come true.
 *
 * @param condition Asked again and again.
 * @param what What it is, for the message if it never does.
 */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const started = performance.now();
  while (!condition()) {
    assert.ok(performance.now() - started < NEVER_MS, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A transport on the loopback, and everything that comes of it. */
export class Probe {
  readonly transport: TcpTransport;
  readonly received: Message[] = [];
  readonly events: TransportEvent[] = [];

  constructor(id: NodeId, options: Partial<TcpTransportOptions> = {}) {
    this.transport = new TcpTransport({
      id,
      cluster: CLUSTER,
      listen: LOOPBACK,
      onEvent: (event) => this.events.push(event),
      ...options,
    });
  }

  /** Starts it; takes note of what it receives, or does with it what it is told. */
  async start(receive: Receive = () => {}, identity?: () => Origin): Promise<this> {
    await this.transport.start((message, origin) => {
      this.received.push(message);
      return receive(message, origin);
    }, identity);
    return this;
  }

  get address(): Address {
    return this.transport.address!;
  }

  /** Whether messages can be sent to a peer. */
  isConnectedTo(peer: NodeId): boolean {
    return this.transport.stats().get(peer)?.isConnected === true;
  }

  /** Says of nodes where they listen, so that they are known: nobody is there. */
  know(first: NodeId, end: NodeId): void {
    for (let id = first; id < end; id++) this.transport.setPeer(id, { ...LOOPBACK, port: 9 });
  }

  /** Why connections that others made ended or were refused. */
  get reasonsOfCallers(): string[] {
    return this.events.flatMap((event) =>
      "reason" in event && !("direction" in event && event.direction === "out") ? [event.reason] : []
    );
  }

  /** Why connections ended or were refused. */
  get reasons(): string[] {
    return this.events.flatMap((event) => "reason" in event ? [event.reason] : []);
  }
}

/** Makes probes that know each other, connected. */
export async function connected(ids: readonly NodeId[], options: Partial<TcpTransportOptions> = {}): Promise<Probe[]> {
  const probes = await Promise.all(ids.map((id) => new Probe(id, options).start()));
  for (const { transport } of probes) for (const other of probes) transport.setPeer(other.transport.id, other.address);
  for (const probe of probes) {
    for (const id of ids) if (id !== probe.transport.id) await until(() => probe.isConnectedTo(id), "connected");
  }
  return probes;
}

/** A connection made by hand. */
export class RawConnection {
  readonly socket: Socket;
  isClosed = false;
  /** How much has arrived, in bytes. */
  arrived = 0;

  /**
   * Calls.
   *
   * @param address Whom.
   * @param localAddress From where; any address of the loopback network will do on Linux.
   */
  constructor({ host, port }: Address, localAddress?: string) {
    this.socket = connect({ host, port, localAddress });
    this.socket.on("error", () => {});
    this.socket.on("close", () => this.isClosed = true);
    this.socket.on("end", () => this.socket.destroy());
    this.socket.on("data", (chunk) => this.arrived += chunk.length);
  }

  /** Says a hello, right unless something else is said. */
  hello(from: NodeId, to: NodeId, cluster = CLUSTER): this {
    this.socket.write(encodeHello({ from, to, cluster: clusterDigest(cluster) }));
    return this;
  }

  /** Writes a frame. */
  frame(message: Uint8Array, length = message.length): this {
    const frame = new Uint8Array(4 + message.length);
    new DataView(frame.buffer).setUint32(0, length, true);
    frame.set(message, 4);
    this.socket.write(frame);
    return this;
  }
}

export const HOUR_MS = 3_600_000;

/** A message that nobody else sends. */
export function vote(term: number, candidate = 1n): Message {
  return { type: "preVote", term, candidate, lastLogIndex: 0, lastLogTerm: 0 };
}

/** A message of about so many bytes. */
export function large(bytes: number, leader = 1n): Message {
  const data = new Uint8Array(bytes).map((_, i) => i % 251);
  return { type: "installSnapshot", term: 1, leader, snapshot: { index: 1, term: 1, config: [1n], data } };
}

/** Two nodes that know each other. */
export async function both(
  ...options: [Partial<TcpTransportOptions>, Partial<TcpTransportOptions>]
): Promise<[Probe, Probe]> {
  const [one, two] = [new Probe(1n, options[0]), new Probe(2n, options[1])];
  await one.start();
  two.transport.setPeer(1n, one.address);
  await two.start();
  one.transport.setPeer(2n, two.address);
  return [one, two];
}

export async function close(...probes: Probe[]): Promise<void> {
  await Promise.all(probes.map(({ transport }) => transport.close()));
}
