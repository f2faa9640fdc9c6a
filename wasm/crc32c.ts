/**
 * CRC32C (Castagnoli), table-driven: 16 bytes a step, with one table for each ("slicing by 16", Kounavis and Berry, "A
 * Systematic Approach to Building High Performance, Software-based, CRC Generators"). WebAssembly has no CRC
 * instruction, so the log itself uses another checksum. This one is for files of other programs.
 */

/** The polynomial 0x1EDC6F41 with reversed bits. */
const POLYNOMIAL: u32 = 0x82f63b78;
const TABLES: usize = 16;
const TABLE_BYTES: usize = 1024;

/** Table `k` holds the CRC of each byte value followed by `k` zero bytes. */
const TABLE: usize = memory.data(16 * 1024, 16);
let tablesAreMade = false;

/** Makes the tables on first use, because most logs never need them. */
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

/** The CRC of four bytes followed by `k` zero bytes. */
// @ts-ignore: decorator
@inline
function fold(k: usize, word: u32): u32 {
  return look(k + 3, word & 255) ^ look(k + 2, (word >>> 8) & 255) ^ look(k + 1, (word >>> 16) & 255) ^
    look(k, word >>> 24);
}

/**
 * CRC32C of a range.
 *
 * @param at Address of the range.
 * @param length Length of the range, in bytes.
 * @param before The CRC32C of the preceding bytes; 0 if there are none.
 * @returns The CRC32C of both.
 */
export function crc32c(at: usize, length: u32, before: u32): u32 {
  if (!tablesAreMade) makeTables();
  let crc = ~before;
  const end = at + length;
  const last = end - (length & 15);
  for (; at < last; at += 16) {
    // Compute the parts that do not depend on the previous step first.
    const rest = fold(0, load<u32>(at, 12)) ^ fold(4, load<u32>(at, 8)) ^ fold(8, load<u32>(at, 4));
    crc = rest ^ fold(12, crc ^ load<u32>(at));
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ look(0, (crc ^ load<u8>(at)) & 255);
  return ~crc;
}
