/**
 * Numbers as people write them.
 *
 * @module
 */

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

const BINARY_UNITS = [
  ["GiB", GIB],
  ["MiB", MIB],
  ["KiB", KIB],
  ["B", 1],
] as const;

/**
 * Reads a size: "4GiB", "64 MiB", "128", "16k".
 *
 * @param text A number with or without a unit; K, M and G are powers of 1,024.
 * @returns Bytes.
 * @throws {RangeError} If the text is not a size.
 */
export function parseSize(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?\s*$/i.exec(text);
  const bytes = match === null ? NaN : Number(match[1]) * 1024 ** " kmg".indexOf(match[2]!.toLowerCase() || " ");
  if (!Number.isSafeInteger(bytes) || bytes === 0) {
    throw new RangeError(`expected a size such as 4GiB or 128, found ${JSON.stringify(text)}`);
  }
  return bytes;
}

/** Formats bytes in the largest fitting unit: "1.5 MiB". */
export function sizeText(bytes: number): string {
  const [unit, size] = BINARY_UNITS.find(([, size]) => bytes >= size) ?? ["B", 1];
  return `${short(bytes / size)} ${unit}`;
}

/** Formats three significant digits: 1234 as "1,230", 12.34 as "12.3", 0.01234 as "0.0123". */
export function short(number: number): string {
  if (number === 0 || !Number.isFinite(number)) return String(number);
  return Number(number.toPrecision(3)).toLocaleString("en-US", { maximumSignificantDigits: 3 });
}

/** Formats a rate in thousands or millions: "23.1 M", "250 k", "12.3". */
export function rateText(number: number): string {
  if (number >= 1e6) return `${short(number / 1e6)} M`;
  return number >= 1e4 ? `${short(number / 1e3)} k` : short(number);
}

/** Formats seconds in a fitting unit: "1.2 s", "15 ms", "0.8 us". */
export function durationText(seconds: number): string {
  if (seconds < 0) return `-${durationText(-seconds)}`;
  if (seconds >= 1) return `${short(seconds)} s`;
  return seconds >= 1e-3 ? `${short(seconds * 1e3)} ms` : `${short(seconds * 1e6)} us`;
}
