/** Dead letters that new columns of their table could store: those with a value for one of them. */
import { fieldsByName } from "../../bson/bson.ts";
import { additions, type Column } from "../../mapping/column_tree.ts";
import type { StoredLetter } from "../../sink/metadata/dead_letters.ts";
import { UnstorableError } from "../../util/errors.ts";

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
  try {
    const fields = fieldsByName(document);
    return names.some((name) => fields.has(name));
  } catch (error) {
    if (error instanceof UnstorableError) return false;
    throw error;
  }
}
