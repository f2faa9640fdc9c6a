/** What `--json` gives is what `docs/cli.schema.json` says, for each command, each kind of damage, and errors. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { WalLog } from "../src/api/wal_log.ts";
import { COMMANDS } from "../src/cli/commands.ts";
import { cliHere, endOf, makeForgetful, startCli } from "./cli.ts";
import { DAMAGES, makeDamageLog, makePeer } from "./cli_damages.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noSignals = skipReason(isWindows && "Windows does not deliver signals to other processes");

/** The part of JSON Schema that the document uses. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: boolean;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

const ROOT: Schema = JSON.parse(readFileSync(new URL("../docs/cli.schema.json", import.meta.url), "utf8"));

function typeOf(value: unknown): string[] {
  if (value === null) return ["null"];
  if (Array.isArray(value)) return ["array"];
  return typeof value === "number" && Number.isInteger(value) ? ["integer", "number"] : [typeof value];
}

/** What is wrong with a value; empty if nothing is. */
function problems(value: unknown, schema: Schema, at = ""): string[] {
  if (schema.$ref !== undefined) return problems(value, ROOT.$defs![schema.$ref.replace("#/$defs/", "")]!, at);
  const types = schema.type === undefined ? undefined : [schema.type].flat();
  if (types !== undefined && !typeOf(value).some((type) => types.includes(type))) {
    return [`${at}: ${typeOf(value)[0]}, not ${types.join(" or ")}`];
  }
  if (schema.enum !== undefined && !schema.enum.includes(value)) return [`${at}: ${value} is none of the values`];
  if (schema.const !== undefined && schema.const !== value) return [`${at}: ${value}, not ${schema.const}`];
  if (schema.minimum !== undefined && (value as number) < schema.minimum) return [`${at}: ${value} is too small`];
  if (Array.isArray(value)) return value.flatMap((one, i) => problems(one, schema.items ?? {}, `${at}[${i}]`));
  if (typeof value !== "object" || value === null) return [];
  const { properties = {}, required = [] } = schema;
  const isOpen = schema.additionalProperties === true;
  return [
    ...required.filter((name) => !(name in value)).map((name) => `${at}.${name} is missing`),
    ...Object.entries(value).flatMap(([name, one]) =>
      name in properties
        ? problems(one, properties[name]!, `${at}.${name}`)
        : isOpen
        ? []
        : [`${at}.${name} is not described`]
    ),
  ];
}

/** Runs a command with `--json`, and fails unless the document is as described, and the only output. */
async function document(kind: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await cliHere(...args, "--json");
  assert.equal(stderr, "", args.join(" "));
  const found = JSON.parse(stdout);
  assert.deepEqual(problems(found, ROOT.$defs![kind]!), [], `${args.join(" ")}\n${stdout.slice(0, 2000)}`);
  assert.equal(found.exit, code);
  return found;
}

describe("--json", () => {
  for (const { name, damage } of DAMAGES) {
    it(`gives documents of the schema: ${name}`, async () => {
      await inTemporaryFolder(async (folder) => {
        const [path, peer] = [join(folder, "raft.wal"), join(folder, "peer")];
        makeDamageLog(path);
        makePeer(peer);
        damage(path);
        const info = await document("info", "info", path);
        const verify = await document("verify", "verify", path);
        assert.deepEqual(verify.next, info.next);
        await document("salvage", "salvage", path, join(folder, "salvaged"));
        await document("repair", "repair", path, "--from", peer, "--dry-run");
        const isLocked = name === "bytes in LOCK" && verify.verdict === "corrupt";
        if (!isLocked) await document("repair", "repair", path, "--from", peer, "--cut");
      });
    });
  }

  it("gives a document of each command", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeDamageLog(path);
      const store = pathToFileURL(join(folder, "store")).href;
      const runs: Record<string, { readonly args: readonly string[]; readonly fields: Record<string, unknown> }> = {
        info: { args: [path], fields: { lastIndex: 140 } },
        verify: { args: [path], fields: { verdict: "clean" } },
        report: { args: [path, "-o", join(folder, "report.html")], fields: { path: join(folder, "report.html") } },
        repair: { args: [path, "--cut"], fields: { verdict: "clean" } },
        salvage: { args: [path, join(folder, "salvaged")], fields: { readable: 0 } },
        backup: { args: [path, join(folder, "copy")], fields: { lastIndex: 140 } },
        "recover-cluster": {
          args: [path, join(folder, "recovered"), "--members", "2,1"],
          fields: { path: join(folder, "recovered"), index: 141, term: 5, members: ["2", "1"] },
        },
        "archive run": { args: [path, store], fields: { generation: 1, archivedIndex: 140 } },
        "archive list": { args: [store], fields: {} },
        "archive verify": { args: [store], fields: { verdict: "clean", lastIndex: 140, damage: [] } },
        "archive prune": {
          args: [store, "--keep", "1"],
          fields: { dryRun: false, oldestGeneration: 0, oldestIndex: 0, objects: 0 },
        },
        restore: { args: [store, join(folder, "restored")], fields: { lastIndex: 140, snapshotIndex: 10 } },
        export: { args: [path, join(folder, "x.wal")], fields: { entries: 130 } },
        import: { args: [join(folder, "x.wal"), join(folder, "y")], fields: { verdict: "clean", lastIndex: 140 } },
        completions: { args: ["fish"], fields: { shell: "fish" } },
        bench: { args: ["--size", "1M", "--runs", "1", "--folder", folder], fields: { entryBytes: 256 } },
      };
      // The lines of a dump have a test of their own.
      const names = COMMANDS.filter(({ streams }) => streams !== true).map(({ name }) => name);
      assert.deepEqual(Object.keys(runs).sort(), names.sort());
      for (const [name, { args, fields }] of Object.entries(runs)) {
        const found = await document(name, name, ...args);
        for (const [field, value] of Object.entries(fields)) assert.deepEqual(found[field], value, `${name} ${field}`);
      }
      const dump = join(folder, "entries.jsonl");
      writeFileSync(dump, (await cliHere("dump", path, "--json")).stdout);
      const args = ["import", "-f", "json", dump, join(folder, "z"), "--snapshot-from", path];
      const imported = await document("import", ...args);
      assert.deepEqual([imported.lastIndex, imported.lastTerm, imported.snapshotIndex], [140, 4, 10]);
      DAMAGES.find(({ name }) => name === "a bit in the header of an entry")!.damage(path);
      const { leftOut } = await document("export", "export", path, join(folder, "z.wal"), "--salvage");
      assert.equal((leftOut as unknown[]).length, 2);
    });
  });

  it("gives the lines of a dump as described", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeDamageLog(path);
      DAMAGES.find(({ name }) => name === "a bit in the header of an entry")!.damage(path);
      const lines = async (...args: string[]) =>
        (await cliHere("dump", path, "--json", ...args)).stdout.trim().split("\n").map((line) => JSON.parse(line));
      for (const line of await lines()) {
        const kind = "damaged" in line ? "hole" : "entry";
        assert.deepEqual(problems(line, ROOT.$defs![kind]!), [], JSON.stringify(line));
      }
      for (const line of [...await lines("--utf8"), ...await lines("--json-commands")]) {
        const kind = "damaged" in line ? "hole" : "entry";
        assert.deepEqual(problems(line, ROOT.$defs![kind]!), [], JSON.stringify(line));
      }
      for (const line of await lines("--frames")) {
        const { lsn, segment, offset, bytes, kind, changes, provenLsn, flags, payload } = line;
        const common = {
          lsn,
          segment,
          offset,
          bytes,
          kind,
          ...kind !== "gap" && { changes, provenLsn, flags, payload },
        };
        assert.deepEqual(problems(common, ROOT.$defs!.frame!), [], JSON.stringify(line));
      }
    });
  });

  it("gives errors as documents, with the code, the exit and the damage", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const missing = await document("error", "verify", join(folder, "nowhere"));
      assert.deepEqual([missing.exit, missing.command], [3, "verify"]);
      const usage = await document("error", "verify");
      assert.deepEqual([usage.exit, (usage.error as { code: string }).code], [64, "USAGE"]);
      makeDamageLog(path);
      DAMAGES.find(({ name }) => name === "a bit in the header of an entry")!.damage(path);
      const { error } = await document("error", "backup", path, join(folder, "copy")) as {
        error: { code: string; damage: unknown[] };
      };
      assert.deepEqual([error.code, error.damage.length], ["CORRUPT", 1]);
      // A command that streams gives an object a line, the last of which may be an error.
      const dumped = await cliHere("dump", join(folder, "nowhere"), "--json");
      assert.deepEqual(problems(JSON.parse(dumped.stdout.trim()), ROOT.$defs!.error!), []);
      assert.equal(dumped.stdout.split("\n").length, 2);
    });
  });

  it("keeps in an error what was known before it", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeForgetful(path);
      const found = await document("error", "repair", path, "--hard-state", "2,8");
      assert.deepEqual([found.exit, (found.error as { code: string }).code], [64, "USAGE"]);
      const lines = found.lines as string[];
      assert.ok(lines.some((line) => line.includes("the node can vote twice in a term")), lines.join("\n"));
    });
  });

  it("names no command if none was given", async () => {
    for (const args of [[], ["--frobnicate"]]) assert.equal((await document("error", ...args)).command, null);
    assert.equal((await document("error", "frobnicate")).command, "frobnicate");
  });

  it("gives a bug in the program as a document, and its stack on standard error", async () => {
    const { open } = WalLog;
    WalLog.open = () => {
      throw new TypeError("a bug");
    };
    try {
      for (const name of ["backup", "dump"]) {
        const operands = name === "dump" ? ["a"] : ["a", "b"];
        const { code, stdout, stderr } = await cliHere(name, ...operands, "--json");
        const found = JSON.parse(stdout);
        assert.deepEqual(problems(found, ROOT.$defs!.error!), []);
        assert.deepEqual([code, found.exit, found.error.code], [70, 70, "INTERNAL"]);
        assert.match(found.error.message, /^internal error: a bug$/);
        assert.match(stderr, /^wal-log: internal error: TypeError: a bug\n/);
      }
    } finally {
      WalLog.open = open;
    }
  });

  it("gives an interruption as a document", { skip: noSignals }, async () => {
    await inTemporaryFolder(async (folder) => {
      const child = startCli(["bench", "--size", "1G", "--folder", folder, "--json"]);
      const ended = endOf(child);
      while (readdirSync(folder).length === 0 && child.exitCode === null) await setTimeout(1);
      // Deno takes a process for killed that was sent a signal through its handle, however it ended.
      process.kill(child.pid!, "SIGINT");
      const { code, stdout, stderr } = await ended;
      assert.deepEqual([code, stderr], [130, ""]);
      const found = JSON.parse(stdout);
      assert.deepEqual(problems(found, ROOT.$defs!.error!), []);
      assert.deepEqual([found.command, found.exit, found.error.code], ["bench", 130, "INTERRUPTED"]);
      assert.deepEqual(readdirSync(folder), []);
    });
  });

  it("is described in full", () => {
    const described = problems({ schema: "wal-log/1", command: "verify", more: 1 }, ROOT.$defs!.verify!);
    assert.ok(
      described.includes(".more is not described") && described.includes(".damage is missing"),
      String(described),
    );
  });
});
