/**
 * Writes objects to a store in a folder, and says so.
 *
 *     store_writer.ts FOLDER
 *
 * @module
 */

import process from "node:process";
import { bodyOf, FolderStore } from "../../src/archive/mod.ts";

const store = new FolderStore(process.argv[2]!);
const bytes = new TextEncoder().encode("bytes");
await store.put("a/put", bodyOf(bytes));
console.log("put");
await store.putIfAbsent("a/created", bytes);
console.log("created");
