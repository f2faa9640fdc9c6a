/**
 * `wal-log recover-cluster`: the deliberate act for a cluster that has lost its majority for good.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { PAYLOAD_BYTES_MAX } from "../format/frame.ts";
import type { NodeId } from "../api/types.ts";
import { WalLog } from "../api/wal_log.ts";
import { recoverCluster, type RecoveredCluster } from "../raft/recover_cluster.ts";
import { makeFolder } from "./aside.ts";
import { type Command, EXIT, UsageError } from "./command.ts";
import { readWhole } from "./inspect.ts";
import { oneLine } from "./text.ts";

const ID_MAX = 2n ** 64n - 1n;

/** The command. */
export const recoverClusterCommand: Command = {
  name: "recover-cluster",
  summary: "Make a new cluster of what a lost majority has left",
  operands: ["DIR", "DEST"],
  options: {
    members: { type: "string", value: "IDS", help: "The members of the new cluster, such as 2 or 2,3" },
  },
  help: `For a cluster that has lost a majority of its members for good, and for nothing else: writes that were
acknowledged and are not in DIR are LOST, and what is in DIR counts as committed, acknowledged or not. Stop all nodes
that are left. DIR is the log of the one with the highest last term, and of those the highest last index (see info);
it is not changed.

DEST becomes a log with the same entries and snapshot, behind them a configuration with the given members, and a new
cluster id, so that nodes of the old cluster that come back are refused. Give each of the members a copy of DEST, start
them, and add others with new ids and empty logs. DEST must not exist, or be an empty folder.`,
  writes: true,
  async run({ operands: [path, destination], options, out, note, signal }) {
    const members = readMembers(options.members);
    const cluster = randomUUID();
    const text = await readWhole(path!, { note, signal }, async (source) => {
      let recovered: RecoveredCluster | undefined;
      await makeFolder(destination!, async (folder) => {
        await using target = await WalLog.open(folder, { maxEntryBytes: PAYLOAD_BYTES_MAX });
        recovered = await recoverCluster(source, target, { members, cluster, signal });
      });
      const { index, term } = recovered!;
      return `recovered up to index ${source.lastIndex}; from index ${index}, term ${term}, on the members are ` +
        `${members.join(", ")}: cluster ${cluster} in ${oneLine(destination!)}`;
    });
    await out.line(text);
    return EXIT.clean;
  },
};

/** The members, from a list with commas. */
function readMembers(list: string | boolean | undefined): NodeId[] {
  if (typeof list !== "string") throw new UsageError("--members is missing: who is to be in the new cluster");
  const ids = list.split(",");
  if (!ids.every((id) => /^\d{1,20}$/.test(id) && BigInt(id) <= ID_MAX)) {
    throw new UsageError(
      `--members takes ids from 0 to 2^64 - 1 with commas between them, found ${JSON.stringify(list)}`,
    );
  }
  const members = ids.map(BigInt);
  if (new Set(members).size < members.length) {
    throw new UsageError(`--members has an id twice: ${JSON.stringify(list)}`);
  }
  return members;
}
