/** What tests of several collections have in common: each collection of the test's database has the table of its name. */
import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "./compare.ts";
import type { CratedbContext } from "./cratedb_harness.ts";
import { oidsOf, tablesOf } from "./follow.ts";
import type { Running } from "./program.ts";

export type Document = { _id: string; n?: number };

/** Flags: all collections of the test's database, each in the table of its name in the test's schema. */
export const whole = ({ database, schema }: CratedbContext) => [
  "--database",
  database,
  "--table",
  `${schema}.{collection}`,
];

export const collectionOf = ({ mongodb, database }: CratedbContext, name: string) =>
  mongodb.db(database).collection<Document>(name);

export const insert = (context: CratedbContext, name: string, ...ids: string[]) =>
  collectionOf(context, name).insertMany(ids.map((_id) => ({ _id, n: 1 })));

export const seen = (context: CratedbContext, table: string, oids: readonly string[]) =>
  eventually(async () => assert.deepEqual(await oidsOf(context, table), oids), { interval: 50 });

export const tablesAre = (context: CratedbContext, tables: readonly string[]) =>
  eventually(async () => assert.deepEqual(await tablesOf(context, context.schema), tables), { interval: 50 });

/** Everything before this has been landed. */
export async function settled(context: CratedbContext): Promise<void> {
  await insert(context, "zz", crypto.randomUUID());
  await inStep({ ...context, table: "zz" }, { collections: ["zz"] });
}

export const stops = async (running: Running) =>
  assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
