/**
 * The object stores of the command line.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { FolderStore } from "../archive/folder_store.ts";
import type { ObjectStore } from "../archive/object_store.ts";
import { UsageError } from "./command.ts";

/** The description of stores in the help of commands. */
export const STORE_HELP = "file:///FOLDER or s3://BUCKET/PREFIX";

/**
 * The store that an argument names. Credentials and the endpoint of S3 come from the environment.
 *
 * @param place `file:///folder` or `s3://bucket/prefix`.
 * @returns The store.
 * @throws {UsageError} For anything else.
 * @throws {WalLogError} `INVALID_ARGUMENT` if S3 cannot be used, for example without credentials.
 */
export async function storeOf(place: string): Promise<ObjectStore> {
  if (/^file:\/\/\/./.test(place) && URL.canParse(place)) return new FolderStore(new URL(place));
  if (!place.startsWith("s3://")) throw new UsageError(`STORE is ${STORE_HELP}, found ${JSON.stringify(place)}`);
  const { S3Store } = await loadS3();
  return new S3Store(place);
}

/** Loads the S3 store when it is needed, because the package that signs requests need not be installed. */
async function loadS3(): Promise<typeof import("../archive/s3.ts")> {
  try {
    return await import("../archive/s3.ts");
  } catch (cause) {
    if (!String(cause).includes("aws4fetch")) throw cause;
    const message = "Cannot use S3: the package aws4fetch is not installed; install it beside this one: " +
      "npm install aws4fetch, or npx --package=@wallog/wallog --package=aws4fetch wal-log";
    throw new WalLogError("INVALID_ARGUMENT", message, { cause });
  }
}
