/**
 * The options of following a log, checked.
 *
 * @module
 */

import { FOLLOW_BYTES, type Following } from "../log/follow.ts";
import { checkNames } from "./option_names.ts";
import type { FollowOptions, Index } from "./types.ts";
import { checkSignal, invalid, isTerm, show } from "./validate.ts";

/**
 * Copies and checks the options of following a log.
 *
 * @param options The options.
 * @param durableIndex The last index that is durable.
 * @returns The start, the end, and the read-ahead.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function takeFollowOptions(options: FollowOptions, durableIndex: Index): Following {
  checkNames("Cannot follow the log", options, ["from", "previousTerm", "signal", "maxBytes"]);
  const { from = durableIndex + 1, previousTerm, signal, maxBytes = FOLLOW_BYTES } = options;
  const isAfterLast = from === Number.MAX_SAFE_INTEGER + 1;
  if (typeof from !== "number" || !(Number.isSafeInteger(from) || isAfterLast) || from < 1) {
    throw invalid(`Cannot follow the log: from must be a safe integer of 1 or more, found ${show(from)}`);
  }
  if (previousTerm !== undefined && !isTerm(previousTerm)) {
    throw invalid(
      `Cannot follow the log: previousTerm must be a safe integer of 0 or more, found ${show(previousTerm)}`,
    );
  }
  if (typeof maxBytes !== "number" || !(maxBytes >= 0)) {
    throw invalid(`Cannot follow the log: maxBytes must be a number of 0 or more, found ${show(maxBytes)}`);
  }
  checkSignal("Cannot follow the log", signal);
  return { from, previousTerm, maxBytes, signal };
}
