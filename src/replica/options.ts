/**
 * The options of a replica.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { checkNames } from "../api/option_names.ts";
import type { WalLogOptions } from "../api/options.ts";
import type { NodeId } from "../api/types.ts";
import type { Address, RaftTransport, TransportTls } from "../raft/mod.ts";
import type { ReplicaEvent } from "./events.ts";
import type { StateMachine } from "./state_machine.ts";

/** A host and a port: `"10.0.0.1:7001"`, `"[::1]:7001"`, or an object. */
export type AddressLike = string | Address;

/** A transport that can take the addresses of other nodes, and knows which ones it reaches. */
export interface ReplicaTransport extends RaftTransport {
  /** Sets the address of a node. `TcpTransport` has this method. */
  setPeer?(id: NodeId, address: Address): void;
  /** Whether messages can be sent to a node at the moment. A leader that leaves transfers its leadership to such a node. */
  isConnected?(id: NodeId): boolean;
}

/** The options of a replica. */
export interface ReplicaOptions<R> {
  /** The folder of its log. */
  readonly folder: string;
  /** This replica: an unsigned 64-bit number that no other replica of the cluster has had. */
  readonly id: NodeId;
  /** The address at which the other replicas reach this one. Default: the one in `peers`. */
  readonly address?: AddressLike;
  /** The address on which it listens, if that is not `address`: for example `"0.0.0.0:7001"`. */
  readonly listen?: AddressLike;
  /**
   * The initial members and their addresses, with or without this replica. They count only until the log has the members
   * and their addresses. All initial members must name the same members and addresses: the id of the cluster is derived
   * from them. A replica that joins needs the address of the leader. Default: none.
   */
  readonly peers?: Iterable<readonly [NodeId, AddressLike]>;
  /** The state of the service. */
  readonly stateMachine: StateMachine<R>;
  /** Whether the replica joins an existing cluster: see `Replica.addMember`. Default: no. */
  readonly joining?: boolean;
  /**
   * The name of the cluster, the same for all replicas. Not a secret. It is a part of the id of a new cluster, so it
   * distinguishes clusters whose members have the same ids and addresses. Default: `"wallog"`.
   */
  readonly cluster?: string;
  /** Certificates. Without them, anyone who can reach the port can pose as a replica. */
  readonly tls?: TransportTls;
  /** Carries the messages, instead of TCP. The replica starts and closes it. */
  readonly transport?: ReplicaTransport;
  /**
   * The length of a tick, in milliseconds. A new leader is elected after 10 to 20 ticks without one. Raise it if the
   * process pauses for longer than a few ticks. Default: 50.
   */
  readonly tickMilliseconds?: number;
  /** The longest wait of `propose` and `read`, in milliseconds. Default: 10,000. */
  readonly timeoutMilliseconds?: number;
  /**
   * The bytes of commands after which a snapshot is made. If the last snapshot was larger, its size counts instead.
   * Each command counts 64 bytes more. Default: 64 MiB.
   */
  readonly snapshotBytes?: number;
  /** The largest snapshot, in bytes, the same for all replicas. Default: 64 GiB. */
  readonly maxSnapshotBytes?: number;
  /** The most bytes of uncommitted commands. Further ones are refused with `OVERLOADED`. Default: 64 MiB. */
  readonly maxUncommittedBytes?: number;
  /** Options of opening the log. */
  readonly log?: Pick<
    WalLogOptions,
    "segmentBytes" | "maxEntryBytes" | "create" | "lockTimeout" | "fileMode" | "fileSystem"
  >;
  /** Takes the events of the replica. It must not throw. */
  readonly onEvent?: (event: ReplicaEvent) => void;
}

/** Checked options, with their defaults. */
export interface CheckedReplicaOptions<R> {
  readonly folder: string;
  readonly id: NodeId;
  readonly address: Address | undefined;
  readonly listen: Address | undefined;
  /** With this replica, if the application has named it. */
  readonly peers: ReadonlyMap<NodeId, Address>;
  readonly stateMachine: StateMachine<R>;
  readonly joining: boolean;
  readonly cluster: string;
  readonly tls: TransportTls | undefined;
  readonly transport: ReplicaTransport | undefined;
  readonly tickMilliseconds: number;
  readonly timeoutMilliseconds: number;
  readonly snapshotBytes: number;
  readonly maxSnapshotBytes: number;
  readonly maxUncommittedBytes: number;
  readonly log: NonNullable<ReplicaOptions<R>["log"]>;
  readonly onEvent: (event: ReplicaEvent) => void;
}

const MIB = 1024 * 1024;
/** The longest delay of a timer. In milliseconds. */
const TIMER_MAX = 2 ** 31 - 1;
/** The longest time that a restarted process waits for the previous one to end. In milliseconds. */
const LOCK_TIMEOUT_MS = 5000;

/**
 * Checks options and fills in the defaults.
 *
 * @param options The options of the application.
 * @returns The same, complete.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkReplicaOptions<R>(options: ReplicaOptions<R>): CheckedReplicaOptions<R> {
  if (typeof options !== "object" || options === null) throw invalid("expected options");
  const { transport, tls, log = {} } = options;
  const peers = new Map([...options.peers ?? []].map(([id, peer]) => [id, toAddress(peer)] as const));
  const address = options.address === undefined ? peers.get(options.id) : toAddress(options.address);
  const checked: CheckedReplicaOptions<R> = {
    folder: options.folder,
    id: options.id,
    address,
    listen: options.listen === undefined ? address : toAddress(options.listen),
    peers,
    stateMachine: options.stateMachine,
    joining: options.joining ?? false,
    cluster: options.cluster ?? "wallog",
    tls,
    transport,
    tickMilliseconds: options.tickMilliseconds ?? 50,
    timeoutMilliseconds: options.timeoutMilliseconds ?? 10_000,
    snapshotBytes: options.snapshotBytes ?? 64 * MIB,
    maxSnapshotBytes: options.maxSnapshotBytes ?? 64 * 1024 * MIB,
    maxUncommittedBytes: options.maxUncommittedBytes ?? 64 * MIB,
    log: { lockTimeout: LOCK_TIMEOUT_MS, ...log },
    onEvent: options.onEvent ?? (() => {}),
  };
  checkNames("Cannot start a replica", options, Object.keys(checked));
  if (typeof checked.folder !== "string" || checked.folder === "") throw invalid("folder must be a path");
  requireMachine(checked.stateMachine);
  requireNumber("tickMilliseconds", checked.tickMilliseconds, 1, TIMER_MAX);
  requireNumber("timeoutMilliseconds", checked.timeoutMilliseconds, 1, TIMER_MAX);
  requireNumber("snapshotBytes", checked.snapshotBytes, 1, Number.MAX_SAFE_INTEGER);
  if (typeof checked.onEvent !== "function") throw invalid("onEvent must be a function");
  if (transport === undefined && checked.address === undefined) throw invalid("address is required without transport");
  if (checked.address === undefined && checked.peers.size > 0) throw invalid("address is required with peers");
  if (transport !== undefined && tls !== undefined) {
    throw invalid("tls is for the transport that the replica makes itself");
  }
  if (transport !== undefined && transport.id !== checked.id) {
    throw invalid(`the transport is of node ${transport.id}, and the replica is ${checked.id}`);
  }
  return checked;
}

function requireMachine(machine: Partial<StateMachine<unknown>> | undefined): void {
  for (const name of ["apply", "snapshot", "restore"] as const) {
    if (typeof machine?.[name] !== "function") throw invalid(`stateMachine must have a method ${name}`);
  }
}

function requireNumber(name: string, value: number, least: number, most: number): void {
  if (typeof value === "number" && value >= least && value <= most) return;
  throw invalid(`${name} must be a number from ${least} to ${most}, found ${String(value)}`);
}

/**
 * An address in two parts.
 *
 * @param address The address.
 * @returns Its host and port.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function toAddress(address: AddressLike): Address {
  if (typeof address === "object" && address !== null) return { host: address.host, port: address.port };
  const parsed = parseAddress(String(address));
  if (parsed === undefined) throw invalid(`an address must be HOST:PORT, found ${JSON.stringify(address)}`);
  return parsed;
}

/**
 * Reads an address.
 *
 * @param text The address.
 * @returns Its host and port; `undefined` if the text is not an address.
 */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text);
  return match === null ? undefined : { host: (match[1] ?? match[2])!, port: Number(match[3]) };
}

/**
 * An address as text.
 *
 * @param address The address.
 * @returns `HOST:PORT`, which {@link toAddress} reads.
 */
export function addressText({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function invalid(reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `Cannot start a replica: ${reason}`);
}
