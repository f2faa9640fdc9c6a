/** Replay: walks the frames of a chunk, fills the tables, and looks for frames after damage. */

import {
  CHECKPOINT_PAYLOAD_BYTES, FLAGS_SHIFT, FLAG_COPY, FLAG_MORE, FLAG_REPAIRED, FLAG_VOTE, FRAME_CHANGES,
  FRAME_HEADER_BYTES, FRAME_INDEX, FRAME_KIND, FRAME_LENGTH, FRAME_PAYLOAD_CHECKSUM, FRAME_TERM, FRAME_UNPROVEN,
  INDEX_PAGE_BYTES, KIND_CHECKPOINT, KIND_ENTRIES, KIND_HARD_STATE, KIND_MASK, KIND_SEGMENT_INDEX, KIND_SKIPPED,
  KIND_SNAPSHOT, KIND_TRUNCATE, PAGES, PAGES_MAX, RUNS, RUNS_MAX, SAFE_INTEGER_MAX, SCAN_BAD_HEADER, SCAN_BAD_PAYLOAD,
  SCAN_EVENT, SCAN_LARGE, SCAN_MORE, SCAN_OUT_OF_ORDER, SCAN_TABLE_FULL, SLOT_BASE_LSN,
  SLOT_BATCH_INDEX, SLOT_BATCH_LSN, SLOT_CHANGES, SLOT_CONSUMED, SLOT_ENTRIES_FRAMES, SLOT_EVENT,
  SLOT_HARD_STATES, SLOT_HARD_TERM, SLOT_HARD_VOTE, SLOT_HAS_VOTE, SLOT_LAST_CHECKSUM, SLOT_LAST_TERM,
  SLOT_NEXT_INDEX, SLOT_OWN_FRAMES, SLOT_PAGES, SLOT_PAGE_END, SLOT_PROVEN_LSN, SLOT_RUNS, SLOT_SALT,
  SLOT_SNAPSHOT_INDEX, SLOT_WANTS_CHECKPOINT, STATE_CHANGES, STATE_FLAGS, STATE_FLAG_VOTE, STATE_HARD_TERM,
  STATE_HARD_VOTE, STATE_LAST_TERM, STATE_NEXT_INDEX, STATE_SNAPSHOT_INDEX, STATE_SNAPSHOT_TERM, UNPROVEN_UNKNOWN,
} from "./layout";
import { frameBytes, setSlot, slot } from "./state";
import { entriesIn, headerIsValid, lengthsFit } from "./frame";
import { xxh3 } from "./xxh3";

// The state of the replay between two frames. The slots hold it between two chunks.
let next: u64 = 0;
let term: u64 = 0;
let pages: u32 = 0;
let pageEnd: u64 = 0;
let frames: u64 = 0;
let runs: u32 = 0;
let batch: u64 = 0;
let changes: u64 = 0;

function readSlots(): void {
  next = slot(SLOT_NEXT_INDEX);
  term = slot(SLOT_LAST_TERM);
  pages = slot(SLOT_PAGES) as u32;
  pageEnd = slot(SLOT_PAGE_END);
  frames = slot(SLOT_ENTRIES_FRAMES);
  runs = slot(SLOT_RUNS) as u32;
  batch = slot(SLOT_BATCH_LSN);
  changes = slot(SLOT_CHANGES);
}

function writeSlots(): void {
  setSlot(SLOT_NEXT_INDEX, next);
  setSlot(SLOT_LAST_TERM, term);
  setSlot(SLOT_PAGES, pages as u64);
  setSlot(SLOT_PAGE_END, pageEnd);
  setSlot(SLOT_ENTRIES_FRAMES, frames);
  setSlot(SLOT_RUNS, runs as u64);
  setSlot(SLOT_BATCH_LSN, batch);
  setSlot(SLOT_CHANGES, changes);
}

/**
 * Replays the frames of a chunk. Takes entries, hard states and checkpoints directly. A frame that concerns more than
 * its own segment (truncate, snapshot, segment index) stops the scan as an event. So does a checkpoint that the caller
 * wants, or that states another snapshot. The frame of an event is consumed, and the event slot has its position.
 *
 * @param at Address of the chunk, at a frame boundary.
 * @param bytes The number of bytes in the chunk.
 * @param room The most bytes of a chunk. A larger frame must be streamed.
 * @param lsn LSN of the chunk.
 * @returns Why the scan stopped. The consumed slot has the position.
 */
export function scan(at: usize, bytes: u32, room: u32, lsn: f64): u32 {
  const salt = slot(SLOT_SALT);
  const start = at;
  const end = at + bytes;
  // LSN of a frame = bias + its address
  const bias = (lsn as u64) - (start as u64);
  const base = slot(SLOT_BASE_LSN);
  let last: usize = 0;
  let stop: u32 = SCAN_MORE;
  readSlots();
  while (stop == SCAN_MORE && at + FRAME_HEADER_BYTES <= end) {
    const position = bias + (at as u64);
    if (!headerIsValid(at, salt ^ position)) {
      stop = SCAN_BAD_HEADER;
      break;
    }
    const length = load<u32>(at, FRAME_LENGTH);
    const total = frameBytes(length);
    if (total > ((end - at) as u32)) {
      if (total > room) stop = SCAN_LARGE;
      break;
    }
    if (xxh3(at + FRAME_HEADER_BYTES, length) != load<u64>(at, FRAME_PAYLOAD_CHECKSUM)) {
      stop = SCAN_BAD_PAYLOAD;
      break;
    }
    const kindAndFlags = load<u8>(at, FRAME_KIND) as u32;
    const kind = kindAndFlags & KIND_MASK;
    const flags = kindAndFlags >> FLAGS_SHIFT;
    const index = next;
    stop = kind == KIND_ENTRIES ? takeEntries(at, flags, position - base) : takeOther(at, kind, flags, length);
    if (stop == SCAN_EVENT) setSlot(SLOT_EVENT, (at - start) as u64);
    else if (stop != SCAN_MORE) break;
    if ((flags & FLAG_MORE) == 0) batch = 0;
    else if (batch == 0) {
      batch = position;
      setSlot(SLOT_BATCH_INDEX, index);
    }
    last = at;
    at += total;
  }
  writeSlots();
  if (last != 0) setSlot(SLOT_LAST_CHECKSUM, load<u32>(last) as u64);
  setSlot(SLOT_CONSUMED, (at - start) as u64);
  return stop;
}

/** The number of changes since the previous frame, from the frame's change counter, modulo 256. */
// @ts-ignore: decorator
@inline
function changesSince(at: usize): u64 {
  return ((load<u8>(at, FRAME_CHANGES) as u64) - changes) & 0xff;
}

/** Takes an entries frame at an offset in the segment. Returns `SCAN_MORE`, or why the scan stops before it. */
// @ts-ignore: decorator
@inline
function takeEntries(at: usize, flags: u32, offset: u64): u32 {
  const more = changesSince(at);
  if (load<u64>(at, FRAME_INDEX) != next || (more != 0 && (flags & FLAG_REPAIRED) == 0)) return SCAN_OUT_OF_ORDER;
  if (!lengthsFit(at, flags)) return SCAN_BAD_PAYLOAD;
  const entryTerm = load<u64>(at, FRAME_TERM);
  const beginsPage = offset + (frameBytes(load<u32>(at, FRAME_LENGTH)) as u64) > pageEnd;
  if ((beginsPage && pages == PAGES_MAX) || (entryTerm != term && runs == RUNS_MAX)) return SCAN_TABLE_FULL;
  if (entryTerm != term) {
    store<u64>(RUNS + (runs << 4), next);
    store<u64>(RUNS + (runs << 4), entryTerm, 8);
    runs++;
    term = entryTerm;
  }
  if (beginsPage) {
    store<f64>(PAGES + (pages << 4), next as f64);
    store<f64>(PAGES + (pages << 4), offset as f64, 8);
    pages++;
    pageEnd = offset + (INDEX_PAGE_BYTES as u64);
  }
  frames++;
  next += entriesIn(at);
  changes += more;
  return SCAN_MORE;
}

/** Takes in a frame of another kind. Returns why the scan stops, or `SCAN_MORE`. */
function takeOther(at: usize, kind: u32, flags: u32, length: u32): u32 {
  if (kind == KIND_SEGMENT_INDEX) return SCAN_EVENT;
  const more = changesSince(at);
  const status = takeState(at, kind, flags, length, next, more);
  if (status == SCAN_OUT_OF_ORDER || status == SCAN_BAD_PAYLOAD) return status;
  changes += more;
  if (kind == KIND_CHECKPOINT && (flags & FLAG_REPAIRED) == 0) {
    changes = load<u64>(at + FRAME_HEADER_BYTES, STATE_CHANGES);
  }
  return status;
}

/**
 * Takes a frame that is neither entries nor a segment index. Returns `SCAN_MORE`, or why the scan stops at or after it.
 *
 * @param more The number of changes that the frame adds to the counter, modulo 256.
 */
function takeState(at: usize, kind: u32, flags: u32, length: u32, next: u64, more: u64): u32 {
  const isRepaired = (flags & FLAG_REPAIRED) != 0;
  const replaces = kind == KIND_TRUNCATE || kind == KIND_SNAPSHOT;
  const isChange = replaces || kind == KIND_HARD_STATE;
  if (more != (isChange as u64) && !isRepaired) return SCAN_OUT_OF_ORDER;
  if (kind >= KIND_SKIPPED) return SCAN_MORE;
  const index = load<u64>(at, FRAME_INDEX);
  if (replaces) return index > slot(SLOT_SNAPSHOT_INDEX) ? SCAN_EVENT : SCAN_OUT_OF_ORDER;
  // A copy is as old as its original, so it does not show the state after a loss.
  const isOwn = (flags & FLAG_COPY) == 0;
  if (kind == KIND_HARD_STATE) {
    takeHardState(load<u64>(at, FRAME_TERM), index, (flags & FLAG_VOTE) != 0, isOwn);
    return SCAN_MORE;
  }
  // A checkpoint repeats the state, which reveals losses before it. A checkpoint from a repair only fills space.
  if (isRepaired) return SCAN_MORE;
  if (index != next) return SCAN_OUT_OF_ORDER;
  const state = at + FRAME_HEADER_BYTES;
  if (length != CHECKPOINT_PAYLOAD_BYTES || !checkpointIsSane(at, next)) return SCAN_BAD_PAYLOAD;
  const stateFlags = load<u32>(state, STATE_FLAGS);
  // A checkpoint of a log with losses does not state the lost parts, so it is not used.
  if (stateFlags > STATE_FLAG_VOTE) return SCAN_MORE;
  takeHardState(load<u64>(state, STATE_HARD_TERM), load<u64>(state, STATE_HARD_VOTE), stateFlags != 0, isOwn);
  const isWanted = slot(SLOT_WANTS_CHECKPOINT) != 0 || load<u64>(state, STATE_SNAPSHOT_INDEX) != slot(SLOT_SNAPSHOT_INDEX);
  return isWanted ? SCAN_EVENT : SCAN_MORE;
}

/**
 * Whether a writer could have written the numbers in a checkpoint. Other numbers would make the next header invalid.
 */
// @ts-ignore: decorator
@inline
function checkpointIsSane(at: usize, next: u64): bool {
  const state = at + FRAME_HEADER_BYTES;
  const lastTerm = load<u64>(state, STATE_LAST_TERM);
  const snapshotTerm = load<u64>(state, STATE_SNAPSHOT_TERM);
  const changes = load<u64>(state, STATE_CHANGES);
  return load<u64>(state, STATE_NEXT_INDEX) == next && changes <= SAFE_INTEGER_MAX &&
    (changes as u8) == load<u8>(at, FRAME_CHANGES) &&
    load<u64>(state, STATE_HARD_TERM) <= SAFE_INTEGER_MAX && load<u64>(state, STATE_SNAPSHOT_INDEX) < next &&
    (lastTerm <= SAFE_INTEGER_MAX || lastTerm == u64.MAX_VALUE) &&
    (snapshotTerm <= SAFE_INTEGER_MAX || snapshotTerm == u64.MAX_VALUE);
}

// @ts-ignore: decorator
@inline
function takeHardState(term: u64, vote: u64, hasVote: bool, isOwn: bool): void {
  setSlot(SLOT_HARD_TERM, term);
  setSlot(SLOT_HARD_VOTE, vote);
  setSlot(SLOT_HAS_VOTE, hasVote as u64);
  setSlot(SLOT_HARD_STATES, slot(SLOT_HARD_STATES) + (isOwn as u64));
}

/**
 * Checks every valid frame header, also after damage. Finds the highest LSN that they prove durable, and counts frames
 * that are not copies.
 *
 * @returns The number of bytes done: less than a header before the chunk's end, or past it if a payload continues
 * there.
 */
export function survey(at: usize, bytes: u32, lsn: f64): f64 {
  const salt = slot(SLOT_SALT);
  let position = lsn as u64;
  let proven = slot(SLOT_PROVEN_LSN);
  let own = slot(SLOT_OWN_FRAMES);
  let done: u64 = 0;
  while (done + (FRAME_HEADER_BYTES as u64) <= (bytes as u64)) {
    const frame = at + (done as usize);
    // A valid header has a kind. This test skips preallocated zeros quickly.
    if (load<u8>(frame, FRAME_KIND) == 0 || !headerIsValid(frame, salt ^ (position + done))) {
      done += 8;
      continue;
    }
    const distance = load<u32>(frame, FRAME_UNPROVEN);
    if (distance != UNPROVEN_UNKNOWN && (distance as u64) <= position + done) {
      proven = max(proven, position + done - (distance as u64));
    }
    own += (((load<u8>(frame, FRAME_KIND) as u32) & (FLAG_COPY << FLAGS_SHIFT)) == 0) as u64;
    done += frameBytes(load<u32>(frame, FRAME_LENGTH)) as u64;
  }
  setSlot(SLOT_PROVEN_LSN, proven);
  setSlot(SLOT_OWN_FRAMES, own);
  return done as f64;
}

/**
 * Searches for the next valid frame header, at every aligned offset.
 *
 * @returns Its offset in the chunk. If there is none, the offset where the search ended: always less than a header
 * before the end, so that the caller can continue there with more bytes.
 */
export function seek(at: usize, bytes: u32, lsn: f64): u32 {
  const salt = slot(SLOT_SALT);
  const start = at;
  const bias = (lsn as u64) - (start as u64);
  const end = at + bytes;
  for (; at + FRAME_HEADER_BYTES <= end; at += 8) {
    if (load<u8>(at, FRAME_KIND) != 0 && headerIsValid(at, salt ^ (bias + (at as u64)))) break;
  }
  return (at - start) as u32;
}

/**
 * Searches for the entries frame that holds an index, also after damage.
 *
 * @param index The index.
 * @returns Its offset in the chunk. If there is none, the offset where the search ended: less than a header before the
 * chunk's end, or past it if a payload continues there.
 */
export function find(at: usize, bytes: u32, lsn: f64, index: f64): f64 {
  const salt = slot(SLOT_SALT);
  const wanted = index as u64;
  const position = lsn as u64;
  // First skip frames without checking them. If that does not lead to a valid header, check all of them.
  const guess = walk(at, bytes, position, salt, wanted, false);
  if (guess + (FRAME_HEADER_BYTES as u64) <= (bytes as u64) && headerIsValid(at + (guess as usize), salt ^ (position + guess))) {
    return guess as f64;
  }
  return walk(at, bytes, position, salt, wanted, true) as f64;
}

// @ts-ignore: decorator
@inline
function walk(at: usize, bytes: u32, position: u64, salt: u64, wanted: u64, isChecked: bool): u64 {
  let done: u64 = 0;
  while (done + (FRAME_HEADER_BYTES as u64) <= (bytes as u64)) {
    const frame = at + (done as usize);
    if (isChecked && !headerIsValid(frame, salt ^ (position + done))) {
      done += 8;
      continue;
    }
    const first = load<u64>(frame, FRAME_INDEX);
    const isEntries = ((load<u8>(frame, FRAME_KIND) as u32) & KIND_MASK) == KIND_ENTRIES;
    if (isEntries && first <= wanted && wanted - first < entriesIn(frame)) break;
    done += frameBytes(load<u32>(frame, FRAME_LENGTH)) as u64;
  }
  return done;
}

/** Offset after the last nonzero byte of a range; 0 if all bytes are zero. */
export function nonZeroEnd(at: usize, bytes: u32): u32 {
  let end = at + bytes;
  while (end >= at + 16 && !v128.any_true(v128.load(end - 16))) end -= 16;
  while (end > at && load<u8>(end - 1) == 0) end--;
  return (end - at) as u32;
}
