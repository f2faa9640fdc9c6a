/**
 * Writes a text file line by line.
 *
 * @module
 */

import type { File, FileSystem } from "../io/file_system.ts";
import { ioError, writeFull } from "../io/full.ts";

/** The size of one write, in UTF-16 units. */
const BLOCK_LENGTH = 64 * 1024;

/** Writes a new text file. Lines are gathered into blocks, and each block is written whole. */
export class LineWriter {
  private readonly file: File;
  private readonly path: string;
  private readonly encoder = new TextEncoder();
  private text = "";
  private position = 0;

  /**
   * Makes the file.
   *
   * @param fileSystem The machine.
   * @param path The file, which must not exist.
   */
  constructor(fileSystem: FileSystem, path: string) {
    this.path = path;
    this.file = fileSystem.open(path, "create");
  }

  /**
   * Adds a line.
   *
   * @param line The line, without its end.
   * @throws {WalLogError} `NO_SPACE` or `IO` if a block cannot be written.
   */
  line(line: string): void {
    this.text += line + "\n";
    if (this.text.length >= BLOCK_LENGTH) this.flush();
  }

  /**
   * Writes the last block, and makes the file durable but for its name.
   *
   * @throws {WalLogError} `NO_SPACE` or `IO` if that fails.
   */
  sync(): void {
    this.flush();
    try {
      this.file.sync();
    } catch (error) {
      throw ioError("Cannot flush the file", this.path, error);
    }
  }

  /** Closes the file. Lines after the last {@link LineWriter.sync} may be missing from it. */
  close(): void {
    this.file.close();
  }

  private flush(): void {
    const bytes = this.encoder.encode(this.text);
    this.text = "";
    try {
      writeFull(this.file, bytes, this.position);
    } catch (error) {
      throw ioError("Cannot write to the file", this.path, error);
    }
    this.position += bytes.length;
  }
}
