/**
 * Reads the XML of S3: lists, errors, and two replies about uploads in parts.
 *
 * There is no XML library, because these replies have a fixed form: elements without attributes that matter, texts with
 * the predefined entities, no comments and no CDATA. Of each element, only the first with its name is read, and all
 * `Contents` of a list. A reply that is cut off lacks the end of its root element, and is refused.
 *
 * @module
 */

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** A page of a list. */
export interface ListPage {
  readonly objects: readonly { readonly key: string; readonly size: number }[];
  /** The token that continues the list; `undefined` at its end. */
  readonly next: string | undefined;
}

/** An error that the service reports. */
export interface ReportedError {
  /** The code, such as `NoSuchKey`. */
  readonly code: string;
  readonly message: string;
  readonly requestId: string | undefined;
}

/**
 * Reads a page of a list that was requested with `encoding-type=url`.
 *
 * @param xml The reply.
 * @returns The page; `undefined` if this is none, or it is cut off.
 */
export function readListPage(xml: string): ListPage | undefined {
  const root = elementOf(xml, "ListBucketResult");
  if (root === undefined) return undefined;
  const isEncoded = textOf(root, "EncodingType") === "url";
  const objects = [...root.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, contents]) => {
    const key = textOf(contents!, "Key") ?? "";
    return { key: isEncoded ? decoded(key) : key, size: Number(textOf(contents!, "Size") ?? NaN) };
  });
  const next = textOf(root, "NextContinuationToken");
  const isTruncated = textOf(root, "IsTruncated") === "true";
  const isValid = objects.every(({ key, size }) => key !== "" && Number.isSafeInteger(size) && size >= 0);
  // Without a token, the rest of the list would be lost.
  if (!isValid || (isTruncated && next === undefined)) return undefined;
  return { objects, next: isTruncated ? next : undefined };
}

/**
 * Reads an error.
 *
 * @param xml The reply.
 * @returns The error; `undefined` if this is none.
 */
export function readError(xml: string): ReportedError | undefined {
  const root = elementOf(xml, "Error");
  const code = root && textOf(root, "Code");
  if (root === undefined || code === undefined) return undefined;
  return { code, message: textOf(root, "Message") ?? "", requestId: textOf(root, "RequestId") };
}

/**
 * Reads the id of an upload that has begun.
 *
 * @param xml The reply.
 * @returns The id; `undefined` if there is none.
 */
export function readUploadId(xml: string): string | undefined {
  const root = elementOf(xml, "InitiateMultipartUploadResult");
  return (root && textOf(root, "UploadId")) || undefined;
}

/** Whether a reply says that an upload is complete. */
export function isUploadComplete(xml: string): boolean {
  return elementOf(xml, "CompleteMultipartUploadResult") !== undefined;
}

/**
 * Writes the request that completes an upload.
 *
 * @param tags The tags of its parts, in order.
 * @returns The XML.
 */
export function completeUpload(tags: readonly string[]): string {
  const escaped = (text: string) => text.replace(/[<>&]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const parts = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`);
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${
    parts.join("")
  }</CompleteMultipartUpload>`;
}

/** The inside of the root element, if it has the name and an end. */
function elementOf(xml: string, name: string): string | undefined {
  const pattern = new RegExp(`^\\s*(?:<\\?xml[^>]*\\?>\\s*)?<${name}(?:\\s[^>]*)?>(.*)</${name}>\\s*$`, "s");
  return pattern.exec(xml)?.[1];
}

/** The text of the first element with a name. */
function textOf(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text?.replace(/&(?:#x([\dA-Fa-f]{1,6})|#(\d{1,7})|(lt|gt|amp|quot|apos));/g, (_, hex, decimal, entity) => {
    if (entity !== undefined) return ENTITIES[entity]!;
    const point = hex === undefined ? Number(decimal) : parseInt(hex, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd";
  });
}

/** A key without its URL encoding, in which a plus sign is a space. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    return "";
  }
}
