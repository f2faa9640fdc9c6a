/** The start of an archiver beside others. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Archiver } from "../src/archive/archiver.ts";
import { LogView } from "../src/archive/log_view.ts";
import { MemoryStore } from "../src/archive/mod.ts";
import { ArchivedLog, PATH } from "./archived_log.ts";

/** A store that calls back before it lists the objects of generations. */
class ListedStore extends MemoryStore {
  onList: () => Promise<void> = () => Promise.resolve();

  override async *list(prefix: string) {
    if (prefix === "generations/") await this.onList();
    yield* super.list(prefix);
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

  it("compares once more if the archive is ahead of the log", async () => {
    const archived = new ArchivedLog();
    archived.append(5);
    await archived.archive();
    const view = new LateView(archived.disk.fileSystem, PATH);
    await view.advance();
    archived.append(5);
    await archived.archive();
    const second = new Archiver(archived.store, view, "second");
    view.late = 2;
    await second.step();
    assert(view.late < 0);
    assert.equal(second.archivedIndex, 10);
  });
});
