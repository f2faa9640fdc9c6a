/**
 * Mutations that ignore the meaning of the bytes.
 *
 * @module
 */

import { segmentName } from "../../src/format/segment_name.ts";
import { snapshotName } from "../../src/format/snapshot_name.ts";
import type { MutatedLog } from "./mutated_log.ts";
import { FOLDER, original, ORIGINALS } from "./originals.ts";

/** Changes arbitrary bytes. */
export function changeBytes(log: MutatedLog): void {
  const { random } = log;
  const path = log.anyPath();
  if (path === undefined) return;
  const bytes = log.files.get(path)!;
  const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const at = random.below(Math.max(random.chance(0.9) ? used : bytes.length, 1));
  if (random.chance(0.5)) {
    log.note(`flip a bit at ${at} of ${path}`);
    if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
  } else {
    const length = 1 + random.below(random.chance(0.7) ? 64 : 2048);
    log.note(`overwrite ${length} bytes at ${at} of ${path}`);
    const fill = random.pick([0, 0xff, undefined]);
    const run = bytes.subarray(at, at + length);
    if (fill === undefined) random.fill(run);
    else run.fill(fill);
  }
}

export function changeSectors(log: MutatedLog): void {
  const { random } = log;
  const path = log.anyPath();
  if (path === undefined) return;
  const bytes = log.files.get(path)!;
  const count = Math.max(1, Math.ceil(bytes.length / 512));
  const one = random.below(count) * 512;
  const other = random.below(count) * 512;
  const kind = random.below(4);
  if (kind === 0) {
    log.note(`zero the sector at ${one} of ${path}`);
    bytes.fill(0, one, one + 512);
  } else if (kind === 1) {
    log.note(`copy the sector at ${one} of ${path} to ${other}`);
    bytes.copyWithin(other, one, one + 512);
  } else if (kind === 2) {
    log.note(`swap the sectors at ${one} and ${other} of ${path}`);
    const kept = bytes.slice(one, one + 512);
    bytes.copyWithin(one, other, other + 512);
    bytes.set(kept.subarray(0, Math.max(0, bytes.length - other)), other);
  } else {
    const from = log.files.get(log.anyPath()!)!;
    const source = random.below(Math.max(1, Math.ceil(from.length / 512))) * 512;
    log.note(`move a sector of another file, from ${source}, to ${one} of ${path}`);
    bytes.set(from.slice(source, source + 512).subarray(0, Math.max(0, bytes.length - one)), one);
  }
}

/** Changes whole files. */
export function changeFile(log: MutatedLog): void {
  const { random } = log;
  const path = log.anyPath();
  if (path === undefined) return;
  const bytes = log.files.get(path)!;
  const kind = random.below(7);
  const numbers = [1, 2, 3, 4, 5, 6, 7, 8, 99, 10 ** 11, 2 ** 53 - 1, 2 ** 53];
  const target = random.chance(0.7)
    ? `${FOLDER}/${segmentName(random.pick(numbers))}`
    : random.chance(0.5)
    ? `${FOLDER}/${snapshotName(random.below(40), random.below(5))}`
    : log.anyPath()!;
  if (kind === 0) {
    const size = random.below(bytes.length + 1);
    log.note(`cut ${path} to ${size}`);
    log.files.set(path, bytes.slice(0, size));
  } else if (kind === 1) {
    const longer = new Uint8Array(bytes.length + 1 + random.below(random.chance(0.5) ? 100 : 20_000));
    if (random.chance(0.5)) random.fill(longer);
    longer.set(bytes);
    log.note(`extend ${path} by ${longer.length - bytes.length}`);
    log.files.set(path, longer);
  } else if (kind === 2) {
    log.note(`remove ${path}`);
    log.files.delete(path);
  } else if (kind === 3) {
    log.note(`rename ${path} to ${target}`);
    log.files.delete(path);
    log.files.set(target, bytes);
  } else if (kind === 4) {
    log.note(`copy ${path} to ${target}`);
    log.files.set(target, bytes.slice());
  } else if (kind === 5) {
    const noise = new Uint8Array(random.below(random.chance(0.5) ? 200 : 20_000));
    if (random.chance(0.8)) random.fill(noise);
    log.note(`${noise.length} bytes of noise as ${target}`);
    log.files.set(target, noise);
  } else {
    const foreign = original(random.below(ORIGINALS));
    const [from, other] = random.pick([...foreign]);
    log.note(`${from} of another log as ${target}`);
    log.files.set(target, other);
  }
}
