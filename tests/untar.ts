/** Reads tar archives, for tests: ustar with pax records. */

import { Buffer } from "node:buffer";

/** A member of an archive. */
export interface Untarred {
  readonly name: string;
  readonly type: string;
  /** The size that the header gives, in bytes. */
  readonly bytes: number;
  readonly uid: number;
  /** Where its header begins, and where its contents begin. */
  readonly headerAt: number;
  readonly contentsAt: number;
  /** The contents, as far as the archive has them. */
  readonly contents: Uint8Array;
}

/**
 * Reads an archive, as far as it goes.
 *
 * @param archive The bytes.
 * @returns Its members, and whether the end is there.
 */
export function untar(archive: Uint8Array): { readonly members: Untarred[]; readonly isComplete: boolean } {
  const members: Untarred[] = [];
  let records = new Map<string, string>();
  let headerAt: number | undefined;
  for (let at = 0; at + 512 <= archive.length;) {
    const header = archive.subarray(at, at + 512);
    if (header.every((byte) => byte === 0)) {
      const end = archive.subarray(at, at + 1024);
      return { members, isComplete: end.length === 1024 && end.every((byte) => byte === 0) };
    }
    requireChecksum(header);
    const field = (from: number, length: number) =>
      Buffer.from(header.subarray(from, from + length)).toString("latin1").replace(/\0.*$/s, "");
    const type = field(156, 1);
    const bytes = Number(records.get("size") ?? parseInt(field(124, 12), 8));
    const contents = archive.subarray(at + 512, at + 512 + bytes);
    if (type === "x") {
      headerAt = at;
      records = recordsOf(contents);
    } else {
      members.push({
        name: records.get("path") ?? field(0, 100),
        type,
        bytes,
        uid: Number(records.get("uid") ?? parseInt(field(108, 8), 8)),
        headerAt: headerAt ?? at,
        contentsAt: at + 512,
        contents,
      });
      records = new Map();
      headerAt = undefined;
    }
    at += 512 + Math.ceil(bytes / 512) * 512;
  }
  return { members, isComplete: false };
}

function requireChecksum(header: Uint8Array): void {
  const sum = header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 32 : byte), 0);
  const stated = parseInt(Buffer.from(header.subarray(148, 154)).toString("latin1"), 8);
  if (sum !== stated) throw new Error(`the checksum of a header is ${stated} instead of ${sum}`);
}

/** Records of the form `LENGTH KEY=VALUE`, each with a line feed, counted in bytes. */
function recordsOf(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const length = parseInt(Buffer.from(bytes.subarray(at, at + 20)).toString("latin1"), 10);
    const record = Buffer.from(bytes.subarray(at, at + length)).toString("utf8");
    const [, key, value] = /^\d+ ([^=]+)=(.*)\n$/s.exec(record) ?? [];
    if (key === undefined || value === undefined) throw new Error(`not a record: ${JSON.stringify(record)}`);
    records.set(key, value);
    at += length;
  }
  return records;
}
