/** A log that takes note of which of its snapshots are open. */

import { MemoryLog, type SnapshotSource } from "../mod.ts";

/** A log that takes note of which of its snapshots are open. */
export class CountingLog extends MemoryLog {
  opened = 0;
  closed = 0;
  override openSnapshotSource(): SnapshotSource | undefined {
    const source = super.openSnapshotSource();
    if (source === undefined) return undefined;
    this.opened++;
    const close = source.close.bind(source);
    return Object.assign(source, { close: () => (this.closed++, close()) });
  }
}
