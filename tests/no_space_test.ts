/** Writes without space: the message names the limit, for each runtime's form of the error. */

import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { errorCode, ioError, isNoSpace, isOutOfFiles, reasonOf } from "../src/io/full.ts";
import { entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { skipReason } from "./skip.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;

/** Errors as the runtimes throw them on Linux. Deno gives no code for some, and Node has no name for a quota. */
const ERRORS:
  readonly (readonly [runtime: string, code: string, fields: { message: string; [field: string]: unknown }])[] = [
    ["Node", "ENOSPC", { message: "ENOSPC: no space left on device, write", code: "ENOSPC", errno: -28 }],
    ["Node", "EDQUOT", { message: "UNKNOWN: unknown error, write", code: "UNKNOWN", errno: -122 }],
    ["Node", "EFBIG", { message: "EFBIG: file too large, write", code: "EFBIG", errno: -27 }],
    ["Bun", "ENOSPC", { message: "ENOSPC: no space left on device, write", code: "ENOSPC", errno: -28 }],
    ["Bun", "EDQUOT", { message: "EDQUOT: unknown error, write", code: "EDQUOT", errno: -122 }],
    ["Bun", "EFBIG", { message: "EFBIG: file too large, write", code: "EFBIG", errno: -27 }],
    ["Deno", "ENOSPC", { message: "No space left on device (os error 28)", code: "ENOSPC" }],
    ["Deno", "EDQUOT", { message: "Disk quota exceeded (os error 122)" }],
    ["Deno", "EFBIG", { message: "File too large (os error 27)" }],
  ];

const WORDS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would exceed the largest size allowed, by `ulimit -f` or by the file system",
};

function forged({ message, ...fields }: { message: string; [field: string]: unknown }): Error {
  return Object.assign(new Error(message), fields);
}

/** The error that a call throws. */
function thrown(call: () => unknown): WalLogError {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof WalLogError, `${error}`);
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("an error for lack of space", () => {
  for (const [runtime, code, fields] of ERRORS) {
    const isNumber = fields.code !== code;
    const skip = skipReason(isNumber && process.platform !== "linux" && "only the error numbers of Linux are known");
    const error = forged(fields);
    const found = fields.message.startsWith(code) ? fields.message : `${code}: ${fields.message}`;
    const reason = `${WORDS[code]} (${found})`;

    it(`is NO_SPACE and names the limit: ${code} in ${runtime}`, { skip }, () => {
      assert.equal(errorCode(error), code);
      assert.equal(isNoSpace(error), true);
      assert.equal(reasonOf(error), reason);
      const { code: own, message, cause } = ioError("Cannot open the log", "/log", error);
      assert.deepEqual([own, message, cause], ["NO_SPACE", `Cannot open the log at /log: ${reason}`, error]);
    });

    it(`refuses a new segment and a write: ${code} in ${runtime}`, { skip }, () => {
      for (const operation of ["create", "write"]) {
        const fileSystem = new WatchedFileSystem(new MemoryDisk());
        const log = WalLog.openSync(PATH, { fileSystem, segmentBytes: 4096 });
        fileSystem.fail = (call) => {
          if (call.operation === operation) throw error;
        };
        const { code: own, message, cause } = thrown(() => {
          for (let index = 1; index <= 100; index++) log.append([entryAt(index, 1, 500)]);
        });
        assert.equal(own, "NO_SPACE");
        assert.ok(message.includes(`: ${reason}`), message);
        assert.equal(cause, error);
      }
    });
  }

  it("is not the error of a file that cannot be read for lack of descriptors", () => {
    for (const code of ["EMFILE", "ENFILE"]) {
      const error = forged({ message: `${code}: too many open files, open`, code });
      assert.deepEqual([isOutOfFiles(error), isNoSpace(error)], [true, false]);
      assert.equal(ioError("Cannot read", "/log", error).code, "IO");
      assert.match(reasonOf(error), /has too many open files/);
    }
  });

  it("is IO if its cause is another error", () => {
    const others = [
      { message: "EIO: i/o error, write", code: "EIO", errno: -5 },
      { message: "Input/output error (os error 5)" },
      { message: "UNKNOWN: unknown error, write", code: "UNKNOWN", errno: -117 },
    ];
    for (const fields of others) {
      const error = forged(fields);
      assert.equal(isNoSpace(error), false);
      assert.equal(reasonOf(error), fields.message);
      assert.equal(ioError("Cannot open the log", "/log", error).code, "IO");
    }
  });
});
