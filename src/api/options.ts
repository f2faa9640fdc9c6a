/**
 * The options of opening a log.
 *
 * @module
 */

import { WalLogError } from "./errors.ts";
import { checkNames } from "./option_names.ts";
import { PAYLOAD_BYTES_MAX } from "../format/frame.ts";
import type { FileSystem } from "../io/file_system.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { isSignal } from "./taken.ts";
import { ENTRY_BYTES_MAX_DEFAULT } from "./validate.ts";

/** The progress of opening a log. */
export interface Progress {
  /** Bytes of log read so far. */
  readonly bytesDone: number;
  /** Bytes of log to read in all. */
  readonly bytesTotal: number;
}

/** Options of opening a log. Each one has a default. */
export interface WalLogOptions {
  /**
   * The size at which the next segment is created, in bytes. Default: 64 MiB; at least 4 KiB. A batch is never split,
   * so a segment can hold one batch more than this. Its file also has a header block of 16 KiB.
   */
  readonly segmentBytes?: number;
  /** The largest command that an entry may have, in bytes. Default: 64 MiB; at most 1 GiB. */
  readonly maxEntryBytes?: number;
  /**
   * `"full"` (the default): every checksum is verified when the log is opened. `"tail"`: sealed segments are taken
   * from their segment indexes, and their entries are verified when they are first read.
   */
  readonly verify?: "full" | "tail";
  /**
   * `"fail"` (the default): a log with damage below the proven-durable position does not open. `"keep"`: it opens,
   * and lists the damage. Reading a damaged entry fails with `DAMAGED_ENTRY`, and `repair` can restore it.
   */
  readonly onDamage?: "fail" | "keep";
  /**
   * Opens the log for reading only: takes no lock, writes nothing, repairs nothing. Beside a running writer, it shows a
   * consistent prefix of the log: the state when it was opened, or when `refresh` was last called. Default: `false`.
   */
  readonly readOnly?: boolean;
  /**
   * Whether to create a log if there is none. `false`: opening fails with `NOT_FOUND`, and creates nothing. So an
   * unmounted volume does not lead to a new, empty log of term 0. Default: `true`.
   */
  readonly create?: boolean;
  /**
   * The time to wait for the lock of another writer before failing with `LOCKED`, in milliseconds. It lets a restarted
   * process wait for the old one to end. Default: 0.
   */
  readonly lockTimeout?: number;
  /**
   * Permission bits of the files that the log creates, minus the process's umask: `0o640` lets the group read them.
   * They must include the owner's `0o600`. A new folder gets the same bits, and users that may read it may also enter
   * it. Default: `0o600`, and `0o700` for the folder.
   */
  readonly fileMode?: number;
  /** Called while the log is read, after every MiB or so. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends {@link WalLog.open} early: it rejects with the signal's reason, and nothing stays open. */
  readonly signal?: AbortSignal;
  /**
   * A flush that takes longer than this, in milliseconds, counts as slow and is published on the diagnostics channel
   * `wallog:slow-flush`. Default: 1000.
   */
  readonly slowFlushMilliseconds?: number;
  /**
   * If less than this is free on the log's volume, in bytes, `wallog:low-space` is published. Default: 1 GiB.
   */
  readonly lowSpaceBytes?: number;
  /** The file system, locks, clock and random numbers. Default: those of the machine, through `node:fs`. */
  readonly fileSystem?: FileSystem;
}

/** Checked options, with their defaults. */
export type CheckedOptions =
  & Required<Omit<WalLogOptions, "onProgress" | "signal">>
  & Pick<WalLogOptions, "onProgress" | "signal">;

/** Below this, headers and segment indexes would outweigh the entries by far. In bytes: 4 KiB. */
const SEGMENT_BYTES_MIN = 4 * 1024;
/** Offsets within a segment are kept as 32 bits in units of 8 bytes. In bytes: 16 GiB, which leaves room for a batch. */
const SEGMENT_BYTES_MAX = 2 ** 34;
const SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024;
/** The longest delay of the runtimes' timers. In milliseconds: 24 days. */
const LOCK_TIMEOUT_MS_MAX = 2 ** 31 - 1;
/** Permission bits that the log's files must have: the owner reads and writes. */
const OWNER_PERMISSIONS = 0o600;
const PERMISSIONS_MAX = 0o666;
/** A flush that takes a second is a sign of a failing disk. */
const SLOW_FLUSH_MS_DEFAULT = 1000;
/** Sixteen segments of the default size: time enough to react. In bytes. */
const LOW_SPACE_BYTES_DEFAULT = 1024 * 1024 * 1024;

function checkBytes(name: string, value: unknown, min: number, max: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    throw new WalLogError(
      "INVALID_ARGUMENT",
      `Cannot open a log: ${name} must be an integer from ${min} to ${max}, found ${String(value)}`,
    );
  }
}

function checkChoice(name: string, value: unknown, choices: readonly unknown[]): void {
  if (!choices.includes(value)) {
    const expected = choices.map((choice) => JSON.stringify(choice)).join(" or ");
    throw new WalLogError("INVALID_ARGUMENT", `Cannot open a log: ${name} must be ${expected}, found ${String(value)}`);
  }
}

function checkKind(name: string, value: unknown, expected: string, fits: boolean): void {
  if (fits) return;
  throw new WalLogError("INVALID_ARGUMENT", `Cannot open a log: ${name} must be ${expected}, found ${typeof value}`);
}

function checkPermissions(bits: unknown): void {
  const isValid = Number.isSafeInteger(bits) && ((bits as number) & ~PERMISSIONS_MAX) === 0 &&
    ((bits as number) & OWNER_PERMISSIONS) === OWNER_PERMISSIONS;
  if (isValid) return;
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot open a log: fileMode must be permission bits from 0o600 to 0o666 that include 0o600, found ${String(bits)}`,
  );
}

/**
 * Fills in defaults and checks the options.
 *
 * @param options The caller's options.
 * @returns The options in full.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkOptions(options: WalLogOptions): CheckedOptions {
  if (typeof options !== "object" || options === null) {
    throw new WalLogError("INVALID_ARGUMENT", `Cannot open a log: options must be an object, found ${String(options)}`);
  }
  const { onProgress, signal } = options;
  const {
    segmentBytes = SEGMENT_BYTES_DEFAULT,
    maxEntryBytes = ENTRY_BYTES_MAX_DEFAULT,
    verify = "full",
    onDamage = "fail",
    readOnly = false,
    create = true,
    lockTimeout = 0,
    fileMode = OWNER_PERMISSIONS,
    slowFlushMilliseconds = SLOW_FLUSH_MS_DEFAULT,
    lowSpaceBytes = LOW_SPACE_BYTES_DEFAULT,
    fileSystem = nodeFileSystem,
  } = options;
  checkBytes("segmentBytes", segmentBytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
  checkBytes("maxEntryBytes", maxEntryBytes, 1, PAYLOAD_BYTES_MAX);
  checkChoice("verify", verify, ["full", "tail"]);
  checkChoice("onDamage", onDamage, ["fail", "keep"]);
  checkChoice("readOnly", readOnly, [true, false]);
  checkChoice("create", create, [true, false]);
  const isTimeout = typeof lockTimeout === "number" && lockTimeout >= 0 && lockTimeout <= LOCK_TIMEOUT_MS_MAX;
  checkKind("lockTimeout", lockTimeout, `a number from 0 to ${LOCK_TIMEOUT_MS_MAX}`, isTimeout);
  checkPermissions(fileMode);
  const isDuration = typeof slowFlushMilliseconds === "number" && slowFlushMilliseconds >= 0;
  checkKind("slowFlushMilliseconds", slowFlushMilliseconds, "a number from 0", isDuration);
  const isSpace = typeof lowSpaceBytes === "number" && lowSpaceBytes >= 0;
  checkKind("lowSpaceBytes", lowSpaceBytes, "a number from 0", isSpace);
  checkKind("onProgress", onProgress, "a function", onProgress === undefined || typeof onProgress === "function");
  checkKind("signal", signal, "an AbortSignal", signal === undefined || isSignal(signal));
  checkKind("fileSystem", fileSystem, "a FileSystem", typeof fileSystem?.open === "function");
  const checked: CheckedOptions = {
    segmentBytes,
    maxEntryBytes,
    verify,
    onDamage,
    readOnly,
    create,
    lockTimeout,
    fileMode,
    slowFlushMilliseconds,
    lowSpaceBytes,
    fileSystem,
    onProgress,
    signal,
  };
  checkNames("Cannot open a log", options, Object.keys(checked));
  return checked;
}
