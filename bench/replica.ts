/**
 * Counts the commands that three replicas in one process commit and apply. Messages stay in memory, and each replica has a
 * log on the disk, which it flushes:
 *
 *     deno task bench:replica                    by 1, 64 and 256 callers at a time, and by 256 of a follower
 *     node bench/replica.ts --seconds 3 --rounds 5 --bytes 128 --folder /data
 *     node bench/replica.ts --record             into docs/BENCHMARKS.md, beside other runtimes
 *
 * Each caller proposes its next command when the one before is answered. The result is the median of the rounds, with the
 * lowest and the highest.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { MemoryNetwork, MemoryTransport } from "../src/raft/mod.ts";
import { Replica, type StateMachine } from "../src/replica/mod.ts";
import { lookAtMachine } from "./machine.ts";
import { figure, showRun } from "./part_report.ts";
import { recordRun } from "./render.ts";
import { versionText } from "./workspace.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    bytes: { type: "string", default: "128" },
    folder: { type: "string", default: tmpdir() },
    record: { type: "boolean", default: false },
  },
});
const [seconds, rounds, bytes] = [values.seconds, values.rounds, values.bytes].map(Number) as [number, number, number];
if (![seconds, rounds, bytes].every((value) => value >= 1)) {
  throw new RangeError("--seconds, --rounds and --bytes take numbers from 1");
}

const IDS = [1n, 2n, 3n];
const CASES = [
  { callers: 1, at: "leader" },
  { callers: 64, at: "leader" },
  { callers: 256, at: "leader" },
  { callers: 256, at: "follower" },
] as const;

/** A state machine that only counts. */
function counter(): StateMachine<number> {
  let count = 0;
  return {
    apply: (entries) => entries.map(() => ++count),
    snapshot: (to) => new Blob([String(count)]).stream().pipeTo(to),
    restore: async (from) => void (count = Number(await new Response(from).text())),
  };
}

/** Starts the replicas. Resolves when one leads and the others know it. */
async function start(folder: string): Promise<Replica<number>[]> {
  const network = new MemoryNetwork();
  const peers = IDS.map((id) => [id, `memory:${id}`] as const);
  const replicas = await Promise.all(IDS.map((id) =>
    Replica.start({
      ...{ folder: join(folder, String(id)), id, address: `memory:${id}`, peers, stateMachine: counter() },
      transport: new MemoryTransport(id, network),
    })
  ));
  const [first] = replicas as [Replica<number>];
  while (first.leader === null || replicas.some(({ leader }) => leader !== first.leader)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return replicas;
}

/** The commands a second that some callers get answered. */
async function measure(replica: Replica<number>, callers: number): Promise<number> {
  const command = new Uint8Array(bytes).fill(7);
  const begun = performance.now();
  const end = begun + seconds * 1000;
  let answered = 0;
  const call = async () => {
    while (performance.now() < end) {
      await replica.propose(command);
      answered++;
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return answered / (performance.now() - begun) * 1000;
}

function targetOf(callers: number, at: string): string | undefined {
  return callers === 256 && at === "leader" ? "at least 40 k/s" : undefined;
}

const folder = mkdtempSync(join(values.folder, "wallog-replica-"));
const machine = lookAtMachine(folder);
try {
  const replicas = await start(folder);
  const leader = replicas.find(({ isLeader }) => isLeader)!;
  const follower = replicas.find(({ isLeader }) => !isLeader)!;
  const samples = new Map(CASES.map((one) => [one, [] as number[]]));
  await measure(leader, 64);
  for (let round = 0; round < rounds; round++) {
    for (const one of CASES) {
      samples.get(one)!.push(await measure(one.at === "leader" ? leader : follower, one.callers));
    }
  }
  const run = {
    ...{ runtime: versionText(), machine },
    work:
      `Commands of ${bytes} bytes, applied by three replicas that pass messages in memory, each with a log on the ` +
      `disk. Each caller waits for its answer before its next command. ${rounds} rounds of ${seconds} s.`,
    figures: [...samples].map(([{ callers, at }, found]) => {
      return figure(`${callers} callers of the ${at}`, "perSecond", found, targetOf(callers, at));
    }),
  };
  showRun(run);
  if (values.record) recordRun("replica", run);
  await Promise.all(replicas.map((replica) => replica.close()));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
