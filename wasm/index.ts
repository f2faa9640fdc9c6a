/** The exports of the WebAssembly module: the codec's hot paths, and the layout for the test that compares it. */

export { crc32c } from "./crc32c";
export { hash, hashFeed, hashStart } from "./xxh3";
export { checkFrame, checkHeader, resealCopies, seal, sealHeaderOnly } from "./frame";
export { find, nonZeroEnd, scan, seek, survey } from "./scan";
export * from "./layout";
