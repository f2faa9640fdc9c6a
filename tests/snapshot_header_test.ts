/** The header of a snapshot file. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { Codec } from "../src/codec/codec.ts";
import { FORMAT_VERSION } from "../src/format/segment_header.ts";
import {
  decodeSnapshotHeader,
  encodeSnapshotHeader,
  measureSnapshotHeader,
  META_BYTES_MAX,
} from "../src/format/snapshot_header.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { bytesOf } from "./model.ts";
import { snapshotFiles, withLog } from "./snapshot_log.ts";

describe("the header of a snapshot file", () => {
  const NAME = snapshotName(3, 1);
  const codec = new Codec();
  const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
  const snapshot = { index: 3, term: 1, config: [1n, 2n], meta: bytesOf(21), data: bytesOf(50) };

  /** The files of a log with the snapshot. */
  const makeFiles = (): Map<string, Uint8Array> => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk });
    log.applySnapshot(snapshot);
    log.closeSync();
    return new Map([...disk.contents()].map(([name, bytes]) => [name, bytes.slice()]));
  };

  /** Changes the header, recomputes its checksum if requested, and opens the log. */
  const openChanged = (change: (view: DataView) => void, isSummed: boolean, verify: "full" | "tail") => {
    const files = makeFiles();
    const bytes = files.get(NAME)!;
    const view = new DataView(bytes.buffer);
    const end = (measureSnapshotHeader(bytes) as number) - 8;
    change(view);
    if (isSummed) view.setBigUint64(end, sum(bytes.subarray(0, end), 0n), true);
    return () => WalLog.openSync(MemoryDisk.PATH, { fileSystem: new MemoryDisk(files), verify }).snapshot();
  };

  it("is laid out as documented, and read back", () => {
    const bytes = makeFiles().get(NAME)!;
    const view = new DataView(bytes.buffer);
    assert.equal(new TextDecoder().decode(bytes.subarray(0, 8)), "WALLOGSN");
    assert.deepEqual([8, 12, 56, 60].map((at) => view.getUint32(at, true)), [FORMAT_VERSION, 2, 21, 0]);
    assert.deepEqual([64, 72].map((at) => view.getBigUint64(at, true)), [1n, 2n]);
    assert.deepEqual(bytes.slice(80, 101), bytesOf(21));
    assert.equal(measureSnapshotHeader(bytes), 112);
    const header = decodeSnapshotHeader(bytes.slice(0, 112), sum);
    assert.ok(typeof header === "object");
    assert.deepEqual([header.config, header.meta], [snapshot.config, snapshot.meta]);
    const again = encodeSnapshotHeader(snapshot, header.uuid, header.salt, sum);
    assert.deepEqual(again, bytes.slice(0, 112));
  });

  for (const verify of ["full", "tail"] as const) {
    it(`is corrupt if any bit of it is flipped, meta and padding included, verify "${verify}"`, () => {
      for (let at = 0; at < 112; at++) {
        const flipped = openChanged((view) => view.setUint8(at, view.getUint8(at) ^ 4), false, verify);
        assert.throws(flipped, { code: "CORRUPT" }, `at byte ${at}`);
      }
    });

    it(`is corrupt if it claims too much meta, verify "${verify}"`, () => {
      for (const length of [META_BYTES_MAX + 1, 2 ** 32 - 1]) {
        const message = new RegExp(`it claims ${length} bytes of meta`);
        assert.throws(openChanged((view) => view.setUint32(56, length, true), true, verify), (error) => {
          assert.ok(error instanceof WalLogError && error.code === "CORRUPT");
          assert.match(error.damage[0]!.reason, message);
          return true;
        });
      }
      assert.throws(openChanged((view) => view.setUint32(56, META_BYTES_MAX, true), false, verify), {
        code: "CORRUPT",
      });
    });

    it(`is refused if it has another version, verify "${verify}"`, () => {
      for (const version of [1, 3]) {
        assert.throws(openChanged((view) => view.setUint32(8, version, true), true, verify), {
          code: "UNSUPPORTED_VERSION",
          message: new RegExp(`${NAME}: it is in format version ${version}, this library reads version 2`),
        });
      }
    });
  }

  for (const way of ["createSnapshot", "receiveSnapshot"] as const) {
    it(
      `has the meta from the time when ${way} was called`,
      withLog(async ({ path, log }) => {
        const meta = bytesOf(META_BYTES_MAX);
        const writer = log[way]({ index: 5, term: 1, config: [1n], meta }).getWriter();
        meta.fill(0);
        await writer.write(bytesOf(10));
        await writer.close();
        const reader = WalLog.openSync(path, { readOnly: true });
        for (const one of [log, reader]) {
          assert.deepEqual(one.snapshotMeta(), { index: 5, term: 1, config: [1n], meta: bytesOf(META_BYTES_MAX) });
          assert.deepEqual(one.snapshot()!.data, bytesOf(10));
        }
        reader.closeSync();
      }),
    );

    it(
      `is not written if ${way} gets meta that is too long or not bytes`,
      withLog(({ path, log }) => {
        for (const meta of [new Uint8Array(META_BYTES_MAX + 1), null, "meta", [1]]) {
          const refused = () => log[way]({ index: 5, term: 1, config: [], meta: meta as Uint8Array });
          assert.throws(refused, { code: "INVALID_ARGUMENT", message: /at index 5: the meta must/ });
        }
        assert.deepEqual(snapshotFiles(path), []);
      }),
    );
  }
});
