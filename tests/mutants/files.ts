/**
 * The files of the log that have mutants, from the root of the repository.
 *
 * @module
 */

export const COMPACTABLE_LOG = "src/api/compactable_log.ts";
export const LOG_IDENTITY = "src/api/log_identity.ts";
export const TAKEN = "src/api/taken.ts";
export const VALIDATE_SNAPSHOT = "src/api/validate_snapshot.ts";
export const LOG = "src/api/wal_log.ts";
export const POOL = "src/codec/pool.ts";
export const CHECKPOINT = "src/format/checkpoint.ts";
export const DURABLE_SLOT = "src/format/durable_slot.ts";
export const IDENTITY_FORMAT = "src/format/identity.ts";
export const NEXT_POINTER = "src/format/next_pointer.ts";
export const SEGMENT_HEADER = "src/format/segment_header.ts";
export const SEGMENT_INDEX = "src/format/segment_index.ts";
export const SNAPSHOT_HEADER = "src/format/snapshot_header.ts";
export const FULL = "src/io/full.ts";
export const NODE_FILE = "src/io/node_file.ts";
export const NODE = "src/io/node_fs.ts";
export const LIVE = "src/log/live.ts";
export const STATE = "src/log/live_state.ts";
export const INDEX = "src/log/log_index.ts";
export const READER = "src/log/reader.ts";
export const SEGMENT = "src/log/segment.ts";
export const SELECT = "src/log/select_segment.ts";
export const REPAIR_FRAMES = "src/maintain/repair_frames.ts";
export const SCRUB = "src/maintain/scrub.ts";
export const REPAIR = "src/maintain/segment_repairer.ts";
export const BORDERS = "src/recovery/borders.ts";
export const CHAIN = "src/recovery/chain.ts";
export const EVIDENCE_FILE = "src/recovery/evidence.ts";
export const GAP = "src/recovery/gap.ts";
export const IDENTITY = "src/recovery/identity.ts";
export const JUDGE = "src/recovery/judge.ts";
export const OPEN = "src/recovery/open.ts";
export const PROVEN = "src/recovery/proven.ts";
export const READ_INDEX = "src/recovery/read_index.ts";
export const RECOVERY = "src/recovery/recovery.ts";
export const REPLAY = "src/recovery/replay.ts";
export const SEALED = "src/recovery/sealed.ts";
export const SNAPSHOT_FILE = "src/snapshots/snapshot_file.ts";
export const SNAPSHOT_STORE = "src/snapshots/snapshot_store.ts";
export const SNAPSHOT_WRITER = "src/snapshots/snapshot_writer.ts";
export const SNAPSHOT_STREAM = "src/snapshots/snapshot_stream.ts";
export const CONTINUE = "src/write/continue.ts";
export const CREATE = "src/write/create.ts";
export const DROPS = "src/write/drops.ts";
export const DURABILITY = "src/write/durability.ts";
export const LAYER = "src/write/frame_layer.ts";
export const COMMIT = "src/write/group_commit.ts";
export const NAME_NEXT = "src/write/name_next.ts";
export const OPEN_FLUSHES = "src/write/open_flushes.ts";
export const PREALLOCATION = "src/write/preallocation.ts";
export const SLOT_WRITER = "src/write/slot_writer.ts";
export const BATCH = "src/write/take_batch.ts";
export const WRITER = "src/write/writer.ts";
export const WASM_FRAME = "wasm/frame.ts";
export const WASM_SCAN = "wasm/scan.ts";
export const ROTATION = "src/write/rotation.ts";
export const FLUSHER = "src/write/flusher.ts";
export const FRAME_WRITER = "src/write/frame_writer.ts";
export const REPLAY_GAPS = "src/recovery/replay_gaps.ts";
export const REPLAY_FRAMES = "src/recovery/replay_frames.ts";
export const REPLAY_STATE = "src/recovery/replay_state.ts";
export const PASS_DAMAGE = "src/recovery/pass_damage.ts";
