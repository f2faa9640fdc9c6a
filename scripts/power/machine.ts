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
const KERNEL_ARGUMENTS = "console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off";
const POLL_MS = 50;

/** How a machine starts. */
export interface MachineOptions {
  /** A folder for its sockets. */
  readonly folder: string;
  /** The files to boot from. */
  readonly image: Image;
  /** The Unix socket of the NBD server of the second disk. */
  readonly disk: string;
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
  readonly #server: Server;
  #socket: Socket | undefined;

  private constructor(child: ChildProcess, server: Server, received: Promise<void>) {
    this.#process = child;
    this.#server = server;
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    this.ended = exited.then(() => {
      server.close();
      return this.#socket === undefined ? undefined : received;
    });
  }

  /**
   * Starts a machine.
   *
   * @param options How.
   * @returns The machine, after it has connected its port.
   */
  static async start(options: MachineOptions): Promise<Machine> {
    const path = join(options.folder, "port");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
    const child = spawn(findProgram("qemu-system-x86_64")!, machineArguments(options, path), {
      stdio: ["pipe", "pipe", "inherit"],
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
   * @param file The file for the state.
   */
  async save(file: string): Promise<void> {
    const { stdin, stdout } = this.#process;
    const answers: string[] = [];
    createInterface(stdout!).on("line", (line) => answers.push(line));
    const say = (execute: string, args?: object) => stdin!.write(JSON.stringify({ execute, arguments: args }) + "\n");
    say("qmp_capabilities");
    say("migrate", { uri: `exec:cat > ${file}` });
    while (!answers.some((line) => line.includes('"status": "completed"'))) {
      if (answers.some((line) => line.includes('"error"') || line.includes('"failed"'))) {
        throw new Error(`Cannot save the machine: ${answers.join("\n")}`);
      }
      await setTimeout(POLL_MS);
      say("query-migrate");
    }
    await this.kill();
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

function machineArguments({ image, disk, saved }: MachineOptions, port: string): string[] {
  const drive = (id: string, rest: string) => [
    ...["-drive", `id=${id},if=none,format=raw,${rest}`],
    ...["-device", `virtio-blk-pci,drive=${id}`],
  ];
  return [
    ...["-accel", "tcg", "-machine", "pc", "-cpu", "max", "-m", String(MEMORY_MIB)],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-serial", process.env["POWER_CONSOLE"] === undefined ? "null" : `file:${process.env["POWER_CONSOLE"]}`],
    ...["-qmp", "stdio"],
    ...["-kernel", image.kernel, "-initrd", image.initrd, "-append", KERNEL_ARGUMENTS],
    ...drive("programs", `file=${image.programs},readonly=on`),
    ...drive("log", `file=nbd:unix:${disk},cache=none,werror=report,rerror=report`),
    ...["-device", "virtio-serial-pci", "-chardev", `socket,id=port,path=${port}`],
    ...["-device", "virtserialport,chardev=port"],
    ...(saved === undefined ? [] : ["-incoming", `exec:cat ${saved}`]),
  ];
}
