/** Compares collections and tables, document by document. */
import { UserError } from "../../lib/util/errors.ts";
import { normalizeDocument, normalizeRow } from "../../lib/mapping/normalize.ts";
import { poll } from "./poll.ts";
import type { Screen } from "./screen.ts";
import type { Sides } from "./sides.ts";
import { textTable } from "../../lib/util/text.ts";

interface Difference {
  readonly oid: string;
  /** Normalized JSON; undefined if there is none. */
  readonly document: string | undefined;
  readonly row: string | undefined;
}

interface Compared {
  readonly collection: string;
  readonly documents: number;
  readonly rows: number;
  readonly differences: readonly Difference[];
}

export interface ShowCheckOptions {
  readonly sides: Pick<Sides, "documents" | "rows">;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  /** How long rows may still take to arrive, in milliseconds. @default 5_000 */
  readonly grace?: number;
}

const MAX_SHOWN = 5;

/** @throws UserError when they differ */
export async function showCheck(
  collections: readonly string[],
  { sides, screen, signal, grace = 5_000 }: ShowCheckOptions,
): Promise<void> {
  const end = performance.now() + grace;
  const all = await poll(async () => {
    const compared = await Promise.all(collections.map((collection) => compare(collection, sides)));
    const equal = compared.every(({ differences }) => differences.length === 0);
    return equal || performance.now() >= end ? compared : undefined;
  }, { signal, what: "the comparison" });
  const sum = (count: (compared: Compared) => number): number =>
    all.reduce((total, compared) => total + count(compared), 0);
  const documents = sum((each) => each.documents);
  const rows = sum((each) => each.rows);
  const differing = sum(({ differences }) => differences.length);
  screen.print(
    "",
    `${screen.strong("Check")}: each document and its row, data and overflow merged, value by value`,
    ...textTable({
      header: ["collection", "documents", "rows", "differing"],
      rows: all.map((each) => [
        each.collection,
        `${each.documents}`,
        `${each.rows}`,
        `${each.differences.length}`,
      ]),
    }, screen.width - 2).map((line, at) => `  ${at === 0 ? screen.strong(line) : line}`),
    ...all.flatMap(({ collection, differences }) =>
      differences.slice(0, MAX_SHOWN).flatMap(({ oid, document, row }) => [
        `  ${collection} ${oid}`,
        `    document  ${document ?? "none"}`,
        `    row       ${row ?? "none"}`,
      ])
    ),
  );
  if (differing > 0) {
    throw new UserError(`Collections and tables differ: ${differing} keys.`, {
      hint: "Please report it, with the lines above.",
    });
  }
  screen.print(`  Equal: ${documents} documents, ${rows} rows, none differs.`);
}

async function compare(collection: string, sides: ShowCheckOptions["sides"]): Promise<Compared> {
  const [found, seen] = await Promise.all([sides.documents(collection), sides.rows(collection)]);
  const documents = new Map(found.map(({ oid, bytes }) => [oid, normalizeDocument(bytes)]));
  const rows = new Map(seen.map(({ oid, data, overflow }) => [oid, normalizeRow(data, overflow)]));
  const differences = [...new Set([...documents.keys(), ...rows.keys()])]
    .map((oid) => ({ oid, document: documents.get(oid), row: rows.get(oid) }))
    .filter(({ document, row }) => document !== row);
  return { collection, documents: found.length, rows: seen.length, differences };
}
