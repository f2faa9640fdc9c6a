/**
 * For tests: a simulated disk that crashes, fails and rots as real ones do, to run a log, or a server with a log, on.
 *
 * @module
 */

export { Random } from "./random.ts";
export {
  type DiskFault,
  type DiskOperation,
  PowerLoss,
  SimulatedDisk,
  type SimulatedDiskOptions,
} from "./simulated_disk.ts";
