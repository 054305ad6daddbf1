/** Whether a table equals a collection: a correct row for each document, and no other row. */
import assert from "node:assert/strict";
import type { BSON } from "mongodb";
import { fieldsByName } from "../../lib/bson/bson.ts";
import { cursorReply } from "../../lib/source/connection/causal_reader.ts";
import { normalizeDocument, normalizeRow } from "../../lib/mapping/normalize.ts";
import { keyText } from "../../lib/key/key_text.ts";
import { quoteTable } from "../../lib/sink/sql/names.ts";
import { eventually, type EventuallyOptions } from "../../dev/servers/eventually.ts";
import type { CratedbContext } from "./cratedb_harness.ts";

/** What differs of one key, as canonical JSON; undefined without a document or a row. */
export interface Difference {
  readonly oid: string;
  readonly document: string | undefined;
  readonly row: string | undefined;
}

/** Of CrateDB or PostgreSQL. */
export type Compared = Pick<CratedbContext, "mongodb" | "database" | "dialect" | "sql" | "schema" | "table">;

export interface CompareOptions {
  /** Whose documents, all with different keys, the table has. @default ["data"] */
  readonly collections?: readonly string[];
  /** Reads the documents as they were at this cluster time. @default {as they are} */
  readonly at?: BSON.Timestamp;
}

/**
 * @example
 * IN: collection [{_id: 1, t: 20.5}], table [{oid: "1", data: {_id: 1, t: 20}}]
 * OUT: [{oid: "1", document: '{"_id":1,"t":20.5}', row: '{"_id":1,"t":20}'}]
 */
export async function compare(context: Compared, options: CompareOptions = {}): Promise<Difference[]> {
  const [documents, rows] = await Promise.all([documentsOf(context, options), wholeRows(context)]);
  return [...new Set([...documents.keys(), ...rows.keys()])]
    .map((oid) => ({ oid, document: documents.get(oid), row: rows.get(oid) }))
    .filter(({ document, row }) => document !== row);
}

/** Resolves when nothing differs; at the time-out, throws with the first differences. */
export const inStep = (context: Compared, options: CompareOptions & EventuallyOptions = {}): Promise<void> =>
  eventually(async () => {
    const differing = await compare(context, options);
    assert.deepEqual(differing.slice(0, 5), [], `${differing.length} keys differ`);
  }, options);

async function documentsOf(
  { mongodb, database }: Compared,
  { collections = ["data"], at }: CompareOptions,
): Promise<Map<string, string>> {
  const documents = new Map<string, string>();
  if (at) {
    const readConcern = { level: "snapshot", atClusterTime: at };
    for (const find of collections) {
      const command = { find, readConcern, batchSize: 1_000_000 };
      const reply = await cursorReply(mongodb.db(database), command, {});
      assert.equal(reply.cursorId, 0n);
      for (const bytes of reply.documents) {
        const id = fieldsByName(bytes).get("_id");
        assert.ok(id);
        documents.set(keyText(id), normalizeDocument(bytes));
      }
    }
    return documents;
  }
  for (const collection of collections) {
    for await (const raw of mongodb.db(database).collection(collection).find({}, { raw: true })) {
      const bytes = raw as unknown as Uint8Array;
      const id = fieldsByName(bytes).get("_id");
      assert.ok(id);
      documents.set(keyText(id), normalizeDocument(bytes));
    }
  }
  return documents;
}

/** The context whose rows are those of the view without deleted ones. */
export const live = (context: CratedbContext): CratedbContext => ({
  ...context,
  table: `${context.table}_live`,
  dialect: { ...context.dialect, refresh: () => `REFRESH TABLE "${context.schema}"."${context.table}"` },
});

/** Canonical JSON of `data` and `overflow` merged, by `oid`. */
export async function wholeRows({ dialect, sql, schema, table }: Compared): Promise<Map<string, string>> {
  const name = { schema, name: table };
  const refresh = dialect.refresh?.(name);
  if (refresh) await sql(refresh);
  const rows = await sql(
    `SELECT oid, data::text AS data, overflow::text AS overflow FROM ${quoteTable(name)}`,
  );
  return new Map(
    rows.map(({ oid, data, overflow }) => [
      String(oid),
      normalizeRow(String(data), overflow === null ? null : String(overflow)),
    ]),
  );
}
