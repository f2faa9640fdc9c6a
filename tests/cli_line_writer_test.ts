/** Text files that the command line writes are whole, whatever the size of the system's writes. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { LineWriter } from "../src/cli/line_writer.ts";
import type { FileSystem } from "../src/io/file_system.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** A machine that writes part of the bytes at a time, and counts the writes. */
function partial(part: (bytes: number) => number): FileSystem & { writes: number } {
  const machine = {
    ...nodeFileSystem,
    writes: 0,
    open(path: string, mode: "read" | "write" | "create") {
      const file = nodeFileSystem.open(path, mode);
      const write = file.write.bind(file);
      file.write = (from, position) => {
        machine.writes++;
        return write(from.subarray(0, part(from.length)), position);
      };
      return file;
    },
  };
  return machine;
}

const LINES = Array.from({ length: 3000 }, (_, i) => `${i} ${"ä".repeat(i % 90)}`);

describe("LineWriter", () => {
  it("writes every byte though the system writes less than asked for", async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "lines");
      const writer = new LineWriter(partial((bytes) => Math.ceil(bytes / 3)), path);
      for (const line of LINES) writer.line(line);
      writer.sync();
      writer.close();
      assert.equal(readFileSync(path, "utf8"), LINES.join("\n") + "\n");
      return Promise.resolve();
    });
  });

  it("gathers lines into blocks", async () => {
    await inTemporaryFolder((folder) => {
      const machine = partial((bytes) => bytes);
      const writer = new LineWriter(machine, join(folder, "lines"));
      for (const line of LINES) writer.line(line);
      writer.sync();
      writer.close();
      assert.ok(machine.writes < 5, `${machine.writes} writes for ${LINES.length} lines`);
      return Promise.resolve();
    });
  });

  it("names the file and the reason if a write fails", async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "lines");
      const machine = partial(() => {
        throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      });
      const writer = new LineWriter(machine, path);
      writer.line("a");
      assert.throws(() => writer.sync(), (error: { code: string; message: string }) => {
        assert.equal(error.code, "NO_SPACE");
        assert.ok(error.message.startsWith(`Cannot write to the file at ${path}: the disk is full`), error.message);
        return true;
      });
      writer.close();
      return Promise.resolve();
    });
  });
});
