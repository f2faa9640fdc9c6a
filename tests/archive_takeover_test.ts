/** Archivers that follow on each other, and failures between their requests. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLogError } from "../mod.ts";
import { historyOf } from "../src/archive/history.ts";
import { surveyStore } from "../src/archive/survey.ts";
import { pieceKey } from "../src/archive/keys.ts";
import { MemoryStore, type ObjectBody, type PutResult } from "../src/archive/mod.ts";
import { addToChecksum } from "../src/archive/object_checksum.ts";
import { sharedCodec } from "../src/codec/pool.ts";
import { HEADER_OFFSETS } from "../src/format/header_block.ts";
import { decodeSegmentHeader, encodeSegmentHeader } from "../src/format/segment_header.ts";
import { ArchivedLog } from "./archived_log.ts";
import { fingerprint } from "./simulated_log.ts";

/** A store that calls back before and after requests. */
class WatchedStore extends MemoryStore {
  /** Called before a write. */
  onPut: (key: string) => void | Promise<void> = () => {};
  /** Called after a write, and before its reply. */
  onDone: (key: string) => void = () => {};
  /** Called before a delete. */
  onDelete: (key: string) => void = () => {};
  /** Whether an object cannot be read. */
  isGone: (key: string) => boolean = () => false;

  override async put(key: string, body: ObjectBody): Promise<void> {
    await this.onPut(key);
    await super.put(key, body);
    this.onDone(key);
  }

  override async get(...args: Parameters<MemoryStore["get"]>): ReturnType<MemoryStore["get"]> {
    return this.isGone(args[0]) ? { kind: "absent" } : await super.get(...args);
  }

  override async delete(key: string): Promise<void> {
    this.onDelete(key);
    await super.delete(key);
  }

  override async putIfAbsent(key: string, bytes: Uint8Array): Promise<PutResult> {
    const result = await super.putIfAbsent(key, bytes);
    this.onDone(key);
    return result;
  }
}

function fail(): never {
  throw new WalLogError("STORE", "Cannot write: the connection was lost");
}

describe("an archiver", () => {
  it("takes a claim whose reply was lost for its own", async () => {
    const store = new WatchedStore();
    const archived = new ArchivedLog(store);
    archived.append(3);
    let isLost = false;
    store.onDone = (key) => {
      if (!key.startsWith("claims/") || isLost) return;
      isLost = true;
      fail();
    };
    await assert.rejects(archived.archive(), { code: "STORE" });
    // The list of claims does not show it yet.
    const claim = store.objects.get("claims/00000001")!;
    store.objects.delete("claims/00000001");
    const { list } = store;
    store.list = async function* (...args) {
      yield* list.apply(store, args);
      if (args[0] === "claims/") store.objects.set("claims/00000001", claim);
    };
    await archived.archive();
    assert.equal(archived.archiver.generation, 1);
  });

  it("probes a store again although a delete takes effect late", async () => {
    const store = new WatchedStore();
    const archived = new ArchivedLog(store);
    let late: string | undefined;
    store.onDelete = (key) => {
      store.onDelete = () => {};
      late = key;
      fail();
    };
    await assert.rejects(archived.archive(), { code: "STORE" });
    assert.match(late!, /^probes\//);
    store.onDone = () => void store.objects.delete(late!);
    await archived.archive();
    assert.equal(archived.archiver.generation, 1);
  });

  it("tries again if pieces are merged while it compares them", async () => {
    const store = new WatchedStore();
    const archived = new ArchivedLog(store);
    archived.append(70);
    await archived.archive();
    // The newest segment is replaced, so that the archived frames are compared with copies.
    archived.reopen("killed");
    for (const gone of [1, 2]) {
      let reads = 0;
      store.isGone = (key) => key.includes("/segments/") && ++reads === gone;
      await assert.rejects(archived.archive(), { code: "CHANGING" });
      assert.equal(reads, gone);
    }
    store.isGone = () => false;
    await archived.archive();
    await archived.requireSame();
  });

  it("refuses a log whose newest segment follows another segment than the archived one", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(70);
    await archived.archive();
    archived.reopen("killed");
    // A copy of the log can have the same frames in segments of other numbers.
    const [piece] = historyOf(await surveyStore(store)).segments.at(-1)!.chain;
    const bytes = store.objects.get(piece!.key)!;
    const codec = sharedCodec();
    const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
    const header = decodeSegmentHeader(bytes, 0, sum)!;
    for (const at of HEADER_OFFSETS) bytes.set(encodeSegmentHeader({ ...header, previous: 0 }, sum), at);
    store.objects.delete(piece!.key);
    store.objects.set(pieceKey(1, piece!.segment, piece!, addToChecksum(codec, 0n, bytes)), bytes);
    await assert.rejects(archived.archive(), { code: "DIVERGED", message: /does not follow the same segment/ });
  });

  it("goes on after a power cut that destroys the proof of the last flush, before the log is opened", async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const archived = new ArchivedLog(undefined, {}, seed);
      archived.append(20);
      await archived.archive();
      archived.append(20);
      archived.log.syncSync();
      archived.append(1);
      await archived.archiver.step();
      assert.equal(archived.archiver.archivedIndex, 40);
      archived.disk.crash();
      await archived.newArchiver().step();
      assert.equal((await archived.restored()).lastIndex, 40);
      archived.reopen("crashed");
      archived.append(5, 2);
      await archived.archive();
      await archived.requireSame();
    }
  });

  it("deletes no merged pieces if another one took over meanwhile", async () => {
    const store = new WatchedStore();
    const archived = new ArchivedLog(store, { segmentBytes: 65536 });
    for (let i = 0; i < 15; i++) {
      archived.append(1);
      await archived.archive();
    }
    const other = archived.newArchiver();
    let copy = new Map<string, Uint8Array<ArrayBuffer>>();
    const { objects } = store;
    // The next piece is the sixteenth. Before the merged piece is written, another archiver claims the archive.
    let pieces = 0;
    store.onPut = async (key) => {
      if (!key.includes("/segments/") || ++pieces < 2) return;
      store.onPut = () => {};
      copy = new Map(objects);
      await other.step();
    };
    archived.append(1);
    await assert.rejects(archived.archive(), { code: "FENCED" });
    assert.deepEqual([...copy.keys()].filter((key) => !objects.has(key)), []);
    assert.equal((await archived.restored()).lastIndex, 16);
  });

  it("does not replace the history before it has archived everything", async () => {
    const store = new WatchedStore();
    const archived = new ArchivedLog(store);
    archived.append(100);
    await archived.archive();
    // Compacted beyond the archive, the log begins a history of its own.
    archived.append(200);
    archived.log.syncSync();
    archived.log.compact(250, { data: new Uint8Array(10) });
    archived.reopen("closed");
    store.onPut = (key) => {
      if (key.includes("/segments/")) fail();
    };
    await assert.rejects(archived.archive(), { code: "STORE" });
    assert.equal((await archived.restored()).lastIndex, 100);
    store.onPut = () => {};
    await archived.archive();
    await archived.requireSame();
    assert.equal((await archived.restored({ generation: 1 })).lastIndex, 100);
  });

  it("archives a snapshot before the frame that names it", async () => {
    const store = new WatchedStore();
    const archived = new ArchivedLog(store);
    archived.append(100);
    await archived.archive();
    const before = fingerprint(await archived.restored());
    archived.log.compact(90, { data: new Uint8Array(10) });
    archived.prove();
    store.onPut = (key) => {
      if (key.includes("/snapshots/")) fail();
    };
    await assert.rejects(archived.archive(), { code: "STORE" });
    assert.equal(fingerprint(await archived.restored()), before);
    assert.deepEqual([...store.objects.keys()].filter((key) => key.includes("-000000000090-")), []);
    store.onPut = () => {};
    await archived.archive();
    await archived.requireSame();
  });

  it("refuses the empty archive of another log", async () => {
    const store = new MemoryStore();
    const first = new ArchivedLog(store, {}, 1);
    await first.archive();
    const second = new ArchivedLog(store, {}, 2);
    second.append(10);
    await assert.rejects(second.archive(), { code: "DIVERGED", message: /of another log/ });
  });
});
