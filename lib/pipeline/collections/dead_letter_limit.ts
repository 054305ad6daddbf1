/** Stops a relay that writes only dead letters: then the cause is hardly in the documents. */
import { UserError } from "../../util/errors.ts";

/** The result of one write of a table. */
export interface WriteOutcome {
  /** Rows that were written. */
  readonly written: number;
  /** Documents that cannot be stored, with the errors. */
  readonly letters: readonly { readonly oid: string; readonly error: string }[];
}

export class DeadLetterLimit {
  readonly #limit: number;
  #count = 0;

  /** @param limit dead letters in succession, without a written row of any table between them */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Counts an outcome after its dead letters were saved. A written row of any table sets the count to 0.
   *
   * @example
   * IN: {written: 0, letters: 2 of them}, {written: 1, letters: 5}, {written: 0, letters: 2} → OUT: a count of 2, 0, 2
   */
  count(outcome: WriteOutcome): void {
    this.#count = this.#after(outcome);
  }

  /**
   * Checks an outcome before its dead letters are saved.
   *
   * @throws UserError when the count exceeds the limit
   */
  check(outcome: WriteOutcome): void {
    const [last] = outcome.letters.slice(-1);
    if (!last || this.#after(outcome) <= this.#limit) return;
    throw new UserError(
      `More than ${this.#limit} documents in succession cannot be stored. The last one, ${last.oid}: ${last.error}`,
      {
        hint:
          "Nothing is lost: the table has at most older rows of these documents, no dead letters of them are kept, and " +
          "the next start resumes before them. If the table or the server is at fault, repair it; if the documents are, start with a larger " +
          "--max-dead-letters.",
      },
    );
  }

  #after({ written, letters }: WriteOutcome): number {
    if (this.#limit === 0) return letters.length;
    return written > 0 ? 0 : this.#count + letters.length;
  }
}
