/**
 * Names of segment files.
 *
 * @module
 */

const EXTENSION = ".seg";

/**
 * Segment numbers are below this, so that every name has 12 digits, even that of the next segment, and names sort like
 * numbers. At one segment per millisecond, a log reaches it after 30 years.
 */
export const SEGMENT_NUMBER_END = 10 ** 12 - 1;

/**
 * The name of a segment file.
 *
 * @param number The segment's number.
 * @returns `000000000001.seg` for 1.
 */
export function segmentName(number: number): string {
  return String(number).padStart(12, "0") + EXTENSION;
}

/**
 * The number in a segment file's name.
 *
 * @param name A file name.
 * @returns The number; `undefined` if this is not the name of a segment.
 */
export function segmentNumber(name: string): number | undefined {
  if (!/^\d{12}\.seg$/.test(name)) return undefined;
  const number = Number(name.slice(0, -EXTENSION.length));
  return number > 0 && number < SEGMENT_NUMBER_END ? number : undefined;
}
