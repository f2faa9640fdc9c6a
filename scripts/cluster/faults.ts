/**
 * What can happen to a cluster while clients use it.
 *
 * @module
 */

import type { Clients } from "./clients.ts";
import type { ClusterProcesses, ReplicaProcess } from "./processes.ts";

/** Answers that clients must have got since, for the service to count as being there. */
const ANSWERS = 50;
/** How long a cluster without a majority is left like that. In milliseconds. */
const WITHOUT_MAJORITY_MS = 300;

/** Something that happens to a cluster, and is over when it resolves: everything is there again, and clients get answers. */
export interface Fault {
  readonly title: string;
  /** Told in words what follows from it. */
  readonly strike: (cluster: ClusterProcesses, clients: Clients, say: (what: string) => void) => Promise<void>;
}

/** Faults, in an order in which each finds a whole cluster. */
export const FAULTS: readonly Fault[] = [
  {
    title: "the leader is killed",
    strike: async (cluster, clients, say) => {
      const leader = await cluster.leader();
      await leader.signal("SIGKILL");
      await otherLeads(cluster, leader, clients, say);
      await leader.start();
      await clients.progress(ANSWERS);
    },
  },
  {
    title: "the leader is stopped, and goes on later, believing that it leads",
    strike: async (cluster, clients, say) => {
      const leader = await cluster.leader();
      await leader.signal("SIGSTOP");
      await otherLeads(cluster, leader, clients, say);
      await leader.signal("SIGCONT");
      await clients.progress(ANSWERS);
    },
  },
  {
    title: "the leader is cut off from the others, but not from clients",
    strike: async (cluster, clients, say) => {
      const leader = await cluster.leader();
      await cluster.cut(leader, cluster.replicas.filter((replica) => replica !== leader));
      await otherLeads(cluster, leader, clients, say);
      await cluster.cut(leader, []);
      await clients.progress(ANSWERS);
    },
  },
  {
    title: "the leader is cut off and stopped, and asked when it goes on, believing that it leads",
    strike: async (cluster, clients, say) => {
      const leader = await cluster.leader();
      await cluster.cut(leader, cluster.replicas.filter((replica) => replica !== leader));
      await leader.signal("SIGSTOP");
      await otherLeads(cluster, leader, clients, say);
      // What it would answer by itself is old by now; it is to be asked as soon as it goes on, before it gives up.
      const reads = clients.readFrom(leader.url);
      await leader.signal("SIGCONT");
      await reads;
      await cluster.cut(leader, []);
      await clients.progress(ANSWERS);
    },
  },
  {
    title: "a follower is cut off from the leader, but not from the other follower",
    strike: async (cluster, clients) => {
      const leader = await cluster.leader();
      const follower = cluster.replicas.find((replica) => replica !== leader)!;
      await cluster.cut(follower, [leader]);
      await clients.progress(ANSWERS * 4);
      await cluster.cut(follower, []);
      await clients.progress(ANSWERS);
    },
  },
  {
    title: "the leader and a follower are killed, so that no majority is left",
    strike: async (cluster, clients) => {
      const leader = await cluster.leader();
      const follower = cluster.replicas.find((replica) => replica !== leader)!;
      await killAndRestart([leader, follower], clients);
    },
  },
  {
    title: "all are killed at once",
    strike: (cluster, clients) => killAndRestart(cluster.replicas, clients),
  },
  {
    title: "all are killed as soon as a write is acknowledged, the last entry of their logs",
    strike: async (cluster, clients) => {
      await clients.end();
      await clients.writePage();
      // In the same turn: not even a heartbeat comes after it.
      const killed = killAndRestart(cluster.replicas, clients);
      clients.start();
      await killed;
    },
  },
];

async function otherLeads(
  cluster: ClusterProcesses,
  former: ReplicaProcess,
  clients: Clients,
  say: (what: string) => void,
): Promise<void> {
  const started = performance.now();
  const leader = await cluster.leader(former);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  say(`replica ${leader.id}, in ${leader.runtime.title}, leads after ${seconds} s`);
  await clients.progress(ANSWERS);
}

async function killAndRestart(replicas: readonly ReplicaProcess[], clients: Clients): Promise<void> {
  await Promise.all(replicas.map((replica) => replica.signal("SIGKILL")));
  await new Promise((resolve) => setTimeout(resolve, WITHOUT_MAJORITY_MS));
  await Promise.all(replicas.map((replica) => replica.start()));
  await clients.progress(ANSWERS);
}
