/** The document server of `examples/documents`: editors under SIGKILL, compaction, updates that are malformed. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import * as Y from "yjs";
import { DocumentStore } from "../examples/documents/store.ts";
import { EventLog } from "../src/events/mod.ts";
import { type ExampleServer, sideBySide, skipWithout, withExample } from "./example_process.ts";
import { inTemporaryFolder } from "./temporary.ts";

const EDITORS = 6;
const DOCUMENTS = 3;
const COMPACT_AFTER = 40;
/** What Yjs reads when it is loaded. */
const ENVIRONMENT = "PRODUCTION,NODE_ENV,FORCE_COLOR,NO_COLOR,COLORTERM,TERM";

/** The items of a document in a store, or of an update. */
function itemsOf(update: Uint8Array): string[] {
  const document = new Y.Doc();
  Y.applyUpdate(document, update);
  return document.getArray<string>("items").toArray();
}

/** A client with a copy of a document. */
class Editor {
  readonly #document = new Y.Doc();
  readonly #socket: WebSocket;
  #onMessage: (update: Uint8Array) => void = () => {};
  /** Resolves when the server is gone. */
  readonly closed: Promise<void>;

  constructor(url: string) {
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.closed = new Promise((resolve) => this.#socket.addEventListener("close", () => resolve()));
    this.#socket.addEventListener("error", () => {}); // It is closed as well.
    this.#socket.addEventListener("message", ({ data }) => {
      Y.applyUpdate(this.#document, new Uint8Array(data), "server");
      this.#onMessage(new Uint8Array(data));
    });
  }

  /** Resolves when a message fits; to `false` if the server is gone before. */
  #message(fits: (update: Uint8Array) => boolean): Promise<boolean> {
    const found = new Promise<boolean>((resolve) => this.#onMessage = (update) => fits(update) && resolve(true));
    return Promise.race([found, this.closed.then(() => false)]);
  }

  /** Waits for the document. */
  loaded(): Promise<boolean> {
    return this.#message(() => true);
  }

  /** Adds an item. Resolves to whether it was acknowledged. */
  async add(item: string): Promise<boolean> {
    let sent: Uint8Array | undefined;
    this.#document.once("update", (update: Uint8Array) => sent = update);
    this.#document.getArray<string>("items").push([item]);
    const acknowledged = this.#message((update) => Buffer.compare(update, sent!) === 0);
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(sent!.slice());
    return await acknowledged;
  }

  /** The items that this client sees. */
  get items(): readonly string[] {
    return this.#document.getArray<string>("items").toArray();
  }

  close(): void {
    this.#socket.close();
  }
}

/** Edits until the server is killed, after so many acknowledged items. Resolves to the items by document. */
async function editUntilKilled({ url, child }: ExampleServer, run: number, items: number): Promise<string[][]> {
  const acknowledged: string[][] = Array.from({ length: DOCUMENTS }, () => []);
  let count = 0;
  await sideBySide(EDITORS, async (number) => {
    const document = number % DOCUMENTS;
    const editor = new Editor(`${url}/document-${document}`);
    await editor.loaded();
    for (let i = 0; await editor.add(`${run}-${number}-${i}`); i++) {
      acknowledged[document]!.push(`${run}-${number}-${i}`);
      if (++count === items) child.kill("SIGKILL");
    }
    await editor.closed;
  });
  return acknowledged;
}

describe("the document server", () => {
  const skip = skipWithout("deno");
  it("has every acknowledged update, though it is killed between compactions", { skip }, async () => {
    await inTemporaryFolder(async (path) => {
      const folder = realpathSync(path);
      const permissions = ["--allow-net=127.0.0.1", `--allow-env=${ENVIRONMENT}`];
      for (const kind of ["read", "write"]) permissions.push(`--allow-${kind}=${folder}`);
      const options = { args: [folder, "--port", "0", "--compact-after", String(COMPACT_AFTER)], permissions };
      const run = <T>(body: (server: ExampleServer) => Promise<T>) =>
        withExample("deno", "documents/main.ts", options, body);
      const first = await run((server) => editUntilKilled(server, 1, 150));
      const second = await run((server) => editUntilKilled(server, 2, 150));
      await run(async ({ url, child, ended }) => {
        for (let document = 0; document < DOCUMENTS; document++) {
          const editor = new Editor(`${url}/document-${document}`);
          await editor.loaded();
          const items = new Set(editor.items);
          assert.equal(items.size, editor.items.length, "an item came twice");
          const lost = [...first[document]!, ...second[document]!].filter((item) => !items.has(item));
          assert.deepEqual(lost, []);
          editor.close();
          await editor.closed;
        }
        // Not child.kill: Deno would report that the signal ended the child, even if the child handled it.
        process.kill(child.pid!, "SIGTERM");
        assert.equal(await ended, 0);
      });
      const log = await EventLog.open(join(folder, "documents.wal"), { readOnly: true });
      await log.close();
      assert(log.first > COMPACT_AFTER, "the log was compacted");
    });
  });

  it("keeps all documents over compactions and restarts", async () => {
    await inTemporaryFolder(async (folder) => {
      let store = await DocumentStore.open(join(folder, "documents.wal"), 10);
      const documents = new Map(["a", "b", "ä".repeat(100)].map((name) => [name, new Y.Doc()]));
      for (let i = 0; i < 35; i++) {
        await Promise.all([...documents].map(([name, document]) => {
          const before = Y.encodeStateVector(document);
          document.getArray<string>("items").push([`${i}`]);
          return store.store(name, Y.encodeStateAsUpdate(document, before));
        }));
      }
      for (let opened = 0; opened < 2; opened++) {
        for (const name of documents.keys()) {
          assert.deepEqual(itemsOf(await store.load(name)), Array.from({ length: 35 }, (_, i) => `${i}`));
        }
        await store.close();
        store = await DocumentStore.open(join(folder, "documents.wal"), 10);
      }
      await store.close();
    });
  });

  it("rejects an update that is malformed, and a name that is too long, and stores nothing", async () => {
    await inTemporaryFolder(async (folder) => {
      const store = await DocumentStore.open(join(folder, "documents.wal"));
      await assert.rejects(store.store("a", new Uint8Array([1, 2, 3])));
      await assert.rejects(store.store("a".repeat(256), Y.encodeStateAsUpdate(new Y.Doc())), { code: "INVALID_EVENT" });
      assert.deepEqual(itemsOf(await store.load("a")), []);
      await store.close();
      const log = await EventLog.open(join(folder, "documents.wal"), { readOnly: true });
      await log.close();
      assert.equal(log.last, 0);
    });
  });
});
