/**
 * The faults of a cluster while clients use it.
 *
 * @module
 */

import type { Clients } from "./clients.ts";
import type { ClusterProcesses, ReplicaProcess } from "./processes.ts";

/** The number of answers after which the service counts as available again. */
const ANSWERS = 50;
/** How long a cluster stays without a majority, in milliseconds. */
const WITHOUT_MAJORITY_MS = 300;

/** A fault. It ends when its promise resolves: then all replicas are back, and clients get answers. */
export interface Fault {
  readonly title: string;
  /** Causes the fault, and describes its effects. */
  readonly strike: (cluster: ClusterProcesses, clients: Clients, say: (what: string) => void) => Promise<void>;
}

/** All faults. Each one starts with a complete cluster. */
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
      // The stopped leader's own answers are stale by now. Ask it as soon as it continues, before it steps down.
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
      // In the same turn, so that not even a heartbeat follows.
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
