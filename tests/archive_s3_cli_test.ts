/** The commands for archives, with an archive in S3. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { textEntry } from "./archived_log.ts";
import { cli, cliHere } from "./cli.ts";
import { setS3Environment } from "./s3_environment.ts";
import { BUCKET, S3Server } from "./s3_server.ts";
import { fingerprint } from "./simulated_log.ts";
import { inTemporaryFolder } from "./temporary.ts";

const STORE = `s3://${BUCKET}/raft`;

/** Runs a test with a log of 300 entries, and a server that the environment names. */
function withServer(body: (path: string, server: S3Server, folder: string) => Promise<void>): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = await WalLog.open(path, { segmentBytes: 4096 });
      for (let i = 1; i <= 300; i++) log.append([textEntry(i)]);
      await log.close();
      const server = await new S3Server().start();
      const restore = setS3Environment(server.environment);
      try {
        await body(path, server, folder);
      } finally {
        restore();
        await server.stop();
      }
    });
}

describe("wal-log with an archive in S3", () => {
  it(
    "archives a log, which restore makes again",
    withServer(async (path, _, folder) => {
      const run = await cli("archive", "run", path, STORE);
      assert.equal(run.code, 0, run.stderr);
      assert.match(
        run.stdout,
        /^archived up to index 300, generation 1: wrote \d+ objects, .* to s3:\/\/bucket\/raft$/m,
      );
      assert.match((await cliHere("archive", "list", STORE)).stdout, /^generation 1: indexes 1 to 300/);
      assert.match((await cliHere("archive", "verify", STORE)).stdout, /^clean: generation 1, up to index 300/);
      const restored = await cliHere("restore", STORE, join(folder, "again"));
      assert.equal(restored.code, 0, restored.stderr);
      await using before = await WalLog.open(path, { readOnly: true });
      await using after = await WalLog.open(join(folder, "again"), { readOnly: true });
      assert.equal(fingerprint(after), fingerprint(before));
    }),
  );

  it(
    "prunes old states",
    withServer(async (path, server, folder) => {
      await cliHere("archive", "run", path, STORE);
      const log = await WalLog.open(path, { segmentBytes: 4096 });
      log.compact(290, { data: new Uint8Array(10) });
      await log.close();
      await cliHere("archive", "run", path, STORE);
      const before = server.objects.size;
      const pruned = await cliHere("archive", "prune", STORE, "--older-than", "0s");
      assert.equal(pruned.code, 0, pruned.stderr);
      const [, deleted] = /^deleted (\d+) objects, .*; the oldest state is at index 290/.exec(pruned.stdout)!;
      assert.equal(server.objects.size, before - Number(deleted) + 1);
      assert.match((await cliHere("archive", "verify", STORE)).stdout, /^clean: generation 2, up to index 300/);
      assert.equal((await cliHere("restore", STORE, join(folder, "again"))).code, 0);
    }),
  );

  it(
    "explains why the store cannot be used",
    withServer(async (path, server) => {
      const { AWS_SECRET_ACCESS_KEY: _, ...incomplete } = server.environment;
      const cases: [Record<string, string>, string, RegExp][] = [
        [incomplete, STORE, /there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY$/m],
        [{ ...server.environment, AWS_ACCESS_KEY_ID: "x" }, STORE, /403 InvalidAccessKeyId .*; check the credentials/],
        [server.environment, "s3://another/raft", /404 NoSuchBucket .*; create the bucket, or name another one$/m],
        [server.environment, "s3://a", /expected s3:\/\/bucket\/prefix, found "s3:\/\/a"$/m],
      ];
      for (const [variables, store, message] of cases) {
        setS3Environment(variables);
        for (
          const args of [["archive", "run", path, store], ["archive", "list", store], ["restore", store, path + 2]]
        ) {
          const { code, stderr } = await cliHere(...args);
          assert.equal(code, 3, stderr);
          assert.match(stderr, message);
        }
      }
      setS3Environment({ ...server.environment, AWS_ACCESS_KEY_ID: "x" });
      const follows = [["archive", "run", path, STORE, "--follow"], ["restore", STORE, path + 3, "--follow"]];
      for (const args of follows) assert.equal((await cliHere(...args)).code, 3, "it goes on although it is refused");
      assert.equal(server.objects.size, 0);
    }),
  );
});
