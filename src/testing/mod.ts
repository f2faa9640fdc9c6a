/**
 * A simulated disk for tests. It crashes, fails and rots like a real one. Run a log on it, or a server with a log.
 *
 * @module
 */

export { type DiskFault, type DiskOperation, PowerLoss } from "./disk_faults.ts";
export { Random } from "./random.ts";
export { SimulatedDisk, type SimulatedDiskOptions } from "./simulated_disk.ts";
