/** The ids of a log: the file IDENTITY, new incarnations, and founding a cluster. */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { describe, it } from "node:test";
import { type LogIdentity, WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { Codec } from "../src/codec/codec.ts";
import { decodeIdentity, encodeIdentity, type Identity, IDENTITY_BYTES } from "../src/format/identity.ts";
import { FORMAT_VERSION } from "../src/format/segment_header.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { entriesAt } from "./history.ts";

const FOLDER = resolve("/raft.wal");
const PATH = `${FOLDER}/IDENTITY`;
const CLUSTER = "00112233-4455-6677-8899-aabbccddeeff";
const OTHER_CLUSTER = "ffffffff-4455-6677-8899-aabbccddeeff";
const CRASH_SEEDS = 12;

const codec = new Codec();
const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);

function open(disk: SimulatedDisk, options: WalLogOptions = {}): WalLog {
  return WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, ...options });
}

/** A log with two entries that are durable, closed. */
function makeLog(disk: SimulatedDisk): LogIdentity {
  const log = open(disk);
  log.append(entriesAt(1, 2));
  log.closeSync();
  return log.identity;
}

function identityOf(disk: SimulatedDisk, options: WalLogOptions = {}): LogIdentity {
  const log = open(disk, options);
  log.closeSync();
  return log.identity;
}

/** Puts a file in the place of another, durably. */
function replace(disk: SimulatedDisk, bytes: Uint8Array): void {
  if (disk.files().includes(PATH)) disk.lose(PATH);
  const file = disk.fileSystem.open(PATH, "create");
  file.write(bytes, 0);
  file.sync();
  file.close();
  disk.fileSystem.syncDirectory(FOLDER);
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof WalLogError && error.code === code;
}

describe("the bytes of IDENTITY", () => {
  const id = (first: number) => Uint8Array.from({ length: 16 }, (_, i) => first + i);
  const identity: Identity = { uuid: id(1), incarnation: id(101), cluster: id(201) };

  it("are laid out as documented", () => {
    const bytes = encodeIdentity(identity, sum);
    assert.equal(bytes.length, IDENTITY_BYTES);
    assert.equal(new TextDecoder().decode(bytes.subarray(0, 8)), "WALLOGID");
    const view = new DataView(bytes.buffer);
    assert.deepEqual([view.getUint32(8, true), view.getUint32(12, true)], [FORMAT_VERSION, 0]);
    assert.deepEqual([bytes[16], bytes[32], bytes[48]], [1, 101, 201]);
    assert.equal(view.getBigUint64(64, true), sum(bytes.subarray(0, 64), 0n));
    assert.deepEqual(decodeIdentity(bytes, sum), identity);
  });

  it("are damaged if any bit is flipped or any byte is missing", () => {
    const bytes = encodeIdentity(identity, sum);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.slice();
      flipped[at]! ^= 1;
      assert.equal(decodeIdentity(flipped, sum), undefined, `bit at ${at}`);
      assert.equal(decodeIdentity(bytes.subarray(0, at), sum), undefined, `cut to ${at}`);
    }
  });

  it("are damaged if they have another length, even with a valid checksum", () => {
    const longer = new Uint8Array(IDENTITY_BYTES + 8);
    longer.set(encodeIdentity(identity, sum));
    new DataView(longer.buffer).setBigUint64(IDENTITY_BYTES, sum(longer.subarray(0, IDENTITY_BYTES), 0n), true);
    assert.equal(decodeIdentity(longer, sum), undefined);
  });
});

describe("the identity of a log", () => {
  it("stays the same when the log is opened again, and a reader sees it", () => {
    const disk = new SimulatedDisk();
    const identity = makeLog(disk);
    const id = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
    assert.match(identity.log, id);
    assert.match(identity.incarnation!, id);
    assert.notEqual(identity.incarnation, identity.log);
    assert.equal(identity.cluster, undefined);
    assert.ok(Object.isFrozen(identity));
    assert.deepEqual(identityOf(disk, { readOnly: true }), identity);
    assert.deepEqual(identityOf(disk), identity);
    const log = open(disk);
    disk.crash();
    assert.deepEqual(log.identity, identity);
    assert.deepEqual(identityOf(disk), identity);
  });

  it("differs from log to log", () => {
    const [one, other] = [1, 2].map((seed) => makeLog(new SimulatedDisk({ seed })));
    assert.notEqual(one!.log, other!.log);
    assert.notEqual(one!.incarnation, other!.incarnation);
  });

  it("is all zeros, without an incarnation, for a reader of a log that does not exist yet", () => {
    const disk = new SimulatedDisk();
    disk.fileSystem.makeDirectory(FOLDER, 0o700);
    const nothing = { log: "00000000-0000-0000-0000-000000000000", incarnation: undefined, cluster: undefined };
    assert.deepEqual(identityOf(disk, { readOnly: true }), nothing);
  });

  for (
    const [shape, harm] of Object.entries<(disk: SimulatedDisk) => void>({
      missing: (disk) => disk.lose(PATH),
      damaged: (disk) => disk.flip(PATH, 40),
      empty: (disk) => replace(disk, new Uint8Array(0)),
    })
  ) {
    it(`has a new incarnation if IDENTITY was ${shape}, and the same UUID`, () => {
      const disk = new SimulatedDisk();
      const before = makeLog(disk);
      harm(disk);
      const unknown = { ...before, incarnation: undefined };
      assert.deepEqual(identityOf(disk, { readOnly: true }), unknown, "a reader changes nothing");
      const after = identityOf(disk);
      assert.equal(after.log, before.log);
      assert.notEqual(after.incarnation, before.incarnation);
      assert.deepEqual(identityOf(disk), after, "it stays from then on");
    });
  }

  it("has a new incarnation if all segments were lost, and the same UUID and cluster", () => {
    const disk = new SimulatedDisk();
    makeLog(disk);
    const log = open(disk);
    log.foundCluster(CLUSTER);
    log.closeSync();
    const before = log.identity;
    for (const path of disk.files()) if (path.endsWith(".seg")) disk.lose(path);
    assert.throws(() => open(disk), hasCode("CORRUPT"));
    assert.deepEqual(identityOf(disk, { readOnly: true, onDamage: "keep" }), before);
    const after = identityOf(disk, { onDamage: "keep" });
    assert.deepEqual({ ...after, incarnation: before.incarnation }, before);
    assert.notEqual(after.incarnation, before.incarnation);
    assert.deepEqual(identityOf(disk, { onDamage: "keep" }), after);
  });

  it("has a new incarnation if all segments were lost and a crash interrupts the opening", () => {
    for (let operation = 0, isCrashed = true; isCrashed; operation++) {
      const disk = new SimulatedDisk({ seed: operation + 1 });
      makeLog(disk);
      const before = identityOf(disk);
      for (const path of disk.files()) if (path.endsWith(".seg")) disk.lose(path);
      disk.failAfter("crash", operation);
      try {
        open(disk, { onDamage: "keep" }).closeSync();
        isCrashed = disk.hasPower === false;
      } catch { /* the power went */ }
      disk.crash();
      const after = identityOf(disk, { onDamage: "keep" });
      assert.notEqual(after.incarnation, before.incarnation, `at operation ${operation}`);
    }
  });

  it("is refused if a later version of the format wrote it, and not changed", () => {
    const disk = new SimulatedDisk();
    makeLog(disk);
    const bytes = new Uint8Array(IDENTITY_BYTES + 16);
    bytes.set(disk.content(PATH).subarray(0, 64));
    const view = new DataView(bytes.buffer);
    view.setUint32(8, FORMAT_VERSION + 1, true);
    view.setBigUint64(bytes.length - 8, sum(bytes.subarray(0, -8), 0n), true);
    replace(disk, bytes);
    for (const options of [{}, { readOnly: true }, { onDamage: "keep" }] as const) {
      assert.throws(() => open(disk, options), {
        code: "UNSUPPORTED_VERSION",
        message: /IDENTITY: it is in format version 3, this library reads version 2/,
      });
    }
    assert.deepEqual(disk.content(PATH), bytes);
  });

  it("of version 1 without a segment shows that a log is lost, and is not changed", () => {
    const disk = new SimulatedDisk();
    disk.fileSystem.makeDirectory(FOLDER, 0o700);
    const bytes = new Uint8Array(64).fill(7, 16, 32);
    bytes.set(new TextEncoder().encode("WALLOGID\u0001"));
    new DataView(bytes.buffer).setBigUint64(32, sum(bytes.subarray(0, 32), 0n), true);
    replace(disk, bytes);
    for (const options of [{}, { readOnly: true }]) assert.throws(() => open(disk, options), hasCode("CORRUPT"));
    assert.deepEqual(disk.content(PATH), bytes);
  });
});

describe("the founding of a cluster", () => {
  it("gives the log the cluster's id for good", () => {
    const disk = new SimulatedDisk();
    const before = makeLog(disk);
    const log = open(disk);
    log.foundCluster(CLUSTER.toUpperCase());
    const founded = { ...before, cluster: CLUSTER };
    assert.deepEqual(log.identity, founded);
    disk.crash();
    assert.deepEqual(identityOf(disk, { readOnly: true }), founded);
    assert.deepEqual(identityOf(disk), founded);
  });

  it("also accepts the id as bytes, and copies them", () => {
    const log = open(new SimulatedDisk());
    const id = new Uint8Array(16).fill(0xab);
    log.foundCluster(id);
    id.fill(0);
    assert.equal(log.identity.cluster, "abababab-abab-abab-abab-abababababab");
  });

  it("changes nothing if the log already belongs to the cluster", () => {
    const disk = new SimulatedDisk();
    const log = open(disk);
    log.foundCluster(CLUSTER);
    disk.failAfter("EIO");
    log.foundCluster(CLUSTER);
    assert.ok(disk.isFaultPending);
  });

  it("is refused if the log belongs to another cluster", () => {
    const disk = new SimulatedDisk();
    let log = open(disk);
    log.foundCluster(CLUSTER);
    for (let i = 0; i < 2; i++) {
      const message = new RegExp(`Cannot found the cluster ${OTHER_CLUSTER}: .* belongs to ${CLUSTER}`);
      assert.throws(() => log.foundCluster(OTHER_CLUSTER), { code: "INVALID_ARGUMENT", message });
      assert.equal(log.identity.cluster, CLUSTER);
      log.closeSync();
      log = open(disk);
    }
  });

  it("is refused for a value that is not an id", () => {
    const log = open(new SimulatedDisk());
    const wrong = [
      "",
      "cluster",
      `{${CLUSTER}}`,
      CLUSTER.replaceAll("-", ""),
      "00000000-0000-0000-0000-000000000000",
      new Uint8Array(16),
      new Uint8Array(15).fill(1),
      new Uint8Array(17).fill(1),
      undefined,
      null,
      7n,
      [...new Uint8Array(16).fill(1)],
    ];
    for (const id of wrong) assert.throws(() => log.foundCluster(id as never), hasCode("INVALID_ARGUMENT"), String(id));
    assert.equal(log.identity.cluster, undefined);
  });

  it("is refused on a log that is opened for reading only, or closed", () => {
    const disk = new SimulatedDisk();
    makeLog(disk);
    const log = open(disk, { readOnly: true });
    assert.throws(() => log.foundCluster(CLUSTER), hasCode("READ_ONLY"));
    log.closeSync();
    assert.throws(() => log.foundCluster(CLUSTER), hasCode("CLOSED"));
  });

  it("leaves the old or the new identity if the power fails, and the new one after it returns", () => {
    const found = new Set<string | undefined>();
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      for (let operation = 0, isDone = false; !isDone; operation++) {
        const disk = new SimulatedDisk({ seed });
        const before = makeLog(disk);
        const log = open(disk);
        disk.failAfter("crash", operation);
        try {
          log.foundCluster(CLUSTER);
          isDone = true;
        } catch {
          assert.ok(!disk.hasPower);
        }
        disk.heal();
        disk.crash();
        const after = identityOf(disk);
        assert.deepEqual({ ...after, cluster: undefined }, before, `operation ${operation}, seed ${seed}`);
        if (isDone) assert.equal(after.cluster, CLUSTER, `seed ${seed}`);
        else found.add(after.cluster);
        assert.deepEqual(disk.files().filter((name) => name.endsWith(".tmp")), []);
      }
    }
    assert.deepEqual(found, new Set([undefined, CLUSTER]));
  });

  it("leaves the log unchanged if the disk is full, and works when there is space", () => {
    for (const only of ["create", "write", "sync"] as const) {
      const disk = new SimulatedDisk();
      const log = open(disk);
      disk.failAfter("ENOSPC", 0, only);
      assert.throws(() => log.foundCluster(CLUSTER), hasCode("NO_SPACE"), only);
      assert.equal(log.identity.cluster, undefined);
      assert.deepEqual(disk.files().filter((name) => name.endsWith(".tmp")), [], only);
      log.append(entriesAt(1, 2));
      log.foundCluster(CLUSTER);
      assert.equal(log.identity.cluster, CLUSTER);
    }
  });

  it("ends the writer if the disk fails, because the disk may have either identity", () => {
    for (const only of ["write", "sync", "rename", "syncDirectory"] as const) {
      const disk = new SimulatedDisk();
      const before = makeLog(disk);
      const log = open(disk);
      disk.failAfter("EIO", 0, only);
      assert.throws(() => log.foundCluster(CLUSTER), hasCode("POISONED"), only);
      assert.deepEqual(log.identity, before, only);
      assert.throws(() => log.append(entriesAt(3, 3)), hasCode("POISONED"), only);
      assert.throws(() => log.closeSync(), hasCode("POISONED"), only);
      disk.crash();
      const after = identityOf(disk);
      assert.deepEqual({ ...after, cluster: undefined }, before, only);
    }
  });
});
