/**
 * Random histories on a simulated disk that is damaged again and again, in up to three places at once, while the log goes
 * on. The log is opened with its damage, read, written, repaired or left damaged. The power fails, also while the log is
 * opened, and the disk fails or fills up.
 *
 * The log is compared with `MemoryLog`. All that can be read must be the result of one prefix of the history, no shorter
 * than the last flush. Everything else must be reported. A repaired log has no damage.
 */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { type HardState, type LogEntry, MemoryLog, type RaftLog, type Snapshot, WalLog, WalLogError } from "../mod.ts";
import { CHECKPOINT_BYTES } from "../src/format/checkpoint.ts";
import { NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import type { FileSystem } from "../src/io/file_system.ts";
import { type DiskFault, PowerLoss, Random, SimulatedDisk } from "../src/testing/mod.ts";
import {
  cloneOf,
  type Counts,
  digest,
  entriesBehind,
  type Failure,
  fingerprint,
  isExpected,
  isPoisoned,
  isPowerLoss,
  shrink,
  wordOf,
} from "./simulated_log.ts";
import { type Space, withinSpace } from "./simulated_machine.ts";

const FOLDER = resolve("/raft.wal");
/** Mostly small, so that histories rotate. */
const SEGMENT_BYTES = [4096, 4096, 4096, 8192, 61_440];
const STEPS_MAX = 60;
/** Openings in a row that may be disturbed, and those after which it must have succeeded. */
const DISTURBED_MAX = 5;
/** Openings in a row on a full disk before there is space again. */
const FULL_MAX = 3;
const OPENINGS_MAX = 40;

type Mutation = (log: RaftLog) => void;

class DamageSimulation {
  readonly #seed: number;
  readonly #counts: Counts;
  readonly #chosen: readonly number[] | undefined;
  readonly #segmentBytes: number;
  readonly #disk: SimulatedDisk;
  /** The disk as the log sees it: it can be full. */
  readonly #machine: FileSystem;
  readonly #space: Space = { left: Infinity };
  readonly #steps: number[] = [];
  readonly #notes: string[] = [];
  readonly #id = { next: 0 };
  /** All entries that the log has held at any time. */
  readonly #ever = new Set<string>();
  #random: Random;
  #log!: WalLog;
  /** The log after each mutation, the first of them empty; mutations that failed may be among the last. */
  #states: MemoryLog[] = [new MemoryLog()];
  /** The first of them that a crash may go back to. */
  #floor = 0;
  /** Whether the disk has rotted, and the log was not healed since. */
  #isRotten = false;
  /** Whether the disk has ever rotted: a log that was healed can still hold damage that it does not need. */
  #hasRotted = false;
  /** Whether damage has taken along what would show what else it took: see `docs/RELIABILITY.md`. */
  #isOpenEnded = false;

  constructor(seed: number, counts: Counts, steps: readonly number[] | undefined) {
    this.#seed = seed;
    this.#counts = counts;
    this.#chosen = steps;
    this.#random = new Random(seed);
    this.#segmentBytes = this.#random.pick(SEGMENT_BYTES);
    this.#disk = new SimulatedDisk({ seed: seed ^ 0x1234567, shortWrites: this.#random.chance(0.1) ? 0.3 : 0 });
    this.#machine = withinSpace(this.#disk.fileSystem, this.#space);
  }

  /** Runs it to its end, or to where it fails. */
  run(): Failure | undefined {
    try {
      this.#reopen();
      const length = 5 + this.#random.below(STEPS_MAX);
      for (let step = 0; step < length; step++) {
        if (this.#chosen?.includes(step) === false) continue;
        this.#steps.push(step);
        this.#turnTo(step);
        this.#step();
      }
      this.#turnTo(length);
      this.#disk.heal();
      this.#crash();
      return undefined;
    } catch (error) {
      return { error: error as Error, steps: this.#steps, notes: this.#notes };
    }
  }

  /** Each step has dice of its own, so that steps can be left out and the others stay what they are. */
  #turnTo(step: number): void {
    this.#random = new Random(new Random(this.#seed ^ Math.imul(step + 1, 0x85ebca6b)).next());
  }

  #note(step: string): void {
    this.#notes.push(step);
    const [name] = step.split(" ");
    this.#counts[name!] = (this.#counts[name!] ?? 0) + 1;
  }

  /** The log by its own account. */
  get #model(): MemoryLog {
    return this.#states.at(-1)!;
  }

  #step(): void {
    const dice = this.#random.below(100);
    if (dice < 42) this.#append();
    else if (dice < 51) this.#truncate();
    else if (dice < 56) this.#setHardState();
    else if (dice < 63) this.#snapshot();
    else if (dice < 71) this.#sync();
    else if (dice < 74) this.#idle();
    else if (dice < 78) {
      if (this.#close()) this.#reopen();
    } else if (dice < 81) this.#kill();
    else if (dice < 84) this.#crash();
    else if (dice < 89) this.#plan();
    else if (dice < 91) this.#fill();
    else this.#rot();
  }

  /** The disk fills up, or there is space again. */
  #fill(): void {
    this.#space.left = this.#space.left < Infinity ? Infinity : this.#random.below(this.#random.pick([1, 500, 20_000]));
    this.#note(`space ${this.#space.left}`);
  }

  /** Something will go wrong with one of the next operations. */
  #plan(): void {
    const fault = this.#random.pick<DiskFault>(["crash", "crash", "crash", "EIO", "ENOSPC"]);
    const after = this.#random.below(12);
    this.#note(`plan-${fault} ${after}`);
    this.#disk.failAfter(fault, after);
  }

  #append(): void {
    const entries = entriesBehind(this.#random, this.#model, this.#id);
    // A batch that is cut short by a crash leaves the entries before the cut: each is a mutation of its own.
    this.#mutate(
      `append ${entries[0]!.index} to ${entries.at(-1)!.index} of term ${entries[0]!.term}`,
      () => this.#log.append(entries),
      entries.map((entry) => (log) => log.append([entry])),
    );
  }

  #truncate(): void {
    const { snapshotIndex, lastIndex } = this.#model;
    if (lastIndex === snapshotIndex) return;
    const from = snapshotIndex + 1 + this.#random.below(lastIndex - snapshotIndex);
    this.#mutate(`truncate ${from}`, () => this.#log.truncate(from), [(log) => log.truncate(from)]);
  }

  #setHardState(): boolean {
    const random = this.#random;
    const term = this.#model.hardState.term + random.below(2);
    const votedFor = random.chance(0.3) ? null : BigInt(random.below(5));
    const state = { term, votedFor };
    return this.#mutate(
      `hard-state ${wordOfState(state)}`,
      () => this.#log.setHardState(state),
      [(log) => log.setHardState(state)],
    );
  }

  #snapshot(): void {
    const random = this.#random;
    const { snapshotIndex, lastIndex, lastTerm } = this.#model;
    const index = snapshotIndex + random.below(lastIndex - snapshotIndex + 3);
    if (index === 0) return;
    const term = random.chance(0.7) ? this.#model.termAt(index) ?? lastTerm : lastTerm + 1;
    const isStale = index <= snapshotIndex;
    if (this.#applySnapshot("snapshot", index, term, false) && !isStale) this.#floor = this.#states.length - 1;
  }

  #applySnapshot(name: string, index: number, term: number, force: boolean): boolean {
    const data = new Uint8Array(this.#random.below(1500));
    this.#random.fill(data);
    const snapshot: Snapshot = { index, term, config: [1n, 2n], meta: data.slice(0, index % 30), data };
    return this.#mutate(
      `${name} ${index} of term ${term}`,
      () => this.#log.applySnapshot(snapshot, { force }),
      [(log) => log.applySnapshot(snapshot)],
    );
  }

  #sync(): boolean {
    this.#note("sync");
    const target = this.#states.length - 1;
    try {
      this.#log.syncSync();
      this.#floor = target;
      return true;
    } catch (failure) {
      this.#failed(failure);
      return false;
    }
  }

  #idle(): void {
    this.#note("idle");
    this.#disk.idle();
    if (!this.#disk.hasPower) this.#failed(new PowerLoss("idle"));
  }

  #close(): boolean {
    this.#note("close");
    try {
      this.#log.closeSync();
      this.#floor = this.#states.length - 1;
      return true;
    } catch (failure) {
      if (isPowerLoss(failure)) this.#disk.crash();
      else if (isPoisoned(failure)) this.#disk.restart();
      else throw failure;
      this.#reopen();
      return false;
    }
  }

  #crash(): void {
    this.#note("crash");
    this.#disk.crash();
    this.#reopen();
  }

  /** The process is killed: nothing that was appended is lost. */
  #kill(): void {
    this.#note("kill");
    this.#disk.restart();
    this.#reopen(this.#states.length - 1);
  }

  /**
   * Does something to the log and to the model. What is refused leaves the log as it was; what fails may come back, or
   * part of it.
   *
   * @param step What it is.
   * @param whole What the log is to do.
   * @param parts What that comes to, one after another.
   * @returns Whether it was done; if not, the log may be another one now.
   */
  #mutate(step: string, whole: () => void, parts: readonly Mutation[]): boolean {
    this.#note(step);
    const { segmentsSealed } = this.#log.stats();
    const before = readable(this.#log);
    const wasPending = this.#disk.isFaultPending;
    let failure: unknown;
    try {
      whole();
    } catch (error) {
      failure = error;
    }
    // A rotation flushes what was there before.
    if (this.#log.stats().segmentsSealed > segmentsSealed) this.#floor = this.#states.length - 1;
    if (failure instanceof WalLogError && ["NO_SPACE", "DAMAGED_ENTRY", "CORRUPT"].includes(failure.code)) {
      this.#note(`refused-${failure.code}`);
      if (failure.code !== "NO_SPACE") assert(this.#isRotten, failure);
      assert.equal(readable(this.#log), before, `${step} was refused and changed the log: ${failure.message}`);
      // There is room again: the same is done when it is asked for once more.
      if (wasPending && !this.#disk.isFaultPending) return this.#mutate(step, whole, parts);
      return false;
    }
    for (const part of parts) {
      const state = cloneOf(this.#model);
      part(state);
      this.#states.push(state);
      for (const entry of state.entries(state.snapshotIndex + 1, state.lastIndex)) this.#ever.add(wordOf(entry));
    }
    if (failure !== undefined) this.#failed(failure);
    else if (this.#log.damaged.length > 0) this.#note("wrote-damaged");
    return failure === undefined;
  }

  /** The writer has ended: by a power cut, or by its own account. Either way a new one must find its way. */
  #failed(failure: unknown): void {
    if (isPowerLoss(failure)) {
      this.#note("crashed");
      this.#disk.crash();
    } else {
      assert(isPoisoned(failure), failure as Error);
      this.#note("poisoned");
      if (this.#random.chance(0.5)) {
        assert.throws(() => this.#log.closeSync(), isPoisoned);
        this.#disk.restart();
        if (this.#random.chance(0.5)) this.#disk.evict();
      } else this.#disk.crash();
    }
    this.#reopen();
  }

  /** One to three places rot, of what nothing but damage can take. */
  #rot(): void {
    const random = this.#random;
    this.#disk.heal();
    this.#space.left = Infinity;
    const how = random.pick(["closed", "killed", "crashed"]);
    const newest = this.#disk.files().filter((name) => name.endsWith(".seg")).at(-1)!;
    if (how === "closed") {
      if (!this.#close()) return;
    } else if (how === "killed") {
      // Everything is flushed, and the checkpoint vouches for it.
      if (!this.#setHardState() || !this.#sync()) return;
      this.#disk.idle();
      this.#flushAll();
      this.#note("kill");
      this.#disk.restart();
      this.#floor = this.#states.length - 1;
    } else {
      if (!this.#sync()) return;
      if (random.chance(0.5)) this.#append();
      if (random.chance(0.3)) this.#truncate();
      this.#note("crash");
      this.#disk.crash();
    }
    const places = 1 + (random.chance(0.35) ? random.below(3) : 0);
    let isNewestHit = false;
    let faults = 0;
    for (let place = 0; place < places; place++) {
      // What a crash leaves at the log's end may be torn. And a second place there can take along what shows the first.
      const paths = this.#disk.files().filter((name) =>
        /(\.seg|\.snap|IDENTITY)$/.test(name) &&
        (!name.endsWith(".seg") || name < newest || (how !== "crashed" && !isNewestHit))
      );
      if (paths.length === 0) break;
      const path = random.pick(paths);
      const isNewest = path.endsWith(".seg") && path >= newest;
      isNewestHit ||= isNewest;
      if (this.#rotOne(path, isNewest, places > 1, how === "closed")) faults++;
    }
    if (faults > 0) this.#isRotten = this.#hasRotted = true;
    this.#note(`faults-${faults}`);
    this.#reopen();
  }

  /** Something happens to a file; `false` if nothing did. */
  #rotOne(path: string, isNewest: boolean, isOneOfSeveral: boolean, isClosed: boolean): boolean {
    const random = this.#random;
    const used = this.#disk.content(path).findLastIndex((byte) => byte !== 0) + 1;
    if (used === 0) return false;
    const isSegment = path.endsWith(".seg");
    const hasFrames = isSegment && used > SEGMENT_HEADER_BYTES && random.chance(0.7);
    const offset = hasFrames
      ? SEGMENT_HEADER_BYTES + random.below(used - SEGMENT_HEADER_BYTES)
      : random.below(isSegment ? Math.min(used, SEGMENT_HEADER_BYTES) : used);
    const kind = random.below(10);
    // Zeros over the end of a log that was not closed take along the checkpoint that proves it. So does the newest segment
    // that is lost with something else.
    const from = offset - offset % 512;
    const isHeader = isSegment && from < SEGMENT_HEADER_BYTES;
    const end = isClosed ? used : used - CHECKPOINT_BYTES;
    const length = Math.min(512 * (isHeader ? 1 : 1 + random.below(6)), end - from);
    if (kind < 2 && random.chance(0.6)) {
      if (isNewest && isOneOfSeveral) return false;
      this.#note(`lose ${path}`);
      this.#disk.lose(path);
    } else if (kind < 5 && length > 0 && (!isNewest || isClosed)) {
      // A zeroed next-segment pointer looks like one that was never written. Beside damage to the old tail, nothing shows
      // that the copies in the next segment are part of the log.
      if (isHeader && NEXT_POINTER_OFFSETS.some((offset) => offset === from) && isOneOfSeveral) return false;
      this.#note(`zero ${path} at ${from}, ${length} of ${used}`);
      this.#disk.zero(path, from, length);
    } else {
      this.#note(`flip ${path} at ${offset} of ${used}`);
      this.#disk.flip(path, offset, 1 << random.below(8));
    }
    return true;
  }

  #flushAll(): void {
    for (const path of this.#disk.files()) {
      const file = this.#disk.fileSystem.open(path, "write");
      file.sync();
      file.close();
    }
  }

  #open(options: { onDamage?: "keep" | "fail"; verify?: "full" | "tail"; readOnly?: boolean }): WalLog {
    return WalLog.openSync(FOLDER, { fileSystem: this.#machine, segmentBytes: this.#segmentBytes, ...options });
  }

  /**
   * Opens, disturbed on the way, and judges what is there.
   *
   * @param floor The first state that it may be.
   * @param mustBeWhole Whether damage is a failure, for the log was healed.
   */
  #reopen(floor = this.#floor, mustBeWhole = false): void {
    this.#log = this.#openDisturbed(() => floor = this.#floor);
    this.#floor = floor;
    const { damage, harmless, verdict } = this.#log.recovery;
    this.#note(`opened-${verdict} ${damage.map(lineOf).join("; ")}`);
    assert(!mustBeWhole || damage.length === 0, `healed, and damaged again: ${JSON.stringify(damage)}`);
    assert(this.#isRotten || damage.length === 0, `damage, and none was done: ${JSON.stringify(damage)}`);
    assert(this.#hasRotted || harmless.length === 0, `harmless damage, and none was done: ${JSON.stringify(harmless)}`);
    this.#compareWithFooters();
    if (damage.length === 0) this.#judgeWhole();
    else this.#judgeDamaged();
  }

  #openDisturbed(onCrash: () => void): WalLog {
    const random = this.#random;
    for (let opening = 0;; opening++) {
      assert(opening < OPENINGS_MAX, "the log does not open");
      if (opening >= FULL_MAX) this.#space.left = Infinity;
      this.#disk.heal();
      const isDisturbed = opening < DISTURBED_MAX && random.chance(0.35);
      if (isDisturbed) {
        const fault = random.pick<DiskFault>(["crash", "crash", "EIO", "ENOSPC"]);
        this.#disk.failAfter(fault, random.below(16));
      } else if (random.chance(0.2)) this.#openBriefly();
      try {
        const log = this.#open({ onDamage: random.chance(0.7) || opening > DISTURBED_MAX ? "keep" : "fail" });
        this.#disk.heal();
        return log;
      } catch (error) {
        if (error instanceof WalLogError && error.code === "CORRUPT") {
          assert(this.#isRotten, error);
          assert(error.damage.length > 0, "CORRUPT that names nothing");
          this.#note("refused");
          continue;
        }
        if (!isExpected(error)) throw error;
        this.#note("crash-in-recovery");
        if (this.#space.left < Infinity && !isPowerLoss(error)) this.#readFull();
        if (isPowerLoss(error) || random.chance(0.5)) {
          this.#disk.crash();
          onCrash();
        } else this.#disk.restart();
      }
    }
  }

  /** A damaged log on a full disk opens for reading. */
  #readFull(): void {
    this.#note("read-full");
    this.#disk.heal();
    const reader = this.#open({ readOnly: true, onDamage: "keep" });
    assert(this.#isRotten || reader.damaged.length === 0, `damage, and none was done: ${reader.damaged.map(lineOf)}`);
    readable(reader);
    reader.closeSync();
  }

  /** A writer that looks at segment indexes alone comes and goes. */
  #openBriefly(): void {
    const random = this.#random;
    this.#note("opened-briefly");
    try {
      const log = this.#open({ verify: "tail", onDamage: random.pick(["keep", "fail"]) });
      if (random.chance(0.6)) log.closeSync();
      else this.#disk.restart();
    } catch (error) {
      if (this.#space.left < Infinity && isExpected(error)) return this.#disk.restart();
      assert(this.#isRotten && error instanceof WalLogError && error.code === "CORRUPT", error as Error);
    }
  }

  /** What a reader beside it reads, who looks at segment indexes alone. */
  #compareWithFooters(): void {
    const log = this.#log;
    const reader = this.#open({ readOnly: true, verify: "tail", onDamage: "keep" });
    const last = Math.max(log.lastIndex, reader.lastIndex);
    for (let index = Math.min(log.snapshotIndex, reader.snapshotIndex) + 1; index <= last; index++) {
      const [full, tail] = [wordAt(log, index), wordAt(reader, index)];
      // A segment index can tell better than what is left of a gap which entries were in it.
      if (full !== "damaged" && tail !== "damaged") assert.equal(tail, full, `entry ${index}, from a segment index`);
    }
    assert.equal(wordOfState(reader.hardState), wordOfState(log.hardState), "the hard state beside segment indexes");
    if (log.damaged.length === 0) {
      assert.equal(reader.lastIndex, log.lastIndex, "the last index beside segment indexes");
    }
    reader.closeSync();
  }

  /** A log without damage is what some prefix of the history comes to. */
  #judgeWhole(): void {
    const found = fingerprint(this.#log);
    const states = this.#states.map(fingerprint);
    let at = states.lastIndexOf(found);
    if (this.#isOpenEnded) {
      if (at < 0) at = this.#states.push(cloneOf(this.#log)) - 1;
    } else {
      const allowed = states.slice(this.#floor).join("\n");
      assert(at >= this.#floor, `reopened to ${found}\nallowed, from ${this.#floor} of ${states.length}:\n${allowed}`);
    }
    this.#becomes(at);
    this.#isOpenEnded = false;
  }

  #becomes(at: number): void {
    // What was cut is gone for good; what is there is durable now.
    this.#states.length = at + 1;
    this.#floor = at;
  }

  /** A damaged log: what reads is right, and what does not is named. */
  #judgeDamaged(): void {
    const log = this.#log;
    const isStateLost = isHardStateLost(log);
    const allowed = this.#states.slice(this.#isOpenEnded ? 0 : this.#floor);
    assert(
      isStateLost || allowed.some(({ hardState }) => wordOfState(hardState) === wordOfState(log.hardState)),
      `the hard state is ${wordOfState(log.hardState)}, allowed: ${allowed.map((one) => wordOfState(one.hardState))}`,
    );
    const isOpenEnded = log.damaged.some(({ kind, firstIndex, lastIndex }) =>
      kind === "snapshot" || (firstIndex !== undefined && lastIndex === undefined)
    );
    if (this.#isOpenEnded || isOpenEnded) {
      this.#isOpenEnded = true;
      this.#note("open-ended");
      for (let index = log.snapshotIndex + 1; index <= log.lastIndex; index++) {
        const word = wordAt(log, index);
        assert(word === "damaged" || this.#ever.has(word), `entry ${index} is ${word}, which never was`);
      }
      return this.#replaceAll();
    }
    const reasons: string[] = [];
    let best: number | undefined;
    let score = -1;
    for (let at = this.#states.length - 1; at >= this.#floor; at--) {
      const state = this.#states[at]!;
      const reason = this.#mismatch(state, isStateLost);
      if (reason !== undefined) {
        reasons.push(reason);
        continue;
      }
      const found = (state.snapshotIndex === log.snapshotIndex ? 2 : 0) + (state.lastIndex === log.lastIndex ? 1 : 0);
      if (found > score) [best, score] = [at, found];
    }
    assert(best !== undefined, `the damaged log is none that it may be: ${[...new Set(reasons)].join("; ")}`);
    this.#becomes(best);
    this.#heal(isStateLost);
  }

  /** Why the log cannot be this one with damage; `undefined` if it can. */
  #mismatch(state: MemoryLog, isStateLost: boolean): string | undefined {
    const log = this.#log;
    const isNamed = (index: number) =>
      log.damaged.some(({ firstIndex = Infinity, lastIndex = Infinity }) => firstIndex <= index && index <= lastIndex);
    if (log.snapshotIndex > state.snapshotIndex) return `its snapshot is of ${log.snapshotIndex}`;
    if (!isStateLost && wordOfState(log.hardState) !== wordOfState(state.hardState)) {
      return `its hard state is ${wordOfState(log.hardState)}`;
    }
    const last = Math.max(state.lastIndex, log.lastIndex);
    for (let index = state.snapshotIndex + 1; index <= last; index++) {
      const wanted = state.entry(index);
      const found = wordAt(log, index);
      if (found === "damaged") {
        if (!isNamed(index)) return `entry ${index} does not read and is not named`;
      } else if (found === "none") {
        if (wanted !== undefined && !isNamed(index)) return `entry ${index} is gone and not named`;
      } else if (wanted === undefined || found !== wordOf(wanted)) return `entry ${index} reads ${found}`;
      const term = termAt(log, index);
      if (term !== undefined && term !== wanted?.term) return `the term of ${index} is ${term}`;
    }
    const snapshot = state.snapshot();
    if (snapshot === undefined || log.snapshotIndex < snapshot.index) return undefined;
    const found = log.snapshot()!;
    const isSame = found.term === snapshot.term && digest(found.data) === digest(snapshot.data);
    return isSame ? undefined : "its snapshot is another";
  }

  /** Puts everything that nobody can tell about behind a snapshot, which makes the log whole. */
  #replaceAll(): void {
    this.#note("replace-all");
    if (this.#random.chance(0.3)) this.#plan();
    if (!this.#force(1)) return;
    const index = Math.max(this.#log.lastIndex, this.#model.lastIndex) + 1 + this.#random.below(3);
    const term = Math.max(...this.#states.map(({ lastTerm }) => lastTerm)) + 1;
    if (!this.#applySnapshot("snapshot-above", index, term, true)) return;
    this.#isOpenEnded = false;
    this.#floor = this.#states.length - 1;
    this.#reopenHealed();
  }

  /** Says which hard state is right, in a later term than any that the log was in. */
  #force(later: number): boolean {
    const { term, votedFor } = this.#model.hardState;
    const state = { term: term + later, votedFor };
    return this.#mutate(
      `force ${wordOfState(state)}`,
      () => this.#log.setHardState(state, { force: true }),
      [(log) => log.setHardState(state)],
    );
  }

  /** Ends the log in one way or another. It must open whole. */
  #reopenHealed(): void {
    this.#disk.heal();
    this.#space.left = Infinity;
    if (this.#random.chance(0.4)) {
      if (!this.#close()) return;
    } else {
      if (!this.#sync()) return;
      if (this.#random.chance(0.5)) this.#disk.crash();
      else this.#disk.restart();
    }
    this.#reopen(this.#floor, true);
    this.#isRotten = false;
  }

  /** Heals the log, or leaves it. */
  #heal(isStateLost: boolean): void {
    const random = this.#random;
    const log = this.#log;
    const way = random.pick(["repair", "repair", "replace", "snapshot", "leave", "leave"]);
    this.#note(`heal-${way}`);
    if (random.chance(0.3)) this.#plan();
    if (way === "leave" && (!isStateLost || random.chance(0.5))) return;
    if (!this.#force(isStateLost ? 1 : 0) || way === "leave") return;
    const model = this.#model;
    if (way === "snapshot") {
      const index = Math.max(model.lastIndex, log.lastIndex) + random.below(2);
      if (index <= model.snapshotIndex || index <= log.snapshotIndex) return;
      if (!this.#applySnapshot("snapshot-over", index, model.lastTerm + 1, false)) return;
      this.#floor = this.#states.length - 1;
      return this.#reopenHealed();
    }
    const snapshot = model.snapshot();
    if (snapshot !== undefined && log.snapshotIndex < snapshot.index) {
      if (!this.#tried(() => log.applySnapshot(snapshot))) return;
    }
    if (way === "replace" || !this.#repair()) {
      if (this.#log === log) this.#replace();
    }
  }

  /** Puts good copies in the place of damaged entries; `false` if that cannot be done. */
  #repair(): boolean {
    const log = this.#log;
    const model = this.#model;
    const good: LogEntry[] = [];
    for (const { firstIndex, lastIndex } of log.damaged) {
      if (firstIndex === undefined || lastIndex === undefined) continue;
      for (let index = firstIndex; index <= lastIndex; index++) {
        const entry = model.entry(index);
        if (entry !== undefined) good.push(entry);
      }
    }
    try {
      if (!this.#tried(() => log.repair(good))) return true;
    } catch (error) {
      if (!(error instanceof WalLogError) || error.code !== "INVALID_ARGUMENT") throw error;
      this.#note("repair-refused");
      return false;
    }
    if (log.damaged.length > 0) return false;
    this.#note("repaired");
    assert.equal(fingerprint(log), fingerprint(model), "the log after its repair");
    this.#reopenHealed();
    return true;
  }

  /** Puts everything from the first damaged entry on anew. */
  #replace(): void {
    const { snapshotIndex, damaged } = this.#log;
    const model = this.#model;
    const first = Math.max(Math.min(...damaged.map(({ firstIndex = Infinity }) => firstIndex)), snapshotIndex + 1);
    if (first === Infinity) return;
    const entries = first > model.lastIndex ? [] : model.entries(first, model.lastIndex);
    if (!this.#mutate(`truncate ${first}`, () => this.#log.truncate(first), [(log) => log.truncate(first)])) return;
    if (entries.length > 0) {
      const parts = entries.map((entry): Mutation => (log) => log.append([entry]));
      if (!this.#mutate(`append ${entries.length} anew`, () => this.#log.append(entries), parts)) return;
    }
    this.#note("replaced");
    assert.equal(fingerprint(this.#log), fingerprint(this.#model), "the log after its entries were replaced");
    // A truncation that is lost leaves doubt until there is a snapshot.
    if (this.#log.damaged.length === 0) this.#reopenHealed();
  }

  /** Tries what leaves the model as it is; `false` if it failed. */
  #tried(what: () => void): boolean {
    try {
      what();
      return true;
    } catch (error) {
      if (error instanceof WalLogError && error.code === "NO_SPACE") this.#note("refused-NO_SPACE");
      else if (isPowerLoss(error) || isPoisoned(error)) this.#failed(error);
      else throw error;
      return false;
    }
  }
}

function wordOfState({ term, votedFor }: HardState): string {
  return `${term}>${votedFor}`;
}

function lineOf({ kind, path, offset, bytes, firstIndex, lastIndex, reason }: WalLog["damaged"][number]): string {
  return `${kind} ${path} at ${offset}, ${bytes}: entries ${firstIndex} to ${lastIndex}, ${reason}`;
}

/** An entry in a word: `"none"` if there is none, `"damaged"` if it does not read. */
function wordAt(log: WalLog, index: number): string {
  try {
    const entry = log.entry(index);
    return entry === undefined ? "none" : wordOf(entry);
  } catch (error) {
    if (!(error instanceof WalLogError) || error.code !== "DAMAGED_ENTRY") throw error;
    return "damaged";
  }
}

/** An entry's term; `undefined` if there is none, or nothing tells. */
function termAt(log: WalLog, index: number): number | undefined {
  try {
    return log.termAt(index);
  } catch (error) {
    if (!(error instanceof WalLogError) || error.code !== "DAMAGED_ENTRY") throw error;
    return undefined;
  }
}

/** Everything that reads of a log, damaged or not. */
function readable(log: WalLog): string {
  const words: string[] = [`${log.snapshotIndex} ${log.lastIndex} ${wordOfState(log.hardState)}`];
  for (let index = log.snapshotIndex + 1; index <= log.lastIndex; index++) words.push(wordAt(log, index));
  return words.join(" ");
}

/** Whether a log says that it has lost its hard state: it then takes nothing. */
function isHardStateLost(log: WalLog): boolean {
  try {
    log.truncate(Number.MAX_SAFE_INTEGER);
    return false;
  } catch (error) {
    if (!(error instanceof WalLogError) || (error.code !== "CORRUPT" && error.code !== "DAMAGED_ENTRY")) throw error;
    return error.code === "CORRUPT";
  }
}

/**
 * Runs one history.
 *
 * @param seed Repeats it.
 * @param counts Added to.
 * @param steps The steps that are done, by number. Default: all.
 */
export async function simulateDamage(seed: number, counts: Counts = {}, steps?: readonly number[]): Promise<void> {
  const run = (counts: Counts, steps?: readonly number[]) => new DamageSimulation(seed, counts, steps).run();
  const found = run(counts, steps);
  if (found === undefined) return;
  const { error, steps: least, notes } = await shrink(found, (steps) => Promise.resolve(run({}, steps)));
  const again = `deno task sim --rot --seed ${seed} --steps=${least}`;
  throw new Error(`seed ${seed} on a rotting disk: ${error.message}\n  ${notes.join("\n  ")}\n  again: ${again}`, {
    cause: error,
  });
}
