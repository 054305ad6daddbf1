/** Two relays that write to the table that is widened. */
import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { inStep } from "../support/compare.ts";
import { cratedbTest, transports } from "../support/cratedb_harness.ts";
import { nightly } from "../support/nightly.ts";
import { assertNoLeftovers, BEYOND, columnTypes } from "../support/widened.ts";

/** What two collections have at the same paths, by turns. */
const RIVALS: Readonly<
  Record<string, readonly [one: (n: number) => unknown, other: (n: number) => unknown]>
> = {
  number: [(n) => BEYOND.add(2 * n), (n) => n + 0.5],
  "text or number": [(n) => `text ${n}`, (n) => n],
  "array or scalar": [(n) => [n], (n) => n / 4],
  list: [(n) => [BEYOND.add(2 * n), n], (n) => [n + 0.25]],
  objects: [(n) => [{ t: n }, { t: BEYOND }], (n) => [{ t: n / 8 }, { s: `${n}` }]],
  "object or array": [(n) => ({ t: n }), (n) => [{ t: n / 2 }]],
};
const COLLECTIONS = ["one", "other"] as const;
const ROUNDS = 15;
const PER_ROUND = 60;

nightly(cratedbTest)(
  "relay() and another one write conflicting kinds into one table while it is widened",
  async (context) => {
    const { mongodb, database, relay } = context;
    const relays = COLLECTIONS.map((collection, at) =>
      relay(["--collection", collection, "--batch-size", "50", "--lease", "2s"], {
        transport: transports[at] ?? "http",
      })
    );
    await Promise.all(relays.map((running) => running.waitForLine(/Ready/)));
    await mongodb.db(database).collection<Document>("one").insertOne(
      { _id: "first", number: BEYOND } as Document,
    );
    await inStep(context, { collections: COLLECTIONS });
    await Promise.all(COLLECTIONS.map(async (collection, side) => {
      const data = mongodb.db(database).collection<Document & { _id: string }>(collection);
      for (let round = 0; round < ROUNDS; round++) {
        const rivals = Object.entries(RIVALS).filter((_, at) => at <= round);
        await data.insertMany(Array.from({ length: PER_ROUND }, (_, at) => {
          const n = round * PER_ROUND + at;
          return {
            _id: `${collection} ${n}`,
            ...Object.fromEntries(
              rivals.map(([name, kinds]) => [name, kinds[(side + (at % 7 === 0 ? 1 : 0)) % 2]?.(n)]),
            ),
          };
        }));
        await data.deleteMany({ _id: { $regex: `[${round % 10}]7$` } });
        await data.updateMany({ _id: { $regex: `[${round % 10}]3$` } }, {
          $set: { number: round % 2 ? 1.5 : BEYOND },
        });
      }
    }));
    await inStep(context, { collections: COLLECTIONS, interval: 250 }).catch((error) => {
      throw new Error(relays.flatMap(({ stderr }) => stderr).join("\n"), { cause: error });
    });
    assert.equal((await columnTypes(context)).number, "double precision");
    for (const running of relays) assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    assert.deepEqual(await context.sql("SELECT oid, error FROM cdc_dead_letter"), []);
    await assertNoLeftovers(context);
  },
);
