/**
 * XXH3-64, from the published algorithm (Yann Collet, "xxHash fast digest algorithm", XXH3 0.8). The stripe loop of
 * long inputs uses SIMD. Inputs up to 240 bytes need 64 x 64 -> 128 bit multiplications. WebAssembly lacks these, so
 * each is made of four 32 x 32 -> 64 bit multiplications.
 */

import { SLOT_HASH } from "./layout";
import { setSlot } from "./state";

const PRIME32_1: u64 = 0x9e3779b1;
const PRIME32_2: u64 = 0x85ebca77;
const PRIME32_3: u64 = 0xc2b2ae3d;
const PRIME64_1: u64 = 0x9e3779b185ebca87;
const PRIME64_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME64_3: u64 = 0x165667b19e3779f9;
const PRIME64_4: u64 = 0x85ebca77c2b2ae63;
const PRIME64_5: u64 = 0x27d4eb2f165667c5;
const PRIME_MX1: u64 = 0x165667919e3779f9;
const PRIME_MX2: u64 = 0x9fb21c651e98df25;

const STRIPE_BYTES: u32 = 64;
const BLOCK_BYTES: u32 = 1024;
const SECRET_BYTES: u32 = 192;

/** The default secret of the specification. */
const SECRET: usize = memory.data<u8>([
  0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
  0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
  0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
  0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
  0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
  0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
  0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
  0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
  0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
  0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
  0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
  0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
], 16);

/** The secret derived from the default secret and a seed, for long inputs. */
const SEEDED_SECRET: usize = memory.data(192, 16);
/** Accumulators of a streamed hash. */
const STREAM_ACC: usize = memory.data(64, 16);
/** The last 64 bytes of a streamed hash, because its last stripe may overlap them, and room to join the two parts. */
const STREAM_TAIL: usize = memory.data(128, 16);
const ACC: usize = memory.data(64, 16);

let streamLength: u32 = 0;
let streamBlocks: u32 = 0;

// @ts-ignore: decorator
@inline
function mulFold(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff, aHigh = a >> 32, bLow = b & 0xffffffff, bHigh = b >> 32;
  const lowLow = aLow * bLow;
  const highLow = aHigh * bLow;
  const cross = (lowLow >> 32) + (highLow & 0xffffffff) + aLow * bHigh;
  return (a * b) ^ ((highLow >> 32) + (cross >> 32) + aHigh * bHigh);
}

// @ts-ignore: decorator
@inline
function avalanche(hash: u64): u64 {
  hash = (hash ^ (hash >> 37)) * PRIME_MX1;
  return hash ^ (hash >> 32);
}

// @ts-ignore: decorator
@inline
function avalanche64(hash: u64): u64 {
  hash = (hash ^ (hash >> 33)) * PRIME64_2;
  hash = (hash ^ (hash >> 29)) * PRIME64_3;
  return hash ^ (hash >> 32);
}

// @ts-ignore: decorator
@inline
function mix16(input: usize, secret: usize, seed: u64): u64 {
  return mulFold(load<u64>(input) ^ (load<u64>(secret) + seed), load<u64>(input, 8) ^ (load<u64>(secret, 8) - seed));
}

function hash0to16(input: usize, length: u32, seed: u64): u64 {
  if (length > 8) {
    const low = load<u64>(input) ^ ((load<u64>(SECRET, 24) ^ load<u64>(SECRET, 32)) + seed);
    const high = load<u64>(input + length - 8) ^ ((load<u64>(SECRET, 40) ^ load<u64>(SECRET, 48)) - seed);
    return avalanche((length as u64) + bswap<u64>(low) + high + mulFold(low, high));
  }
  if (length >= 4) {
    seed ^= (bswap<u32>(seed as u32) as u64) << 32;
    const input64 = (load<u32>(input + length - 4) as u64) + ((load<u32>(input) as u64) << 32);
    let hash = input64 ^ ((load<u64>(SECRET, 8) ^ load<u64>(SECRET, 16)) - seed);
    hash ^= rotl<u64>(hash, 49) ^ rotl<u64>(hash, 24);
    hash *= PRIME_MX2;
    hash ^= (hash >> 35) + (length as u64);
    hash *= PRIME_MX2;
    return hash ^ (hash >> 28);
  }
  if (length > 0) {
    const combined: u32 = ((load<u8>(input) as u32) << 16) | ((load<u8>(input + (length >> 1)) as u32) << 24) |
      (load<u8>(input + length - 1) as u32) | (length << 8);
    const flip = ((load<u32>(SECRET) ^ load<u32>(SECRET, 4)) as u64) + seed;
    return avalanche64((combined as u64) ^ flip);
  }
  return avalanche64(seed ^ load<u64>(SECRET, 56) ^ load<u64>(SECRET, 64));
}

// @ts-ignore: decorator
@inline
function hash17to128(input: usize, length: u32, seed: u64): u64 {
  const end = input + length;
  let sum = (length as u64) * PRIME64_1;
  if (length > 32) {
    if (length > 64) {
      if (length > 96) sum += mix16(input + 48, SECRET + 96, seed) + mix16(end - 64, SECRET + 112, seed);
      sum += mix16(input + 32, SECRET + 64, seed) + mix16(end - 48, SECRET + 80, seed);
    }
    sum += mix16(input + 16, SECRET + 32, seed) + mix16(end - 32, SECRET + 48, seed);
  }
  return avalanche(sum + mix16(input, SECRET, seed) + mix16(end - 16, SECRET + 16, seed));
}

function hash129to240(input: usize, length: u32, seed: u64): u64 {
  let sum = (length as u64) * PRIME64_1;
  for (let i: u32 = 0; i < 8; i++) sum += mix16(input + 16 * i, SECRET + 16 * i, seed);
  let sumEnd = mix16(input + length - 16, SECRET + 119, seed);
  sum = avalanche(sum);
  const rounds = length >> 4;
  for (let i: u32 = 8; i < rounds; i++) sumEnd += mix16(input + 16 * i, SECRET + 16 * (i - 8) + 3, seed);
  return avalanche(sum + sumEnd);
}

// @ts-ignore: decorator
@inline
function accumulate(sum: v128, input: usize, secret: usize): v128 {
  const data = v128.load(input);
  const key = v128.xor(data, v128.load(secret));
  const low = v128.shuffle<u32>(key, key, 0, 2, 0, 2);
  const high = v128.shuffle<u32>(key, key, 1, 3, 1, 3);
  const swapped = v128.shuffle<u64>(data, data, 1, 0);
  return i64x2.add(sum, i64x2.add(i64x2.extmul_low_i32x4_u(low, high), swapped));
}

// @ts-ignore: decorator
@inline
function scramble(sum: v128, secret: usize): v128 {
  const mixed = v128.xor(v128.xor(sum, i64x2.shr_u(sum, 47)), v128.load(secret));
  return i64x2.mul(mixed, i64x2.splat(PRIME32_1 as i64));
}

function start(acc: usize): void {
  store<u64>(acc, PRIME32_3);
  store<u64>(acc, PRIME64_1, 8);
  store<u64>(acc, PRIME64_2, 16);
  store<u64>(acc, PRIME64_3, 24);
  store<u64>(acc, PRIME64_4, 32);
  store<u64>(acc, PRIME32_2, 40);
  store<u64>(acc, PRIME64_5, 48);
  store<u64>(acc, PRIME32_1, 56);
}

/** Hashes blocks of 1,024 bytes: 16 stripes and a scramble each. */
function hashBlocks(acc: usize, input: usize, blocks: u32, secret: usize): void {
  let a = v128.load(acc), b = v128.load(acc, 16), c = v128.load(acc, 32), d = v128.load(acc, 48);
  for (; blocks > 0; blocks--) {
    for (let key = secret, end = secret + 128; key < end; key += 8, input += STRIPE_BYTES) {
      a = accumulate(a, input, key);
      b = accumulate(b, input + 16, key + 16);
      c = accumulate(c, input + 32, key + 32);
      d = accumulate(d, input + 48, key + 48);
    }
    a = scramble(a, secret + 128);
    b = scramble(b, secret + 144);
    c = scramble(c, secret + 160);
    d = scramble(d, secret + 176);
  }
  v128.store(acc, a);
  v128.store(acc, b, 16);
  v128.store(acc, c, 32);
  v128.store(acc, d, 48);
}

/** Hashes the rest after the last block: its stripes, then the last 64 bytes of the input, which may overlap them. */
function finish(acc: usize, input: usize, rest: u32, lastStripe: usize, length: u32, secret: usize): u64 {
  let a = v128.load(acc), b = v128.load(acc, 16), c = v128.load(acc, 32), d = v128.load(acc, 48);
  let key = secret;
  for (let stripes = (rest - 1) / STRIPE_BYTES; stripes > 0; stripes--, key += 8, input += STRIPE_BYTES) {
    a = accumulate(a, input, key);
    b = accumulate(b, input + 16, key + 16);
    c = accumulate(c, input + 32, key + 32);
    d = accumulate(d, input + 48, key + 48);
  }
  key = secret + SECRET_BYTES - STRIPE_BYTES - 7;
  a = v128.xor(accumulate(a, lastStripe, key), v128.load(secret, 11));
  b = v128.xor(accumulate(b, lastStripe + 16, key + 16), v128.load(secret, 27));
  c = v128.xor(accumulate(c, lastStripe + 32, key + 32), v128.load(secret, 43));
  d = v128.xor(accumulate(d, lastStripe + 48, key + 48), v128.load(secret, 59));
  let sum = (length as u64) * PRIME64_1;
  sum += mulFold(i64x2.extract_lane(a, 0), i64x2.extract_lane(a, 1));
  sum += mulFold(i64x2.extract_lane(b, 0), i64x2.extract_lane(b, 1));
  sum += mulFold(i64x2.extract_lane(c, 0), i64x2.extract_lane(c, 1));
  sum += mulFold(i64x2.extract_lane(d, 0), i64x2.extract_lane(d, 1));
  return avalanche(sum);
}

function hashLong(input: usize, length: u32, secret: usize): u64 {
  start(ACC);
  const blocks = (length - 1) / BLOCK_BYTES;
  hashBlocks(ACC, input, blocks, secret);
  const done = blocks * BLOCK_BYTES;
  return finish(ACC, input + done, length - done, input + length - STRIPE_BYTES, length, secret);
}

/** XXH3-64 with seed 0, for payloads. */
export function xxh3(input: usize, length: u32): u64 {
  if (length > 240) return hashLong(input, length, SECRET);
  if (length > 128) return hash129to240(input, length, 0);
  if (length > 16) return hash17to128(input, length, 0);
  return hash0to16(input, length, 0);
}

/** XXH3-64 of the 36 bytes of a frame header after its checksum. */
// @ts-ignore: decorator
@inline
export function xxh3Header(input: usize, seed: u64): u64 {
  return hash17to128(input, 36, seed);
}

/** XXH3-64 with any seed. */
export function xxh3Seeded(input: usize, length: u32, seed: u64): u64 {
  if (length > 240) {
    if (seed == 0) return hashLong(input, length, SECRET);
    for (let i: u32 = 0; i < SECRET_BYTES; i += 16) {
      store<u64>(SEEDED_SECRET + i, load<u64>(SECRET + i) + seed);
      store<u64>(SEEDED_SECRET + i, load<u64>(SECRET + i, 8) - seed, 8);
    }
    return hashLong(input, length, SEEDED_SECRET);
  }
  if (length > 128) return hash129to240(input, length, seed);
  if (length > 16) return hash17to128(input, length, seed);
  return hash0to16(input, length, seed);
}

/** Stores XXH3-64 of a range, with the 64 bits at `seed` as the seed, in the hash slot. */
export function hash(input: usize, length: u32, seed: usize): void {
  setSlot(SLOT_HASH, xxh3Seeded(input, length, load<u64>(seed)));
}

/** Begins a streamed hash with seed 0, of `length` bytes, more than 1,024. */
export function hashStart(length: u32): void {
  start(STREAM_ACC);
  streamLength = length;
  streamBlocks = (length - 1) / BLOCK_BYTES;
}

/**
 * Feeds the next piece. Before the last piece, only complete blocks are taken, so the caller must move the rest to the
 * front of the next piece.
 *
 * @returns The number of bytes taken. After all bytes were taken, the hash slot has the result.
 */
export function hashFeed(input: usize, length: u32): u32 {
  const whole = length / BLOCK_BYTES;
  const blocks = whole < streamBlocks ? whole : streamBlocks;
  hashBlocks(STREAM_ACC, input, blocks, SECRET);
  streamBlocks -= blocks;
  const done = blocks * BLOCK_BYTES;
  if (blocks > 0) memory.copy(STREAM_TAIL, input + done - STRIPE_BYTES, STRIPE_BYTES);
  const rest = (streamLength - 1) % BLOCK_BYTES + 1;
  if (streamBlocks > 0 || length - done < rest) return done;
  let lastStripe = input + done + rest - STRIPE_BYTES;
  if (rest < STRIPE_BYTES) {
    memory.copy(STREAM_TAIL + STRIPE_BYTES, input + done, rest);
    lastStripe = STREAM_TAIL + rest;
  }
  setSlot(SLOT_HASH, finish(STREAM_ACC, input + done, rest, lastStripe, streamLength, SECRET));
  return done + rest;
}
