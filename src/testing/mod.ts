/**
 * For tests: a simulated disk that crashes, fails and rots as real ones do, to run a log, or a server with a log, on.
 *
 * @module
 */

export { type DiskFault, type DiskOperation, PowerLoss } from "./disk_faults.ts";
export { Random } from "./random.ts";
export { SimulatedDisk, type SimulatedDiskOptions } from "./simulated_disk.ts";
