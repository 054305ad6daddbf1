/** What a table will have and what will not fit, predicted from a sample by the code with which a relay creates it. */
import { withoutFields } from "../bson/without_fields.ts";
import { isRefusedName } from "../mapping/classify.ts";
import { type Column, innermost } from "../mapping/column_tree.ts";
import { unescapeNames } from "../mapping/escape_name.ts";
import { columnOfMost, countFields, type FieldCounts } from "../mapping/field_counts.ts";
import { type SplitDocument, splitDocument } from "../mapping/split_document.ts";
import type { CollectionSettings } from "../pipeline/settings.ts";
import { typeName, typeText } from "../sink/table/column_definition.ts";
import { columnsAfter } from "../sink/columns/column_plan.ts";
import { addColumns, TableSchema } from "../sink/columns/table_schema.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { type ColumnMode, CRATEDB } from "../sink/sql/dialect.ts";
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

export interface TablePlan {
  /** The columns of the table, as a relay would create it. */
  readonly definition: string;
  /** The statement that creates the table, or the columns that it lacks; empty for none. */
  readonly ddl: string;
  readonly columns: { readonly used: number; readonly limit: number };
  readonly paths: readonly PlannedPath[];
  /** The shares of the documents whose rows have an overflow, and of those that no row can store. */
  readonly overflowing: number;
  readonly unstorable: number;
}

export interface TableOptions {
  readonly table: TableName;
  readonly exists: boolean;
  /** The clauses that add what an existing table lacks of its design. @default {none} */
  readonly missing?: readonly string[];
  readonly settings: TableDesign & Pick<CollectionSettings, "omit">;
}

/** Answers as CrateDB does for a table without columns below `data`. */
const paper = (mode: ColumnMode, data?: Column): Transport => {
  const { dataDefinition, overflowDefinition } = CRATEDB;
  const type = data ? typeText(data, { depth: 1 }) : dataDefinition[mode];
  const columns = `"oid" TEXT,\n   "data" ${type},\n   "overflow" ${overflowDefinition}`;
  const rows = [[`CREATE TABLE (\n   ${columns}\n)`]];
  return {
    dialect: CRATEDB,
    query: () => Promise.resolve({ count: 1, rows }),
    async [Symbol.asyncDispose]() {},
  };
};

/** @returns the plan, and the rows of the sample */
export async function planTable(
  sample: readonly Uint8Array[],
  transport: Transport,
  { table, exists, missing = [], settings: { omit, ...design } }: TableOptions,
): Promise<{ readonly plan: TablePlan; readonly rows: readonly SplitDocument[] }> {
  const { columns: mode } = design;
  const { dialect, dialect: { isJsonb } } = transport;
  const documents = sample.map((document) => withoutFields(document, omit));
  const counts = countFields(documents);
  const [isTyped, isDynamic] = [mode === "typed" && !isJsonb, mode === "dynamic" && !isJsonb];
  const source = isJsonb ? paper("ignored") : exists ? transport : paper(mode, design.types?.data);
  const schema = new TableSchema(source, { table, inferred: isDynamic, log: QUIET });
  await schema.load();
  const wanted = schema.columns.kind === "object" ? columnOfMost(counts) : undefined;
  const added = wanted ? schema.plan(wanted) : { missing: [], full: [], withIds: [] };
  const after = columnsAfter(schema.columns, added);
  const columns = isJsonb ? { kind: "jsonb" } as const : isDynamic ? schema.assuming(added.missing) : after;
  const { rows, outside } = splitAll(documents, columns);
  const types = { ...isTyped && { data: typeText(after, { depth: 1 }) }, gap: "\n   " };
  const definition = tableDefinition(dialect, design, types);
  const designed = missing.length > 0 ? [`ALTER TABLE ${quoteTable(table)} ${missing.join(", ")}`] : [];
  const lacks = isTyped && added.missing.length > 0 ? [addColumns(table, added.missing)] : [];
  const { limit, room } = schema.budget;
  const share = (part = 0) => documents.length === 0 ? 0 : part / documents.length;
  const plan = {
    definition,
    ddl: exists
      ? [...designed, ...lacks].join(";\n")
      : `CREATE TABLE IF NOT EXISTS ${quoteTable(table)} ${definition}`,
    columns: { limit, used: limit - room + sizeOf(after) - sizeOf(schema.columns) },
    paths: [...pathsOf(counts, columns, { prefix: "", names: [], overflow: (at) => share(outside.get(at)) })],
    overflowing: share(rows.filter(({ overflowed }) => overflowed).length),
    unstorable: share(documents.length - rows.length),
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

interface Place {
  /** The path of the object, with a dot at its end. */
  readonly prefix: string;
  readonly names: readonly string[];
  readonly overflow: (path: string) => number;
}

/** The paths below an object, in the order of their first values. The keys of a map are none. */
function* pathsOf(counts: FieldCounts, parent: Column, place: Place): Generator<PlannedPath> {
  for (const [name, field] of counts.children) {
    const names = [...place.names, name];
    let [column, values, path] = [parent.children?.get(name), field, place.prefix + name];
    const none = isRefusedName(name) ? "none, for its name" : parent.children ? "none" : parent.kind;
    const overflow = place.overflow(JSON.stringify(names));
    yield { path, types: sharesOf(values), column: column ? typeName(column) : none, overflow };
    while (column?.element && values.items) {
      [column, values, path] = [column.element, values.items, `${path}[]`];
      yield { path, types: sharesOf(values), column: typeName(column), overflow: 0 };
    }
    if (column?.children) yield* pathsOf(values, column, { ...place, prefix: `${path}.`, names });
  }
}

function sharesOf({ types }: FieldCounts): PlannedPath["types"] {
  const all = types.values().reduce((sum, each) => sum + each, 0);
  const sorted = [...types].sort(([, one], [, other]) => other - one);
  return Object.fromEntries(sorted.map(([type, each]) => [type, each / all]));
}
