/**
 * The budget for opening a mutated log: reads, allocations and time.
 *
 * @module
 */

import type { File, FileSystem } from "../../src/io/file_system.ts";

/** The most bytes of one allocation beyond the size of the files: the writer's zeros, a snapshot's piece. */
const ALLOCATION_SPARE_BYTES = 4.25 * 1024 * 1024;

/** The most reads of one case. The logs are small and a chunk is 1 MiB, so no case needs nearly as many. */
const READS_MAX = 30_000;

/**
 * The longest time of a case, in milliseconds. A slower case has an unbounded loop, or would have one with other
 * numbers.
 */
const CASE_MS_MAX = 4000;

/** A broken rule. The library may catch it when it is thrown, so it is also recorded. */
export class Violation extends Error {}

/** The budget of one case, and the first rule that it broke. */
export class Budget {
  private reads = 0;
  private violation: Violation | undefined;
  private readonly allocationMax: number;
  private readonly started = performance.now();

  constructor(fileBytes: number) {
    this.allocationMax = fileBytes + ALLOCATION_SPARE_BYTES;
  }

  /** Records a broken rule, and throws it to end the operation. */
  private broken(message: string): never {
    this.violation ??= new Violation(message);
    throw this.violation;
  }

  read(): void {
    if (++this.reads > READS_MAX) this.broken(`a hang: more than ${READS_MAX} reads`);
    if (performance.now() - this.started > CASE_MS_MAX) this.broken(`a hang: more than ${CASE_MS_MAX} ms`);
  }

  allocate(bytes: number): void {
    if (!(bytes <= this.allocationMax)) this.broken(`an allocation of ${bytes} bytes`);
  }

  /** Throws a violation that the library may have caught. */
  settle(): void {
    if (this.violation !== undefined) throw this.violation;
    const milliseconds = performance.now() - this.started;
    if (milliseconds > CASE_MS_MAX) throw new Violation(`took ${milliseconds.toFixed(0)} ms`);
  }
}

const WATCHED = ["Uint8Array", "Uint32Array", "BigUint64Array", "ArrayBuffer", "Array"] as const;

/** Runs an action, and checks the length of every new array against the budget. */
export function watchingAllocations<T>(budget: Budget, action: () => T): T {
  const globals = globalThis as unknown as Record<string, { new (...args: unknown[]): object }>;
  const originals = WATCHED.map((name) => globals[name]!);
  WATCHED.forEach((name, i) => {
    const original = originals[i]!;
    const elementBytes = (original as unknown as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ??
      (name === "Array" ? 8 : 1);
    globals[name] = new Proxy(original, {
      construct(target, args, newTarget) {
        if (args.length === 1 && typeof args[0] === "number") budget.allocate(args[0] * elementBytes);
        return Reflect.construct(target, args, newTarget === globals[name] ? target : newTarget);
      },
    });
  });
  try {
    return action();
  } finally {
    WATCHED.forEach((name, i) => globals[name] = originals[i]!);
  }
}

/** Counts reads. */
export function counting(fileSystem: FileSystem, budget: Budget): FileSystem {
  return {
    ...fileSystem,
    open(path, mode): File {
      const file = fileSystem.open(path, mode);
      return {
        ...file,
        read(into, position) {
          budget.read();
          return file.read(into, position);
        },
        truncate(size) {
          budget.allocate(size);
          file.truncate(size);
        },
        write(from, position) {
          budget.allocate(position + from.length);
          return file.write(from, position);
        },
      };
    },
  };
}
