/**
 * The pictures of each log.
 *
 * @module
 */

import type { Picture } from "./browser.ts";

/** A picture of a page, and the end of its file's name. */
export interface PictureFile extends Omit<Picture, "url"> {
  readonly suffix: string;
}

/** The widths of the windows, with the pixels of a picture for one of the page. */
const WINDOWS = [{ width: 1280, scale: 1 }, { width: 390, scale: 1.5 }] as const;

/** The pictures. */
export const PICTURES: readonly PictureFile[] = WINDOWS.flatMap((window) =>
  (["light", "dark"] as const).map((scheme) => ({ ...window, scheme, suffix: `${window.width}-${scheme}.webp` }))
);
