/** The object store in S3, on Ceph's object gateway (RGW). */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { hasRgw, LIST_KEYS_MAX, Rgw } from "../scripts/rgw.ts";
import { locateRuntime, RUNTIME_NAMES } from "../scripts/runtimes.ts";
import { bodyOf } from "../src/archive/mod.ts";
import { S3Store } from "../src/archive/s3.ts";
import { listed, objectStoreSuite } from "./object_store_suite.ts";
import { setS3Environment } from "./s3_environment.ts";
import { skipReason } from "./skip.ts";
import { type TemporaryFolder, temporaryFolder } from "./temporary.ts";

const noRgw = skipReason(!await hasRgw() && "Ceph's RGW (radosgw, ceph-mon, ceph-osd) is not installed");

const CHILD = fileURLToPath(new URL("rgw_child.ts", import.meta.url));
const CLAIMS = 40;

/** Creates objects in another process; returns the numbers of those that it created. */
function claim(runtime: number, store: string, text: string): Promise<number[]> {
  const [binary, ...prefix] = locateRuntime(RUNTIME_NAMES[runtime % RUNTIME_NAMES.length]!).run;
  const child = spawn(binary, [...prefix, CHILD, "claim", store, text, String(CLAIMS)], {
    stdio: ["ignore", "pipe", 2],
  });
  let output = "";
  child.stdout!.on("data", (part: Uint8Array) => output += new TextDecoder().decode(part));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code !== 0) reject(new Error(`ended with ${code}`));
      else resolve(output.trim().split(",").filter((number) => number !== "").map(Number));
    });
  });
}

describe("an object store in Ceph's RGW", { skip: noRgw }, () => {
  let folder: TemporaryFolder | undefined;
  let rgw: Rgw | undefined;
  let reset = () => {};
  let prefixes = 0;
  const newPlace = () => `s3://bucket/prefix ${++prefixes}+`;

  before(async () => {
    if (noRgw !== false) return;
    folder = temporaryFolder();
    rgw = await Rgw.start(join(folder.path, "rgw"));
    await rgw.createBucket("bucket");
    reset = setS3Environment(rgw.environment());
  });
  after(async () => {
    reset();
    await rgw?.stop();
    folder?.remove();
  });

  objectStoreSuite(() => ({ store: new S3Store(newPlace()), dispose: () => {} }), LIST_KEYS_MAX);

  it("lets one of eight processes in three runtimes create an object", async () => {
    const place = newPlace();
    const made = await Promise.all(Array.from({ length: 8 }, (_, i) => claim(i, place, `writer ${i}`)));
    assert.deepEqual(made.flat().sort((a, b) => a - b), Array.from({ length: CLAIMS }, (_, i) => i));
    const store = new S3Store(place);
    for (const [i, numbers] of made.entries()) {
      for (const number of numbers) {
        const found = await store.get(`claims/${number}`);
        assert.equal(found.kind === "found" && new TextDecoder().decode(found.bytes), `writer ${i}`);
      }
    }
  });

  it("writes large objects in parts, and leaves no parts of one that failed", async () => {
    const store = new S3Store(newPlace());
    const bytes = new Uint8Array(20 * 1024 * 1024 + 3).map((_, i) => i * 7);
    await store.put("large", bodyOf(bytes));
    const found = await store.get("large", { offset: 8 * 1024 * 1024 - 1, length: 5 });
    assert.deepEqual(found, { kind: "found", bytes: bytes.slice(8 * 1024 * 1024 - 1).slice(0, 5), size: bytes.length });
    const whole = await store.get("large");
    assert(whole.kind === "found" && whole.bytes.every((byte, i) => byte === bytes[i]));
    const controller = new AbortController();
    const broken = {
      size: bytes.length,
      read: (offset: number, length: number) => {
        if (offset > 0) controller.abort();
        return bytes.subarray(offset, offset + length);
      },
    };
    await assert.rejects(store.put("broken", broken, { signal: controller.signal }));
    assert.deepEqual((await listed(store)).map(({ key }) => key), ["large"]);
    assert(!(await rgw!.request("GET", "bucket?uploads")).includes("<Upload>"));
  });

  it("explains refusals", async () => {
    const credentials = { accessKeyId: "unknown", secretAccessKey: "s3cret" };
    for (
      const [place, options, code, message] of [
        ["s3://absent/a", {}, "STORE", /404 NoSuchBucket/],
        ["s3://bucket/a", { credentials }, "INVALID_ARGUMENT", /the credentials are refused: .*403 InvalidAccessKeyId/],
      ] as const
    ) {
      const store = new S3Store(place, options);
      await assert.rejects(store.get("a"), { code, message });
      await assert.rejects(store.putIfAbsent("a", new Uint8Array(1)), { code, message });
      await assert.rejects(listed(store), { code, message });
      await assert.rejects(store.delete("a"), { code, message });
    }
  });
});
