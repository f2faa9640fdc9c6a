/**
 * The standard output of a command. Writes wait for a slow reader, and end the command when the reader is gone.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { errorCode, isNoSpace, reasonOf } from "../io/full.ts";

/** The reader has closed standard output, as `head` does. This is not an error. */
export class ReaderGone extends Error {}

/** The stream to which the output goes. */
export interface Stream {
  /** Whether it is a terminal. */
  readonly isTTY?: boolean;
  write(data: string | Uint8Array): boolean;
  on(event: "error", listener: (error: Error) => void): unknown;
  once(event: "drain", listener: () => void): unknown;
}

/** The size at which collected lines are written, in UTF-16 units. */
const GATHERED_LENGTH_MAX = 64 * 1024;

/** Writes to a stream, and waits while its buffer is full. */
export class Output {
  readonly #stream: Stream;
  #error: Error | undefined;
  #wake: () => void = () => {};
  #text = "";

  /** @param stream The stream. */
  constructor(stream: Stream) {
    this.#stream = stream;
    stream.on("error", (error) => {
      this.#error = error;
      this.#wake();
    });
  }

  /** Whether it goes to a terminal. */
  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /**
   * Adds a line. It is written later: see {@link Output.flush}.
   *
   * @param line The line, without its end.
   * @throws {ReaderGone} If nobody reads on.
   * @throws {WalLogError} `IO` or `NO_SPACE` if it cannot be written.
   */
  async line(line = ""): Promise<void> {
    this.#text += line + "\n";
    if (this.#text.length > GATHERED_LENGTH_MAX) await this.flush();
  }

  /**
   * Writes bytes.
   *
   * @param bytes The bytes.
   * @throws {ReaderGone} If nobody reads on.
   * @throws {WalLogError} `IO` or `NO_SPACE` if it cannot be written.
   */
  async bytes(bytes: Uint8Array): Promise<void> {
    await this.flush();
    if (bytes.length > 0) await this.#write(bytes);
  }

  /**
   * Writes the collected lines.
   *
   * @throws {ReaderGone} If nobody reads on.
   * @throws {WalLogError} `IO` or `NO_SPACE` if it cannot be written.
   */
  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    if (text !== "") await this.#write(text);
  }

  async #write(data: string | Uint8Array): Promise<void> {
    this.#check();
    let isTaken = false;
    try {
      isTaken = this.#stream.write(data);
    } catch (error) {
      // Deno throws at once. The other runtimes report the error later.
      this.#error = error as Error;
    }
    if (!isTaken && this.#error === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#stream.once("drain", resolve);
      });
    }
    this.#check();
  }

  #check(): void {
    const error = this.#error;
    if (error === undefined) return;
    if (errorCode(error) === "EPIPE" || error.name === "BrokenPipe") throw new ReaderGone();
    const code = isNoSpace(error) ? "NO_SPACE" : "IO";
    throw new WalLogError(code, `Cannot write to standard output: ${reasonOf(error)}`, { cause: error });
  }
}
