/**
 * Finds a readable snapshot of a log.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { WalLogError } from "../api/errors.ts";
import type { Progress } from "../api/options.ts";
import { isSnapshotName, snapshotIndexOf } from "../format/snapshot_name.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { SnapshotReader } from "../snapshots/snapshot_file.ts";
import type { Index, SnapshotStream, Term } from "../api/types.ts";
import type { SnapshotSource } from "../maintain/write_anew.ts";
import { type Inspection, withProgress } from "./inspect.ts";

/**
 * Finds the snapshot of a log: its own, or, if that cannot be read, the newest one in its folder that is not older. If
 * a log has lost its newest segment, it may not know its latest snapshot, but the file still exists.
 *
 * @param found The log.
 * @param signal Ends it early.
 * @returns The snapshot, every checksum verified; `undefined` if there is no readable one.
 */
export async function readableSnapshot(found: Inspection, signal: AbortSignal): Promise<SnapshotSource | undefined> {
  const { folder, opened } = found;
  const { snapshotIndex, snapshotTerm } = opened.index;
  const candidates = readdirSync(folder).filter(isSnapshotName)
    .map((name) => ({ index: snapshotIndexOf(name), term: Number(name.slice(name.indexOf("-") + 1, -5)) }))
    .filter(({ index }) => index >= snapshotIndex)
    .sort((a, b) => Number(isOwn(b)) - Number(isOwn(a)) || b.index - a.index || b.term - a.term);
  function isOwn({ index, term }: { readonly index: Index; readonly term: Term }): boolean {
    return index === snapshotIndex && term === snapshotTerm;
  }
  for (const { index, term } of candidates) {
    const open = () => new SnapshotReader(nodeFileSystem, folder, opened.codec, opened.uuid, index, term);
    try {
      const reader = open();
      await withProgress("reading the snapshot", verifying(reader, signal));
      return { meta: reader.meta, dataBytes: reader.dataBytes, open: () => streamOf(open()) };
    } catch (error) {
      if (!(error instanceof WalLogError) || error.code !== "CORRUPT") throw error;
    }
  }
  return undefined;
}

/** Reads all pieces, and yields the progress. */
function* verifying(reader: SnapshotReader, signal: AbortSignal): Generator<Progress, void> {
  let bytesDone = 0;
  for (const piece of reader.pieces()) {
    signal.throwIfAborted();
    yield { bytesDone: bytesDone += piece.length, bytesTotal: reader.dataBytes };
  }
}

function streamOf(reader: SnapshotReader): SnapshotStream {
  const pieces = reader.pieces();
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const step = pieces.next();
      if (step.done) controller.close();
      else controller.enqueue(step.value);
    },
    cancel: () => reader.close(),
  }, { highWaterMark: 0 });
  return stream as SnapshotStream;
}
