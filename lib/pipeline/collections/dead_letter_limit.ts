/** Stops a relay that writes only dead letters: then the cause is hardly in the documents. */
import { UserError } from "../../util/errors.ts";

/** The result of one write of a table. */
export interface WriteOutcome {
  /** Rows that were written. */
  readonly written: number;
  /** Documents that cannot be stored, and why, without their values. */
  readonly letters: readonly { readonly oid: string; readonly reason: string }[];
}

export type DeadLetterLimit = ReturnType<typeof deadLetterLimit>;

/** @param limit dead letters in succession, without a written row of any table between them */
export function deadLetterLimit(limit: number) {
  let count = 0;
  const countAfter = ({ written, letters }: WriteOutcome): number => {
    if (limit === 0) return letters.length;
    return written > 0 ? 0 : count + letters.length;
  };
  return {
    /**
     * Counts an outcome after its dead letters were saved. A written row of any table sets the count to 0.
     *
     * @example
     * IN: {written: 0, letters: 2 of them}, {written: 1, letters: 5}, {written: 0, letters: 2} → OUT: a count of 2, 0, 2
     */
    count(outcome: WriteOutcome): void {
      count = countAfter(outcome);
    },
    /** Checks an outcome before its dead letters are saved. @throws UserError if the count would exceed the limit */
    check(outcome: WriteOutcome): void {
      const last = outcome.letters.at(-1);
      if (!last || countAfter(outcome) <= limit) return;
      throw new UserError(
        `More than ${limit} documents in succession cannot be stored. The last one, ${last.oid}: ${last.reason}`,
        {
          hint:
            "Nothing is lost: the table has at most older rows of these documents, and the next start resumes before " +
            "them. cdc_dead_letter has only the last one, with the whole error. If the table or the server is at fault, " +
            "repair it; if the documents are, start with a larger --max-dead-letters.",
        },
      );
    },
  };
}
