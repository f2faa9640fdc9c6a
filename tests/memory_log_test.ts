import { MemoryLog } from "../src/memory_log.ts";
import { raftLogSuite } from "./raft_log_suite.ts";

raftLogSuite("MemoryLog", () => ({ log: new MemoryLog(), dispose: () => {} }));
