export * from "./messages.ts";
export * from "./types.ts";
export { RaftNode } from "./raft_node.ts";
