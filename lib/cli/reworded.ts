/** Makes the errors of a stream name the origin of its URLs. */
import type { Reword } from "../config/origins.ts";
import { describe } from "../pipeline/status/describe_error.ts";
import { UsageError, UserError } from "../util/errors.ts";

/** An error with a reworded message and hint; the same one if it is unexpected, or names no variable. */
export function reworded(error: unknown, reword: Reword): unknown {
  const { message, hint, exitCode, stack } = describe(error);
  const changed = { message: reword(message), hint: hint && reword(hint) };
  if (stack || changed.message === message && changed.hint === hint) return error;
  return new (exitCode === 2 ? UsageError : UserError)(changed.message, { hint: changed.hint, cause: error });
}
