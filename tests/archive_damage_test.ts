/** Archiving a log with a damaged frame. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryStore } from "../src/archive/mod.ts";
import { verifyArchive } from "../src/archive/verify_archive.ts";
import { ArchivedLog, PATH } from "./archived_log.ts";

/** A log with several segments. The second one has a damaged frame. */
function damagedLog(): ArchivedLog {
  const archived = new ArchivedLog(new MemoryStore());
  // The archive needs the entries, so compaction deletes no segment.
  archived.log.retain("test", 1);
  archived.append(300);
  archived.prove();
  const path = `${PATH}/000000000002.seg`;
  const file = archived.disk.fileSystem.open(path, "write");
  file.write(new Uint8Array([1, 2, 3]), 18_000);
  file.sync();
  file.close();
  return archived;
}

describe("an archiver of a log with a damaged frame", () => {
  it("stops there while the log needs the frame", async () => {
    const archived = damagedLog();
    await assert.rejects(archived.archive(), { code: "CORRUPT", message: /the frame at offset \d+ is damaged/ });
    archived.log.compact(50, { data: new Uint8Array(5) });
    await assert.rejects(archived.archive(), { code: "CORRUPT" });
    assert.equal(archived.archiver.archivedIndex, 0);
  });

  it("leaves out the rest of its segment when a snapshot covers it, and goes on", async () => {
    const archived = damagedLog();
    await assert.rejects(archived.archive(), { code: "CORRUPT" });
    archived.log.compact(250, { data: new Uint8Array(5) });
    await archived.archive();
    assert.equal(archived.archiver.archivedIndex, 300);
    const { verdict, damage, gaps } = await verifyArchive(archived.store);
    assert.deepEqual([verdict, damage, gaps.length], ["clean", [], 1]);
    const [{ firstIndex, lastIndex }] = gaps as [(typeof gaps)[number]];
    assert(firstIndex > 60 && lastIndex < 200, `${firstIndex} to ${lastIndex}`);
    assert.equal((await archived.restored({ toIndex: firstIndex - 1 })).lastIndex, firstIndex - 1);
    const restored = await archived.restored();
    assert.deepEqual([restored.lastIndex, restored.snapshotIndex], [300, 250]);
    assert.deepEqual(restored.entries(251, 300), archived.log.entries(251, 300));
    archived.append(100);
    await archived.archive();
    assert.equal((await archived.restored()).lastIndex, 400);
  });
});
