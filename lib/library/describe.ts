/** Errors, for an embedding program. */
import { describe as describeForPeople } from "../pipeline/status/describe_error.ts";
import { UserError } from "../util/errors.ts";
import { inLibraryWords } from "./names.ts";

/** What went wrong, and what to do next. */
export interface ErrorDescription {
  readonly message: string;
  readonly hint: string | undefined;
}

/**
 * The text for an error of the relay, MongoDB or CrateDB: no stack trace, no password.
 *
 * @example
 * IN: a MongoServerError with code 40573
 * OUT: {message: "MongoDB runs without a replica set, …", hint: "… rs.initiate() …"}
 */
export function describe(error: unknown): ErrorDescription {
  const { message, hint } = describeForPeople(error);
  return { message: inLibraryWords(message), hint: hint && inLibraryWords(hint) };
}

/** The same error. If it is one for users, its texts have the names of the library's options. */
export const reworded = (error: unknown): unknown =>
  error instanceof UserError ? Object.assign(error, describe(error)) : error;

/** @throws what the function throws, reworded */
export function rewording<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw reworded(error);
  }
}
