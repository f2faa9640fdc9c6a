/**
 * SQLite, twice: `better-sqlite3` and the runtime's own `node:sqlite`. A table with the index as its row number.
 *
 * @module
 */

import { join } from "node:path";
import { loadPeer } from "./peers.ts";
import { NotAvailable, type OpenOptions, type Scanned, type Store, type StoreKind } from "./store.ts";

/** The number of rows that a scan requests at once. Both are faster this way than with an iterator. */
const SCAN_ROWS = 1000;

/** A row of one column: the value itself, in an array, or under its name. */
type Row = Uint8Array | readonly [Uint8Array] | { readonly command: Uint8Array };

/** The shared part of a statement. */
interface Statement {
  run(...values: unknown[]): unknown;
  get(...values: unknown[]): Row;
  all(...values: unknown[]): Row[];
  /** `better-sqlite3`: returns the value of rows with one column. */
  pluck?(): unknown;
  /** `node:sqlite`, but not in every version: returns rows as arrays. */
  setReturnArrays?(enabled: boolean): void;
}

/** The shared part of a database. */
interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): void;
}

class SqliteStore implements Store {
  readonly #database: Database;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #insert: Statement;
  readonly #one: Statement;
  readonly #range: Statement;

  constructor(database: Database, isDurable: boolean) {
    database.exec("PRAGMA journal_mode = WAL");
    database.exec(`PRAGMA synchronous = ${isDurable ? "FULL" : "OFF"}`);
    database.exec("CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, command BLOB NOT NULL)");
    this.#database = database;
    this.#begin = database.prepare("BEGIN");
    this.#commit = database.prepare("COMMIT");
    this.#insert = database.prepare("INSERT INTO log VALUES (?, ?)");
    this.#one = this.#reading("SELECT command FROM log WHERE id = ?");
    this.#range = this.#reading("SELECT command FROM log WHERE id BETWEEN ? AND ?");
  }

  #reading(sql: string): Statement {
    const statement = this.#database.prepare(sql);
    statement.pluck?.();
    statement.setReturnArrays?.(true);
    return statement;
  }

  append(first: number, commands: readonly Uint8Array[]): void {
    if (commands.length === 1) {
      return void this.#insert.run(first, commands[0]!);
    }
    this.#begin.run();
    for (let i = 0; i < commands.length; i++) {
      this.#insert.run(first + i, commands[i]!);
    }
    this.#commit.run();
  }

  commit(first: number, commands: readonly Uint8Array[]): void {
    this.append(first, commands);
  }

  scan(): Scanned {
    let entries = 0;
    let bytes = 0;
    for (let rows; (rows = this.#range.all(entries + 1, entries + SCAN_ROWS)).length > 0;) {
      entries += rows.length;
      for (const row of rows) bytes += commandOf(row).length;
    }
    return { entries, bytes };
  }

  get(index: number): Uint8Array {
    return commandOf(this.#one.get(index));
  }

  range(from: number, to: number): Uint8Array[] {
    return this.#range.all(from, to).map(commandOf);
  }

  close(): void {
    this.#database.close();
  }
}

function commandOf(row: Row): Uint8Array {
  if (row instanceof Uint8Array) return row;
  return "command" in row ? row.command : row[0];
}

const NOTE = "WAL mode, `synchronous = FULL`; without sync: `OFF`; prepared statements, a transaction for each batch";

/** `better-sqlite3`. */
export const betterSqlite3: StoreKind = {
  name: "better-sqlite3",
  title: "better-sqlite3",
  note: NOTE,
  load() {
    const Database = loadPeer("better-sqlite3");
    return Promise.resolve(
      (folder: string, { isDurable }: OpenOptions) =>
        new SqliteStore(new Database(join(folder, "log.sqlite")), isDurable),
    );
  },
};

/** `node:sqlite`. */
export const nodeSqlite: StoreKind = {
  name: "node-sqlite",
  title: "node:sqlite",
  note: NOTE,
  async load() {
    try {
      const { DatabaseSync } = await import("node:sqlite");
      return (folder, { isDurable }) =>
        new SqliteStore(new DatabaseSync(join(folder, "log.sqlite")) as unknown as Database, isDurable);
    } catch (error) {
      throw new NotAvailable(`does not load: ${(error as Error).message}`);
    }
  },
};
