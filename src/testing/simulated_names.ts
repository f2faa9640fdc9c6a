/**
 * The file names of a simulated disk: the names that programs see, the names that survive a power failure, and the
 * changes that are not durable yet.
 *
 * @module
 */

import { systemError } from "./disk_faults.ts";
import type { Random } from "./random.ts";
import type { Inode } from "./simulated_file.ts";

/** A change to a folder that no flush has covered yet. */
interface NameChange {
  readonly path: string;
  /** The file that gets the name; `undefined` if the name is removed. */
  readonly inode: Inode | undefined;
  /** For a rename, the old name, which is removed in the same step. */
  readonly from: string | undefined;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function apply(names: Map<string, Inode>, { path, inode, from }: NameChange): void {
  if (from !== undefined) names.delete(from);
  if (inode === undefined) names.delete(path);
  else names.set(path, inode);
}

/** The names of all files. */
export class SimulatedNames {
  /** The names that programs see. */
  #cached = new Map<string, Inode>();
  /** The names that survive a power failure. */
  readonly #durable = new Map<string, Inode>();
  /** Changes since the last flush of their folder. */
  #changes: NameChange[] = [];

  /** Whether a file exists. */
  has(path: string): boolean {
    return this.#cached.has(path);
  }

  /**
   * Finds a file.
   *
   * @param path Its name.
   * @param operation The operation, for the error.
   * @returns The file. Throws `ENOENT` if there is none.
   */
  inode(path: string, operation: string): Inode {
    const inode = this.#cached.get(path);
    if (inode === undefined) throw systemError("ENOENT", operation, path);
    return inode;
  }

  /** The names of all files, with their folders. */
  paths(): string[] {
    return [...this.#cached.keys()];
  }

  /** All files that programs see. */
  inodes(): Iterable<Inode> {
    return this.#cached.values();
  }

  /** The names of the files in a folder, without the folder. */
  list(folder: string): string[] {
    return this.paths().filter((path) => folderOf(path) === folder).map((path) => path.slice(folder.length + 1));
  }

  /**
   * Sets or removes a name.
   *
   * @param path The name.
   * @param inode The file that gets it; `undefined` removes the name.
   * @param from The old name, which is removed.
   */
  change(path: string, inode: Inode | undefined, from?: string): void {
    const change = { path, inode, from };
    apply(this.#cached, change);
    this.#changes.push(change);
  }

  /** Makes the changes of a folder durable. */
  sync(folder: string): void {
    this.#changes = this.#changes.filter((change) => {
      if (folderOf(change.path) !== folder) return true;
      apply(this.#durable, change);
      return false;
    });
  }

  /**
   * Simulates a power failure: each change that no flush has covered may or may not be durable.
   *
   * @param random Decides.
   * @returns All files before the failure.
   */
  crash(random: Random): Set<Inode> {
    for (const change of this.#changes) if (!random.chance(0.5)) apply(this.#durable, change);
    const inodes = new Set([...this.#cached.values(), ...this.#durable.values()]);
    this.#changes = [];
    this.#cached = new Map(this.#durable);
    return inodes;
  }

  /** Removes a file for good. */
  lose(path: string): void {
    this.#cached.delete(path);
    this.#durable.delete(path);
  }
}
