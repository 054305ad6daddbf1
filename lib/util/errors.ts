/** Errors that a user is told of. */

import { maskUrls } from "./mask_url.ts";

/** Wrong usage: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly hint: string | undefined;

  constructor(message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.hint = options.hint;
  }
}

/** A failure that ends the program: what happened, and what to do next. Exit code 1. */
export class UserError extends Error {
  override readonly name = "UserError";
  readonly hint: string | undefined;

  constructor(message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.hint = options.hint;
  }
}

/** What a person reads of a message; MongoDB's may quote a document of megabytes. */
const MAX_MESSAGE = 2_000;

/** The message of an error, with passwords in URLs masked, cut where it is very long. */
export function messageOf(error: unknown): string {
  const text = maskUrls(error instanceof Error ? error.message || error.name : String(error));
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;
}
