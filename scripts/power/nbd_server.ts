/**
 * A server of the NBD protocol (fixed newstyle) for one disk and one client at a time. It can cut the power at a
 * request and can fail a request with EIO. It answers in the order of the requests.
 *
 * The protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";
import type { VolatileDisk } from "./disk.ts";

const OPTION_MAGIC = 0x49484156454f5054n; // "IHAVEOPT"
const REPLY_MAGIC = 0x3e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const SIMPLE_REPLY_MAGIC = 0x67446698;
/** Fixed newstyle, and no zeros after the answer to `EXPORT_NAME`. */
const HANDSHAKE_FLAGS = 0b11;
/** The flags field is valid, the disk has a cache to flush, and writes can be forced (FUA). */
const TRANSMISSION_FLAGS = 0b1101;
const OPTION = { exportName: 1, abort: 2, info: 6, go: 7 } as const;
const REPLY = { ack: 1, info: 3, unsupported: 0x80000001 } as const;
const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3 } as const;
const COMMAND_FORCED = 1;
const [EIO, EINVAL] = [5, 22];
const REQUEST_BYTES = 28;
/** The largest request that is accepted, in bytes. QEMU sends at most 32 MiB. */
const LENGTH_MAX = 2 ** 25;

/** The faults that the server injects. */
export interface Faults {
  /** The power fails at the write or flush with this number, counted from 1. A write is in the cache by then. */
  readonly cutAt?: number;
  /** The write or flush with this number fails with EIO and has no effect. */
  readonly failAt?: number;
  /** Whether flushes succeed without an effect. */
  readonly dropsFlushes?: boolean;
}

/** The requests that the server has received. */
export interface RequestCounts {
  reads: number;
  writes: number;
  flushes: number;
  failures: number;
}

/** Serves a disk until its power fails. */
export class NbdServer {
  /** The requests so far. */
  readonly counts: RequestCounts = { reads: 0, writes: 0, flushes: 0, failures: 0 };
  /** Resolves when the power fails, because of {@link Faults.cutAt} or {@link NbdServer.cut}. */
  readonly power: Promise<void>;
  readonly #disk: VolatileDisk;
  readonly #faults: Faults;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #powerFails: () => void = () => {};
  #isOff = false;

  /**
   * Makes a server. It serves after {@link NbdServer.listen}.
   *
   * @param disk The disk.
   * @param faults The faults to inject.
   */
  constructor(disk: VolatileDisk, faults: Faults = {}) {
    this.#disk = disk;
    this.#faults = faults;
    this.power = new Promise((resolve) => this.#powerFails = resolve);
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /**
   * Begins to serve.
   *
   * @param path The path of a Unix socket; `undefined` for a free port of 127.0.0.1.
   * @returns The port; 0 for a Unix socket.
   */
  async listen(path?: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      if (path === undefined) this.#server.listen(0, "127.0.0.1", resolve);
      else this.#server.listen(path, resolve);
    });
    const address = this.#server.address();
    return typeof address === "object" ? address?.port ?? 0 : 0;
  }

  /** Cuts the power: no request is answered from now on. */
  cut(): void {
    this.#isOff = true;
    this.#powerFails();
  }

  /** Ends the server. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const greeting = Buffer.from("NBDMAGICIHAVEOPT\0\0", "latin1");
    greeting.writeUInt16BE(HANDSHAKE_FLAGS, 16);
    socket.write(greeting);
    const conversation = this.#converse(socket);
    let wanted = conversation.next().value as number;
    let received = Buffer.alloc(0);
    socket.on("data", (piece: Buffer) => {
      received = Buffer.concat([received, piece]);
      while (received.length >= wanted && !socket.destroyed && !this.#isOff) {
        const bytes = received.subarray(0, wanted);
        received = received.subarray(wanted);
        const step = conversation.next(bytes);
        // A disk without power does not even close the connection: that would be an I/O error.
        if (step.done && !this.#isOff) socket.end();
        if (step.done) return;
        wanted = step.value;
      }
    });
  }

  /** Talks to a client. It yields the number of bytes that it needs next, and gets them. */
  *#converse(socket: Socket): Generator<number, void, Buffer> {
    const hasZeros = ((yield 4).readUInt32BE(0) & 2) === 0;
    for (let isReady = false; !isReady;) {
      const header = yield 16;
      if (header.readBigUInt64BE(0) !== OPTION_MAGIC) return;
      const [option, length] = [header.readUInt32BE(8), header.readUInt32BE(12)];
      if (length > LENGTH_MAX) return;
      yield length;
      if (option === OPTION.exportName) socket.write(this.#export(hasZeros));
      else if (option === OPTION.abort) return void socket.write(optionReply(option, REPLY.ack));
      else if (option === OPTION.go || option === OPTION.info) {
        const info = Buffer.concat([Buffer.alloc(2), this.#export(false)]);
        socket.write(Buffer.concat([optionReply(option, REPLY.info, info), optionReply(option, REPLY.ack)]));
      } else socket.write(optionReply(option, REPLY.unsupported));
      isReady = option === OPTION.exportName || option === OPTION.go;
    }
    for (;;) {
      const request = yield REQUEST_BYTES;
      const [magic, flags, type] = [request.readUInt32BE(0), request.readUInt16BE(4), request.readUInt16BE(6)];
      const [cookie, offset, length] = [request.subarray(8, 16), request.readBigUInt64BE(16), request.readUInt32BE(24)];
      if (magic !== REQUEST_MAGIC || type === COMMAND.disconnect || length > LENGTH_MAX) return;
      const data = type === COMMAND.write ? yield length : Buffer.alloc(0);
      const isOutside = type !== COMMAND.flush && offset + BigInt(length) > BigInt(this.#disk.size);
      if (isOutside) socket.write(simpleReply(EINVAL, cookie));
      else if (type === COMMAND.read) {
        this.counts.reads++;
        socket.write(Buffer.concat([simpleReply(0, cookie), this.#disk.read(Number(offset), length)]));
      } else if (type === COMMAND.write || type === COMMAND.flush) {
        const error = this.#change(type, Number(offset), data, (flags & COMMAND_FORCED) !== 0);
        if (this.#isOff) return;
        socket.write(simpleReply(error, cookie));
      } else socket.write(simpleReply(EINVAL, cookie));
    }
  }

  /** The answer to the choice of the export; QEMU asks for the only one. */
  #export(hasZeros: boolean): Buffer {
    const bytes = Buffer.alloc(hasZeros ? 134 : 10);
    bytes.writeBigUInt64BE(BigInt(this.#disk.size), 0);
    bytes.writeUInt16BE(TRANSMISSION_FLAGS, 8);
    return bytes;
  }

  /** Does a write or a flush, unless it is the one that fails or that the power does not survive. */
  #change(type: number, offset: number, data: Buffer, isForced: boolean): number {
    const { counts } = this;
    if (type === COMMAND.write) counts.writes++;
    else counts.flushes++;
    const number = counts.writes + counts.flushes;
    if (number === this.#faults.failAt) {
      counts.failures++;
      return EIO;
    }
    const isLast = number === this.#faults.cutAt;
    const drops = this.#faults.dropsFlushes === true;
    if (type === COMMAND.write) this.#disk.write(offset, data, isForced && !drops && !isLast);
    else if (!drops && !isLast) this.#disk.flush();
    if (isLast) this.cut();
    return 0;
  }
}

function optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(20);
  header.writeBigUInt64BE(REPLY_MAGIC, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

function simpleReply(error: number, cookie: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(SIMPLE_REPLY_MAGIC, 0);
  header.writeUInt32BE(error, 4);
  return Buffer.concat([header, cookie]);
}
