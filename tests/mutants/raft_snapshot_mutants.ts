/** Mutants of snapshots that go from log to log without being held. */

import type { Mutant } from "./mutant.ts";

const FETCHING = "src/raft/snapshot_fetching.ts";
const INCOMING = "src/raft/incoming_snapshot.ts";
const OWN_SNAPSHOTS = "src/raft/own_snapshots.ts";
const RESTORING = "src/raft/restoring.ts";
const SENDING = "src/raft/snapshot_sending.ts";

/** The mutants. */
export const RAFT_SNAPSHOT_MUTANTS: readonly Mutant[] = [
  {
    name: "raft: a piece of a snapshot that cannot be read is never sent",
    file: SENDING,
    edits: [[
      "  if (outgoing.acknowledged < outgoing.checkpoint.end) outgoing.next = outgoing.acknowledged;\n" +
      "  outgoing.checkpoint = null;\n",
      "  const isLost = outgoing.acknowledged < outgoing.checkpoint.end;\n  outgoing.checkpoint = null;\n" +
      "  if (!isLost) return;\n  outgoing.next = outgoing.acknowledged;\n",
    ]],
    dies: "raft_large_snapshot_test",
  },
  {
    name: "raft: a snapshot that was sent stays open",
    file: SENDING,
    edits: [["    source.close();\n", ""]],
    dies: "raft_large_snapshot_test",
  },
  {
    name: "raft: a snapshot is opened for each node that it is sent to",
    file: SENDING,
    edits: [[
      "const source = open ?? s.log.openSnapshotSource();",
      "void open;\n  const source = s.log.openSnapshotSource();",
    ]],
    dies: "raft_large_snapshot_test",
  },
  {
    name: "raft: the meta goes with every piece but the first",
    file: SENDING,
    edits: [["...offset === 0 ? { meta } : {}, data };", "...offset > 0 ? { meta } : {}, data };"]],
    dies: "raft_snapshot_bounds_test",
  },
  {
    name: "raft: the pieces of a snapshot stay on the disk when the node drops them",
    file: INCOMING,
    edits: [["  incoming?.drop();\n", ""]],
    dies: "raft_large_snapshot_test",
  },
  {
    name: "raft: a late piece of an older snapshot ends a newer one",
    file: "src/raft/follower.ts",
    edits: [["  if (s.incoming?.isAfter(message, s.joins) === true) return s.incoming.length;\n", ""]],
    dies: "raft_snapshot_bounds_test",
  },
  {
    name: "raft: a snapshot that is too large is refused without a word",
    file: INCOMING,
    edits: [["refuse(s, senderOf(message), `its snapshot", "void (`its snapshot"]],
    dies: "raft_snapshot_bounds_test",
  },
  {
    name: "raft: a snapshot is never taken again once the log gave it up",
    file: INCOMING,
    edits: [["return this.isOpen && this.term === term", "return this.term === term"]],
    dies: "raft_restoring_test",
  },
  {
    name: "raft: entries are applied to a state from before a snapshot",
    file: "src/raft/commit.ts",
    edits: [["  if (s.isUnrestored) return;\n", ""]],
    dies: "raft_restoring_test",
  },
  {
    name: "raft: a snapshot that cannot be opened for the application is never restored",
    file: RESTORING,
    edits: [["  const source = s.tryRead(", "  s.isUnrestored = false;\n  const source = s.tryRead("]],
    dies: "raft_restoring_test",
  },
  {
    name: "raft: a snapshot that was read whole stays open",
    file: RESTORING,
    edits: [["    source.close();\n", ""]],
    dies: "raft_restoring_test",
  },
  {
    name: "raft: a node goes on whose application cannot get a snapshot",
    file: RESTORING,
    edits: [["throw s.fail(error);", "throw error;"]],
    dies: "raft_restoring_test",
  },
  {
    name: "raft: a snapshot that was written for another index is taken",
    file: OWN_SNAPSHOTS,
    edits: [["if (isBytes(data) || data.index === index) return;", "if (isBytes(data) || data.index > 0) return;"]],
    dies: "raft_restoring_test",
  },
  {
    name: "raft: a snapshot of a node's own that is ignored stays on the disk",
    file: OWN_SNAPSHOTS,
    edits: [["if (!isBytes(data)) data.abort();", "void data;"]],
    dies: "raft_restoring_test",
  },
  {
    name: "raft: a damaged node adds a piece of a snapshot that it has already",
    file: FETCHING,
    edits: [["  if (offset !== fetched.length) return undefined;\n", ""]],
    dies: "raft_large_snapshot_test",
  },
];
