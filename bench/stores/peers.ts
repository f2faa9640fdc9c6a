/**
 * Loads packages that are installed only for the benchmark (`bench/package.json`).
 *
 * @module
 */

import { createRequire } from "node:module";
import { NotAvailable } from "./store.ts";

const require = createRequire(new URL("../package.json", import.meta.url));

/**
 * Loads a peer.
 *
 * @param name Its package.
 * @returns Its module, without types, because these are missing if it is not installed.
 * @throws {NotAvailable} If it is not installed or does not load in this runtime.
 */
// deno-lint-ignore no-explicit-any
export function loadPeer(name: string): any {
  try {
    return require(name);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const [line] = message.split("\n");
    throw new NotAvailable(
      code === "MODULE_NOT_FOUND" ? `not installed: npm ci --prefix bench` : `does not load: ${line}`,
    );
  }
}
