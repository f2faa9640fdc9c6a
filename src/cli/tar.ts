/**
 * Writes tar archives: ustar headers, with pax records for values that have no room in them (POSIX.1-2017, pax).
 *
 * ```text
 *   0  100  name                 136   12  modified, seconds     257  6  "ustar", zero
 * 100    8  mode                 148    8  checksum              263  2  "00"
 * 108    8  uid                  156    1  type                  265  -  names of owner and group, zeros here
 * 116    8  gid                  157  100  link, zeros here      345  -  prefix of the name, zeros here
 * 124   12  size
 * ```
 *
 * Numbers are octal digits and a zero byte. Contents follow the header, padded with zeros to 512 bytes. Two blocks of
 * zeros end the archive.
 *
 * @module
 */

const BLOCK_BYTES = 512;
const NAME_BYTES = 100;
/** The names that every reader of a header accepts. */
const PLAIN_NAME = /^[\x20-\x7e]+$/;

/** A file or a folder of an archive. */
export interface TarMember {
  readonly type: "file" | "folder";
  /** The path in the archive; that of a folder ends with a slash. */
  readonly name: string;
  /** The size of its contents; 0 for a folder. */
  readonly bytes: number;
  /** Permission bits. */
  readonly mode: number;
  /** The owner and the group, as numbers. */
  readonly uid: number;
  readonly gid: number;
  /** The time of its last change, in whole seconds since 1970. */
  readonly modified: number;
}

/** The end of an archive. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK_BYTES);

/**
 * The zeros after the contents of a member.
 *
 * @param bytes The size of the contents.
 * @returns Up to 511 bytes.
 */
export function tarPadding(bytes: number): Uint8Array {
  return new Uint8Array((BLOCK_BYTES - bytes % BLOCK_BYTES) % BLOCK_BYTES);
}

/**
 * The header of a member.
 *
 * @param member The member.
 * @returns One block, or three or more if some value has no room in a ustar header.
 */
export function tarHeader(member: TarMember): Uint8Array {
  const { type, name, bytes, mode, uid, gid, modified } = member;
  const records: string[] = [];
  /** A number with so many octal digits. The record of a larger one overrides the field. */
  const octal = (value: number, digits: number, key: string): string => {
    const text = value.toString(8);
    if (text.length <= digits) return text.padStart(digits, "0");
    records.push(paxRecord(key, String(value)));
    return "0".repeat(digits);
  };
  const isPlain = PLAIN_NAME.test(name) && name.length <= NAME_BYTES;
  if (!isPlain) records.push(paxRecord("path", name));
  const header = ustarHeader(isPlain ? name : plainName(name), type === "folder" ? "5" : "0", [
    [100, octal(mode, 7, "mode")],
    [108, octal(uid, 7, "uid")],
    [116, octal(gid, 7, "gid")],
    [124, octal(bytes, 11, "size")],
    [136, octal(modified, 11, "mtime")],
  ]);
  return records.length === 0 ? header : joined([...paxHeader(records.join(""), name), header]);
}

/** A header that holds records about the next member. */
function paxHeader(records: string, name: string): Uint8Array[] {
  const contents = new TextEncoder().encode(records);
  const size = contents.length.toString(8).padStart(11, "0");
  const header = ustarHeader(`PaxHeaders/${plainName(name)}`.slice(0, NAME_BYTES), "x", [
    [100, "0000600"],
    [108, "0000000"],
    [116, "0000000"],
    [124, size],
    [136, "00000000000"],
  ]);
  return [header, contents, tarPadding(contents.length)];
}

/** A record begins with its own length, which counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const restBytes = new TextEncoder().encode(rest).length;
  let length = restBytes;
  while (length !== restBytes + String(length).length) length = restBytes + String(length).length;
  return `${length}${rest}`;
}

function ustarHeader(name: string, type: string, numbers: readonly (readonly [number, string])[]): Uint8Array {
  const header = new Uint8Array(BLOCK_BYTES);
  const put = (offset: number, text: string) => void new TextEncoder().encodeInto(text, header.subarray(offset));
  put(0, name);
  for (const [offset, digits] of numbers) put(offset, digits);
  put(156, type);
  put(257, "ustar");
  put(263, "00");
  // The checksum counts its own field as spaces.
  put(148, " ".repeat(8));
  const sum = header.reduce((sum, byte) => sum + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0`);
  return header;
}

/** A name for programs that do not read pax records. */
function plainName(name: string): string {
  return name.replace(/[^\x21-\x7e]/gu, "_").slice(-NAME_BYTES);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
