/**
 * The writer's lock: an exclusive transaction on an empty SQLite database, through the SQLite that Deno, Bun
 * and Node all bring along.
 *
 * Why SQLite: none of the three offers file locks to the others' standard (`flock` is Deno's alone), and a lock
 * file with a process id survives a kill. SQLite takes the kernel's own record locks, which end with the
 * process however it ends; it takes the same ones in all three runtimes; and it keeps two opens within one
 * process apart as well, which bare record locks would not.
 *
 * @module
 */

import process from "node:process";
import type { FileLock } from "./file_system.ts";

/** The part of `node:sqlite` that is used. */
interface Database {
  exec(sql: string): void;
  close(): void;
}

/** Open locks. Bun collects a database that nothing refers to, and with it the lock. */
const held = new Set<Database>();

/**
 * Takes the lock.
 *
 * @param path The lock file; made, empty, if it is missing. Nothing else may open it: closing any other
 * descriptor of the file would drop the process's record locks.
 * @returns The lock, or `undefined` if another writer holds it, in this process or any other.
 */
export function lockFile(path: string): FileLock | undefined {
  // Loaded when needed: a reader takes no lock, and SQLite costs some milliseconds to load.
  const sqlite = process.getBuiltinModule("node:sqlite") as unknown as { DatabaseSync: new (path: string) => Database };
  const database = new sqlite.DatabaseSync(path);
  try {
    // A journal in memory, so that taking the lock writes nothing: it works on a full disk.
    database.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (/database is (locked|busy)/.test(String((error as Error)?.message))) return undefined;
    throw error;
  }
  held.add(database);
  return {
    release(): void {
      if (held.delete(database)) database.close();
    },
  };
}
