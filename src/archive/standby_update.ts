/**
 * One update of a standby: takes everything that the archive has and its log does not. After each operation on the
 * disk, the files are a log, so that a kill leaves one. It neither retries nor waits: `standby.ts` does.
 *
 * The order: new files are complete under names that end in `.restore`. Then the snapshot gets its name, the newest file
 * gets the frames that follow, and the new segments get their names, the oldest first. Then files are removed.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { WalLogError } from "../api/errors.ts";
import type { Index } from "../api/types.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import { ID_BYTES } from "../format/identity.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import { segmentNumber } from "../format/segment_name.ts";
import { snapshotName } from "../format/snapshot_name.ts";
import type { FileLock } from "../io/file_system.ts";
import { partialNames } from "../maintain/partial_folder.ts";
import { readIdentity, writeIdentity } from "../recovery/identity.ts";
import { readClaim } from "./claims.ts";
import { type Cut, CutFinder, stateOfSnapshot } from "./cut.ts";
import { highest, type History, requireHistory } from "./history.ts";
import type { ObjectStore } from "./object_store.ts";
import { clusterOf, CONCURRENCY_DEFAULT, restoreFiles, type Work } from "./restore.ts";
import { SUFFIX } from "./restored_folder.ts";
import type { StandbyFiles } from "./standby_files.ts";
import { type Plan, planOf } from "./standby_plan.ts";
import { appendTail, fetchTail } from "./standby_tail.ts";
import { finishFiles, Staging } from "./staging.ts";
import { type Survey, surveyInUse, surveyStore } from "./survey.ts";

/** The log of a standby, and its archive. */
export class StandbyLog {
  readonly files: StandbyFiles;
  /** The last index in the archive, when it was listed last. */
  archivedIndex: Index = 0;
  /** The generation that was listed last. */
  generation = 0;
  /** The number of times that a new copy has replaced the log. */
  replaced = 0;
  private readonly store: ObjectStore;
  private readonly lock: FileLock;
  private readonly work: Work;
  /** The newest claim that was compared with the log. */
  private claim = 0;

  /**
   * @param store The archive.
   * @param files The log's files.
   * @param lock The lock of the folder.
   * @param concurrency The most objects to read at the same time.
   * @param signal Ends requests.
   */
  constructor(
    store: ObjectStore,
    files: StandbyFiles,
    lock: FileLock,
    concurrency: number = CONCURRENCY_DEFAULT,
    signal?: AbortSignal,
  ) {
    const { fileSystem, folder } = files;
    this.store = store;
    this.files = files;
    this.lock = lock;
    const partial = partialNames(fileSystem, folder, lock, SUFFIX);
    const options = signal === undefined ? { concurrency } : { concurrency, signal };
    this.work = { store, fileSystem, partial, folder, target: { kind: "end" }, options };
  }

  /**
   * Takes what the archive has.
   *
   * @returns Whether the log has changed.
   * @throws {WalLogError} `NOT_FOUND` if there is no archive, or an object was merged meanwhile; `DIVERGED` if the
   * archive does not have the log; `CORRUPT` if objects are missing or damaged; `STORE`, `IO`, `NO_SPACE`.
   */
  async update(): Promise<boolean> {
    this.lock.check();
    const { store, files, work: { options: { signal } } } = this;
    let survey = await surveyStore(store, { signal });
    let history = this.historyOf(survey);
    await this.requireSameLog(highest([...survey.claims]));
    let plan = planOf(files, survey, history);
    if (plan.kind !== "continue" || plan.isIncomplete) {
      // An archiver may have merged pieces while they were listed.
      survey = await surveyInUse(store, { signal });
      history = this.historyOf(survey);
      plan = planOf(files, survey, history);
    }
    if (plan.kind === "diverged") throw this.diverged(plan.reason);
    const before = files.cut;
    if (plan.kind === "reset") await this.reset(history);
    else await this.continue(history, plan);
    this.clean();
    return before?.number !== files.cut?.number || before?.offset !== files.cut?.offset;
  }

  private historyOf(survey: Survey): History {
    const history = requireHistory(survey, undefined, this.store.name);
    this.archivedIndex = history.segments.at(-1)!.chain.at(-1)!.next - 1;
    this.generation = history.generation;
    return history;
  }

  /** Fails if the archive is of another log. */
  private async requireSameLog(claimed: number): Promise<void> {
    const { store, files: { fileSystem, folder, segments }, work: { options: { signal } } } = this;
    if (claimed === 0 || claimed === this.claim) return;
    const codec = leaseCodec();
    const identity = readIdentity(fileSystem, folder, (bytes, seed) => codec.hash(bytes, seed));
    returnCodec(codec);
    const uuid = segments[0]?.header.uuid ?? (typeof identity === "object" ? identity.uuid : undefined);
    const archived = async () => (await readClaim(store, claimed, { signal }))?.uuid;
    const own = uuid === undefined ? undefined : textOf(uuid);
    const found = await archived();
    if (own !== undefined && found !== own) {
      // A claim has no checksum, so the reply can be damaged.
      if (await archived() === found) throw this.diverged(`it is the archive of another log, ${found}`);
      throw new WalLogError("CORRUPT", `Cannot read the claim ${claimed} in ${store.name}`);
    }
    if (uuid !== undefined) this.claim = claimed;
  }

  private diverged(reason: string): WalLogError {
    const { store, files: { folder } } = this;
    const message = `Cannot follow the archive in ${store.name} with the log in ${folder}: ${reason}; ` +
      "if that log is not needed, delete its folder and start again";
    return new WalLogError("DIVERGED", message, { path: folder });
  }

  /** Replaces the log by a new copy. The new files are complete before the old ones are removed. */
  private async reset(history: History): Promise<void> {
    const { work, files } = this;
    const { headers, cut } = await restoreFiles(work, history);
    finishFiles(work.partial, work.folder, headers, cut.offset, false);
    if (files.segments.length > 0) {
      files.removeLog();
      this.replaced++;
    }
    this.publish(history, headers, cut, 0);
  }

  /** Appends what the archive has. */
  private async continue(history: History, plan: Plan & { readonly kind: "continue" }): Promise<void> {
    const { store, work, files } = this;
    const { partial, folder, options } = work;
    const { kept, segment, after, isIncomplete } = plan;
    const isShorter = kept < files.segments.length || files.cut!.offset > segment.end;
    const kepts = files.segments.slice(0, kept);
    const start = isShorter ? (await files.walk(kepts, segment.end)).reached : files.cut!;
    const find = (index: number, term: number) =>
      history.snapshots.find((one) => one.index === index && one.term === term);
    const finder = CutFinder.after(
      start,
      (index, term) => files.hasSnapshot(index, term) ? "archived" : stateOfSnapshot(history, index, term),
    );
    const { header } = files.segments[kept - 1]!;
    const end = await fetchTail(work, segment, header, start.offset, finder);
    const staging = new Staging(
      store,
      partial,
      folder,
      { concurrency: options.concurrency!, signal: options.signal },
      () => {},
    );
    const { headers } = await staging.restoreSegments(after, finder);
    const { cut } = finder;
    // Without the end of the log, which a later segment replaces, there may be no position with a snapshot.
    if (cut === undefined && isShorter) throw this.incomplete();
    if (cut !== undefined) {
      const { index, term } = cut.snapshot;
      const added = headers.filter(({ number }) => number <= cut.number);
      finishFiles(partial, folder, added, cut.offset, false);
      if (index > 0 && !files.hasSnapshot(index, term)) await staging.restoreSnapshot(find(index, term)!);
      this.nameSnapshot(cut);
      const to = cut.number === header.number ? cut.offset : end;
      appendTail(work, files.pathOf(header.number), start.offset, to);
      files.segments[kept - 1] = { header, size: Math.max(files.segments[kept - 1]!.size, to) };
      this.publish(history, added, cut, kept);
    }
    if (isIncomplete || finder.lostSnapshot > 0) throw this.incomplete();
  }

  private incomplete(): WalLogError {
    const { store, files } = this;
    const message = `Cannot follow the archive in ${store.name} beyond index ${files.lastIndex}: objects are missing`;
    return new WalLogError("CORRUPT", message);
  }

  /** Gives the snapshot its final name. */
  private nameSnapshot({ snapshot: { index, term } }: Cut): void {
    const { files, work: { fileSystem, partial, folder } } = this;
    const name = snapshotName(index, term);
    if (index === 0 || files.hasSnapshot(index, term) || !partial.list(folder).includes(name)) return;
    fileSystem.rename(`${folder}/${name}${SUFFIX}`, `${folder}/${name}`);
    fileSystem.syncDirectory(folder);
  }

  /** Gives new files their final names, and removes old ones. `kept`: the number of segments that stay. */
  private publish(history: History, headers: readonly SegmentHeader[], cut: Cut, kept: number): void {
    const { files, work: { fileSystem, folder } } = this;
    this.identify(history, headers);
    this.nameSnapshot(cut);
    const segments = files.segments.slice(0, kept);
    for (const [i, header] of headers.entries()) {
      const path = files.pathOf(header.number);
      fileSystem.rename(path + SUFFIX, path);
      fileSystem.syncDirectory(folder);
      const before = segments.at(-1)?.header;
      if (before !== undefined) files.name(before, header);
      const next = headers[i + 1];
      segments.push({ header, size: next === undefined ? cut.offset : next.baseLsn - header.baseLsn });
    }
    files.segments = segments;
    files.cutAt(cut);
    files.removeUnneeded();
  }

  /** Removes unfinished files that are not needed. Those of later segments may be. */
  private clean(): void {
    const { files: { cut }, work: { partial, folder } } = this;
    for (const name of partial.list(folder)) {
      const number = segmentNumber(name);
      if (number === undefined || number <= (cut?.number ?? 0)) partial.remove(`${folder}/${name}`);
    }
  }

  /** Writes `IDENTITY`, with an incarnation of the standby's own. */
  private identify(history: History, headers: readonly SegmentHeader[]): void {
    const { files: { segments }, work: { fileSystem, folder } } = this;
    const codec = leaseCodec();
    const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
    try {
      const found = readIdentity(fileSystem, folder, sum);
      const cluster = clusterOf(history);
      if (typeof found === "object" && found.cluster.join() === cluster.join()) return;
      const incarnation = typeof found === "object" ? found.incarnation : new Uint8Array(ID_BYTES);
      if (typeof found !== "object") fileSystem.random(incarnation);
      const { uuid } = headers[0] ?? segments[0]!.header;
      writeIdentity(fileSystem, folder, { uuid, incarnation, cluster }, sum);
    } finally {
      returnCodec(codec);
    }
  }
}

/** A UUID as text, as claims have it. */
function textOf(uuid: Uint8Array): string {
  return Buffer.from(uuid).toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
