/** A log that follows an archive. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLogError } from "../mod.ts";
import { MemoryStore } from "../src/archive/mod.ts";
import { ArchivedLog } from "./archived_log.ts";
import { Follower, WARM } from "./follower.ts";
import { fingerprint } from "./simulated_log.ts";

/** Changes of an archived log, one after another. */
const CHANGES: readonly ((archived: ArchivedLog) => void)[] = [
  (one) => one.append(5),
  (one) => one.append(3),
  (one) => one.log.setHardState({ term: 2, votedFor: 7n }),
  (one) => one.append(300),
  (one) => one.append(1),
  (one) => one.log.truncate(290),
  (one) => one.append(20, 3),
  (one) => one.log.compact(250, { data: new Uint8Array(30_000).fill(5) }),
  (one) => one.append(100),
  (one) => {
    one.log.truncate(300);
    one.log.compact(299, { data: new Uint8Array(10) });
    one.append(40, 4);
    one.log.compact(330, { data: new Uint8Array(20) });
  },
  (one) => void one.log.applySnapshot({ index: 900, term: 6, config: [1n], data: new Uint8Array(5) }),
  (one) => one.append(10, 6),
  (one) =>
    one.log.append([911, 912, 913].map((index) => ({
      term: 6,
      index,
      kind: "normal" as const,
      command: new Uint8Array(3000).fill(index),
    }))),
];

/** The objects of an archive after each change, and the state of the log then. */
interface Stage {
  readonly objects: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly state: string;
}

/** Archives each change. Also returns all states that the log had meanwhile. */
async function stagesOf(): Promise<{ readonly stages: readonly Stage[]; readonly states: ReadonlySet<string> }> {
  const store = new MemoryStore();
  const archived = new ArchivedLog(store);
  const states = new Set<string>();
  const stages: Stage[] = [];
  const { log } = archived;
  for (const name of ["append", "truncate", "compact", "applySnapshot", "setHardState"] as const) {
    const change = log[name].bind(log) as (...args: unknown[]) => unknown;
    Object.assign(log, {
      [name]: (...args: unknown[]) => {
        const result = change(...args);
        states.add(fingerprint(log));
        return result;
      },
    });
  }
  for (const change of CHANGES) {
    change(archived);
    await archived.archive();
    stages.push({ objects: new Map(store.objects), state: fingerprint(log) });
  }
  return { stages, states };
}

function replaceObjects(store: MemoryStore, objects: Stage["objects"]): void {
  store.objects.clear();
  for (const [key, bytes] of objects) store.objects.set(key, bytes);
}

/** Fails unless a standby has no log yet, or one that is clean and in a state that the archived log had. */
function requireState(follower: Follower, states: ReadonlySet<string>, verdicts: readonly string[] = ["clean"]): void {
  const { fileSystem } = follower.disk;
  if (!fileSystem.list(WARM).some((name) => /^\d+\.seg$/.test(name))) return;
  const log = follower.open();
  assert(verdicts.includes(log.recovery.verdict), log.recovery.verdict);
  assert(states.has(fingerprint(log)), "a state that the log never had");
}

/** A store that fails at one request. */
class FailingStore extends MemoryStore {
  requests = 0;
  private readonly failAt: number;

  constructor(failAt: number) {
    super();
    this.failAt = failAt;
  }

  override get(...args: Parameters<MemoryStore["get"]>) {
    this.count();
    return super.get(...args);
  }

  override list(...args: Parameters<MemoryStore["list"]>) {
    this.count();
    return super.list(...args);
  }

  private count(): void {
    if (++this.requests === this.failAt) throw new WalLogError("STORE", "the connection was lost");
  }
}

/** The beginning of the key of a segment's pieces, after that of the generation. */
function segmentPrefix(number: number, baseLsn: number): string {
  return `/segments/${String(number).padStart(12, "0")}-${String(baseLsn).padStart(16, "0")}-`;
}

/** The number of the change that makes two snapshots. Only the second one is archived. */
const SNAPSHOTS = 9;

describe("a standby", () => {
  it("takes each change of the archive", async () => {
    const archived = new ArchivedLog();
    const follower = new Follower(archived.store);
    await assert.rejects(follower.update(), { code: "NOT_FOUND" });
    for (const change of CHANGES) {
      change(archived);
      await archived.archive();
      await follower.update();
      follower.requireSame(fingerprint(archived.log));
      assert.equal(follower.log!.files.lastIndex, archived.log.lastIndex);
    }
    const { identity } = follower.open();
    assert.equal(identity.log, archived.log.identity.log);
    const other = new Follower(archived.store);
    await other.update();
    other.requireSame(fingerprint(archived.log));
    const incarnations = [identity, archived.log.identity, other.open().identity].map(({ incarnation }) => incarnation);
    assert.equal(new Set(incarnations).size, 3);
    const files = follower.disk.fileSystem.list(WARM).filter((name) => /^\d/.test(name));
    assert(files.length < 5, `it keeps ${files.length} files`);
  });

  it("has a log after a kill and after a power cut at any operation, and goes on", async () => {
    const { stages, states } = await stagesOf();
    for (const how of ["killed", "crashed"] as const) {
      let ends = 0;
      for (let after = 0;; after++) {
        const store = new MemoryStore();
        const follower = new Follower(store, after + 1);
        follower.disk.failAfter("crash", after);
        const last = stages.at(-1)!;
        for (const [number, { objects, state }] of stages.entries()) {
          replaceObjects(store, objects);
          const isDone = await follower.update().then(() => true, (error) => {
            assert(!follower.disk.hasPower, error);
            return false;
          });
          if (isDone) continue;
          ends++;
          follower.end(how);
          // A kill in the middle of a write leaves a torn end, as it does of any log. Within a change that makes several
          // snapshots, only the last one is archived, and the log needs the standby once more.
          if (how === "killed" && number !== SNAPSHOTS) requireState(follower, states, ["clean", "torn"]);
          await follower.load();
          requireState(follower, states);
          await follower.update();
          follower.requireSame(state);
          replaceObjects(store, last.objects);
          await follower.update();
          break;
        }
        follower.requireSame(last.state);
        if (follower.disk.isFaultPending) break;
      }
      assert(ends > 100, `${ends} ends`);
    }
  });

  it("goes on after a kill at any operation of its first copy, which begins before its snapshot", async () => {
    const archived = new ArchivedLog();
    archived.append(300);
    await archived.archive();
    archived.log.compact(150, { data: new Uint8Array(10) });
    archived.append(5);
    await archived.archive();
    for (let after = 0;; after++) {
      const follower = new Follower(archived.store);
      follower.disk.failAfter("crash", after);
      const isDone = await follower.update().then(() => true, () => false);
      if (isDone) {
        assert(after > 20, `${after} operations`);
        break;
      }
      follower.end("killed");
      await follower.update();
      follower.requireSame(fingerprint(archived.log));
    }
  });

  it("goes on after it ends while it removes replaced segments and those that its snapshot covers", async () => {
    const store = new MemoryStore();
    const archived = new ArchivedLog(store);
    archived.append(150);
    await archived.archive();
    const before = new Map(store.objects);
    archived.reopen("crashed");
    archived.append(150);
    await archived.archive();
    archived.log.compact(295, { data: new Uint8Array(10) });
    await archived.archive();
    const after = new Map(store.objects);
    for (const how of ["killed", "crashed"] as const) {
      for (let operations = 0;; operations++) {
        const follower = new Follower(store, operations + 1);
        replaceObjects(store, before);
        await follower.update();
        const replaced = follower.log!.files.segments.at(-1)!.header;
        replaceObjects(store, after);
        assert([...after.keys()].some((key) => key.includes(segmentPrefix(replaced.number + 1, replaced.baseLsn))));
        follower.disk.failAfter("crash", operations);
        const isDone = await follower.update().then(() => true, () => false);
        if (!isDone) {
          follower.end(how);
          await follower.update();
        }
        follower.requireSame(fingerprint(archived.log));
        if (isDone) {
          assert(operations > 20, `${operations} operations`);
          break;
        }
      }
    }
  });

  it("goes on after a failure at any request", async () => {
    const { stages, states } = await stagesOf();
    let failures = 0;
    for (let failAt = 1;; failAt++) {
      const store = new FailingStore(failAt);
      const follower = new Follower(store);
      for (const { objects, state } of stages) {
        replaceObjects(store, objects);
        await follower.update().catch(async (error) => {
          assert.equal(error.code, "STORE");
          failures++;
          requireState(follower, states);
          await follower.update();
        });
        follower.requireSame(state);
      }
      if (store.requests < failAt) break;
    }
    assert(failures > 50, `${failures} failures`);
  });

  it("takes many changes at once, and small ones beside merges", async () => {
    const archived = new ArchivedLog(undefined, { segmentBytes: 65536 });
    const follower = new Follower(archived.store);
    for (let i = 0; i < 120; i++) {
      archived.append(7);
      await archived.archive();
      if (i % 7 !== 3) continue;
      await follower.update();
      follower.requireSame(fingerprint(archived.log));
    }
    assert(archived.archiver.counts.merged > 50);
  });
});
