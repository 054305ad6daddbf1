/** Errors of a stream that name the origin of its URLs. */
import type { InWords } from "../config/origins.ts";
import { describe } from "../pipeline/status/describe_error.ts";
import { UsageError, UserError } from "../util/errors.ts";

/** An error whose message and hint are in these words: the same one if it is unexpected, or names no variable. */
export function reworded(error: unknown, inWords: InWords): unknown {
  const { message, hint, exitCode, stack } = describe(error);
  const changed = { message: inWords(message), hint: hint && inWords(hint) };
  if (stack || changed.message === message && changed.hint === hint) return error;
  return new (exitCode === 2 ? UsageError : UserError)(changed.message, { hint: changed.hint, cause: error });
}
