/**
 * `wal-log recover-cluster`: founds a new cluster from a surviving log, after a majority is lost for good.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { PAYLOAD_BYTES_MAX } from "../format/frame.ts";
import type { NodeId } from "../api/types.ts";
import { WalLog } from "../api/wal_log.ts";
import { recoverCluster, type RecoveredCluster } from "../raft/recover_cluster.ts";
import { makeFolder } from "./aside.ts";
import { type Command, EXIT, UsageError } from "./command.ts";
import { readWhole } from "./inspect.ts";
import { copyProgressLine } from "./progress.ts";
import { oneLine } from "./text.ts";

const ID_MAX = 2n ** 64n - 1n;

/** The command. */
export const recoverClusterCommand: Command = {
  name: "recover-cluster",
  summary: "Found a new cluster after a majority is lost for good",
  operands: ["DIR", "DEST"],
  options: {
    members: { type: "string", value: "IDS", help: "The members of the new cluster, such as 2 or 2,3" },
  },
  help:
    `Only for a cluster that has lost a majority of its members for good. Acknowledged writes that are not in DIR are
LOST, and everything in DIR counts as committed, acknowledged or not. First stop all remaining nodes. As DIR, use the
log with the highest last term; among equals, the highest last index (see info). DIR is not changed.

DEST becomes a log with the same entries and snapshot, followed by a configuration with the given members, and a new
cluster id, so that returning nodes of the old cluster are refused. Make a copy of DEST for each member with "wal-log
backup", which gives each copy an incarnation of its own, and only then start the members. Add others with new ids and
empty logs. DEST must not exist, or be an empty folder.`,
  writes: true,
  async run({ operands: [path, destination], options, out, note, result, signal }) {
    const members = readMembers(options.members);
    const cluster = randomUUID();
    const text = await readWhole(path!, { note, signal }, async (source) => {
      let recovered: RecoveredCluster | undefined;
      await makeFolder(destination!, async (folder) => {
        await using target = await WalLog.open(folder, { maxEntryBytes: PAYLOAD_BYTES_MAX });
        const line = copyProgressLine("copying");
        recovered = await recoverCluster(source, target, { members, cluster, signal, onProgress: line.show })
          .finally(() => line.clear());
      });
      const { index, term } = recovered!;
      result({ path: resolve(destination!), cluster, index, term, members: members.map(String) });
      return `recovered up to index ${source.lastIndex}; from index ${index}, term ${term}, on the members are ` +
        `${members.join(", ")}: cluster ${cluster} in ${oneLine(destination!)}`;
    });
    await out.line(text);
    return EXIT.clean;
  },
};

/** The members, from a list with commas. */
function readMembers(list: string | boolean | undefined): NodeId[] {
  if (typeof list !== "string") throw new UsageError("--members is missing: list the members of the new cluster");
  const ids = list.split(",");
  if (!ids.every((id) => /^\d{1,20}$/.test(id) && BigInt(id) <= ID_MAX)) {
    throw new UsageError(
      `--members expects ids from 0 to 2^64 - 1, separated by commas; found ${JSON.stringify(list)}`,
    );
  }
  const members = ids.map(BigInt);
  if (new Set(members).size < members.length) {
    throw new UsageError(`--members lists an id twice: ${JSON.stringify(list)}`);
  }
  return members;
}
