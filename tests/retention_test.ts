/** A kept command retains little more memory than its own size, even if many entries were read with it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type LogEntry, WalLog } from "../mod.ts";
import { MemoryDisk } from "./memory_disk.ts";

/** The most bytes of a command's buffer beyond 16 times the command. */
const SHARED_BYTES = 4096;
const KIB = 1024;

/** A log of entries of these sizes, repeating, and the same log opened for reading only, which reads from its file. */
function logs(count: number, sizes: readonly number[]): WalLog[] {
  const fileSystem = new MemoryDisk();
  const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem });
  for (let index = 1; index <= count; index++) {
    log.append([{ term: 1, index, command: new Uint8Array(sizes[index % sizes.length]!).fill(index) }]);
  }
  return [log, WalLog.openSync(MemoryDisk.PATH, { fileSystem, readOnly: true })];
}

/** The total size of the buffers behind commands, counting each once. */
function heldBytes(entries: readonly LogEntry[]): number {
  const buffers = new Set(entries.map(({ command }) => command.buffer));
  return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

describe("a command that is kept", () => {
  it("holds at most 4 KiB and 16 times its size", () => {
    for (const log of logs(4000, [100, 0, 7, 1500, 64 * KIB, 300, 300, 300, 9000])) {
      for (const entries of [log.entries(1, 4000), [...log.iterate()], [log.entry(1)!, log.entry(4000)!]]) {
        for (const { index, command } of entries) {
          assert.ok(command.every((byte) => byte === index % 256), `entry ${index}`);
          const { byteLength } = command.buffer;
          assert.ok(byteLength <= SHARED_BYTES + 16 * command.length, `${byteLength} bytes for ${command.length}`);
        }
      }
      log.closeSync();
    }
  });

  it("holds under 6 KiB if 1,200 of 120,000 commands of 100 bytes are kept", () => {
    for (const log of logs(120_000, [100])) {
      const kept = [...log.iterate()].filter(({ index }) => index % 100 === 0);
      assert.equal(kept.length, 1200);
      assert.ok(heldBytes(kept) < 1200 * 6 * KIB, `${heldBytes(kept)} bytes`);
      log.closeSync();
    }
  });

  it("holds itself and its neighbours' headers if all are kept", () => {
    for (const log of logs(10_000, [KIB])) {
      const kept = log.entries(1, 10_000);
      assert.ok(heldBytes(kept) < 10_000 * KIB * 1.05, `${heldBytes(kept)} bytes`);
      log.closeSync();
    }
  });
});
