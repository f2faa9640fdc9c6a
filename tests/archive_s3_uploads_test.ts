/** Large objects, which are uploaded to S3 in parts. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { listed } from "./object_store_suite.ts";
import type { Seen } from "./s3_server.ts";
import { withStore } from "./s3_store.ts";

const MIB = 1024 * 1024;

/** A body of some size that remembers the longest part that was read. */
function largeBody(size: number) {
  const part = new Uint8Array(size);
  for (let i = 0; i < size; i += 1000) part[i] = i % 251;
  const body = {
    size,
    longest: 0,
    read: (offset: number, length: number) => {
      body.longest = Math.max(body.longest, length);
      return part.slice(offset, offset + length);
    },
    bytes: part,
  };
  return body;
}

const isComplete = ({ method, query }: Seen) => method === "POST" && query.has("uploadId");
const isPart = (number: number) => ({ method, query }: Seen) =>
  method === "PUT" && query.get("partNumber") === String(number);

describe("an upload to S3 in parts", () => {
  it(
    "reads a bounded part of the object at a time, and repeats parts",
    withStore(async (store, server) => {
      const body = largeBody(20 * MIB + 1);
      server.failNext(1, { kind: "lost", late: true }, isPart(2));
      await store.put("large", body);
      assert(server.objects.get("large")!.equals(body.bytes));
      assert.equal(body.longest, 8 * MIB);
      assert.equal(server.uploads.size, 0);
      assert.deepEqual(await listed(store), [{ key: "large", size: body.size }]);
    }),
  );

  it(
    "is aborted if it fails",
    withStore(async (store, server) => {
      const body = largeBody(9 * MIB);
      for (const matches of [isPart(2), isComplete]) {
        server.failNext(1, { kind: "error", status: 403, code: "AccessDenied" }, matches);
        await assert.rejects(store.put("large", body), { code: "STORE" });
        assert.equal(server.uploads.size, 0);
      }
      const reason = new Error("stopped");
      const controller = new AbortController();
      server.fault = (request) => {
        if (!isPart(2)(request)) return undefined;
        controller.abort(reason);
        return { kind: "hang" };
      };
      await assert.rejects(store.put("large", body, { signal: controller.signal }), (error) => error === reason);
      assert.equal(server.uploads.size, 0);
      assert.equal(server.objects.size, 0);
    }),
  );

  it(
    "fails if its completion answers 200 and an error",
    withStore(async (store, server) => {
      const body = largeBody(9 * MIB);
      server.failNext(1, { kind: "error", status: 200, code: "InternalError" }, isComplete);
      await store.put("large", body);
      assert.equal(server.objects.get("large")!.length, body.size);
      server.objects.clear();
      server.failNext(1, { kind: "error", status: 200, code: "EntityTooSmall" }, isComplete);
      await assert.rejects(store.put("large", body), { code: "STORE", message: /answers 200 EntityTooSmall/ });
      assert.deepEqual([server.objects.size, server.uploads.size], [0, 0]);
    }),
  );

  it(
    "is complete if the reply to its completion was lost",
    withStore(async (store, server) => {
      const body = largeBody(9 * MIB);
      server.failNext(1, { kind: "lost", late: true }, isComplete);
      await store.put("large", body);
      assert.equal(server.objects.get("large")!.length, body.size);
      server.failNext(1, { kind: "cut", bytes: 20, honest: true }, isComplete);
      await store.put("larger", body);
      assert.equal(server.objects.get("larger")!.length, body.size);
    }),
  );

  it(
    "fails if the upload is gone and the object is not there",
    withStore(async (store, server) => {
      server.fault = (request) => {
        if (isComplete(request)) server.uploads.clear();
        return undefined;
      };
      await assert.rejects(store.put("large", largeBody(9 * MIB)), { code: "STORE", message: /404 NoSuchUpload/ });
    }),
  );

  it(
    "fails soon although the service does not answer the request that aborts it",
    withStore(async (store, server) => {
      const controller = new AbortController();
      server.fault = (request) => {
        if (request.method === "DELETE") return { kind: "hang" };
        if (isPart(1)(request)) controller.abort(new Error("stopped"));
        return undefined;
      };
      const { signal } = controller;
      await assert.rejects(store.put("large", largeBody(9 * MIB), { signal }), { message: "stopped" });
    }, { timeoutMilliseconds: 1_000_000 }),
  );
});
