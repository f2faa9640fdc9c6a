/**
 * What tests run in another process, and in another runtime:
 *
 *     child.ts hold <folder>     opens the log, says so, and holds it until its input ends
 *     child.ts hold-for <folder> <ms>   opens the log, prints so, and closes it after that time
 *     child.ts try-as <folder> <uid>    becomes another user, then as `try`, but prints the message too
 *     child.ts try <folder>      opens and closes the log; says `opened`, or the code of the error
 *     child.ts write <folder>    writes the log that `writeEverything` writes, and closes it
 *     child.ts extend <folder>   opens a log and adds to it; leaves it unclosed
 *     child.ts read <folder>     says the state of the log
 *
 * @module
 */

import process from "node:process";
import { setTimeout } from "node:timers";
import { WalLog, WalLogError } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { stateJson } from "./state_json.ts";
import { writeEverything } from "./everything.ts";

const [command, folder, argument] = process.argv.slice(2) as [string, string, string | undefined];

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

switch (command) {
  case "hold": {
    const log = WalLog.openSync(folder);
    say("holding");
    process.stdin.on("end", () => log.closeSync());
    process.stdin.resume();
    break;
  }
  case "hold-for": {
    const log = WalLog.openSync(folder);
    say("holding");
    setTimeout(() => log.closeSync(), Number(argument));
    break;
  }
  case "try-as":
    process.setgroups!([]);
    process.setgid!(Number(argument));
    process.setuid!(Number(argument));
    try {
      WalLog.openSync(folder).closeSync();
      say("opened");
    } catch (error) {
      if (!(error instanceof WalLogError)) throw error;
      say(`${error.code} ${error.message}`);
    }
    break;
  case "try":
    try {
      WalLog.openSync(folder).closeSync();
      say("opened");
    } catch (error) {
      if (!(error instanceof WalLogError)) throw error;
      say(error.code);
    }
    break;
  case "write": {
    const log = WalLog.openSync(folder, { segmentBytes: 4096 });
    writeEverything(log);
    log.closeSync();
    break;
  }
  case "extend": {
    const log = WalLog.openSync(folder, { segmentBytes: 4096 });
    const { lastIndex, lastTerm } = log;
    log.append(entriesAt(lastIndex + 1, lastIndex + 20, lastTerm, 300));
    await log.sync();
    log.append(entriesAt(lastIndex + 21, lastIndex + 22, lastTerm, 30));
    process.exit(0);
    break;
  }
  case "read": {
    const log = WalLog.openSync(folder, { readOnly: true });
    say(stateJson(log));
    log.closeSync();
    break;
  }
  default:
    throw new Error(`no such command: ${command}`);
}
