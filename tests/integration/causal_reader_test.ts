/** All reads go through one door, which tries again. */
import assert from "node:assert/strict";
import type { CausalReader } from "../../lib/source/connection/causal_reader.ts";
import { collectionsOf, estimatedCount } from "../../lib/source/documents/collections.ts";
import { sampler } from "../../lib/source/documents/sample.ts";
import { Scope } from "../../lib/source/documents/scope.ts";
import { deploymentOf } from "../../lib/source/documents/source_identity.ts";
import { QUIET } from "../../lib/util/log.ts";
import { failNext, TEST_COMMANDS } from "../support/fail_point.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";
import { quietReader } from "../support/quiet_reader.ts";

const scopeOf = (database: string) => new Scope({ databases: [database], collections: ["*"], exclude: [] });

type Source = { readonly database: string };

/** The command that fails, and what is read by it. */
const READS: Readonly<Record<string, (reader: CausalReader, source: Source) => Promise<unknown>>> = {
  listCollections: async (reader, { database }) =>
    (await collectionsOf(reader, scopeOf(database), { log: QUIET })).length,
  replSetGetConfig: async (reader) => (await deploymentOf(reader))?.length === 24 ? 1 : 0,
  count: (reader, { database }) => estimatedCount(reader, [{ database, collection: "data" }]),
  aggregate: async (reader, { database }) =>
    (await sampler(reader, QUIET)({ database, collection: "data" }, [])).length,
};

for (const [command, read] of Object.entries(READS)) {
  ownMongodbTest(`CausalReader tries again when ${command} fails`, async ({ mongodb, database }) => {
    await mongodb.db(database).collection("data").insertOne({ n: 1 });
    await using reader = quietReader(mongodb);
    await failNext(mongodb, [command], 2);
    assert.equal(await read(reader, { database }), 1);
  }, TEST_COMMANDS);
}
