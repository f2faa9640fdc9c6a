/** The clients of a simulated Raft cluster: their commands, the answers, and the leaders that they know. */

import type {
  Action,
  LeaderChangedAction,
  ProposalFailedAction,
  ProposedAction,
  ProposeEvent,
} from "../src/raft/mod.ts";
import { decode, encode, type Machine } from "./raft_machines.ts";
import type { Safety } from "./raft_safety.ts";

/** A command, and its known outcome. */
interface Command {
  /** The answer to the client: the command's index and term, or its failure. */
  answer: string | undefined;
  /** The index and term at which it was applied. */
  applied: string | undefined;
}

/** All commands. Each has a different text. */
export class Clients {
  readonly #safety: Safety;
  readonly #commands: Command[] = [];

  constructor(safety: Safety) {
    this.#safety = safety;
  }

  /** Makes a command that is proposed once. */
  propose(): ProposeEvent & { readonly id: number } {
    const id = this.#commands.push({ answer: undefined, applied: undefined }) - 1;
    return { type: "propose", command: encode(`${id}`), id };
  }

  /** The client's answer; `undefined` if there is none yet. */
  answerOf(id: number): string | undefined {
    return this.#commands[id]!.answer;
  }

  /** Records that a node has rejected a command at once. */
  refused(id: number): void {
    this.#answer(id, "not-applied");
  }

  /** Records a node's report on a command. */
  told(action: ProposedAction | ProposalFailedAction): void {
    if (action.type === "proposalFailed") this.#answer(action.id, action.outcome);
    else this.#answer(action.id, placeOf(action));
  }

  #answer(id: number, answer: string): void {
    const command = this.#commands[id]!;
    this.#safety.require(command.answer === undefined, "Proposals are answered once", () => `${id} is answered again`);
    command.answer = answer;
    this.#check(id);
  }

  /** Records that a node has applied a command. */
  applied(action: Action & { readonly type: "apply" }): void {
    const id = Number(decode(action.command));
    const command = this.#commands[id]!;
    const place = placeOf(action);
    this.#safety.require(
      (command.applied ?? place) === place,
      "Commands are applied once",
      () => `${id} is applied at ${command.applied} and at ${place}`,
    );
    command.applied = place;
    this.#check(id);
  }

  #check(id: number): void {
    const { answer = "unknown", applied = answer } = this.#commands[id]!;
    this.#safety.require(
      answer === "unknown" || answer === applied,
      "Proposals are answered truly",
      () => `${id} is ${answer}, and was applied at ${applied}`,
    );
  }
}

function placeOf({ index, term }: { readonly index: number; readonly term: number }): string {
  return `${index}@${term}`;
}

/** Checks that a node reports its leader or role only when it has changed. */
export function requireLeaderChange(safety: Safety, machine: Machine, action: LeaderChangedAction): void {
  const { term, leader, role } = action;
  const last = machine.announced ?? { term: 0, leader: null, role: "follower" };
  safety.require(
    leader !== last.leader || role !== last.role || (leader !== null && term > last.term),
    "Leaders are announced once",
    () => `${machine.id} is again a ${role} in term ${term} with leader ${leader}`,
  );
  if (role === "leader") safety.led(machine.id, term);
  machine.announced = { term, leader, role };
}
