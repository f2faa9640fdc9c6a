/**
 * A link with a delay and a bandwidth in front of a port, which can be cut.
 *
 * @module
 */

import { connect, createServer, type Server, type Socket } from "node:net";
import type { Address } from "../src/raft/mod.ts";

/** One direction of a link. Chunks leave it in order, each after its transmission time and the delay. */
class Way {
  readonly #delay: number;
  readonly #bandwidth: number;
  #busyUntil = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(delay: number, bandwidth: number) {
    this.#delay = delay;
    this.#bandwidth = bandwidth;
  }

  carry(chunk: Uint8Array, to: Socket): void {
    this.#busyUntil = Math.max(performance.now(), this.#busyUntil) + chunk.byteLength / this.#bandwidth;
    const wait = this.#busyUntil + this.#delay - performance.now();
    const arrived = new Promise<void>((resolve) => setTimeout(resolve, wait));
    this.#last = this.#last.then(() => arrived).then(() => {
      if (!to.destroyed) to.write(chunk);
    });
  }
}

/** A link in front of a port. */
export class SlowLink {
  /** The bytes that callers have sent through it. */
  bytes = 0;
  readonly #target: Address;
  readonly #delay: number;
  readonly #bandwidth: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();
  #isCut = false;

  private constructor(target: Address, delay: number, bandwidth: number) {
    this.#target = target;
    this.#delay = delay;
    this.#bandwidth = bandwidth;
    this.#server = createServer((caller) => this.#join(caller));
  }

  /**
   * Makes a link.
   *
   * @param target The port behind it.
   * @param delay The delay of one direction, in milliseconds.
   * @param bandwidth The bandwidth, in bytes per millisecond.
   */
  static async open(target: Address, delay: number, bandwidth: number): Promise<SlowLink> {
    const link = new SlowLink(target, delay, bandwidth);
    await new Promise<void>((resolve) => link.#server.listen(0, "127.0.0.1", resolve));
    return link;
  }

  /** The address to connect to. */
  get address(): Address {
    return { host: "127.0.0.1", port: (this.#server.address() as { port: number }).port };
  }

  /** Cuts the link and drops the data on it, or restores it. */
  set isCut(isCut: boolean) {
    this.#isCut = isCut;
    if (isCut) this.#end();
  }

  #join(caller: Socket): void {
    if (this.#isCut) return void caller.destroy();
    const target = connect(this.#target);
    const [there, back] = [new Way(this.#delay, this.#bandwidth), new Way(this.#delay, this.#bandwidth)];
    caller.on("data", (chunk: Uint8Array) => {
      this.bytes += chunk.byteLength;
      there.carry(chunk, target);
    });
    target.on("data", (chunk: Uint8Array) => back.carry(chunk, caller));
    for (const [socket, other] of [[caller, target], [target, caller]] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }

  #end(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends everything. */
  async close(): Promise<void> {
    this.#end();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
