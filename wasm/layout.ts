/**
 * The layout that both sides of the WebAssembly boundary share. The TypeScript side is `src/format/`, which also
 * documents the bytes. A test compares every constant here with the one of the same name there.
 */

// A frame: a header of 40 bytes and a payload padded with zeros to 8 bytes.
export const FRAME_HEADER_BYTES: u32 = 40;
export const FRAME_ALIGNMENT: u32 = 8;
export const FRAME_HEADER_CHECKSUM: u32 = 0;
export const FRAME_LENGTH: u32 = 4;
export const FRAME_PAYLOAD_CHECKSUM: u32 = 8;
export const FRAME_TERM: u32 = 16;
export const FRAME_INDEX: u32 = 24;
/** The kind in the low four bits, the flags in the high four. */
export const FRAME_KIND: u32 = 32;
export const FRAME_CHANGES: u32 = 33;
export const FRAME_COUNT: u32 = 34;
export const FRAME_UNPROVEN: u32 = 36;

export const KIND_ENTRIES: u32 = 1;
export const KIND_HARD_STATE: u32 = 2;
export const KIND_TRUNCATE: u32 = 3;
export const KIND_SNAPSHOT: u32 = 4;
export const KIND_CHECKPOINT: u32 = 5;
export const KIND_SEGMENT_INDEX: u32 = 6;

/** Kinds from here to 15 change no state, and are skipped. */
export const KIND_SKIPPED: u32 = 12;
export const KIND_MASK: u32 = 15;

export const FLAGS_SHIFT: u32 = 4;
export const FLAG_COPY: u32 = 1;
export const FLAG_REPAIRED: u32 = 2;
/** The meaning of this flag depends on the kind. */
export const FLAG_CLOSE: u32 = 4;
export const FLAG_VOTE: u32 = 4;
export const FLAG_CLEAR: u32 = 4;
export const FLAG_CONFIG: u32 = 4;
export const FLAG_MORE: u32 = 8;

// The state of the log, at the start of a checkpoint's payload.
export const CHECKPOINT_PAYLOAD_BYTES: u32 = 120;
export const STATE_FLAGS: u32 = 0;
export const STATE_CHANGES: u32 = 8;
export const STATE_NEXT_INDEX: u32 = 16;
export const STATE_LAST_TERM: u32 = 24;
export const STATE_HARD_TERM: u32 = 32;
export const STATE_HARD_VOTE: u32 = 40;
export const STATE_SNAPSHOT_INDEX: u32 = 48;
export const STATE_SNAPSHOT_TERM: u32 = 56;
export const STATE_FLAG_VOTE: u32 = 1;

export const UNPROVEN_UNKNOWN: u32 = 0xffffffff;
export const PAYLOAD_BYTES_MAX: u32 = 1 << 30;

// Why a scan stopped.
export const SCAN_MORE: u32 = 0;
export const SCAN_EVENT: u32 = 1;
export const SCAN_BAD_HEADER: u32 = 2;
export const SCAN_BAD_PAYLOAD: u32 = 3;
export const SCAN_LARGE: u32 = 4;
export const SCAN_OUT_OF_ORDER: u32 = 5;
export const SCAN_TABLE_FULL: u32 = 6;

// The state block: 64-bit slots through which both sides pass numbers, because a u64 argument would become a BigInt.
// These are slot numbers, not offsets in bytes.
export const SLOT_SALT: u32 = 0;
export const SLOT_BASE_LSN: u32 = 1;
export const SLOT_NEXT_INDEX: u32 = 2;
export const SLOT_LAST_TERM: u32 = 3;
export const SLOT_HARD_TERM: u32 = 4;
export const SLOT_HARD_VOTE: u32 = 5;
export const SLOT_HAS_VOTE: u32 = 6;
export const SLOT_PROVEN_LSN: u32 = 7;
export const SLOT_LAST_CHECKSUM: u32 = 8;
export const SLOT_EVENT: u32 = 9;
export const SLOT_CONSUMED: u32 = 10;
export const SLOT_PAGES: u32 = 11;
export const SLOT_RUNS: u32 = 12;
export const SLOT_OWN_FRAMES: u32 = 13;
export const SLOT_HASH: u32 = 14;
export const SLOT_HARD_STATES: u32 = 15;
export const SLOT_BATCH_INDEX: u32 = 16;
export const SLOT_SNAPSHOT_INDEX: u32 = 17;
export const SLOT_CHANGES: u32 = 18;
export const SLOT_WANTS_CHECKPOINT: u32 = 19;
export const SLOT_PAGE_END: u32 = 20;
export const SLOT_ENTRIES_FRAMES: u32 = 21;
export const SLOT_BATCH_LSN: u32 = 22;
export const SLOTS: u32 = 23;

// Tables that a scan fills: pages as pairs of f64 (first index, offset in the file), and runs of terms as pairs of u64
// (first index, term). Two pages in a row have more than 4 KiB of frames, so a chunk of 1 MiB has about 512 pages at
// most. The scan stops when a table is full and continues after it was emptied.
export const INDEX_PAGE_BYTES: u32 = 4096;
export const PAGES_MAX: u32 = 512;
export const RUNS_MAX: u32 = 2048;

/** The largest integer that JavaScript represents exactly. Larger numbers are invalid. */
export const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

export const STATE: usize = memory.data(23 * 8, 16);
export const PAGES: usize = memory.data(512 * 16, 16);
export const RUNS: usize = memory.data(2048 * 16, 16);
/** Start of the free memory, for the chunk and the write buffer. */
export const HEAP: usize = __heap_base;
