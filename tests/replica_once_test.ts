/** Commands with ids, which are applied once however often they are proposed. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeAnswer, encodeAnswer } from "../src/replica/answers.ts";
import { Clients, type Slot } from "../src/replica/clients.ts";
import { type CommandId, decodeCommand, encodeCommand } from "../src/replica/command.ts";
import { commandOf, failsWith, withReplicas } from "./replica_nodes.ts";

function idOf(sequence: number, client = "ann"): { readonly id: CommandId } {
  return { id: { client, sequence } };
}

describe("a command with an id", () => {
  it(
    "is applied once and gets the same answer each time, also after a change of leader",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      assert.equal(await replicas.propose("a", idOf(1)), "1:a");
      assert.equal(await replicas.propose("a", idOf(1)), "1:a");
      const { replica: { id } } = await replicas.leader();
      await replicas.close(id);
      assert.equal(await replicas.propose("a", idOf(1)), "1:a");
      assert.equal(await replicas.propose("b", idOf(2)), "2:b");
      assert.equal(await replicas.propose("a", idOf(1, "bob")), "3:a");
      await replicas.start(id);
      await replicas.propose("c");
      assert.deepEqual(await replicas.same(), ["a", "b", "a", "c"]);
    }),
  );

  it("is that of its client alone, whatever the name begins with", () => {
    const names = ["x", "\uFEFFx", "\uFEFF\uFEFFx"];
    const decoded = names.map((client) =>
      decodeCommand(encodeCommand(commandOf("a"), { client, sequence: 1 })).id?.client
    );
    assert.deepEqual(decoded, names);
    const clients = new Clients();
    for (const client of names) assert.equal(clients.judge({ client, sequence: 1 }).type, "new");
    const again = Clients.decode(Clients.decode(clients.encode()).encode());
    for (const client of names) assert.equal(again.judge({ client, sequence: 1 }).type, "repeated");
    for (const client of ["\uD800", "a\uDC00b"]) {
      assert.throws(() => encodeCommand(commandOf("a"), { client, sequence: 1 }), { code: "INVALID_ARGUMENT" });
    }
  });

  it(
    "is applied once if it is proposed many times at once",
    withReplicas(async (replicas) => {
      const { replica, journal } = await replicas.start(1n);
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => replica.propose(commandOf("a"), idOf(1))),
      );
      assert.deepEqual(new Set(answers), new Set(["1:a"]));
      assert.deepEqual(journal.commands, ["a"]);
    }, [1n]),
  );

  it(
    "is applied once on both sides of a snapshot",
    withReplicas(async (replicas) => {
      const options = { snapshotBytes: 1000, log: { segmentBytes: 4096 } };
      await replicas.startAll(options);
      await replicas.propose("first", idOf(7));
      const away = (await replicas.follower()).replica.id;
      await replicas.close(away);
      for (let i = 0; i < 40; i++) await replicas.propose(`${i}`);
      const added = await replicas.start(4n, { ...options, joining: true });
      await (await replicas.leader()).replica.addMember(4n, "memory:4");
      await replicas.start(away, options);
      for (const id of [...replicas.all.keys()]) {
        await replicas.close(id);
        await replicas.start(id, { ...options, joining: id === 4n });
      }
      assert.equal(await replicas.propose("first", idOf(7)), "1:first");
      assert.equal((await replicas.same()).filter((text) => text === "first").length, 1);
      assert.ok(added.journal.commands.includes("first"));
    }),
  );

  it(
    "is refused after one of the same client with a higher sequence",
    withReplicas(async (replicas) => {
      const { replica, journal } = await replicas.start(1n);
      await replica.propose(commandOf("b"), idOf(2));
      await assert.rejects(replica.propose(commandOf("a"), idOf(1)), failsWith("STALE_SEQUENCE", "unknown"));
      assert.deepEqual(journal.commands, ["b"]);
    }, [1n]),
  );

  it(
    "says that it was applied if its answer is not kept",
    withReplicas(async (replicas) => {
      const { replica, journal } = await replicas.start(1n);
      // A bigint is no JSON value.
      journal.apply = () => [1n as unknown as string];
      await replica.propose(commandOf("a"), idOf(1));
      await assert.rejects(replica.propose(commandOf("a"), idOf(1)), failsWith("ANSWER_LOST", "applied"));
    }, [1n]),
  );

  it(
    "is proposed again by itself if it is not known whether it was applied",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica: { id } } = await replicas.leader();
      const { replica } = await replicas.follower();
      let isAnswered = false;
      // The leader takes the command, and its answer is lost.
      replicas.network.passes = (from, _, message) => {
        const isLost = !isAnswered && from === id && message.type === "proposeReply";
        isAnswered ||= isLost;
        return !isLost;
      };
      assert.equal(await replica.propose(commandOf("a"), idOf(1)), "1:a");
      assert.equal(isAnswered, true);
      assert.deepEqual(await replicas.same(), ["a"]);
    }),
  );

  it(
    "is rejected if its id is invalid",
    withReplicas(async (replicas) => {
      const { replica } = await replicas.start(1n);
      const invalid = [idOf(-1), idOf(0.5), idOf(1, ""), idOf(1, "x".repeat(256)), {
        id: { sequence: 1 } as CommandId,
      }];
      for (const options of invalid) {
        await assert.rejects(replica.propose(commandOf("a"), options), failsWith("INVALID_ARGUMENT", "not-applied"));
      }
      await assert.rejects(
        replica.propose("a" as unknown as Uint8Array),
        failsWith("INVALID_ARGUMENT", "not-applied"),
      );
    }, [1n]),
  );
});

describe("the table of clients", () => {
  const applyTo = (
    clients: Clients,
    client: string,
    sequence: number,
    answer: Uint8Array = new Uint8Array(1),
  ): Slot => {
    const verdict = clients.judge({ client, sequence });
    assert.equal(verdict.type, "new");
    const { slot } = verdict as { slot: Slot };
    clients.answer(slot, answer);
    return slot;
  };
  const typeOf = (clients: Clients, client: string, sequence: number) => clients.judge({ client, sequence }).type;

  it("forgets the clients that proposed longest ago, beyond 10,000", () => {
    const clients = new Clients();
    for (let i = 0; i < 10_000; i++) applyTo(clients, `${i}`, 1);
    assert.equal(typeOf(clients, "0", 1), "repeated");
    applyTo(clients, "more", 1);
    assert.equal(clients.size, 10_000);
    assert.equal(typeOf(clients, "0", 1), "repeated");
    assert.equal(typeOf(clients, "2", 1), "repeated");
    assert.equal(typeOf(clients, "1", 1), "new");
  });

  it("drops the oldest answers beyond 8 MiB, and no client", () => {
    const clients = new Clients();
    const slots = Array.from({ length: 12 }, (_, i) => applyTo(clients, `${i}`, 1, new Uint8Array(1024 * 1024)));
    assert.deepEqual(slots.map(({ answer }) => answer !== undefined), slots.map((_, i) => i >= 4));
    assert.equal(typeOf(clients, "0", 1), "repeated");
    // Answers that were replaced count no more.
    for (let sequence = 2; sequence < 20; sequence++) applyTo(clients, "11", sequence, new Uint8Array(1024 * 1024));
    assert.ok(slots.slice(4, 11).every(({ answer }) => answer !== undefined));
  });

  it("is the same after encoding and decoding", () => {
    const clients = new Clients();
    applyTo(clients, "größer", 2 ** 53 - 1, Uint8Array.of(1, 2, 3));
    applyTo(clients, "empty", 0, new Uint8Array());
    applyTo(clients, "unanswered", 5, undefined);
    clients.judge({ client: "unanswered", sequence: 6 });
    const bytes = clients.encode();
    const decoded = Clients.decode(bytes);
    assert.deepEqual(decoded.encode(), bytes);
    for (const table of [clients, decoded]) {
      const verdict = table.judge({ client: "größer", sequence: 2 ** 53 - 1 });
      assert.deepEqual(verdict.type === "repeated" && verdict.slot.answer, Uint8Array.of(1, 2, 3));
      assert.equal(typeOf(table, "empty", 0), "repeated");
      assert.equal(typeOf(table, "unanswered", 5), "stale");
    }
    assert.throws(() => Clients.decode(bytes.slice(0, -1)), RangeError);
  });
});

describe("an entry of a replica", () => {
  it("holds a command with and without an id", () => {
    const command = Uint8Array.of(1, 2, 3);
    for (
      const id of [undefined, { client: "größer", sequence: 2 ** 53 - 1 }, { client: "x".repeat(255), sequence: 0 }]
    ) {
      const decoded = decodeCommand(encodeCommand(command, id));
      assert.deepEqual(decoded.id, id);
      assert.deepEqual([...decoded.command], [1, 2, 3]);
    }
    for (const bytes of [[], [2], [1], [1, 3, 65, 65, 65, 0, 0]]) {
      assert.throws(() => decodeCommand(Uint8Array.from(bytes)), { code: "UNSUPPORTED_VERSION" });
    }
  });

  it("has an answer that is JSON, bytes or undefined", () => {
    const kept = (answer: unknown) => decodeAnswer(encodeAnswer(answer)!);
    for (const answer of [undefined, null, 0, "größer", [1, { a: null }]]) assert.deepEqual(kept(answer), answer);
    const bytes = kept(Uint8Array.of(1, 2));
    assert.ok(bytes instanceof Uint8Array && bytes.length === 2 && bytes[1] === 2);
    assert.equal(encodeAnswer(1n), undefined);
    assert.equal(encodeAnswer(() => {}), undefined);
    assert.equal(encodeAnswer("x".repeat(1024 * 1024)), undefined);
  });
});
