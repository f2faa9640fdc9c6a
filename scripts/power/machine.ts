/**
 * A virtual machine: QEMU without hardware virtualization, with two disks and a port for messages.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { findProgram, type Image } from "./image.ts";
import type { Orders, Report } from "./orders.ts";

/** Memory of a machine, in MiB. Node needs about 150. */
const MEMORY_MIB = 384;
const KERNEL_ARGUMENTS = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check mitigations=off";
const POLL_MS = 50;

/** The machines that run. They end with this process. */
const running = new Set<ChildProcess>();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** The options of a machine. */
export interface MachineOptions {
  /** A folder for its sockets and for the output of its kernel. */
  readonly folder: string;
  /** The files to boot from. */
  readonly image: Image;
  /** The Unix socket of the NBD server of the second disk. */
  readonly disk: string;
  /** The file with the memory of the machine, shared by all that resume from it. */
  readonly memory: string;
  /** The file with a saved state to resume from. */
  readonly saved?: string;
  /** Gets each report of the guest. */
  readonly onReport: (report: Report) => void;
}

/** A running machine. */
export class Machine {
  /** Resolves when QEMU has ended and everything that the guest has sent was received. */
  readonly ended: Promise<void>;
  readonly #process: ChildProcess;
  #socket: Socket | undefined;
  #answer: (line: string) => void = () => {};

  private constructor(child: ChildProcess, server: Server, received: Promise<void>) {
    this.#process = child;
    running.add(child);
    createInterface(child.stdout!).on("line", (line) => {
      if (!line.startsWith('{"QMP"') && !line.includes('"event"')) this.#answer(line);
    });
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    this.ended = exited.then(() => {
      running.delete(child);
      server.close();
      return this.#socket === undefined ? undefined : received;
    });
  }

  /**
   * Starts a machine.
   *
   * @param options The options.
   * @returns The machine, after it has connected its port.
   */
  static async start(options: MachineOptions): Promise<Machine> {
    const path = join(options.folder, "port");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
    const child = spawn(findProgram("qemu-system-x86_64")!, machineArguments(options, path), {
      stdio: ["pipe", "pipe", "inherit"],
      // Ctrl-C must not end the machine: the run continues until the power is cut.
      detached: true,
    });
    let finish: () => void;
    const machine = new Machine(child, server, new Promise((resolve) => finish = resolve));
    const socket = await Promise.race([
      connected,
      machine.ended.then(() => Promise.reject(new Error("QEMU ended before the machine started"))),
    ]);
    machine.#socket = socket;
    createInterface(socket).on("line", (line) => options.onReport(parseReport(line))).on("close", () => finish());
    socket.on("error", () => finish());
    if (options.saved !== undefined) {
      await machine.#prepare();
      await machine.#command("migrate-incoming", { uri: `exec:cat ${options.saved}` });
    }
    return machine;
  }

  /** Sends the guest its orders. */
  send(orders: Orders): void {
    this.#socket!.write(JSON.stringify(orders) + "\n");
  }

  /** Ends the machine at once. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
  }

  /**
   * Saves the state of the machine, and ends it.
   *
   * @param file The file for the state without the memory.
   */
  async save(file: string): Promise<void> {
    await this.#prepare();
    await this.#command("migrate", { uri: `exec:cat > ${file}` });
    for (let status = ""; status !== "completed";) {
      await setTimeout(POLL_MS);
      status = String((await this.#command("query-migrate"))["status"]);
      if (status === "failed") throw new Error("QEMU could not save the machine");
    }
    await this.kill();
  }

  /** Sets QEMU up to leave the memory, which is in a file of its own, out of the saved state. */
  async #prepare(): Promise<void> {
    await this.#command("qmp_capabilities");
    await this.#command("migrate-set-capabilities", {
      capabilities: [{ capability: "x-ignore-shared", state: true }],
    });
  }

  /** Gives QEMU a command, and returns its answer. */
  async #command(execute: string, args: object = {}): Promise<Record<string, unknown>> {
    const answer = new Promise<string>((resolve) => this.#answer = resolve);
    this.#process.stdin!.write(JSON.stringify({ execute, arguments: args }) + "\n");
    const line = await Promise.race([answer, this.ended.then(() => '{"error":"QEMU ended"}')]);
    const { return: result, error } = JSON.parse(line);
    if (error !== undefined) throw new Error(`QEMU: ${execute}: ${JSON.stringify(error)}`);
    return result;
  }
}

/** A line that the power cut short is no report. */
function parseReport(line: string): Report {
  try {
    return JSON.parse(line);
  } catch {
    return { is: "cut short" };
  }
}

function machineArguments({ folder, image, disk, memory, saved }: MachineOptions, port: string): string[] {
  // A resumed machine maps the memory of the saved one, and keeps its changes to itself.
  const backend = `memory-backend-file,id=memory,size=${MEMORY_MIB}M,mem-path=${memory}`;
  const drive = (id: string, rest: string) => [
    ...["-drive", `id=${id},if=none,format=raw,${rest}`],
    ...["-device", `virtio-blk-pci,drive=${id}`],
  ];
  return [
    ...["-accel", "tcg", "-machine", "pc,memory-backend=memory", "-cpu", "max", "-m", String(MEMORY_MIB)],
    ...["-object", `${backend},share=${saved === undefined ? "on" : "off"}`],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-serial", `file:${join(folder, "console")}`],
    ...["-qmp", "stdio"],
    ...["-kernel", image.kernel, "-initrd", image.initrd, "-append", KERNEL_ARGUMENTS],
    ...drive("programs", `file=${image.programs},readonly=on`),
    ...drive("log", `file=nbd:unix:${disk},cache=none,werror=report,rerror=report`),
    ...["-device", "virtio-serial-pci", "-chardev", `socket,id=port,path=${port}`],
    ...["-device", "virtserialport,chardev=port"],
    ...(saved === undefined ? [] : ["-incoming", "defer"]),
  ];
}
