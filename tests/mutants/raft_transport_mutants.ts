/** Mutants of the connections between nodes. */

import type { Mutant } from "./mutant.ts";

const BACKLOG = "src/raft/transport/backlog.ts";
const FRAMING = "src/raft/transport/framing.ts";
const IDENTITY = "src/raft/transport/identity.ts";
const INCOMING = "src/raft/transport/incoming.ts";
const OUTBOX = "src/raft/transport/outbox.ts";
const OUTGOING = "src/raft/transport/outgoing.ts";
const READER = "src/raft/transport/stream_reader.ts";
const TRANSPORT = "src/raft/transport/tcp_transport.ts";

/** Mutants of the transport. */
export const RAFT_TRANSPORT_MUTANTS: readonly Mutant[] = [
  {
    name: "raft transport: a frame may be of any length",
    file: READER,
    edits: [["if (length > bytesMax) {", "if (length < 0) {"]],
    dies: "raft_callers_test",
  },
  {
    name: "raft transport: pieces that arrive are kept apart however many they are",
    file: READER,
    edits: [["<= this.#bytes + CHUNKS_OVERHEAD_BYTES) return;", "<= 2 ** 53) return;"]],
    dies: "raft_outbox_test",
  },
  {
    name: "raft transport: a log that was given to a cluster speaks as one of no cluster until the next ping",
    file: OUTGOING,
    edits: [["      this.#reconnect(this.#socket!);\n", ""]],
    dies: "raft_origin_test",
  },
  {
    name: "raft transport: a log that was given to a cluster waits before it connects again",
    file: OUTGOING,
    edits: [["    this.wake();\n", ""]],
    dies: "raft_origin_test",
  },
  {
    name: "raft transport: any version of the protocol is spoken",
    file: FRAMING,
    edits: [["return version >= own.least && version >= theirs.least ? version : undefined;", "return version;"]],
    dies: "raft_origin_test",
  },
  {
    name: "raft transport: a node of another cluster may speak",
    file: FRAMING,
    edits: [[`if (!isSameCluster(own.cluster, theirs.cluster)) return "it is of another cluster";`, ""]],
    dies: "raft_callers_test",
  },
  {
    name: "raft transport: a node takes what is meant for another",
    file: INCOMING,
    edits: [["if (to !== this.#options.id) return `it called node ${to}`;", ""]],
    dies: "raft_callers_test",
  },
  {
    name: "raft transport: a caller may speak for any node once it has said hello",
    file: INCOMING,
    edits: [["if (senderOf(message) !== peer) return", "if (connection.peer === undefined) return"]],
    dies: "raft_callers_test",
  },
  {
    name: "raft transport: any number of callers may keep silent",
    file: INCOMING,
    edits: [["if (strangers.length < STRANGERS_MAX) return;", "if (strangers.length >= 0) return;"]],
    dies: "raft_callers_test",
  },
  {
    name: "raft transport: who calls again and again keeps others out",
    file: INCOMING,
    edits: [["[...byAddress.values()].sort((a, b) => b.length - a.length);", "[...byAddress.values()].reverse();"]],
    dies: "raft_callers_test",
  },
  {
    name: "raft transport: any number of peers may be connected",
    file: INCOMING,
    edits: [["this.#byPeer.size >= PEERS_MAX && ", "this.#byPeer.size < 0 && "]],
    dies: "raft_callers_test",
  },
  {
    name: "raft transport: a caller may keep silent for ever",
    file: INCOMING,
    edits: [[
      "setTimeout(() => this.#end(connection, `it sent no hello for ${timeout} ms`), timeout)",
      "setTimeout(() => {}, 0)",
    ]],
    dies: "raft_callers_test",
  },
  {
    name: "raft transport: messages are handed on however many are unfinished",
    file: INCOMING,
    edits: [["!connection.isClosed && !connection.isPaused) {", "!connection.isClosed) {"]],
    dies: "raft_backpressure_test",
  },
  {
    name: "raft transport: bytes are read however many messages are unfinished",
    file: INCOMING,
    edits: [["    connection.socket.pause();\n", ""]],
    dies: "raft_backpressure_test",
  },
  {
    name: "raft transport: unfinished messages may take any amount of memory",
    file: BACKLOG,
    edits: [[" || this.#bytes >= BYTES_MAX", ""]],
    dies: "raft_backpressure_test",
  },
  {
    name: "raft transport: entries take no memory beside their bytes",
    file: BACKLOG,
    edits: [[" + entries * ENTRY_OVERHEAD_BYTES", ""]],
    dies: "raft_backpressure_test",
  },
  {
    name: "raft transport: a peer that calls again may have as many unfinished messages again",
    file: INCOMING,
    edits: [["if (this.#backlogs.get(from)?.isFull) this.#pause(connection);", ""]],
    dies: "raft_backpressure_test",
  },
  {
    name: "raft transport: a connection that ended is not made again",
    file: OUTGOING,
    edits: [["this.#timer = setTimeout(() => this.#connect(), delay * (0.5 + Math.random() / 2));", ""]],
    dies: "raft_transport_test",
  },
  {
    name: "raft transport: what waited for a connection that ended goes out on the next, from the middle of a message",
    file: OUTGOING,
    edits: [["this.#outbox.clear();\n    const delay", "const delay"]],
    dies: "raft_transport_test",
  },
  {
    name: "raft transport: whoever answers is taken for the peer",
    file: OUTGOING,
    edits: [["if (hello.from !== this.#peer) return this.#fail(socket, `it is node ${hello.from}`);", ""]],
    dies: "raft_callers_test",
  },
  {
    name: "raft transport: bytes are written whether the peer takes them or not",
    file: OUTGOING,
    edits: [["if (write(socket, chunk)) continue;", "if (write(socket, chunk) || true) continue;"]],
    dies: "raft_backpressure_test",
  },
  {
    name: "raft transport: a peer that does not answer keeps its connection",
    file: OUTGOING,
    edits: [["if (this.#unanswered * pause >= timeout) return", "if (this.#unanswered < 0) return"]],
    dies: "raft_backpressure_test",
  },
  {
    name: "raft transport: pings are not answered",
    file: INCOMING,
    edits: [["if (bytes.byteLength === 0) this.#answer(connection);", "if (bytes.byteLength === 0) continue;"]],
    dies: "raft_connections_test",
  },
  {
    name: "raft transport: only pings are answered, not a message that takes its time",
    file: INCOMING,
    edits: [["if (performance.now() - connection.answeredAt >= ANSWER_MS) this.#answer(connection);", ""]],
    dies: "raft_connections_test",
  },
  {
    name: "raft transport: a caller that says nothing keeps its connection",
    file: INCOMING,
    edits: [["const silence = connection.silences++ * PING_MS;", "const silence = 0;"]],
    dies: "raft_connections_test",
  },
  {
    name: "raft transport: a connection that opens and ends is made again without delay",
    file: OUTGOING,
    edits: [["performance.now() - this.#openedAt >= most", "performance.now() >= this.#openedAt"]],
    dies: "raft_connections_test",
  },
  {
    name: "raft transport: a peer that is taken away while its connection ends is called for ever",
    file: OUTGOING,
    edits: [
      ["this.#timer = setTimeout(() => this.#connect(), delay * (0.5 + Math.random() / 2));", ""],
      [
        `this.#options.onEvent({ type: "disconnected", peer: this.#peer, direction: "out", reason });`,
        `this.#options.onEvent({ type: "disconnected", peer: this.#peer, direction: "out", reason });
    this.#timer = setTimeout(() => this.#connect(), delay * (0.5 + Math.random() / 2));`,
      ],
    ],
    dies: "raft_connections_test",
  },
  {
    name: "raft transport: messages wait for a connection",
    file: OUTGOING,
    edits: [["if (!(isConnected || this.#canWait(frame)) || ", "if ("]],
    dies: "raft_transport_test",
  },
  {
    name: "raft transport: any amount may wait for a peer",
    file: OUTBOX,
    edits: [["if (this.#bytes > 0 && this.#bytes + cost > this.#bytesMax) return false;", ""]],
    dies: "raft_backpressure_test",
  },
  {
    name: "raft transport: what waits for a peer is counted without the memory that was reserved for it",
    file: OUTBOX,
    edits: [["frame.buffer.byteLength + FRAME_OVERHEAD_BYTES", "frame.byteLength + FRAME_OVERHEAD_BYTES"]],
    dies: "raft_outbox_test",
  },
  {
    name: "raft transport: a handshake may take for ever",
    file: "src/raft/transport/handshakes.ts",
    edits: [["setTimeout(late, timeout)", "setTimeout(() => void late, timeout)"]],
    dies: "raft_tls_test",
  },
  {
    name: "raft transport: a transport that is closed waits for handshakes",
    file: INCOMING,
    edits: [["this.#handshakes.close();", ""]],
    dies: "raft_tls_test",
  },
  {
    name: "raft transport: a transport that is closed while it starts listens all the same",
    file: "src/raft/transport/tcp_transport.ts",
    edits: [[
      `if (this.#isClosed) {
      this.#address = undefined;`,
      `if (this.#isClosed && this.#address === undefined) {
      this.#address = undefined;`,
    ]],
    dies: "raft_connections_test",
  },
  {
    name: "raft transport: callers need no certificate",
    file: INCOMING,
    edits: [
      ["requestCert: true, rejectUnauthorized: true", "requestCert: false, rejectUnauthorized: false"],
      [
        "if (tls !== undefined && !(socket as TLSSocket).authorized) return this.#refuse(socket, NOT_OF_THIS_CLUSTER);",
        "",
      ],
      ["if (tls !== undefined) return whatIsWrongWith(socket as TLSSocket, from, tls);", ""],
    ],
    dies: "raft_tls_test",
  },
  {
    name: "raft transport: a caller with a certificate may say that it is any node",
    file: INCOMING,
    edits: [[
      "if (tls !== undefined) return whatIsWrongWith(socket as TLSSocket, from, tls);",
      "",
    ]],
    dies: "raft_tls_test",
  },
  {
    name: "raft transport: messages go to whoever has a certificate and answers",
    file: OUTGOING,
    edits: [["tls === undefined ? undefined : whatIsWrongWith(socket as TLSSocket, this.#peer, tls);", "undefined;"]],
    dies: "raft_tls_test",
  },
  {
    name: "raft transport: a certificate that nobody has signed names a node",
    file: IDENTITY,
    edits: [["if (!socket.authorized) return NOT_OF_THIS_CLUSTER;", ""]],
    dies: "raft_tls_test",
  },
  {
    name: "raft transport: a certificate with other names is taken by its common name",
    file: IDENTITY,
    edits: [["if (!subjectaltname) return subject?.CN === name;", "if (subject?.CN === name) return true;"], [
      "return subjectaltname.split",
      "return subjectaltname !== undefined && subjectaltname.split",
    ]],
    dies: "raft_tls_test",
  },
  {
    name: "raft transport: a name within another name of a certificate counts",
    file: IDENTITY,
    edits: [["new X509Certificate(raw).checkHost(name, EXACTLY) !== undefined", "raw !== undefined"]],
    dies: "raft_tls_test",
  },
  {
    name: "transport: a type of message is sent to a peer that does not know it",
    file: "src/raft/transport/outgoing.ts",
    edits: [["!this.knows(since) || ", ""]],
    dies: "raft_versions_test",
  },
  {
    name: "transport: a new type of message waits for a peer whose version is not known",
    file: "src/raft/transport/outgoing.ts",
    edits: [[
      "since <= Math.max(this.#version, this.#options.protocol.versions.least)",
      "this.#version === 0 || since <= this.#version",
    ]],
    dies: "raft_versions_test",
  },
  {
    name: "transport: two nodes do not use the greatest version that both speak",
    file: "src/raft/transport/outgoing.ts",
    edits: [["this.#version = negotiate(this.#said!.versions, hello.versions)!;", "this.#version = 1;"]],
    dies: "raft_versions_test",
  },
  {
    name: "transport: reloaded certificates are not shown to callers",
    file: "src/raft/transport/tcp_transport.ts",
    edits: [["      this.#incoming?.reload(next);\n", "      void next;\n"]],
    dies: "raft_reload_test",
  },
  {
    name: "transport: reloaded certificates are not shown to peers",
    file: "src/raft/transport/tcp_transport.ts",
    edits: [["    this.#options.tls = next;\n", ""]],
    dies: "raft_reload_test",
  },
  {
    name: "raft: revoked certificates are accepted",
    file: IDENTITY,
    edits: [["if (isRevoked(certificate.raw, tls)) return REVOKED;", ""]],
    dies: "raft_reload_test",
  },
  {
    name: "raft: fingerprints with colons never match",
    file: "src/raft/transport/certificates.ts",
    edits: [["return revoked.some((one) => plain(one) === own);", "return revoked.includes(own);"]],
    dies: "raft_reload_test",
  },
  {
    name: "raft: a certificate that is revoked during the handshake is accepted",
    file: OUTGOING,
    edits: [["this.#whatIsWrong(socket) ?? whatSeparates(", "whatSeparates("]],
    dies: "raft_reload_test",
  },
  {
    name: "raft: connections of callers with a revoked certificate stay",
    file: TRANSPORT,
    edits: [["this.#incoming?.endRevoked(next);", ""]],
    dies: "raft_reload_test",
  },
  {
    name: "raft: connections to peers with a revoked certificate stay",
    file: TRANSPORT,
    edits: [["for (const outgoing of [...this.#outgoing.values()]) outgoing.endRevoked(next);", ""]],
    dies: "raft_reload_test",
  },
];
