/**
 * Follows a log of changes from another process, and applies each change to a SQLite database exactly once:
 *
 *     node examples/change-feed/feed.ts data
 *
 * @module
 */

import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { EventLog } from "../../src/events/mod.ts";

/** A change of an account. */
export interface Change {
  readonly account: string;
  readonly amount: number;
}

const folder = process.argv[2] ?? "data";
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => stop.abort());

const db = new DatabaseSync(join(folder, "view.db"));
// A power cut can take the last transactions, and their positions with them. The feed then applies them again.
db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
db.exec("CREATE TABLE IF NOT EXISTS balances (account TEXT PRIMARY KEY, amount INTEGER NOT NULL)");
db.exec("CREATE TABLE IF NOT EXISTS feed (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL)");
db.exec("INSERT OR IGNORE INTO feed VALUES (1, 0)");
const add = db.prepare(
  "INSERT INTO balances VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET amount = amount + excluded.amount",
);
const move = db.prepare("UPDATE feed SET position = ?");
const { position: applied } = db.prepare("SELECT position FROM feed").get() as { position: number };

const log = await EventLog.open<Change>(join(folder, "changes.wal"), { readOnly: true });
console.log(`following from position ${applied + 1}`);
try {
  for await (const { position, event } of log.follow({ from: applied + 1, signal: stop.signal })) {
    db.exec("BEGIN IMMEDIATE");
    add.run(event.account, event.amount);
    move.run(position); // In the transaction of the change: both are stored, or neither.
    db.exec("COMMIT");
  }
} catch (error) {
  if (!stop.signal.aborted) throw error;
} finally {
  await log.close();
  db.close();
}
