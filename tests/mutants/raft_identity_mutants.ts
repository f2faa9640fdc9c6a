/** Mutants of the identities of logs, and of members that lost theirs. */

import type { Mutant } from "./mutant.ts";

const FRAMING = "src/raft/transport/framing.ts";
const IDENTITIES = "src/raft/identities.ts";
const INCOMING = "src/raft/transport/incoming.ts";
const MEMBERSHIP = "src/raft/membership.ts";
const OUTGOING = "src/raft/transport/outgoing.ts";
const RECONFIGURATION = "src/raft/reconfiguration.ts";
const REPLIES = "src/raft/replies.ts";
const TOLD = "src/raft/told.ts";

/** Mutants of identities. */
export const RAFT_IDENTITY_MUTANTS: readonly Mutant[] = [
  {
    name: "raft transport: a node whose log belongs to another cluster may speak",
    file: FRAMING,
    edits: [["return otherCluster(own.origin, theirs.origin);", "return undefined;"]],
    dies: "raft_origin_test",
  },
  {
    name: "raft transport: a caller is not told that it is of another cluster",
    file: INCOMING,
    edits: [["return this.#end(connection, apart, encodeHello(own));", "return this.#end(connection, apart);"]],
    dies: "raft_origin_test",
  },
  {
    name: "raft transport: a peer does not hear that the log was given to a cluster",
    file: OUTGOING,
    edits: [["if (this.#isOutdated()) return", "if (false as boolean) return"]],
    dies: "raft_origin_test",
  },
  {
    name: "raft transport: the greatest version of the caller is spoken",
    file: FRAMING,
    edits: [["Math.min(own.greatest, theirs.greatest)", "theirs.greatest"]],
    dies: "raft_origin_test",
  },
  {
    name: "raft: a node of another cluster is listened to",
    file: IDENTITIES,
    edits: [[
      "if (own.cluster !== undefined) return otherCluster(own, origin);",
      "if (own.cluster !== undefined) return undefined;",
    ]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: a log with entries is taken over by a cluster",
    file: IDENTITIES,
    edits: [["!s.config.joining || s.log.lastIndex > 0", "!s.config.joining"]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: a lost member may begin as if it were new",
    file: IDENTITIES,
    edits: [["!s.config.joining || s.log.lastIndex > 0", "s.log.lastIndex > 0"]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: anyone gives a log to its cluster",
    file: IDENTITIES,
    edits: [['if (type !== "appendEntries" && type !== "installSnapshot") return', "if (false as boolean) return"]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: a node joins the cluster of a message before it looks at it",
    file: IDENTITIES,
    edits: [[
      "  return !s.config.strictMembership || isMembersOwn(",
      "  joinCluster(s);\n  return !s.config.strictMembership || isMembersOwn(",
    ]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: a node that joins goes by a leader of another cluster for the rest of the term",
    file: "src/raft/contradictions.ts",
    edits: [["  if (s.joins !== undefined) return false;\n", ""]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: a node that joins puts together pieces of two clusters",
    file: "src/raft/incoming_snapshot.ts",
    edits: [[" && this.cluster === cluster;", ";"]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: a log of no cluster acknowledges entries",
    file: IDENTITIES,
    edits: [["return message.matchIndex === 0;", "return message.matchIndex >= 0;"]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: any number of strangers is remembered",
    file: TOLD,
    edits: [["this.#reasons.size === NODES_MAX", "this.#reasons.size < 0"]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: any number of reasons is remembered of a stranger",
    file: TOLD,
    edits: [["reasons.size === REASONS_MAX", "reasons.size < 0"]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: only the last reason for a refusal is remembered",
    file: TOLD,
    edits: [["reasons.size === REASONS_MAX", "reasons.size === 1"]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: answers of another incarnation count",
    file: IDENTITIES,
    edits: [["known !== undefined && incarnation !== undefined && known !== incarnation", "known === LOST"]],
    dies: "raft_lost_members_test",
  },
  {
    name: "raft: a lost member's acknowledgements go on counting",
    file: IDENTITIES,
    edits: [["if (progress !== undefined) progress.match = 0;", "if (progress === null) return false;"]],
    dies: "raft_lost_members_test",
  },
  {
    name: "raft: a restored member votes",
    file: IDENTITIES,
    edits: [["known === undefined || own === undefined || known === own", "known !== own || known === own"]],
    dies: "raft_lost_members_test",
  },
  {
    name: "raft: a member that is behind is known to one leader only",
    file: IDENTITIES,
    edits: [["if (s.lost.has(id)) incarnations.set(id, LOST);\n    else if", "if"]],
    dies: "raft_lost_members_test",
  },
  {
    name: "raft: a rejection from before an acknowledgement is a loss",
    file: REPLIES,
    edits: [["if (isAnswer) loseBehind", "if (denies) loseBehind"]],
    dies: "raft_lost_members_test",
  },
  {
    name: "raft: a member that lacks what it acknowledged is sent it",
    file: REPLIES,
    edits: [["if (s.config.strictMembership && isDenied(s, progress, reply)) return;\n", ""]],
    dies: "raft_lost_members_test",
  },
  {
    name: "raft: a member that is added anew keeps its incarnation",
    file: RECONFIGURATION,
    edits: [["new Map([...incarnations ?? []].filter(stays))", "new Map([...incarnations ?? []])"]],
    dies: "raft_lost_members_test",
  },
  {
    name: "raft: a member that was removed stays lost",
    file: "src/raft/role.ts",
    edits: [["  s.lost.delete(id);\n", ""]],
    dies: "raft_lost_members_test",
  },
  {
    name: "raft: a snapshot forgets whose logs are whose",
    file: MEMBERSHIP,
    edits: [[
      "return { ...fromList(snapshotIndex, snapshot.config), ...ownFacts(snapshot.meta) };",
      "return fromList(snapshotIndex, snapshot.config);",
    ]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: a leader's snapshot does not say whose logs are whose",
    file: MEMBERSHIP,
    edits: [[
      "const said = { ...fromList(index, config), ...ownFacts(meta) };",
      "const said = { ...fromList(index, config), ...ownFacts(meta === null ? meta : undefined) };",
    ]],
    dies: "raft_identities_test",
  },
  {
    name: "raft: a member's log is known only once it was written down",
    file: IDENTITIES,
    edits: [["?.get(id) ?? s.seen.get(id);", "?.get(id);"]],
    dies: "raft_lost_members_test",
  },
  {
    name: "raft: nobody looks at the cluster of a message",
    file: "src/raft/identities.ts",
    edits: [[
      "const reason = origin === undefined ? undefined : whyStranger(s, message, origin);",
      "const reason = undefined as string | undefined;\n  void whyStranger;",
    ]],
    dies: "raft simulation",
  },
  {
    name: "raft: nobody looks at the incarnation of a member",
    file: "src/raft/identities.ts",
    edits: [
      [
        "  const isOther = known !== undefined && incarnation !== undefined && known !== incarnation;\n",
        "  const isOther = false;\n  void isOther;\n",
      ],
      ['  return !isOther || lose(s, id, "incarnation", incarnation);', "  return true;"],
      [
        "  if (known === undefined || own === undefined || known === own) return false;",
        "  if (known !== LOST) return false;",
      ],
    ],
    dies: "raft simulation",
  },
  {
    name: "raft: a member that denies what it acknowledged is believed",
    file: "src/raft/replies.ts",
    edits: [["if (isAnswer) loseBehind(s, reply.from);", "if (isAnswer) void loseBehind;"]],
    dies: "raft simulation",
  },
];
