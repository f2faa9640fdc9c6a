/** The start of an archiver beside others. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Archiver } from "../src/archive/archiver.ts";
import { readClaim } from "../src/archive/claims.ts";
import { claimKey } from "../src/archive/keys.ts";
import { LogView } from "../src/archive/log_view.ts";
import { MemoryStore, type ObjectBody } from "../src/archive/mod.ts";
import { WalLog, WalLogError } from "../mod.ts";
import { verifyArchive } from "../src/archive/verify_archive.ts";
import { copyFiles } from "./archive_machine.ts";
import { ArchivedLog, PATH, textEntry } from "./archived_log.ts";
import { fingerprint } from "./simulated_log.ts";

/** A store that calls back before it lists the objects of generations and before it writes, and that can fail. */
class ListedStore extends MemoryStore {
  onList: () => Promise<void> = () => Promise.resolve();
  onPut: (key: string) => Promise<void> | undefined = () => undefined;
  /** The number of writes before all others fail. */
  writes = Infinity;
  /** A key that no list shows. */
  hidden = "";

  override async *list(prefix: string) {
    if (prefix === "generations/") await this.onList();
    for await (const object of super.list(prefix)) if (object.key !== this.hidden) yield object;
  }

  override async put(key: string, body: ObjectBody): Promise<void> {
    if (--this.writes < 0) throw new WalLogError("STORE", "Cannot write: the connection was lost");
    await this.onPut(key);
    await super.put(key, body);
  }
}

/** The view of a log that reads nothing new for some time. */
class LateView extends LogView {
  /** The number of reads that find nothing new. */
  late = 0;

  override async advance(): Promise<void> {
    if (this.late-- <= 0) await super.advance();
  }
}

describe("an archiver that starts", () => {
  it("begins although another one archives new entries meanwhile", async () => {
    const store = new ListedStore();
    const archived = new ArchivedLog(store);
    archived.append(5);
    await archived.archive();
    const second = archived.newArchiver();
    let lists = 0;
    store.onList = async () => {
      // Before the claim, it lists the objects once, or twice if they do not match the log.
      if (++lists > 2 || second.generation > 0) return;
      archived.append(5);
      await archived.archive().catch(() => {});
    };
    await second.step();
    assert.equal(second.archivedIndex, archived.log.lastIndex);
    await archived.requireSame();
  });

  it("continues the upload of one that was stopped", async () => {
    const store = new ListedStore();
    const archived = new ArchivedLog(store);
    archived.append(1000);
    archived.prove();
    store.writes = 4;
    await assert.rejects(archived.archiver.step(), { code: "STORE" });
    store.writes = Infinity;
    // It does not count before it is complete.
    await assert.rejects(archived.restored(), { code: "NOT_FOUND" });
    const next = archived.newArchiver();
    await next.step();
    for (const [segment, generation] of [[1, 1], [2, 1], [3, 2]]) {
      const folder = `segments/${String(segment).padStart(12, "0")}-`;
      const keys = [...store.objects.keys()].filter((key) => key.includes(folder));
      assert.deepEqual(keys.map((key) => Number(key.split("/")[1])), [generation]);
    }
    await archived.requireSame();
  });

  it("goes on without an upload that does not match the log", async () => {
    const store = new ListedStore();
    const archived = new ArchivedLog(store);
    archived.append(100);
    await archived.archive();
    // A copy of the log goes another way, and its upload is interrupted.
    archived.log.closeSync();
    copyFiles(archived.disk, PATH, "/copy.wal");
    archived.reopen("closed");
    const copy = WalLog.openSync("/copy.wal", { fileSystem: archived.disk.fileSystem, segmentBytes: 4096 });
    for (let i = 101; i < 700; i++) copy.append([textEntry(i, 2, "other".repeat(5))]);
    copy.syncSync();
    archived.disk.idle();
    copy.syncSync();
    store.writes = 5;
    await assert.rejects(archived.newArchiver("/copy.wal").step(), { code: "STORE" });
    store.writes = Infinity;
    assert([...store.objects.keys()].some((key) => key.startsWith("generations/00000002/segments/")));
    archived.append(300, 3);
    await archived.archive();
    await archived.requireSame();
  });

  it("does not continue an upload that needs a snapshot which a copy of the log lacks", async () => {
    const store = new ListedStore();
    const archived = new ArchivedLog(store);
    archived.append(5);
    await archived.archive();
    archived.append(500);
    archived.log.closeSync();
    copyFiles(archived.disk, PATH, "/copy.wal");
    archived.reopen("closed");
    const { fileSystem } = archived.disk;
    const copy = WalLog.openSync("/copy.wal", { fileSystem, segmentBytes: 4096 });
    // The snapshot covers the first segments. Its frame is in the last one.
    archived.log.compact(300, { data: new Uint8Array(1) });
    archived.prove();
    store.onPut = (key) => {
      if (!key.includes("/segments/")) return;
      store.onPut = () => {
        throw new WalLogError("STORE", "Cannot write: the connection was lost");
      };
    };
    await assert.rejects(archived.newArchiver().step(), { code: "STORE" });
    store.onPut = () => undefined;
    copy.append([textEntry(506)]);
    copy.syncSync();
    archived.disk.idle();
    copy.syncSync();
    const next = archived.newArchiver("/copy.wal");
    await next.step();
    assert.equal(next.archivedIndex, 506);
    assert.equal(fingerprint(await archived.restored()), fingerprint(copy));
  });

  it("goes on with the archive that its log was restored from, after a step that was cut off", async () => {
    const store = new ListedStore();
    const archived = new ArchivedLog(store);
    archived.append(10);
    await archived.archive();
    archived.append(1000);
    archived.prove();
    store.writes = 2;
    await assert.rejects(archived.archiver.step(), { code: "STORE" });
    store.writes = Infinity;
    const restored = await archived.restored();
    assert.equal(restored.lastIndex, 10);
    const next = archived.newArchiver(restored.path);
    await next.step();
    assert.equal(next.archivedIndex, 10);
    assert.equal((await archived.restored()).lastIndex, 10);
  });

  it("stops an upload that another one has taken over", async () => {
    const store = new ListedStore();
    const archived = new ArchivedLog(store);
    archived.append(1000);
    archived.prove();
    store.onPut = (key) => {
      if (!key.includes("/segments/")) return;
      store.onPut = () => undefined;
      return archived.newArchiver().step();
    };
    await assert.rejects(archived.archiver.step(), { code: "FENCED" });
    assert.equal([...store.objects.keys()].filter((key) => /^generations\/00000001\/seg/.test(key)).length, 1);
    await archived.requireSame();
  });

  it("writes no second base to a generation", async () => {
    const store = new ListedStore();
    const archived = new ArchivedLog(store);
    archived.append(10);
    archived.prove();
    store.writes = 0;
    await assert.rejects(archived.archiver.step(), { code: "STORE" });
    store.writes = Infinity;
    // A list that is out of date does not show the claim.
    store.hidden = "claims/00000001";
    await archived.archiver.step();
    assert.equal(archived.archiver.generation, 2);
  });

  it("starts although compaction has deleted segments that it has seen", async () => {
    const store = new ListedStore();
    const archived = new ArchivedLog(store);
    archived.append(10);
    await archived.archive();
    archived.append(300);
    archived.prove();
    const second = archived.newArchiver();
    store.writes = 0;
    await assert.rejects(second.step(), { code: "STORE" });
    store.writes = Infinity;
    archived.log.compact(300, { data: new Uint8Array(1) });
    archived.prove();
    for (let attempt = 0; attempt < 3 && second.archivedIndex < 310; attempt++) await second.step().catch(() => {});
    assert.equal(second.archivedIndex, 310);
    await archived.requireSame();
  });

  it("counts although it has nothing to archive", async () => {
    const store = new ListedStore();
    const archived = new ArchivedLog(store);
    archived.append(10);
    await archived.archive();
    const old = archived.archiver;
    await archived.newArchiver().step();
    // The old archiver notices only afterwards that another one has taken over.
    archived.append(10);
    await assert.rejects(archived.archive(old), { code: "FENCED" });
    assert.equal((await archived.restored()).lastIndex, 10);
    assert.deepEqual((await verifyArchive(store)).damage, []);
  });

  it("compares once more if the archive is ahead of the log", async () => {
    const archived = new ArchivedLog();
    archived.append(5);
    await archived.archive();
    const view = new LateView(archived.disk.fileSystem, PATH);
    await view.advance();
    // The view does not know the newest segment.
    archived.append(100);
    await archived.archive();
    const second = new Archiver(archived.store, view, "second");
    view.late = 2;
    await second.step();
    assert(view.late < 0);
    assert.equal(second.archivedIndex, 105);
  });

  it("uses its own snapshot if a copy with the same frames archived another one", async () => {
    const archived = new ArchivedLog();
    archived.append(10);
    archived.log.closeSync();
    copyFiles(archived.disk, PATH, "/copy.wal");
    archived.reopen("closed");
    const copy = WalLog.openSync("/copy.wal", { fileSystem: archived.disk.fileSystem, segmentBytes: 4096 });
    const prove = () => {
      copy.syncSync();
      archived.disk.idle();
      copy.syncSync();
    };
    archived.log.compact(5, { data: new TextEncoder().encode("x=1,y=2") });
    copy.compact(5, { data: new TextEncoder().encode("y=2,x=1") });
    await archived.archive();
    prove();
    const next = archived.newArchiver("/copy.wal");
    await next.step();
    assert.equal(next.archivedIndex, 10);
    copy.append([textEntry(11)]);
    prove();
    await next.step();
    assert.equal(fingerprint(await archived.restored()), fingerprint(copy));
    assert.equal(fingerprint(await archived.restored({ generation: 1 })), fingerprint(archived.log));
  });
});

describe("a claim", () => {
  it("that is made while an archive is verified is not reported as missing", async () => {
    const store = new ListedStore();
    const archived = new ArchivedLog(store);
    archived.append(5);
    let lists = 0;
    // The second list shows that nothing was deleted.
    store.onList = async () => void (++lists === 2 && await archived.archive());
    const { verdict, damage } = await verifyArchive(store);
    assert.deepEqual([verdict, damage], ["clean", []]);
  });

  it("that is damaged is reported", async () => {
    const store = new MemoryStore();
    for (const text of ["", "null", "{}", '{"layout":2,"token":"a","uuid":"b","milliseconds":1}']) {
      store.objects.set(claimKey(1), new TextEncoder().encode(text));
      const message = /the claim claims\/00000001 .* is damaged/;
      await assert.rejects(readClaim(store, 1), { code: "CORRUPT", message });
    }
  });
});
