/**
 * Codecs: how events become bytes.
 *
 * @module
 */

import { isBytes } from "../api/taken.ts";
import { invalid, isObject, show } from "../api/validate.ts";

/** Turns events into bytes and back. */
export interface EventCodec<E> {
  /**
   * Encodes an event. If it throws, the event is rejected with `INVALID_EVENT`, and nothing is written.
   *
   * @param event The event.
   * @returns Its bytes. The log copies them.
   */
  encode(event: E): Uint8Array;
  /**
   * Decodes an event. If it throws, reading the event fails with `ENCODING`.
   *
   * @param bytes The bytes. They can share a buffer with other events, and other followers can have them: copy what you
   * keep or change.
   * @returns The event.
   */
  decode(bytes: Uint8Array<ArrayBuffer>): E;
  /**
   * Decodes several events at once, if that is faster. If it throws, the events are decoded one by one.
   *
   * @param all The bytes of each.
   * @returns The events, in the same order.
   */
  decodeAll?(all: readonly Uint8Array<ArrayBuffer>[]): readonly E[];
}

/** The outcome of a validation: the value, or what is wrong with it. */
export type SchemaResult<E> =
  | { readonly value: E; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/**
 * A validator that follows the Standard Schema specification, such as a schema of Zod, Valibot or ArkType. It must be
 * synchronous, and accept its own results.
 */
export interface StandardSchema<E> {
  /** The properties that the specification names. */
  readonly "~standard": {
    /** The version of the specification. */
    readonly version: 1;
    /** The library. */
    readonly vendor: string;
    /** Validates a value. */
    readonly validate: (value: unknown) => SchemaResult<E> | Promise<SchemaResult<E>>;
  };
}

/** The codec {@link json}: it takes events of any type that JSON can hold. */
export interface JsonCodec {
  /** Encodes an event as `JSON.stringify` does. */
  encode(event: unknown): Uint8Array<ArrayBuffer>;
  /** Decodes an event as `JSON.parse` does. */
  decode<E>(bytes: Uint8Array): E;
  /** Decodes several events at once. */
  decodeAll<E>(all: readonly Uint8Array[]): readonly E[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Faster. Bytes that are no UTF-8 show as U+FFFD. */
const joinedDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
/** A number between the events of an array. Random, so that no text that is not JSON can hold it. */
const MARK = crypto.getRandomValues(new Uint32Array(1))[0]! >>> 2;
const OPENING = encoder.encode("[");
const SEPARATOR = encoder.encode(`,${MARK},`);
const CLOSING = encoder.encode("]".padEnd(SEPARATOR.length));

/**
 * Events as JSON. A value that JSON cannot hold is stored as `JSON.stringify` writes it: a `Date` as a string, `NaN` as
 * `null`.
 */
export const json: JsonCodec = {
  encode(event: unknown): Uint8Array<ArrayBuffer> {
    const text = JSON.stringify(event);
    if (text === undefined) throw new TypeError(`JSON has no value for ${show(event)}`);
    return encoder.encode(text);
  },
  decode<E>(bytes: Uint8Array): E {
    return JSON.parse(decoder.decode(bytes));
  },
  decodeAll<E>(all: readonly Uint8Array[]): readonly E[] {
    if (all.length === 0) return [];
    const joined = new Uint8Array(all.reduce((sum, { length }) => sum + length + SEPARATOR.length, OPENING.length));
    joined.set(OPENING);
    let end = OPENING.length;
    for (const bytes of all) {
      joined.set(bytes, end);
      joined.set(SEPARATOR, end + bytes.length);
      end += bytes.length + SEPARATOR.length;
    }
    joined.set(CLOSING, end - CLOSING.length);
    const text = joinedDecoder.decode(joined);
    if (text.includes("\ufffd")) throw new TypeError("an event may not be UTF-8");
    const values: unknown[] = JSON.parse(text);
    // An event that is no JSON value by itself moves the marks.
    let isWhole = values.length === 2 * all.length - 1;
    for (let nth = 1; nth < values.length; nth += 2) isWhole &&= values[nth] === MARK;
    if (!isWhole) throw new SyntaxError("an event is not a JSON value");
    return all.map((_, nth) => values[nth * 2] as E);
  },
};

/** Events that are strings, as UTF-8. A string with half a surrogate pair is rejected. */
export const text: EventCodec<string> = {
  encode(event: string): Uint8Array<ArrayBuffer> {
    if (typeof event !== "string") throw new TypeError(`expected a string, found ${show(event)}`);
    if (!event.isWellFormed()) throw new TypeError("the string has half a surrogate pair, which UTF-8 cannot hold");
    return encoder.encode(event);
  },
  decode(bytes: Uint8Array): string {
    return decoder.decode(bytes);
  },
};

/** Events that are bytes. Reading returns a copy with a buffer of its own. */
export const bytes: EventCodec<Uint8Array<ArrayBuffer>> = {
  encode(event: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (!isBytes(event)) throw new TypeError(`expected a Uint8Array, found ${show(event)}`);
    return event as Uint8Array<ArrayBuffer>;
  },
  decode(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    return bytes.slice();
  },
};

/**
 * The codec that an option stands for.
 *
 * @param given A codec, or a validator, which validates events that are stored as JSON.
 * @returns The codec.
 * @throws {WalLogError} `INVALID_ARGUMENT` if it is neither.
 */
export function codecOf<E>(given: EventCodec<E> | StandardSchema<E>): EventCodec<E> {
  const { encode, decode, "~standard": schema } = (given ?? {}) as Partial<EventCodec<E> & StandardSchema<E>>;
  if (typeof encode === "function" && typeof decode === "function") return given as EventCodec<E>;
  if (typeof schema?.validate === "function") return validating(schema);
  throw invalid(
    "Cannot open an event log: codec must have encode and decode, or be a Standard Schema, found " + show(given),
  );
}

/** JSON, validated before it is written and after it is read. */
function validating<E>(schema: StandardSchema<E>["~standard"]): EventCodec<E> {
  const validated = (value: unknown): E => {
    const result = schema.validate(value);
    if (isThenable(result)) {
      // Nobody waits for it. A rejection that nobody handles ends the process.
      Promise.resolve(result).catch(() => {});
      throw new TypeError(`the schema of ${schema.vendor} is asynchronous`);
    }
    if (result.issues === undefined) return result.value;
    throw new TypeError(result.issues.map(({ message }) => message).join("; ") || "the schema rejects it");
  };
  return {
    encode: (event) => {
      validated(event);
      return json.encode(event);
    },
    decode: (bytes) => validated(json.decode(bytes)),
    decodeAll: (all) => json.decodeAll<unknown>(all).map(validated),
  };
}

/** Whether a result is a promise, of this realm or another, or of a library. */
function isThenable<T>(result: T | PromiseLike<T>): result is PromiseLike<T> {
  return isObject(result) && typeof (result as PromiseLike<T>).then === "function";
}
