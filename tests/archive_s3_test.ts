/** Archives in S3, on a small server of our own. `archive_s3_faults_test.ts` has its faults. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { bodyOf } from "../src/archive/mod.ts";
import { type S3Credentials, S3Store } from "../src/archive/s3.ts";
import { placeOf } from "../src/archive/s3_place.ts";
import { ArchivedLog } from "./archived_log.ts";
import { listed, objectStoreSuite } from "./object_store_suite.ts";
import { setS3Environment } from "./s3_environment.ts";
import { BUCKET, S3Server } from "./s3_server.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Runs a test with a server. */
function withServer(body: (server: S3Server) => Promise<void>): () => Promise<void> {
  return async () => {
    const server = await new S3Server().start();
    try {
      await body(server);
    } finally {
      await server.stop();
    }
  };
}

/** All files that a file imports when it is loaded, and the packages that they name. */
function packagesOf(path: string, seen: Set<string> = new Set()): string[] {
  if (seen.has(path)) return [];
  seen.add(path);
  assert(existsSync(path), path);
  const imports = readFileSync(path, "utf8").matchAll(/^(?:import|export) (?!type )[^;"]*?from "([^"]+)";/gm);
  return [...imports].flatMap(([, name]) =>
    name!.startsWith(".") ? packagesOf(join(dirname(path), name!), seen) : name!.startsWith("node:") ? [] : [name!]
  );
}

describe("an object store in S3", () => {
  objectStoreSuite(async () => {
    const server = await new S3Server().start();
    const store = new S3Store(`s3://${BUCKET}/a/prefix`, server.options());
    return { store, dispose: () => server.stop() };
  }, 4);

  it(
    "keeps objects under its prefix, and sees no others",
    withServer(async (server) => {
      const store = new S3Store(`s3://${BUCKET}/one/`, server.options());
      const whole = new S3Store(`s3://${BUCKET}`, server.options());
      await store.put("a", bodyOf(new Uint8Array(1)));
      await whole.put("one-a", bodyOf(new Uint8Array(2)));
      assert.deepEqual([...server.objects.keys()], ["one/a", "one-a"]);
      assert.deepEqual(await listed(store), [{ key: "a", size: 1 }]);
      assert.deepEqual(await listed(whole), [{ key: "one-a", size: 2 }, { key: "one/a", size: 1 }]);
      assert.equal(store.name, `s3://${BUCKET}/one`);
    }),
  );

  it(
    "signs keys and prefixes with every permitted character",
    withServer(async (server) => {
      const key = "-_/AZ.az-09_/x.y";
      for (const prefix of ["a b+c", "ä/%41", "(!'*)~@$&=;:,?#"]) {
        const store = new S3Store(`s3://${BUCKET}/${prefix}`, server.options());
        await store.put(key, bodyOf(new Uint8Array(3)));
        assert(server.objects.has(`${prefix}/${key}`), prefix);
        assert.deepEqual(await listed(store, "-_/AZ"), [{ key, size: 3 }]);
      }
    }),
  );

  it(
    "asks for credentials before each request",
    withServer(async (server) => {
      const { credentials } = server.options();
      let calls = 0;
      const renewed = () => {
        calls++;
        if (calls === 3) throw new Error("the role is gone");
        return Promise.resolve(credentials as { accessKeyId: string; secretAccessKey: string });
      };
      const store = new S3Store(`s3://${BUCKET}`, server.options({ credentials: renewed }));
      await store.put("a", bodyOf(new Uint8Array(1)));
      await store.delete("a");
      await assert.rejects(store.get("a"), { code: "STORE", message: /cannot get the credentials: the role is gone/ });
    }),
  );

  it(
    "holds an archive, which restore makes again",
    withServer(async (server) => {
      const archived = new ArchivedLog(new S3Store(`s3://${BUCKET}/raft`, server.options()));
      for (let i = 0; i < 4; i++) {
        archived.append(60);
        await archived.archive();
      }
      await archived.requireSame();
      assert(server.objects.size > server.pageKeys);
    }),
  );

  it(
    "gets two requests in a step of an archiver, and one more if the log has changed",
    withServer(async (server) => {
      const archived = new ArchivedLog(new S3Store(`s3://${BUCKET}/raft`, server.options()));
      const methodsOf = async (step: () => Promise<void>) => {
        server.seen.length = 0;
        await step();
        return server.seen.map(({ method }) => method).sort();
      };
      archived.append(3);
      await archived.archive();
      assert.deepEqual(await methodsOf(() => archived.archiver.step()), ["GET", "GET"]);
      archived.append(3);
      assert.deepEqual(await methodsOf(() => archived.archive()), ["GET", "GET", "PUT"]);
    }),
  );

  it("is loaded only when it is needed", () => {
    for (const path of ["mod.ts", "src/archive/mod.ts", "src/cli/mod.ts", "src/events/mod.ts", "src/replica/mod.ts"]) {
      assert.deepEqual(packagesOf(join(ROOT, path)), [], path);
    }
    assert.deepEqual(packagesOf(join(ROOT, "src/archive/s3.ts")), ["aws4fetch"]);
  });
});

/** Runs a function with other environment variables. */
function withEnvironment<T>(variables: Record<string, string>, body: () => T): T {
  const restore = setS3Environment(variables);
  try {
    return body();
  } finally {
    restore();
  }
}

describe("the place of an S3 store", () => {
  const credentials = { accessKeyId: "a", secretAccessKey: "b" };
  const urlOf = (place: string, options = {}) => placeOf(place, { credentials, ...options }).url;

  it("is Amazon S3 without an endpoint", () => {
    withEnvironment({}, () => {
      assert.equal(urlOf("s3://bucket"), "https://bucket.s3.us-east-1.amazonaws.com");
      assert.equal(urlOf("s3://my.bucket/a"), "https://s3.us-east-1.amazonaws.com/my.bucket");
      assert.equal(urlOf("s3://bucket", { region: "cn-north-1" }), "https://bucket.s3.cn-north-1.amazonaws.com.cn");
      assert.equal(urlOf("s3://bucket", { pathStyle: true }), "https://s3.us-east-1.amazonaws.com/bucket");
    });
  });

  it("has the bucket in the path of an endpoint, or in its host", () => {
    const endpoint = "http://host:9000/base/";
    assert.equal(urlOf("s3://bucket/a", { endpoint }), "http://host:9000/base/bucket");
    assert.equal(urlOf("s3://bucket/a", { endpoint, pathStyle: false }), "http://bucket.host:9000/base");
  });

  it("comes from environment variables, unless options are given", async () => {
    const variables = {
      AWS_ENDPOINT_URL: "http://general",
      AWS_DEFAULT_REGION: "eu-1",
      AWS_ACCESS_KEY_ID: "id",
      AWS_SECRET_ACCESS_KEY: "secret",
      AWS_SESSION_TOKEN: "token",
    };
    const place = withEnvironment(variables, () => placeOf("s3://bucket", {}));
    assert.deepEqual([place.url, place.region], ["http://general/bucket", "eu-1"]);
    assert.deepEqual(await place.credentials(), {
      accessKeyId: "id",
      secretAccessKey: "secret",
      sessionToken: "token",
    });
    const more = { ...variables, AWS_ENDPOINT_URL_S3: "http://special", AWS_REGION: "eu-2" };
    const special = withEnvironment(more, () => placeOf("s3://bucket", { credentials }));
    assert.deepEqual([special.url, special.region], ["http://special/bucket", "eu-2"]);
    const incomplete = { accessKeyId: "a" } as S3Credentials;
    withEnvironment(more, () => {
      assert.throws(() => placeOf("s3://bucket", { credentials: incomplete }), { code: "INVALID_ARGUMENT" });
    });
    // A session token of the environment does not belong to other credentials.
    assert.equal((await special.credentials()).sessionToken, undefined);
  });

  it("is refused if it is invalid, without a secret in the message", () => {
    const refused = (place: string, options: object) =>
      withEnvironment({}, () => {
        assert.throws(() => new S3Store(place, options), (error: Error & { code: string }) => {
          assert.equal(error.code, "INVALID_ARGUMENT", place);
          assert(!error.message.includes("pa55"), error.message);
          return true;
        });
      });
    for (
      const place of ["s3://", "s3://a", "s3:///x", "s3://bucket//x", "s3://bucket/../x", "s3://b_/x", "file:///x"]
    ) {
      refused(place, { credentials });
    }
    refused("s3://bucket", {});
    for (const endpoint of ["host", "ftp://host", "http://user:pa55@host", "http://host?x=pa55", "http://host#pa55"]) {
      refused("s3://bucket", { credentials, endpoint });
    }
    for (const options of [{ attempts: 0 }, { timeoutMilliseconds: 2 ** 31 }, { region: "a b" }, { endPoint: "x" }]) {
      refused("s3://bucket", { credentials, ...options });
    }
  });
});
