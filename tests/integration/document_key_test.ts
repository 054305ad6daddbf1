/**
 * Rows named by document keys. A replica set shards nothing; its metadata is given a shard key here as in a cluster, so
 * that all is real but the keys in its events, which lack the shard key.
 */
import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { CausalReader } from "../../lib/source/connection/causal_reader.ts";
import { shardKeyOf } from "../../lib/source/documents/collections.ts";
import { quietReader } from "../support/quiet_reader.ts";
import { oidsOf } from "../support/follow.ts";
import { type OwnContext, ownMongodbTest } from "../support/own_mongodb.ts";

const dataOf = ({ mongodb, database }: OwnContext) => mongodb.db(database).collection<Document>("data");

const shardBy = ({ mongodb, database }: OwnContext, key: Document) =>
  mongodb.db("config").collection<Document>("collections")
    .replaceOne({ _id: `${database}.data` } as Document, { key }, { upsert: true });

const keyOf = (region: string, _id: string) => `{"region":"${region}","_id":"${_id}"}`;

const seen = (own: OwnContext, oids: readonly string[]) =>
  eventually(async () => assert.deepEqual(await oidsOf(own, own.table), [...oids].sort()));

ownMongodbTest("relay() names rows by the shard key, too, with --key documentKey", async (own) => {
  const data = dataOf(own);
  await data.insertMany([{ _id: "a", region: "x" }, { _id: "b", region: "y" }, { _id: "c" }] as Document[]);
  await shardBy(own, { region: 1, _id: 1 });
  const flags = ["--key", "documentKey"];
  const first = own.relay([...flags, "--batch-size", "1"]);
  await first.waitForLine(/Ready/);
  await seen(own, [keyOf("x", "a"), keyOf("y", "b"), '{"_id":"c"}']);
  await data.insertOne({ _id: "d", region: "x" } as Document);
  await data.updateOne({ _id: "a" } as Document, { $set: { n: 1 } });
  await seen(own, [keyOf("x", "a"), keyOf("y", "b"), '{"_id":"c"}', keyOf("x", "d")]);
  assert.equal((await first.kill()).code, 0, first.stderr.join("\n"));

  await data.deleteMany({ _id: { $in: ["b", "c"] } } as Document);
  await data.updateOne({ _id: "a" } as Document, { $set: { region: "z" } });
  const second = own.relay([...flags, "--snapshot", "always"]);
  await second.waitForLine(/Ready/);
  await seen(own, [keyOf("z", "a"), keyOf("x", "d")]);
  assert.equal((await second.kill()).code, 0, second.stderr.join("\n"));
});

ownMongodbTest("relay() leaves no row of the keys before, when --key changes", async (own) => {
  await dataOf(own).insertMany([{ _id: "a", region: "x" }, { _id: "b", region: "y" }] as Document[]);
  await shardBy(own, { region: 1 });
  const plain = own.relay();
  await plain.waitForLine(/Ready/);
  await seen(own, ["a", "b"]);
  assert.equal((await plain.kill()).code, 0);
  for (
    const [key, oids] of [["documentKey", [keyOf("x", "a"), keyOf("y", "b")]], ["_id", ["a", "b"]]] as const
  ) {
    const running = own.relay(["--key", key, "--snapshot", "always"]);
    await running.waitForLine(/Ready/);
    await seen(own, oids);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  }
});

ownMongodbTest("relay() names rows by _id if a collection is not sharded, or sharded by _id", async (own) => {
  await dataOf(own).insertOne({ _id: "a", region: "x" } as Document);
  for (const key of [undefined, { _id: "hashed" }]) {
    if (key) await shardBy(own, key);
    const running = own.relay(["--key", "documentKey", "--snapshot", "always"]);
    await running.waitForLine(/Ready/);
    await seen(own, ["a"]);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  }
});

ownMongodbTest("shardKeyOf() has the paths of a shard key, without _id", async (own) => {
  await using reader: CausalReader = quietReader(own.mongodb);
  const namespace = { database: own.database, collection: "data" };
  assert.deepEqual(await shardKeyOf(reader, namespace), []);
  for (const [key, paths] of [[{ "a.b": 1, c: "hashed", _id: 1 }, ["a.b", "c"]], [{ _id: 1 }, []]] as const) {
    await shardBy(own, key);
    assert.deepEqual(await shardKeyOf(reader, namespace), paths);
  }
});
