/** The disk with a volatile cache of `deno task power`, and its NBD server. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { BLOCK_BYTES, CUT_MODES, type CutReport, SECTOR_BYTES, VolatileDisk } from "../scripts/power/disk.ts";
import { COMMAND_MARKER } from "../scripts/power/marker.ts";
import { type Faults, NbdServer } from "../scripts/power/nbd_server.ts";
import { Random } from "../scripts/power/random.ts";
import { inTemporaryFolder } from "./temporary.ts";

const DISK_BYTES = 16 * BLOCK_BYTES;
/** Enough cuts for every mode, and for every choice within a mode. */
const CUTS = 120;
/** Time for a server to answer that must not answer. */
const SILENCE_MS = 50;

/** A block of one byte's repetition; of the log if it has the marker in each sector. */
function block(byte: number, isData = false): Uint8Array {
  const bytes = Buffer.alloc(BLOCK_BYTES, byte);
  for (let at = 0; isData && at < BLOCK_BYTES; at += SECTOR_BYTES) bytes.write(COMMAND_MARKER, at, "latin1");
  return bytes;
}

/** The last byte of each sector of a block. */
function sectorsOf(disk: VolatileDisk, number = 0): number[] {
  const bytes = disk.read(number * BLOCK_BYTES, BLOCK_BYTES);
  return Array.from({ length: BLOCK_BYTES / SECTOR_BYTES }, (_, i) => bytes[(i + 1) * SECTOR_BYTES - 1]!);
}

/** Cuts the power of a new disk again and again, each time after the same writes. */
function cutAgainAndAgain(
  write: (disk: VolatileDisk) => void,
  see: (disk: VolatileDisk, cut: CutReport) => void,
): void {
  for (let seed = 0; seed < CUTS; seed++) {
    const disk = new VolatileDisk(DISK_BYTES);
    write(disk);
    see(disk, disk.cut(new Random(String(seed))));
  }
}

describe("a disk with a volatile cache", () => {
  it("reads the last write, flushed or not, across blocks", () => {
    const disk = new VolatileDisk(DISK_BYTES);
    disk.write(0, block(1));
    disk.flush();
    disk.write(BLOCK_BYTES - 512, new Uint8Array(1024).fill(2));
    assert.deepEqual(sectorsOf(disk), [1, 1, 1, 1, 1, 1, 1, 2]);
    assert.deepEqual(sectorsOf(disk, 1), [2, 0, 0, 0, 0, 0, 0, 0]);
    assert.equal(disk.unflushedBlocks, 2);
  });

  it("keeps what was flushed or forced, in every cut", () => {
    cutAgainAndAgain((disk) => {
      disk.write(0, block(1));
      disk.flush();
      disk.write(BLOCK_BYTES, block(2), true);
    }, (disk, { blocks }) => {
      assert.equal(blocks, 0);
      assert.deepEqual([...new Set(sectorsOf(disk)), ...new Set(sectorsOf(disk, 1))], [1, 2]);
    });
  });

  it("keeps or loses a block of the file system as a whole, in any of its versions", () => {
    const seen = new Set<number>();
    cutAgainAndAgain((disk) => {
      for (const byte of [1, 2, 3]) disk.write(0, block(byte));
    }, (disk) => {
      const sectors = new Set(sectorsOf(disk));
      assert.equal(sectors.size, 1);
      seen.add([...sectors][0]!);
    });
    assert.deepEqual([...seen].sort(), [0, 1, 2, 3]);
  });

  it("keeps or loses the log's data sector by sector", () => {
    let torn = 0;
    const modes = new Set<string>();
    cutAgainAndAgain((disk) => {
      disk.write(0, block(1, true));
      disk.write(0, block(2, true));
    }, (disk, { mode, dataBlocks, tornBlocks, kinds }) => {
      modes.add(mode);
      const sectors = new Set(sectorsOf(disk));
      assert.deepEqual([dataBlocks, tornBlocks, kinds], [1, Number(sectors.size > 1), ["entries"]]);
      if (mode === "lose all") assert.deepEqual([...sectors], [0]);
      if (mode === "keep all") assert.deepEqual([...sectors], [2]);
      torn += tornBlocks;
    });
    assert.deepEqual([...modes].sort(), [...CUT_MODES].sort());
    assert.ok(torn > CUTS / 10, `${torn} torn blocks`);
  });

  it("keeps a prefix of the writes in order", () => {
    cutAgainAndAgain((disk) => {
      for (let number = 0; number < 8; number++) disk.write(number * BLOCK_BYTES, block(number + 1));
    }, (disk, { mode }) => {
      if (mode !== "in order") return;
      const kept = Array.from({ length: 8 }, (_, number) => sectorsOf(disk, number)[0]! > 0);
      assert.deepEqual(kept, [...kept].sort((a, b) => Number(b) - Number(a)));
    });
  });

  it("loads an image as durable, and copies what is durable", async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "image");
      writeFileSync(path, Buffer.concat([new Uint8Array(BLOCK_BYTES), block(1), new Uint8Array(14 * BLOCK_BYTES)]));
      const disk = new VolatileDisk(DISK_BYTES);
      const descriptor = openSync(path, "r");
      disk.load(descriptor);
      closeSync(descriptor);
      disk.write(0, block(2));
      const copy = disk.copy();
      copy.write(BLOCK_BYTES, block(3), true);
      assert.deepEqual([0, 1].map((number) => sectorsOf(disk, number)[0]), [2, 1]);
      assert.deepEqual([0, 1].map((number) => sectorsOf(copy, number)[0]), [0, 3]);
    });
  });

  it("does the same again with the same seed", () => {
    const after = () => {
      const disk = new VolatileDisk(DISK_BYTES);
      for (let number = 0; number < 8; number++) disk.write(number * BLOCK_BYTES, block(number + 1, true));
      return [disk.cut(new Random("again")), sectorsOf(disk, 1), sectorsOf(disk, 5)];
    };
    assert.deepEqual(after(), after());
  });
});

/** A client that sends one request at a time. */
class Client {
  readonly #socket: Socket;
  /** Whether the connection is closed. */
  isOver = false;
  #received = Buffer.alloc(0);
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("data", (piece) => {
      this.#received = Buffer.concat([this.#received, piece as Buffer]);
      this.#wake();
    });
    this.#socket.on("close", () => {
      this.isOver = true;
      this.#wake();
    });
  }

  /** The bytes that nobody has read. */
  get received(): number {
    return this.#received.length;
  }

  async read(length: number): Promise<Buffer> {
    while (this.#received.length < length) {
      if (this.isOver) throw new Error("the server has closed the connection");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return bytes;
  }

  async option(option: number, data: Uint8Array = new Uint8Array(0)): Promise<{ type: number; data: Buffer }> {
    const header = Buffer.alloc(16);
    header.write("IHAVEOPT", 0, "latin1");
    header.writeUInt32BE(option, 8);
    header.writeUInt32BE(data.length, 12);
    this.#socket.write(Buffer.concat([header, data]));
    return await this.reply();
  }

  async reply(): Promise<{ type: number; data: Buffer }> {
    const header = await this.read(20);
    return { type: header.readUInt32BE(12), data: await this.read(header.readUInt32BE(16)) };
  }

  /** Agrees on the export, and returns its size and flags. */
  async begin(): Promise<{ size: bigint; flags: number }> {
    assert.equal((await this.read(16)).toString("latin1"), "NBDMAGICIHAVEOPT");
    assert.equal((await this.read(2)).readUInt16BE(0), 3);
    this.#socket.write(Buffer.from([0, 0, 0, 3]));
    const structured = await this.option(8);
    assert.equal(structured.type, 0x80000001, "structured replies are not supported");
    const { type, data } = await this.option(7, new Uint8Array(6));
    assert.equal(type, 3);
    assert.equal((await this.reply()).type, 1);
    return { size: data.readBigUInt64BE(2), flags: data.readUInt16BE(10) };
  }

  send(type: number, offset: number, length: number, data = new Uint8Array(0), flags = 0): void {
    const request = Buffer.alloc(28);
    request.writeUInt32BE(0x25609513, 0);
    request.writeUInt16BE(flags, 4);
    request.writeUInt16BE(type, 6);
    request.writeUInt32BE(offset + type, 12);
    request.writeBigUInt64BE(BigInt(offset), 16);
    request.writeUInt32BE(length, 24);
    this.#socket.write(Buffer.concat([request, data]));
  }

  /** Sends a request; returns the error of the answer. */
  async ask(type: number, offset = 0, length = 0, data = new Uint8Array(0), flags = 0): Promise<number> {
    this.send(type, offset, length, data, flags);
    const reply = await this.read(16);
    assert.deepEqual([reply.readUInt32BE(0), reply.readUInt32BE(12)], [0x67446698, offset + type]);
    return reply.readUInt32BE(4);
  }

  async write(offset: number, data: Uint8Array, flags = 0): Promise<number> {
    return await this.ask(1, offset, data.length, new Uint8Array(data), flags);
  }

  async flush(): Promise<number> {
    return await this.ask(3);
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Runs a test with a server and a client that has agreed on the export. */
function served(
  faults: Faults,
  test: (client: Client, disk: VolatileDisk, server: NbdServer) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const disk = new VolatileDisk(DISK_BYTES);
    const server = new NbdServer(disk, faults);
    const client = new Client(await server.listen());
    try {
      const { size, flags } = await client.begin();
      assert.deepEqual([size, flags], [BigInt(DISK_BYTES), 0b1101]);
      await test(client, disk, server);
    } finally {
      client.end();
      await server.close();
    }
  };
}

describe("the NBD server", () => {
  it(
    "reads, writes and flushes",
    served({}, async (client, disk, { counts }) => {
      assert.equal(await client.write(4096, block(7)), 0);
      assert.equal(disk.unflushedBlocks, 1);
      assert.equal(await client.ask(0, 4096, 512), 0);
      assert.deepEqual([...new Set(await client.read(512))], [7]);
      assert.equal(await client.flush(), 0);
      assert.equal(disk.unflushedBlocks, 0);
      assert.deepEqual(counts, { reads: 1, writes: 1, flushes: 1, failures: 0 });
    }),
  );

  it(
    "makes a forced write durable",
    served({}, async (client, disk) => {
      await client.write(0, block(1));
      await client.write(4096, block(2), 1);
      assert.equal(disk.unflushedBlocks, 1);
    }),
  );

  it(
    "rejects requests beyond the end, and unknown ones",
    served({}, async (client) => {
      assert.equal(await client.write(DISK_BYTES - 512, block(1)), 22);
      assert.equal(await client.ask(0, DISK_BYTES, 512), 22);
      assert.equal(await client.ask(4, 0, 4096), 22);
      assert.equal(await client.flush(), 0);
    }),
  );

  it(
    "fails one request with EIO, and does not do it",
    served({ failAt: 2 }, async (client, disk, { counts }) => {
      assert.equal(await client.write(0, block(1)), 0);
      assert.equal(await client.flush(), 5);
      assert.equal(disk.unflushedBlocks, 1);
      assert.equal(await client.flush(), 0);
      assert.equal(disk.unflushedBlocks, 0);
      assert.equal(counts.failures, 1);
    }),
  );

  it(
    "answers nothing once the power is off, and the last flush does nothing",
    served({ cutAt: 3 }, async (client, disk, server) => {
      await client.write(0, block(1));
      await client.write(4096, block(2));
      client.send(3, 0, 0);
      client.send(1, 8192, 4096, new Uint8Array(block(3)));
      await server.power;
      await setTimeout(SILENCE_MS);
      assert.equal(disk.unflushedBlocks, 2);
      assert.deepEqual([client.received, client.isOver], [0, false]);
    }),
  );

  it(
    "puts the last write into the cache without an answer",
    served({ cutAt: 1 }, async (client, disk, server) => {
      client.send(1, 0, 4096, new Uint8Array(block(1)), 1);
      await server.power;
      assert.equal(disk.unflushedBlocks, 1);
    }),
  );

  it(
    "can drop flushes",
    served({ dropsFlushes: true }, async (client, disk) => {
      await client.write(0, block(1), 1);
      assert.equal(await client.flush(), 0);
      assert.equal(disk.unflushedBlocks, 1);
    }),
  );
});
