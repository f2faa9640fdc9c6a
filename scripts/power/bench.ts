/**
 * Disks whose power is cut again and again, with a saved machine that resumes for each cut.
 *
 * @module
 */

import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { decode, type Files, writeFiles } from "./decoder.ts";
import { type CutReport, VolatileDisk } from "./disk.ts";
import { type Image, type Kernel, makeImage, type SourceEdit, succeed } from "./image.ts";
import { Judge } from "./judge.ts";
import { Machine } from "./machine.ts";
import { type Faults, NbdServer } from "./nbd_server.ts";
import type { Orders, Report } from "./orders.ts";
import { Random } from "./random.ts";

/** The size of a disk, in bytes. XFS needs 300 MiB. */
const DISK_BYTES = 320 * 2 ** 20;
/** The steps of a history that is not cut before its end. */
const STEPS = 100;
/** Small segments, so that a history rotates often. In bytes. */
const SEGMENT_BYTES = [4096, 8192, 32768];
/** Cuts at early requests hit the mount and the opening. */
const EARLY_REQUESTS = 45;
const LATE_REQUESTS = 220;
/** An archiver next to the writer makes most of the requests. */
const LATE_REQUESTS_SHIPPING = 800;
/**
 * The probability that a guest ships its log to an archive. Otherwise, the archive lags until another guest continues.
 */
const SHIPPING_PROBABILITY = 0.5;
/** The longest that a guest may be silent, in milliseconds: then it hangs. */
const SILENCE_MS_MAX = 1_800_000;
/** The options with which a file system is made: at once and completely. */
const MAKE_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  ext4: ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
  xfs: ["-q", "-f"],
  btrfs: ["-q", "-f"],
};
/** The file systems. */
export const FILE_SYSTEMS: readonly string[] = Object.keys(MAKE_OPTIONS);

/** The deliberate faults of disk and guest. */
export type Fault = "drop-flushes" | "early-ack" | "early-archive";

/** The options of a bench. */
export interface BenchOptions {
  readonly kernel: Kernel;
  /** The path of Node for Linux. */
  readonly node: string;
  readonly fault?: Fault;
  /** A change of the library. */
  readonly edit?: SourceEdit;
  /** Whether to stop before the next cut. */
  readonly isStopped: () => boolean;
}

/** One power cut. */
export interface Cut {
  /** The guest's last reported action. */
  readonly phase: string;
  /** Whether a request failed with EIO before. */
  readonly hadError: boolean;
  readonly report: CutReport;
}

/** The result of one disk. */
export interface DiskResult {
  readonly cuts: readonly Cut[];
  readonly counts: Judge["counts"];
  readonly archiveCounts: Judge["archiveCounts"];
  /** The violation found; `undefined` if there is none. */
  readonly problem: string | undefined;
  /** The files of the log, and the objects of its archive, as they were judged last. */
  readonly files: Files;
  readonly store: Files;
}

/** Cuts the power of disks. */
export class Bench {
  readonly #folder = mkdtempSync(join(tmpdir(), "wallog-power-"));
  readonly #options: BenchOptions;
  #image: Image | undefined;
  readonly #formatted = new Map<string, VolatileDisk>();
  #machines = 0;

  /** @param options The options. */
  constructor(options: BenchOptions) {
    this.#options = options;
  }

  get #saved(): string {
    return join(this.#folder, "saved");
  }

  /** Removes all files. */
  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  /** Boots a machine and saves it when its program waits for orders. */
  async boot(): Promise<void> {
    const { kernel, node, edit } = this.#options;
    this.#image = await makeImage(this.#folder, kernel, node, edit);
    await this.#run(new VolatileDisk(DISK_BYTES), {}, async (machine, reports) => {
      await Promise.race([reports.until(({ is }) => is === "ready"), endOf(machine)]);
      await machine.save(this.#saved);
    });
  }

  /**
   * Writes to a new disk, cuts its power again and again, and judges the files.
   *
   * @param fs The file system.
   * @param seed The seed of the histories, the moments of the cuts, and the lost writes.
   * @param cuts The number of cuts.
   * @returns The result.
   */
  async cutDisk(fs: string, seed: number, cuts: number): Promise<DiskResult> {
    const disk = (this.#formatted.get(fs) ?? this.#format(fs)).copy();
    const judge = new Judge(decode);
    const done: Cut[] = [];
    let [files, store]: [Files, Files] = [{}, {}];
    let judged = 0;
    for (let life = 0; life <= cuts && judge.problem === undefined && !this.#options.isStopped(); life++) {
      const key = `${seed}/${life}`;
      const random = new Random(`cut ${key}`);
      const isCheck = life === cuts;
      const ships = isCheck || random.chance(SHIPPING_PROBABILITY);
      const faults = isCheck ? {} : this.#faults(random, ships);
      const orders = this.#orders(fs, key, isCheck, ships, random);
      judge.begin(key);
      const hadError = await this.#live(disk, faults, orders, (report) => {
        if (report.is === "found") [files, store, judged] = [report.files, report.store, done.length];
        judge.take(report);
      }, judge);
      if (!isCheck) done.push({ phase: judge.phase, hadError, report: disk.cut(random) });
    }
    // The last cut before an interruption was not judged.
    const { counts, archiveCounts, problem } = judge;
    return { cuts: done.slice(0, judged), counts, archiveCounts, problem, files, store };
  }

  #faults(random: Random, ships: boolean): Faults {
    const late = ships ? LATE_REQUESTS_SHIPPING : LATE_REQUESTS;
    const cutAt = 1 + random.below(random.chance(0.3) ? EARLY_REQUESTS : late);
    const failAt = random.chance(0.1) ? 1 + random.below(cutAt) : undefined;
    return { cutAt, failAt, dropsFlushes: this.#options.fault === "drop-flushes" };
  }

  #orders(fs: string, key: string, isCheck: boolean, ships: boolean, random: Random): Orders {
    const segmentBytes = SEGMENT_BYTES[random.below(SEGMENT_BYTES.length)]!;
    const { fault } = this.#options;
    const faults = { acknowledgesEarly: fault === "early-ack", archivesEarly: fault === "early-archive" };
    return { fs, key, steps: isCheck ? 1 : STEPS, segmentBytes, ...faults, ships, isCheck };
  }

  /** Resumes a guest and lets it work until the power fails, or until it is done. */
  async #live(
    disk: VolatileDisk,
    faults: Faults,
    orders: Orders,
    take: (report: Report) => void,
    judge: Judge,
  ): Promise<boolean> {
    let hadError = false;
    const end = orders.isCheck ? "unmounted" : "closed";
    await this.#run(disk, faults, async (machine, reports, server) => {
      machine.send(orders);
      const isOver = (report: Report) => {
        take(report);
        return report.is === end || report.is === "failed" || judge.problem !== undefined;
      };
      await Promise.race([reports.until(isOver), server.power, endOf(machine)]);
      server.cut();
      await machine.kill();
      reports.end().forEach(take);
      hadError = server.counts.failures > 0;
      // A disk that fails may end a log: it stops at the first error. The contents are judged after the cut.
      if (judge.failure !== undefined && !hadError) judge.problem ??= `the guest failed: ${judge.failure}`;
    });
    return hadError;
  }

  async #run(
    disk: VolatileDisk,
    faults: Faults,
    work: (machine: Machine, reports: Reports, server: NbdServer) => Promise<void>,
  ): Promise<void> {
    const folder = join(this.#folder, String(++this.#machines));
    mkdirSync(folder);
    const server = new NbdServer(disk, faults);
    const reports = new Reports();
    const socket = join(folder, "nbd");
    await server.listen(socket);
    const saved = this.#machines > 1 ? this.#saved : undefined;
    const onReport = (report: Report) => reports.add(report);
    const memory = join(this.#folder, "memory");
    const machine = await Machine.start({ folder, image: this.#image!, disk: socket, memory, saved, onReport });
    try {
      await work(machine, reports, server);
    } catch (error) {
      console.log(`the end of the machine's console:\n${readFileSync(join(folder, "console"), "utf8").slice(-2000)}`);
      throw error;
    } finally {
      await machine.kill();
      await server.close();
      rmSync(folder, { recursive: true });
    }
  }

  /** Makes a file system, from which all disks are copied. */
  #format(fs: string): VolatileDisk {
    const path = join(this.#folder, `new-${fs}`);
    writeFileSync(path, "");
    truncateSync(path, DISK_BYTES);
    succeed(`mkfs.${fs}`, [...MAKE_OPTIONS[fs]!, path]);
    const disk = new VolatileDisk(DISK_BYTES);
    const descriptor = openSync(path, "r");
    disk.load(descriptor);
    closeSync(descriptor);
    rmSync(path);
    this.#formatted.set(fs, disk);
    return disk;
  }
}

/** Fails when a machine ends by itself. */
async function endOf(machine: Machine): Promise<never> {
  await machine.ended;
  throw new Error("QEMU ended by itself");
}

/** The reports of a guest, in their order. */
class Reports {
  readonly #waiting: Report[] = [];
  #wake: () => void = () => {};
  #isOver = false;

  add(report: Report): void {
    this.#waiting.push(report);
    this.#wake();
  }

  /** Takes reports until one fits, or until the end. */
  async until(fits: (report: Report) => boolean): Promise<void> {
    while (!this.#isOver) {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        if (fits(next)) return;
      }
      const silence = new AbortController();
      const woken = new Promise<boolean>((resolve) => this.#wake = () => resolve(true));
      const tooLong = setTimeout(SILENCE_MS_MAX, false, { signal: silence.signal }).catch(() => true);
      const isWoken = await Promise.race([woken, tooLong]);
      silence.abort();
      if (!isWoken) throw new Error(`the guest was silent for ${SILENCE_MS_MAX / 1000} s`);
    }
  }

  /** Ends all waits, and returns the reports that nobody has taken. */
  end(): Report[] {
    this.#isOver = true;
    this.#wake();
    return this.#waiting.splice(0);
  }
}

/**
 * Keeps the files of a log with a violation.
 *
 * @param files The files of the log.
 * @param store The objects of its archive.
 * @returns The folder, which has a folder for each.
 */
export function keepFiles(files: Files, store: Files): string {
  const folder = mkdtempSync(join(tmpdir(), "wallog-power-kept-"));
  writeFiles(join(folder, "log"), files);
  writeFiles(join(folder, "store"), store);
  return folder;
}
