/** Errors of one table, which cannot store the rows of its collection: what is wrong, and how to repair it. */
import { UserError } from "../../util/errors.ts";
import { isSinkError, SinkError, type SinkErrorKind } from "../connection/sink_error.ts";
import type { DefinedColumn } from "./show_create_table.ts";
import { columnName, quoteTable, type TableName } from "../sql/names.ts";

export class UnusableTableError extends UserError {}

/** The server refuses to create or to read a table. */
export class RefusedTableError extends SinkError {
  constructor(error: SinkError) {
    super(error.message, { code: error.code, kind: error.kind, cause: error });
  }
}

/** Errors of one table, while it is in use, and while it is opened. */
const TABLE_KINDS: readonly SinkErrorKind[] = ["privilege", "unknown relation", "unknown schema"];
const OPENING_KINDS: readonly SinkErrorKind[] = [...TABLE_KINDS, "too many shards", "refused"];

/** Whether an error concerns one table only. @example IN: the kind "privilege" → OUT: true; IN: "unreachable" → OUT: false */
export const isUnusableTable = (error: unknown): boolean =>
  error instanceof UnusableTableError || error instanceof RefusedTableError ||
  isSinkError(error, ...TABLE_KINDS);

/** Marks an error of one table. An unspecific one counts only for a table without rows, of which nothing can be lost. */
export const errorOfOpening = (error: unknown, { hasRows }: { readonly hasRows: boolean }): unknown =>
  isSinkError(error, ...OPENING_KINDS) || !hasRows && isSinkError(error, "unspecific")
    ? new RefusedTableError(error)
    : error;

export interface TableFault {
  /** As part of a sentence, e.g. `it has no \`oid\` column of type TEXT`. */
  readonly what: string;
  /** Subscripts of the columns at fault, if the table can be used without them. */
  readonly columns?: readonly string[];
  /** Whether another design of the table has it: then it can be rebuilt. */
  readonly isDesign?: boolean;
}

/** Columns that would change values or add some to rows, and `needed` columns that were dropped. */
export function columnFaults(
  columns: readonly DefinedColumn[],
  needed: readonly string[] = [],
): TableFault[] {
  const faults = columns.flatMap(({ path, type }): TableFault[] => {
    const [top] = path;
    if (top === "overflow" && path.length === 1 && type !== "OBJECT(IGNORED)") {
      const kind = type.replace(/ AS \($/, " with columns");
      const what = `its \`overflow\` is not a plain OBJECT(IGNORED), but ${kind}`;
      const below = columns.filter(({ path }) => path.length === 2 && path[0] === top);
      return [type === "OBJECT(IGNORED) AS (" ? { what, columns: below.map(nameOf) } : { what }];
    }
    const own = /\b(?:DEFAULT|GENERATED ALWAYS)\b/.exec(type)?.[0];
    if (top !== "data" || !own) return [];
    const column = columnName(path);
    return [{ what: `${column} gets values from the table (${own})`, columns: [column] }];
  });
  const missing = needed.filter((name) => !columns.some(({ path }) => path.length === 1 && path[0] === name));
  return [...faults, ...missing.map((name) => ({ what: `its column \`${name}\` was dropped` }))];
}

const nameOf = ({ path }: DefinedColumn): string => columnName(path);

export function unusableTable(table: TableName, faults: readonly TableFault[]): UnusableTableError {
  const name = quoteTable(table);
  const drops = faults.flatMap(({ columns = [] }) => columns).map((column) => `DROP COLUMN ${column}`);
  const rebuild = faults.every(({ isDesign }) => isDesign)
    ? "Correct the settings, or write it again without a snapshot: stop its relay, and run rebuild " +
      "DATABASE.COLLECTION with its options. Or name"
    : undefined;
  const canBeRepaired = faults.every(({ columns }) => columns !== undefined);
  return new UnusableTableError(
    `Table ${name} cannot be used: ${faults.map(({ what }) => what).join(", ")}.`,
    {
      hint: (rebuild ??
        "Its rows would not equal the documents. " +
          (canBeRepaired
            ? `Drop the columns:\n  ALTER TABLE ${name} ${drops.join(", ")}\nOr name`
            : "Name")) +
        " another table with --table, or move this one out of the way:\n" +
        `  ALTER TABLE ${name} RENAME TO "${table.name}-old"`,
    },
  );
}
