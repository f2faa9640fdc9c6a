/** Restores a log, and is killed at one of the first reads of an object. Arguments: store, folder, number of the read. */

import process from "node:process";
import { FolderStore, type GetResult, type ObjectRange, type RequestOptions, restore } from "../src/archive/mod.ts";

const [place, folder, at] = process.argv.slice(2) as [string, string, string];

class DeadlyStore extends FolderStore {
  reads = 0;

  override get(key: string, range?: ObjectRange, options?: RequestOptions): Promise<GetResult> {
    if (++this.reads === Number(at)) process.kill(process.pid, "SIGKILL");
    return super.get(key, range, options);
  }
}

await restore(new DeadlyStore(place), folder, { concurrency: 2 });
