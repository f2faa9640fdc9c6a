/**
 * Values of another realm: a `vm` context has its own constructors, and so does jsdom in Vitest and Jest. A log accepts
 * them like values of its own realm, and refuses the same imitations.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { MemoryLog, type RaftLog, WalLog } from "../mod.ts";
import { decodeMessage, encodeMessage, RaftNode } from "../src/raft/mod.ts";
import { exportWalDb, importWalDb } from "../src/wal_db/mod.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** A value that another realm made. */
const foreign = <T>(source: string): T => runInNewContext(source);
const BYTES = Uint8Array.of(1, 2, 3);

const LOGS: readonly (readonly [name: string, make: () => RaftLog])[] = [
  ["MemoryLog", () => new MemoryLog()],
  ["WalLog", () => WalLog.openSync(MemoryDisk.PATH, { fileSystem: new MemoryDisk() })],
];

for (const [name, make] of LOGS) {
  describe(`${name}: values of another realm`, () => {
    it("are not of this one", () => {
      assert.ok(!(foreign("new Uint8Array(3)") instanceof Uint8Array));
    });

    it("takes a command", () => {
      const log = make();
      log.append([{ term: 1, index: 1, command: foreign("new Uint8Array([1, 2, 3])") }]);
      log.append([{ term: 1, index: 2, command: foreign("new Uint8Array(new SharedArrayBuffer(5 << 20)).fill(7)") }]);
      log.append([{ term: 1, index: 3, command: foreign("new Uint8Array([0, 1, 2, 3]).subarray(1)") }]);
      assert.deepEqual(log.entry(1)?.command, BYTES);
      assert.deepEqual(log.entry(2)?.command, new Uint8Array(5 << 20).fill(7));
      assert.deepEqual(log.entry(3)?.command, BYTES);
    });

    it("takes a list of entries", () => {
      const log = make();
      log.append(foreign("[{ term: 1, index: 1, command: new Uint8Array([1, 2, 3]) }]"));
      assert.deepEqual(log.entry(1), { term: 1, index: 1, kind: "normal", command: BYTES });
    });

    it("takes a snapshot", () => {
      const log = make();
      log.applySnapshot(
        foreign(
          "({ index: 5, term: 1, config: [1n], meta: new Uint8Array([1, 2, 3]), data: new Uint8Array([1, 2, 3]) })",
        ),
      );
      assert.deepEqual(log.snapshot(), { index: 5, term: 1, config: [1n], meta: BYTES, data: BYTES });
    });

    it("refuses other arrays, proxies and look-alikes", () => {
      const log = make();
      const others = [
        "new Proxy(new Uint8Array(3), {})",
        "Object.create(Uint8Array.prototype)",
        "Object.setPrototypeOf(new Uint16Array(3), Uint8Array.prototype)",
        "new Uint8ClampedArray(3)",
        "new DataView(new ArrayBuffer(3))",
        "({ [Symbol.toStringTag]: 'Uint8Array', length: 3, byteLength: 3 })",
      ];
      for (const source of others) {
        const command = foreign<Uint8Array>(source);
        assert.throws(() => log.append([{ term: 1, index: 1, command }]), /must be a Uint8Array, found /, source);
      }
    });

    it("refuses bytes whose buffer was transferred", () => {
      const log = make();
      const command = foreign<Uint8Array<ArrayBuffer>>("new Uint8Array(3)");
      structuredClone(command.buffer, { transfer: [command.buffer] });
      assert.throws(() => log.append([{ term: 1, index: 1, command }]), /transferred away/);
      const data = command;
      assert.throws(() => log.applySnapshot({ index: 1, term: 1, config: [], data }), /transferred away/);
    });
  });
}

describe("values of another realm", () => {
  it("are pieces of a streamed snapshot", async () => {
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: new MemoryDisk() });
    const writer = log.receiveSnapshot({ index: 1, term: 1, config: [] }).getWriter();
    await writer.write(foreign("new Uint8Array([1, 2, 3])"));
    await writer.close();
    assert.deepEqual(log.snapshot()?.data, BYTES);
  });

  it("are proposed to a node, and travel between nodes", () => {
    const node = new RaftNode({ id: 1n });
    while (!node.isLeader) node.step({ type: "tick" });
    const [action] = node.step({ type: "propose", command: foreign("new Uint8Array([1, 2, 3])") });
    assert.ok(action?.type === "apply");
    assert.deepEqual(action.command, BYTES);
    const message = encodeMessage({ type: "timeoutNow", term: 1, leader: 2n });
    const copied = foreign<(from: Uint8Array) => Uint8Array>("(from) => new Uint8Array(from)")(message);
    assert.deepEqual(decodeMessage(copied), { type: "timeoutNow", term: 1, leader: 2n });
  });

  it("name a folder and end the opening of a log", async () => {
    await inTemporaryFolder(async (path) => {
      const url = urlOfAnotherKind(join(path, "log"));
      const log = await WalLog.open(url, { signal: signalOfAnotherKind(false) });
      log.append([{ term: 1, index: 1, command: BYTES }]);
      await exportWalDb(log, urlOfAnotherKind(join(path, "exported")));
      await log.close();
      const imported = new MemoryLog();
      await importWalDb(urlOfAnotherKind(join(path, "exported")), imported);
      assert.equal(imported.lastIndex, 1);
      await assert.rejects(WalLog.open(url, { signal: signalOfAnotherKind(true) }), { message: "stop" });
      await assert.rejects(WalLog.open(url, { signal: {} as never }), /signal must be an AbortSignal/);
      await assert.rejects(WalLog.open({ href: 5 } as never), /expected a path or a file URL, found object/);
      const elsewhere = { href: "https://a.test/log", protocol: "https:", host: "a.test" };
      await assert.rejects(WalLog.open(elsewhere as never), /found https:\/\/a\.test\/log$/);
    });
  });
});

/** A URL as a DOM in JavaScript has it: not an instance of this realm's class. */
function urlOfAnotherKind(path: string): URL {
  const { href, protocol, host } = pathToFileURL(path);
  return { href, protocol, host, toString: () => href } as URL;
}

function signalOfAnotherKind(aborted: boolean): AbortSignal {
  const throwIfAborted = () => {
    if (aborted) throw new Error("stop");
  };
  return { aborted, throwIfAborted } as AbortSignal;
}
