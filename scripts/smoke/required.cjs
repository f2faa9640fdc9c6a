// CommonJS: `require` loads the package's modules in Node 22.12 and newer and in Bun.
const assert = require("node:assert/strict");
const { MemoryLog, WalLogError } = require("@wallog/wallog");
const { RaftNode } = require("@wallog/wallog/raft");

new MemoryLog().append([{ term: 1, index: 1, command: Buffer.from("a") }]);
assert.throws(() => new RaftNode({ id: 1 }), WalLogError);
