/** A store in S3 on a server of our own, for tests. */

import { type S3Options, S3Store } from "../src/archive/s3.ts";
import { BUCKET, S3Server } from "./s3_server.ts";

/**
 * Makes a test with a server and a store.
 *
 * @param body The test.
 * @param options Options of the store.
 * @returns A function for `it`.
 */
export function withStore(
  body: (store: S3Store, server: S3Server) => Promise<void>,
  options: S3Options = {},
): () => Promise<void> {
  return async () => {
    const server = await new S3Server().start();
    try {
      await body(new S3Store(`s3://${BUCKET}`, server.options(options)), server);
    } finally {
      await server.stop();
    }
  };
}
