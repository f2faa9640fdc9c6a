#!/usr/bin/env node
/**
 * The command line: `wal-log info`, `verify`, `dump`, `report`, `repair`, `salvage`, `backup`, `archive`, `restore`,
 * `import`, `export`, `bench`. This module is a program and exports nothing: importing it runs it.
 *
 * ```sh
 * deno run --allow-read --allow-write --allow-env jsr:@wallog/wallog/cli verify /data/raft.wal
 * npx @wallog/wallog verify /data/raft.wal
 * ```
 *
 * @module
 */

import process from "node:process";
import { main } from "./main.ts";

process.exitCode = await main(process.argv.slice(2));
