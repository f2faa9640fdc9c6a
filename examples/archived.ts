/**
 * Archives the log of a program in an object store, beside the program's own writer. `docs/guides/disaster-recovery.md`
 * is the guide.
 *
 * @module
 */

import { WalLog } from "../mod.ts";
import { type Archive, archive, FolderStore } from "../src/archive/mod.ts";

/**
 * Archives a log until the result is closed.
 *
 * @param folder The folder of a log that is open for writing.
 * @param place The store: `file:///folder` or `s3://bucket/prefix`. S3 needs the package `aws4fetch`.
 * @param intervalMilliseconds The time between two uploads: the most that a lost disk costs. Default: 1000.
 */
export async function archiveFolder(folder: string, place: string, intervalMilliseconds = 1000): Promise<Archive> {
  const store = place.startsWith("s3://")
    ? new (await import("../src/archive/s3.ts")).S3Store(place)
    : new FolderStore(new URL(place));
  const log = await WalLog.open(folder, { readOnly: true, create: false });
  return archive(log, store, { intervalMilliseconds });
}
