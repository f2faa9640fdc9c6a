// Vitest with jsdom: TextEncoder, Buffer and URL are not those of the realm that the library is loaded in.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { WalLog } from "@wallog/wallog";

// As its option --globals has them.
const { expect, test } = globalThis;

test("a log takes what jsdom makes", async () => {
  expect(typeof document).toBe("object");
  const folder = mkdtempSync(join(tmpdir(), "wallog-dom-"));
  const { href } = pathToFileURL(join(folder, "log"));
  const log = await WalLog.open(new URL(href), { signal: new AbortController().signal });
  log.append([
    { term: 1, index: 1, command: new TextEncoder().encode("a") },
    { term: 1, index: 2, command: Buffer.from("b") },
    { term: 1, index: 3, command: new document.defaultView.Uint8Array([1, 2, 3]) },
  ]);
  expect(await log.sync()).toBe(3);
  expect(log.entry(3).command).toEqual(new Uint8Array([1, 2, 3]));
  await log.close();
  rmSync(folder, { recursive: true });
});
