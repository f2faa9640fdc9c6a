/**
 * A disk to be cruel to: behind the log's {@link FileSystem} seam, with a page cache apart from the platter, a seed that
 * repeats whatever happens, and every fault that a real disk has shown.
 *
 * @module
 */

import { checkNames } from "../api/option_names.ts";
import type { File, FileLock, FileSystem, LockHolder, OpenMode } from "../io/file_system.ts";
import { type DiskFault, type DiskOperation, FaultPlan, PowerLoss, systemError } from "./disk_faults.ts";
import { Random } from "./random.ts";
import { Inode } from "./simulated_file.ts";
import { SimulatedNames } from "./simulated_names.ts";

/** What a simulated disk is like. */
export interface SimulatedDiskOptions {
  /** Repeats everything that happens by chance. Default: 1. */
  readonly seed?: number;
  /** How much fits, in bytes. Default: any amount. */
  readonly capacityBytes?: number;
  /** How often a write takes only part of what it is given. Default: 0. */
  readonly shortWrites?: number;
}

/**
 * A simulated machine: a disk, a page cache, locks and timers. Give {@link SimulatedDisk.fileSystem} to a log as its
 * `fileSystem`, do something to the disk, and see what the log makes of it.
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
 * disk.crash(); // the power goes: entry 1 was synced, entry 2 may or may not be there
 *
 * const again = WalLog.openSync("/raft.wal", { fileSystem: disk.fileSystem });
 * assert(again.lastIndex === 1 || again.lastIndex === 2);
 * ```
 */
export class SimulatedDisk {
  /** The machine as a log sees it. */
  readonly fileSystem: FileSystem;
  /** What was asked of the disk since it was made, or since the list was last emptied by its reader. */
  readonly trace: { readonly operation: DiskOperation; readonly path: string }[] = [];
  /** Operations so far, reads not counted. */
  operations = 0;
  readonly #random: Random;
  readonly #capacity: number;
  readonly #shortWrites: number;
  readonly #names = new SimulatedNames();
  readonly #plan = new FaultPlan();
  #locks = new Set<string>();
  #timers: { readonly callback: () => void; readonly generation: number }[] = [];
  /** Counts restarts: handles of a process that is gone do nothing. */
  #generation = 0;
  #hasPower = true;

  /**
   * Makes an empty disk.
   *
   * @param options What it is like.
   */
  constructor(options: SimulatedDiskOptions = {}) {
    checkNames("Cannot make a disk", options, ["seed", "capacityBytes", "shortWrites"]);
    this.#random = new Random(options.seed ?? 1);
    this.#capacity = options.capacityBytes ?? Infinity;
    this.#shortWrites = options.shortWrites ?? 0;
    this.fileSystem = this.#makeFileSystem();
  }

  /**
   * Makes an operation go wrong.
   *
   * @param fault How.
   * @param after How many operations succeed before it. Default: 0.
   * @param only Counts, and fails, only operations of this kind. Default: any but reads.
   */
  failAfter(fault: DiskFault, after = 0, only?: DiskOperation): void {
    this.#plan.set({ at: after, fault, only });
  }

  /** Takes back {@link SimulatedDisk.failAfter}. */
  heal(): void {
    this.#plan.clear();
  }

  /** Whether the power is there: a planned crash takes it, {@link SimulatedDisk.crash} brings it back. */
  get hasPower(): boolean {
    return this.#hasPower;
  }

  /** Whether a planned fault has not happened yet. */
  get isFaultPending(): boolean {
    return this.#plan.isPending;
  }

  /**
   * The power goes and comes back. What was not flushed is there or not there, sector by sector and name by name; what
   * the process held is gone.
   */
  crash(): void {
    for (const inode of this.#names.crash(this.#random)) inode.crash(this.#random);
    this.restart();
  }

  /** The process is killed and started anew; the machine, and so the page cache, goes on. */
  restart(): void {
    this.#hasPower = true;
    this.#plan.clear();
    this.#generation++;
    // Whoever was to hear of a flush that has failed is gone.
    for (const inode of this.#names.inodes()) inode.failingFlushes = 0;
    this.#locks.clear();
    this.#timers = [];
  }

  /** The page cache is dropped, so that reads show what the platter holds. What is on its way stays so. */
  evict(): void {
    for (const inode of this.#names.inodes()) {
      if (inode.beginFlush().sectors.size === 0) inode.revert();
    }
  }

  /** A quiet moment: everything that waited for one is called. */
  idle(): void {
    const due = this.#timers;
    this.#timers = [];
    for (const { callback, generation } of due) if (generation === this.#generation) callback();
  }

  /**
   * The files there are.
   *
   * @returns Their paths, sorted.
   */
  files(): string[] {
    return this.#names.paths().sort();
  }

  /**
   * A file's content as programs see it.
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
   * Damages a file where it lies, in the page cache and on the platter.
   *
   * @param path The file.
   * @param offset Where, in bytes.
   * @param mask What is flipped, as the bits of one byte. Default: all of them.
   */
  flip(path: string, offset: number, mask = 0xff): void {
    this.#names.inode(path, "write").damage(offset, (bytes) => bytes.forEach((byte, i) => bytes[i] = byte ^ mask), 1);
  }

  /**
   * Overwrites a stretch of a file with zeros, as a discarded block reads.
   *
   * @param path The file.
   * @param offset Where, in bytes.
   * @param length How much, in bytes.
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

  /** Notes an operation and lets it fail if that is planned; returns a fault that the operation itself carries out. */
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
    if (fault === "EIO" || fault === "ENOSPC") throw systemError(fault, operation, path);
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
      // A millisecond for each operation, from the beginning of 2026 on.
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
      // What fails has got as far as it has.
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
