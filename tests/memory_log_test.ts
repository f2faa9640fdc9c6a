import { MemoryLog } from "../src/api/memory_log.ts";
import { raftLogSuite } from "./raft_log_suite.ts";

raftLogSuite("MemoryLog", () => ({ log: new MemoryLog(), dispose: () => {} }));
