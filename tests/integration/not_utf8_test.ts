/** Documents with bytes that are no UTF-8, which MongoDB takes and CrateDB does not. */
import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { documentOfExtendedJson } from "../../lib/bson/bson.ts";
import { keyText } from "../../lib/key/key_text.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { oidsOf } from "../support/follow.ts";
import { documentOf, latin1, raw, valueOf } from "../support/raw_bson.ts";
import { rawCommand } from "../support/raw_command.ts";
import { variants } from "../support/nightly.ts";

const n = raw.int32(1);

/** Each tilde is a byte that is no UTF-8. */
const DOCUMENTS = [
  [["_id", raw.string("caf~")], ["n", n]],
  [["_id", raw.string("caf~~")], ["n", n]],
  [["_id", raw.document([["a", raw.int32(1)], ["b", raw.string("~")]])], ["n", n]],
  [["_id", raw.document([["~", raw.int32(1)]])], ["n", n]],
  [["_id", raw.string("value")], ["n", n], ["text", raw.string("~")]],
  [["_id", raw.string("name")], ["n", n], ["~", raw.int32(1)]],
  [["_id", raw.string("inside")], ["n", n], ["list", raw.array([raw.document([["~", raw.string("~")]])])]],
] as const;

const bytes = DOCUMENTS.map((fields) => latin1(documentOf(fields)));

const keys = DOCUMENTS.map(([[, { type, bytes }]]) => keyText(valueOf({ type, bytes: latin1(bytes) })));

const letters = async ({ sql }: CratedbContext) => {
  await sql("REFRESH TABLE cdc_dead_letter");
  return await sql("SELECT oid, document FROM cdc_dead_letter");
};

const collectionOf = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

const insert = ({ mongodb, database }: CratedbContext) => rawCommand(mongodb.db(database), "insert", bytes);

const lettersAre = (context: CratedbContext, expected: readonly string[]) =>
  eventually(async () =>
    assert.deepEqual((await letters(context)).map(({ oid }) => oid).sort(), [...expected].sort())
  );

const FINE = ["bar", "cab", "cafe", "zoo"];

const WAYS = variants<readonly [string, readonly string[]]>(
  [["a transform, one document a chunk", ["--omit", "nothing", "--batch-size", "1"]]],
  [["large chunks", []], ["one document a chunk", ["--batch-size", "1"]], ["a transform", [
    "--omit",
    "nothing",
  ]]],
);

for (const [way, flags] of WAYS) {
  cratedbTest(`relay() keeps bytes that are no UTF-8 as dead letters, with ${way}`, async (context) => {
    const data = collectionOf(context);
    const { mongodb, database } = context;
    await data.insertMany(FINE.map((_id) => ({ _id, n: 1 })) as Document[]);
    assert.deepEqual(await insert(context), []);
    const running = context.relay(flags);
    await running.waitForLine(/Ready/);
    await lettersAre(context, keys);
    for (const { oid, document } of await letters(context)) {
      const expected = bytes[keys.indexOf(String(oid))];
      assert.ok(expected);
      assert.deepEqual(new Uint8Array(documentOfExtendedJson(String(document))), expected);
    }
    await eventually(async () => assert.deepEqual(await oidsOf(context, context.table), FINE));

    await mongodb.db(database).collection("data").deleteMany({ n: 1, _id: { $nin: FINE } } as never);
    await lettersAre(context, []);
    assert.deepEqual(await insert(context), []);
    await lettersAre(context, keys);
    await data.updateMany({ _id: { $nin: FINE } } as never, { $set: { n: 2 } });
    await data.insertOne({ _id: "last" } as Document);
    await eventually(async () =>
      assert.deepEqual(await oidsOf(context, context.table), [...FINE, "last"].sort())
    );
    await lettersAre(context, keys);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));

    const again = context.relay([...flags, "--snapshot", "always"]);
    await again.waitForLine(/Ready/);
    await lettersAre(context, keys);
    assert.deepEqual(await oidsOf(context, context.table), [...FINE, "last"].sort());
    assert.equal((await again.kill()).code, 0, again.stderr.join("\n"));
  });
}
