/**
 * A disk in memory that implements `FileSystem`. It is for tests that open the same log thousands of times, each time
 * with other damage. It never fails and loses nothing.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { RESERVE_NAME } from "../src/write/reserve.ts";
import type { File, FileLock, FileSystem, LockHolder, OpenMode } from "../src/io/file_system.ts";

/** The files of a folder by name. */
export type Contents = ReadonlyMap<string, Uint8Array>;

/** The lock file's name. The file is empty, and not part of a log's contents. */
const LOCK_NAME = "LOCK";

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/** A path with one kind of separator: Windows has two. */
function keyOf(path: string): string {
  return path.replaceAll("\\", "/");
}

/** The contents of a file. Once {@link MemoryDisk} has shared the array, it is replaced and never changed. */
interface Node {
  bytes: Uint8Array;
  size: number;
  /** Whether the array is shared. */
  isShared: boolean;
}

class MemoryFile implements File {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  size(): number {
    return this.#node.size;
  }

  read(into: Uint8Array, position: number): number {
    const node = this.#node;
    const part = node.bytes.subarray(Math.min(position, node.size), Math.min(position + into.length, node.size));
    into.set(part);
    return part.length;
  }

  write(from: Uint8Array, position: number): number {
    this.#resize(Math.max(this.#node.size, position + from.length));
    this.#node.bytes.set(from, position);
    return from.length;
  }

  truncate(size: number): void {
    this.#resize(size);
  }

  #resize(size: number): void {
    const node = this.#node;
    if (node.isShared || size > node.bytes.length) {
      const grown = new Uint8Array(size > node.bytes.length ? Math.max(size, node.bytes.length * 2) : size);
      grown.set(node.bytes.subarray(0, Math.min(node.size, size)));
      node.bytes = grown;
      node.isShared = false;
    } else if (size < node.size) {
      node.bytes.fill(0, size, node.size);
    }
    node.size = size;
  }

  sync(): void {}

  syncAsync(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {}
}

/** A disk with one folder, `/log`. */
export class MemoryDisk implements FileSystem {
  /** Where the log is. */
  static readonly PATH: string = resolve("/log");
  readonly #nodes = new Map<string, Node>();
  #isLocked = false;
  #random = 1;

  /**
   * Makes a disk.
   *
   * @param contents Its initial contents. They are never changed.
   */
  constructor(contents: Contents = new Map()) {
    for (const [name, bytes] of contents) this.put(name, bytes);
  }

  /** Puts a file on the disk, replacing the one of that name. */
  put(name: string, bytes: Uint8Array): void {
    this.#nodes.set(keyOf(`${MemoryDisk.PATH}/${name}`), { bytes, size: bytes.length, isShared: true });
  }

  /** The contents of the disk, as views that are valid until the next change. */
  contents(): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    for (const [path, node] of this.#nodes) {
      found.set(path.slice(MemoryDisk.PATH.length + 1), node.bytes.subarray(0, node.size));
    }
    return found;
  }

  /** Returns the path, because there are no links. */
  resolve(path: string): string {
    return path;
  }

  /** Opens a file. */
  open(path: string, mode: OpenMode): File {
    let node = this.#nodes.get(keyOf(path));
    if (mode === "create") {
      if (node !== undefined) throw systemError("EEXIST", path);
      node = { bytes: new Uint8Array(0), size: 0, isShared: false };
      this.#nodes.set(keyOf(path), node);
    }
    if (node === undefined) throw systemError("ENOENT", path);
    return new MemoryFile(node);
  }

  /** Lists the folder. */
  list(path: string): string[] {
    return [...this.#nodes.keys()].map((name) => name.slice(path.length + 1));
  }

  /** Does nothing, because the folder exists. */
  makeDirectory(): void {}

  /** Renames a file. */
  rename(from: string, to: string): void {
    const node = this.#nodes.get(keyOf(from));
    if (node === undefined) throw systemError("ENOENT", from);
    this.#nodes.delete(keyOf(from));
    this.#nodes.set(keyOf(to), node);
  }

  /** Removes a file. */
  remove(path: string): void {
    if (!this.#nodes.delete(keyOf(path))) throw systemError("ENOENT", path);
  }

  /** Does nothing, because nothing is ever lost. */
  syncDirectory(): void {}

  /** Takes the lock. It has one holder at a time. */
  lock(): FileLock | LockHolder {
    if (this.#isLocked) return "this process";
    this.#isLocked = true;
    return { check: () => {}, release: () => void (this.#isLocked = false) };
  }

  /** The wall clock. */
  now(): number {
    return Date.now();
  }

  /** The same bytes in each run. */
  random(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) {
      this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
      into[i] = this.#random >>> 24;
    }
  }

  /** Never calls back, because time stands still. */
  after(): () => void {
    return () => {};
  }
}

/**
 * Reads a folder.
 *
 * @param folder The folder. It must not contain folders.
 * @returns Its files, without the lock and the reserve.
 */
export function contentsOf(folder: string): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const name of readdirSync(folder).sort()) {
    if (name !== LOCK_NAME && name !== RESERVE_NAME) found.set(name, new Uint8Array(readFileSync(join(folder, name))));
  }
  return found;
}

/**
 * Compares the files of two folders. `deepEqual` takes minutes and gigabytes to print how segments differ.
 *
 * @param found The files.
 * @param expected The files that should be there.
 * @param message What a difference means.
 */
export function assertSameContents(found: Contents, expected: Contents, message = "the files differ"): void {
  assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort(), message);
  for (const [name, bytes] of found) {
    const wanted = expected.get(name)!;
    if (Buffer.compare(bytes, wanted) === 0) continue;
    const at = bytes.findIndex((byte, i) => byte !== wanted[i]);
    assert.fail(`${message}: ${name} has ${bytes.length} bytes, expected ${wanted.length}, from byte ${at} on others`);
  }
}
