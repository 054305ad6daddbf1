import assert from "node:assert/strict";
import { mostMemory } from "../../dev/process/most_memory.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { nightly } from "../support/nightly.ts";

/** What the documentation promises of the whole process. The kernel keeps the most that it has had. */
const LIMIT_BYTES = 350 * 1_000_000;
const TIMEOUT = { timeout: 90_000, interval: 250 };

interface Shape {
  readonly count: number;
  /** Documents of one insert. */
  readonly bulk: number;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly options: readonly string[];
}

/** Each is more than the limit on its way: as BSON, as JSON and as statements. */
const SHAPES: Readonly<Record<string, Shape>> = {
  "15 MB": { count: 8, bulk: 1, fields: { text: "t".repeat(15_000_000) }, options: ["--omit", "secret"] },
  "100 kB": { count: 1_000, bulk: 50, fields: { text: "t".repeat(100_000) }, options: [] },
  "200 fields": {
    count: 3_000,
    bulk: 500,
    fields: Object.fromEntries(
      Array.from({ length: 200 }, (_, n) => [`field_${n}`, n % 2 === 0 ? n / 7 : `text of field ${n}`]),
    ),
    options: ["--omit", "secret"],
  },
};

const collectionOf = ({ mongodb, database }: CratedbContext) => mongodb.db(database).collection("data");

async function insert(
  context: CratedbContext,
  { bulk, fields }: Shape,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<void> {
  for (let at = from; at < to; at += bulk) {
    await collectionOf(context).insertMany(
      Array.from({ length: bulk }, (_, n) => ({ n: at + n, v: 1, ...fields, secret: "s" })),
    );
  }
}

/** Resolves when each document has its row, all with this `v`, and no text is cut. */
async function allThere(
  { sql, schema, table }: CratedbContext,
  { count, v, fields: { text } }: Pick<Shape, "count" | "fields"> & { readonly v: number },
): Promise<void> {
  const shortest = typeof text === "string" ? text.length : null;
  const length = shortest === null ? "NULL" : "min(length(overflow['text']::TEXT))";
  await eventually(async () => {
    await sql(`REFRESH TABLE "${schema}"."${table}"`);
    const found = await sql(
      `SELECT count(*) AS rows, count(DISTINCT data['n']) AS n, min(data['v']) AS oldest, ` +
        `${length} AS shortest FROM "${schema}"."${table}"`,
    );
    assert.deepEqual(found, [{ rows: count, n: count, oldest: v, shortest }]);
  }, TIMEOUT);
}

for (const [what, shape] of Object.entries(SHAPES)) {
  const { count, options } = shape;
  nightly(cratedbTest, what !== "15 MB")(
    `relay(${options.join(" ")}) takes 350 MB at most for documents of ${what}`,
    async (context) => {
      await insert(context, shape, { from: 0, to: count / 2 });
      // It also looks whether the documents of all rows are still there.
      const running = context.relay(["--snapshot", "always", ...options]);
      await allThere(context, { ...shape, count: count / 2, v: 1 });
      await insert(context, shape, { from: count / 2, to: count });
      await collectionOf(context).updateMany({}, { $set: { v: 2 } });
      await allThere(context, { ...shape, v: 2 });
      const most = await mostMemory(running.pid);
      if (most !== undefined) assert.ok(most < LIMIT_BYTES, `${most} bytes`);
      assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    },
    { ownProcess: true },
  );
}
