/** Mutants of the memory that is freed while a snapshot is sent. */

import type { Mutant } from "./mutant.ts";

const INCOMING = "src/raft/transport/incoming.ts";
const OUTGOING = "src/raft/transport/outgoing.ts";
const READER = "src/raft/transport/stream_reader.ts";

/** Mutants of freeing memory. */
export const RAFT_FREED_MUTANTS: readonly Mutant[] = [
  {
    name: "raft transport: chunks that were copied wait for garbage collection",
    file: READER,
    edits: [["if (isOwned) free(bytes);", "if (isOwned) void free;"]],
    dies: "raft_freed_test",
  },
  {
    name: "raft transport: a chunk is freed although it is a part of a larger buffer",
    file: READER,
    edits: [["isOwned: bytes.byteLength === bytes.buffer.byteLength", "isOwned: true"]],
    dies: "raft_freed_test",
  },
  {
    name: "raft transport: a chunk is freed although a message has a part of it",
    file: READER,
    edits: [["bytes: bytes.subarray(length), isOwned: false", "bytes: bytes.subarray(length), isOwned: true"]],
    dies: "raft_freed_test",
  },
  {
    name: "raft transport: two large frames share a buffer",
    file: READER,
    edits: [["const mayShare = isWhole || length < OWN_BUFFER_BYTES_MIN;", "const mayShare = isWhole || length > 0;"]],
    dies: "raft_freed_test",
  },
  {
    name: "raft transport: a large frame is freed before it is written",
    file: OUTGOING,
    edits: [["  return socket.write(bytes, (error) => {", "  free(frame);\n  return socket.write(bytes, (error) => {"]],
    dies: "raft_freed_test",
  },
  {
    name: "raft transport: a piece is freed before the receiver has finished it",
    file: INCOMING,
    edits: [[
      "    if (finished === undefined) return;\n",
      "    if (finished === undefined) return;\n    if (isPiece(message)) free(bytes);\n",
    ]],
    dies: "raft_freed_test",
  },
  {
    name: "raft transport: a small message is freed, and the next one with it",
    file: INCOMING,
    edits: [["isPiece(message) && bytes.byteLength >= OWN_BUFFER_BYTES_MIN", "isPiece(message)"]],
    dies: "raft_freed_test",
  },
  {
    name: "raft transport: every large message is freed, also one whose data the application gets",
    file: INCOMING,
    edits: [["if (isPiece(message) && bytes", "if (bytes"]],
    dies: "raft_freed_test",
  },
  {
    name: "replica: pieces of a snapshot that were sent wait for garbage collection",
    file: "src/replica/engine.ts",
    edits: [["if (this.transport instanceof TcpTransport && isPiece(message)) free(", "if (!isPiece(message)) free("], [
      "(message.snapshot.data);",
      "(new Uint8Array());",
    ]],
    dies: "raft_freed_test",
  },
  {
    name: "replica: a piece of a snapshot is freed although the transport has not encoded it",
    file: "src/replica/engine.ts",
    edits: [["if (this.transport instanceof TcpTransport && isPiece", "if (TcpTransport !== undefined && isPiece"]],
    dies: "raft_freed_test",
  },
];
