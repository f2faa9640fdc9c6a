/**
 * A simulated disk behind the log's {@link FileSystem} interface. It has a page cache separate from the platter, a seed
 * that makes every run reproducible, and the faults of real disks.
 *
 * @module
 */

import { checkNames } from "../api/option_names.ts";
import type { File, FileLock, FileSystem, LockHolder, OpenMode } from "../io/file_system.ts";
import { type DiskFault, type DiskOperation, FaultPlan, PowerLoss, systemError } from "./disk_faults.ts";
import { Random } from "./random.ts";
import { Inode } from "./simulated_file.ts";
import { SimulatedNames } from "./simulated_names.ts";

/** Options of a simulated disk. */
export interface SimulatedDiskOptions {
  /** The seed of all random decisions. Default: 1. */
  readonly seed?: number;
  /** The capacity in bytes. Default: unlimited. */
  readonly capacityBytes?: number;
  /** The probability that a write is short. Default: 0. */
  readonly shortWrites?: number;
}

/**
 * A simulated machine: a disk, a page cache, locks and timers. Pass {@link SimulatedDisk.fileSystem} to a log as its
 * `fileSystem`, cause faults, and check how the log handles them.
 *
 * @example
 * ```ts
 * import { WalLog } from "@wallog/wallog";
 * import { SimulatedDisk } from "@wallog/wallog/testing";
 * import assert from "node:assert/strict";
 *
 * const disk = new SimulatedDisk({ seed: 42 });
 * const log = WalLog.openSync("/raft.wal", { fileSystem: disk.fileSystem });
 * const entry = (index: number) => ({ term: 1, index, command: new Uint8Array(10) });
 * log.append([entry(1)]);
 * log.syncSync();
 * log.append([entry(2)]);
 * disk.crash(); // The power fails. Entry 1 was synced, entry 2 may or may not survive.
 *
 * const again = WalLog.openSync("/raft.wal", { fileSystem: disk.fileSystem });
 * assert(again.lastIndex === 1 || again.lastIndex === 2);
 * ```
 */
export class SimulatedDisk {
  /** The machine as a log sees it. */
  readonly fileSystem: FileSystem;
  /** The operations since the disk was created, or since the caller last emptied the list. */
  readonly trace: { readonly operation: DiskOperation; readonly path: string }[] = [];
  /** The number of operations so far, without reads. */
  operations = 0;
  readonly #random: Random;
  readonly #capacity: number;
  readonly #shortWrites: number;
  readonly #names = new SimulatedNames();
  readonly #plan = new FaultPlan();
  #locks = new Set<string>();
  #timers: { readonly callback: () => void; readonly generation: number }[] = [];
  /** Counts restarts. Handles of an earlier process no longer work. */
  #generation = 0;
  #hasPower = true;

  /**
   * Makes an empty disk.
   *
   * @param options The options.
   */
  constructor(options: SimulatedDiskOptions = {}) {
    checkNames("Cannot make a disk", options, ["seed", "capacityBytes", "shortWrites"]);
    this.#random = new Random(options.seed ?? 1);
    this.#capacity = options.capacityBytes ?? Infinity;
    this.#shortWrites = options.shortWrites ?? 0;
    this.fileSystem = this.#makeFileSystem();
  }

  /**
   * Plans a fault of an operation.
   *
   * @param fault The fault.
   * @param after The number of operations that succeed before it. Default: 0.
   * @param only The kind of operations that count and fail. Default: all except reads.
   */
  failAfter(fault: DiskFault, after = 0, only?: DiskOperation): void {
    this.#plan.set({ at: after, fault, only });
  }

  /** Cancels {@link SimulatedDisk.failAfter}. */
  heal(): void {
    this.#plan.clear();
  }

  /** Whether the machine has power. A planned crash turns it off, and {@link SimulatedDisk.crash} turns it on again. */
  get hasPower(): boolean {
    return this.#hasPower;
  }

  /** Whether a planned fault has not happened yet. */
  get isFaultPending(): boolean {
    return this.#plan.isPending;
  }

  /**
   * Simulates a power failure and a restart. Each unflushed sector and name may or may not survive. The state of the
   * process is gone.
   */
  crash(): void {
    for (const inode of this.#names.crash(this.#random)) inode.crash(this.#random);
    this.restart();
  }

  /** Simulates a kill and a restart of the process. The machine keeps running, so the page cache survives. */
  restart(): void {
    this.#hasPower = true;
    this.#plan.clear();
    this.#generation++;
    // The callers of failing flushes are gone.
    for (const inode of this.#names.inodes()) inode.failingFlushes = 0;
    this.#locks.clear();
    this.#timers = [];
  }

  /**
   * Drops the page cache, so that reads show the contents of the platter. Files with unflushed writes keep their cache.
   */
  evict(): void {
    for (const inode of this.#names.inodes()) {
      if (inode.beginFlush().sectors.size === 0) inode.revert();
    }
  }

  /** Simulates an idle moment: runs all due timers. */
  idle(): void {
    const due = this.#timers;
    this.#timers = [];
    for (const { callback, generation } of due) if (generation === this.#generation) callback();
  }

  /**
   * Lists all files.
   *
   * @returns Their paths, sorted.
   */
  files(): string[] {
    return this.#names.paths().sort();
  }

  /**
   * Gets a file's contents as programs see them.
   *
   * @param path The file.
   * @returns A copy.
   */
  content(path: string): Uint8Array {
    const inode = this.#names.inode(path, "read");
    const bytes = new Uint8Array(inode.size);
    inode.read(bytes, 0);
    return bytes;
  }

  /**
   * Flips bits of a byte of a file, in the page cache and on the platter.
   *
   * @param path The file.
   * @param offset Offset in the file, in bytes.
   * @param mask The bits to flip. Default: all eight.
   */
  flip(path: string, offset: number, mask = 0xff): void {
    this.#names.inode(path, "write").damage(offset, (bytes) => bytes.forEach((byte, i) => bytes[i] = byte ^ mask), 1);
  }

  /**
   * Overwrites a range of a file with zeros, like a discarded block.
   *
   * @param path The file.
   * @param offset Offset in the file, in bytes.
   * @param length Length of the range, in bytes.
   */
  zero(path: string, offset: number, length: number): void {
    this.#names.inode(path, "write").damage(offset, (bytes) => bytes.fill(0), length);
  }

  /**
   * Removes a file for good.
   *
   * @param path The file.
   */
  lose(path: string): void {
    this.#names.lose(path);
  }

  /** Counts an operation, and returns its planned fault, which the operation carries out itself. */
  #enter(operation: DiskOperation, path: string, generation = this.#generation): DiskFault | undefined {
    if (!this.#hasPower || generation !== this.#generation) throw new PowerLoss(`${operation} ${path}`);
    if (operation !== "read") {
      this.operations++;
      this.trace.push({ operation, path });
    }
    const fault = this.#plan.next(operation);
    if (fault === "crash") this.#hasPower = false;
    return fault;
  }

  #fail(fault: DiskFault | undefined, operation: DiskOperation, path: string): void {
    if (fault === "crash") throw new PowerLoss(`${operation} ${path}`);
    if (fault === "EIO" || fault === "ENOSPC" || fault === "EMFILE") throw systemError(fault, operation, path);
  }

  #used(): number {
    let sum = 0;
    for (const inode of this.#names.inodes()) sum += inode.size;
    return sum;
  }

  #makeFileSystem(): FileSystem {
    return {
      resolve: (path) => path,
      open: (path, mode) => this.#open(path, mode),
      list: (path) => {
        this.#enter("read", path);
        return this.#names.list(path);
      },
      makeDirectory: (path) => void this.#enter("read", path),
      rename: (from, to) => {
        this.#fail(this.#enter("rename", from), "rename", from);
        this.#names.change(to, this.#names.inode(from, "rename"), from);
      },
      remove: (path) => {
        this.#fail(this.#enter("remove", path), "remove", path);
        this.#names.inode(path, "remove");
        this.#names.change(path, undefined);
      },
      syncDirectory: (path) => {
        this.#fail(this.#enter("syncDirectory", path), "syncDirectory", path);
        this.#names.sync(path);
      },
      lock: (path) => this.#lock(path),
      random: (into) => this.#random.fill(into),
      // One millisecond per operation, from the beginning of 2026.
      now: () => Date.UTC(2026) + this.operations,
      after: (_, callback) => {
        const timer = { callback, generation: this.#generation };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((other) => other !== timer);
        };
      },
    };
  }

  #lock(path: string): FileLock | LockHolder {
    if (this.#locks.has(path)) return "this process";
    this.#locks.add(path);
    const generation = this.#generation;
    return {
      check: () => {},
      release: () => void (generation === this.#generation && this.#locks.delete(path)),
    };
  }

  #open(path: string, mode: OpenMode): File {
    if (mode === "create") {
      this.#fail(this.#enter("create", path), "create", path);
      if (this.#names.has(path)) throw systemError("EEXIST", "open", path);
      if (this.#used() >= this.#capacity) throw systemError("ENOSPC", "open", path);
      this.#names.change(path, new Inode());
    }
    const inode = this.#names.inode(path, "open");
    const generation = this.#generation;
    let isOpen = true;
    const enter = (operation: DiskOperation) => {
      if (!isOpen) throw systemError("EBADF", operation, path);
      return this.#enter(operation, path, generation);
    };
    return {
      size: () => {
        enter("read");
        return inode.size;
      },
      read: (into, position) => {
        this.#fail(enter("read"), "read", path);
        return inode.read(into, position);
      },
      write: (from, position) => this.#write(inode, path, enter("write"), from, position),
      truncate: (size) => {
        this.#fail(enter("truncate"), "truncate", path);
        inode.truncate(size);
      },
      sync: () => {
        const fault = enter("sync");
        if (fault === "EIO") inode.failFlush(this.#random);
        this.#fail(fault, "sync", path);
        if (inode.failingFlushes > 0) throw systemError("EIO", "sync", path);
        if (fault !== "lost") inode.endFlush(inode.beginFlush());
      },
      syncAsync: async () => {
        const fault = enter("sync");
        const covered = inode.beginFlush();
        if (fault === "EIO") {
          inode.failFlush(this.#random);
          inode.failingFlushes++;
        }
        await Promise.resolve();
        if (generation !== this.#generation) throw new PowerLoss(`sync ${path}`);
        if (fault === "EIO") inode.failingFlushes--;
        if (!this.#hasPower) throw new PowerLoss(`sync ${path}`);
        this.#fail(fault, "sync", path);
        inode.endFlush(covered);
      },
      close: () => {
        isOpen = false;
      },
    };
  }

  #write(inode: Inode, path: string, fault: DiskFault | undefined, from: Uint8Array, position: number): number {
    let count = from.length;
    const grows = Math.max(0, position + count - inode.size);
    const left = this.#capacity - this.#used();
    if (grows > left) {
      count -= grows - left;
      if (count <= 0) throw systemError("ENOSPC", "write", path);
    } else if (fault !== undefined && fault !== "lost" && fault !== "misdirected") {
      // A failed write may have written a part.
      inode.write(from.subarray(0, this.#random.below(count + 1)), position);
      this.#fail(fault, "write", path);
    } else if (count > 1 && this.#random.chance(this.#shortWrites)) {
      count = 1 + this.#random.below(count - 1);
    }
    const target = fault === "misdirected" ? Math.max(0, position - 512 * (1 + this.#random.below(8))) : position;
    if (fault !== "lost") inode.write(count === from.length ? from : from.subarray(0, count), target);
    return count;
  }
}
