/**
 * The mutants. Each puts one plausible mistake into the source where durability depends on it. `deno task mutants`
 * applies them one at a time and runs the simulation and the tests. None may survive.
 */

import { ARCHIVE_MUTANTS } from "./archive_mutants.ts";
import { ARCHIVE_SIZE_MUTANTS } from "./archive_size_mutants.ts";
import { ARCHIVER_MUTANTS } from "./archiver_mutants.ts";
import { BATCH_MUTANTS } from "./batch_mutants.ts";
import { CHECKSUM_MUTANTS } from "./checksum_mutants.ts";
import { CLI_TAR_MUTANTS } from "./cli_tar_mutants.ts";
import { CLI_MENDING_MUTANTS } from "./cli_mending_mutants.ts";
import { CLI_MUTANTS } from "./cli_mutants.ts";
import { CLI_REPORT_MUTANTS } from "./cli_report_mutants.ts";
import { CODEC_MUTANTS } from "./codec_mutants.ts";
import { DAMAGE_MUTANTS } from "./damage_mutants.ts";
import { EVENT_MUTANTS } from "./event_mutants.ts";
import { EVENTS_CONSUMER_MUTANTS } from "./events_consumer_mutants.ts";
import { EVENTS_MUTANTS } from "./events_mutants.ts";
import { EXAMPLE_MUTANTS } from "./example_mutants.ts";
import { FAIL_STOP_MUTANTS } from "./fail_stop_mutants.ts";
import { FLUSH_MUTANTS } from "./flush_mutants.ts";
import { FOLDER_MUTANTS } from "./folder_mutants.ts";
import { FOLDER_STORE_MUTANTS } from "./folder_store_mutants.ts";
import { FOLLOW_MUTANTS } from "./follow_mutants.ts";
import { FULL_DISK_MUTANTS } from "./full_disk_mutants.ts";
import { GAP_MUTANTS } from "./gap_mutants.ts";
import { GROUP_COMMIT_MUTANTS } from "./group_commit_mutants.ts";
import { IDENTITY_MUTANTS } from "./identity_mutants.ts";
import { LIVE_DAMAGE_MUTANTS } from "./live_damage_mutants.ts";
import { PROVEN_MUTANTS } from "./proven_mutants.ts";
import { PRUNE_MUTANTS } from "./prune_mutants.ts";
import { RAFT_FORWARDING_MUTANTS } from "./raft_forwarding_mutants.ts";
import { RAFT_BEHIND_MUTANTS } from "./raft_behind_mutants.ts";
import { RAFT_FREED_MUTANTS } from "./raft_freed_mutants.ts";
import { RAFT_IDENTITY_MUTANTS } from "./raft_identity_mutants.ts";
import { RAFT_LEADER_MUTANTS } from "./raft_leader_mutants.ts";
import { RAFT_MUTANTS } from "./raft_mutants.ts";
import { RAFT_REPAIR_MUTANTS } from "./raft_repair_mutants.ts";
import { RAFT_REPLACEMENT_MUTANTS } from "./raft_replacement_mutants.ts";
import { RAFT_REPLICATION_MUTANTS } from "./raft_replication_mutants.ts";
import { RAFT_SNAPSHOT_MUTANTS } from "./raft_snapshot_mutants.ts";
import { RAFT_SAFETY_MUTANTS } from "./raft_safety_mutants.ts";
import { RAFT_AHEAD_MUTANTS } from "./raft_ahead_mutants.ts";
import { RAFT_STEP_MUTANTS } from "./raft_step_mutants.ts";
import { RAFT_TRAILING_MUTANTS } from "./raft_trailing_mutants.ts";
import { RAFT_TRANSPORT_MUTANTS } from "./raft_transport_mutants.ts";
import { RAFT_WIRE_MUTANTS } from "./raft_wire_mutants.ts";
import { RECOVERY_MUTANTS } from "./recovery_mutants.ts";
import { REPAIR_MUTANTS } from "./repair_mutants.ts";
import { REPLICA_COMMAND_MUTANTS } from "./replica_command_mutants.ts";
import { REPLICA_MUTANTS } from "./replica_mutants.ts";
import { S3_MUTANTS } from "./s3_mutants.ts";
import { METRIC_MUTANTS, RETENTION_MUTANTS, SPACE_MUTANTS } from "./retention_mutants.ts";
import { SEGMENT_MUTANTS } from "./segment_mutants.ts";
import { SNAPSHOT_MUTANTS } from "./snapshot_mutants.ts";
import { STANDBY_MUTANTS } from "./standby_mutants.ts";
import { WRITER_MUTANTS } from "./writer_mutants.ts";
import type { Mutant } from "./mutant.ts";

/** All mutants. */
export const MUTANTS: readonly Mutant[] = [
  ...PROVEN_MUTANTS,
  ...GAP_MUTANTS,
  ...BATCH_MUTANTS,
  ...FLUSH_MUTANTS,
  ...CHECKSUM_MUTANTS,
  ...IDENTITY_MUTANTS,
  ...DAMAGE_MUTANTS,
  ...LIVE_DAMAGE_MUTANTS,
  ...FULL_DISK_MUTANTS,
  ...RECOVERY_MUTANTS,
  ...SEGMENT_MUTANTS,
  ...FAIL_STOP_MUTANTS,
  ...GROUP_COMMIT_MUTANTS,
  ...REPAIR_MUTANTS,
  ...REPLICA_MUTANTS,
  ...REPLICA_COMMAND_MUTANTS,
  ...EVENT_MUTANTS,
  ...SNAPSHOT_MUTANTS,
  ...CODEC_MUTANTS,
  ...FOLDER_MUTANTS,
  ...FOLDER_STORE_MUTANTS,
  ...WRITER_MUTANTS,
  ...CLI_MUTANTS,
  ...CLI_TAR_MUTANTS,
  ...CLI_REPORT_MUTANTS,
  ...CLI_MENDING_MUTANTS,
  ...RAFT_MUTANTS,
  ...RAFT_LEADER_MUTANTS,
  ...RAFT_REPLACEMENT_MUTANTS,
  ...RAFT_FORWARDING_MUTANTS,
  ...RAFT_REPLICATION_MUTANTS,
  ...RAFT_AHEAD_MUTANTS,
  ...RAFT_STEP_MUTANTS,
  ...RAFT_REPAIR_MUTANTS,
  ...RAFT_SAFETY_MUTANTS,
  ...RAFT_SNAPSHOT_MUTANTS,
  ...RAFT_BEHIND_MUTANTS,
  ...RAFT_FREED_MUTANTS,
  ...RAFT_IDENTITY_MUTANTS,
  ...RAFT_TRAILING_MUTANTS,
  ...RAFT_WIRE_MUTANTS,
  ...RAFT_TRANSPORT_MUTANTS,
  ...RETENTION_MUTANTS,
  ...FOLLOW_MUTANTS,
  ...SPACE_MUTANTS,
  ...METRIC_MUTANTS,
  ...EVENTS_MUTANTS,
  ...EVENTS_CONSUMER_MUTANTS,
  ...EXAMPLE_MUTANTS,
  ...ARCHIVE_MUTANTS,
  ...ARCHIVE_SIZE_MUTANTS,
  ...ARCHIVER_MUTANTS,
  ...PRUNE_MUTANTS,
  ...S3_MUTANTS,
  ...STANDBY_MUTANTS,
];
