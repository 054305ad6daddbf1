/** What a table will have and what will not fit, predicted from a sample by the code with which a relay creates it. */
import { withoutFields } from "../bson/without_fields.ts";
import { isRefusedName } from "../mapping/classify.ts";
import { type Column, innermost } from "../mapping/column_tree.ts";
import { escapeName, escapeTopName, unescapeNames } from "../mapping/escape_name.ts";
import { columnOfMost, countFields, type FieldCounts, inOrder } from "../mapping/field_counts.ts";
import { type SplitDocument, splitDocument } from "../mapping/split_document.ts";
import type { CollectionSettings } from "../pipeline/settings.ts";
import { partOf } from "../mapping/partition.ts";
import { typeName, typeText } from "../sink/table/column_definition.ts";
import { addColumns, TableSchema } from "../sink/columns/table_schema.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { CRATEDB } from "../sink/sql/dialect.ts";
import { quoteTable, type TableName } from "../sink/sql/names.ts";
import { tableDefinition, type TableDesign } from "../sink/table/table_design.ts";
import { UnstorableError } from "../util/errors.ts";
import { jsonOfBytes } from "../util/json_writer.ts";
import { QUIET } from "../util/log.ts";
import { isNothing, type Json, parseJson } from "../util/lossless_json.ts";

export interface PlannedPath {
  /** For example `items[].price`. */
  readonly path: string;
  /** The share of each BSON type. */
  readonly types: Readonly<Record<string, number>>;
  /** The type of the column; `none` without one. */
  readonly column: string;
  /** The share of the documents whose value goes to `overflow`. */
  readonly overflow: number;
}

export interface TableOptions {
  readonly table: TableName;
  readonly exists: boolean;
  /** The clauses that add what an existing table lacks of its design. @default {none} */
  readonly missing?: readonly string[];
  readonly settings: TableDesign & Pick<CollectionSettings, "omit">;
}

/** @returns the plan, and the rows of the sample */
export async function planTable(
  sample: readonly Uint8Array[],
  transport: Pick<Transport, "dialect" | "query">,
  { table, exists, missing: designed = [], settings: { omit, ...design } }: TableOptions,
) {
  const { columns: mode } = design;
  const { dialect, dialect: { isJsonb } } = transport;
  const documents = sample.map((document) => withoutFields(document, omit));
  const counts = countFields(documents);
  /** The answer of CrateDB for a table without columns below `data`. */
  const empty = () =>
    Promise.resolve({
      count: 1,
      rows: [[tableDefinition(CRATEDB, isJsonb ? { columns: "ignored" } : design)]],
    });
  const source = { ...transport, query: exists && !isJsonb ? transport.query : empty } as Transport;
  const schema = new TableSchema(source, { table, inferred: mode === "dynamic", log: QUIET });
  await schema.load();
  const wanted = columnOfMost(counts);
  const missing = wanted ? schema.missing(wanted) : [];
  const columns = isJsonb ? { kind: "jsonb" } as const : schema.assuming(missing);
  const { rows, outside } = splitAll(documents, columns);
  const isTyped = mode === "typed" && !isJsonb;
  const definition = tableDefinition(dialect, design, isTyped ? typeText(columns) : undefined);
  const lacking = [
    ...designed.map((clause) => `ALTER TABLE ${quoteTable(table)} ${clause}`),
    ...isTyped && missing.length > 0 ? [addColumns(table, missing)] : [],
  ].join(";\n");
  const { limit, room } = schema.budget;
  const { partitionBy } = design;
  const parts = partitionBy && documents.map((document) => partOf(document, partitionBy));
  const share = (part = 0) => documents.length === 0 ? 0 : part / documents.length;
  const plan = {
    definition,
    /** The statement that creates the table, or the columns that it lacks; empty for none. */
    ddl: exists ? lacking : `CREATE TABLE IF NOT EXISTS ${quoteTable(table)} ${definition}`,
    columns: { limit, used: limit - room + sizeOf(columns) - sizeOf(schema.columns) },
    paths: [...pathsOf(counts, columns, { overflowOf: (path) => share(outside.get(JSON.stringify(path))) })],
    /** The shares of the documents whose rows have an overflow, and of those that no row can store. */
    overflowing: share(rows.filter(({ overflowed }) => overflowed).length),
    unstorable: share(documents.length - rows.length),
    /** Those of the sample, and the share of the documents that have no value for theirs. */
    partitions: parts && {
      count: new Set(parts).size,
      unfit: share(parts.filter((part) => part === undefined).length),
    },
  };
  return { plan, rows };
}

const sizeOf = (column: Column): number =>
  [...innermost(column).children?.values() ?? []].reduce((sum, child) => sum + 1 + sizeOf(child), 0);

/** The rows, and the number of documents whose value at a path (as JSON) is in `overflow`. */
function splitAll(documents: readonly Uint8Array[], columns: Column) {
  const outside = new Map<string, number>();
  const visit = (value: Json, column: Column | undefined, names: readonly string[]): void => {
    const path = JSON.stringify(names);
    if (value instanceof Map && (names.length === 0 || column?.kind === "object")) {
      for (const [name, each] of value) visit(each, column?.children?.get(name), [...names, name]);
    } else if (!isNothing(value)) outside.set(path, (outside.get(path) ?? 0) + 1);
  };
  const rows: SplitDocument[] = [];
  for (const document of documents) {
    try {
      const row = splitDocument(document, columns);
      if (row.overflow) visit(unescapeNames(parseJson(jsonOfBytes(row.overflow))), columns, []);
      rows.push(row);
    } catch (error) {
      if (!(error instanceof UnstorableError)) throw error;
    }
  }
  return { rows, outside };
}

/** The paths below an object, in the order of its columns. The keys of a map are none. */
function* pathsOf(
  counts: FieldCounts,
  parent: Column,
  { prefix = "", names: above = [], overflowOf }: {
    /** The path of the object, with a dot at its end. */
    readonly prefix?: string;
    readonly names?: readonly string[];
    readonly overflowOf: (names: readonly string[]) => number;
  },
): Generator<PlannedPath> {
  for (const [name, field] of inOrder(counts.children)) {
    const names = [...above, name];
    let [column, values, path] = [parent.children?.get(name), field, prefix + name];
    const none = isRefusedName(name) ? "none, for its name" : parent.children ? "none" : parent.kind;
    const overflow = overflowOf(names);
    const spelled = above.length > 0 ? escapeName(name) : escapeTopName(name);
    const note = overflow > 0 && spelled !== name ? `; in overflow ${spelled}` : "";
    yield { path, types: sharesOf(values), column: (column ? typeName(column) : none) + note, overflow };
    while (column?.element && values.items) {
      [column, values, path] = [column.element, values.items, `${path}[]`];
      yield { path, types: sharesOf(values), column: typeName(column), overflow: 0 };
    }
    if (column?.children) yield* pathsOf(values, column, { prefix: `${path}.`, names, overflowOf });
  }
}

function sharesOf({ types }: FieldCounts): PlannedPath["types"] {
  const all = types.values().reduce((sum, each) => sum + each, 0);
  const sorted = [...types].sort(([, one], [, other]) => other - one);
  return Object.fromEntries(sorted.map(([type, each]) => [type, each / all]));
}
