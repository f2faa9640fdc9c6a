/**
 * Mutants of the ids of a log, its incarnation and its cluster.
 *
 * @module
 */

import { IDENTITY, IDENTITY_FORMAT, LOG_IDENTITY, RESUME } from "./files.ts";
import type { Mutant } from "./mutant.ts";

/** The mutants. */
export const IDENTITY_MUTANTS: readonly Mutant[] = [
  {
    name: "the identity file's checksum is not compared",
    file: IDENTITY_FORMAT,
    edits: [["if (view.getBigUint64(end, true) !== sum(bytes.subarray(0, end), 0n)) return undefined;", ""]],
    dies: "identity_test",
  },
  {
    name: "the length of the identity file is not compared",
    file: IDENTITY_FORMAT,
    edits: [["if (bytes.length !== IDENTITY_BYTES) return undefined;", ""]],
    dies: "identity_test",
  },
  {
    name: "an identity of another version counts as damaged",
    file: IDENTITY_FORMAT,
    edits: [["return version;", "return undefined;"]],
    dies: "identity_test",
  },
  {
    name: "a log that has lost all its segments keeps its incarnation",
    file: RESUME,
    edits: [["if (identity !== undefined && found.head === undefined) renew(identity.cluster);", ""]],
    dies: "identity_test",
  },
  {
    name: "a log that has lost all its segments loses its cluster",
    file: RESUME,
    edits: [["renew(identity.cluster);", "renew(new Uint8Array(ID_BYTES));"]],
    dies: "identity_test",
  },
  {
    name: "a log gets the cluster's id in memory before the disk has it",
    file: LOG_IDENTITY,
    edits: [
      ["  state.identity = founded;\n", ""],
      ["const founded = { ...identity, cluster };", "const founded = state.identity = { ...identity, cluster };"],
    ],
    dies: "identity_test",
  },
  {
    name: "founding a cluster changes the incarnation",
    file: LOG_IDENTITY,
    edits: [["{ ...identity, cluster }", "{ ...identity, incarnation: cluster, cluster }"]],
    dies: "identity_test",
  },
  {
    name: "the cluster's id can be replaced",
    file: LOG_IDENTITY,
    edits: [["if (!isZero(identity.cluster)) {", "if (false as boolean) {"]],
    dies: "identity_test",
  },
  {
    name: "a failed founding of a cluster does not end the writer",
    file: LOG_IDENTITY,
    edits: [['durability.fail("found the cluster", error)', "error"]],
    dies: "identity_test",
  },
  {
    name: "an identity that finds no space leaves its temporary file",
    file: IDENTITY,
    edits: [["    fileSystem.remove(temporary);\n", ""]],
    dies: "identity_test",
  },
];
