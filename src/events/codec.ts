/**
 * Codecs: they turn events into bytes and back.
 *
 * @module
 */

import { Buffer } from "node:buffer";
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
}

/** The outcome of a validation: the value, or its errors. */
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

/** The codec {@link json}: it accepts events of any type that JSON can hold. */
export interface JsonCodec {
  /** Encodes an event as `JSON.stringify` does. */
  encode(event: unknown): Uint8Array<ArrayBuffer>;
  /** Decodes an event as `JSON.parse` does. */
  decode<E>(bytes: Uint8Array): E;
}

const encoder = new TextEncoder();
/** The most bytes that a UTF-16 unit takes. */
const UTF8_BYTES_MAX = 3;
/** Memory of {@link encodeBriefly}. Allocating bytes for each event takes longer than encoding it. */
const brief = new Uint8Array(16 * 1024);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes UTF-8. In Deno, a `Buffer` decodes short texts faster than a `TextDecoder`; elsewhere they are alike. */
function textOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  // Invalid UTF-8 decodes to U+FFFD.
  return text.includes("\ufffd") ? decoder.decode(bytes) : text;
}

/**
 * Events as JSON. A value that JSON cannot hold is stored as `JSON.stringify` writes it: a `Date` as a string, `NaN` as
 * `null`.
 */
export const json: JsonCodec = {
  encode(event: unknown): Uint8Array<ArrayBuffer> {
    return encoder.encode(jsonOf(event));
  },
  decode<E>(bytes: Uint8Array): E {
    return JSON.parse(textOf(bytes));
  },
};

function jsonOf(event: unknown): string {
  const text = JSON.stringify(event);
  if (text === undefined) throw new TypeError(`JSON has no value for ${show(event)}`);
  return text;
}

/** Encodes an event as JSON. The result is valid until the next event is encoded. The log copies it before that. */
function encodeBriefly(event: unknown): Uint8Array {
  const text = jsonOf(event);
  if (text.length * UTF8_BYTES_MAX > brief.length) return encoder.encode(text);
  return brief.subarray(0, encoder.encodeInto(text, brief).written);
}

/** Events that are strings, as UTF-8. A string with half a surrogate pair is rejected. */
export const text: EventCodec<string> = {
  encode(event: string): Uint8Array<ArrayBuffer> {
    if (typeof event !== "string") throw new TypeError(`expected a string, found ${show(event)}`);
    if (!event.isWellFormed()) throw new TypeError("the string has half a surrogate pair, which UTF-8 cannot hold");
    return encoder.encode(event);
  },
  decode: textOf,
};

/** Events that are bytes. A read returns a copy with its own buffer. */
export const bytes: EventCodec<Uint8Array<ArrayBuffer>> = {
  encode(event: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    if (!isBytes(event)) throw new TypeError(`expected a Uint8Array, found ${show(event)}`);
    return event as Uint8Array<ArrayBuffer>;
  },
  decode(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    return bytes.slice();
  },
};

/** A codec as a log uses it. */
export interface LogCodec<E> extends EventCodec<E> {
  /** Decodes an event from its text. `undefined` if the codec does not decode text. */
  readonly parse: ((text: string) => E) | undefined;
}

/**
 * The codec for the value of an option.
 *
 * @param given A codec, or a validator, which validates events that are stored as JSON.
 * @returns The codec.
 * @throws {WalLogError} `INVALID_ARGUMENT` if it is neither.
 */
export function codecOf<E>(given: EventCodec<E> | StandardSchema<E>): LogCodec<E> {
  if (given === json) return { encode: encodeBriefly, decode: json.decode, parse: JSON.parse };
  const { encode, decode, "~standard": schema } = (given ?? {}) as Partial<EventCodec<E> & StandardSchema<E>>;
  if (typeof encode === "function" && typeof decode === "function") {
    const codec = given as EventCodec<E>;
    return { encode: (event) => codec.encode(event), decode: (bytes) => codec.decode(bytes), parse: undefined };
  }
  if (typeof schema?.validate === "function") return validating(schema);
  throw invalid(
    "Cannot open an event log: codec must have encode and decode, or be a Standard Schema, found " + show(given),
  );
}

/** JSON, validated before it is written and after it is read. */
function validating<E>(schema: StandardSchema<E>["~standard"]): LogCodec<E> {
  const validated = (value: unknown): E => {
    const result = schema.validate(value);
    if (isThenable(result)) {
      // Nothing awaits the promise, and an unhandled rejection would end the process.
      Promise.resolve(result).catch(() => {});
      throw new TypeError(`the schema of ${schema.vendor} is asynchronous`);
    }
    if (result.issues === undefined) return result.value;
    throw new TypeError(result.issues.map(({ message }) => message).join("; ") || "the schema rejects it");
  };
  return {
    encode: (event) => {
      validated(event);
      return encodeBriefly(event);
    },
    decode: (bytes) => validated(json.decode(bytes)),
    parse: (text) => validated(JSON.parse(text)),
  };
}

/** Whether a result is a promise, of this realm or another, or of a library. */
function isThenable<T>(result: T | PromiseLike<T>): result is PromiseLike<T> {
  return isObject(result) && typeof (result as PromiseLike<T>).then === "function";
}
