/**
 * The messages between the host and the guest, each a line of JSON.
 *
 * @module
 */

import type { Files } from "./decoder.ts";
import type { Contents } from "./history.ts";

/** The orders to a guest. */
export interface Orders {
  /** The file system on the disk. */
  readonly fs: string;
  /** The history and the random numbers of the log follow from it. */
  readonly key: string;
  /** The number of steps after which the log is closed. */
  readonly steps: number;
  /** The size of a segment, in bytes. */
  readonly segmentBytes: number;
  /** Whether to report steps as durable before they are: a fault that the judge must notice. */
  readonly acknowledgesEarly?: boolean;
  /** Whether to ship the log to an archive beside the writer. */
  readonly ships?: boolean;
  /** Whether to report indexes as archived before they are: a fault that the judge must notice. */
  readonly archivesEarly?: boolean;
  /** Whether to send the files again after the log is closed, and to unmount the disk. */
  readonly isCheck?: boolean;
}

/** A report of a guest. */
export type Report =
  | { readonly is: "ready" | "mounting" | "opening" | "closed" | "unmounted" | "cut short" }
  /** The files of the log, and the objects of its archive by their keys. */
  | { readonly is: "found"; readonly files: Files; readonly store: Files }
  | { readonly is: "opened"; readonly contents: Contents; readonly verdict: string }
  | { readonly is: "begun"; readonly number: number; readonly kind: string }
  | { readonly is: "durable"; readonly number: number }
  /** The entry that the log had at the index after a step is archived. */
  | { readonly is: "archived"; readonly index: number; readonly number: number }
  | { readonly is: "failed"; readonly message: string };
