/** Errors that a user is told of. */

import { maskSecrets } from "./mask_url.ts";

export interface UserErrorOptions {
  /** What to do next. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** A failure that ends the program: what happened, and what to do next. Exit code 1. */
export class UserError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, { hint, cause }: UserErrorOptions = {}) {
    super(message, { cause });
    this.name = new.target.name;
    this.hint = hint;
  }
}

/** Wrong usage: exit code 2. */
export class UsageError extends UserError {}

/** What a person reads of a message; MongoDB's may quote a document of megabytes. */
const MAX_MESSAGE_CHARACTERS = 2_000;

/** The message of an error, with passwords in URLs masked, cut where it is very long. */
export function messageOf(error: unknown): string {
  const text = maskSecrets(error instanceof Error ? error.message || error.name : String(error));
  return text.length > MAX_MESSAGE_CHARACTERS ? `${text.slice(0, MAX_MESSAGE_CHARACTERS)}…` : text;
}
