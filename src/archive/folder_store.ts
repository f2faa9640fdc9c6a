/**
 * An object store in a folder of a file system. An object is a file, and its key is the path of the file.
 *
 * A file is written under a temporary name and flushed. It then gets its final name by a rename, which replaces an
 * existing file, or by a link, which fails if the name exists. The folders on its path are flushed after that.
 *
 * @module
 */

import type { Dirent } from "node:fs";
import { link, mkdir, open, readdir, rename, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { WalLogError } from "../api/errors.ts";
import { errorCode, reasonOf } from "../io/full.ts";
import { folderOf } from "../recovery/open.ts";
import { isMissing, readObject } from "./folder_object.ts";
import {
  bodyOf,
  type GetResult,
  type ListedObject,
  type ObjectBody,
  type ObjectRange,
  type ObjectStore,
  type PutResult,
  type RequestOptions,
} from "./object_store.ts";
import { checkKey } from "./store_key.ts";

/** The folder of unfinished files. No key begins with a dot. */
const TEMPORARY_FOLDER = ".unfinished";
/** The age at which a file there counts as a leftover of a killed program, in milliseconds: a day. */
const LEFTOVER_MS = 24 * 60 * 60 * 1000;
/** Reasons for failures, by the code of the system. */
const REASONS: ReadonlyMap<string | undefined, string> = new Map([
  ["EEXIST", "a file has the name of a folder"],
  ["ENOTDIR", "a file has the name of a folder"],
  ["EISDIR", "a folder has the name of a file"],
  ["EROFS", "the file system is read-only"],
  ["EACCES", "this user has no permission"],
  ["EPERM", "this user has no permission"],
]);
/** Reasons why a folder is not removed: it has files, is used, or is gone. */
const KEPT_CODES: readonly string[] = ["ENOTEMPTY", "EEXIST", "EBUSY", "EPERM", "EACCES", "ENOENT"];
/** The number of attempts to give a file its name if another program removes the folder, which is empty. */
const NAMING_ATTEMPTS_MAX = 10;
/** The most bytes to write at once. */
const PART_BYTES = 1024 * 1024;

/**
 * An object store in a folder, such as a mounted volume of another machine, or for tests.
 *
 * @example
 * ```ts
 * import { FolderStore } from "@wallog/wallog/archive";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * const store = new FolderStore(folder);
 * await store.putIfAbsent("claims/00000001", new TextEncoder().encode("mine"));
 * assert.deepEqual(await store.putIfAbsent("claims/00000001", new Uint8Array()), { kind: "exists" });
 * rmSync(folder, { recursive: true });
 * ```
 */
export class FolderStore implements ObjectStore {
  /** The place of the objects, for messages: the folder's path. */
  readonly name: string;
  /** Whether unfinished files of killed programs were removed. */
  #isClean = false;
  /** The highest folder that was made for the store and whose name is not flushed yet; `undefined` if there is none. */
  #made: string | undefined;

  /**
   * Makes a store. The folder is created when the first object is written.
   *
   * @param folder The folder.
   * @throws {WalLogError} `INVALID_ARGUMENT` if it is not a path or a `file:` URL without `#` and `?`.
   */
  constructor(folder: string | URL) {
    if (folder instanceof URL && folder.hash + folder.search !== "") {
      const message = `Cannot use ${folder} as the folder of a store: write # as %23 and ? as %3F`;
      throw new WalLogError("INVALID_ARGUMENT", message);
    }
    this.name = folderOf(folder);
  }

  /** As {@link ObjectStore.putIfAbsent}. */
  putIfAbsent(key: string, bytes: Uint8Array, options?: RequestOptions): Promise<PutResult> {
    return this.#run("write", key, options, async (path) => {
      const temporary = await this.#write(bodyOf(bytes), options);
      try {
        await inFolder(path, () => link(temporary, path));
      } catch (error) {
        if (errorCode(error) === "EEXIST") return { kind: "exists" };
        throw error;
      } finally {
        await unlink(temporary);
      }
      await this.#flushFolders(path);
      return { kind: "created" };
    });
  }

  /** As {@link ObjectStore.put}. */
  put(key: string, body: ObjectBody, options?: RequestOptions): Promise<void> {
    return this.#run("write", key, options, async (path) => {
      const temporary = await this.#write(body, options);
      try {
        await inFolder(path, () => rename(temporary, path));
      } catch (error) {
        await unlink(temporary);
        throw error;
      }
      await this.#flushFolders(path);
    });
  }

  /** As {@link ObjectStore.get}. */
  get(key: string, range?: ObjectRange, options?: RequestOptions): Promise<GetResult> {
    return this.#run("read", key, options, (path) => readObject(path, range));
  }

  /** As {@link ObjectStore.list}. */
  async *list(prefix: string, options?: RequestOptions): AsyncGenerator<ListedObject, void> {
    try {
      yield* this.#listIn("", prefix, options);
    } catch (error) {
      throw this.#failure("list", prefix, error, options);
    }
  }

  /** As {@link ObjectStore.delete}. */
  delete(key: string, options?: RequestOptions): Promise<void> {
    return this.#run("delete", key, options, async (path) => {
      try {
        await unlink(path);
      } catch (error) {
        if (isMissing(error)) return;
        throw error;
      }
      await this.#removeEmpty(dirname(path));
    });
  }

  /** Runs a request. */
  async #run<T>(
    action: string,
    key: string,
    options: RequestOptions | undefined,
    request: (path: string) => Promise<T>,
  ): Promise<T> {
    checkKey(key);
    try {
      options?.signal?.throwIfAborted();
      return await request(join(this.name, key));
    } catch (error) {
      throw this.#failure(action, key, error, options);
    }
  }

  #failure(action: string, key: string, cause: unknown, options: RequestOptions | undefined): unknown {
    if (options?.signal?.aborted === true && cause === options.signal.reason) return cause;
    if (cause instanceof WalLogError) return cause;
    const reason = REASONS.get(errorCode(cause));
    const why = reason === undefined ? reasonOf(cause) : `${reason} (${reasonOf(cause)})`;
    return new WalLogError("STORE", `Cannot ${action} ${key} in ${this.name}: ${why}`, {
      path: this.name,
      cause,
    });
  }

  /** Writes and flushes a file under a temporary name; returns its path. */
  async #write(body: ObjectBody, options: RequestOptions | undefined): Promise<string> {
    const folder = join(this.name, TEMPORARY_FOLDER);
    this.#made = await mkdir(folder, { recursive: true }) ?? this.#made;
    if (this.#made !== undefined) await flushMade(this.name, this.#made);
    this.#made = undefined;
    if (!this.#isClean) await removeLeftovers(folder);
    this.#isClean = true;
    const path = join(folder, crypto.randomUUID());
    const file = await open(path, "wx");
    try {
      for (let done = 0; done < body.size;) {
        options?.signal?.throwIfAborted();
        const part = body.read(done, Math.min(PART_BYTES, body.size - done));
        const { bytesWritten } = await file.write(part, 0, part.length, done);
        done += bytesWritten;
      }
      await file.sync();
    } catch (error) {
      await file.close();
      await unlink(path);
      throw error;
    }
    await file.close();
    return path;
  }

  /** Flushes a folder from which a file was removed. If it is empty, removes it, and those that it leaves empty. */
  async #removeEmpty(folder: string): Promise<void> {
    try {
      await flushFolder(folder);
      for (let at = folder; at.length > this.name.length; at = dirname(at)) await rmdir(at);
    } catch (error) {
      // It has files, or another program has removed it.
      if (!KEPT_CODES.includes(errorCode(error) ?? "")) throw error;
    }
  }

  /** Flushes the names on the path of a new file. */
  async #flushFolders(path: string): Promise<void> {
    for (let folder = dirname(path); folder.length >= this.name.length; folder = dirname(folder)) {
      await flushFolder(folder);
      if (folder === this.name) return;
    }
  }

  async *#listIn(
    folder: string,
    prefix: string,
    options: RequestOptions | undefined,
  ): AsyncGenerator<ListedObject, void> {
    options?.signal?.throwIfAborted();
    let found: Dirent[];
    try {
      found = await readdir(join(this.name, folder), { withFileTypes: true });
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    // Keys in a folder continue with a slash, so sort the folder's name with a slash.
    const named = found.filter(({ name }) => !name.startsWith("."))
      .map((entry) => ({ entry, key: folder + entry.name + (entry.isDirectory() ? "/" : "") }))
      .sort((a, b) => a.key < b.key ? -1 : 1);
    for (const { entry, key } of named) {
      if (entry.isDirectory()) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* this.#listIn(key, prefix, options);
        continue;
      }
      if (!entry.isFile() || !key.startsWith(prefix)) continue;
      const size = await sizeOf(join(this.name, key));
      if (size !== undefined) yield { key, size };
    }
  }
}

/** Gives a file a name, in a folder that is made if it is missing. */
async function inFolder(path: string, name: () => Promise<void>): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      await mkdir(dirname(path), { recursive: true });
      return await name();
    } catch (error) {
      if (errorCode(error) !== "ENOENT" || attempt === NAMING_ATTEMPTS_MAX) throw error;
    }
  }
}

/** Removes unfinished files that a killed program has left. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    try {
      if ((await stat(path)).mtimeMs < Date.now() - LEFTOVER_MS) await unlink(path);
    } catch (error) {
      // Another program removes it too.
      if (!isMissing(error)) throw error;
    }
  }
}

/** The size of a file; `undefined` if it was deleted meanwhile. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Flushes the names of a store's folder and of the folders above it, up to the highest one that was made. */
async function flushMade(store: string, made: string): Promise<void> {
  for (let folder = store; folder.length >= made.length; folder = dirname(folder)) {
    try {
      await flushFolder(dirname(folder));
    } catch (error) {
      // With permissions only for the store's folder, Deno cannot flush its parent. The durability of the name is then
      // up to the file system, as it is for a log.
      if ((error as Error).name !== "NotCapable") throw error;
    }
  }
}

/** Flushes the names in a folder. Windows flushes them by itself, and opens no folder. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
