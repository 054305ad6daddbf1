/** The sample of a collection is a help for the first columns, never a condition. */
import assert from "node:assert/strict";
import type { MongoClient } from "mongodb";
import { sampler } from "../../lib/source/documents/sample.ts";
import { QUIET } from "../../lib/util/log.ts";
import { inStep } from "../support/compare.ts";
import { failNext, TEST_COMMANDS } from "../support/fail_point.ts";
import { type OwnContext, ownMongodbTest } from "../support/own_mongodb.ts";
import { quietReader } from "../support/quiet_reader.ts";
import { variants } from "../support/nightly.ts";

type Document = { _id: number; [field: string]: unknown };

const REFUSED = /MongoDB refused a sample of the documents: creating columns as documents arrive/;

const setParameter = (mongodb: MongoClient, parameters: Record<string, unknown>) =>
  mongodb.db("admin").command({ setParameter: 1, ...parameters });

/** Documents for which `$sample` has to sort: too few for its random cursor. */
const fill = ({ mongodb, database }: OwnContext, name: string, { documents = 300, bytes = 2_000 } = {}) =>
  mongodb.db(database).collection<Document>(name).insertMany(
    Array.from({ length: documents }, (_, _id) => ({ _id, n: _id + 0.5, text: "x".repeat(bytes) })),
  );

const ALLOWED: Readonly<Record<string, boolean>> = { "allows disk use": true, "does not by default": false };

for (const [what, allowDiskUseByDefault] of Object.entries(ALLOWED)) {
  ownMongodbTest(
    `relay() starts if a sample does not fit into memory and the server ${what}`,
    async (context) => {
      await setParameter(context.mongodb, {
        allowDiskUseByDefault,
        internalQueryMaxBlockingSortMemoryUsageBytes: 200_000,
      });
      await fill(context, "data");
      const running = context.relay();
      await running.waitForLine(/Ready/);
      await inStep(context);
      assert.doesNotMatch(running.stderr.join("\n"), REFUSED);
      assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    },
  );
}

/** Codes by which servers refuse a sample: a sort over the limit, Atlas, `$sample` that repeats itself, a full disk. */
const CODES = variants([292], [8000, 28799, 14031]);

for (const code of CODES) {
  ownMongodbTest(
    `relay() goes on without a sample that is refused with code ${code}`,
    async (context) => {
      const { mongodb, database, schema, relay } = context;
      for (const name of ["one", "two"]) await fill(context, name, { documents: 20, bytes: 10 });
      // The size of the collection, and the sample.
      await failNext(mongodb, ["aggregate"], 2, { errorCode: code, namespace: `${database}.one` });
      const running = relay([
        "--database",
        database,
        "--collection",
        "*",
        "--table",
        `${schema}.{collection}`,
      ]);
      await running.waitForLine(/Ready/);
      for (const table of ["one", "two"]) await inStep({ ...context, table }, { collections: [table] });
      const told = running.stderr.filter((line) => REFUSED.test(line));
      assert.equal(told.length, 1, running.stderr.join("\n"));
      assert.match(told[0] ?? "", new RegExp(`${database}\\.one`));
      assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    },
    TEST_COMMANDS,
  );
}

for (const code of variants([13], [18])) {
  ownMongodbTest(
    `relay() ends if a sample is refused for lack of rights, code ${code}`,
    async (context) => {
      await fill(context, "data", { documents: 1 });
      const { mongodb, database } = context;
      await failNext(mongodb, ["aggregate"], 10, { errorCode: code, namespace: `${database}.data` });
      const running = context.relay();
      assert.equal((await running.status).code, 1);
      assert.match(running.stderr.join("\n"), /^Error: MongoDB (?:does not allow this|refused the user)/m);
    },
    TEST_COMMANDS,
  );
}

ownMongodbTest(
  "sampler takes fewer of large documents, and as many as it may of small ones",
  async (context) => {
    const { mongodb, database } = context;
    await fill(context, "large", { documents: 40, bytes: 1_000_000 });
    await fill(context, "small", { documents: 1_100, bytes: 10 });
    await using reader = quietReader(mongodb);
    const sample = sampler(reader, QUIET);
    const sizeOf = async (collection: string) => (await sample({ database, collection }, [])).length;
    assert.equal(await sizeOf("large"), 4);
    assert.equal(await sizeOf("small"), 1_000);
    assert.equal(await sizeOf("missing"), 0);
  },
);
