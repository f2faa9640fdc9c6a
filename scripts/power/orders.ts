/**
 * The messages between the host and the guest, each a line of JSON.
 *
 * @module
 */

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
  /** Whether to send the files again after the log is closed, and to unmount the disk. */
  readonly isCheck?: boolean;
}

/** What a guest reports. */
export type Report =
  | { readonly is: "ready" | "mounting" | "opening" | "closed" | "unmounted" | "cut short" }
  | { readonly is: "found"; readonly files: Readonly<Record<string, string>> }
  | { readonly is: "opened"; readonly contents: Contents; readonly verdict: string }
  | { readonly is: "begun"; readonly number: number; readonly kind: string }
  | { readonly is: "durable"; readonly number: number }
  | { readonly is: "failed"; readonly message: string };
