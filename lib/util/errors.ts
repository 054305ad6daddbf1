import { maskSecrets } from "./mask_url.ts";

/** A failure that ends the program, with exit code 1. The hint says what to do next. */
export class UserError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, { hint, cause }: Partial<Pick<UserError, "hint" | "cause">> = {}) {
    super(message, { cause });
    this.name = new.target.name;
    this.hint = hint;
  }
}

/** Wrong usage: exit code 2. */
export class UsageError extends UserError {}

/** MongoDB's messages may quote large documents. */
const MAX_MESSAGE_CHARACTERS = 2_000;

/** The message of an error: masks passwords in URLs, and cuts a long message. */
export function messageOf(error: unknown): string {
  const text = maskSecrets(error instanceof Error ? error.message || error.name : String(error));
  return text.length > MAX_MESSAGE_CHARACTERS ? `${text.slice(0, MAX_MESSAGE_CHARACTERS)}…` : text;
}

/**
 * A document that no row can store: not BSON, not UTF-8, an unknown type, or a long name. It becomes a dead letter.
 * The message has no values of the document.
 */
export class UnstorableError extends Error {
  override readonly name = "UnstorableError";
  /** Those that cannot be stored, for the dead letter. */
  readonly values: string | undefined;

  constructor(message: string, { values }: { readonly values?: string } = {}) {
    super(message);
    this.values = values;
  }
}

/** What is made of a document; undefined for an UnstorableError. */
export function ifStorable<Made>(make: () => Made): Made | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof UnstorableError) return undefined;
    throw error;
  }
}

/** For `catch()`: turns expected errors into undefined. @throws all others @example IN: read().catch(undefinedIf(isNotAllowed)) */
export const undefinedIf = (isExpected: (error: unknown) => boolean) => (error: unknown): undefined => {
  if (!isExpected(error)) throw error;
};

/** What is wrong with one entry of a mapping. */
export class EntryError extends RangeError {
  constructor(readonly key: string, readonly value: unknown, message: string) {
    super(message);
  }
}

/** Calls a function for an entry of a mapping. @throws EntryError for its RangeError */
export function ofEntry<Result>(key: string, value: unknown, make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    throw error instanceof RangeError ? new EntryError(key, value, error.message) : error;
  }
}

/** @throws RangeError for what is no mapping */
export function entriesOf(given: unknown): readonly (readonly [key: string, value: unknown])[] {
  if (given !== null && typeof given === "object" && !Array.isArray(given)) return Object.entries(given);
  throw new RangeError("is not a mapping (key: value)");
}
