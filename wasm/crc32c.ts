/**
 * CRC32C (Castagnoli), table-driven: sixteen bytes a step, each with a table of its own ("slicing by 16", Kounavis and
 * Berry, "A Systematic Approach to Building High Performance, Software-based, CRC Generators"). WebAssembly has no CRC
 * instruction, which is why the log's own checksum is another; this one is for files that others wrote.
 */

/** The polynomial 0x1EDC6F41, its bits reversed. */
const POLYNOMIAL: u32 = 0x82f63b78;
const TABLES: usize = 16;
const TABLE_BYTES: usize = 1024;

/** Table `k` holds what each value of a byte comes to when `k` bytes of zeros follow. */
const TABLE: usize = memory.data(16 * 1024, 16);
let tablesAreMade = false;

/** Made when first needed: a log that meets no foreign file goes without. */
function makeTables(): void {
  for (let value: u32 = 0; value < 256; value++) {
    let crc = value;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (POLYNOMIAL & (0 - (crc & 1)));
    store<u32>(TABLE + (value << 2), crc);
  }
  for (let value: u32 = 0; value < 256; value++) {
    let crc = load<u32>(TABLE + (value << 2));
    for (let k: usize = 1; k < TABLES; k++) {
      crc = (crc >>> 8) ^ load<u32>(TABLE + ((crc & 255) << 2));
      store<u32>(TABLE + k * TABLE_BYTES + (value << 2), crc);
    }
  }
  tablesAreMade = true;
}

// @ts-ignore: decorator
@inline
function look(k: usize, byte: u32): u32 {
  return load<u32>(TABLE + k * TABLE_BYTES + (byte << 2));
}

/** What four bytes come to when `k` more follow. */
// @ts-ignore: decorator
@inline
function fold(k: usize, word: u32): u32 {
  return look(k + 3, word & 255) ^ look(k + 2, (word >>> 8) & 255) ^ look(k + 1, (word >>> 16) & 255) ^
    look(k, word >>> 24);
}

/**
 * CRC32C of a range.
 *
 * @param at Where it begins.
 * @param length Its bytes.
 * @param before The CRC32C of what comes before it; 0 if nothing does.
 * @returns The CRC32C of both.
 */
export function crc32c(at: usize, length: u32, before: u32): u32 {
  if (!tablesAreMade) makeTables();
  let crc = ~before;
  const end = at + length;
  const last = end - (length & 15);
  for (; at < last; at += 16) {
    // What does not depend on the step before comes first.
    const rest = fold(0, load<u32>(at, 12)) ^ fold(4, load<u32>(at, 8)) ^ fold(8, load<u32>(at, 4));
    crc = rest ^ fold(12, crc ^ load<u32>(at));
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ look(0, (crc ^ load<u8>(at)) & 255);
  return ~crc;
}
