/** Dead letters of a collection: how many stop a relay, and which of them new columns could store. */
import { ifStorable, messageOf, UserError } from "../../util/errors.ts";
import { fieldsByName } from "../../bson/bson.ts";
import { additions, type Column } from "../../mapping/column_tree.ts";
import { SinkError, withoutValues } from "../../sink/connection/sink_error.ts";
import type { StoredLetter } from "../../sink/metadata/dead_letters.ts";

/** The result of one write of a table. */
export interface WriteOutcome {
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
    /**
     * Checks an outcome before its dead letters are saved.
     *
     * @param save saves the last dead letter before the error, which lacks the server's message
     * @throws UserError if the count would exceed the limit, also if the dead letter cannot be saved
     */
    async check(outcome: WriteOutcome, save: () => Promise<void>): Promise<void> {
      const last = outcome.letters.at(-1);
      if (!last || countAfter(outcome) <= limit) return;
      let { reason } = last;
      let cause: unknown;
      try {
        await save();
      } catch (error) {
        if (!(error instanceof SinkError)) throw error;
        cause = error;
        reason += `. Its dead letter cannot be saved: ${messageOf(withoutValues("the server", error, "it"))}`;
      }
      throw new UserError(
        `More than ${limit} documents in succession cannot be stored. The last one, ${last.oid}: ${reason}`,
        {
          hint:
            "Nothing is lost: the table has at most older rows of these documents, and the next start resumes before " +
            "them. cdc_dead_letter has at most the last one, with the whole error. If the table or the server is at " +
            "fault, repair it; if the documents are, start with a larger --max-dead-letters.",
          cause,
        },
      );
    },
  };
}

interface FittingDeps {
  readonly columns: { readonly columns: Column };
  readonly deadLetters: { read(): AsyncIterable<readonly StoredLetter[]> };
}

interface Retrying {
  retryDeadLetters(oids: readonly string[]): Promise<unknown>;
  refresh(): Promise<void>;
}

/** @returns a function that tries dead letters again if the table got columns for them since the last call */
export function fittingLetters(
  { columns, deadLetters }: FittingDeps,
  applier: Retrying,
): () => Promise<void> {
  let known = columns.columns;
  return async () => {
    const added = additions({ ...known, closed: false }, columns.columns);
    known = columns.columns;
    if (added.length === 0) return;
    const names = added.flatMap(({ path }) => path.slice(0, 1));
    const oids: string[] = [];
    for await (const letters of deadLetters.read()) {
      for (const each of letters) {
        if ("document" in each && hasSome(each.document, names)) oids.push(each.oid);
      }
    }
    if (oids.length === 0) return;
    await applier.retryDeadLetters(oids);
    await applier.refresh();
  };
}

function hasSome(document: Uint8Array, names: readonly string[]): boolean {
  const fields = ifStorable(() => fieldsByName(document));
  return fields !== undefined && names.some((name) => fields.has(name));
}
