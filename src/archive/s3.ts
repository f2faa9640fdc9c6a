/**
 * Archives in Amazon S3, and in services with the same protocol. This module needs the package `aws4fetch`, which signs
 * requests: `npm install aws4fetch`. The rest of the library does not need it.
 *
 * **Experimental**, like the archive itself: this entry point may change in any release until it has users.
 *
 * @module
 */

export type { S3Credentials, S3Options } from "./s3_place.ts";
export { S3Store } from "./s3_store.ts";
