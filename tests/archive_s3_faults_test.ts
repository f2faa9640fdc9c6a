/** The faults of S3: errors, lost and cut replies, hangs, and services without conditional writes. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WalLogError } from "../mod.ts";
import { bodyOf } from "../src/archive/mod.ts";
import { type S3Credentials, type S3Options, S3Store } from "../src/archive/s3.ts";
import { ArchivedLog } from "./archived_log.ts";
import { listed } from "./object_store_suite.ts";
import { BUCKET, type Fault, LONG_REPLY_BYTES, type Seen } from "./s3_server.ts";
import { withStore } from "./s3_store.ts";

const one = new Uint8Array([1]);

describe("a request to S3", () => {
  const passing: Fault[] = [
    { kind: "error", status: 500, code: "InternalError" },
    { kind: "error", status: 502, code: "BadGateway" },
    { kind: "error", status: 503, code: "SlowDown" },
    { kind: "error", status: 503, code: "ServiceUnavailable", late: true },
    { kind: "error", status: 504, code: "GatewayTimeout" },
    { kind: "error", status: 429, code: "TooManyRequests" },
    { kind: "error", status: 400, code: "RequestTimeout" },
    { kind: "error", status: 409, code: "ConditionalRequestConflict" },
    { kind: "lost", late: false },
    { kind: "lost", late: true },
  ];

  it(
    "is repeated after a failure that can pass",
    withStore(async (store, server) => {
      for (const fault of passing) {
        const name = JSON.stringify(fault);
        server.failNext(1, fault);
        await store.put("a", bodyOf(one));
        server.failNext(1, fault);
        assert.deepEqual(await store.get("a", { offset: 0, length: 9 }), { kind: "found", bytes: one, size: 1 }, name);
        server.failNext(1, fault);
        assert.deepEqual(await listed(store), [{ key: "a", size: 1 }], name);
        server.failNext(1, fault);
        await store.delete("a");
        assert.deepEqual(await listed(store), [], name);
      }
    }),
  );

  it(
    "is given up after some attempts",
    withStore(async (store, server) => {
      server.failNext(3, { kind: "error", status: 503, code: "SlowDown" });
      await assert.rejects(store.put("a/b", bodyOf(one)), {
        code: "STORE",
        message: `Cannot write a/b in s3://${BUCKET}: the service answers 503 SlowDown (Say "SlowDown"), ` +
          "request request-2, after 3 attempts",
      });
      assert.equal(server.seen.length, 3);
      await store.put("a/b", bodyOf(one));
    }),
  );

  it(
    "is not repeated after a failure that stays",
    withStore(async (store, server) => {
      for (const [status, code] of [[403, "AccessDenied"], [400, "InvalidRequest"], [404, "NoSuchBucket"]] as const) {
        server.seen.length = 0;
        server.failNext(1, { kind: "error", status, code });
        await assert.rejects(store.get("a"), { code: "STORE" }, code);
        server.failNext(1, { kind: "error", status, code });
        await assert.rejects(store.delete("a"), { code: "STORE" }, code);
        assert.equal(server.seen.length, 2);
      }
    }),
  );

  it(
    "may have created an object although its reply was lost",
    withStore(async (store, server) => {
      server.failNext(1, { kind: "lost", late: true });
      assert.deepEqual(await store.putIfAbsent("claim", one), { kind: "exists" });
      server.failNext(1, { kind: "lost", late: false });
      assert.deepEqual(await store.putIfAbsent("other", one), { kind: "created" });
    }),
  );

  it(
    "ends after its time",
    withStore(async (store, server) => {
      server.failNext(1, { kind: "hang" });
      await store.put("a", bodyOf(one));
      server.failNext(3, { kind: "hang" });
      await assert.rejects(store.get("a"), { code: "STORE", message: /no reply in 300 ms, after 3 attempts$/ });
    }, { timeoutMilliseconds: 300 }),
  );

  it(
    "ends with the reason of its signal, in a reply and in a pause",
    withStore(async (store, server) => {
      const reason = new Error("stopped");
      for (const fault of [{ kind: "hang" }, { kind: "error", status: 503, code: "SlowDown" }] as const) {
        const controller = new AbortController();
        let requests = 0;
        server.fault = () => {
          if (++requests === 1) setTimeout(() => controller.abort(reason), 20);
          return fault;
        };
        await assert.rejects(store.put("a", bodyOf(one), { signal: controller.signal }), (error) => error === reason);
      }
    }, { attempts: 1000 }),
  );

  it(
    "is repeated after a reply that is cut off",
    withStore(async (store, server) => {
      await store.put("a", bodyOf(new Uint8Array(100).fill(7)));
      for (const honest of [true, false]) {
        server.failNext(1, { kind: "cut", bytes: 180, honest }, ({ key }) => key === "");
        assert.deepEqual(await listed(store), [{ key: "a", size: 100 }]);
      }
      server.failNext(1, { kind: "cut", bytes: 60 });
      const found = await store.get("a", { offset: 0, length: 100 });
      assert(found.kind === "found" && found.bytes.length === 100);
    }),
  );

  it(
    "fails if its reply is longer than what was asked for, and reads no more of it",
    withStore(async (store, server) => {
      const cases: [() => Promise<unknown>, number][] = [
        [() => store.get("a", { offset: 0, length: 5 }), 5],
        [() => listed(store), 16 * 1024 * 1024],
        [() => store.put("a", bodyOf(one)), 64 * 1024],
      ];
      for (const [request, most] of cases) {
        server.failNext(1, { kind: "long", status: most === 5 ? 206 : 200 });
        const message = new RegExp(`: the reply has more than ${most} bytes$`);
        await assert.rejects(request(), { code: "STORE", message });
      }
      assert.equal(server.seen.length, cases.length);
      for (const sent of server.longReplies) assert(await sent < LONG_REPLY_BYTES);
    }),
  );

  it(
    "reports the status of an error whose text is too long",
    withStore(async (store, server) => {
      await store.put("a", bodyOf(one));
      server.failNext(1, { kind: "long", status: 503 });
      assert.equal((await store.get("a")).kind, "found");
      server.failNext(1, { kind: "long", status: 403 });
      await assert.rejects(store.get("a"), { code: "STORE", message: /: the service answers 403$/ });
      for (const sent of server.longReplies) assert(await sent < LONG_REPLY_BYTES);
    }),
  );

  it(
    "does not take an absent page for an absent object",
    withStore(async (store, server) => {
      server.failNext(1, { kind: "error", status: 404, code: "NotFound" });
      await assert.rejects(store.get("a"), { code: "STORE" });
    }),
  );

  it(
    "names the region of a bucket in another one",
    withStore(async (store, server) => {
      server.failNext(1, { kind: "error", status: 301, code: "PermanentRedirect" });
      await assert.rejects(store.get("a"), {
        code: "STORE",
        message: /answers 301 PermanentRedirect .*: the bucket is in the region eu-other-1, .*\(AWS_REGION\)$/,
      });
    }),
  );

  it(
    "can be tried again after a refusal if its credentials can change",
    withStore(async (_, server) => {
      const right = server.options().credentials as S3Credentials;
      let credentials = { ...right, accessKeyId: "old" };
      const store = new S3Store(`s3://${BUCKET}`, server.options({ credentials: () => credentials }));
      await assert.rejects(store.putIfAbsent("a", one), { code: "STORE", message: /the credentials are refused/ });
      credentials = right;
      await store.putIfAbsent("a", one);
    }),
  );

  it(
    "names the cause of a refusal, and no secret",
    withStore(async (_, server) => {
      const secrets = { accessKeyId: "AKID", secretAccessKey: "wr0ng", sessionToken: "t0k+en/=" };
      const cases: [string, S3Options, RegExp][] = [
        [
          `s3://${BUCKET}`,
          { credentials: secrets },
          /: the credentials are refused: .* 403 SignatureDoesNotMatch .*KEY/,
        ],
        [`s3://${BUCKET}`, { credentials: { ...secrets, accessKeyId: "x" } }, /403 InvalidAccessKeyId/],
        ["s3://another", {}, /404 NoSuchBucket .*; create the bucket, or name another one$/],
        [`s3://${BUCKET}`, { endpoint: "http://127.0.0.1:9", attempts: 1 }, /no reply from http:\/\/127.0.0.1:9: /],
      ];
      for (const [place, options, message] of cases) {
        const store = new S3Store(place, server.options(options));
        await assert.rejects(store.putIfAbsent("a", one), (error: WalLogError) => {
          assert.equal(error.code, /403/.test(error.message) ? "INVALID_ARGUMENT" : "STORE");
          assert.match(error.message, message);
          for (const secret of ["AKID", "wr0ng", "t0k+en"]) assert(!error.message.includes(secret), error.message);
          return true;
        });
      }
    }),
  );
});

describe("a list of objects in S3", () => {
  const fill = async (store: S3Store) => {
    for (let i = 0; i < 10; i++) await store.put(`k${i}`, bodyOf(one));
  };

  it(
    "fails if a page comes again, or keys are out of order",
    withStore(async (store, server) => {
      await fill(store);
      server.editList = (xml) => xml.replace(/(<NextContinuationToken>)[^<]*/, "$1j");
      await assert.rejects(listed(store), { code: "STORE", message: /lists "k0" out of order$/ });
      server.editList = (xml) => xml.replace("<Key>k1<", "<Key>k7<");
      await assert.rejects(listed(store), { code: "STORE", message: /out of order$/ });
    }),
  );

  it(
    "fails if it has no end",
    withStore(async (store, server) => {
      const page = (token: string) =>
        "<ListBucketResult><IsTruncated>true</IsTruncated>" +
        `<NextContinuationToken>${token}</NextContinuationToken></ListBucketResult>`;
      // A list that goes on for longer ends, so that the test fails and does not go on.
      const end = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
      server.editList = () => server.seen.length <= 2000 ? page("same") : end;
      await assert.rejects(listed(store, "a/"), { code: "STORE", message: /^Cannot list a\/ .* the same page again/ });
      assert.equal(server.seen.length, 2);
      server.seen.length = 0;
      server.editList = () => server.seen.length <= 2000 ? page(String(server.seen.length)) : end;
      await assert.rejects(listed(store), { code: "STORE", message: /: the service lists 1000 pages without a key/ });
      assert.equal(server.seen.length, 1000);
    }),
  );

  it(
    "goes on after pages without a key",
    withStore(async (store, server) => {
      await fill(store);
      let pages = 0;
      server.editList = (xml) => {
        const empty = xml.replace(/<Contents>.*<\/Contents>/s, "");
        return ++pages === 1 ? empty : xml;
      };
      assert.deepEqual((await listed(store)).map(({ key }) => key), ["k4", "k5", "k6", "k7", "k8", "k9"]);
    }),
  );

  it(
    "fails if it is truncated and cannot be continued",
    withStore(async (store, server) => {
      await fill(store);
      for (const [from, to] of [[/<NextC.*Token>/, ""], [/<Size>1</, "<Size>-<"], [/<Key>k1/, "<Key>%E4"]] as const) {
        server.editList = (xml) => xml.replace(from, to);
        await assert.rejects(listed(store), { code: "STORE" }, String(from));
      }
    }, { attempts: 1 }),
  );
});

describe("an archive in S3", () => {
  it(
    "is refused by a service that ignores If-None-Match",
    withStore(async (store, server) => {
      server.isConditional = false;
      const archived = new ArchivedLog(store);
      archived.append(3);
      await assert.rejects(archived.archive(), { code: "INVALID_ARGUMENT", message: /does not refuse to write a key/ });
      assert.equal(server.objects.size, 0);
    }),
  );

  it(
    "is refused by a service that accepts the second of two writes",
    withStore(async (store, server) => {
      let writes = 0;
      server.fault = ({ method }) => {
        if (method === "PUT") server.isConditional = ++writes !== 2;
        return undefined;
      };
      const archived = new ArchivedLog(store);
      archived.append(3);
      await assert.rejects(archived.archive(), { code: "INVALID_ARGUMENT", message: /does not refuse to write a key/ });
    }),
  );

  it(
    "is refused by a service that does not know If-None-Match",
    withStore(async (store, server) => {
      const isConditional = ({ headers }: Seen) => headers["if-none-match"] !== undefined;
      server.failNext(1, { kind: "error", status: 501, code: "NotImplemented" }, isConditional);
      const archived = new ArchivedLog(store);
      archived.append(3);
      await assert.rejects(archived.archive(), { code: "INVALID_ARGUMENT", message: /has no conditional write/ });
    }),
  );

  it(
    "has everything after requests of all kinds have failed",
    withStore(async (store, server) => {
      const archived = new ArchivedLog(store);
      let requests = 0;
      server.fault = () => {
        const fault = ++requests % 5;
        if (fault === 1) return { kind: "lost", late: requests % 2 === 0 };
        return fault === 3 ? { kind: "error", status: 503, code: "SlowDown", late: requests % 2 === 0 } : undefined;
      };
      for (let i = 0; i < 3; i++) {
        archived.append(60);
        await archived.archive();
      }
      await archived.requireSame();
      assert(requests > 40);
    }, { attempts: 10 }),
  );
});
