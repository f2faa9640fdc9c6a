/**
 * The names of the files of a simulated disk: those that programs see, those that survive a power cut, and the changes
 * that are on their way from the first to the second.
 *
 * @module
 */

import { systemError } from "./disk_faults.ts";
import type { Random } from "./random.ts";
import type { Inode } from "./simulated_file.ts";

/** A change of a folder that no flush has covered yet. */
interface NameChange {
  readonly path: string;
  /** The file that gets the name; `undefined` if the name goes. */
  readonly inode: Inode | undefined;
  /** With a rename, the name that goes in the same step. */
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
  /** What programs see. */
  #cached = new Map<string, Inode>();
  /** What survives a power cut. */
  readonly #durable = new Map<string, Inode>();
  /** What has changed since the last flush of its folder. */
  #changes: NameChange[] = [];

  /** Whether there is a file. */
  has(path: string): boolean {
    return this.#cached.has(path);
  }

  /**
   * Finds a file.
   *
   * @param path Its name.
   * @param operation What it is for, for the error.
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
   * Gives a name, or takes it away.
   *
   * @param path The name.
   * @param inode The file that gets it; `undefined` takes it away.
   * @param from The name that the file had, which goes.
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
   * The power goes: each change that no flush has covered is durable or is not.
   *
   * @param random Decides.
   * @returns All files that there were.
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
