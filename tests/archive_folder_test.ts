/** What is left behind in folders, and the reasons of failures there. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { locateRuntime } from "../scripts/runtimes.ts";
import { bodyOf, FolderStore, MemoryStore, restore, standby } from "../src/archive/mod.ts";
import { ArchivedLog } from "./archived_log.ts";
import { trace, whyNoStrace } from "./real/strace.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const RUNTIME = locateRuntime(process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node");
const WRITER = fileURLToPath(new URL("./real/store_writer.ts", import.meta.url));
const noStrace = skipReason(whyNoStrace());
const EMPTY = bodyOf(new Uint8Array());
const DAY_S = 24 * 60 * 60;

describe("a store in a folder", () => {
  it("removes unfinished files of killed programs, but none that is being written", async () => {
    await inTemporaryFolder(async (folder) => {
      const unfinished = join(folder, ".unfinished");
      mkdirSync(unfinished);
      const old = Date.now() / 1000 - DAY_S - 60;
      for (const name of ["old", "new"]) writeFileSync(join(unfinished, name), "x");
      utimesSync(join(unfinished, "old"), old, old);
      await new FolderStore(folder).put("a/b", EMPTY);
      assert.deepEqual(readdirSync(unfinished), ["new"]);
    });
  });

  it("removes folders that a deletion leaves empty, while others write to them", async () => {
    await inTemporaryFolder(async (folder) => {
      const [store, other] = [new FolderStore(folder), new FolderStore(folder)];
      await store.put("a/b/c/d", EMPTY);
      await store.put("a/e", EMPTY);
      await store.delete("a/b/c/d");
      assert.deepEqual(readdirSync(join(folder, "a")), ["e"]);
      const folders = Array.from({ length: 8 }, (_, i) => `a/b/${i}/c`);
      for (let round = 0; round < 8; round++) {
        const writes = folders.map((name) => other.put(`${name}/${round + 1}`, EMPTY));
        await Promise.all([...writes, ...folders.map((name) => store.delete(`${name}/${round}`))]);
        for (const name of folders) assert.equal((await store.get(`${name}/${round + 1}`)).kind, "found");
      }
      await Promise.all(folders.map((name) => store.delete(`${name}/8`)));
      await store.delete("a/e");
      assert.deepEqual(readdirSync(folder), [".unfinished"]);
    });
  });

  it("flushes an object, then its name, before the object is acknowledged", { skip: noStrace }, async () => {
    await inTemporaryFolder(async (path) => {
      const folder = realpathSync(path);
      const { code, stderr, calls } = await trace([...RUNTIME.run, WRITER, join(folder, "new/store")], folder);
      assert.equal(code, 0, stderr);
      const flushes = calls.filter(({ name, result }) => name === "fsync" && result === 0);
      const flushed = (file: string, from: number, to: number) =>
        assert.ok(flushes.some((call) => call.file === file && from < call.begin && call.end < to), `flush of ${file}`);
      for (const said of ["put", "created"]) {
        const named = calls.find(({ to, result }) => to === `new/store/a/${said}` && result === 0)!;
        const end = calls.find((call) => call.said === said)!.begin;
        flushed(named.file, -1, named.begin);
        for (const file of ["new/store/a", "new/store"]) flushed(file, named.end, end);
        // The names of folders that were made for the store.
        for (const file of ["new", ""]) flushed(file, -1, end);
      }
    });
  });

  it("does not read an object that is not a regular file", async () => {
    await inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, "claims/00000001"), { recursive: true });
      const kinds = ["claims/00000001"];
      if (process.platform !== "win32") {
        assert.equal(spawnSync("mkfifo", [join(folder, "claims/00000002")]).status, 0);
        kinds.push("claims/00000002");
      }
      const store = new FolderStore(folder);
      for (const key of kinds) {
        const message = `Cannot read ${key} in ${folder}: it is not a regular file; move it out of the folder`;
        await assert.rejects(store.get(key), { code: "STORE", message });
        assert.deepEqual(await store.putIfAbsent(key, new Uint8Array(1)), { kind: "exists" });
      }
    });
  });

  it("does not read more than fits in memory at once", async () => {
    await inTemporaryFolder(async (folder) => {
      const size = 6 * 1024 ** 3;
      writeFileSync(join(folder, "large"), "");
      truncateSync(join(folder, "large"), size);
      const store = new FolderStore(folder);
      await assert.rejects(store.get("large"), { code: "STORE", message: /: 6442450944 bytes are too many to read/ });
      const found = await store.get("large", { offset: size - 2, length: 5 });
      assert.deepEqual(found, { kind: "found", bytes: new Uint8Array(2), size });
    });
  });

  it("says in words why it cannot write", async () => {
    await inTemporaryFolder(async (folder) => {
      writeFileSync(join(folder, "a"), "");
      const message = /^Cannot write a\/b in .*: a file has the name of a folder \(/;
      await assert.rejects(new FolderStore(folder).put("a/b", EMPTY), { code: "STORE", message });
    });
  });

  it("refuses a URL with a part that a path does not have", async () => {
    await inTemporaryFolder((folder) => {
      for (const end of ["#y", "?y"]) {
        const url = new URL(pathToFileURL(folder).href + end);
        assert.throws(() => new FolderStore(url), { code: "INVALID_ARGUMENT", message: /%23/ });
      }
      return Promise.resolve();
    });
  });
});

describe("an archiver", () => {
  it("does not read a claim that is too large", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(3);
    await archived.archive();
    const claim = store.objects.get("claims/00000001")!;
    // It is whole, and has spaces at its end.
    const large = new Uint8Array(64 * 1024 + 1).fill(0x20);
    large.set(claim);
    store.objects.set("claims/00000001", large);
    await assert.rejects(archived.newArchiver().step(), { code: "CORRUPT", message: /claims\/00000001 .* damaged$/ });
    store.objects.set("claims/00000001", large.slice(0, -1));
    await archived.newArchiver().step();
  });

  it("refuses to start if no generation is left, and writes nothing", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(3);
    await archived.archive();
    await store.put("claims/99999999", EMPTY);
    const keys = [...store.objects.keys()];
    const archiver = archived.newArchiver();
    const message = /: claims\/99999999 exists, and no generation is left above it; if no archiver wrote that object/;
    await assert.rejects(archiver.step(), { code: "INVALID_ARGUMENT", message });
    assert.equal(archiver.archivedIndex, 0);
    assert.deepEqual([...store.objects.keys()], keys);
    await store.delete("claims/99999999");
    await archiver.step();
    assert.equal(archiver.archivedIndex, archived.log.lastIndex);
  });

  it("deletes old probes of killed archivers", async () => {
    const store = new MemoryStore();
    const [old, recent] = [1, Date.now()].map((time) => `probes/${String(time).padStart(15, "0")}-x`);
    for (const key of [old!, recent!]) await store.put(key, EMPTY);
    await new ArchivedLog(store).archive();
    assert.deepEqual([...store.objects.keys()].filter((key) => key.startsWith("probes/")), [recent]);
  });
});

describe("a restore into a folder that is refused", () => {
  it("says what to do if a file is in the folder's place", async () => {
    await inTemporaryFolder(async (folder) => {
      const file = join(folder, "file");
      writeFileSync(file, "x");
      for (const path of [file, join(file, "below")]) {
        const message = `Cannot restore to ${path}: it is a file, or a folder above it is one; ` +
          "choose an empty folder, or a new path";
        await assert.rejects(restore(new MemoryStore(), path), { code: "INVALID_ARGUMENT", message });
        await assert.rejects(standby(new MemoryStore(), path), { code: "INVALID_ARGUMENT", message });
      }
      assert.equal(readFileSync(file, "utf8"), "x");
    });
  });

  it("leaves no lock there", async () => {
    await inTemporaryFolder(async (folder) => {
      writeFileSync(join(folder, "other"), "");
      await assert.rejects(restore(new MemoryStore(), folder), { code: "INVALID_ARGUMENT" });
      assert(!existsSync(join(folder, "LOCK")));
    });
  });
});
