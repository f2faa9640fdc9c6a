/** Mutants of the object store in S3. */

import type { Mutant } from "./mutant.ts";

const STORE = "src/archive/s3_store.ts";
const REQUESTS = "src/archive/s3_requests.ts";
const XML = "src/archive/s3_xml.ts";
const PLACE = "src/archive/s3_place.ts";

/** Mutants of the object store in S3. */
export const S3_MUTANTS: readonly Mutant[] = [
  {
    name: "a claim in S3 is written without a condition",
    file: STORE,
    edits: [['{ ...body.headers, "if-none-match": "*" }', "{ ...body.headers }"]],
    dies: "archive_s3_test",
  },
  {
    name: "a service without conditional writes fails as if that could pass",
    file: STORE,
    edits: [["status === 412 || status === 501,", "status === 412,"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a refusal of credentials that do not change passes",
    file: "src/archive/s3_requests.ts",
    edits: [['isRefused && !this.place.renewsCredentials ? "INVALID_ARGUMENT"', 'false ? "INVALID_ARGUMENT"']],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a refusal of credentials that can change is final",
    file: "src/archive/s3_requests.ts",
    edits: [["isRefused && !this.place.renewsCredentials ?", "isRefused ?"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "any missing page of a service counts as an absent object",
    file: STORE,
    edits: [['(status === 404 && code === "NoSuchKey")', "status === 404"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "keys in S3 may come out of order",
    file: STORE,
    edits: [["Buffer.compare(Buffer.from(key), Buffer.from(last)) <= 0", 'key === ""']],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a list in S3 reads the same page again and again",
    file: STORE,
    edits: [["(page.next === token || emptyPages", "(emptyPages"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a list in S3 has any number of pages without a key",
    file: STORE,
    edits: [[" || emptyPages === EMPTY_PAGES_MAX", ""]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a list in S3 fails if a page has no key",
    file: STORE,
    edits: [["emptyPages === EMPTY_PAGES_MAX", "emptyPages === 1"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a page of a list in S3 may have any length",
    file: STORE,
    edits: [["replyBytesMax: LIST_PAGE_BYTES_MAX", "replyBytesMax: Infinity"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "the reply to a read of S3 may be longer than the range",
    file: STORE,
    edits: [["replyBytesMax: length ?? READ_BYTES_MAX", "replyBytesMax: READ_BYTES_MAX"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "an error of S3 is lost if its text is too long",
    file: REQUESTS,
    edits: [["if (response.ok && !isWhole)", "if (!isWhole)"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a body of S3 is read to its end",
    file: REQUESTS,
    edits: [["    if (size <= bytesMax) continue;\n    await reader?.cancel();\n    break;\n", ""]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "an upload that fails keeps its parts",
    file: STORE,
    edits: [["      await this.#requests.send(abort, () => {}).catch(() => {});\n", ""]],
    dies: "archive_s3_uploads_test",
  },
  {
    name: "an upload that its signal ends keeps its parts",
    file: STORE,
    edits: [["query: { uploadId }, signal, attempts: 1", "query: { uploadId }, attempts: 1"]],
    dies: "archive_s3_uploads_test",
  },
  {
    name: "aborting an upload takes as long as any request",
    file: STORE,
    edits: [["AbortSignal.timeout(ABORT_MS_MAX)", "undefined"]],
    dies: "archive_s3_uploads_test",
  },
  {
    name: "an upload is complete although its completion answers with an error",
    file: STORE,
    edits: [["      if (!isUploadComplete(textOf(reply))) throw wrongReply(reply);\n", ""]],
    dies: "archive_s3_uploads_test",
  },
  {
    name: "an upload that is gone counts as complete",
    file: STORE,
    edits: [["isGone === undefined || await isThere()", "true"]],
    dies: "archive_s3_uploads_test",
  },
  {
    name: "an upload fails if the reply to its completion was lost",
    file: STORE,
    edits: [["isGone === undefined || await isThere()", "isGone === undefined"]],
    dies: "archive_s3_uploads_test",
  },
  {
    name: "bodies are sent without an MD5",
    file: STORE,
    edits: [[
      'return { body: bytes, headers: { "content-md5": await md5Of(bytes) } };',
      "return { body: bytes, headers: {} };",
    ]],
    dies: "archive_s3_test",
  },
  {
    name: "an object in S3 is read into memory as a whole",
    file: STORE,
    edits: [["const partBytes = Math.max(PART_BYTES, ", "const partBytes = Math.max(body.size, "]],
    dies: "archive_s3_uploads_test",
  },
  {
    name: "a request to S3 has no limit of time",
    file: REQUESTS,
    edits: [["const timer = setTimeout(end, this.place.timeoutMs);", "const timer = setTimeout(() => {}, 0);"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a request to S3 is repeated without end",
    file: REQUESTS,
    edits: [["!error.isPassing || attempt >= attempts", "!error.isPassing"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a lost connection to S3 is final",
    file: REQUESTS,
    edits: [["brief(reason)}`, !isDenied,", "brief(reason)}`, false,"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a conflict of two requests to S3 is final",
    file: REQUESTS,
    edits: [["[408, 409, 429,", "[408, 429,"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a list in S3 that is cut off is used",
    file: XML,
    edits: [["?>(.*)</${name}>\\\\s*$`", "?>(.*)`"]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a list in S3 ends where it cannot be continued",
    file: XML,
    edits: [[
      "if (!isValid || (isTruncated && next === undefined)) return undefined;",
      "if (!isValid) return undefined;",
    ]],
    dies: "archive_s3_faults_test",
  },
  {
    name: "a session token of the environment is used with other credentials",
    file: PLACE,
    edits: [[
      "  return () => ({ accessKeyId, secretAccessKey, sessionToken });",
      '  const token = sessionToken ?? variable("AWS_SESSION_TOKEN");\n  return () => ({ accessKeyId, secretAccessKey, sessionToken: token });',
    ]],
    dies: "archive_s3_test",
  },
  {
    name: "a secret of the environment is used with another access key",
    file: PLACE,
    edits: [[
      "  const { accessKeyId, secretAccessKey, sessionToken } = found;",
      '  const { accessKeyId, sessionToken } = found;\n  const secretAccessKey = found.secretAccessKey ?? variable("AWS_SECRET_ACCESS_KEY");',
    ]],
    dies: "archive_s3_test",
  },
  {
    name: "a prefix in S3 may leave its folder",
    file: PLACE,
    edits: [["(?!\\.{1,2}$)", ""]],
    dies: "archive_s3_test",
  },
];
