/** What the command line says to do next: followed for each kind of damage, it leads to a sound log. */

import assert from "node:assert/strict";
import { cpSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Damage, WalLog } from "../mod.ts";
import { adviseOn, type Finding } from "../src/cli/advice.ts";
import { cliHere, makeForgetful } from "./cli.ts";
import { DAMAGES, makeDamageLog, makePeer } from "./cli_damages.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** What a person does who is told to do something that is no command; `undefined` if nothing has to be done. */
function stepOf(text: string, path: string, folder: string, name: string): (() => void) | undefined {
  const pristine = join(folder, "pristine");
  const restore = () => {
    rmSync(path, { recursive: true });
    if (name === "the latest vote") {
      makeDamageLog(path);
      return;
    }
    cpSync(pristine, path, { recursive: true });
  };
  const moved = /^move (\S+) out of /.exec(text)?.[1];
  if (moved !== undefined) return () => renameSync(join(path, moved), join(folder, moved));
  if (text.startsWith("delete LOCK")) return () => rmSync(join(path, "LOCK"));
  if (text.startsWith("restore IDENTITY")) return () => cpSync(join(pristine, "IDENTITY"), join(path, "IDENTITY"));
  if (/^(restore|put)/.test(text)) return restore;
  if (text.includes("opening the log for writing")) return () => WalLog.openSync(path).closeSync();
  assert.equal(text, "nothing to do", name);
  return undefined;
}

/** Runs a test on a log with one kind of damage. */
function withDamage(damage: (path: string) => void, test: (path: string, folder: string) => Promise<void>) {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeDamageLog(path);
      cpSync(path, join(folder, "pristine"), { recursive: true });
      makePeer(join(folder, "peer"));
      damage(path);
      await test(path, folder);
    });
}

/** The text of a page. */
function textOf(page: string): string {
  return page.replace(/<[^>]*>/g, "").replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code));
}

describe("the next step", () => {
  for (const { name, damage } of DAMAGES) {
    it(
      `leads to a sound log: ${name}`,
      withDamage(damage, async (path, folder) => {
        const { stdout } = await cliHere("verify", path, "--json");
        const { next } = JSON.parse(stdout);
        const text = `Next: ${next.text}\n`;
        for (const command of ["verify", "info", "report"]) {
          const said = (await cliHere(command, path)).stdout;
          const shown = command === "report" ? textOf(said) : said;
          assert.ok(shown.includes(text.trimEnd()), `${command}: ${said}`);
          if (command !== "report") assert.ok(said.endsWith(text), `${command}: ${said}`);
        }
        const at: Record<string, string> = { PEER: join(folder, "peer"), NEWDIR: join(folder, "new") };
        for (const command of next.commands as string[][]) {
          const { code, stdout, stderr } = await cliHere(...command.map((word) => at[word] ?? word));
          // What was salvaged lacks what was lost.
          assert.equal(code, command[0] === "salvage" ? 2 : 0, stdout + stderr);
          assert.match(stdout, /\nNext: [^\n]+\n$/);
        }
        if (next.commands.length === 0) stepOf(next.text, path, folder, name)?.();
        const mended = next.commands[0]?.[0] === "salvage" ? at.NEWDIR! : path;
        const verified = await cliHere("verify", mended);
        assert.equal(verified.code, 0, verified.stdout);
        WalLog.openSync(mended).closeSync();
      }),
    );
  }

  it("is said by a repair that refuses, behind its list of damage", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeForgetful(path);
      const { code, stdout } = await cliHere("repair", path, "--cut");
      assert.equal(code, 2);
      assert.match(
        stdout,
        /^damaged frames: .*\ncannot repair the latest hard state: .*\nNext: restore the damaged files; .*\n$/,
      );
    });
  });

  it("after a cut is to rejoin the cluster, though the log is sound", async () => {
    await withDamage(DAMAGES[3]!.damage, async (path) => {
      const { stdout } = await cliHere("repair", path, "--cut");
      assert.match(stdout, /\nNext: let its node rejoin the cluster as a new member: [^\n]+\n$/);
    })();
  });
});

describe("adviseOn", () => {
  const SOUND: Finding = {
    folder: "/data/it's here",
    verdict: "clean",
    damage: [],
    segments: 1,
    lastIndex: 5,
    hardStateLost: false,
    strangers: [],
    identity: undefined,
    isLockDamaged: false,
    interrupted: undefined,
    isShortened: false,
  };

  it("sends a node with a cut log to rejoin, and moves none of its files away", () => {
    const finding: Finding = { ...SOUND, verdict: "corrupt", strangers: ["000000000006.seg"] };
    assert.match(adviseOn(finding).text, /^move 000000000006\.seg out of /);
    assert.match(
      adviseOn({ ...finding, isShortened: true }).text,
      /^let its node rejoin the cluster as a new member, with an empty folder, because the log is still damaged: /,
    );
    assert.match(
      adviseOn({ ...SOUND, isShortened: true }).text,
      /^let its node rejoin the cluster as a new member: /,
    );
  });

  it("quotes what a shell would take apart", () => {
    const place = { kind: "entries", path: "x.seg", offset: 0, bytes: 8, firstIndex: 1, lastIndex: 1 } as const;
    const finding: Finding = { ...SOUND, verdict: "corrupt", damage: [{ ...place, term: 1, reason: "" }] };
    assert.match(adviseOn(finding).text, /^wal-log repair '\/data\/it'\\''s here' --from PEER /);
  });

  it("advises on damage before a file that holds no part of the log", () => {
    const finding: Finding = { ...SOUND, identity: "missing", isLockDamaged: true };
    assert.match(adviseOn(finding).text, /^delete LOCK /);
    assert.match(adviseOn({ ...finding, isLockDamaged: false }).text, /^restore IDENTITY, which is missing; /);
    assert.match(adviseOn({ ...finding, segments: 0, verdict: "corrupt" }).text, /^put the missing files back; /);
    assert.match(
      adviseOn({ ...finding, segments: 0, verdict: "corrupt" }).text,
      /; also delete LOCK, which must be empty, and restore IDENTITY, which is missing$/,
    );
    assert.doesNotMatch(adviseOn({ ...SOUND, segments: 0, verdict: "corrupt" }).text, /also/);
  });

  it("asks another replica for entries, for the snapshot or for both", () => {
    const place = { path: "x.seg", offset: 0, bytes: 8, term: 1, reason: "" };
    const hole: Damage = { ...place, kind: "frames", firstIndex: 2, lastIndex: 3 };
    const snapshot: Damage = { ...place, kind: "snapshot", firstIndex: 1, lastIndex: 1 };
    const end: Damage = { ...place, kind: "segment", firstIndex: 4, lastIndex: undefined };
    const options = (...damage: Damage[]) => {
      const [command] = adviseOn({ ...SOUND, verdict: "corrupt", damage }).commands;
      return command!.slice(2).join(" ");
    };
    assert.equal(options(hole), "--from PEER");
    assert.equal(options(snapshot), "--snapshot-from PEER");
    assert.equal(options(snapshot, hole), "--from PEER --snapshot-from PEER");
    assert.equal(options(end), "--cut");
    assert.equal(options(hole, end), "--from PEER --cut");
    assert.equal(options(snapshot, end), "--from PEER --snapshot-from PEER --cut");
    assert.equal(options(hole).includes("cut"), false);
  });
});
