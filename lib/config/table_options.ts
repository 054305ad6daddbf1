/** The options that design new tables. */
import type { OptionTable } from "./option.ts";

export const NEW_TABLES = {
  shards: {
    type: "count",
    least: 1,
    help: "Shards of created tables; the default depends on the size",
    details:
      "By default one for each node if the collection has less than 5 GB, else CrateDB's own number. Fewer shards take less work to refresh.",
  },
  replicas: { type: "replicas", help: "Replicas of created tables, e.g. 1 or 0-1; by default CrateDB's own" },
  partitionBy: {
    type: "partition",
    help: "Partition created tables: month=$id, day=PATH, value=PATH, …",
    details:
      "The unit is year, month, week, day or hour of a time, or value. $id is the time of an ObjectId. docs/tables.md describes it.",
  },
  keep: {
    type: "retention",
    help: "Drop partitions older than this, e.g. 24 months",
    details: "Documents that are older have no row.",
  },
} as const satisfies OptionTable;

/** Only a file or a program gives these, which are mappings. */
export const DESIGN = {
  types: {
    type: "types",
    env: [],
    help: "Types of columns, by path: numeric(p,s), uuid, text without index, geo and vectors",
    details:
      "A table that exists is given the columns that it lacks; another type takes the command rebuild.",
  },
  fulltext: {
    type: "fulltext",
    env: [],
    help: "Full-text indexes of new tables: columns and analyzer, by name",
  },
  with: {
    type: "tableSettings",
    env: [],
    help: "Settings of new tables, as in CrateDB's WITH clause",
  },
} as const satisfies OptionTable;

/** The options of a table of options that are flags, too. */
export const flagsIn = <Table extends OptionTable>(table: Table): Omit<Table, keyof typeof DESIGN> =>
  Object.fromEntries(Object.entries(table).filter(([name]) => !(name in DESIGN))) as Omit<
    Table,
    keyof typeof DESIGN
  >;
