/**
 * Standard output as a command sees it: as fast as the reader takes it, and closed when nobody reads on.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { errorCode, isNoSpace, reasonOf } from "../io/full.ts";

/** Nobody reads on: `head` has what it wanted. No error. */
export class ReaderGone extends Error {}

/** What the output goes to. */
export interface Stream {
  /** Whether it is a terminal. */
  readonly isTTY?: boolean;
  write(data: string | Uint8Array): boolean;
  on(event: "error", listener: (error: Error) => void): unknown;
  once(event: "drain", listener: () => void): unknown;
}

/** What is gathered before it is written. In UTF-16 units. */
const GATHERED_LENGTH_MAX = 64 * 1024;

/** Writes to a stream and waits where it cannot take more. */
export class Output {
  readonly #stream: Stream;
  #error: Error | undefined;
  #wake: () => void = () => {};
  #text = "";

  /** @param stream Where it goes. */
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
   * Writes a line, sooner or later: see {@link Output.flush}.
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
   * Writes what was gathered.
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
      // Deno throws where the others tell later on.
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
